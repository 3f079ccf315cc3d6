//! `run`: tests a target and writes reports.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::PathBuf,
    pin::pin,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use clerk_mcp_conformance::{
    baseline::Baseline,
    login::{LoginOptions, login},
    profile::Profile,
    redact::program_name,
    results::{Conclusion, Timing},
    runner::{self, Options, Selection, SuppliedToken, TargetOptions},
};
use jiff::Timestamp;
use local_clerk::mint::{Evidence, TokenKind, TokenSpec};
use url::Url;

use super::{
    CasesArgument, CommandOutcome, bare_url,
    list::LevelArgument,
    progress::ProgressLine,
    reports::{ReportArgument, Reports},
    signals::stop_signal,
};

pub(crate) const EXAMPLES: &str = "Examples:
  clerk-mcp-conformance run --profile clerk-mcp --command 'target/debug/clerk-mcp'
      Starts a local Clerk and the server, tests the server, and stops both.
  clerk-mcp-conformance run --profile ./mine.toml --command 'npm start' --report junit=result.xml --report html=result.html
      Tests your own server, described by mine.toml, and writes two reports in addition to the terminal report.
  clerk-mcp-conformance run --url https://mcp.example.com/mcp
      Tests a running server without a token.
  clerk-mcp-conformance run --url https://mcp.example.com/mcp --login
      Also signs in, as an MCP client does, and tests the server with the tokens that it gets.
  clerk-mcp-conformance run --url http://127.0.0.1:3001/mcp --clerk http://127.0.0.1:4567
      Tests a running server that uses this local Clerk.
  clerk-mcp-conformance run … --only claims --skip 'claims.nbf*' --baseline known.toml

Each cell of the policy in the profile is a case: policy.IDENTITY.TOOL.

Which cases run: with --command all, with --url those that need no token, with --token or --login also those that need \
only such tokens, with --clerk all that do not restart or configure the server. Other cases are reported with the reason.

Exit codes: 0 no findings, 1 findings or errors in the baseline, 2 no result (invalid arguments or files, the target \
did not start or answer, or no case applied), 130 stopped by Ctrl-C (143 by SIGTERM, 129 by SIGHUP). The target is \
stopped too.";

/// The default of `--timeout`, in seconds.
const TIMEOUT: u64 = 10;
/// The default of `--start-timeout`, in seconds.
const START_TIMEOUT: u64 = 30;
/// The default of `--login-timeout`, in seconds.
const LOGIN_TIMEOUT: u64 = 300;

#[derive(Args)]
#[command(group(clap::ArgGroup::new("target").required(true).args(["command", "url"])))]
pub(crate) struct Arguments {
    /// Shell command (sh) that starts the target.
    #[arg(long, value_name = "COMMAND")]
    command: Option<String>,
    /// Forward requests for Clerk's own hosts to the local Clerk, for targets with built-in hosts. Uses
    /// `HTTPS_PROXY` and a temporary certificate authority.
    #[arg(long, conflicts_with = "url")]
    intercept: bool,
    /// MCP endpoint of a running target. Reports show it, so it must not have a user, query or fragment.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Profile that describes the target and how to start it: a name (list --profiles) or a .toml file.
    #[arg(long, value_name = "NAME|FILE", default_value = "generic")]
    profile: String,
    /// File with a valid token of this kind: `session_token=token.txt`. Repeatable.
    #[arg(long, value_name = "KIND=FILE", conflicts_with = "command")]
    token: Vec<String>,
    /// Sign in to the running target's authorization server as an MCP client does: register a client, and get a
    /// token for the target, one for another server and one with fewer scopes. Prints the addresses to open, unless
    /// the authorization server consents without a page.
    #[arg(long, conflicts_with_all = ["command", "token", "clerk", "issuer"])]
    login: bool,
    /// Time limit for each sign-in of --login in the browser, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = LOGIN_TIMEOUT, requires = "login")]
    login_timeout: u64,
    /// Local Clerk that the running target uses.
    #[arg(long, value_name = "URL", conflicts_with = "command")]
    clerk: Option<String>,
    /// Issuer of the tokens that the running target accepts (its Frontend API URL).
    #[arg(long, value_name = "URL", conflicts_with_all = ["command", "clerk"])]
    issuer: Option<String>,
    /// Certificate authorities (PEM) to trust in addition to the system's, for a running target with https.
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    ca_file: Option<PathBuf>,
    /// Run only these cases: ids, sections, or patterns with `*` (`claims.exp*`). Repeatable.
    #[arg(long, value_name = "CASES")]
    only: Vec<String>,
    /// Skip these cases. Repeatable.
    #[arg(long, value_name = "CASES")]
    skip: Vec<String>,
    /// Run only cases of this level.
    #[arg(long, value_enum)]
    level: Option<LevelArgument>,
    /// TOML file with known failures and reasons. An entry whose case passes or does not exist fails the run.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Report format: terminal, json, junit, sarif, markdown or html. `FORMAT=FILE` writes a file; `FORMAT`
    /// alone replaces the terminal report. Repeatable.
    #[arg(long, value_name = "FORMAT[=FILE]")]
    report: Vec<ReportArgument>,
    /// Show every section, every finding in detail, and every case that does not apply in the terminal report.
    #[arg(long, short)]
    verbose: bool,
    /// Cases to run in parallel. Above 1, cases that sleep run in addition.
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Time limit for one answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT)]
    timeout: u64,
    /// Time limit for the start of the target, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = START_TIMEOUT)]
    start_timeout: u64,
    #[command(flatten)]
    cases: CasesArgument,
}

