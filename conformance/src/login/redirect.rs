//! Receives the redirect of the authorization server on a loopback port (RFC 8252 §7.3).

use std::{collections::BTreeMap, convert::Infallible, net::Ipv4Addr, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::timeout,
};
use url::{Url, form_urlencoded};

use super::LoginError;

const PATH: &str = "/callback";

/// The parameters of a redirect: `code` and `state`, or `error`.
pub(super) type Parameters = BTreeMap<String, String>;

/// Listens until it is dropped.
pub(super) struct Listener {
    redirect_uri: Url,
    received: UnboundedReceiver<Parameters>,
    _tasks: JoinSet<()>,
}

impl Listener {
    pub(super) async fn bind() -> Result<Self, LoginError> {
        let failed = |error| LoginError::new(format!("cannot listen on a loopback port: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let redirect_uri = Url::parse(&format!("http://127.0.0.1:{port}{PATH}"))
            .map_err(|error| LoginError::new(error.to_string()))?;
        let (sender, received) = unbounded_channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, sender));
        Ok(Self {
            redirect_uri,
            received,
            _tasks: tasks,
        })
    }

    pub(super) fn redirect_uri(&self) -> &Url {
        &self.redirect_uri
    }

    /// Waits for the next redirect.
    pub(super) async fn next(&mut self, limit: Duration) -> Result<Parameters, LoginError> {
        match timeout(limit, self.received.recv()).await {
            Ok(Some(parameters)) => Ok(parameters),
            Ok(None) | Err(_) => Err(LoginError::new(format!(
                "the sign-in was not finished within {}: open the address above in time, or raise --login-timeout",
                crate::wire::seconds(limit)
            ))),
        }
    }
}

/// Returns the parameters of a redirect.
pub(super) fn parameters(query: &str) -> Parameters {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// Accepts connections. Each has a task of its own, because browsers open some in advance.
async fn serve(listener: TcpListener, sender: UnboundedSender<Parameters>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let sender = sender.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &sender);
            async move { Ok::<_, Infallible>(answer) }
        });
        connections.spawn(async move {
            // The browser may close the connection at any time.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn answer(request: &Request<Incoming>, sender: &UnboundedSender<Parameters>) -> Response<Full<Bytes>> {
    let is_redirect = request.uri().path() == PATH;
    if is_redirect {
        // An error means that the login has ended.
        let _ = sender.send(parameters(request.uri().query().unwrap_or_default()));
    }
    let (status, text) = if is_redirect {
        (
            200,
            "The suite has received the answer. Close this page and return to the terminal.\n",
        )
    } else {
        (404, "Not found.\n")
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    response
}
