//! How a bench of our own comes about: a local Clerk, what the case does to it first, and a target with the case's settings.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::AddrParseError,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use parking_lot::Mutex;
use tempfile::NamedTempFile;
use tokio::time::{Instant, timeout_at};

use super::{
    bench::{Bench, BenchError, READY_INTERVAL, Running, address, learn_values},
    clerk::Clerk,
    request::compose,
    values::{Unknown, Values},
};
use crate::{
    case::{Case, OTHER, Step},
    intercept::Intercept,
    profile::Profile,
    redact::Redactor,
    target::{Ended, Environment, Start, free_port, is_taken},
    wire::{Trust, exchange},
};
use local_clerk::{
    Authority, LocalClerk,
    mint::{SigningKey, TokenKind},
};

/// What a bench of our own is made of.
pub(crate) struct Plan<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) start: &'a Start,
    pub(crate) trust: &'a Trust,
    /// How long an answer may take.
    pub(crate) limit: Duration,
    /// How long a start may take.
    pub(crate) start_limit: Duration,
    /// The run's redactor.
    pub(crate) redactor: &'a Redactor,
}

impl Plan<'_> {
    /// Starts a Clerk, does what the case does to it first, and starts a target with the case's settings.
    pub(crate) async fn start(&self, case: Option<&Case>) -> Result<Bench, BenchError> {
        let mut ports = PORTS;
        loop {
            let port = port()?;
            let bench = self.start_at(port, case).await;
            ports -= 1;
            // Another program was faster, which the target is not to blame for.
            if ports == 0 || !matches!(bench, Err(BenchError::Target(_))) || !is_taken(port) {
                return bench;
            }
        }
    }

    async fn start_at(&self, port: u16, case: Option<&Case>) -> Result<Bench, BenchError> {
        let prepared = self.prepare(port, case).await?;
        let started = self
            .start
            .start(prepared.environment.clone(), &self.variables())
            .await
            .map_err(BenchError::Target)?;
        let running = Running {
            started,
            clerks: prepared.clerks,
            _authority: prepared.authority,
            intercept: prepared.intercept,
        };
        let bench = Bench {
            profile: self.profile.clone(),
            address: address(&prepared.values, self.trust)?,
            values: prepared.values,
            clerk: Some(prepared.clerk),
            tokens: BTreeMap::new(),
            limit: self.limit,
            running: Some(running),
            controls: Mutex::default(),
            redactor: self.redactor.clone(),
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
        let mut ports = PORTS;
        loop {
            let port = port()?;
            let ended = self.start_in_vain_at(port, case, without).await?;
            ports -= 1;
            if ports == 0 || ended.is_none() || !is_taken(port) {
                return Ok(ended);
            }
        }
    }

    async fn start_in_vain_at(
        &self,
        port: u16,
        case: &Case,
        without: &[String],
    ) -> Result<Option<Ended>, BenchError> {
        let mut prepared = self.prepare(port, Some(case)).await?;
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
            let runs = timeout_at(deadline, self.answers(&prepared.values)).await == Ok(true);
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

    async fn prepare(&self, port: u16, case: Option<&Case>) -> Result<Prepared, BenchError> {
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
        for (clerk, prefix) in clerks.iter().zip(["", OTHER]) {
            values.name_clerk(clerk, prefix);
        }
        let clerk = match clerks.first() {
            Some(first) => Clerk::new(&first.admin_url(), authority.as_ref().map(Authority::pem))?,
            None => return Err(BenchError::Other("there is no Clerk".to_owned())),
        };
        values.name_people(&clerk.state().await?);

        let origin = format!("http://127.0.0.1:{port}");
        values.name_target_below(&origin, &self.profile.base_path, &self.profile.mcp_path);
        values.set("key_interval", &self.profile.key_interval);
        values.set("host", "127.0.0.1");
        values.set("port", port.to_string());
        // Before a case gives the target another base URL, which is the same in each run.
        learn_values(self.redactor, &values);

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
        let unknown = |error: Unknown| BenchError::Other(error.to_string());
        let mut given = values.clone();
        for (name, text) in case.iter().flat_map(|case| &case.instead) {
            given.set(name, values.fill(text).map_err(unknown)?);
        }
        let mut environment = Environment::new();
        for (variable, template) in &self.profile.environment {
            environment.insert(variable.clone(), given.fill(template).map_err(unknown)?);
        }
        for (setting, text) in case.iter().filter_map(|case| case.own.as_ref()).flatten() {
            if setting == "accepted_tokens" && case.is_some_and(|case| self.accepts_already(case, text)) {
                continue;
            }
            let variable = self
                .profile
                .settings
                .get(setting)
                .ok_or_else(|| BenchError::NoSetting(setting.clone()))?;
            let value = values.fill(text).map_err(unknown)?;
            if setting == "base_url" {
                // The target is somewhere else than it listens, as behind a proxy.
                let authority = values.get("authority").unwrap_or_default().to_owned();
                values.name_target(&value, &self.profile.mcp_path);
                values.set("listens_on", authority);
            }
            environment.insert(variable.clone(), value);
        }
        Ok(environment)
    }
}

impl Plan<'_> {
    /// Whether the target needs no setting to accept these kinds and no others, as far as the case goes.
    fn accepts_already(&self, case: &Case, kinds: &str) -> bool {
        let Profile {
            accepts, settings, ..
        } = self.profile;
        let listed = |kind: &TokenKind| {
            let name = kind.name().trim_start_matches("opaque_");
            kinds.split(',').any(|one| one == name)
        };
        let steps = case.steps();
        let mut presented = steps.iter().filter_map(|step| Some(step.token.as_ref()?.kind));
        !settings.contains_key("accepted_tokens")
            && accepts.iter().all(listed)
            && presented.all(|kind| accepts.contains(&kind))
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

/// How many ports are tried when other programs take them.
const PORTS: usize = 3;

fn port() -> Result<u16, BenchError> {
    free_port().ok_or_else(|| BenchError::Other("there is no free port".to_owned()))
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
        builder = builder.stand_in_for(host);
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
