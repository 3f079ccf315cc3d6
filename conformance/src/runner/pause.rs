//! How long the steps of a case pause.

use std::time::Duration;

use crate::{
    case::{Case, OneOrMany, Step},
    profile::Profile,
    vocabulary::{INTERVALS, duration},
};

/// Returns the sum of a case's pauses.
pub(super) fn total_pause(case: &Case, profile: &Profile) -> Duration {
    case.steps()
        .iter()
        .filter_map(|step| longest_pause(step, profile))
        .sum()
}

/// Returns the longest pause of a step.
pub(super) fn longest_pause(step: &Step, profile: &Profile) -> Option<Duration> {
    let [key_interval, role_interval] = INTERVALS;
    let pauses = step.pause.iter().flat_map(OneOrMany::as_slice);
    pauses
        .map(|pause| pause.replace(key_interval, &profile.key_interval))
        .filter_map(|pause| duration(&pause.replace(role_interval, &profile.role_interval)))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_of_several_pauses_is_used() {
        let mut profile = Profile::find("clerk-mcp").unwrap();
        let step: Step = toml::from_str("pause = [\"12s\", \"{key_interval}\"]").unwrap();
        assert_eq!(longest_pause(&step, &profile), Some(Duration::from_secs(12)));
        profile.key_interval = "30s".to_owned();
        assert_eq!(longest_pause(&step, &profile), Some(Duration::from_secs(30)));
        assert_eq!(longest_pause(&Step::default(), &profile), None);
    }
}
