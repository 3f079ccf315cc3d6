//! Command-line flags for the configuration: one flag per variable, generated from the table of variables.

use std::{collections::HashMap, marker::PhantomData, path::Path};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{ConfigError, VARIABLES, Variable, Variables};

/// The variables that were given as flags. `S` selects the flags that the command accepts.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings<S = AllVariables> {
    flags: HashMap<&'static str, String>,
    accepted: PhantomData<S>,
}

/// Selects the variables that a command accepts as flags, and says how `--help` describes them.
pub(super) trait AcceptedVariables {
    /// The heading above the flags in `--help`.
    const HEADING: &'static str;

    /// Returns whether the command accepts the variable `name`.
    fn accepts(name: &str) -> bool;

    /// Returns whether the command also reads the variable `name` from the environment.
    fn reads_environment(_: &str) -> bool {
        true
    }

    /// Returns the default that `--help` shows, or `None` if this command needs the variable to be set.
    fn default_of(variable: &Variable) -> Option<&'static str>;
}

/// Accepts every variable.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct AllVariables;

impl AcceptedVariables for AllVariables {
    const HEADING: &'static str = "Configuration (precedence: flags, then the environment, then .env)";

    fn accepts(_: &str) -> bool {
        true
    }

    fn default_of(variable: &Variable) -> Option<&'static str> {
        (!REQUIRED.contains(&variable.name)).then_some(variable.default)
    }
}

impl<S: AcceptedVariables> Settings<S> {
    /// Returns the values that were given as flags, by variable.
    pub(super) fn flags(&self) -> &HashMap<&'static str, String> {
        &self.flags
    }

    /// Reads the variables from the flags, the environment and `.env`.
    pub(super) fn variables(&self) -> Result<Variables, ConfigError> {
        Variables::read(&self.flags, Path::new(".env"))
    }

    /// Returns the variables that become flags. Secrets do not: other users of the machine can read the
    /// arguments of a process.
    fn flag_variables() -> impl Iterator<Item = &'static Variable> {
        VARIABLES
            .iter()
            .filter(|variable| !variable.secret && S::accepts(variable.name))
    }

    /// Returns what `--help` says about the flag of `variable`.
    fn help(variable: &Variable) -> String {
        let environment = if S::reads_environment(variable.name) {
            format!(" [env: {}]", variable.name)
        } else {
            String::new()
        };
        let default = S::default_of(variable)
            .map_or_else(|| "required".to_owned(), |default| format!("default: {default}"));
        format!("{}{environment} [{default}]", variable.help)
    }
}

impl<S: AcceptedVariables + Default> Args for Settings<S> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::flag_variables().map(|variable| {
            Arg::new(variable.name)
                .long(variable.name.to_lowercase().replace('_', "-"))
                .value_name(variable.value)
                .help(Self::help(variable))
                .help_heading(S::HEADING)
                .hide_short_help(true)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: AcceptedVariables + Default> FromArgMatches for Settings<S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for variable in Self::flag_variables() {
            if let Some(value) = matches.try_get_one::<String>(variable.name).ok().flatten() {
                self.flags.insert(variable.name, value.clone());
            }
        }
        Ok(())
    }
}

/// The variables without a default that have a flag. `CLERK_PUBLISHABLE_KEY` can replace `CLERK_DOMAIN`.
const REQUIRED: [&str; 2] = ["CLERK_DOMAIN", "BASE_URL"];