/// A kind of token, and a file with a token of this kind.
struct TokenFile(TokenKind, PathBuf);

impl FromStr for TokenFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, file) = text.split_once('=').ok_or(
            "expected KIND=FILE. Tokens are read from files, because other users can read a command line",
        )?;
        let kind = serde_json::from_value(kind.into()).map_err(|error: serde_json::Error| {
            // The error does not repeat the argument, because it may be a token.
            let error = error.to_string();
            let kinds = error.split_once("expected ").map_or("", |(_, kinds)| kinds);
            format!("unknown kind of token before =: expected {kinds}")
        })?;
        Ok(Self(kind, file.into()))
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<CommandOutcome> {
    let catalog = arguments.cases.catalog()?;
    let mut options = arguments.options()?;
    let reports = Reports::open(&arguments.report)?;
    let mut stop = pin!(stop_signal()?);
    if arguments.login {
        tokio::select! {
            biased;
            signal = &mut stop => return Ok(CommandOutcome::Interrupted(signal)),
            login = arguments.login(&mut options) => login?,
        }
    }
    let progress = ProgressLine::new();
    let started = now();
    let clock = Instant::now();
    let mut results = tokio::select! {
        biased;
        // Drops the run, which stops every target. Ctrl-C does not reach targets, which have their own
        // process groups.
        signal = &mut stop => return Ok(CommandOutcome::Interrupted(signal)),
        results = runner::run(&catalog, &options, &progress) => results?,
    };
    drop(progress);
    results.timing = Some(Timing {
        started,
        duration: clock.elapsed(),
    });
    reports.write(&results, arguments.verbose)?;
    match results.conclusion() {
        Conclusion::Clean => Ok(CommandOutcome::Clean),
        Conclusion::Findings => Ok(CommandOutcome::Findings),
        Conclusion::NothingTried => {
            anyhow::bail!("no case was tested: no selected case applies to this target with these options")
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "reports show when the run was")]
fn now() -> Timestamp {
    Timestamp::now()
}

impl Arguments {
    /// Converts the arguments to the options of the runner.
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

    /// Signs in to the target of these options, and adds the tokens to them.
    async fn login(&self, options: &mut Options) -> anyhow::Result<()> {
        let TargetOptions::Running {
            mcp_url,
            tokens,
            issuer,
            ..
        } = &mut options.target
        else {
            anyhow::bail!("--login needs --url");
        };
        let login = login(
            &LoginOptions {
                mcp_url,
                authority: options.authority.as_deref(),
                timeout: options.timeout,
                sign_in_timeout: Duration::from_secs(self.login_timeout),
            },
            print_address,
        )
        .await?;
        login.describe_in(&mut options.profile);
        *issuer = Some(login.issuer);
        *tokens = login.tokens;
        Ok(())
    }

    /// Returns the issuer exactly as given, because it must equal the `iss` claim of the tokens.
    fn issuer(&self) -> anyhow::Result<Option<String>> {
        if let Some(issuer) = &self.issuer {
            bare_url("--issuer", issuer)?;
        }
        Ok(self.issuer.clone())
    }

    /// Returns this command line without a selection of cases. The command of the target can contain secrets,
    /// so only its program is named.
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
        if self.login {
            words.push("--login".to_owned());
        }
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), quoted(&value)]);
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
            ("--login-timeout", self.login_timeout, LOGIN_TIMEOUT),
        ] {
            if seconds != default {
                option(name, seconds.to_string());
            }
        }
        words.join(" ")
    }
}

/// Reads the tokens, at most one of each kind.
fn tokens(files: &[TokenFile]) -> anyhow::Result<Vec<SuppliedToken>> {
    let mut kinds = BTreeSet::new();
    let mut tokens = Vec::new();
    for TokenFile(kind, path) in files {
        // The error does not repeat the argument, because it may be the token itself.
        let token = fs::read_to_string(path)
            .with_context(|| format!("--token: cannot read the file after {}=", kind.name()))?;
        let token = token.trim();
        anyhow::ensure!(!token.is_empty(), "{} is empty: expected a token", path.display());
        check_kind(*kind, token)?;
        anyhow::ensure!(
            kinds.insert(*kind),
            "--token: two tokens of the kind {}",
            kind.name()
        );
        tokens.push(SuppliedToken {
            spec: TokenSpec::of(*kind),
            token: Ok(token.to_owned()),
        });
    }
    Ok(tokens)
}

/// Asks the user to sign in at this address, for this purpose.
fn print_address(purpose: &str, address: &Url) {
    // If stderr is closed, the login times out.
    let _ = writeln!(
        io::stderr(),
        "Open this address and sign in, to get {purpose}:\n  {address}"
    );
}

/// Checks that the token looks like one of this kind. A token of another kind would make all results wrong.
fn check_kind(kind: TokenKind, token: &str) -> anyhow::Result<()> {
    let Evidence { kinds, because } = Evidence::of(token);
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    anyhow::ensure!(
        kinds.contains(&kind),
        "--token: the file after {}= contains another kind of token: {because}. It looks like {}.",
        kind.name(),
        names.join(" or ")
    );
    Ok(())
}

/// Quotes a word for a shell if necessary.
fn quoted(word: &str) -> String {
    let is_safe = |one: char| one.is_ascii_alphanumeric() || "-_./:=@%+,".contains(one);
    if !word.is_empty() && word.chars().all(is_safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_words_for_a_shell() {
        for (word, expected) in [
            ("clerk-mcp", "clerk-mcp"),
            ("npm start", "'npm start'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
