//! Compares the program `clerk-mcp` with two reference servers, under the same load: poem's "hello", and rmcp
//! without authentication. `cargo bench --bench servers` prints Markdown tables.
//!
//! Each server is a process of its own. The variants run in turn, in several rounds, and each ratio is
//! computed within one round, so that it says more than the numbers of a busy machine. Needs no other
//! program; CPU time and memory are read from `/proc`, and are missing on other systems than Linux.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark that prints its result, not part of the server"
)]

mod load;
mod many_tools;
mod references;

use std::{
    fmt::{self, Write as _},
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use local_clerk::LocalClerk;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

const ROUNDS: usize = 5;
const DURATION: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 16;
/// The tokens per round of the variant whose tokens are all new.
const NEW_TOKENS: usize = 4_000;
/// The tokens of the load with most tokens: many times more than the cache of verified tokens holds.
const MANY_TOKENS: usize = 100_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[1..] {
        // The reference servers run in a process of their own, with the threads that a server has.
        ["serve", port] => tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(async {
                let port: u16 = port.parse().unwrap();
                references::serve(TcpListener::bind(("127.0.0.1", port)).await?).await
            })
            .unwrap(),
        ["many-tools", port, tools, entries] => {
            let (port, tools, entries) = (
                port.parse().unwrap(),
                tools.parse().unwrap(),
                entries.parse().unwrap(),
            );
            tokio::runtime::Runtime::new()
                .unwrap()
                .block_on(many_tools::serve(port, tools, entries))
                .unwrap();
        }
        _ => runtime.block_on(compare()),
    }
}

/// A server process, which is stopped when dropped.
struct Server {
    process: Child,
    address: SocketAddr,
    /// The time from its start until it accepted a connection.
    start: Duration,
}

impl Server {
    async fn start(mut command: Command, port: u16) -> Self {
        let begun = Instant::now();
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let start = begun.elapsed();
        Self {
            process,
            address,
            start,
        }
    }

    /// Returns the CPU time that the process has used.
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        // The name of the program, in parentheses, may contain spaces. The times are fields 14 and 15.
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let ticks: f64 = fields
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        ticks / 100.0
    }

    /// Returns the resident memory in MB.
    fn memory(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
            .unwrap_or_default()
            / 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A request to one of the servers, and the measurements of it, one per round.
struct Variant<'a> {
    name: &'static str,
    server: &'a Server,
    status: u16,
    requests: Vec<Vec<u8>>,
    once: bool,
    rounds: Vec<Round>,
}

struct Round {
    per_second: f64,
    cpu_microseconds: f64,
    p99_microseconds: f64,
}

impl Round {
    fn of(outcome: &load::Outcome, cpu_seconds: f64) -> Self {
        Self {
            per_second: outcome.requests as f64 / outcome.seconds,
            cpu_microseconds: cpu_seconds * 1e6 / outcome.requests as f64,
            p99_microseconds: outcome.p99.as_secs_f64() * 1e6,
        }
    }
}

/// Writes the cells of a table.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            per_second,
            cpu_microseconds,
            p99_microseconds,
        } = self;
        write!(
            f,
            "{per_second:.0} | {cpu_microseconds:.1} µs | {p99_microseconds:.0} µs"
        )
    }
}

impl<'a> Variant<'a> {
    fn new(name: &'static str, server: &'a Server, status: u16, requests: Vec<Vec<u8>>) -> Self {
        Self {
            name,
            server,
            status,
            requests,
            once: false,
            rounds: Vec::new(),
        }
    }

    async fn measure(&mut self, round: usize) {
        let requests = if self.once {
            let size = self.requests.len() / ROUNDS;
            &self.requests[round * size..][..size]
        } else {
            &self.requests
        };
        let before = self.server.cpu_seconds();
        let outcome = load::load(
            self.server.address,
            requests,
            self.status,
            CONNECTIONS,
            DURATION,
            self.once,
        )
        .await
        .unwrap();
        let cpu = self.server.cpu_seconds() - before;
        self.rounds.push(Round::of(&outcome, cpu));
    }

    /// Returns the median of a value, which may depend on the round of another variant.
    fn median(&self, value: impl Fn(usize, &Round) -> f64) -> (f64, f64, f64) {
        let mut values: Vec<_> = self
            .rounds
            .iter()
            .enumerate()
            .map(|(index, round)| value(index, round))
            .collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    }

