use std::{
    collections::BTreeMap,
    io::Write as _,
    net::AddrParseError,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use http::Method;
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::time::Instant;
use url::Url;

use super::{
    clerk::{Clerk, ClerkError},
    request::compose,
    values::Values,
};
use crate::{
    case::{Case, Step},
    clerk::{Authority, LocalClerk},
    intercept::Intercept,
    mint::{SigningKey, TokenKind, TokenSpec},
    profile::Profile,
    target::{Ended, Environment, Start, Started, free_port},
    wire::{Address, Answer, Outgoing, Trust, WireError, exchange},
};

/// How often a target is asked whether it is ready.
const READY_INTERVAL: Duration = Duration::from_millis(20);

/// A target and the Clerk it uses, ready to be asked.
pub(crate) struct Bench {
    pub(crate) profile: Profile,
    pub(crate) values: Values,
    pub(crate) clerk: Option<Clerk>,
    pub(crate) tokens: BTreeMap<TokenKind, String>,
    address: Address,
    limit: Duration,
    running: Option<Running>,
    controls: Mutex<BTreeMap<String, Control>>,
}

/// What runs for a bench alone, and ends with it.
struct Running {
    started: Started,
    clerks: Vec<LocalClerk>,
    /// The authority that vouches for Clerk; the file is gone with it.
    _authority: Option<NamedTempFile>,
    intercept: Option<Intercept>,
}

/// Whether a token that is as it should be is accepted.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    Accepted,
    Refused(String),
}

/// Why there is no bench.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// The target ended, or never became ready.
    #[error("the target did not start: {0}")]
    Target(Ended),
    #[error("the target was not ready within {}{}", crate::wire::seconds(*.limit), said(.output))]
    NotReady { limit: Duration, output: String },
    #[error("the profile has no setting {0:?}")]
    NoSetting(String),
    #[error(transparent)]
    Clerk(#[from] ClerkError),
    #[error("{0}")]
    Other(String),
}

fn said(output: &str) -> String {
    match output.trim() {
        "" => String::new(),
        output => format!("; the last it printed:\n{output}"),
    }
}

/// What a bench of our own is made of.
pub(crate) struct Plan<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) start: &'a Start,
    pub(crate) trust: &'a Trust,
    /// How long an answer may take.
    pub(crate) limit: Duration,
    /// How long a start may take.
    pub(crate) start_limit: Duration,
}

