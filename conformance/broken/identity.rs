//! Builds the caller from the claims of a verified token.

use serde_json::{Map, Value};

use super::{caller::Caller, flaw::Flaw, server::Server, token_kind::TokenKind};

impl Server {
    /// Builds the caller from verified claims.
    pub(crate) fn caller_from_claims(&self, kind: TokenKind, claims: &Map<String, Value>) -> Caller {
        let text = |name: &str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let time = |name: &str| claims.get(name).and_then(Value::as_i64).map(|time| time * 1_000);
        let mut caller = Caller {
            user: text("sub").filter(|subject| subject.starts_with("user_")),
            expires_at: time("exp"),
            issued_at: time("iat"),
            ..Caller::default()
        };
        if self.has(Flaw::SubPrefixIgnored) || self.has(Flaw::MachinesAsSessions) {
            caller.user = text("sub");
        }
        if self.has(Flaw::ActorAsUser)
            && let Some(actor) = claims.get("act").and_then(|actor| actor.get("sub")?.as_str())
        {
            caller.user = Some(actor.to_owned());
        }
        let words = |name: &str| {
            let text = claims.get(name).and_then(Value::as_str).unwrap_or_default();
            let commas = self.has(Flaw::ScopesSplitOnCommas);
            let whitespace = self.has(Flaw::ScopesSplitOnWhitespace);
            let words = text.split(|character: char| {
                character == ' ' || commas && character == ',' || whitespace && character.is_whitespace()
            });
            let words = words.filter(|word| !word.is_empty());
            words.map(str::to_owned).collect::<Vec<_>>()
        };
        match kind {
            TokenKind::Session => {
                caller.session = text("sid");
                self.read_session_organization(&mut caller, claims);
                if self.has(Flaw::ScopesOfSessions) {
                    caller.scopes = words("scope");
                }
            }
            TokenKind::OAuth => {
                if self.has(Flaw::SessionClaimsOfAccessTokens) {
                    caller.session = text("sid");
                    self.read_session_organization(&mut caller, claims);
                }
                caller.organization =
                    text("org_id").filter(|_| !self.has(Flaw::OrganizationOfAccessTokensLost));
                caller.scopes = match (claims.get("scp"), claims.get("scope")) {
                    _ if self.has(Flaw::ScopesNotRead) => Vec::new(),
                    (Some(Value::Array(list)), _) if self.has(Flaw::ScpElementsSplit) => {
                        let elements = strings(list);
                        let words = elements.iter().flat_map(|element| element.split(' '));
                        words.map(str::to_owned).collect()
                    }
                    (Some(Value::Array(list)), _) if !self.has(Flaw::ScpUnknown) => strings(list),
                    (_, Some(Value::Object(scopes))) if self.has(Flaw::ScopeObjects) => {
                        scopes.keys().cloned().collect()
                    }
                    _ => words("scope"),
                };
            }
            TokenKind::M2m => {
                caller.scopes = match (claims.get("scopes"), claims.get("aud")) {
                    (None, Some(Value::Array(list))) => strings(list),
                    _ => words("scopes"),
                };
            }
            TokenKind::ApiKey => {}
        }
        caller
    }

