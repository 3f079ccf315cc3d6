//! Lists the fuzz targets of all modules. `fuzz/` runs them with libFuzzer; the tests in this file replay the
//! seeds in `fuzz/seeds/`.

pub use crate::{
    mcp::fuzz::message,
    token::fuzz::{authorization, jose, permissions},
};
use crate::{session::Session, token};

/// Checks claims, and makes a session of those that pass. Every permission belongs to an organization.
pub fn claims(data: &[u8]) {
    let Some(verified) = token::fuzz::claims(data) else {
        return;
    };
    let session = Session::from(verified);
    assert_eq!(session.user_id.is_some(), session.subject.starts_with("user_"));
    if session.organization_id.is_none() {
        assert!(session.organization_role.is_none() && session.organization_permissions.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// Passes each seed of a target to it.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
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
    fn seeds_of_authorization_pass() {
        replay("authorization", authorization);
    }

    #[test]
    fn seeds_of_jose_pass() {
        replay("jose", jose);
    }

    #[test]
    fn seeds_of_claims_pass() {
        replay("claims", claims);
    }

    #[test]
    fn seeds_of_permissions_pass() {
        replay("permissions", permissions);
    }

    #[test]
    fn seeds_of_message_pass() {
        replay("message", message);
    }
}
