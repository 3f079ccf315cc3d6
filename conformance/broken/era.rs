//! Which revision of MCP a message is of, and whether its headers repeat what it says.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use poem::http::HeaderMap;
use serde_json::{Map, Value, json};

use super::{
    flaw::Flaw,
    mcp::{Fault, META, MODERN, VERSIONS},
    server::Server,
};

/// What values of headers begin with that are in base64.
const ENCODED: &str = "=?base64?";

impl Server {
    /// Whether the message is of 2026-07-28, once headers and body agree.
    pub(super) fn era(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Map<String, Value>,
        request: bool,
    ) -> Result<bool, Fault> {
        let version = headers.get("mcp-protocol-version");
        let version = version.map(|version| version.to_str().unwrap_or("?"));
        if method == "initialize" {
            let asked = params.get("protocolVersion").and_then(Value::as_str);
            if version.is_some()
                && asked.is_some()
                && version != asked
                && !self.has(Flaw::HeaderMismatchAccepted)
            {
                let text = "MCP-Protocol-Version does not match params.protocolVersion";
                return Err(Fault::new(400, -32600, text));
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
            return Err(Fault::new(400, -32600, "MCP-Protocol-Version is missing"));
        }
        let any = self.has(Flaw::AnyVersion);
        if let Some(version) = version
            && declared.is_none()
            && !VERSIONS.contains(&version)
            && !any
        {
            return Err(self.unsupported(version));
        }
        let modern = version.is_some_and(|version| version >= MODERN) || declared.is_some();
        if version.is_some_and(|version| version >= MODERN) {
            self.check_standard_headers(headers, method, params)?;
        }
        if !request {
            return Ok(modern);
        }
        match declared {
            None if (modern || method == "server/discover") && !self.has(Flaw::MetaNotNeeded) => {
                let text = "The request's _meta lacks io.modelcontextprotocol/protocolVersion";
                return Err(Fault::new(400, -32602, text));
            }
            Some(_) if version.is_none() && self.has(Flaw::HeadersNotNeeded) => {}
            Some(declared) if version != Some(declared) && !self.has(Flaw::HeaderMismatchAccepted) => {
                let text = "MCP-Protocol-Version does not match the request's _meta";
                return Err(Fault::new(400, -32020, text));
            }
            Some(declared) if !VERSIONS.contains(&declared) && !any => {
                return Err(self.unsupported(declared));
            }
            Some(_)
                if !member("clientCapabilities").is_some_and(Value::is_object)
                    && !self.has(Flaw::MetaNotNeeded) =>
            {
                let text = "The request's _meta lacks io.modelcontextprotocol/clientCapabilities";
                return Err(Fault::new(400, -32602, text));
            }
            Some(_) | None => {}
        }
        Ok(modern || method == "server/discover")
    }

    /// `Mcp-Method` and `Mcp-Name` repeat the body, so that proxies need not read it.
    fn check_standard_headers(
        &self,
        headers: &HeaderMap,
        method: &str,
        params: &Map<String, Value>,
    ) -> Result<(), Fault> {
        let name = params.get("name").and_then(Value::as_str);
        let name = name.filter(|_| method == "tools/call");
        for (header, expected) in [("Mcp-Method", Some(method)), ("Mcp-Name", name)] {
            let Some(expected) = expected else { continue };
            let given: Vec<_> = headers.get_all(header).iter().collect();
            let given = match given.as_slice() {
                [] if self.has(Flaw::HeadersNotNeeded) => continue,
                [] => return Err(Fault::new(400, -32020, format!("{header} is missing"))),
                [one] => one.to_str().unwrap_or_default(),
                _ => return Err(Fault::new(400, -32020, format!("{header} is there twice"))),
            };
            if given.starts_with(ENCODED) && self.has(Flaw::EncodedNamesUnchecked) {
                continue;
            }
            let decoded = |given| {
                if self.has(Flaw::EncodedNamesUnknown) {
                    return Some(str::to_owned(given));
                }
                decoded(given)
            };
            if decoded(given).as_deref() != Some(expected) && !self.has(Flaw::HeaderMismatchAccepted) {
                return Err(Fault::new(
                    400,
                    -32020,
                    format!("{header} does not match the body"),
                ));
            }
        }
        Ok(())
    }

    fn unsupported(&self, version: &str) -> Fault {
        let data = json!({ "requested": version, "supported": VERSIONS });
        let fault = Fault::new(400, -32022, "Unsupported protocol version");
        if self.has(Flaw::NoSupportedList) {
            fault
        } else {
            fault.with_data(data)
        }
    }
}

/// The value of a header of MCP, which may be in base64: `=?base64?…?=`.
fn decoded(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix(ENCODED)
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(BASE64_STANDARD.decode(inner).ok()?).ok()
}
