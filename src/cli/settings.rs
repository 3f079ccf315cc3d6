//! A flag for each variable, made from the one table of variables.

use std::{collections::HashMap, marker::PhantomData, path::Path};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{ConfigError, VARIABLES, Variable, Variables};

/// The settings given as flags, of those that `S` says.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings<S = AllVariables> {
    flags: HashMap<&'static str, String>,
    scope: PhantomData<S>,
}

/// Which variables a command takes as flags.
pub(super) trait Scope {
    /// What stands above them in the help.
    const HEADING: &'static str;

    /// Whether it takes this one.
    fn has(name: &str) -> bool;
}

/// All that may be flags.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct AllVariables;

impl Scope for AllVariables {
    const HEADING: &'static str = "Configuration (flags come before the environment, and that before .env)";

    fn has(_: &str) -> bool {
        true
    }
}

impl<S: Scope> Settings<S> {
    /// The values by variable.
    pub(super) fn flags(&self) -> &HashMap<&'static str, String> {
        &self.flags
    }

    /// Reads the variables of flags, environment and `.env`.
    pub(super) fn variables(&self) -> Result<Variables, ConfigError> {
        Variables::read(&self.flags, Path::new(".env"))
    }

    /// Secrets are no flags: other users of a machine can read the arguments of a process.
    fn flag_variables() -> impl Iterator<Item = &'static Variable> {
        VARIABLES
            .iter()
            .filter(|variable| !variable.secret && S::has(variable.name))
    }
}

impl<S: Scope + Default> Args for Settings<S> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::flag_variables().map(|variable| {
            Arg::new(variable.name)
                .long(variable.name.to_lowercase().replace('_', "-"))
                .value_name(variable.value)
                .help(format!(
                    "{} [env: {}] [default: {}]",
                    variable.help, variable.name, variable.default
                ))
                .help_heading(S::HEADING)
                .hide_short_help(true)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<S: Scope + Default> FromArgMatches for Settings<S> {
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
