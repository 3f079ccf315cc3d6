//! [`Incoming`]: a request with its body, as the handlers receive it.

use poem::{
    Request,
    error::ReadBodyError,
    http::{Method, header},
};

use crate::http::parameters::Parameters;

/// Limit for request bodies, far above any valid request.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Why a request body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    Unreadable,
}

/// A request with its complete body. Handlers are synchronous, so the body is read before they run.
pub(crate) struct Incoming {
    request: Request,
    body: Vec<u8>,
}

impl Incoming {
    /// Reads the body of a request.
    pub(crate) async fn read(mut request: Request) -> Result<Self, BodyError> {
        match request.take_body().into_bytes_limit(MAX_BODY_BYTES).await {
            Ok(body) => Ok(Self {
                request,
                body: body.into(),
            }),
            Err(ReadBodyError::PayloadTooLarge) => Err(BodyError::TooLarge),
            Err(ReadBodyError::BodyHasBeenTaken | ReadBodyError::Utf8(_) | ReadBodyError::Io(_)) => {
                Err(BodyError::Unreadable)
            }
        }
    }

    pub(crate) fn method(&self) -> &Method {
        self.request.method()
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns a decoded path parameter of the route. An unknown name gives an empty string.
    pub(crate) fn path(&self, name: &str) -> &str {
        self.request.raw_path_param(name).unwrap_or_default()
    }

    pub(crate) fn query(&self) -> Parameters {
        Parameters::parse(self.request.uri().query().unwrap_or_default().as_bytes())
    }

    /// Returns the form in the body, or `None` if the body has another content type.
    pub(crate) fn form(&self) -> Option<Parameters> {
        self.has_content_type("application/x-www-form-urlencoded")
            .then(|| Parameters::parse(&self.body))
    }

    /// Returns whether the body has this media type. Media type parameters are ignored.
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

    /// Returns the credentials of the `Authorization` header, if it has this scheme. Schemes are
    /// case-insensitive (RFC 9110 §11.1).
    pub(crate) fn credentials(&self, scheme: &str) -> Option<&str> {
        let (given, credentials) = self.header(header::AUTHORIZATION.as_str())?.split_once(' ')?;
        given.eq_ignore_ascii_case(scheme).then(|| credentials.trim())
    }
}
