//! A flag for each variable, made from the one table of variables.

use std::{collections::HashMap, marker::PhantomData};

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use clerk_mcp::config::{VARIABLES, Variable};

/// The settings given as flags, of those that `S` says.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings<S = All> {
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
pub(super) struct All;

impl Scope for All {
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

    /// Secrets are no flags: other users of a machine can read the arguments of a process.
    fn variables() -> impl Iterator<Item = &'static Variable> {
        VARIABLES
            .iter()
            .filter(|variable| !variable.secret && S::has(variable.name))
    }
}

impl<S: Scope + Default> Args for Settings<S> {
    fn augment_args(command: Command) -> Command {
        command.args(Self::variables().map(|variable| {
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
        for variable in Self::variables() {
            if let Some(value) = matches.try_get_one::<String>(variable.name).ok().flatten() {
                self.flags.insert(variable.name, value.clone());
            }
        }
        Ok(())
    }
}