    /// Reads the organization of a session token: from `o` in version 2, from the `org_` claims in version 1.
    fn read_session_organization(&self, caller: &mut Caller, claims: &Map<String, Value>) {
        let text = |value: Option<&Value>| {
            let text = value.and_then(Value::as_str).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let version = claims.get("v");
        let second = version == Some(&Value::from(2))
            || version.is_some_and(|version| version == "2") && self.has(Flaw::VersionAsText);
        if let Some(organization) = claims.get("o")
            && second
        {
            caller.organization = text(organization.get("id"));
            if caller.organization.is_some() || self.has(Flaw::RoleWithoutOrganization) {
                let prefix = if self.has(Flaw::RoleWithoutPrefix) {
                    ""
                } else {
                    "org:"
                };
                caller.role = text(organization.get("rol")).map(|role| format!("{prefix}{role}"));
                let member = |name| organization.get(name).and_then(Value::as_str).unwrap_or_default();
                let features = claims.get("fea").and_then(Value::as_str).unwrap_or_default();
                caller.permissions = self.decode_permissions(features, member("per"), member("fpm"));
            }
        } else if !second && !self.has(Flaw::V1Unknown) || self.has(Flaw::V1ClaimsInV2) {
            caller.organization = text(claims.get("org_id"));
            if caller.organization.is_some() {
                caller.role = text(claims.get("org_role"));
                caller.permissions = match claims.get("org_permissions") {
                    Some(Value::Array(list)) => strings(list),
                    Some(_) | None => Vec::new(),
                };
            }
        }
    }

    /// Decodes the permissions of version 2. The i-th mask belongs to the i-th feature in the organization's
    /// scope, and its bit j grants the j-th name.
    fn decode_permissions<'a>(&self, features: &'a str, names: &'a str, masks: &'a str) -> Vec<String> {
        let nameless = names.is_empty() && !self.has(Flaw::NumbersForNames);
        if nameless || masks.is_empty() && !self.has(Flaw::NoMaskGrantsAll) || features.is_empty() {
            return Vec::new();
        }
        let spaced = self.has(Flaw::SpacesKept);
        let trim = |text: &'a str| if spaced { text } else { text.trim() };
        let mut granting = Vec::new();
        for feature in features.split(',') {
            match trim(feature).split_once(':') {
                Some(("ou" | "uo", _)) if self.has(Flaw::SharedFeaturesUnknown) => {}
                Some(("o" | "ou" | "uo", name)) => granting.push((name, true)),
                Some((scope, name))
                    if self.has(Flaw::MasksOfAllFeatures) || self.has(Flaw::UserFeaturesGranted) =>
                {
                    granting.push((name, scope == "u" && self.has(Flaw::UserFeaturesGranted)));
                }
                Some(_) => {}
                None if self.has(Flaw::BadFeaturesSkipped) => {}
                None => return Vec::new(),
            }
        }
        let numbers = (0..64).map(|number| number.to_string()).collect::<Vec<_>>();
        let names: Vec<&str> = match names {
            "" => numbers.iter().map(String::as_str).collect(),
            names => names.split(',').map(trim).collect(),
        };
        let mut masks: Vec<&str> = masks.split(',').map(trim).collect();
        if masks.len() > granting.len() && self.has(Flaw::MasksCounted) {
            return Vec::new();
        }
        if let (Some(last), true) = (masks.last().copied(), self.has(Flaw::LastMaskRepeats)) {
            masks.resize(granting.len().max(masks.len()), last);
        }
        let mut permissions = Vec::new();
        for ((feature, grants), mask) in granting.into_iter().zip(masks) {
            for (index, name) in names.iter().enumerate() {
                let index = if self.has(Flaw::BitsBackwards) {
                    names.len() - 1 - index
                } else {
                    index
                };
                if grants && self.has_bit(mask, index) {
                    permissions.push(format!("org:{feature}:{name}"));
                }
            }
        }
        permissions
    }

    /// Returns whether a decimal number of any length has this bit. Text that is not a number has no bits.
    fn has_bit(&self, mask: &str, index: usize) -> bool {
        if mask.is_empty() && self.has(Flaw::NoMaskGrantsAll) {
            return true;
        }
        if self.has(Flaw::AnyBitGrantsAll) {
            return !mask.trim_matches('0').is_empty() && mask.bytes().all(|byte| byte.is_ascii_digit());
        }
        let digits: Option<Vec<u32>> = mask.chars().map(|digit| digit.to_digit(10)).collect();
        let Some(digits) = digits.filter(|digits| !digits.is_empty() && digits.len() <= 1_000) else {
            return self.has(Flaw::BadMaskGrantsAll);
        };
        if self.has(Flaw::MasksAsFloats) {
            let mask: f64 = mask.parse().unwrap_or_default();
            let power = 2_f64.powi(i32::try_from(index).unwrap_or(i32::MAX));
            return (mask / power).floor() % 2.0 > 0.5;
        }
        // The number in base 2^32, least significant digit first.
        let mut limbs: Vec<u32> = Vec::new();
        for digit in digits {
            let mut carry = u64::from(digit);
            for limb in &mut limbs {
                let value = u64::from(*limb) * 10 + carry;
                *limb = u32::try_from(value & 0xffff_ffff).unwrap_or_default();
                carry = value >> 32;
            }
            if carry > 0 {
                limbs.push(u32::try_from(carry).unwrap_or_default());
            }
        }
        limbs
            .get(index / 32)
            .is_some_and(|limb| (limb >> (index % 32)) & 1 == 1)
    }
}

/// Returns the strings of a list and ignores other values.
fn strings(list: &[Value]) -> Vec<String> {
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
