//! [`Message`]: parses the body of a POST just enough to reject invalid JSON-RPC messages. Without it, rmcp
//! would answer most invalid bodies with 415 and its parser's error text, or as an unknown method.

use std::borrow::Cow;

use rmcp::model::{ClientCapabilities, Implementation, InitializeRequestParams, ProtocolVersion};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::value::{RawValue, Value};

use super::json_rpc_error::{INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR};

/// A well-formed message.
#[derive(Debug, PartialEq)]
pub(super) struct Message<'a> {
    /// The id, as written in the body. Notifications and some error responses have none.
    pub(super) id: Option<&'a str>,
    /// The method. Responses have none.
    pub(super) method: Option<Cow<'a, str>>,
    pub(super) purpose: Purpose<'a>,
    /// The params, as written in the body.
    pub(super) params: Option<&'a str>,
    /// Whether the message names its own revision, as requests do since 2026-07-28, or is `server/discover`.
    /// Such a request has no session.
    pub(super) names_revision: bool,
}

/// The purpose of a message, as far as the code in front of rmcp distinguishes it.
#[derive(Debug, PartialEq)]
pub(super) enum Purpose<'a> {
    /// `tools/call` of the tool with this name.
    ToolCall(Cow<'a, str>),
    /// `initialize`, from a client of 2025-11-25 or earlier.
    Initialize,
    /// `subscriptions/listen`, from a client of 2026-07-28.
    Listen,
    /// Any other request.
    OtherRequest,
    /// A notification, or the client's response to a request of the server.
    NotARequest,
}

/// Why a message is invalid, with the error code of JSON-RPC 2.0 §5.1.
#[derive(Debug)]
pub(super) struct MessageError<'a> {
    pub(super) code: i32,
    pub(super) message: &'static str,
    /// The id of the message, as written in the body, if it could be read.
    pub(super) id: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Parses `body` as far as needed to know that it is one message, and which tool it calls.
    ///
    /// # Errors
    /// [`MessageError`] when `body` is not a JSON-RPC message of MCP, or exceeds a limit.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, MessageError<'a>> {
        // `from_slice` would accept skipped members that are not UTF-8.
        let envelope = std::str::from_utf8(body)
            .ok()
            .and_then(|text| serde_json::from_str::<Envelope<'_>>(text).ok());
        let Some(envelope) = envelope else {
            return Err(envelope_error(body));
        };
        let fault = |code, message| MessageError {
            code,
            message,
            id: envelope.id.filter(|id| is_id(id)).map(RawValue::get),
        };
        let is_message = body.trim_ascii_start().starts_with(b"{") && envelope.is_well_formed();
        let (true, Ok(method)) = (is_message, envelope.method.map(string).transpose()) else {
            return Err(fault(INVALID_REQUEST, NOT_A_MESSAGE));
        };
        if let Some(message) = exceeded_limit(body) {
            return Err(fault(INVALID_REQUEST, message));
        }
        let params = match envelope.params.map(RawValue::get) {
            Some(params) if params.starts_with('{') => {
                serde_json::from_str(params).map_err(|_| fault(INVALID_PARAMS, DUPLICATE_IN_PARAMS))?
            }
            Some(_) => return Err(fault(INVALID_PARAMS, "params must be an object")),
            None => Params::default(),
        };
        let meta = match params.meta.map(RawValue::get) {
            Some(meta) if meta.starts_with('{') => serde_json::from_str::<Meta<'_>>(meta)
                .map_err(|_| fault(INVALID_PARAMS, "_meta has a duplicate member"))?,
            Some(_) => return Err(fault(INVALID_PARAMS, "_meta must be an object")),
            None => Meta::default(),
        };
        let names_revision = meta.protocol_version.is_some() || method.as_deref() == Some("server/discover");
        let purpose = match (method.as_deref(), envelope.id) {
            (None, _) | (_, None) => Purpose::NotARequest,
            (Some(method), Some(_)) if method.len() > MAX_NAME_BYTES => {
                return Err(fault(INVALID_REQUEST, "The method name is too long"));
            }
            (Some(method), Some(_)) => match method {
                "tools/call" => {
                    Purpose::ToolCall(params.tool().map_err(|message| fault(INVALID_PARAMS, message))?)
                }
                "initialize" if meta.is_sessionless() => {
                    return Err(fault(
                        METHOD_NOT_FOUND,
                        "initialize was removed in 2026-07-28 (SEP-2575)",
                    ));
                }
                "initialize" => {
                    let params = envelope.params.map_or("{}", RawValue::get);
                    initialize_error(params).map_or(Ok(Purpose::Initialize), |message| {
                        Err(fault(INVALID_PARAMS, message))
                    })?
                }
                "subscriptions/listen" => Purpose::Listen,
                _ => Purpose::OtherRequest,
            },
        };
        Ok(Self {
            id: envelope.id.map(RawValue::get),
            method,
            params: envelope.params.map(RawValue::get),
            names_revision,
            purpose,
        })
    }

    /// Returns whether the client waits for a response.
    pub(super) fn is_request(&self) -> bool {
        self.purpose != Purpose::NotARequest
    }
}

/// The members of a JSON-RPC message. serde rejects duplicate members, because rmcp might use a different
/// one than this code. Each member is parsed separately, so that the id is known even if another member has
/// the wrong type.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "some_even_if_null")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<&'a RawValue>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    result: Option<IgnoredAny>,
    error: Option<IgnoredAny>,
}

