//! Parses JWTs strictly: three base64url parts that hold two JSON objects and a signature (RFC 7515 §7.1).

use std::fmt;

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
    prelude::BASE64_URL_SAFE_NO_PAD,
};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::flaw::Flaw;

/// A parsed JWT. The signature is not verified yet.
#[derive(Debug)]
pub(crate) struct Jwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    /// The signing input: header and claims as they were sent.
    pub(crate) signed: String,
    pub(crate) signature: Vec<u8>,
}

/// Why a token is not a well-formed JWT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// The parts are not three, or not base64url.
    Parts,
    /// Header or claims are not a JSON object with unique members.
    Json,
}

impl Jwt {
    /// Splits and decodes a token.
    pub(crate) fn parse(token: &str, flaw: Option<Flaw>) -> Result<Self, Malformed> {
        let has = |one| flaw == Some(one);
        let mut token = token.to_owned();
        if has(Flaw::StandardAlphabetAccepted) {
            token = token.replace('+', "-").replace('/', "_");
        }
        if has(Flaw::PaddingAccepted) {
            token = token.replace('=', "");
        }
        let parts: Vec<&str> = token.split('.').collect();
        let (header, claims, signature) = match parts.as_slice() {
            [header, claims, signature] => (*header, *claims, *signature),
            [header, claims, signature, ..] if has(Flaw::MorePartsAccepted) => (*header, *claims, *signature),
            [header, claims] if has(Flaw::TwoPartsAccepted) => (*header, *claims, ""),
            _ => return Err(Malformed::Parts),
        };
        let unsigned = [
            Flaw::AcceptsNone,
            Flaw::AcceptsAnyCaseOfNone,
            Flaw::EmptySignaturePasses,
            Flaw::SignatureIgnored,
            Flaw::TwoPartsAccepted,
        ];
        if signature.is_empty() && !unsigned.into_iter().any(has) {
            return Err(Malformed::Parts);
        }
        let engine = if has(Flaw::TrailingBitsAccepted) {
            GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true))
        } else {
            BASE64_URL_SAFE_NO_PAD
        };
        let decode = |part: &str| engine.decode(part).map_err(|_| Malformed::Parts);
        let object = |part: &str| {
            let mut text = decode(part)?;
            if has(Flaw::LenientJson) {
                let lenient = String::from_utf8_lossy(&text).into_owned();
                let lenient = lenient.trim_start_matches('\u{feff}').replace("/**/", "");
                let lenient = lenient
                    .replace(",}", "}")
                    .replace("NaN", "null")
                    .replace('\'', "\"");
                text = lenient.into_bytes();
            }
            let object = match flaw {
                Some(Flaw::DuplicatesAccepted) => serde_json::from_slice(&text).ok(),
                Some(Flaw::FirstDuplicateCounts) => object_with_first_duplicates(&text),
                _ => unique_object(&text),
            };
            object.ok_or(Malformed::Json)
        };
        Ok(Self {
            signature: match decode(signature) {
                Err(_) if has(Flaw::SignatureIgnored) => Vec::new(),
                signature => signature?,
            },
            header: object(header)?,
            claims: object(claims)?,
            signed: format!("{header}.{claims}"),
        })
    }

    /// Returns a header parameter that is a string.
    pub(crate) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// Returns a claim that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }
}

/// Parses a JSON object. Rejects duplicate members at any depth (RFC 7519 §4).
pub(crate) fn unique_object(text: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(text).ok()? {
        Unique(Value::Object(object)) => Some(object),
        Unique(_) => None,
    }
}

/// Parses a JSON object and keeps the first of duplicate members.
pub(crate) fn object_with_first_duplicates(text: &[u8]) -> Option<Map<String, Value>> {
    let members: Members = serde_json::from_slice(text).ok()?;
    let mut object = Map::new();
    for (name, value) in members.0 {
        object.entry(name).or_insert(value);
    }
    Some(object)
}

/// The members of a JSON object in order, duplicates included.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersReader)
    }
}

struct MembersReader;

impl<'de> Visitor<'de> for MembersReader {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Members, A::Error> {
        let mut list = Vec::new();
        while let Some(member) = members.next_entry()? {
            list.push(member);
        }
        Ok(Members(list))
    }
}

/// A JSON value without duplicate members.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueReader).map(Self)
    }
}

struct UniqueReader;

impl<'de> Visitor<'de> for UniqueReader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = members.next_entry::<String, Unique>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(object.into())
    }
}