    /// Returns how much faster this variant is than `other`: the ratio of requests per second, with its
    /// spread.
    fn ratio(&self, other: &Self) -> String {
        let (median, least, most) =
            self.median(|index, round| round.per_second / other.rounds[index].per_second);
        format!("{median:.2} ({least:.2}–{most:.2})")
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts `clerk-mcp serve` for the users of `clerk`.
async fn start_clerk_mcp(clerk: &LocalClerk, program: &Path) -> Server {
    let port = free_port().await;
    let mut command = Command::new(program);
    command
        .arg("serve")
        .envs(clerk.environment())
        .env("PORT", port.to_string())
        .env("BASE_URL", format!("http://127.0.0.1:{port}"))
        .env_remove("RUST_LOG");
    Server::start(command, port).await
}

fn request(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", server.address);
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    if !body.is_empty() {
        let _ = write!(text, "Content-Length: {}\r\n", body.len());
    }
    format!("{text}\r\n{body}").into_bytes()
}

/// How a request differs from the usual call.
#[derive(Clone, Copy, Default)]
struct Call<'a> {
    token: Option<&'a str>,
    /// `greet`, unless it is set.
    tool: Option<&'a str>,
    is_modern: bool,
    /// Sends a form of `Content-Type` that is left to rmcp's HTTP service.
    through_rmcp: bool,
}

impl Call<'_> {
    fn to(self, server: &Server) -> Vec<u8> {
        let mut params = json!({ "name": self.tool.unwrap_or("greet"), "arguments": { "name": "Ada" } });
        let authorization = self.token.map(|token| format!("Bearer {token}"));
        let content_type = if self.through_rmcp {
            "application/json; charset=utf-8"
        } else {
            "application/json"
        };
        let mut headers = vec![
            ("Content-Type", content_type),
            ("Accept", "application/json, text/event-stream"),
        ];
        headers.extend(authorization.as_deref().map(|value| ("Authorization", value)));
        if self.is_modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            headers.extend([
                ("MCP-Protocol-Version", "2026-07-28"),
                ("Mcp-Method", "tools/call"),
                ("Mcp-Name", "greet"),
            ]);
        }
        let body: Value = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        request(server, "POST", "/mcp", &headers, &body.to_string())
    }
}

async fn compare() {
    let clerk = LocalClerk::builder().start().await.unwrap();
    let port = free_port().await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("serve").arg(port.to_string());
    let references = Server::start(command, port).await;
    let program = Path::new(env!("CARGO_BIN_EXE_clerk-mcp"));
    let server = start_clerk_mcp(&clerk, program).await;
    // The server fetches keys and probes the secret key first.
    tokio::time::sleep(DURATION).await;
    let idle = server.memory();

    let resource = format!("http://{}/mcp", server.address);
    let token = |number: usize| {
        let recipe = clerk
            .oauth_token("ada", "client_bench", &["email"], Some(&resource))
            .unwrap();
        recipe.claim("jti", format!("bench {number}")).mint()
    };
    let warm = token(0);
    let call = Call {
        token: Some(&warm),
        ..Call::default()
    };
    let modern = Call {
        is_modern: true,
        ..call
    };
    let through_rmcp = |call| Call {
        through_rmcp: true,
        ..call
    };
    let variant = |name, server, status, request| Variant::new(name, server, status, vec![request]);
    let mut variants = vec![
        variant(
            "poem \"hello\"",
            &references,
            200,
            request(&references, "GET", "/hello", &[], ""),
        ),
        variant(
            "rmcp: tools/call, 2025-11-25",
            &references,
            200,
            Call { token: None, ..call }.to(&references),
        ),
        variant(
            "rmcp: tools/call, 2026-07-28",
            &references,
            200,
            Call {
                token: None,
                ..modern
            }
            .to(&references),
        ),
        variant(
            "clerk-mcp: /healthz",
            &server,
            200,
            request(&server, "GET", "/healthz", &[], ""),
        ),
        variant(
            "clerk-mcp: 401 without a token",
            &server,
            401,
            Call::default().to(&server),
        ),
        variant(
            "clerk-mcp: tools/call, 2025-11-25",
            &server,
            200,
            call.to(&server),
        ),
        variant(
            "clerk-mcp: tools/call, 2026-07-28",
            &server,
            200,
            modern.to(&server),
        ),
        variant(
            "clerk-mcp: tools/call through rmcp's HTTP service, 2025-11-25",
            &server,
            200,
            through_rmcp(call).to(&server),
        ),
        variant(
            "clerk-mcp: tools/call through rmcp's HTTP service, 2026-07-28",
            &server,
            200,
            through_rmcp(modern).to(&server),
        ),
    ];
    let new = (1..=NEW_TOKENS * ROUNDS).map(|number| {
        let token = token(number);
        Call {
            token: Some(&token),
            ..call
        }
        .to(&server)
    });
    let mut cold = Variant::new(
        "clerk-mcp: tools/call, 2025-11-25, every token new",
        &server,
        200,
        new.collect(),
    );
    cold.once = true;
    variants.push(cold);

    for round in 0..ROUNDS {
        for variant in &mut variants {
            variant.measure(round).await;
        }
    }
    println!("| variant | requests/s | relative to \"hello\" | relative to rmcp | CPU per request | p99 |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let [hello, legacy, newest, ..] = variants.as_slice() else {
        return;
    };
    for variant in &variants {
        let rmcp = if variant.name.contains("2026") {
            newest
        } else {
            legacy
        };
        println!(
            "| {} | {:.0} | {} | {} | {:.1} µs | {:.0} µs |",
            variant.name,
            variant.median(|_, round| round.per_second).0,
            variant.ratio(hello),
            variant.ratio(rmcp),
            variant.median(|_, round| round.cpu_microseconds).0,
            variant.median(|_, round| round.p99_microseconds).0,
        );
    }

    print_growth(&server, &call, &token).await;
    print_growth_of_tools(&clerk, &token).await;
    println!(
        "\nMemory when idle: {idle:.0} MB. From the start to the first accepted connection: {:.0} ms. Binary: {:.1} MB.",
        server.start.as_secs_f64() * 1e3,
        fs::metadata(program).map_or(0, |file| file.len() / 1024) as f64 / 1024.0,
    );
}

