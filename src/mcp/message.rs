//! What a posted body is: a JSON-RPC message of MCP, or what's wrong with it. Looked at before rmcp sees it, which would
//! refuse most of this with 415 and the parser's own words, or as a method that it doesn't know.

use std::borrow::Cow;

use rmcp::model::InitializeRequestParams;
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use serde_json::value::{RawValue, Value};

use super::refusal::{INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR};

/// A message that may be passed on.
#[derive(Debug, PartialEq)]
pub(super) struct Message<'a> {
    /// The id of a request, as it was written; notifications and some errors have none.
    pub(super) id: Option<&'a str>,
    /// What it is for.
    pub(super) purpose: Purpose<'a>,
    /// Whether it says itself which revision it's of, as requests do since 2026-07-28: those have no session.
    pub(super) has_version: bool,
}

/// What a message is for, as far as it makes a difference before rmcp has it.
#[derive(Debug, PartialEq)]
pub(super) enum Purpose<'a> {
    /// The call of the tool of this name.
    ToolCall(Cow<'a, str>),
    /// A client of 2025-11-25 or before begins.
    Initialize,
    /// A client of 2026-07-28 listens for changes.
    Listen,
    /// Another request.
    Request,
    /// A notification, or an answer to a question of ours.
    NoRequest,
}

/// What's wrong with a message, in terms of JSON-RPC 2.0 §5.1.
#[derive(Debug)]
pub(super) struct Fault<'a> {
    pub(super) code: i32,
    pub(super) message: &'static str,
    /// That of the message, as it was written, when it could be read.
    pub(super) id: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Reads `body` as far as it must be to know that it's one message, and whose permission it needs.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Fault<'a>> {
        let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(body) else {
            return Err(no_envelope(body));
        };
        let fault = |code, message| Fault {
            code,
            message,
            id: envelope.id.filter(|id| is_id(id)).map(RawValue::get),
        };
        if !body.trim_ascii_start().starts_with(b"{") || !envelope.is_well_formed() {
            return Err(fault(INVALID_REQUEST, NO_MESSAGE));
        }
        if let Some(message) = too_much(body) {
            return Err(fault(INVALID_REQUEST, message));
        }
        let params = match envelope.params.map(RawValue::get) {
            Some(params) if params.starts_with('{') => serde_json::from_str::<Params<'_>>(params)
                .map_err(|_| fault(INVALID_PARAMS, "params names a member twice"))?,
            Some(_) => return Err(fault(INVALID_PARAMS, "params must be an object")),
            None => Params::default(),
        };
        let meta = match params.meta.map(RawValue::get) {
            Some(meta) if meta.starts_with('{') => serde_json::from_str::<Meta<'_>>(meta)
                .map_err(|_| fault(INVALID_PARAMS, "_meta names a member twice"))?,
            Some(_) => return Err(fault(INVALID_PARAMS, "_meta must be an object")),
            None => Meta::default(),
        };
        let purpose = match (envelope.method.as_deref(), envelope.id) {
            (None, _) | (_, None) => Purpose::NoRequest,
            (Some(method), Some(_)) => {
                if method.len() > MAX_NAME_BYTES {
                    return Err(fault(INVALID_REQUEST, "The method's name is too long"));
                }
                match method {
                    "tools/call" => {
                        Purpose::ToolCall(params.tool().map_err(|message| fault(INVALID_PARAMS, message))?)
                    }
                    "initialize" => {
                        let params = envelope.params.map_or("null", RawValue::get);
                        if serde_json::from_str::<InitializeRequestParams>(params).is_ok() {
                            Purpose::Initialize
                        } else if meta.protocol_version.is_some() {
                            // Of a revision that has no such method.
                            Purpose::Request
                        } else {
                            return Err(fault(
                                INVALID_PARAMS,
                                "initialize needs params with protocolVersion, capabilities and clientInfo",
                            ));
                        }
                    }
                    "subscriptions/listen" => Purpose::Listen,
                    _ => Purpose::Request,
                }
            }
        };
        Ok(Self {
            id: envelope.id.map(RawValue::get),
            has_version: meta.protocol_version.is_some()
                || envelope.method.as_deref() == Some("server/discover"),
            purpose,
        })
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_request(&self) -> bool {
        self.purpose != Purpose::NoRequest
    }
}

