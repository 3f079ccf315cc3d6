use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use include_dir::{Dir, include_dir};
use regex::Regex;

use super::{Case, CaseFile, Expectation, Matcher, OneOrMany, Section, Step, endpoints, sendable};
use crate::{spec::Reference, vocabulary};
use local_clerk::Endpoint;

/// The cases the program was built with.
static BUILT_IN: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/cases");

/// Every case there is, checked: by section and then by id.
#[derive(Clone, Debug)]
pub struct Catalogue {
    cases: Vec<(Section, Case)>,
}

/// A case file is wrong.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The folder or a file in it cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no case file in the folder.
    #[error("{}: there is no .toml file in it", path.display())]
    Empty {
        /// Which folder.
        path: PathBuf,
    },
    /// A file is no case file.
    #[error("{file}:{line}: {message}")]
    Wrong {
        /// Which.
        file: String,
        /// Where, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

impl Catalogue {
    /// The cases that come with the program.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`], when the program was built with a wrong file.
    pub fn built_in() -> Result<Self, CatalogueError> {
        let mut files = Vec::new();
        collect(&BUILT_IN, &mut files);
        Self::parse(files)
    }

    /// The cases in a folder and the folders in it, in place of those that come with the program.
    ///
    /// # Errors
    ///
    /// [`CatalogueError`] for what cannot be read or is wrong, with file, line and what.
    pub fn read(folder: &Path) -> Result<Self, CatalogueError> {
        let mut files = Vec::new();
        read_folder(folder, &mut files)?;
        if files.is_empty() {
            return Err(CatalogueError::Empty {
                path: folder.to_owned(),
            });
        }
        Self::parse(files)
    }

    /// The same for texts, each with the name that errors give it.
    ///
    /// # Errors
    ///
    /// [`CatalogueError::Wrong`].
    pub fn parse(mut files: Vec<(String, String)>) -> Result<Self, CatalogueError> {
        files.sort();
        let mut titles: BTreeMap<u8, Section> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let mut cases = Vec::new();
        for (name, text) in &files {
            let file: CaseFile = toml::from_str(text).map_err(|error| {
                let start = error.span().map_or(0, |span| span.start);
                wrong(name, line_at(text, start), error.message())
            })?;
            let section = Section {
                number: file.number,
                key: file.section,
                title: file.title,
            };
            let known = titles.entry(section.number).or_insert_with(|| section.clone());
            if *known != section {
                let message = format!(
                    "section {} is {:?} ({:?}) in another file",
                    section.number, known.key, known.title
                );
                return Err(wrong(name, line_of(text, "number"), message));
            }
            for case in file.cases {
                check(&section, &case)
                    .and_then(|()| {
                        if ids.insert(case.id.clone()) {
                            Ok(())
                        } else {
                            Err("this id is taken by another case".to_owned())
                        }
                    })
                    .map_err(|message| {
                        let line = line_of(text, &format!("\"{}\"", case.id));
                        wrong(name, line, format!("{}: {message}", case.id))
                    })?;
                cases.push((section.clone(), case));
            }
        }
        cases.sort_by(|(one, a), (other, b)| (one.number, &a.id).cmp(&(other.number, &b.id)));
        Ok(Self { cases })
    }

    /// Every case, with its section.
    pub fn iter(&self) -> impl Iterator<Item = (&Section, &Case)> {
        self.cases.iter().map(|(section, case)| (section, case))
    }

    /// The case of this id.
    pub fn find(&self, id: &str) -> Option<(&Section, &Case)> {
        self.iter().find(|(_, case)| case.id == id)
    }

    /// The ids of every case.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|(_, case)| case.id.as_str())
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

fn collect(folder: &Dir<'static>, files: &mut Vec<(String, String)>) {
    for file in folder.files() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "toml")
            && let Some(text) = file.contents_utf8()
        {
            files.push((format!("cases/{}", path.display()), text.to_owned()));
        }
    }
    for folder in folder.dirs() {
        collect(folder, files);
    }
}

fn read_folder(folder: &Path, files: &mut Vec<(String, String)>) -> Result<(), CatalogueError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CatalogueError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        if path.is_dir() {
            read_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).map_err(failed(&path))?;
            files.push((path.display().to_string(), text));
        }
    }
    Ok(())
}

fn wrong(file: &str, line: usize, message: impl Into<String>) -> CatalogueError {
    CatalogueError::Wrong {
        file: file.to_owned(),
        line,
        message: message.into(),
    }
}

fn line_at(text: &str, position: usize) -> usize {
    let before = text.get(..position).unwrap_or(text);
    before.matches('\n').count() + 1
}

/// The line that first has this in it.
fn line_of(text: &str, needle: &str) -> usize {
    line_at(text, text.find(needle).unwrap_or(0))
}

