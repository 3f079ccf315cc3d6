//! Suggestions for misspelled names: ids of cases, profiles, members of recipes.

use strsim::normalized_damerau_levenshtein;

/// How similar a name must be, from 0 to 1. Lower, unrelated names are suggested.
const SIMILAR: f64 = 0.6;

/// How much less similar than the best suggestion another one may be.
const MARGIN: f64 = 0.1;

/// How many names are suggested.
const SUGGESTIONS: usize = 3;

/// Returns the question `did you mean A or B?` with the names that `word` probably stands for: those that are
/// spelled like it, or else those that contain it.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut known: Vec<&str> = known.into_iter().collect();
    known.sort_unstable();
    known.dedup();
    let mut alike: Vec<(f64, &str)> = known
        .iter()
        .map(|name| (normalized_damerau_levenshtein(word, name), *name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .collect();
    alike.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    let best = alike.first().map_or(0.0, |(best, _)| *best);
    alike.retain(|(similarity, _)| *similarity >= best - MARGIN);
    let mut names: Vec<&str> = alike.into_iter().map(|(_, name)| name).collect();
    if names.is_empty() && !word.is_empty() {
        names.extend(known.into_iter().filter(|name| name.contains(word)));
    }
    names.truncate(SUGGESTIONS);
    let (last, others) = names.split_last()?;
    match others {
        [] => Some(format!("did you mean {last}?")),
        others => Some(format!("did you mean {} or {last}?", others.join(", "))),
    }
}

/// Returns the message of a deserializer, which lists the names that it expected between backticks, with a
/// suggestion: ``unknown field `claim`, expected one of `kind`, `claims` ``.
pub fn with_suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let suggestion = match names.next() {
        Some(word) if message.starts_with("unknown ") => did_you_mean(word, names),
        Some(_) | None => None,
    };
    match suggestion {
        Some(suggestion) => format!("{message}; {suggestion}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_suggested_and_the_most_similar_comes_first() {
        let known = ["claims.expired", "claims.exp-text", "keys.reset", "claims"];
        for (word, expected) in [
            ("claims.expird", Some("did you mean claims.expired?")),
            ("claim", Some("did you mean claims?")),
            ("reset", Some("did you mean keys.reset?")),
            ("exp", Some("did you mean claims.exp-text or claims.expired?")),
            ("zebra", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, known).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn messages_of_deserializers_get_a_suggestion() {
        for (message, expected) in [
            (
                "unknown field `claim`, expected one of `kind`, `claims`",
                "unknown field `claim`, expected one of `kind`, `claims`; did you mean claims?",
            ),
            (
                "unknown variant `x`, expected `kind`",
                "unknown variant `x`, expected `kind`",
            ),
            ("missing field `kind`", "missing field `kind`"),
        ] {
            assert_eq!(with_suggestion(message), expected);
        }
    }
}
