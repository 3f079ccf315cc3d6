//! A flag for each variable, made from the one table of variables.

use std::collections::HashMap;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use clerk_mcp::config::VARIABLES;

/// The settings given as flags.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings {
    flags: HashMap<&'static str, String>,
}

impl Settings {
    /// The values by variable.
    pub(super) fn flags(&self) -> &HashMap<&'static str, String> {
        &self.flags
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(
            VARIABLES
                .iter()
                .filter(|variable| !variable.secret)
                .map(|variable| {
                    Arg::new(variable.name)
                        .long(variable.name.to_lowercase().replace('_', "-"))
                        .value_name(variable.value)
                        .help(format!(
                            "{} [env: {}] [default: {}]",
                            variable.help, variable.name, variable.default
                        ))
                        .help_heading(
                            "Configuration (flags come before the environment, and that before .env)",
                        )
                }),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut settings = Self::default();
        settings.update_from_arg_matches(matches)?;
        Ok(settings)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for variable in VARIABLES.iter().filter(|variable| !variable.secret) {
            if let Some(value) = matches.try_get_one::<String>(variable.name).ok().flatten() {
                self.flags.insert(variable.name, value.clone());
            }
        }
        Ok(())
    }
}
