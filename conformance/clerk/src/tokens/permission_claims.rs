//! The permission claims of a version 2 session token: `fea`, `o.per` and `o.fpm`.
//!
//! `fea` lists features and `per` lists actions. `fpm` has one decimal bit mask for each organization
//! feature, in the order of `fea`: bit *n*, counted from the lowest, is set if the member has action *n* on
//! that feature.

use crate::store::directory::{Member, custom_permissions};

/// The values of `o.per` and `o.fpm`. A token has both or neither.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PermissionClaims {
    pub(crate) per: String,
    pub(crate) fpm: String,
}

/// Returns the value of `fea`: the organization's features, then the user's own.
///
/// The order matters: Clerk's documentation assigns the masks of `fpm` to all entries of `fea`, Clerk's SDK
/// to the organization's entries only. With those first, both interpretations agree.
pub(crate) fn features(organization_features: &[&str], user_features: &[String]) -> Option<String> {
    let entries: Vec<String> = organization_features
        .iter()
        .map(|feature| format!("o:{feature}"))
        .chain(user_features.iter().map(|feature| format!("u:{feature}")))
        .collect();
    (!entries.is_empty()).then(|| entries.join(","))
}

/// Encodes the member's custom permissions as bit masks over `organization_features`; `None` if there are
/// none.
pub(crate) fn encode(organization_features: &[&str], member: &Member<'_>) -> Option<PermissionClaims> {
    let held: Vec<(&str, &str)> = custom_permissions(member.role).collect();
    if held.is_empty() {
        return None;
    }
    let mut actions: Vec<&str> = Vec::new();
    for (_, action) in &held {
        if !actions.contains(action) {
            actions.push(action);
        }
    }
    let masks: Vec<String> = organization_features
        .iter()
        .map(|feature| {
            let bits: Vec<bool> = actions
                .iter()
                .map(|action| held.contains(&(feature, action)))
                .collect();
            decimal(&bits)
        })
        .collect();
    Some(PermissionClaims {
        per: actions.join(","),
        fpm: masks.join(","),
    })
}

/// Formats a number in decimal, given its bits, lowest first. There may be more bits than in any integer
/// type.
fn decimal(bits: &[bool]) -> String {
    // The digits, lowest first.
    let mut digits = vec![0_u8];
    for bit in bits.iter().rev() {
        let mut carry = u8::from(*bit);
        for digit in &mut digits {
            let doubled = *digit * 2 + carry;
            *digit = doubled % 10;
            carry = doubled / 10;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    digits
        .iter()
        .rev()
        .map(|digit| char::from(b'0' + digit))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_with_more_bits_than_integer_types_are_exact() {
        assert_eq!(decimal(&[]), "0");
        assert_eq!(decimal(&[false, false]), "0");
        assert_eq!(decimal(&[true, true, false]), "3");
        let mut bits = vec![false; 54];
        bits[0] = true;
        bits[53] = true;
        assert_eq!(decimal(&bits), "9007199254740993");
        let mut bits = vec![false; 129];
        bits[128] = true;
        assert_eq!(decimal(&bits), "340282366920938463463374607431768211456");
    }

    #[test]
    fn organization_features_precede_user_features() {
        assert_eq!(
            features(&["a", "b"], &["c".into()]).as_deref(),
            Some("o:a,o:b,u:c")
        );
        assert_eq!(features(&[], &[]), None);
    }
}
