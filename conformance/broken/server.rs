//! The server's state, how it starts, and the probe of its secret key.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write as _},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use poem::listener::TcpAcceptor;
use reqwest::{Client, redirect};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use url::{Position, Url};

use super::{
    backend::{Backend, ClerkError},
    caller::Caller,
    flaw::Flaw,
    keys::Keys,
    outbound::{REQUEST_TIMEOUT, http_client},
    settings::{self, Settings},
};

/// A metadata document of Clerk (`None`: never fetched), and the time of its next fetch.
pub(crate) type CachedDocument = Option<(Option<Value>, Instant)>;

/// The state that all requests share.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) settings: Settings,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) http: Client,
    pub(crate) keys: Keys,
    pub(crate) backend: Backend,
    pub(crate) oauth_metadata: tokio::sync::Mutex<CachedDocument>,
    pub(crate) openid_metadata: tokio::sync::Mutex<CachedDocument>,
    /// The owners of MCP sessions, and the callers that flaws cache.
    pub(crate) stored_callers: Mutex<HashMap<String, Caller>>,
    /// Held by flaws while they wait for Clerk. Each request passes it.
    pub(crate) gate: tokio::sync::Mutex<()>,
    /// What the server printed.
    log: Mutex<String>,
    secret_key: Mutex<SecretKeyState>,
    /// Failures counted towards the lockout of the flaws `FloodLocksOut` and `OutageStopsAll`.
    counted_failures: AtomicUsize,
}

/// The result of the last probe of the secret key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecretKeyState {
    Good,
    Rejected,
    OtherApplication,
}

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct RunningServer {
    /// The listen address.
    pub(crate) address: SocketAddr,
    server: Arc<Server>,
    tasks: [JoinHandle<()>; 2],
}

/// Why the server did not start.
#[derive(Debug)]
pub(crate) struct StartFailure {
    /// The exit code of the program.
    pub(crate) exit_code: i32,
    /// The error message.
    pub(crate) output: String,
}