impl Plan<'_> {
    /// Starts a Clerk, does what the case does to it first, and starts a target with the case's settings.
    pub(crate) async fn start(&self, case: Option<&Case>) -> Result<Bench, BenchError> {
        let prepared = self.prepare(case).await?;
        let started = self
            .start
            .start(prepared.environment.clone(), &self.variables())
            .await
            .map_err(BenchError::Target)?;
        let bench = Bench {
            profile: self.profile.clone(),
            address: address(&prepared.values, self.trust)?,
            values: prepared.values,
            clerk: Some(prepared.clerk),
            tokens: BTreeMap::new(),
            limit: self.limit,
            running: Some(Running {
                started,
                clerks: prepared.clerks,
                _authority: prepared.authority,
                intercept: prepared.intercept,
            }),
            controls: Mutex::default(),
        };
        // A server whose Clerk is in trouble may never call itself ready, and is asked all the same.
        let in_trouble = case.is_some_and(|case| !case.before.is_empty() || !case.instead.is_empty());
        match bench.wait_until_ready(self.start_limit, in_trouble).await {
            Ok(()) => Ok(bench),
            Err(error) => {
                bench.stop().await;
                Err(error)
            }
        }
    }

    /// Starts a target that is expected not to start, and returns how it ended.
    pub(crate) async fn start_in_vain(
        &self,
        case: &Case,
        without: &[String],
    ) -> Result<Option<Ended>, BenchError> {
        let mut prepared = self.prepare(Some(case)).await?;
        let templates = &self.profile.environment;
        prepared.environment.retain(|variable, _| {
            let template = templates.get(variable).map_or("", String::as_str);
            !without.iter().any(|value| template == format!("{{{value}}}"))
        });
        let started = match self.start.start(prepared.environment, &self.variables()).await {
            Ok(started) => started,
            Err(ended) => return Ok(Some(ended)),
        };
        let deadline = Instant::now() + self.start_limit;
        let ended = loop {
            if let Some(ended) = started.ended().await {
                break Some(ended);
            }
            let runs = self.answers(&prepared.values).await;
            if runs || Instant::now() >= deadline {
                break None;
            }
            tokio::time::sleep(READY_INTERVAL).await;
        };
        started.stop().await;
        Ok(ended)
    }

    async fn answers(&self, values: &Values) -> bool {
        let Ok(address) = address(values, self.trust) else {
            return false;
        };
        match compose(&Step::default(), None, None, values) {
            Ok(outgoing) => exchange(&address, &outgoing, self.limit).await.is_ok(),
            Err(_) => false,
        }
    }

    /// Every variable that the profile knows: what this process has under these names is not meant for the target.
    fn variables(&self) -> Vec<String> {
        let Profile {
            environment,
            settings,
            ..
        } = self.profile;
        environment.keys().chain(settings.values()).cloned().collect()
    }

    async fn prepare(&self, case: Option<&Case>) -> Result<Prepared, BenchError> {
        let mut values = Values::default();
        let other = |error: &dyn std::error::Error| BenchError::Other(error.to_string());
        let secure = self.profile.https || self.profile.intercept;
        let authority = secure
            .then(Authority::generate)
            .transpose()
            .map_err(|error| other(&error))?;
        let pass_for = self.profile.intercept.then_some(FRONTEND_API_HOST);
        let mut clerks = vec![start_clerk(authority.as_ref(), first_key(), pass_for).await?];
        let file = authority
            .as_ref()
            .map(|authority| in_file(authority.pem()))
            .transpose()?;
        if let Some(file) = &file {
            values.set("ca_file", file.path().display().to_string());
        }
        let needs_other =
            case.is_some_and(|case| serde_json::to_string(case).is_ok_and(|case| case.contains("{other.")));
        if needs_other {
            clerks.push(start_clerk(authority.as_ref(), second_key(), None).await?);
        }
        for (clerk, prefix) in clerks.iter().zip(["", "other."]) {
            name(&mut values, clerk, prefix);
        }
        let clerk = match clerks.first() {
            Some(first) => Clerk::new(&first.admin_url(), authority.as_ref().map(Authority::pem))?,
            None => return Err(BenchError::Other("there is no Clerk".to_owned())),
        };
        name_people(&mut values, &clerk.state().await?);

        let port =
            free_port().map_err(|error| BenchError::Other(format!("there is no free port: {error}")))?;
        name_target(
            &mut values,
            &format!("http://127.0.0.1:{port}"),
            &self.profile.mcp_path,
        );
        values.set("key_interval", &self.profile.key_interval);
        values.set("host", "127.0.0.1");
        values.set("port", port.to_string());

        if let Some(case) = case {
            for action in &case.before {
                let action = values
                    .fill_in(action)
                    .map_err(|error| BenchError::Other(error.to_string()))?;
                clerk.act(&action).await?;
            }
        }
        let mut environment = self.environment(case, &mut values)?;
        let mut intercept = None;
        if let (Some(host), Some(clerk)) = (pass_for, clerks.first()) {
            let address = clerk.origin().trim_start_matches("https://").parse();
            let address = address.map_err(|error: AddrParseError| other(&error))?;
            let hosts = vec![host.to_owned(), BACKEND_API_HOST.to_owned()];
            let proxy = Intercept::start(address, hosts)
                .await
                .map_err(|error| other(&error))?;
            through(
                &mut environment,
                &proxy,
                values.get("ca_file").unwrap_or_default(),
            );
            intercept = Some(proxy);
        }
        Ok(Prepared {
            values,
            clerk,
            clerks,
            authority: file,
            intercept,
            environment,
        })
    }

    fn environment(&self, case: Option<&Case>, values: &mut Values) -> Result<Environment, BenchError> {
        let unknown = |error: super::values::Unknown| BenchError::Other(error.to_string());
        let mut given = values.clone();
        for (name, text) in case.iter().flat_map(|case| &case.instead) {
            given.set(name, values.fill(text).map_err(unknown)?);
        }
        let mut environment = Environment::new();
        for (variable, template) in &self.profile.environment {
            environment.insert(variable.clone(), given.fill(template).map_err(unknown)?);
        }
        for (setting, text) in case.iter().filter_map(|case| case.own.as_ref()).flatten() {
            let variable = self
                .profile
                .settings
                .get(setting)
                .ok_or_else(|| BenchError::NoSetting(setting.clone()))?;
            let value = values.fill(text).map_err(unknown)?;
            if setting == "base_url" {
                // The target is somewhere else than it listens, as behind a proxy.
                let authority = values.get("authority").unwrap_or_default().to_owned();
                name_target(values, &value, &self.profile.mcp_path);
                values.set("listens_on", authority);
            }
            environment.insert(variable.clone(), value);
        }
        Ok(environment)
    }
}

