//! A target that is ready, and the Clerk that it uses.

use std::{collections::BTreeMap, time::Duration};

use http::Method;
use parking_lot::Mutex;
use tempfile::NamedTempFile;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    clerk::{Clerk, ClerkError},
    complete::complete,
    request::compose,
    values::Values,
};
use crate::{
    assertions,
    case::{OTHER, Step},
    intercept::Intercept,
    profile::Profile,
    redact::Redactor,
    target::{Ended, Started},
    wire::{Address, Answer, Outgoing, Trust, WireError, exchange},
};
use local_clerk::{
    Endpoint, LocalClerk,
    mint::{TokenKind, TokenSpec},
};

/// How often a target is asked whether it is ready.
pub(super) const READY_INTERVAL: Duration = Duration::from_millis(20);

/// A target and the Clerk it uses, ready to be asked.
pub(crate) struct Bench {
    pub(crate) profile: Profile,
    pub(crate) values: Values,
    pub(crate) clerk: Option<Clerk>,
    pub(crate) tokens: BTreeMap<TokenKind, String>,
    pub(super) address: Address,
    pub(super) limit: Duration,
    pub(super) running: Option<Running>,
    pub(super) controls: Mutex<BTreeMap<String, Control>>,
    /// What is secret here before there is a token.
    pub(super) redactor: Redactor,
    /// The same with every token that was presented: what the target prints may have any of them.
    pub(super) printed: Mutex<Redactor>,
}

