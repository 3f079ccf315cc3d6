//! State that a client carries from one round to the next (2026-07-28, "Multi Round-Trip Requests"). A client
//! could alter it or pass it to another user, so it is signed for one tool and one user.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use clerk_mcp::context::get_session;
use rmcp::ErrorData;

/// The key that signs states.
#[derive(Clone)]
pub(crate) struct StateKey(hmac::Key);

impl StateKey {
    /// Creates a random key for this process. Replicas of a server would share one key.
    pub(crate) fn random() -> Self {
        let mut bytes = [0; 32];
        #[expect(
            clippy::expect_used,
            reason = "the server cannot start without a source of randomness"
        )]
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// Signs `state` for this tool and the caller of the current request.
    pub(crate) fn sign(&self, tool: &str, state: &str) -> Result<String, ErrorData> {
        let tag = hmac::sign(&self.0, &signed_data(tool, state)?);
        Ok(format!("{state}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag)))
    }

    /// Returns the state in `signed`, after checking that it was signed for this tool and this caller.
    pub(crate) fn verify<'a>(&self, tool: &str, signed: &'a str) -> Result<&'a str, ErrorData> {
        let invalid = || ErrorData::invalid_params("invalid requestState", None);
        let (state, tag) = signed.rsplit_once('.').ok_or_else(invalid)?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).map_err(|_| invalid())?;
        hmac::verify(&self.0, &signed_data(tool, state)?, &tag).map_err(|_| invalid())?;
        Ok(state)
    }
}

/// Returns the data that the signature covers. No part contains a line break.
fn signed_data(tool: &str, state: &str) -> Result<Vec<u8>, ErrorData> {
    let session = get_session().map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
    Ok(format!("{}\n{tool}\n{state}", session.subject).into_bytes())
}