/// What a target needs to start.
struct Prepared {
    values: Values,
    clerk: Clerk,
    clerks: Vec<LocalClerk>,
    authority: Option<NamedTempFile>,
    intercept: Option<Intercept>,
    environment: Environment,
}

/// Who the local Clerk passes for when requests are intercepted: the name has the form of a development instance's.
const FRONTEND_API_HOST: &str = "local-conformance-1.clerk.accounts.dev";
const BACKEND_API_HOST: &str = "api.clerk.com";

/// Sends a target's requests through the proxy, and has it trust the authority: by the variables that curl, OpenSSL,
/// Node, Python, Go and rustls read.
fn through(environment: &mut Environment, proxy: &Intercept, authority: &str) {
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        environment.insert(variable.to_owned(), proxy.url());
    }
    for variable in ["NO_PROXY", "no_proxy"] {
        environment.insert(variable.to_owned(), "127.0.0.1,localhost".to_owned());
    }
    for variable in [
        "SSL_CERT_FILE",
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ] {
        environment.insert(variable.to_owned(), authority.to_owned());
    }
    environment.insert("NODE_USE_ENV_PROXY".to_owned(), "1".to_owned());
}

impl Bench {
    /// A target that somebody else runs, at `mcp_url`.
    pub(crate) fn of_running(
        profile: &Profile,
        mcp_url: &Url,
        trust: &Trust,
        limit: Duration,
    ) -> Result<Self, BenchError> {
        let mut profile = profile.clone();
        mcp_url.path().clone_into(&mut profile.mcp_path);
        let mut values = Values::default();
        let base = mcp_url.as_str().trim_end_matches(mcp_url.path());
        name_target(&mut values, base, &profile.mcp_path);
        values.set("key_interval", &profile.key_interval);
        Ok(Self {
            address: address(&values, trust)?,
            profile,
            values,
            clerk: None,
            tokens: BTreeMap::new(),
            limit,
            running: None,
            controls: Mutex::default(),
        })
    }

    /// Uses the Clerk that the running target uses.
    pub(crate) async fn with_clerk(
        mut self,
        clerk: Clerk,
        frontend_api_url: &str,
    ) -> Result<Self, BenchError> {
        name_people(&mut self.values, &clerk.state().await?);
        self.values.set("issuer", frontend_api_url);
        self.values.set("frontend_api_url", frontend_api_url);
        self.clerk = Some(clerk);
        Ok(self)
    }

