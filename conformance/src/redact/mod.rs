//! Takes tokens and secrets out of everything that somebody may read: reports, errors, the terminal.
//!
//! First what is known by its value: tokens of the run, and what the environment, the command, the profile and the
//! target's URL have of secrets. It is found wherever it stands, encoded or in part. Then what has the form of a token,
//! or a name that tells, for a target may say what nobody here knows.

mod command;
mod forms;
mod known;
mod names;
mod random;
#[cfg(test)]
mod tests;
mod views;

use std::{collections::BTreeMap, env, fmt, ops::Range, sync::LazyLock};

use url::Url;

use self::{
    known::{Found, Known, Parts},
    names::{is_harmless_literal, is_placeholder, telling},
    random::looks_random,
    views::View,
};
use crate::{report, results::Results};

const SECRET: &str = "<secret>";

/// What a run knows of secrets, and what it calls them.
#[derive(Clone)]
pub(crate) struct Redactor {
    known: Known,
    /// What is no secret but another in each run, and its name; the longest first, for one may be part of another.
    names: Vec<(String, String)>,
}

impl Redactor {
    /// One that knows the environment of this process: what it starts has the same, and may say it.
    pub(crate) fn new() -> Self {
        static ENVIRONMENT: LazyLock<Redactor> = LazyLock::new(|| {
            let mut redactor = Redactor::empty();
            for (name, value) in env::vars_os() {
                redactor.know_variable(&name.to_string_lossy(), &value.to_string_lossy());
            }
            redactor
        });
        ENVIRONMENT.clone()
    }

    fn empty() -> Self {
        Self {
            known: Known::default(),
            names: Vec::new(),
        }
    }

    /// From now on the token or key `secret` is shown as `name`, and so is each of its parts.
    pub(crate) fn know(&mut self, secret: &str, name: &str) {
        let (whole, part) = (format!("<{name}>"), format!("<part of {name}>"));
        self.known.add(secret, &whole, Parts::All(&part));
    }

    /// From now on `value`, which is no secret, is shown as `name`.
    pub(crate) fn name(&mut self, value: &str, name: &str) {
        if !value.is_empty() {
            self.names.push((value.to_owned(), name.to_owned()));
            self.names
                .sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        }
    }

    /// What the variable holds is secret if its name says so, or if it looks like it.
    pub(crate) fn know_variable(&mut self, name: &str, value: &str) {
        if telling(name).is_some() && !is_harmless_literal(value) {
            self.know_value(value, Parts::Random(SECRET));
        } else if looks_random(value) {
            // It may as well be a name with a number in it, of which the rest is a word.
            self.know_value(value, Parts::None);
        } else {
            let ranges = [forms::tokens_and_named(value), forms::in_addresses(value)].concat();
            self.know_all(ranges.into_iter().filter_map(|range| value.get(range)));
        }
    }

    /// What the variables of a profile hold that a run doesn't fill in.
    pub(crate) fn know_variables(&mut self, variables: &BTreeMap<String, String>) {
        for (name, value) in variables.iter().filter(|(_, value)| !is_placeholder(value)) {
            self.know_variable(name, value);
        }
    }

    /// What is secret in a command.
    pub(crate) fn know_command(&mut self, command: &str) {
        let secrets = command::secrets(command);
        self.know_all(secrets.iter().map(|secret| secret.value.as_str()));
    }

    /// The parts of the path that nobody can guess: whoever has such a URL needs no token.
    pub(crate) fn know_url(&mut self, url: &Url) {
        self.know_all(
            url.path_segments()
                .into_iter()
                .flatten()
                .filter(|part| looks_random(part)),
        );
    }

