//! Counts the instructions of whole requests and of their parts, and compares the counts with the budget in
//! `benches/instructions/budget.txt`: `cargo bench --profile dev --bench instructions`.
//!
//! The counts come from callgrind, which is part of valgrind. Unlike times, they do not depend on the load of
//! the machine. A count that is more than 5 % above its budget fails. `-- --update` writes the budget anew.
//!
//! The budget is for the unoptimized build, which the tests have made already; an optimized one takes many
//! minutes. So a count shows whether a request does more work, and not how long it takes.
//!
//! A request goes through the real accept loop over a loopback connection, on a runtime with one thread. The
//! kernel's part of it is not counted.
//!
//! The crate gungraun is not used: its limits are relative to an earlier run on the same machine, or numbers in
//! the code, and it needs a program of the same version (`gungraun-runner`).

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that prints its result, not part of the server"
)]

#[path = "../../src/cli/json_lines.rs"]
mod json_lines;
mod parts;

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
};

use clerk_mcp::clock;
use parts::{Part, Secrets};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", name, times] => {
            let secrets = serde_json::from_reader(io::stdin()).unwrap();
            let part = Part::named(name).unwrap();
            part.run(times.parse().unwrap(), &secrets);
            ExitCode::SUCCESS
        }
        ["secrets", ..] => {
            println!("{}", generate_secrets());
            ExitCode::SUCCESS
        }
        _ => check(arguments.iter().any(|argument| argument == "--update")),
    }
}

/// Counts every part, and compares the counts with the budget.
fn check(update: bool) -> ExitCode {
    let not_checked = |reason: &str| {
        println!("NOT CHECKED: the instructions per request. {reason}");
        ExitCode::SUCCESS
    };
    if let Some(reason) = unavailable() {
        return not_checked(reason);
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/budget.txt");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let budget = read_budget(&text);
    let compiler = compiler();
    match budget.get(COMPILER) {
        Some(measured) if *measured != compiler && !update => {
            return not_checked(&format!(
                "The budget is for {measured}, and this is {compiler}. `just instructions --update` writes it anew."
            ));
        }
        Some(_) | None => {}
    }
    let counts = count_all(&generate_secrets());
    if update {
        let mut text = format!("{BUDGET_HEADER}{COMPILER} = {compiler}\n");
        for (name, count) in &counts {
            let _ = writeln!(text, "{name} = {count}");
        }
        fs::write(&file, text).unwrap();
    }
    let mut exceeded = 0;
    println!("{:<42} {:>9} {:>9}", "instructions per", "budget", "now");
    for (name, count) in &counts {
        let Some(allowed) = budget.get(*name).and_then(|count| count.parse().ok()) else {
            println!("{name:<42} {:>9} {count:>9}  NO BUDGET", "");
            exceeded += 1;
            continue;
        };
        let growth = percent(*count, allowed);
        let verdict = if growth > MAX_GROWTH_PERCENT {
            exceeded += 1;
            "TOO MANY"
        } else if growth < -MAX_GROWTH_PERCENT {
            "fewer: lower the budget with `just instructions --update`"
        } else {
            ""
        };
        println!("{name:<42} {allowed:>9} {count:>9}  {growth:+.1} %  {verdict}");
    }
    if exceeded == 0 || update {
        return ExitCode::SUCCESS;
    }
    println!(
        "\n{exceeded} of {} counts have no budget, or are more than {MAX_GROWTH_PERCENT} % above it. Find the cause \
         as described in .github/CONTRIBUTING.md (\"Change a hot path\"), or accept the new counts with \
         `just instructions --update`.",
        counts.len()
    );
    ExitCode::FAILURE
}

/// Returns the version of the compiler, on which the counts depend.
fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Returns why the instructions cannot be counted here, if so.
fn unavailable() -> Option<&'static str> {
    if env::consts::ARCH != "x86_64" || env::consts::OS != "linux" {
        return Some("The budget is for Linux on x86-64.");
    }
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    (!version.is_ok_and(|status| status.success()))
        .then_some("valgrind is missing (Debian: apt-get install valgrind).")
}

/// Returns the [`Secrets`] of all runs, as JSON.
fn generate_secrets() -> String {
    let secrets = Secrets::generate((RUNS_TO_WARM_UP + RUNS).try_into().unwrap());
    serde_json::to_string(&secrets).unwrap()
}

/// Counts the instructions of every part, on all processors.
fn count_all(secrets: &str) -> Vec<(&'static str, u64)> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let mut counts = Vec::new();
    for batch in Part::ALL.chunks(threads) {
        let batch = thread::scope(|scope| {
            let running: Vec<_> = batch
                .iter()
                .map(|part| (part.name, scope.spawn(|| part_cost(part, secrets))))
                .collect();
            let finished = running
                .into_iter()
                .map(|(name, count)| (name, count.join().unwrap()));
            finished.collect::<Vec<_>>()
        });
        counts.extend(batch);
    }
    counts
}

/// Returns the instructions of one run of `part`: the difference between two processes that run it a
/// different number of times, so that their start does not count.
fn part_cost(part: &Part, secrets: &str) -> u64 {
    let (few, many) = (RUNS_TO_WARM_UP, RUNS_TO_WARM_UP + RUNS);
    let least = process_cost(part, few, secrets);
    process_cost(part, many, secrets).saturating_sub(least) / RUNS
}

/// Returns the instructions of a process that runs `part` this many times.
fn process_cost(part: &Part, times: u64, secrets: &str) -> u64 {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args(["run", part.name, &times.to_string()])
        .envs(PORTABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(secrets.as_bytes()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log
        .lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    assert!(output.status.success(), "{log}");
    collected.unwrap()
}

/// Parses the budget: lines of a name and a value.
fn read_budget(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn percent(count: u64, allowed: u64) -> f64 {
    (count as f64 / allowed as f64 - 1.0) * 100.0
}

const BUDGET_HEADER: &str = "\
# Instructions per request, and per part of one. `just instructions --update` writes this file.
";
const COMPILER: &str = "compiler";
const MAX_GROWTH_PERCENT: f64 = 5.0;
const RUNS_TO_WARM_UP: u64 = 20;
const RUNS: u64 = 40;
/// Lets every processor run the same code: glibc and aws-lc choose functions by the features of the
/// processor.
const PORTABLE: [(&str, &str); 2] = [
    (
        "GLIBC_TUNABLES",
        "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
    ),
    ("OPENSSL_ia32cap", "0x0:0x0"),
];