    /// Sends one request.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Result<Answer, WireError> {
        exchange(&self.address, outgoing, self.limit).await
    }

    /// Whether the suite started the target.
    pub(crate) fn is_ours(&self) -> bool {
        self.running.is_some()
    }

    /// The values that are other ones in each run.
    pub(crate) fn changing(&self) -> &'static [&'static str] {
        if self.is_ours() {
            &["base_url", "authority", "listens_on", "issuer", "domain"]
        } else {
            &[]
        }
    }

    /// Whether anybody answers at all.
    pub(crate) async fn knock(&self) -> Result<(), WireError> {
        let outgoing = compose(&Step::default(), None, None, &self.values).map_err(WireError::Request)?;
        self.send(&outgoing).await.map(|_| ())
    }

    /// How the target ended, if it has.
    pub(crate) async fn ended(&self) -> Option<Ended> {
        match &self.running {
            Some(running) => running.started.ended().await,
            None => None,
        }
    }

    /// Whether the same token without what was done to it is accepted. Tried once for each.
    pub(crate) async fn control(&self, key: &str, token: &str) -> Control {
        let known = self.controls.lock().get(key).cloned();
        if let Some(control) = known {
            return control;
        }
        let control = match compose(&Step::default(), Some(token), None, &self.values) {
            Ok(outgoing) => match self.send(&outgoing).await {
                Ok(answer) if answer.status.is_success() => Control::Accepted,
                Ok(answer) => Control::Refused(format!("status {}", answer.status.as_u16())),
                Err(error) => Control::Refused(error.to_string()),
            },
            Err(error) => Control::Refused(error),
        };
        let control = match control {
            Control::Refused(how) if self.goes_past_the_proxy() => Control::Refused(format!(
                "{how}; nothing of the target came through the proxy: does it honour HTTPS_PROXY?"
            )),
            control @ (Control::Accepted | Control::Refused(_)) => control,
        };
        self.controls.lock().insert(key.to_owned(), control.clone());
        control
    }

    /// Whether the target's requests for Clerk are intercepted, and none has come.
    fn goes_past_the_proxy(&self) -> bool {
        let intercept = self
            .running
            .as_ref()
            .and_then(|running| running.intercept.as_ref());
        intercept.is_some_and(|intercept| !intercept.is_used())
    }

    /// Fills in what a specification leaves to the target: which kind is ordinary, which resource and scopes.
    pub(crate) fn complete(&self, spec: &TokenSpec) -> Option<TokenSpec> {
        let mut spec = spec.clone();
        if spec.kind == TokenKind::Any {
            spec.kind = self.profile.ordinary_kind()?;
        }
        let is_oauth = matches!(
            spec.kind,
            TokenKind::OauthToken
                | TokenKind::OpaqueOauthToken
                | TokenKind::IdToken
                | TokenKind::RefreshToken
        );
        if is_oauth {
            let resource = || self.values.fill(&self.profile.resource).ok();
            spec.resource = spec.resource.or_else(resource);
            spec.scopes = spec.scopes.or_else(|| Some(self.profile.scopes.clone()));
        }
        Some(spec)
    }

    async fn wait_until_ready(&self, limit: Duration, in_trouble: bool) -> Result<(), BenchError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(ended) = self.ended().await {
                return Err(BenchError::Target(ended));
            }
            if self.is_ready(in_trouble).await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let output = self.running.as_ref().map(|running| running.started.output());
                return Err(BenchError::NotReady {
                    limit,
                    output: output.unwrap_or_default(),
                });
            }
            // Nothing tells us when another program is ready but asking it.
            tokio::time::sleep(READY_INTERVAL).await;
        }
    }

    async fn is_ready(&self, in_trouble: bool) -> bool {
        let mut step = Step::default();
        if let Some(path) = &self.profile.ready {
            step.send.path = Some(path.clone());
            step.send.method = Some(Method::GET.to_string());
        }
        let Ok(outgoing) = compose(&step, None, None, &self.values) else {
            return false;
        };
        match self.send(&outgoing).await {
            Ok(answer) => {
                self.profile.ready.is_none() || answer.status == 200 || in_trouble && answer.status == 503
            }
            Err(_) => false,
        }
    }

    /// Stops what runs for this bench alone.
    pub(crate) async fn stop(self) {
        let Some(running) = self.running else { return };
        running.started.stop().await;
        for clerk in running.clerks {
            clerk.stop().await;
        }
    }
}

