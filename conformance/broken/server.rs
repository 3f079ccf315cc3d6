//! The server: start, routes, and what is checked at the edge.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use poem::listener::TcpAcceptor;
use reqwest::{Client, redirect};
use tokio::{net::TcpListener, task::JoinHandle};
use url::{Position, Url};

use super::{
    caller::Caller,
    clerk::{Backend, ClerkError},
    flaw::Flaw,
    keys::{Keys, TOTAL, client},
    metadata::Mirrored,
    settings::{self, Settings},
};

/// Everything that a request needs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) settings: Settings,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) http: Client,
    pub(crate) keys: Keys,
    pub(crate) backend: Backend,
    pub(crate) oauth: tokio::sync::Mutex<Mirrored>,
    pub(crate) openid: tokio::sync::Mutex<Mirrored>,
    /// Whose the sessions are, and callers that only flaws remember.
    pub(crate) remembered: Mutex<HashMap<String, Caller>>,
    /// 0: the secret key is good; 1: bad; 2: of another application.
    secret_key: AtomicU8,
    /// What makes a flaw lock everybody out.
    strikes: AtomicUsize,
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

/// A server that did not start.
#[derive(Debug)]
pub(crate) struct StartFailure {
    /// The exit code of the program.
    pub(crate) exit: i32,
    /// What it prints.
    pub(crate) output: String,
}

impl Drop for Running {
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
/// What the program would print, and its exit code: 78 for a configuration that is wrong (`EX_CONFIG`).
pub(crate) async fn start(
    environment: BTreeMap<String, String>,
    flaw: Option<Flaw>,
) -> Result<Running, StartFailure> {
    let settings = settings::read(&environment, flaw).map_err(|output| StartFailure {
        exit: if flaw == Some(Flaw::ExitOne) { 1 } else { 78 },
        output,
    })?;
    let cannot_listen = |error: std::io::Error| StartFailure {
        exit: 1,
        output: format!("[Clerk] Can't listen: {error}"),
    };
    let listener = TcpListener::bind((settings.host, settings.port))
        .await
        .map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let acceptor = TcpAcceptor::from_tokio(listener).map_err(cannot_listen)?;
    let server = Arc::new(Server {
        http: client(redirect::Policy::none(), TOTAL),
        keys: Keys::new(&settings.issuer, settings.jwt_key.clone(), flaw),
        backend: Backend::new(flaw),
        oauth: tokio::sync::Mutex::default(),
        openid: tokio::sync::Mutex::default(),
        remembered: Mutex::default(),
        secret_key: AtomicU8::new(0),
        strikes: AtomicUsize::new(0),
        settings,
        flaw,
    });
    let (prepared, done) = tokio::sync::oneshot::channel();
    let watching = Arc::clone(&server);
    let watch = tokio::spawn(async move { watching.watch(prepared).await });
    // What was found out before the first request is the same every time; a Clerk that does not answer is not waited for.
    drop(tokio::time::timeout(Duration::from_secs(1), done).await);
    let endpoint = poem::endpoint::make(move |request| {
        let server = Arc::clone(&server);
        async move { server.answer(request).await }
    });
    let serve = tokio::spawn(async move {
        drop(poem::Server::new_with_acceptor(acceptor).run(endpoint).await);
    });
    Ok(Running {
        address,
        tasks: [watch, serve],
    })
}

impl Server {
    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Whether the secret key is bad, or of another application.
    pub(crate) fn misconfigured(&self) -> bool {
        self.secret_key.load(Ordering::Relaxed) != 0
    }

    /// The same in a word.
    pub(crate) fn secret_key_state(&self) -> &'static str {
        match self.secret_key.load(Ordering::Relaxed) {
            0 => "good",
            1 => "secret-key-invalid",
            _ => "secret-key-of-another-application",
        }
    }

    /// Counts what a flaw holds against everybody.
    pub(crate) fn strike(&self, flaw: Flaw) {
        if self.has(flaw) {
            let weight = if flaw == Flaw::FloodLocksOut { 1 } else { LOCK_OUT };
            self.strikes.fetch_add(weight, Ordering::Relaxed);
        }
    }

    /// Whether that is enough to lock everybody out.
    pub(crate) fn locked_out(&self) -> bool {
        self.strikes.load(Ordering::Relaxed) >= LOCK_OUT
    }

    /// Fetches keys and looks at the secret key, at once and every few minutes.
    async fn watch(&self, prepared: tokio::sync::oneshot::Sender<()>) {
        let mut prepared = Some(prepared);
        loop {
            if !self.has(Flaw::KeysFetchedLate) {
                self.keys.refresh().await;
            }
            self.probe().await;
            if let Some(prepared) = prepared.take() {
                // Nobody waits any more when that took long.
                let _ = prepared.send(());
            }
            let settled = self.keys.held() && !self.misconfigured();
            let wait = if settled { 300 } else { 5 };
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
    }

    /// A Clerk that is merely away says nothing about the key.
    async fn probe(&self) {
        if self.has(Flaw::BadSecretUnseen) {
            return;
        }
        let found = match self.key_ids().await {
            Ok(ours) => {
                let theirs = self.keys.ids().filter(|theirs| !theirs.is_empty());
                theirs.map(|theirs| {
                    let same = theirs.iter().any(|id| ours.contains(id));
                    u8::from(!same && !self.has(Flaw::OtherApplicationUnseen)) * 2
                })
            }
            Err(ClerkError::KeyRefused) => Some(1),
            Err(_) if self.has(Flaw::AwayIsBad) => Some(1),
            Err(_) => None,
        };
        if let Some(found) = found {
            self.secret_key.store(found, Ordering::Relaxed);
        }
    }

    /// Scheme and authority of `BASE_URL`.
    pub(crate) fn origin(&self) -> String {
        self.settings.base[..Position::BeforePath].to_owned()
    }

    /// The path of `BASE_URL`, without a trailing slash.
    pub(crate) fn prefix(&self) -> String {
        self.settings.base.path().trim_end_matches('/').to_owned()
    }

    /// Whether an audience names this server or its endpoint. Case of the authority does not count, nor does one
    /// trailing slash.
    pub(crate) fn is_our_name(&self, name: &str) -> bool {
        let base = self.settings.base_url.as_str();
        let endpoint = format!("{base}/mcp");
        let ours = [base, endpoint.as_str()];
        match self.flaw {
            Some(Flaw::AudPrefix) => return name.starts_with(base),
            Some(Flaw::AudSubstring) => return name.contains(base),
            Some(Flaw::AudCaseSensitive) => return ours.contains(&name.strip_suffix('/').unwrap_or(name)),
            Some(Flaw::AudOrigin) => {
                return Url::parse(name).is_ok_and(|url| url.origin() == self.settings.base.origin());
            }
            Some(Flaw::AudSlashRefused) if name.ends_with('/') => return false,
            Some(Flaw::AudCaseInsensitive) => {
                return ours
                    .iter()
                    .any(|one| one.eq_ignore_ascii_case(name.trim_end_matches('/')));
            }
            Some(Flaw::AudAnyResource) => return name.starts_with("http"),
            _ => {}
        }
        let Some((scheme, rest)) = name.split_once("://") else {
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
        let name = format!("{}://{authority}{path}", scheme.to_ascii_lowercase());
        ours.contains(&name.as_str()) && !(self.has(Flaw::AudBaseRefused) && name == base)
    }
}

/// How many strikes lock everybody out.
const LOCK_OUT: usize = 10;
