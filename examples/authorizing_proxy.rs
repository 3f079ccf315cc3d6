//! A proxy for testing tools that cannot send an `Authorization` header. It starts a local Clerk and a server
//! that uses it, and adds a valid token to every request. **Never use it with a real Clerk instance.**
//!
//! ```sh
//! cargo build && cargo run --example authorizing_proxy -- target/debug/clerk-mcp serve
//! ```
//!
//! It prints the URL to test on stdout, and exits when its stdin is closed.

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use clerk_mcp::http::{ServerLimits, serve};
use futures_util::TryStreamExt;
use local_clerk::LocalClerk;
use poem::{
    Body, Endpoint, EndpointExt, IntoResponse, Request, Response,
    endpoint::make,
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use tokio::{net::TcpListener, sync::oneshot};

/// The `BASE_URL` of the server, which is also the audience of the tokens. The server listens on another
/// port.
const BASE_URL: &str = "http://127.0.0.1:3001";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let clerk = LocalClerk::builder().start().await?;
    let mut arguments = std::env::args().skip(1);
    let program = arguments
        .next()
        .ok_or("usage: authorizing_proxy SERVER [ARGUMENT…]")?;
    let server = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(clerk.environment())
        .envs([("BASE_URL", BASE_URL), ("PORT", "0"), ("LOG_FORMAT", "json")])
        .stderr(Stdio::piped())
        .spawn()?;
    let mut server = Server(server);
    let (stdin_closed, stop) = oneshot::channel();
    let upstream = server.watch(stdin_closed)?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "http://{}/mcp", listener.local_addr()?)?;
    stdout.flush()?;

    let limits = ServerLimits::new(1_000, Duration::ZERO);
    let stop = async {
        let _ = stop.await;
    };
    Ok(serve(listener, proxy(clerk, upstream).boxed(), limits, stop).await?)
}

/// The server process. It is killed when the proxy exits.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Forwards the log of the server to stderr, and returns the URL at which it listens, which is taken from
    /// the log. Sends on `stdin_closed` when the stdin of the proxy is closed.
    fn watch(&mut self, stdin_closed: oneshot::Sender<()>) -> Result<String, Box<dyn Error>> {
        let log = self
            .0
            .stderr
            .take()
            .ok_or("the stderr of the server is not available")?;
        let mut lines = BufReader::new(log).lines();
        let address = loop {
            let line = lines.next().ok_or("the server exited before it listened")??;
            eprintln!("{line}");
            if line.contains("listening")
                && let Some((_, rest)) = line.split_once("127.0.0.1:")
            {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                break format!("http://127.0.0.1:{port}");
            }
        };
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("{line}");
            }
        });
        thread::spawn(move || {
            let mut rest = Vec::new();
            let _ = std::io::stdin().read_to_end(&mut rest);
            let _ = stdin_closed.send(());
        });
        Ok(address)
    }
}

/// Forwards every request to `upstream` with a new token. Everything else is forwarded unchanged.
fn proxy(clerk: LocalClerk, upstream: String) -> impl Endpoint<Output = Response> {
    // The upstream is on loopback, which a proxy of the environment cannot reach.
    let client = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
    let shared = Arc::new((clerk, upstream, client));
    make(move |mut request: Request| {
        let shared = Arc::clone(&shared);
        async move {
            let (clerk, upstream, client) = shared.as_ref();
            let scopes = ["profile", "email"];
            let resource = format!("{BASE_URL}/mcp");
            let Ok(token) = clerk.oauth_token("ada", "client_proxy", &scopes, Some(&resource)) else {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            };
            let Ok(body) = request.take_body().into_bytes().await else {
                return StatusCode::BAD_REQUEST.into_response();
            };
            let response = client
                .request(
                    request.method().clone(),
                    format!("{upstream}{}", request.original_uri()),
                )
                .headers(end_to_end(request.headers()))
                .bearer_auth(token.mint())
                .body(body)
                .send()
                .await;
            match response {
                Ok(upstream) => {
                    let mut response = Response::default();
                    response.set_status(upstream.status());
                    *response.headers_mut() = end_to_end(upstream.headers());
                    let events = upstream.bytes_stream().map_err(std::io::Error::other);
                    response.set_body(Body::from_bytes_stream(events));
                    response
                }
                Err(error) => error
                    .to_string()
                    .with_status(StatusCode::BAD_GATEWAY)
                    .into_response(),
            }
        }
    })
    .map_to_response()
}

/// Copies all headers except connection headers (RFC 9110 §7.6.1) and the lengths, which are set again.
/// Keeps `Host`, because some tests check that a foreign host is rejected.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    const HOP_BY_HOP: [HeaderName; 5] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
    ];
    let mut kept = headers.clone();
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept
}
