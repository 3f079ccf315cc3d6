//! What looks as if a machine had made it up.

use std::net::IpAddr;

/// Shorter ones are names as often as secrets.
const LENGTH: usize = 16;

/// Whether a value looks like a key, and not like a word, a path, an address or a version: letters, capitals and digits
/// change too often for those.
pub(super) fn looks_random(value: &str) -> bool {
    let is_something_else = value.len() < LENGTH
        || value.starts_with(['/', '.', '~', '$', '{', '<', '%', '@'])
        || value.contains("://")
        || value.contains(char::is_whitespace)
        || value.parse::<IpAddr>().is_ok()
        || super::names::is_public(value);
    if is_something_else {
        return false;
    }
    // A path has a word in it somewhere. Where there are no words, it is base64.
    let is_word = |part: &str| {
        part.len() >= 5
            && part
                .bytes()
                .all(|one| one.is_ascii_lowercase() || b"-_.".contains(&one))
    };
    let is_path = value.contains('/') && value.split('/').any(is_word);
    !is_path && changes_often(value)
}

/// Whether a part of such a value tells it from a word.
pub(super) fn is_telling(part: &[u8]) -> bool {
    part.windows(2).filter(|pair| change(pair) > 0).count() >= 2
}

/// Whether letters, capitals and digits change often within the words of a value.
fn changes_often(value: &str) -> bool {
    let words = value.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
    let pairs: Vec<usize> = words.flat_map(|word| word.windows(2)).map(change).collect();
    pairs.len() >= 10 && pairs.iter().sum::<usize>() * 10 >= pairs.len() * 15
}

/// How much two neighbours tell: a capital within a word less than a digit, for names are written so, too.
fn change(pair: &[u8]) -> usize {
    match pair {
        [one, next] if one.is_ascii_digit() != next.is_ascii_digit() => 10,
        [one, next] if one.is_ascii_lowercase() && next.is_ascii_uppercase() => 7,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_look_random_and_names_do_not() {
        for value in [
            "9f86d081884c7d659a2feaa0c55ad015",
            "Zq8Lk2Vn5Xw9Tb3Rm7Yc1Hd4",
            "550e8400-e29b-41d4-a716-446655440000",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aB3d+Ef5/gH7iJ9kL1mN3oP5=",
        ] {
            assert!(looks_random(value), "{value}");
        }
        for value in [
            "production",
            "correct-horse-battery-staple9",
            "http://127.0.0.1:8080/9f86d081884c7d659a2feaa0c55ad015",
            "/nix/store/9f86d081884c7d659a2feaa0c55ad015-node/bin/node",
            "./config-v2.prod.toml",
            "target/debug/build/ring-9f86d081884c7d65/out",
            "x86_64-unknown-linux-gnu",
            "ghcr.io/owner/image:v1.2.3",
            "my-db.cluster.eu-west-1.rds.example.com:5432",
            "clerk-mcp-conformance",
            "2001:db8:85a3::8a2e:370:7334",
            "pk_test_bG9jYWwuY2xlcmsuYWNjb3VudHMuZGV2JA",
            "$A1b2C3d4E5f6G7h8I9",
            "00000000000000000000",
        ] {
            assert!(!looks_random(value), "{value}");
        }
    }
}
