//! Simulates the accept loop with clients that are well behaved, silent, slow, stalled or gone, with failures
//! to accept, and with a shutdown at any time.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use poem::{Body, EndpointExt, Request, Response, Route, endpoint::make, http::StatusCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    sync::{Mutex, mpsc},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    ServerLimits,
    server::{Listener, serve_on},
};
use crate::simulation::{each_seed, up_to};

/// Longer than any response that a client waits for: the head timeout of each client before it in the queue.
const LONGEST: Duration = Duration::from_hours(1);
/// The time limit of the endpoint, as of every area of the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time that a handler takes. Less than any grace period that is left after the drain.
const LONGEST_CALL: Duration = Duration::from_secs(5);

/// The simulated network.
struct Network {
    arrivals: Mutex<mpsc::UnboundedReceiver<io::Result<Arrival>>>,
    open: Arc<AtomicUsize>,
    max_connections: usize,
}

/// A connection in the queue, and a flag for whether the server accepted it.
struct Arrival(DuplexStream, Arc<AtomicBool>);

impl Listener for Network {
    type Stream = Counted;

    async fn accept(&self) -> io::Result<(Counted, SocketAddr)> {
        let Some(stream) = self.arrivals.lock().await.recv().await else {
            return std::future::pending().await;
        };
        let Arrival(stream, is_accepted) = stream?;
        is_accepted.store(true, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        assert!(open <= self.max_connections, "{open} open connections");
        Ok((Counted(stream, Arc::clone(&self.open)), self.local_addr()?))
    }

    /// Accepts everything in the queue, as the operating system does.
    fn close(self) -> Vec<(Counted, SocketAddr)> {
        let mut arrivals = self.arrivals.into_inner();
        let queued = std::iter::from_fn(|| arrivals.try_recv().ok()).flatten();
        queued
            .map(|Arrival(stream, is_accepted)| {
                is_accepted.store(true, Ordering::SeqCst);
                self.open.fetch_add(1, Ordering::SeqCst);
                let remote = (Ipv4Addr::LOCALHOST, 1).into();
                (Counted(stream, Arc::clone(&self.open)), remote)
            })
            .collect()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 1).into())
    }
}

/// A connection that is counted while the server holds it.
struct Counted(DuplexStream, Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Waits for the time that the body says, or for a body that never comes. Answers with the status of `App`
/// after the time limit.
async fn handle(mut request: Request) -> Response {
    let body: Body = request.take_body();
    let work = async {
        let Ok(milliseconds) = body.into_string().await else {
            return StatusCode::BAD_REQUEST;
        };
        sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
        StatusCode::OK
    };
    let status = timeout(REQUEST_TIMEOUT, work)
        .await
        .unwrap_or(StatusCode::REQUEST_TIMEOUT);
    Response::builder().status(status).finish()
}

/// What a client does.
#[derive(Debug, Clone, Copy)]
enum Behavior {
    /// Sends complete requests, and waits for each response.
    Good,
    /// Sends a part of a head, or nothing.
    HalfOpen,
    /// Sends a head, and a part of the body.
    StalledBody,
    /// Sends a request, and disconnects.
    Leaves,
    /// Sends bytes that are not HTTP.
    Garbage,
}

/// Runs a client. A request must be answered if it was sent before `stop` on a connection that is accepted.
async fn client(
    mut stream: DuplexStream,
    is_accepted: &AtomicBool,
    behavior: Behavior,
    stop: Instant,
    mut rng: Rng,
) {
    let request = |milliseconds: u128| {
        let body = milliseconds.to_string();
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    match behavior {
        Behavior::Good => {
            for _ in 0..rng.u8(1..4) {
                let sent = Instant::now();
                let call = up_to(LONGEST_CALL, &mut rng).as_millis();
                let mut answer = [0; 1024];
                let read = async {
                    stream.write_all(request(call).as_bytes()).await?;
                    stream.read(&mut answer).await
                };
                let read = timeout(LONGEST, read)
                    .await
                    .expect("neither an answer nor a close");
                let is_answered = read.is_ok_and(|_| answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
                let may_be_lost = sent >= stop || !is_accepted.load(Ordering::SeqCst);
                assert!(is_answered || may_be_lost, "the request was lost");
                if !is_answered {
                    return;
                }
                sleep(up_to(LONGEST_CALL, &mut rng)).await;
            }
            return;
        }
        Behavior::HalfOpen => {
            let part = request(0);
            let part = part.get(..rng.usize(0..30)).unwrap_or_default();
            let _ = stream.write_all(part.as_bytes()).await;
        }
        Behavior::StalledBody => {
            let _ = stream
                .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n1")
                .await;
        }
        Behavior::Leaves => {
            let _ = stream.write_all(request(3_600_000).as_bytes()).await;
            sleep(up_to(LONGEST_CALL, &mut rng)).await;
            return;
        }
        Behavior::Garbage => {
            let bytes: Vec<u8> = (0..rng.usize(1..2_000)).map(|_| rng.u8(..)).collect();
            let _ = timeout(LONGEST, stream.write_all(&bytes)).await;
        }
    }
    // The server must not keep the connection.
    let mut rest = Vec::new();
    let closed = timeout(LONGEST, stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "{behavior:?}: the connection is never closed");
}

async fn simulate(mut rng: Rng) {
    let max_connections = rng.usize(1..6);
    let mut limits = ServerLimits::new(max_connections, Duration::from_secs(20));
    limits.drain = Duration::from_secs(rng.u64(0..=5));
    let open = Arc::new(AtomicUsize::new(0));
    let (connect, arrivals) = mpsc::unbounded_channel();
    let network = Network {
        arrivals: Mutex::new(arrivals),
        open: Arc::clone(&open),
        max_connections,
    };
    let stop = Instant::now() + up_to(Duration::from_mins(3), &mut rng);
    let server = async {
        let app = Route::new().at(
            "/",
            make(|request| async { Ok::<_, poem::Error>(handle(request).await) }),
        );
        serve_on(network, app.boxed(), limits, sleep_until(stop))
            .await
            .unwrap();
        let late = Instant::now().saturating_duration_since(stop + limits.shutdown_grace);
        assert_eq!(
            late,
            Duration::ZERO,
            "the shutdown took longer than the grace period"
        );
    };
    let clients = (0..12).map(|_| {
        let connect = connect.clone();
        let mut rng = rng.fork();
        async move {
            sleep(up_to(Duration::from_mins(1), &mut rng)).await;
            if rng.u8(0..8) == 0 {
                let _ = connect.send(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            let behavior = rng.choice([
                Behavior::Good,
                Behavior::Good,
                Behavior::HalfOpen,
                Behavior::StalledBody,
                Behavior::Leaves,
                Behavior::Garbage,
            ]);
            let (near, far) = duplex(256);
            let is_accepted = Arc::new(AtomicBool::new(false));
            if connect.send(Ok(Arrival(far, Arc::clone(&is_accepted)))).is_err() {
                assert!(Instant::now() >= stop, "the listener was closed too early");
                return;
            }
            client(near, &is_accepted, behavior.unwrap_or(Behavior::Good), stop, rng).await;
        }
    });
    tokio::join!(server, join_all(clients));
    drop(connect);
    assert_eq!(open.load(Ordering::SeqCst), 0, "connections were not closed");
}

#[test]
fn accept_loop_with_a_thousand_seeds() {
    each_seed(simulate);
}
