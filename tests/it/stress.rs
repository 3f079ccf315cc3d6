//! The running program under loads that users and attackers cause: a shutdown under load, more connections
//! than open files, and uploads that stall. `just stress` runs all of them; the usual run has a short form of
//! each.

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use local_clerk::LocalClerk;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Notify,
    task::JoinSet,
};

use crate::support::program::{Folder, Running, program};

/// The program, configured for a local Clerk.
struct Server {
    clerk: LocalClerk,
    process: Running,
    log: Vec<Value>,
    address: SocketAddr,
    _folder: Folder,
}

impl Server {
    /// Starts the program. `shell` is a command that runs before it, in the same shell.
    async fn start(shell: &str, variables: &[(&str, &str)]) -> Self {
        let folder = Folder::new("stress");
        let clerk = LocalClerk::builder().start().await.unwrap();
        let direct = program(&folder.0);
        let mut command = Command::new("/bin/sh");
        command
            .env_clear()
            .current_dir(&folder.0)
            .stdin(std::process::Stdio::null())
            .args(["-c", &format!("{shell} exec \"$0\"")])
            .arg(direct.get_program())
            .envs(clerk.environment())
            .envs([
                ("BASE_URL", "http://127.0.0.1:3001"),
                ("PORT", "0"),
                ("LOG_FORMAT", "json"),
            ])
            .envs(variables.iter().copied());
        let mut process = Running::start(&mut command);
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(process.0.stderr.take().unwrap()));
        let mut log = Vec::new();
        let address = loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            log.push(line);
            let line = &log[log.len() - 1];
            if line["message"] == "listening" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // The pipe must not fill up.
        std::thread::spawn(move || lines.count());
        Self {
            clerk,
            process,
            log,
            address,
            _folder: folder,
        }
    }

    fn token(&self, user: &str) -> String {
        let audience = Some("http://127.0.0.1:3001/mcp");
        let recipe = self
            .clerk
            .oauth_token(user, "client", &["profile", "email"], audience);
        recipe.unwrap().mint()
    }

    /// Returns the memory of the process, in bytes.
    #[cfg(target_os = "linux")]
    fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }
}

/// Returns a request that calls a tool.
fn call(token: &str, tool: &str, connection: &str) -> String {
    let params = match tool {
        "greet" => json!({ "name": tool, "arguments": { "name": "Ada" } }),
        _ => json!({ "name": tool }),
    };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
    format!("{}{body}", head(token, connection, body.len()))
}

/// Returns the head of a request with a body of `length` bytes.
fn head(token: &str, connection: &str, length: usize) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nAccept: application/json, \
         text/event-stream\r\nContent-Type: application/json\r\nConnection: {connection}\r\nContent-Length: \
         {length}\r\n\r\n"
    )
}

