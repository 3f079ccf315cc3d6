//! [`nearest`]: finds the known name that is closest to a misspelled one.

/// Returns the candidate that is most similar to `name`, if it is similar enough to be what was meant. Ignores
/// case.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_ascii_lowercase();
    let allowed = (name.len() / 4).clamp(1, 3);
    let distance = |candidate: &str| {
        let candidate = candidate.to_ascii_lowercase();
        // A shortened name, such as CLERK_API for CLERK_API_URL.
        let is_shortened = name.len() >= 8
            && candidate
                .strip_prefix(&name)
                .is_some_and(|rest| rest.starts_with(['_', '-']));
        if is_shortened {
            allowed
        } else {
            strsim::osa_distance(&name, &candidate)
        }
    };
    candidates
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_and_shortened_names_are_found_and_others_are_not() {
        let known = [
            "CLERK_SECRET_KEY",
            "CLERK_DOMAIN",
            "CLERK_API_URL",
            "PORT",
            "HOST",
        ];
        for (name, expected) in [
            ("CLERK_DOMIAN", Some("CLERK_DOMAIN")),
            ("clerk_domain", Some("CLERK_DOMAIN")),
            ("CLERKDOMAIN", Some("CLERK_DOMAIN")),
            ("CLERK_SECRET", Some("CLERK_SECRET_KEY")),
            ("CLERK_API", Some("CLERK_API_URL")),
            ("PROT", Some("PORT")),
            ("CLERK_WEBHOOK_SECRET", None),
            ("DATABASE_URL", None),
            ("PATH", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
    }
}