    fn know_all<'a>(&mut self, values: impl Iterator<Item = &'a str>) {
        for value in values {
            self.know_value(value, Parts::Random(SECRET));
        }
    }

    /// A value, and what is used of it: decoded, the password behind a user, each line of several.
    fn know_value(&mut self, value: &str, parts: Parts<'_>) {
        let value = value.trim().trim_matches(['"', '\'']);
        for view in View::all(value) {
            let value = String::from_utf8_lossy(view.bytes());
            self.known.add(&value, SECRET, parts);
            if let Some((_, password)) = value.split_once(':') {
                self.known.add(password, SECRET, parts);
            }
        }
        // What a variable stands for when it has no value: `${KEY:-value}`.
        let default = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        if let Some((_, default)) = default.and_then(|inner| inner.split_once('-')) {
            self.known.add(default, SECRET, parts);
        }
        // Some programs indent them.
        let lines = value.lines().map(str::trim);
        for line in lines.filter(|line| line.len() >= LINE && !line.starts_with("-----")) {
            self.known.add(line, SECRET, parts);
        }
    }

    /// A text of whatever origin, without secrets.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.without(text, forms::tokens_and_named)
    }

    /// A text of the suite's own, in which nothing but values can be secret.
    pub(crate) fn clean_own(&self, text: &str) -> String {
        self.without(text, forms::tokens)
    }

    fn without(&self, text: &str, forms: impl Fn(&str) -> Vec<Range<usize>>) -> String {
        let mut text = replaced(text, self.known.find(text));
        for (value, name) in &self.names {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), name);
            }
        }
        let found = forms(&text);
        replaced(&text, found.into_iter().map(secret).collect())
    }

    /// Takes what is known out of everything in results that somebody else wrote. The last gate before reports.
    pub(crate) fn clean_results(&self, results: &mut Results) {
        let own = |text: &mut String| *text = self.clean_own(text);
        own(&mut results.suite.name);
        own(&mut results.target.profile);
        own(&mut results.target.address);
        if let Some(refused) = &mut results.good_token_refused {
            own(refused);
        }
        for case in &mut results.cases {
            for text in case.reason.iter_mut().chain([&mut case.rerun]) {
                own(text);
            }
            for finding in &mut case.findings {
                own(&mut finding.expected);
                own(&mut finding.actual);
            }
            if let Some(exchange) = &mut case.exchange {
                own(&mut exchange.request);
                own(&mut exchange.response);
            }
            if let Some(known) = &mut case.known {
                *known = self.clean(known);
            }
        }
        for complaint in &mut results.baseline {
            complaint.case = self.clean(&complaint.case);
        }
    }
}

/// A shorter line of a secret stands in too many texts.
const LINE: usize = 8;

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

/// A command of a shell as it may be shown: without the secrets that are written into it.
pub fn shown_command(command: &str) -> String {
    let secrets = command::secrets(command)
        .into_iter()
        .map(|written| secret(written.range));
    let text = replaced(command, secrets.collect());
    Redactor::new().clean_own(&text)
}

/// A text of whatever origin as a terminal may show it: without secrets, and without what acts on the terminal.
pub fn shown_text(text: &str) -> String {
    report::lines(&Redactor::new().clean(text))
}

/// Results that somebody else wrote into a file, as they may be shown.
pub fn shown_results(mut results: Results) -> Results {
    Redactor::new().clean_results(&mut results);
    results
}

fn secret(range: Range<usize>) -> Found {
    Found {
        range,
        label: SECRET.into(),
    }
}

/// The text with what was found replaced. Of what overlaps, what begins first says what it was.
fn replaced(text: &str, mut found: Vec<Found>) -> String {
    found.sort_by_key(|one| (one.range.start, std::cmp::Reverse(one.range.end)));
    let mut out = String::with_capacity(text.len());
    let mut end = 0;
    for one in found {
        let range = text.floor_char_boundary(one.range.start)..text.ceil_char_boundary(one.range.end);
        if range.start >= end {
            out.push_str(text.get(end..range.start).unwrap_or_default());
            out.push_str(&one.label);
        }
        end = end.max(range.end);
    }
    out.push_str(text.get(end..).unwrap_or_default());
    out
}
