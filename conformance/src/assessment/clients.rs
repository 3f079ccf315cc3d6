//! The table "Will these clients connect?" (`clients.toml`): the cases that a client depends on, with the
//! source of the rule.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::results::{Outcome, Results};

/// A client, and what it needs from a server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The name.
    pub name: String,
    /// What the client does that makes it depend on the cases, in one sentence.
    pub rule: String,
    /// Where the rule comes from: a URL of its documentation, source code or issue.
    pub source: String,
    /// The ids of the cases that must pass.
    pub needs: Vec<String>,
}

/// Whether a client can connect, as far as the run can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connects {
    /// Every case that the client depends on passed.
    Yes,
    /// The client finds out how to sign in. Whether its token is accepted was not tested.
    SignsIn,
    /// A case failed.
    No,
    /// No case failed, but some about the sign-in were not run.
    Unknown,
}

/// The answer for one client.
#[derive(Debug)]
pub struct ClientAnswer {
    /// The client.
    pub client: &'static Client,
    /// Whether it can connect.
    pub connects: Connects,
    /// The ids of the cases that decided: those that failed, or those that were not run.
    pub because: Vec<&'static str>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    after_sign_in: Vec<String>,
    #[serde(rename = "client")]
    clients: Vec<Client>,
}

/// Returns the table. The tests check that the file is valid.
fn file() -> &'static File {
    static FILE: LazyLock<File> =
        LazyLock::new(|| toml::from_str(include_str!("../../clients.toml")).unwrap_or_default());
    &FILE
}

/// Returns all clients.
pub fn clients() -> &'static [Client] {
    &file().clients
}

/// Returns the ids of the cases that every client needs after it signed in.
pub fn after_sign_in() -> &'static [String] {
    &file().after_sign_in
}

impl Client {
    /// Returns the answer for this client.
    pub(super) fn answer(&'static self, results: &Results) -> ClientAnswer {
        let ids = |needs: &'static [String], is_wanted: fn(Option<Outcome>) -> bool| -> Vec<&'static str> {
            let outcome = |id: &str| Some(results.cases.iter().find(|case| case.id == id)?.outcome);
            let needs = needs.iter().map(String::as_str);
            needs.filter(|id| is_wanted(outcome(id))).collect()
        };
        let is_failure = |outcome| matches!(outcome, Some(Outcome::Fail | Outcome::Warn));
        let is_missing = |outcome| {
            matches!(
                outcome,
                None | Some(Outcome::NotTestable | Outcome::NotApplicable)
            )
        };
        let answers = [
            (Connects::No, ids(&self.needs, is_failure)),
            (Connects::No, ids(after_sign_in(), is_failure)),
            (Connects::Unknown, ids(&self.needs, is_missing)),
            (Connects::SignsIn, ids(after_sign_in(), is_missing)),
        ];
        let decisive = answers.into_iter().find(|(_, because)| !because.is_empty());
        let (connects, because) = decisive.unwrap_or((Connects::Yes, Vec::new()));
        ClientAnswer {
            client: self,
            connects,
            because,
        }
    }
}

impl Connects {
    /// Describes the answer for reports: `yes`.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::SignsIn => "finds the sign-in",
            Self::No => "no",
            Self::Unknown => "not known",
        }
    }
}
