//! Ends an open-ended event stream: when the server stops, when the token expires, and after an hour at the
//! latest.

use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use poem::{Body, Response};

use super::McpSettings;
use crate::session::Session;

/// Ends an open-ended event stream when the server stops, or when its token expires: an open stream must not
/// keep serving an expired token. Do not use it for the stream of a tool call: calls in flight are finished.
pub(super) fn limit_stream(response: Response, session: &Session, settings: &McpSettings) -> Response {
    let (parts, body) = response.into_parts();
    let lifetime = stream_lifetime(settings.clock.now(), session.expires_at);
    let stop = settings.stop.clone().cancelled_owned();
    let end = async move {
        tokio::select! {
            () = stop => {}
            () = tokio::time::sleep(lifetime) => {}
        }
    };
    let events = body.into_bytes_stream().take_until(Box::pin(end));
    Response::from_parts(parts, Body::from_bytes_stream(events))
}

/// Returns how long a stream may last: until its token expires, and at most [`MAX_STREAM_LIFETIME`].
fn stream_lifetime(now: Timestamp, expires_at: Option<Timestamp>) -> Duration {
    let left = expires_at.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or_default());
    left.map_or(MAX_STREAM_LIFETIME, |left| left.min(MAX_STREAM_LIFETIME))
}

/// A client whose token never expires has to reopen the stream after this time, so that a revocation takes
/// effect.
const MAX_STREAM_LIFETIME: Duration = Duration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_lasts_until_its_token_expires_and_at_most_an_hour() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let after = |seconds| Some(now + jiff::SignedDuration::from_secs(seconds));
        assert_eq!(stream_lifetime(now, after(60)), Duration::from_mins(1));
        assert_eq!(stream_lifetime(now, after(-3)), Duration::ZERO);
        assert_eq!(stream_lifetime(now, after(86_400)), MAX_STREAM_LIFETIME);
        assert_eq!(stream_lifetime(now, None), MAX_STREAM_LIFETIME);
    }
}