/// What the types cannot say.
fn check(section: &Section, case: &Case) -> Result<(), String> {
    let words = case
        .id
        .strip_prefix(&section.key)
        .and_then(|rest| rest.strip_prefix('.'));
    let well_formed = |words: &str| {
        !words.is_empty()
            && words
                .chars()
                .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || "-.".contains(one))
    };
    if !words.is_some_and(well_formed) {
        return Err(format!(
            "an id here is \"{}.\" and then small letters, digits, hyphens and dots",
            section.key
        ));
    }
    if !case.requirement.ends_with('.') || !case.why.ends_with(['.', '?', ')']) {
        return Err("requirement and why are sentences".to_owned());
    }
    if case.refs.is_empty() {
        return Err("it cites nothing: name at least one of the table of references".to_owned());
    }
    if let Some(unknown) = case.refs.iter().find(|key| Reference::find(key).is_none()) {
        return Err(format!(
            "{unknown:?} is not in the table of references (list --references)"
        ));
    }
    if let Some(unknown) = case
        .needs
        .iter()
        .chain(&case.unless)
        .find(|option| !vocabulary::is_option_or_kind(option))
    {
        return Err(format!("{unknown:?} is no option that a profile can offer"));
    }
    if let Some(unknown) = case
        .own
        .iter()
        .flat_map(BTreeMap::keys)
        .find(|setting| !vocabulary::is_setting(setting))
    {
        return Err(format!("{unknown:?} is no setting that a profile can map"));
    }
    if !case.steps.is_empty() && case.has_single_step() {
        return Err("token, authorization, send and expect belong into its steps".to_owned());
    }
    if case.refuses_to_start.is_some() && (!case.steps.is_empty() || case.has_single_step()) {
        return Err("a target that does not start cannot be asked".to_owned());
    }
    let changes_clerk = !case.before.is_empty() || !case.instead.is_empty();
    if changes_clerk && !case.needs_own_target() {
        return Err("it changes Clerk, so it needs a target of its own: own = {}".to_owned());
    }
    case.before.iter().try_for_each(sendable::check_action)?;
    for (position, step) in case.steps().iter().enumerate() {
        let number = position + 1;
        check_step(case, position, step).map_err(|message| format!("step {number}: {message}"))?;
    }
    Ok(())
}

fn check_step(case: &Case, position: usize, step: &Step) -> Result<(), String> {
    let Expectation {
        clerk_requests,
        same_as_step,
        same_refusal_as_step,
        ..
    } = &step.expect;
    if case.refuses_to_start.is_none() && step.expect == Expectation::default() {
        return Err("it expects nothing, so it can't fail".to_owned());
    }
    if (!step.clerk.is_empty() || !clerk_requests.is_empty()) && !case.needs_own_target() {
        return Err(
            "it changes Clerk or counts requests, so the case needs a target of its own: own = {}".to_owned(),
        );
    }
    if let Some(unknown) = clerk_requests
        .keys()
        .find(|name| !endpoints(name).all(|(_, one)| Endpoint::from_name(one).is_some()))
    {
        return Err(format!("{unknown:?} is no endpoint of Clerk"));
    }
    let earlier = [
        step.token_of_step,
        step.session_of_step,
        *same_as_step,
        *same_refusal_as_step,
    ];
    for earlier in earlier.into_iter().flatten() {
        if earlier == 0 || earlier > position {
            return Err(format!("step {earlier} is not an earlier step"));
        }
    }
    let pauses = step.pause.iter().flat_map(OneOrMany::as_slice);
    let times = pauses.filter(|pause| *pause != vocabulary::KEY_INTERVAL);
    if let Some(wrong) = times
        .chain(&step.limit)
        .find(|time| vocabulary::duration(time).is_none())
    {
        return Err(format!("{wrong:?} is no time: 1s or 500ms, for example"));
    }
    step.clerk.iter().try_for_each(sendable::check_action)?;
    sendable::check_request(step)?;
    let send = &step.send;
    let contents = [
        send.message.is_some(),
        send.call.is_some(),
        send.body.is_some(),
        send.body_bytes.is_some(),
    ];
    if contents.iter().filter(|there| **there).count() > 1 {
        return Err("message, call, body and body_bytes exclude each other".to_owned());
    }
    patterns(&step.expect).try_for_each(|pattern| match Regex::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{pattern:?} is no regular expression: {error}")),
    })
}

/// Every regular expression of an expectation.
fn patterns(expect: &Expectation) -> impl Iterator<Item = &str> {
    let challenge = expect
        .challenge
        .iter()
        .flat_map(|challenge| challenge.parameters.values());
    let texts = expect
        .headers
        .values()
        .chain(&expect.body)
        .chain(&expect.text)
        .chain(challenge)
        .chain(expect.rpc_error.iter().filter_map(|error| error.message.as_ref()));
    let places = expect.json.iter().chain(&expect.result).chain(&expect.structured);
    let texts = texts.filter_map(|Matcher { matches, .. }| matches.as_deref());
    texts.chain(places.filter_map(|place| place.matches.as_deref()))
}