/// Reads one response. Returns its head and body, or `None` if the connection ended before.
async fn response(stream: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut head = String::new();
    loop {
        if stream.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
        if head.ends_with("\r\n\r\n") {
            break;
        }
    }
    let head = head.to_ascii_lowercase();
    let (_, rest) = head.split_once("content-length: ")?;
    let (length, _) = rest.split_once("\r\n")?;
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

/// Sends requests until the server accepts no more connections. Returns how many requests got no response.
async fn send_requests(
    address: SocketAddr,
    request: String,
    answered: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> usize {
    let mut lost = 0;
    while let Ok(stream) = TcpStream::connect(address).await {
        let mut stream = BufReader::new(stream);
        loop {
            // Both mean that the request was lost: the server had accepted the connection.
            let sent = stream.write_all(request.as_bytes()).await;
            let answer = if sent.is_ok() {
                response(&mut stream).await
            } else {
                None
            };
            let Some((head, _)) = answer else {
                lost += 1;
                break;
            };
            assert!(head.starts_with("http/1.1 200"), "{head}");
            if answered.fetch_add(1, Ordering::Relaxed) == REQUESTS_BEFORE_THE_SIGNAL {
                enough.notify_one();
            }
            if head.contains("connection: close") {
                break;
            }
        }
    }
    lost
}

const CLIENTS: usize = 16;
const REQUESTS_BEFORE_THE_SIGNAL: usize = 200;

/// Sends SIGTERM to a server under load, `rounds` times. Returns how many requests got no response.
async fn lost_at_sigterm(rounds: usize, connection: &str, host: &str) -> usize {
    let mut lost = 0;
    for _ in 0..rounds {
        // The server accepts connections for the first quarter of the grace period, unless it listens on
        // loopback.
        let server = Server::start("", &[("HOST", host), ("SHUTDOWN_GRACE", "2s")]).await;
        let address = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
        let request = call(&server.token("ada"), "greet", connection);
        let (answered, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let (answered, enough) = (Arc::clone(&answered), Arc::clone(&enough));
            clients.spawn(send_requests(address, request.clone(), answered, enough));
        }
        enough.notified().await;
        let process = server.process;
        let exited = tokio::task::spawn_blocking(|| process.terminate());
        lost += clients.join_all().await.into_iter().sum::<usize>();
        assert_eq!(exited.await.unwrap(), Some(0));
    }
    lost
}

/// Each shutdown in `rounds` rounds, on loopback and on another address. Any address counts as another one
/// for the server, except loopback.
async fn nothing_is_lost_at_sigterm(rounds: usize) {
    let mut lost = Vec::new();
    for connection in ["keep-alive", "close"] {
        for host in ["127.0.0.1", "0.0.0.0"] {
            lost.push((connection, host, lost_at_sigterm(rounds, connection, host).await));
        }
    }
    assert!(lost.iter().all(|(_, _, lost)| *lost == 0), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_at_sigterm() {
    nothing_is_lost_at_sigterm(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: run it with `just stress`"]
async fn no_request_is_lost_at_sigterm_in_20_rounds() {
    nothing_is_lost_at_sigterm(20).await;
}

/// Connections that wait must not use up the files that requests to Clerk need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tools_reach_clerk_with_more_connections_than_open_files() {
    rlimit::increase_nofile_limit(4096).unwrap();
    let server = Server::start("ulimit -n 256;", &[]).await;
    let warning = server.log.iter().find(|line| line["max_connections"] == 192);
    let warning = warning.unwrap_or_else(|| panic!("{:?}", server.log));
    assert_eq!(
        warning["message"],
        "MAX_CONNECTIONS is lowered from 10000 to 192, because this process may open only 256 files. Raise the limit \
         (ulimit -n, LimitNOFILE=) to 13334, or lower MAX_CONNECTIONS"
    );
    let mut client = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    let request = call(&server.token("ada"), "get-user-info", "keep-alive");
    let mut idle = Vec::new();
    for round in 0..5 {
        for _ in 0..200 {
            idle.push(TcpStream::connect(server.address).await.unwrap());
        }
        client.write_all(request.as_bytes()).await.unwrap();
        let (head, body) = response(&mut client).await.unwrap();
        assert!(head.starts_with("http/1.1 200"), "round {round}: {head}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            body["result"]["structuredContent"]["firstName"], "Ada",
            "round {round}: {body}"
        );
    }
    drop(idle);
    assert_eq!(server.process.terminate(), Some(0));
}

/// The soft limit of open files is only a default. A process may raise it to the hard limit.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn soft_limit_of_open_files_is_raised() {
    let server = Server::start("ulimit -S -n 256;", &[("MAX_CONNECTIONS", "300")]).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.process.0.id())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    assert_eq!(line.split_whitespace().nth(3), Some("400"), "{line}");
    assert_eq!(server.process.terminate(), Some(0));
}

/// Sends all but the last kilobyte of a body of 4 MiB on each of 1,000 connections.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_uploads_take_little_memory() {
    rlimit::increase_nofile_limit(4096).unwrap();
    let server = Server::start("", &[]).await;
    let users = ["ada", "grace", "alan"].map(|user| server.token(user));
    // From now on, the server holds Clerk's keys and verifies tokens on its own.
    assert_works(&server).await;
    let before = server.memory();
    let mut uploads = JoinSet::new();
    for index in 0..1_000 {
        let (token, address) = (users[index % users.len()].clone(), server.address);
        uploads.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let head = head(&token, "keep-alive", 4 * 1024 * 1024);
            stream.write_all(head.as_bytes()).await.unwrap();
            // Fails if the server has rejected the upload and closed the connection.
            let part = vec![b' '; 64 * 1024];
            for _ in 0..63 {
                if stream.write_all(&part).await.is_err() {
                    break;
                }
            }
            stream
        });
    }
    let mut streams: Vec<_> = Vec::new();
    let mut peak = 0;
    while let Some(stream) = uploads.join_next().await {
        streams.push(stream.unwrap());
        peak = peak.max(server.memory());
    }
    eprintln!(
        "memory: {} MB before, at most {} MB",
        before / 1_000_000,
        peak / 1_000_000
    );
    // Without optimization, the state of a request takes several times the memory.
    let limit = if cfg!(debug_assertions) {
        300_000_000
    } else {
        150_000_000
    };
    assert!(peak < limit, "{before} bytes before, {peak} at most");
    assert!(
        peak > before + 10_000_000,
        "not received: {before} bytes before, {peak} at most"
    );
    assert_works(&server).await;
}

/// Checks that a tool that needs Clerk works.
#[cfg(target_os = "linux")]
async fn assert_works(server: &Server) {
    let mut client = BufReader::new(TcpStream::connect(server.address).await.unwrap());
    let request = call(&server.token("alan"), "get-user-info", "close");
    client.write_all(request.as_bytes()).await.unwrap();
    let (head, body) = response(&mut client).await.unwrap();
    assert!(head.starts_with("http/1.1 200"), "{head}{body}");
}