async fn start_clerk(
    authority: Option<&Authority>,
    key: &SigningKey,
    pass_for: Option<&str>,
) -> Result<LocalClerk, BenchError> {
    // The key's id is that of the instance, and no two instances have the same.
    let id: String = (0..27)
        .map(|_| char::from(rand::random_range(b'a'..=b'z')))
        .collect();
    let mut builder = LocalClerk::builder().signing_key(key.with_kid(format!("ins_{id}")));
    if let Some(authority) = authority {
        builder = builder.https(authority);
    }
    if let Some(host) = pass_for {
        builder = builder.pass_for(host);
    }
    builder
        .start()
        .await
        .map_err(|error| BenchError::Other(error.to_string()))
}

/// Every first Clerk of a run signs with it: making keys takes longer than many a case.
fn first_key() -> &'static SigningKey {
    static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("ins_first"));
    &KEY
}

/// The key of another application.
fn second_key() -> &'static SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate("ins_second"))
}

fn in_file(pem: &str) -> Result<NamedTempFile, BenchError> {
    let write = || {
        let mut file = NamedTempFile::with_suffix(".pem")?;
        file.write_all(pem.as_bytes())?;
        file.flush()?;
        Ok(file)
    };
    write().map_err(|error: std::io::Error| BenchError::Other(format!("cannot write a file: {error}")))
}

fn name(values: &mut Values, clerk: &LocalClerk, prefix: &str) {
    for (name, value) in [
        ("issuer", clerk.issuer().to_owned()),
        ("frontend_api_url", clerk.frontend_api_url().to_owned()),
        ("backend_api_url", clerk.backend_api_url().to_owned()),
        (
            "jwks_url",
            format!("{}/.well-known/jwks.json", clerk.frontend_api_url()),
        ),
        ("domain", clerk.domain().to_owned()),
        ("secret_key", clerk.secret_key().to_owned()),
        ("publishable_key", clerk.publishable_key().to_owned()),
        ("jwt_key", clerk.signing_key().public_key_pem()),
        ("kid", clerk.instance_id().to_owned()),
    ] {
        values.set(format!("{prefix}{name}"), value);
    }
}

/// Users by their first names, organizations by their slugs.
fn name_people(values: &mut Values, state: &Value) {
    let list = |name: &str| {
        state
            .get(name)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    for user in list("users") {
        if let (Some(id), Some(name)) = (text(&user, "id"), text(&user, "first_name")) {
            values.set(name.to_ascii_lowercase(), id);
        }
    }
    for organization in list("organizations") {
        if let (Some(id), Some(slug)) = (text(&organization, "id"), text(&organization, "slug")) {
            values.set(format!("org.{slug}"), id);
        }
    }
}

fn name_target(values: &mut Values, base_url: &str, mcp_path: &str) {
    let base_url = base_url.trim_end_matches('/');
    let parsed = Url::parse(base_url).ok();
    let origin = parsed.as_ref().map(|url| url.origin().ascii_serialization());
    let authority = origin.as_deref().and_then(|origin| origin.split_once("://"));
    values.set("base_url", base_url);
    values.set("authority", authority.map_or("", |(_, authority)| authority));
    values.set("origin", origin.clone().unwrap_or_default());
    values.set("mcp_url", format!("{base_url}{mcp_path}"));
    values.set("mcp", mcp_path);
    values.set(
        "base_path",
        parsed.map_or(String::new(), |url| url.path().trim_end_matches('/').to_owned()),
    );
}

/// Where the target listens.
fn address(values: &Values, trust: &Trust) -> Result<Address, BenchError> {
    let url = match values.get("listens_on") {
        Some(authority) => format!("http://{authority}"),
        None => values.get("base_url").unwrap_or_default().to_owned(),
    };
    let url = Url::parse(&url).map_err(|error| BenchError::Other(format!("{url}: {error}")))?;
    Address::of(&url, trust).ok_or_else(|| BenchError::Other(format!("{url} has no host")))
}
