//! `run`: judges a target.

use std::{collections::BTreeMap, fs, path::PathBuf, str::FromStr, time::Duration};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{
    baseline::Baseline,
    profile::Profile,
    redact::program_name,
    results::Conclusion,
    runner::{self, Options, Selection, TargetOptions},
};
use local_clerk::mint::{Evidence, TokenKind};

use super::{
    CasesArgument, End, bare_url,
    interrupt::interrupted,
    list::LevelArgument,
    progress::Line,
    reports::{ReportArgument, Reports},
};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance run --profile clerk-mcp --command 'target/debug/clerk-mcp'
      Starts the server beside a local Clerk, judges it, and stops it.
  clerk-mcp-conformance run --profile ./mine.toml --command 'npm start' --report junit=result.xml --report html=result.html
      A server of your own, described by a file; reports besides that in the terminal.
  clerk-mcp-conformance run --url https://mcp.example.com/mcp
      What anybody can see of a running server.
  clerk-mcp-conformance run --url http://127.0.0.1:3001/mcp --clerk http://127.0.0.1:4567
      A running server that uses this local Clerk.
  clerk-mcp-conformance run … --only claims --skip 'claims.nbf*' --baseline known.toml

How far it goes: with --command, everything. With --url, what needs no token; with --token also what such a token can \
show; with --clerk everything that needs no server of its own. What could not be tried is reported, with the reason.

Exit codes: 0 clean, 1 findings (or a stale baseline), 2 wrong arguments, a wrong file, no target to judge or nothing \
tried, \
130 after Ctrl-C, which stops the target too (143 and 129 for SIGTERM and SIGHUP).";

/// Unless said otherwise, in seconds.
const TIMEOUT: u64 = 10;
const START_TIMEOUT: u64 = 30;

#[derive(Args)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["command", "url"])))]
pub(crate) struct Arguments {
    /// The command (of sh) that starts the target.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Bring the target's requests for Clerk's own hosts to the local Clerk, for servers that have them built in: by
    /// `HTTPS_PROXY` and a throw-away authority.
    #[arg(long, conflicts_with = "url")]
    intercept: bool,
    /// The MCP endpoint of a target that runs already. It gets into reports, so it has no user, query or fragment.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What the target offers and what it is told at its start: a name (list --profiles) or a .toml file.
    #[arg(long, value_name = "NAME|FILE", default_value = "generic")]
    profile: String,
    /// A valid token of this kind, read from a file: `session_token=token.txt`.
    #[arg(long, value_name = "KIND=FILE", conflicts_with = "command")]
    token: Vec<String>,
    /// The local Clerk that the running target uses.
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    clerk: Option<String>,
    /// The issuer of the running target's tokens, its Frontend API.
    #[arg(long, value_name = "URL", conflicts_with_all = ["command", "clerk"])]
    issuer: Option<String>,
    /// An authority to trust besides the machine's (PEM), for a running target on https.
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    ca_file: Option<PathBuf>,
    /// Only these cases: ids, sections, or patterns with `*` (`claims.exp*`). Again for more.
    #[arg(long, value_name = "CASES")]
    only: Vec<String>,
    /// Not these cases.
    #[arg(long, value_name = "CASES")]
    skip: Vec<String>,
    /// Only cases of this level.
    #[arg(long, value_enum)]
    level: Option<LevelArgument>,
    /// Known failures, with reasons (TOML). An entry that passes now, or names no case, fails the run.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// A report: terminal, json, junit, sarif, markdown or html. Into a file, or without one on stdout instead of
    /// that for the terminal. Again for more.
    #[arg(long, value_name = "FORMAT[=FILE]")]
    report: Vec<ReportArgument>,
    /// How many cases to try at once; with 1 really one, else those that wait for time to pass come on top.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// How many seconds one answer may take.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT)]
    timeout: u64,
    /// How many seconds the target may take to start.
    #[arg(long, value_name = "SECONDS", default_value_t = START_TIMEOUT)]
    start_timeout: u64,
    #[command(flatten)]
    cases: CasesArgument,
}

/// A kind of token, and the file that has one.
struct TokenFile(TokenKind, PathBuf);

impl FromStr for TokenFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, file) = text
            .split_once('=')
            .ok_or("write KIND=FILE: tokens are read from files, for others can read a command line")?;
        let kind = serde_json::from_value(kind.into()).map_err(|error: serde_json::Error| {
            // What was given is not repeated: it may be a token.
            let error = error.to_string();
            let kinds = error.split_once("expected ").map_or("", |(_, kinds)| kinds);
            format!("there is no such kind of token: write {kinds}, before the =")
        })?;
        Ok(Self(kind, file.into()))
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<End> {
    let catalogue = arguments.cases.catalogue()?;
    let options = arguments.options()?;
    let reports = Reports::open(&arguments.report)?;
    let interrupted = interrupted()?;
    let progress = Line::new();
    let results = tokio::select! {
        biased;
        // The run is dropped, and every target with it: they are in groups of their own, which Ctrl-C doesn't reach.
        signal = interrupted => return Ok(End::Interrupted(signal)),
        results = runner::run(&catalogue, &options, &progress) => results?,
    };
    drop(progress);
    reports.write(&results)?;
    match results.conclusion() {
        Conclusion::Clean => Ok(End::Clean),
        Conclusion::Findings => Ok(End::Findings),
        Conclusion::NothingTried => anyhow::bail!(
            "nothing was tried: no selected case applies to this target, or the run does not reach as far"
        ),
    }
}

