//! Damaging a finished token.

use super::Damage;

/// The alphabet of base64url, in the order of its values (RFC 4648 §5).
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Damage {
    /// Returns the damaged token.
    pub fn apply(self, token: &str) -> String {
        let (before, last) = match token.rsplit_once('.') {
            Some((before, last)) => (format!("{before}."), last),
            None => (String::new(), token),
        };
        match self {
            Self::FlipSignature => format!("{before}{}", flip_at(last, last.len() / 2)),
            Self::FlipClaims => match token.splitn(3, '.').collect::<Vec<_>>()[..] {
                [header, claims, signature] => {
                    format!("{header}.{}.{signature}", flip_at(claims, claims.len() / 2))
                }
                _ => flip_at(token, token.len() / 2),
            },
            Self::DropLastCharacter => {
                let mut token = token.to_owned();
                token.pop();
                token
            }
            Self::DropSignature => before.trim_end_matches('.').to_owned(),
            Self::FourthPart => format!("{token}.{last}"),
            Self::FiveParts => format!("{token}.{last}.{last}"),
            Self::EmptySignature => before,
            Self::Padding => token
                .split('.')
                .map(|part| format!("{part}{}", "=".repeat((4 - part.len() % 4) % 4)))
                .collect::<Vec<_>>()
                .join("."),
            Self::TrailingBits => format!("{before}{}", with_trailing_bit(last)),
            Self::StandardAlphabet => token.replace('-', "+").replace('_', "/"),
            Self::PercentEncoded => {
                let (start, end) = token.split_at(token.len() / 2);
                format!("{start}%0A{end}")
            }
            Self::Quoted => format!("\"{token}\""),
            Self::Doubled => format!("{token},{token}"),
            Self::OtherCase => {
                let (prefix, rest) = token.split_at(token.find('_').map_or(0, |position| position + 1));
                let swap = |one: char| {
                    if one.is_ascii_lowercase() {
                        one.to_ascii_uppercase()
                    } else {
                        one.to_ascii_lowercase()
                    }
                };
                format!("{prefix}{}", rest.chars().map(swap).collect::<String>())
            }
        }
    }
}

/// Flips one bit of the character at `position` of a base64url text.
fn flip_at(text: &str, position: usize) -> String {
    change(text, position, |value| value ^ 0b10_0000)
}

/// Flips the lowest bit of the last character, which decoding discards. A text without such bits stays as it
/// is.
fn with_trailing_bit(text: &str) -> String {
    if text.len().is_multiple_of(4) {
        return text.to_owned();
    }
    change(text, text.len().saturating_sub(1), |value| value ^ 1)
}

/// Replaces the value of the base64url character at `position`.
fn change(text: &str, position: usize, new: impl Fn(usize) -> usize) -> String {
    text.char_indices()
        .map(|(index, character)| {
            let value = ALPHABET.iter().position(|&byte| char::from(byte) == character);
            match value {
                Some(value) if index == position => ALPHABET
                    .get(new(value))
                    .map_or(character, |&byte| char::from(byte)),
                Some(_) | None => character,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::{
        Engine as _,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
        prelude::BASE64_URL_SAFE_NO_PAD,
    };

    use super::*;
    use crate::mint::{Recipe, SigningKey};

    #[test]
    fn every_kind_of_damage_changes_the_token() {
        let token = Recipe::new()
            .header("alg", "RS256")
            .claim("sub", "user_example")
            .signed_by(&SigningKey::generate("ins_example"))
            .mint();
        for (damage, dots) in [
            (Damage::FlipSignature, 2),
            (Damage::FlipClaims, 2),
            (Damage::DropLastCharacter, 2),
            (Damage::DropSignature, 1),
            (Damage::FourthPart, 3),
            (Damage::FiveParts, 4),
            (Damage::EmptySignature, 2),
            (Damage::Padding, 2),
            (Damage::TrailingBits, 2),
            (Damage::PercentEncoded, 2),
            (Damage::Quoted, 2),
            (Damage::Doubled, 4),
        ] {
            let damaged = damage.apply(&token);
            assert_ne!(damaged, token, "{damage:?}");
            assert_eq!(damaged.matches('.').count(), dots, "{damage:?}");
        }
        for opaque in ["ak_0123456789abcdef", "oat_0"] {
            assert_ne!(Damage::FlipSignature.apply(opaque), opaque);
        }
        assert_eq!(Damage::StandardAlphabet.apply("a-b_c"), "a+b/c");
        assert_eq!(Damage::OtherCase.apply("oat_aB1"), "oat_Ab1");
    }

    #[test]
    fn trailing_bits_do_not_change_the_decoded_bytes() {
        let lenient = GeneralPurpose::new(
            &base64::alphabet::URL_SAFE,
            GeneralPurposeConfig::new()
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(DecodePaddingMode::RequireNone),
        );
        let text = BASE64_URL_SAFE_NO_PAD.encode([7; 256]);
        let damaged = with_trailing_bit(&text);
        assert_ne!(text, damaged);
        assert_eq!(lenient.decode(&damaged).unwrap(), [7; 256]);
        BASE64_URL_SAFE_NO_PAD.decode(&damaged).unwrap_err();
    }
}