/// Prints how the cost of a call grows with the number of connections and of tokens.
async fn print_growth(server: &Server, call: &Call<'_>, token: &(impl Fn(usize) -> String + Sync)) {
    println!("\n| connections | requests/s | CPU per request | p99 | memory |");
    println!("| --- | --- | --- | --- | --- |");
    let requests = [call.to(server)];
    for connections in [1, 16, 256, 1_000] {
        let round = measure(server, &requests, connections, DURATION, false).await;
        println!("| {connections} | {round} | {:.0} MB |", server.memory());
    }
    println!("\n| different tokens | requests/s | CPU per request | p99 | memory |");
    println!("| --- | --- | --- | --- | --- |");
    for tokens in [1, 1_000, MANY_TOKENS] {
        // Not the tokens of the variants, which may be in the cache.
        let numbers: Vec<usize> = (MANY_TOKENS..MANY_TOKENS + tokens).collect();
        let requests = in_parallel(&numbers, |number| {
            let token = token(number);
            Call {
                token: Some(&token),
                ..*call
            }
            .to(server)
        });
        let once = tokens == MANY_TOKENS;
        if !once {
            let _ = measure(server, &requests, CONNECTIONS, DURATION, true).await;
        }
        let time = if once { Duration::from_mins(1) } else { DURATION };
        let round = measure(server, &requests, CONNECTIONS, time, once).await;
        println!("| {tokens} | {round} | {:.0} MB |", server.memory());
    }
}

/// Prints how the cost of a call and of a list grows with the number of tools and of policy entries.
async fn print_growth_of_tools(clerk: &LocalClerk, token: &(impl Fn(usize) -> String + Sync)) {
    println!("\n| request | tools | policy entries | requests/s | CPU per request | p99 |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let warm = token(0);
    for (tools, entries) in [(4, 0), (100, 0), (1_000, 0), (1_000, 1_000)] {
        let server = start_many_tools(clerk, tools, entries).await;
        tokio::time::sleep(DURATION).await;
        let call = Call {
            token: Some(&warm),
            tool: Some(many_tools::TOOL),
            ..Call::default()
        };
        let list = request(
            &server,
            "POST",
            "/mcp",
            &[
                ("Content-Type", "application/json"),
                ("Accept", "application/json, text/event-stream"),
                ("Authorization", &format!("Bearer {warm}")),
            ],
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        );
        for (name, request) in [("tools/call", call.to(&server)), ("tools/list", list)] {
            let round = measure(&server, &[request], CONNECTIONS, DURATION, false).await;
            println!("| `{name}` | {tools} | {entries} | {round} |");
        }
    }
}

/// Starts a server with this many tools and policy entries, for tokens of the program's server.
async fn start_many_tools(clerk: &LocalClerk, tools: usize, entries: usize) -> Server {
    let port = free_port().await;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "many-tools",
            &port.to_string(),
            &tools.to_string(),
            &entries.to_string(),
        ])
        .envs(clerk.environment())
        .env("PORT", port.to_string())
        .env("BASE_URL", format!("http://127.0.0.1:{port}"))
        .env("CLERK_AUDIENCE", "off");
    Server::start(command, port).await
}

/// Loads a server once.
async fn measure(
    server: &Server,
    requests: &[Vec<u8>],
    connections: usize,
    duration: Duration,
    once: bool,
) -> Round {
    let before = server.cpu_seconds();
    let outcome = load::load(server.address, requests, 200, connections, duration, once)
        .await
        .unwrap();
    Round::of(&outcome, server.cpu_seconds() - before)
}

/// Calls `function` for each of `numbers`, on all processors. Signing 100,000 tokens takes a minute.
fn in_parallel<T: Send>(numbers: &[usize], function: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let function = &function;
    std::thread::scope(|scope| {
        let parts: Vec<_> = numbers
            .chunks(numbers.len().div_ceil(threads))
            .map(|part| scope.spawn(move || part.iter().map(|number| function(*number)).collect::<Vec<_>>()))
            .collect();
        parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
    })
}