impl Arguments {
    fn options(&self) -> anyhow::Result<Options> {
        let token_files = self
            .token
            .iter()
            .map(|token| token.parse::<TokenFile>())
            .collect::<Result<Vec<_>, String>>()
            .map_err(|error| anyhow::anyhow!("--token: {error}"))?;
        let target = match (&self.command, &self.url) {
            (Some(command), _) => TargetOptions::Command(command.clone()),
            (None, Some(url)) => TargetOptions::Running {
                mcp_url: bare_url("--url", url)?,
                tokens: tokens(&token_files)?,
                clerk: self
                    .clerk
                    .as_deref()
                    .map(|url| bare_url("--clerk", url))
                    .transpose()?,
                issuer: self.issuer()?,
            },
            (None, None) => anyhow::bail!("give --command or --url"),
        };
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let mut profile = Profile::find(&self.profile)?;
        profile.intercept |= self.intercept;
        Ok(Options {
            profile,
            target,
            selection: Selection {
                only: self.only.clone(),
                skip: self.skip.clone(),
                level: self.level.map(Into::into),
            },
            baseline: self.baseline.as_deref().map(Baseline::read).transpose()?,
            jobs: self.jobs.into(),
            timeout: Duration::from_secs(self.timeout),
            start_timeout: Duration::from_secs(self.start_timeout),
            authority: self.ca_file.as_ref().map(read).transpose()?,
            rerun: self.rerun(&token_files),
        })
    }

    /// As it was written: it has to be what the tokens say.
    fn issuer(&self) -> anyhow::Result<Option<String>> {
        if let Some(issuer) = &self.issuer {
            bare_url("--issuer", issuer)?;
        }
        Ok(self.issuer.clone())
    }

    /// Returns this command line, to be completed with one case. The target's command may contain secrets, so only
    /// its program is named.
    fn rerun(&self, tokens: &[TokenFile]) -> String {
        let mut words = vec!["clerk-mcp-conformance".to_owned(), "run".to_owned()];
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
        option("--profile", self.profile.clone());
        if let Some(command) = &self.command {
            option("--command", format!("{} …", program_name(command)));
        }
        if self.intercept {
            words.push("--intercept".to_owned());
        }
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
        if let Some(url) = &self.url {
            option("--url", url.clone());
        }
        for TokenFile(kind, path) in tokens {
            option("--token", format!("{}={}", kind.name(), path.display()));
        }
        if let Some(url) = &self.clerk {
            option("--clerk", url.clone());
        }
        if let Some(issuer) = &self.issuer {
            option("--issuer", issuer.clone());
        }
        if let Some(path) = &self.ca_file {
            option("--ca-file", path.display().to_string());
        }
        if let Some(folder) = self.cases.folder() {
            option("--cases", folder.display().to_string());
        }
        for (name, seconds, default) in [
            ("--timeout", self.timeout, TIMEOUT),
            ("--start-timeout", self.start_timeout, START_TIMEOUT),
        ] {
            if seconds != default {
                option(name, seconds.to_string());
            }
        }
        words.join(" ")
    }
}

/// The tokens in the files, one of a kind.
fn tokens(files: &[TokenFile]) -> anyhow::Result<BTreeMap<TokenKind, String>> {
    let mut tokens = BTreeMap::new();
    for TokenFile(kind, path) in files {
        // What was given is not repeated: it may be the token and no file.
        let token = fs::read_to_string(path)
            .with_context(|| format!("--token: the file after {}= cannot be read", kind.name()))?;
        let token = token.trim();
        anyhow::ensure!(
            !token.is_empty(),
            "{} is empty: it has to hold a token",
            path.display()
        );
        believe(*kind, token)?;
        anyhow::ensure!(
            tokens.insert(*kind, token.to_owned()).is_none(),
            "--token: there are two of the kind {}",
            kind.name()
        );
    }
    Ok(tokens)
}

/// Whether the token can be of the kind it is given as: with one of another, nothing that is found would be true.
fn believe(kind: TokenKind, token: &str) -> anyhow::Result<()> {
    let Evidence { kinds, because } = Evidence::of(token);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    anyhow::ensure!(
        kinds.contains(&kind),
        "--token: what the file after {}= holds is none: {because}. That is how {} looks.",
        kind.name(),
        names.join(" or ")
    );
    Ok(())
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_./:=@%+,".contains(one);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, due) in [
            ("clerk-mcp", "clerk-mcp"),
            ("npm start", "'npm start'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), due);
        }
    }
}
