//! Unpacks the organization permissions of v2 session tokens from `fea`, `o.per` and `o.fpm` (Clerk, "Session
//! tokens", version 2).

/// Returns the permissions in the active organization, as `org:<feature>:<permission>`.
///
/// `features` is the claim `fea` (`o:dashboard,u:gold,ou:reports`), `names` is `o.per` (`manage,read`),
/// `masks` is `o.fpm` (`3,2`). The i-th mask belongs to the i-th feature **in the organization's scope**, and
/// its bit j grants the j-th name. Clerk's documentation assigns a mask to every feature in `fea`; its SDK
/// assigns masks only to features in the organization's scope. This function follows the SDK, which Clerk's
/// servers use.
///
/// A malformed part grants nothing: a malformed mask grants nothing for its feature, and a feature without a
/// scope empties the whole list.
pub(super) fn unpack(features: &str, names: &str, masks: &str) -> Vec<String> {
    if names.is_empty() || masks.is_empty() {
        return Vec::new();
    }
    let Some(features) = organization_features(features) else {
        return Vec::new();
    };
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    features
        .into_iter()
        .zip(masks.split(','))
        .flat_map(|(feature, mask)| {
            let bits = mask_bits(mask.trim());
            names
                .iter()
                .zip(bits)
                .filter(|(_, granted)| *granted)
                .map(move |(name, _)| format!("org:{feature}:{name}"))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the features in the organization's scope, in order; `None` if any feature has no scope.
fn organization_features(features: &str) -> Option<Vec<&str>> {
    if features.is_empty() {
        return Some(Vec::new());
    }
    features
        .split(',')
        .map(|part| part.trim().split_once(':'))
        .collect::<Option<Vec<_>>>()
        .map(|parts| {
            parts
                .into_iter()
                .filter(|(scope, _)| matches!(*scope, "o" | "ou" | "uo"))
                .map(|(_, name)| name)
                .collect()
        })
}

/// Returns the bits of a decimal number, lowest first; no bits for any other text. Clerk allows more names
/// than a machine integer has bits, so the number is divided digit by digit.
pub(super) fn mask_bits(mask: &str) -> Vec<bool> {
    // The work is quadratic in the number of digits, so it is limited. Real masks are far shorter than 1,000
    // digits.
    if mask.is_empty() || mask.len() > 1_000 || !mask.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let mut digits: Vec<u8> = mask.bytes().map(|byte| byte - b'0').collect();
    let mut bits = Vec::new();
    while digits.iter().any(|digit| *digit != 0) {
        let mut remainder = 0;
        for digit in &mut digits {
            let value = remainder * 10 + *digit;
            *digit = value / 2;
            remainder = value % 2;
        }
        bits.push(remainder == 1);
    }
    bits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `p0,p1,…` with `count` names.
    fn names(count: usize) -> String {
        (0..count)
            .map(|index| format!("p{index}"))
            .collect::<Vec<_>>()
            .join(",")
    }

    #[test]
    fn unpacks_like_clerks_sdk() {
        let cases: &[(&str, &str, &str, &[&str])] = &[
            (
                "o:dashboard,o:teams",
                "manage,read",
                "3,2",
                &["org:dashboard:manage", "org:dashboard:read", "org:teams:read"],
            ),
            (
                "o:repositories,uo:projects,u:gold",
                "read,create,update,delete,revoke",
                "7,21,0",
                &[
                    "org:repositories:read",
                    "org:repositories:create",
                    "org:repositories:update",
                    "org:projects:read",
                    "org:projects:update",
                    "org:projects:revoke",
                ],
            ),
            (
                "o:repositories,o:impersonation,o:billing",
                "manage,read,update",
                "6,0,3",
                &[
                    "org:repositories:read",
                    "org:repositories:update",
                    "org:billing:manage",
                    "org:billing:read",
                ],
            ),
            ("o:f", &names(54), "9007199254740993", &["org:f:p0", "org:f:p53"]),
            ("o:f", &names(54), "18014398509481984", &[]),
            ("o:f", "read", "1invalid", &[]),
            ("o:f", "read", "-1", &[]),
            ("o:f", "read", "1.5", &[]),
            ("o:f", "read", "", &[]),
            ("o:f", "", "1", &[]),
            ("", "read", "1", &[]),
            ("o:a,o:b", "read", "1", &["org:a:read"]),
            ("o:a", "read", "1,1", &["org:a:read"]),
            ("u:x", "read", "1", &[]),
            (
                "u:gold,o:repositories,o:billing",
                "manage,read",
                "0,3,1",
                &["org:billing:manage", "org:billing:read"],
            ),
            (
                " o:a , o:b ",
                " read , write ",
                " 1 , 2 ",
                &["org:a:read", "org:b:write"],
            ),
            ("o:a,broken", "read", "1,1", &[]),
            ("x:a,o:b", "read", "1", &["org:b:read"]),
        ];
        for (features, names, masks, expected) in cases {
            assert_eq!(
                unpack(features, names, masks),
                *expected,
                "{features} {names:.20} {masks}"
            );
        }
    }

    #[test]
    fn mask_of_more_than_1000_digits_grants_nothing() {
        assert_eq!(mask_bits(&"9".repeat(1_000)).len(), 3_322);
        assert!(mask_bits(&"9".repeat(1_001)).is_empty());
    }

    /// A slow and obvious implementation: one shift for every feature and name.
    fn reference(features: &[(String, String)], names: &[String], masks: &[u128]) -> Vec<String> {
        let mut granted = Vec::new();
        let mut position = 0;
        for (scope, feature) in features {
            if scope.contains('o') {
                for (index, name) in names.iter().enumerate() {
                    if masks
                        .get(position)
                        .is_some_and(|mask| index < 128 && (mask >> index) & 1 == 1)
                    {
                        granted.push(format!("org:{feature}:{name}"));
                    }
                }
                position += 1;
            }
        }
        granted
    }

    proptest! {
        #[test]
        fn agrees_with_the_reference(
            features in proptest::collection::vec(("o|u|ou|uo", "[a-z]{1,8}"), 0..6),
            names in proptest::collection::vec("[a-z]{1,8}", 1..140),
            masks in proptest::collection::vec(any::<u128>(), 1..6),
        ) {
            let packed = |parts: Vec<String>| parts.join(",");
            let fea = packed(features.iter().map(|(scope, name)| format!("{scope}:{name}")).collect());
            let fpm = packed(masks.iter().map(u128::to_string).collect());
            prop_assert_eq!(unpack(&fea, &names.join(","), &fpm), reference(&features, &names, &masks));
        }

        #[test]
        fn never_panics(features in ".*", names in ".*", masks in ".*") {
            unpack(&features, &names, &masks);
        }
    }
}
