//! What a posted body is: a JSON-RPC message of MCP, or what's wrong with it. Looked at before rmcp sees it, which would
//! refuse most of this with 415 and the parser's own words, or as a method that it doesn't know.

use std::borrow::Cow;

use rmcp::model::{ClientCapabilities, Implementation, InitializeRequestParams, ProtocolVersion};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::{RawValue, Value};

use super::refusal::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};

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
        let is_message = body.trim_ascii_start().starts_with(b"{") && envelope.is_well_formed();
        let (true, Ok(method)) = (is_message, envelope.method.map(text).transpose()) else {
            return Err(fault(INVALID_REQUEST, NO_MESSAGE));
        };
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
        let has_version = meta.protocol_version.is_some() || method.as_deref() == Some("server/discover");
        let purpose = match (method, envelope.id) {
            (None, _) | (_, None) => Purpose::NoRequest,
            (Some(method), Some(_)) if method.len() > MAX_NAME_BYTES => {
                return Err(fault(INVALID_REQUEST, "The method's name is too long"));
            }
            (Some(method), Some(_)) => match &*method {
                "tools/call" => {
                    Purpose::ToolCall(params.tool().map_err(|message| fault(INVALID_PARAMS, message))?)
                }
                "initialize" if meta.is_without_sessions() => {
                    return Err(fault(METHOD_NOT_FOUND, "2026-07-28 has no initialize (SEP-2575)"));
                }
                "initialize" => {
                    let params = envelope.params.map_or("{}", RawValue::get);
                    initialize_fault(params).map_or(Ok(Purpose::Initialize), |message| {
                        Err(fault(INVALID_PARAMS, message))
                    })?
                }
                "subscriptions/listen" => Purpose::Listen,
                _ => Purpose::Request,
            },
        };
        Ok(Self {
            id: envelope.id.map(RawValue::get),
            has_version,
            purpose,
        })
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_request(&self) -> bool {
        self.purpose != Purpose::NoRequest
    }
}

/// Members that are there twice are an error: rmcp might go by the other one. All are read on their own, so that of a message
/// whose method is no text the id is still known.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// A member that is there, be it null: MCP has no id that is, but of an error that is about no request (JSON-RPC 2.0 §5).
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Envelope<'_> {
    /// Whether it's one of a request, a notification and a response (JSON-RPC 2.0 §4 and §5), with MCP's ids.
    fn is_well_formed(&self) -> bool {
        let is_one = match (&self.method, &self.result, &self.error) {
            (None, Some(_), None) => self.id.is_some_and(is_id),
            (Some(_), None, None) => self.id.is_none_or(is_id),
            // Whoever couldn't read a request doesn't know its id.
            (None, None, Some(_)) => self.id.is_none_or(|id| is_id(id) || id.get() == "null"),
            (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => false,
        };
        is_one
            && self
                .jsonrpc
                .is_some_and(|version| text(version).is_ok_and(|version| version == "2.0"))
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
        let Some(Ok(name)) = self.name.map(text) else {
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

impl Meta<'_> {
    /// Whether it names a revision that has no sessions, and so no `initialize`.
    fn is_without_sessions(&self) -> bool {
        self.protocol_version
            .is_some_and(|version| text(version).is_ok_and(|version| is_without_sessions(version.as_bytes())))
    }
}

/// Whether this revision of MCP has no sessions (SEP-2567). Revisions are dates, so later ones are greater.
pub(super) fn is_without_sessions(revision: &[u8]) -> bool {
    revision >= b"2026-07-28".as_slice()
}

/// A text that borrows where it can; `Cow` alone never does.
fn text(value: &RawValue) -> Result<Cow<'_, str>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

    serde_json::from_str(value.get()).map(|Text(text)| text)
}

/// What these params of an `initialize` lack, if anything.
fn initialize_fault(params: &str) -> Option<&'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Members<'a> {
        #[serde(borrow)]
        protocol_version: Option<&'a RawValue>,
        #[serde(borrow)]
        capabilities: Option<&'a RawValue>,
        #[serde(borrow)]
        client_info: Option<&'a RawValue>,
    }

    fn is<T: DeserializeOwned>(member: Option<&RawValue>) -> bool {
        member.is_some_and(|member| serde_json::from_str::<T>(member.get()).is_ok())
    }

    let Ok(members) = serde_json::from_str::<Members<'_>>(params) else {
        return Some("params names a member twice");
    };
    if !is::<ProtocolVersion>(members.protocol_version) {
        Some("initialize needs params.protocolVersion, a text")
    } else if !is::<ClientCapabilities>(members.capabilities) {
        Some("initialize needs params.capabilities, an object as MCP describes it")
    } else if !is::<Implementation>(members.client_info) {
        Some("initialize needs params.clientInfo, an object with name and version")
    } else if serde_json::from_str::<InitializeRequestParams>(params).is_err() {
        Some("The params are not those of initialize")
    } else {
        None
    }
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
