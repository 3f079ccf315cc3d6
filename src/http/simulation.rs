//! Simulates the accept loop with clients that are well behaved, silent, slow, stalled or gone, with failures
//! to accept, and with a shutdown at any time.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use fastrand::Rng;
use futures_util::future::join_all;
use parking_lot::Mutex;
use poem::{Body, EndpointExt, Request, Response, Route, endpoint::make, http::StatusCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    ServerLimits,
    server::{ACCEPT_PAUSE, CLOSE_TIMEOUT, LAST_REQUEST_TIMEOUT, Listener, serve_on},
};
use crate::simulation::{each_seed, up_to};

/// Longer than any response that a client waits for: the head timeout of each client before it in the queue.
const LONGEST: Duration = Duration::from_hours(1);
/// The time limit of the endpoint, as of every area of the server.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time that a handler takes. Less than any grace period that is left after the drain.
const LONGEST_CALL: Duration = Duration::from_secs(5);

const CLIENTS: u32 = 12;

/// The simulated network.
struct Network {
    arrivals: tokio::sync::Mutex<mpsc::UnboundedReceiver<io::Result<Arrival>>>,
    open: Arc<Mutex<Open>>,
}

/// A connection in the queue.
struct Arrival {
    stream: DuplexStream,
    queued: Instant,
    accepted: Arc<OnceLock<Instant>>,
}

/// The connections that the server holds.
struct Open {
    count: usize,
    max_connections: usize,
    /// Since when there is room for another connection.
    free_since: Instant,
}

impl Network {
    /// Counts a connection that leaves the queue.
    fn accept(&self, arrival: Arrival) -> (Counted, SocketAddr) {
        let mut open = self.open.lock();
        let waited = arrival.queued.max(open.free_since).elapsed();
        assert!(
            open.count >= open.max_connections || waited <= ACCEPT_PAUSE * CLIENTS,
            "a connection waited for {waited:?} although there was room"
        );
        open.count += 1;
        arrival.accepted.get_or_init(Instant::now);
        let remote = (Ipv4Addr::LOCALHOST, 1).into();
        (Counted(arrival.stream, Arc::clone(&self.open)), remote)
    }
}

impl Listener for Network {
    type Stream = Counted;

    async fn accept(&self) -> io::Result<(Counted, SocketAddr)> {
        let Some(arrival) = self.arrivals.lock().await.recv().await else {
            return std::future::pending().await;
        };
        let connection = self.accept(arrival?);
        let open = self.open.lock();
        assert!(
            open.count <= open.max_connections,
            "{} open connections",
            open.count
        );
        Ok(connection)
    }

    /// Accepts everything in the queue, as the operating system does.
    fn close(mut self) -> Vec<(Counted, SocketAddr)> {
        let arrivals = self.arrivals.get_mut();
        let queued: Vec<_> = std::iter::from_fn(|| arrivals.try_recv().ok())
            .flatten()
            .collect();
        queued.into_iter().map(|arrival| self.accept(arrival)).collect()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok((Ipv4Addr::LOCALHOST, 1).into())
    }
}

/// A connection that is counted while the server holds it.
struct Counted(DuplexStream, Arc<Mutex<Open>>);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.1.lock();
        if open.count == open.max_connections {
            open.free_since = Instant::now();
        }
        open.count -= 1;
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

/// When the server stops, and its limits.
#[derive(Clone, Copy)]
struct Schedule {
    stop: Instant,
    limits: ServerLimits,
}

impl Schedule {
    /// From now on, the server closes idle connections.
    fn last_request(&self) -> Instant {
        self.stop + self.limits.drain + LAST_REQUEST_TIMEOUT
    }
}

/// Runs a client.
async fn client(
    mut stream: DuplexStream,
    accepted: &OnceLock<Instant>,
    behavior: Behavior,
    schedule: Schedule,
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
            for number in 0..rng.u8(1..4) {
                let sent = Instant::now();
                let call = up_to(LONGEST_CALL, &mut rng).as_millis();
                // The first request may arrive in two parts.
                let pause = up_to(CLOSE_TIMEOUT, &mut rng).mul_f32(if number == 0 { 0.9 } else { 0.0 });
                let mut answer = [0; 1024];
                let read = async {
                    let request = request(call);
                    let (first, rest) = request.split_at(10);
                    stream.write_all(first.as_bytes()).await?;
                    sleep(pause).await;
                    stream.write_all(rest.as_bytes()).await?;
                    stream.read(&mut answer).await
                };
                let read = timeout(LONGEST, read)
                    .await
                    .expect("neither an answer nor a close");
                let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
                let is_answered = read.is_ok() && answer.starts_with("http/1.1 200 ok\r\n");
                assert!(
                    is_answered || sent >= schedule.last_request(),
                    "the request was lost"
                );
                let is_last = answer.contains("\r\nconnection: close\r\n");
                assert!(
                    is_last || !is_answered || sent <= schedule.stop,
                    "the client is not told to close the connection"
                );
                if is_last || !is_answered {
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
    let accepted = *accepted.get().expect("the connection was accepted");
    let limits = schedule.limits;
    let latest = if matches!(behavior, Behavior::StalledBody) {
        accepted + REQUEST_TIMEOUT + limits.idle_timeout
    } else {
        let stopping = schedule.last_request().max(accepted + LAST_REQUEST_TIMEOUT);
        stopping.min(accepted + limits.head_timeout)
    };
    let late = Instant::now().saturating_duration_since(latest);
    assert!(late <= CLOSE_TIMEOUT, "{behavior:?}: closed {late:?} too late");
}

async fn simulate(mut rng: Rng) {
    let max_connections = rng.usize(1..6);
    let mut limits = ServerLimits::new(max_connections, Duration::from_secs(20));
    limits.drain = Duration::from_secs(rng.u64(0..=5));
    let open = Arc::new(Mutex::new(Open {
        count: 0,
        max_connections,
        free_since: Instant::now(),
    }));
    let (connect, arrivals) = mpsc::unbounded_channel();
    let network = Network {
        arrivals: tokio::sync::Mutex::new(arrivals),
        open: Arc::clone(&open),
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
        // The tasks of the connections end.
        sleep(Duration::from_millis(1)).await;
        assert_eq!(open.lock().count, 0, "connections were not closed");
    };
    let schedule = Schedule { stop, limits };
    let clients = (0..CLIENTS).map(|_| {
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
            let accepted = Arc::new(OnceLock::new());
            let arrival = Arrival {
                stream: far,
                queued: Instant::now(),
                accepted: Arc::clone(&accepted),
            };
            if connect.send(Ok(arrival)).is_err() {
                assert!(Instant::now() >= stop, "the listener was closed too early");
                return;
            }
            client(near, &accepted, behavior.unwrap_or(Behavior::Good), schedule, rng).await;
        }
    });
    tokio::join!(server, join_all(clients));
    drop(connect);
}

#[test]
fn accept_loop_with_a_thousand_seeds() {
    each_seed(simulate);
}
