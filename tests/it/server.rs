//! Tests of the accept loop alone: silent clients, clients that read no response, and graceful shutdown.

use std::{sync::Arc, time::Duration};

use clerk_mcp::http::{ServerLimits, serve};
use poem::{EndpointExt, Route, endpoint::make};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot},
    task::JoinHandle,
};

use crate::support::http::http_builder;

/// A server with short timeouts that accepts one connection at a time; further connections wait.
struct SingleConnectionServer {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    begun: Arc<Notify>,
    release: Arc<Notify>,
}

/// Starts the server. A request to `/wait` notifies `begun`, and is answered after `release` is notified.
async fn single_connection_server() -> SingleConnectionServer {
    single_connection_server_with(|_| {}).await
}

async fn single_connection_server_with(change: impl FnOnce(&mut ServerLimits)) -> SingleConnectionServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (started, released) = (Arc::clone(&begun), Arc::clone(&release));
    let wait = make(move |_| {
        let (started, released) = (Arc::clone(&started), Arc::clone(&released));
        async move {
            started.notify_one();
            released.notified().await;
            "done"
        }
    });
    let endpoint = Route::new()
        .at("/", make(|_| async { "hello" }))
        .at("/big", make(|_| async { vec![b'x'; 32 << 20] }))
        .at("/wait", wait)
        .boxed();
    let mut limits = ServerLimits::new(1, Duration::from_mins(1));
    limits.head_timeout = Duration::from_millis(50);
    limits.idle_timeout = Duration::from_millis(50);
    change(&mut limits);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        serve(listener, endpoint, limits, stopped).await.unwrap();
    });
    SingleConnectionServer {
        address,
        stop,
        task,
        begun,
        release,
    }
}

/// Requests `/` and returns the whole response, waiting as long as it takes until the connection is accepted.
async fn hello(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn silent_connection_is_closed() {
    for sent in [
        &b""[..],
        b"GET",
        b"PRI * HTTP/2.0\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: ",
    ] {
        let server = single_connection_server().await;
        let mut silent = TcpStream::connect(server.address).await.unwrap();
        silent.write_all(sent).await.unwrap();
        assert!(
            hello(server.address).await.ends_with("hello"),
            "{}",
            String::from_utf8_lossy(sent)
        );
    }
}

#[tokio::test]
async fn connection_that_reads_no_response_is_closed() {
    let server = single_connection_server().await;
    let mut greedy = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..10 {
        greedy
            .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
    }
    // The client reads nothing, so the idle timeout closes its connection in the middle of the response.
    assert!(hello(server.address).await.ends_with("hello"));
}

#[tokio::test]
async fn request_in_flight_finishes_before_the_server_stops() {
    let server = single_connection_server().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    server.begun.notified().await;
    server.stop.send(()).unwrap();
    server.release.notify_one();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    server.task.await.unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn new_connection_is_accepted_while_the_server_drains() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Route::new().at("/", make(|_| async { "hello" })).boxed();
    let mut limits = ServerLimits::new(1, Duration::from_mins(2));
    limits.drain = Duration::from_mins(1);
    let stopped = Arc::new(Notify::new());
    let notify = Arc::clone(&stopped);
    let stop = async move { notify.notify_one() };
    let server = tokio::spawn(serve(listener, endpoint, limits, stop));
    stopped.notified().await;
    assert!(hello(address).await.ends_with("hello"));
    server.abort();
}

#[tokio::test]
async fn connection_without_a_request_in_flight_does_not_delay_shutdown() {
    for sent in [&b""[..], b"GET /hea", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let server = single_connection_server().await;
        let mut idle = TcpStream::connect(server.address).await.unwrap();
        idle.write_all(sent).await.unwrap();
        server.stop.send(()).unwrap();
        // If shutdown waited for this connection, it would take the whole grace period of one minute.
        server.task.await.unwrap();
    }
}

/// HTTP/1.1 clients send no further request on a connection whose response has this header.
#[tokio::test]
async fn responses_end_their_connection_while_the_server_drains() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = Route::new().at("/", make(|_| async { "hello" })).boxed();
    let mut limits = ServerLimits::new(1, Duration::from_mins(2));
    limits.drain = Duration::from_mins(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let begun = Arc::new(Notify::new());
    let notify = Arc::clone(&begun);
    let stopped = async move {
        let _ = stopped.await;
        notify.notify_one();
    };
    let server = tokio::spawn(serve(listener, endpoint, limits, stopped));
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut buffer = [0; 1024];
    let length = stream.read(&mut buffer).await.unwrap();
    let before = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(!before.contains("connection:"), "{before}");
    stop.send(()).unwrap();
    begun.notified().await;
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("connection: close\r\n") && answer.ends_with("hello"),
        "{answer}"
    );
    server.abort();
}

#[tokio::test]
async fn idle_connection_may_send_a_last_request_when_the_server_stops() {
    let server = single_connection_server_with(|limits| limits.idle_timeout = Duration::from_mins(1)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut buffer = [0; 1024];
    let _ = stream.read(&mut buffer).await.unwrap();
    server.stop.send(()).unwrap();
    // The server has closed the listener.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    server.task.await.unwrap();
}

/// The operating system has established the connection, and its client has sent a request.
#[tokio::test]
async fn waiting_connection_is_served_before_the_server_stops() {
    let server = single_connection_server().await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
    first.write_all(request).await.unwrap();
    server.begun.notified().await;
    // The server accepts one connection at a time, so this one waits.
    let mut waiting = TcpStream::connect(server.address).await.unwrap();
    waiting
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    server.stop.send(()).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    server.release.notify_one();
    server.task.await.unwrap();
}

#[tokio::test]
async fn http_2_is_supported() {
    let server = single_connection_server().await;
    let client = http_builder().http2_prior_knowledge().build().unwrap();
    let answer = client
        .get(format!("http://{}/", server.address))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.version(), answer.text().await.unwrap()),
        (reqwest::Version::HTTP_2, "hello".to_owned())
    );
}
