//! Determines the MCP revision of a message and checks that its headers match its body.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use poem::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    flaw::Flaw,
    mcp::{META, MODERN, RpcError, VERSIONS},
    server::Server,
};

/// Prefix of a header value that is encoded in base64.
const BASE64_PREFIX: &str = "=?base64?";

impl Server {
    /// Returns whether the message follows 2026-07-28. Rejects headers that differ from the body.
    pub(super) fn is_modern(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Map<String, Value>,
        is_request: bool,
    ) -> Result<bool, RpcError> {
        let version = headers.get("mcp-protocol-version");
        let version = version.map(|version| version.to_str().unwrap_or("?"));
        if method == "initialize" {
            let requested = params.get("protocolVersion").and_then(Value::as_str);
            if version.is_some()
                && requested.is_some()
                && version != requested
                && !self.has(Flaw::HeaderMismatchAccepted)
            {
                let text = "MCP-Protocol-Version does not match params.protocolVersion";
                return Err(RpcError::new(400, -32600, text));
            }
            return Ok(false);
        }
        let meta = params.get("_meta");
        let member = |name: &str| meta.and_then(|meta| meta.get(format!("{META}{name}")));
        let declared = member("protocolVersion").and_then(Value::as_str);
        if self.has(Flaw::OldEraOnly) {
            return Ok(false);
        }
        if version.is_none() && self.has(Flaw::VersionHeaderNeeded) {
            return Err(RpcError::new(400, -32600, "MCP-Protocol-Version is missing"));
        }
        let any_version =
            self.has(Flaw::AnyVersion) || !is_request && self.has(Flaw::AnyVersionOfNotifications);
        if let Some(version) = version
            && declared.is_none()
            && !VERSIONS.contains(&version)
            && !any_version
        {
            return Err(self.unsupported(version));
        }
        let modern = version.is_some_and(|version| version >= MODERN) || declared.is_some();
        if version.is_some_and(|version| version >= MODERN) {
            self.check_standard_headers(headers, method, params)?;
        }
        if !is_request {
            return Ok(modern);
        }
        match declared {
            None if (modern || method == "server/discover") && !self.has(Flaw::MetaNotNeeded) => {
                let text = "The request's _meta lacks io.modelcontextprotocol/protocolVersion";
                return Err(RpcError::new(400, -32602, text));
            }
            Some(_) if version.is_none() && self.has(Flaw::HeadersNotNeeded) => {}
            Some(declared) if version != Some(declared) && !self.has(Flaw::HeaderMismatchAccepted) => {
                let text = "MCP-Protocol-Version does not match the request's _meta";
                return Err(RpcError::new(400, -32020, text));
            }
            Some(declared) if !VERSIONS.contains(&declared) && !any_version => {
                return Err(self.unsupported(declared));
            }
            Some(_)
                if !member("clientCapabilities").is_some_and(Value::is_object)
                    && !self.has(Flaw::MetaNotNeeded) =>
            {
                let text = "The request's _meta lacks io.modelcontextprotocol/clientCapabilities";
                return Err(RpcError::new(400, -32602, text));
            }
            Some(_) | None => {}
        }
        Ok(modern || method == "server/discover")
    }

    /// Checks that `Mcp-Method` and `Mcp-Name` match the body. The headers exist so that proxies need not
    /// read the body.
    fn check_standard_headers(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<(), RpcError> {
        let name = params.get("name").and_then(Value::as_str);
        let name = name.filter(|_| method == "tools/call");
        for (header, expected) in [("Mcp-Method", Some(method)), ("Mcp-Name", name)] {
            let Some(expected) = expected else { continue };
            let given: Vec<_> = headers.get_all(header).iter().collect();
            let given = match given.as_slice() {
                [] if self.has(Flaw::HeadersNotNeeded) => continue,
                [] => return Err(RpcError::new(400, -32020, format!("{header} is missing"))),
                [one] => one.to_str().unwrap_or_default(),
                _ => return Err(RpcError::new(400, -32020, format!("{header} is duplicated"))),
            };
            if given.starts_with(BASE64_PREFIX) && self.has(Flaw::EncodedNamesUnchecked) {
                continue;
            }
            let decode = |given| {
                if self.has(Flaw::EncodedNamesUnknown) {
                    return Some(str::to_owned(given));
                }
                decode_header(given)
            };
            if decode(given).as_deref() != Some(expected) && !self.has(Flaw::HeaderMismatchAccepted) {
                return Err(RpcError::new(
                    400,
                    -32020,
                    format!("{header} does not match the body"),
                ));
            }
        }
        Ok(())
    }

    /// Returns the error for an unsupported protocol version.
    fn unsupported(&self, version: &str) -> RpcError {
        let data = json!({ "requested": version, "supported": VERSIONS });
        let fault = RpcError::new(400, -32022, "Unsupported protocol version");
        if self.has(Flaw::NoSupportedList) {
            fault
        } else {
            fault.with_data(data)
        }
    }
}

/// Decodes the value of an MCP header, which may be base64: `=?base64?…?=`.
fn decode_header(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix(BASE64_PREFIX)
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(BASE64_STANDARD.decode(inner).ok()?).ok()
}
