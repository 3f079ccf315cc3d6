//! State that a client carries from one round to the next (2026-07-28, "Multi Round-Trip Requests"). It comes back from
//! outside, so it's sealed, and for one user alone: with another's token it's worth nothing.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clerk_mcp::context::get_session;
use rmcp::ErrorData;

/// The key of the seals.
#[derive(Clone)]
pub(crate) struct StateKey(hmac::Key);

impl StateKey {
    /// A key of this process. Servers that share their users' rounds would share one.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 32];
        #[expect(
            clippy::expect_used,
            reason = "without randomness there's nothing to begin with"
        )]
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// Seals `state` for a tool's caller.
    pub(crate) fn seal(&self, tool: &str, state: &str) -> Result<String, ErrorData> {
        let tag = hmac::sign(&self.0, &sealed(tool, state)?);
        Ok(format!("{state}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag)))
    }

    /// The state in `seal`, when it's one that this tool gave this caller.
    pub(crate) fn open<'a>(&self, tool: &str, seal: &'a str) -> Result<&'a str, ErrorData> {
        let broken = || ErrorData::invalid_params("requestState is not one that was given out", None);
        let (state, tag) = seal.rsplit_once('.').ok_or_else(broken)?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).map_err(|_| broken())?;
        hmac::verify(&self.0, &sealed(tool, state)?, &tag).map_err(|_| broken())?;
        Ok(state)
    }
}

/// What a seal covers. No part has a line break in it.
fn sealed(tool: &str, state: &str) -> Result<Vec<u8>, ErrorData> {
    let session = get_session().map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(format!("{}\n{tool}\n{state}", session.subject).into_bytes())
}