#[cfg_attr(not(test), expect(dead_code, reason = "tests read what the server printed"))]
impl RunningServer {
    /// Returns what the server printed.
    pub(crate) fn output(&self) -> String {
        self.server.log.lock().clone()
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts the server with this environment.
///
/// # Errors
///
/// The error message and the exit code. An invalid configuration exits with 78 (`EX_CONFIG`).
pub(crate) async fn start(
    environment: BTreeMap<String, String>,
    flaw: Option<Flaw>,
) -> Result<RunningServer, StartFailure> {
    let settings = settings::read(&environment, flaw).map_err(|output| StartFailure {
        exit_code: if flaw == Some(Flaw::ExitOne) { 1 } else { 78 },
        output,
    })?;
    let cannot_listen = |error: io::Error| StartFailure {
        exit_code: 1,
        output: format!("[Clerk] Cannot listen: {error}"),
    };
    let listener = TcpListener::bind((settings.host, settings.port))
        .await
        .map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let acceptor = TcpAcceptor::from_tokio(listener).map_err(cannot_listen)?;
    let server = Arc::new(Server {
        http: http_client(redirect::Policy::none(), REQUEST_TIMEOUT),
        keys: Keys::new(settings.jwks_url.clone(), settings.jwt_key.clone(), flaw),
        backend: Backend::new(flaw),
        oauth_metadata: tokio::sync::Mutex::default(),
        openid_metadata: tokio::sync::Mutex::default(),
        stored_callers: Mutex::default(),
        gate: tokio::sync::Mutex::default(),
        log: Mutex::default(),
        secret_key: Mutex::new(SecretKeyState::Good),
        counted_failures: AtomicUsize::new(0),
        settings,
        flaw,
    });
    if server.has(Flaw::SecretLogged) {
        server.print(&format!(
            "starting with CLERK_SECRET_KEY={}",
            server.settings.secret_key
        ));
    }
    let (prepared, done) = tokio::sync::oneshot::channel();
    let watching = Arc::clone(&server);
    let watch = tokio::spawn(async move { watching.watch(prepared).await });
    // Waiting for the first probe makes the first request deterministic. The limit keeps an unreachable Clerk
    // from delaying the start.
    drop(tokio::time::timeout(Duration::from_secs(1), done).await);
    let serving = Arc::clone(&server);
    let endpoint = poem::endpoint::make(move |request| {
        let server = Arc::clone(&serving);
        async move { server.handle(request).await }
    });
    let serve = tokio::spawn(async move {
        drop(poem::Server::new_with_acceptor(acceptor).run(endpoint).await);
    });
    Ok(RunningServer {
        address,
        server,
        tasks: [watch, serve],
    })
}

impl Server {
    /// Returns whether the server has this flaw.
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Prints a line to stderr, and keeps it for [`RunningServer::output`].
    pub(crate) fn print(&self, line: &str) {
        let mut log = self.log.lock();
        log.push_str(line);
        log.push('\n');
        // A closed stderr must not stop the server.
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Returns whether the last probe found the secret key to be bad.
    pub(crate) fn misconfigured(&self) -> bool {
        *self.secret_key.lock() != SecretKeyState::Good
    }

    /// Returns the state of the secret key as `/readyz` shows it.
    pub(crate) fn secret_key_state(&self) -> &'static str {
        match *self.secret_key.lock() {
            SecretKeyState::Good => "good",
            SecretKeyState::Rejected => "secret-key-invalid",
            SecretKeyState::OtherApplication => "secret-key-of-another-application",
        }
    }

    /// Counts a failure towards the lockout, if the server has this flaw.
    pub(crate) fn count_failure(&self, flaw: Flaw) {
        if self.has(flaw) {
            let weight = if flaw == Flaw::FloodLocksOut {
                1
            } else {
                LOCKOUT_THRESHOLD
            };
            self.counted_failures.fetch_add(weight, Ordering::Relaxed);
        }
    }

    /// Returns whether enough failures were counted to lock out all callers.
    pub(crate) fn is_locked_out(&self) -> bool {
        self.counted_failures.load(Ordering::Relaxed) >= LOCKOUT_THRESHOLD
    }

    /// Fetches the key set and probes the secret key at once, then every 5 minutes, or every 5 s after a
    /// failure.
    async fn watch(&self, prepared: tokio::sync::oneshot::Sender<()>) {
        let mut prepared = Some(prepared);
        loop {
            if !self.has(Flaw::KeysFetchedLate) {
                self.keys.refresh().await;
            }
            self.probe().await;
            if let Some(prepared) = prepared.take() {
                // An error means that `start` no longer waits.
                let _ = prepared.send(());
            }
            let settled = self.keys.are_available() && !self.misconfigured();
            let wait = if settled { 300 } else { 5 };
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
    }

    /// Probes the secret key. If Clerk is unavailable, the state stays as it is.
    async fn probe(&self) {
        if self.settings.any_issuer || self.has(Flaw::BadSecretUnseen) {
            return;
        }
        let state = match self.key_ids().await {
            Ok(backend_ids) => {
                let frontend_ids = self.keys.ids().filter(|ids| !ids.is_empty());
                frontend_ids.map(|ids| {
                    let same = ids.iter().any(|id| backend_ids.contains(id));
                    if same || self.has(Flaw::OtherApplicationUnseen) {
                        SecretKeyState::Good
                    } else {
                        SecretKeyState::OtherApplication
                    }
                })
            }
            Err(ClerkError::KeyRejected) => Some(SecretKeyState::Rejected),
            Err(_) if self.has(Flaw::AwayIsBad) => Some(SecretKeyState::Rejected),
            Err(_) => None,
        };
        if let Some(state) = state {
            *self.secret_key.lock() = state;
        }
    }

    /// Returns scheme and authority of `BASE_URL`.
    pub(crate) fn origin(&self) -> String {
        self.settings.base[..Position::BeforePath].to_owned()
    }

    /// Returns the path of `BASE_URL`, without a trailing slash.
    pub(crate) fn base_path(&self) -> String {
        self.settings.base.path().trim_end_matches('/').to_owned()
    }

    /// Returns whether an audience names this server or its endpoint. The case of scheme and authority and
    /// one trailing slash are ignored.
    pub(crate) fn names_this_server(&self, audience: &str) -> bool {
        let base = self.settings.base_url.as_str();
        let endpoint = format!("{base}/mcp");
        let ours = [base, endpoint.as_str()];
        match self.flaw {
            Some(Flaw::AudPrefix) => return audience.starts_with(base),
            Some(Flaw::AudSubstring) => return audience.contains(base),
            Some(Flaw::AudCaseSensitive) => {
                return ours.contains(&audience.strip_suffix('/').unwrap_or(audience));
            }
            Some(Flaw::AudOrigin) => {
                return Url::parse(audience).is_ok_and(|url| url.origin() == self.settings.base.origin());
            }
            Some(Flaw::AudSlashRefused) if audience.ends_with('/') => return false,
            Some(Flaw::AudCaseInsensitive) => {
                return ours
                    .iter()
                    .any(|one| one.eq_ignore_ascii_case(audience.trim_end_matches('/')));
            }
            Some(Flaw::ClaimsTrimmed) => return ours.contains(&audience.trim()),
            Some(Flaw::AudPartsIgnored) => {
                return Url::parse(audience).is_ok_and(|mut url| {
                    url.set_query(None);
                    url.set_fragment(None);
                    // Fails only for URLs without a host.
                    let _ = url.set_username("").and_then(|()| url.set_password(None));
                    ours.contains(&url.as_str().trim_end_matches('/'))
                });
            }
            Some(Flaw::AudDotSegments) => {
                return Url::parse(&audience.replace("%6d", "m").replace("%6D", "m"))
                    .is_ok_and(|url| ours.contains(&url.as_str().trim_end_matches('/')));
            }
            Some(Flaw::AudSchemeIgnored) => {
                let without_scheme =
                    |url: &str| url.split_once("//").map_or(url, |(_, rest)| rest).to_owned();
                return ours
                    .iter()
                    .any(|one| without_scheme(one) == without_scheme(audience));
            }
            Some(Flaw::AudAnyResource) => return audience.starts_with("http"),
            _ => {}
        }
        let Some((scheme, rest)) = audience.split_once("://") else {
            return false;
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let default_port = if self.settings.base.scheme() == "https" {
            ":443"
        } else {
            ":80"
        };
        let authority = authority.to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        let path = path.strip_suffix('/').unwrap_or(path);
        let normalized = format!("{}://{authority}{path}", scheme.to_ascii_lowercase());
        ours.contains(&normalized.as_str()) && !(self.has(Flaw::AudBaseRefused) && normalized == base)
    }
}

/// The number of counted failures that locks out all callers.
const LOCKOUT_THRESHOLD: usize = 10;