/// What runs for a bench alone, and ends with it.
pub(super) struct Running {
    pub(super) started: Started,
    pub(super) clerks: Vec<LocalClerk>,
    /// The authority that vouches for Clerk; the file is gone with it.
    pub(super) _authority: Option<NamedTempFile>,
    pub(super) intercept: Option<Intercept>,
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

impl Bench {
    /// A target that somebody else runs, at `mcp_url`.
    pub(crate) fn of_running(
        profile: &Profile,
        mcp_url: &Url,
        trust: &Trust,
        limit: Duration,
        redactor: &Redactor,
    ) -> Result<Self, BenchError> {
        let mut profile = profile.clone();
        mcp_url.path().clone_into(&mut profile.mcp_path);
        let mut values = Values::default();
        match mcp_url.path().strip_prefix(&profile.base_path) {
            Some(path) => {
                let base = mcp_url.as_str().trim_end_matches(mcp_url.path());
                values.name_target_below(base, &profile.base_path, path);
            }
            None => values.name_mcp_url(mcp_url),
        }
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
            redactor: redactor.clone(),
            printed: Mutex::new(redactor.clone()),
        })
    }

    /// Uses the Clerk that the running target uses.
    pub(crate) async fn with_clerk(
        mut self,
        clerk: Clerk,
        frontend_api_url: &str,
    ) -> Result<Self, BenchError> {
        self.values.name_people(&clerk.state().await?);
        self.values.set("issuer", frontend_api_url);
        self.values.set("frontend_api_url", frontend_api_url);
        self.clerk = Some(clerk);
        Ok(self)
    }

    /// Sends one request.
    pub(crate) async fn send(&self, outgoing: &Outgoing) -> Result<Answer, WireError> {
        exchange(&self.address, outgoing, self.limit).await
    }

    /// Sends one request whose answer may take as long as this, if that is longer than usual.
    pub(crate) async fn send_within(
        &self,
        outgoing: &Outgoing,
        limit: Duration,
    ) -> Result<Answer, WireError> {
        exchange(&self.address, outgoing, limit.max(self.limit)).await
    }

    /// How many requests came to each endpoint of Clerk; those of a second one have its prefix.
    pub(crate) async fn counters(&self) -> Result<BTreeMap<String, u64>, ClerkError> {
        let mut counters = match &self.clerk {
            Some(clerk) => clerk.counters().await?,
            None => BTreeMap::new(),
        };
        let other = self.running.as_ref().and_then(|running| running.clerks.get(1));
        for (clerk, endpoint) in other
            .into_iter()
            .flat_map(|clerk| Endpoint::ALL.iter().map(move |one| (clerk, one)))
        {
            counters.insert(format!("{OTHER}{endpoint}"), clerk.request_count(*endpoint));
        }
        Ok(counters)
    }

    /// Whether the suite started the target.
    pub(crate) fn is_ours(&self) -> bool {
        self.running.is_some()
    }

    /// From now on the target may print this token.
    pub(super) fn minted(&self, token: &str) {
        if self.is_ours() {
            self.printed.lock().know(token, "token");
        }
    }

    /// How it ended, as it may be shown.
    pub(super) fn shown(&self, ended: &Ended) -> Ended {
        Ended {
            exit: ended.exit,
            output: self.printed.lock().clean(&ended.output),
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
    pub(crate) async fn control(&self, key: &str, token: &str, redactor: &Redactor) -> Control {
        let known = self.controls.lock().get(key).cloned();
        if let Some(control) = known {
            return control;
        }
        let answer = match compose(&Step::default(), Some(token), None, &self.values) {
            Ok(outgoing) => self.send(&outgoing).await,
            Err(error) => Err(WireError::Request(error)),
        };
        let control = match answer {
            Ok(answer) if assertions::is_accepted(&answer) => Control::Accepted,
            Ok(answer) => Control::Refused(redactor.clean(&assertions::summary(&answer))),
            // Nothing is learnt of the token, and the next answer may come.
            Err(error) => return Control::Refused(error.to_string()),
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

    /// What came of a token that is as it should be, if every such token was refused.
    pub(super) fn good_token_refused(&self) -> Option<String> {
        let controls = self.controls.lock();
        let mut refused = controls.iter().map(|(token, control)| match control {
            Control::Accepted => None,
            Control::Refused(how) => Some(format!("{token}: {how}")),
        });
        let first = refused.next()??;
        refused.all(|control| control.is_some()).then_some(first)
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
    ///
    /// # Errors
    /// Why there is no such token.
    pub(crate) fn complete(&self, spec: &TokenSpec) -> Result<TokenSpec, &'static str> {
        let resource = self.values.fill(&self.profile.resource).ok();
        let supplied = |kind: &TokenKind| self.tokens.contains_key(kind);
        complete(spec, &self.profile, supplied, resource)
    }

    pub(super) async fn wait_until_ready(&self, limit: Duration, in_trouble: bool) -> Result<(), BenchError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(ended) = self.ended().await {
                return Err(BenchError::Target(self.shown(&ended)));
            }
            // An answer may take longer than what is left.
            if timeout_at(deadline, self.is_ready(in_trouble)).await == Ok(true) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let output = self.running.as_ref().map(|running| running.started.output());
                return Err(BenchError::NotReady {
                    limit,
                    output: self.printed.lock().clean(&output.unwrap_or_default()),
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

/// What is secret when a target is given these values, and what is another in each run: two runs must be comparable.
pub(super) fn knowing(values: &Values, redactor: &Redactor) -> Redactor {
    let mut redactor = redactor.clone();
    for name in ["secret_key", "other.secret_key"] {
        if let Some(secret) = values.get(name) {
            redactor.know(secret, name);
        }
    }
    for name in ["base_url", "authority", "listens_on", "issuer", "domain"] {
        if let Some(value) = values.get(name) {
            redactor.name(value, &format!("{{{name}}}"));
        }
    }
    redactor
}

/// Where the target listens.
pub(super) fn address(values: &Values, trust: &Trust) -> Result<Address, BenchError> {
    let url = match values.get("listens_on") {
        Some(authority) => format!("http://{authority}"),
        None => values.get("base_url").unwrap_or_default().to_owned(),
    };
    let url = Url::parse(&url).map_err(|error| BenchError::Other(format!("{url}: {error}")))?;
    Address::of(&url, trust).ok_or_else(|| BenchError::Other(format!("{url} has no host")))
}