/// Members that are there twice are an error: rmcp might go by the other one.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// A member that is there, be it null: MCP has no id that is.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Envelope<'_> {
    /// Whether it's one of a request, a notification and a response (JSON-RPC 2.0 §4 and §5), with MCP's ids.
    fn is_well_formed(&self) -> bool {
        let is_one = match (&self.method, &self.result, &self.error) {
            (None, Some(_), None) => self.id.is_some(),
            // Of an error the id may be missing: whoever couldn't read a request doesn't know it.
            (Some(_), None, None) | (None, None, Some(_)) => true,
            (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => false,
        };
        is_one && self.jsonrpc.as_deref() == Some("2.0") && self.id.is_none_or(is_id)
    }
}

/// Texts and whole numbers (MCP, "Requests"). A whole number may be written as 1.0 (JSON knows one kind of number), as long
/// as a double holds it exactly.
fn is_id(id: &RawValue) -> bool {
    if id.get().len() > MAX_ID_BYTES {
        return false;
    }
    match serde_json::from_str::<Value>(id.get()) {
        Ok(Value::String(_)) => true,
        Ok(Value::Number(number)) => {
            number.is_i64()
                || number
                    .as_f64()
                    .is_some_and(|number| number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0)
        }
        Ok(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | Err(_) => false,
    }
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

impl<'a> Params<'a> {
    /// The name of the tool that they call, if they can be those of a call.
    fn tool(&self) -> Result<Cow<'a, str>, &'static str> {
        /// A text that borrows where it can; `Cow` alone never does.
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        let name = self.name.and_then(|name| serde_json::from_str(name.get()).ok());
        let Some(Text(name)) = name else {
            return Err("A tools/call needs params with the tool's name");
        };
        if name.len() > MAX_NAME_BYTES {
            return Err("The tool's name is too long");
        }
        if self
            .arguments
            .is_some_and(|arguments| !arguments.get().starts_with('{'))
        {
            return Err("The arguments of a tools/call must be an object");
        }
        Ok(name)
    }
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: Option<&'a RawValue>,
}

/// What a body is that has no JSON-RPC envelope.
fn no_envelope<'a>(body: &[u8]) -> Fault<'a> {
    let (code, message) = if serde_json::from_slice::<IgnoredAny>(body).is_err() {
        (PARSE_ERROR, "The body is not JSON")
    } else if body.trim_ascii_start().starts_with(b"[") {
        // MCP has had none since 2025-06-18.
        (
            INVALID_REQUEST,
            "Batches are not supported; send one message at a time",
        )
    } else {
        (INVALID_REQUEST, NO_MESSAGE)
    };
    Fault {
        code,
        message,
        id: None,
    }
}

/// What is too much about `body`, if anything is. Parsed, a value takes a hundred times the room of the two bytes that it may
/// be written in, so a limit on bytes alone limits no memory; and parsers give up on depth in words of their own.
fn too_much(body: &[u8]) -> Option<&'static str> {
    let (mut depth, mut values) = (0_u32, 0_u32);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                // To the end of the text; an escaped quote doesn't end it.
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => {
                            bytes.next();
                        }
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => {
                depth += 1;
                values += 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some("The message is nested too deeply");
        }
        if values > MAX_VALUES {
            return Some("The message consists of too many values");
        }
    }
    None
}

pub(super) const NO_MESSAGE: &str = "The body is not a JSON-RPC message";
/// As deep as anybody's arguments are, and half as deep as `serde_json` goes.
const MAX_DEPTH: u32 = 64;
/// Some 25 MB when parsed.
const MAX_VALUES: u32 = 100_000;
/// Names end up in log lines. MCP has tools' names end at 128 characters.
const MAX_NAME_BYTES: usize = 512;
const MAX_ID_BYTES: usize = 1024;
