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

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark that prints its result, not part of the server"
)]

#[path = "../../src/cli/json_lines.rs"]
mod json_lines;
mod parts;
#[path = "../servers/references.rs"]
mod references;

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
    if let Some(reason) = unavailable() {
        println!("NOT CHECKED: the instructions per request. {reason}");
        return ExitCode::SUCCESS;
    }
    let secrets = generate_secrets();
    let counts = count_all(&secrets);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/budget.txt");
    if update {
        let mut text = String::from(BUDGET_HEADER);
        for (name, count) in &counts {
            let _ = writeln!(text, "{name} = {count}");
        }
        fs::write(&file, text).unwrap();
    }
    let Ok(budget) = fs::read_to_string(&file) else {
        for (name, count) in &counts {
            println!("{name:<34} {count:>9}");
        }
        println!("NOT CHECKED: there is no budget. `just instructions --update` writes it.");
        return ExitCode::SUCCESS;
    };
    let budget = read_budget(&budget);
    let mut exceeded = 0;
    println!("{:<34} {:>9} {:>9}", "instructions per", "budget", "now");
    for (name, count) in &counts {
        let Some(allowed) = budget.get(*name) else {
            println!(
                "{name:<34} {:>9} {count:>9}  has no budget: run with `-- --update`",
                ""
            );
            exceeded += 1;
            continue;
        };
        let growth = percent(*count, *allowed);
        let verdict = if growth > MAX_GROWTH_PERCENT {
            exceeded += 1;
            "TOO MANY"
        } else if growth < -MAX_GROWTH_PERCENT {
            "fewer: lower the budget with `-- --update`"
        } else {
            ""
        };
        println!("{name:<34} {allowed:>9} {count:>9}  {growth:+.1} %  {verdict}");
    }
    if exceeded == 0 {
        return ExitCode::SUCCESS;
    }
    println!(
        "\n{exceeded} of {} counts are more than {MAX_GROWTH_PERCENT} % above the budget. Find the cause as described \
         in .github/CONTRIBUTING.md (\"Change a hot path\"), or accept the new counts with `just instructions --update`.",
        counts.len()
    );
    ExitCode::FAILURE
}

/// Returns why the instructions cannot be counted here, if so.
fn unavailable() -> Option<String> {
    if env::consts::ARCH != "x86_64" || env::consts::OS != "linux" {
        return Some("The budget is for Linux on x86-64.".to_owned());
    }
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    (!version.is_ok_and(|status| status.success())).then(|| "valgrind is not installed.".to_owned())
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

fn read_budget(text: &str) -> BTreeMap<String, u64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let (name, count) = line.split_once(" = ")?;
            Some((name.to_owned(), count.parse().ok()?))
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn percent(count: u64, allowed: u64) -> f64 {
    (count as f64 / allowed as f64 - 1.0) * 100.0
}

const BUDGET_HEADER: &str = "\
# Instructions per request, and per part of one. `just instructions --update` writes this file.
";
const MAX_GROWTH_PERCENT: f64 = 5.0;
const RUNS_TO_WARM_UP: u64 = 20;
const RUNS: u64 = 80;
/// Lets every processor run the same code: glibc and aws-lc choose functions by the features of the
/// processor.
const PORTABLE: [(&str, &str); 2] = [
    (
        "GLIBC_TUNABLES",
        "glibc.cpu.hwcaps=-AVX2_Usable,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM",
    ),
    ("OPENSSL_ia32cap", "0x0:0x0"),
];