/// Distinguishes an id of null from an absent one. MCP allows null only in an error response to an unreadable
/// request (JSON-RPC 2.0 §5).
fn some_even_if_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

impl Envelope<'_> {
    /// Returns whether this is exactly one of a request, a notification and a response (JSON-RPC 2.0 §4 and
    /// §5), with an id that MCP allows.
    fn is_well_formed(&self) -> bool {
        let is_one = match (&self.method, &self.result, &self.error) {
            (None, Some(_), None) => self.id.is_some_and(is_id),
            (Some(_), None, None) => self.id.is_none_or(is_id),
            // A client that could not read a request does not know its id.
            (None, None, Some(_)) => self.id.is_none_or(|id| is_id(id) || id.get() == "null"),
            (None, None, None) | (Some(_), _, _) | (None, Some(_), Some(_)) => false,
        };
        is_one
            && self
                .jsonrpc
                .is_some_and(|version| string(version).is_ok_and(|version| version == "2.0"))
    }
}

/// Returns whether `id` is a string or an integer (MCP, "Requests"). JSON has one type of number, so an
/// integer may be written as 1.0 if a double represents it exactly.
fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    if text.len() > MAX_ID_BYTES {
        return false;
    }
    // The usual case, without parsing.
    if text.len() < 16 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    match serde_json::from_str::<Value>(text) {
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
    /// Returns the name of the tool that a `tools/call` with these params calls.
    fn tool(&self) -> Result<Cow<'a, str>, &'static str> {
        let Some(Ok(name)) = self.name.map(string) else {
            return Err("tools/call requires params.name, a string");
        };
        if name.len() > MAX_NAME_BYTES {
            return Err("The tool name is too long");
        }
        if self
            .arguments
            .is_some_and(|arguments| !arguments.get().starts_with('{'))
        {
            return Err("params.arguments of tools/call must be an object");
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
    /// Returns whether this names a revision without sessions, and so without `initialize`.
    fn is_sessionless(&self) -> bool {
        self.protocol_version.is_some_and(|version| {
            string(version).is_ok_and(|version| is_sessionless_revision(version.as_bytes()))
        })
    }
}

/// Returns whether this revision of MCP has no sessions (SEP-2567). Revisions are dates, so later ones are
/// greater.
pub(super) fn is_sessionless_revision(revision: &[u8]) -> bool {
    revision >= b"2026-07-28".as_slice()
}

/// Parses a string, borrowed if it has no escape sequences.
fn string(value: &RawValue) -> Result<Cow<'_, str>, serde_json::Error> {
    let text = value.get();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        // A valid JSON string without escape sequences.
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        Some(_) | None => serde_json::from_str(text).map(Cow::Owned),
    }
}

/// Returns which member of these params of `initialize` is missing or has the wrong type, if any.
fn initialize_error(params: &str) -> Option<&'static str> {
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
        return Some(DUPLICATE_IN_PARAMS);
    };
    if !is::<ProtocolVersion>(members.protocol_version) {
        Some("initialize requires params.protocolVersion, a string")
    } else if !is::<ClientCapabilities>(members.capabilities) {
        Some("initialize requires params.capabilities, an object as defined by MCP")
    } else if !is::<Implementation>(members.client_info) {
        Some("initialize requires params.clientInfo, an object with name and version")
    } else if serde_json::from_str::<InitializeRequestParams>(params).is_err() {
        Some("Invalid params for initialize")
    } else {
        None
    }
}

/// Returns the error for a body that is not a JSON object with the members of [`Envelope`].
fn envelope_error<'a>(body: &[u8]) -> MessageError<'a> {
    let is_json =
        std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    let (code, message) = if !is_json {
        (PARSE_ERROR, "The body is not JSON")
    } else if body.trim_ascii_start().starts_with(b"[") {
        // MCP removed batches in 2025-06-18.
        (
            INVALID_REQUEST,
            "Batches are not supported; send one message at a time",
        )
    } else {
        (INVALID_REQUEST, NOT_A_MESSAGE)
    };
    MessageError {
        code,
        message,
        id: None,
    }
}

/// Returns which limit `body` exceeds, if any: its nesting depth or its number of values. A value of two
/// bytes takes a hundred times as much memory once it is parsed, so a limit on bytes alone does not limit
/// memory.
fn exceeded_limit(body: &[u8]) -> Option<&'static str> {
    // The usual case. The count has no early exit, so the compiler vectorizes it.
    let opened = body.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
    if opened <= MAX_DEPTH as usize && body.len() <= MAX_VALUES as usize {
        return None;
    }
    let (mut depth, mut values) = (0_u32, 0_u32);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                // Skips to the end of the string; an escaped quote does not end it.
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
            return Some("The message has too many values");
        }
    }
    None
}

pub(super) const NOT_A_MESSAGE: &str = "The body is not a JSON-RPC message";
const DUPLICATE_IN_PARAMS: &str = "params has a duplicate member";
/// Half of the depth at which `serde_json` fails, with an error text of its own.
const MAX_DEPTH: u32 = 64;
/// A message with this many values takes about 25 MB once it is parsed.
const MAX_VALUES: u32 = 100_000;
/// Names appear in log lines. MCP limits tool names to 128 characters.
const MAX_NAME_BYTES: usize = 512;
const MAX_ID_BYTES: usize = 1024;
