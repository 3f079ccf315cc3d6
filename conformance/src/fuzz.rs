//! The fuzz targets. `fuzz/` runs them with libFuzzer; the tests below replay its seeds.

pub use crate::assertions::fuzz::challenge;
use crate::{case::Catalog, profile::Profile};

/// Parses a profile. Errors name the file.
pub fn profile(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match Profile::parse(FILE, text) {
            Ok(profile) => assert!(!profile.accepts.is_empty()),
            Err(error) => assert!(error.to_string().starts_with(FILE), "{error}"),
        }
    }
}

/// Parses a file with cases. Errors name the file, and each case is found by its id.
pub fn cases(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        match Catalog::parse(vec![(FILE.to_owned(), text.to_owned())]) {
            Ok(catalog) => {
                for (_, case) in catalog.iter() {
                    let found = catalog.find(&case.id).map(|(_, found)| &found.id);
                    assert_eq!(found, Some(&case.id));
                }
            }
            Err(error) => assert!(error.to_string().starts_with(FILE), "{error}"),
        }
    }
}

const FILE: &str = "fuzz.toml";

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Passes each seed of a target to it.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/seeds")
            .join(name);
        let mut seeds = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Shown if the target panics.
            eprintln!("{}", path.display());
            target(&fs::read(path).unwrap());
            seeds += 1;
        }
        assert!(seeds > 5, "{} has only {seeds} seeds", folder.display());
    }

    #[test]
    fn seeds_of_challenge_pass() {
        replay("challenge", challenge);
    }

    #[test]
    fn seeds_of_profile_pass() {
        replay("profile", profile);
    }

    #[test]
    fn seeds_of_cases_pass() {
        replay("cases", cases);
    }
}
