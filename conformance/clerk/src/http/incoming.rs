//! A request that has been read: what the handlers look at.

use poem::{
    Request,
    error::ReadBodyError,
    http::{Method, header},
};

use crate::http::parameters::Parameters;

/// Far above any request the endpoints understand.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    Broken,
}

/// A request with its whole body. Handlers are synchronous: everything they need is in memory.
pub(crate) struct Incoming {
    request: Request,
    body: Vec<u8>,
}

impl Incoming {
    pub(crate) async fn read(mut request: Request) -> Result<Self, BodyError> {
        match request.take_body().into_bytes_limit(MAX_BODY_BYTES).await {
            Ok(body) => Ok(Self {
                request,
                body: body.into(),
            }),
            Err(ReadBodyError::PayloadTooLarge) => Err(BodyError::TooLarge),
            Err(ReadBodyError::BodyHasBeenTaken | ReadBodyError::Utf8(_) | ReadBodyError::Io(_)) => {
                Err(BodyError::Broken)
            }
        }
    }

    pub(crate) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// A part of the path, decoded. The route table decides the names, so an unknown one is empty.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.request.raw_path_param(name).unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Parameters {
        Parameters::parse(self.request.uri().query().unwrap_or_default().as_bytes())
    }

    /// The form in the body, or `None` when the body is declared to be something else.
    pub(crate) fn form(&self) -> Option<Parameters> {
        self.has_content_type("application/x-www-form-urlencoded")
            .then(|| Parameters::parse(&self.body))
    }

    /// Whether the body is declared to be of this media type, whatever its parameters.
    pub(crate) fn has_content_type(&self, media_type: &str) -> bool {
        self.header(header::CONTENT_TYPE.as_str())
            .and_then(|value| value.split(';').next())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case(media_type))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    /// The credentials of an `Authorization` header with this scheme (RFC 9110 §11.4: its case does not matter).
    pub(crate) fn credentials(&self, scheme: &str) -> Option<&str> {
        let (given, credentials) = self.header(header::AUTHORIZATION.as_str())?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
    }
}
