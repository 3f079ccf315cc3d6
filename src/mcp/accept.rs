//! Checks the media types that a client accepts and sends: the headers `Accept` and `Content-Type`.

use poem::{
    Request,
    http::{HeaderMap, HeaderValue, header},
};

use super::direct::ACCEPTED;

/// Rewrites `Accept` to name both media types if the client accepts both, because rmcp rejects a request that
/// does not name both. Without the header, or with `*/*`, a client accepts every type (RFC 9110 §12.5.1). A
/// client that accepts only JSON is rejected, as MCP allows ("Streamable HTTP"): a tool may answer with an
/// event stream.
pub(super) fn allow_both_types(headers: &mut HeaderMap) {
    let mut values = headers.get_all(header::ACCEPT).iter();
    let accepts_both = match (values.next(), values.next()) {
        // The usual case, without parsing.
        (Some(value), None) if ACCEPTED.iter().any(|usual| value == usual) => return,
        (None, _) => true,
        (Some(first), second) => {
            let ranges: Vec<_> = [Some(first), second]
                .into_iter()
                .flatten()
                .chain(values)
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .map(|range| range.trim().to_ascii_lowercase())
                .collect();
            accepts(&ranges, "application", "json") && accepts(&ranges, "text", "event-stream")
        }
    };
    if accepts_both {
        headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPTED[0]));
    }
}

/// Returns whether one of the media `ranges` contains a type. The most specific range decides.
fn accepts(ranges: &[String], kind: &str, subtype: &str) -> bool {
    let exact = [format!("{kind}/{subtype}"), format!("{kind}/*"), "*/*".to_owned()];
    let decisive = exact.iter().find_map(|wanted| {
        ranges.iter().find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            (parts.next() == Some(wanted)).then(|| parts.find_map(|part| part.strip_prefix("q=")))
        })
    });
    // A weight of 0 means "not acceptable".
    decisive.is_some_and(|weight| {
        weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0))
    })
}

/// Returns whether the `Content-Type` of the request is JSON.
pub(super) fn is_json(request: &Request) -> bool {
    request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The text of the 406 that a client gets if it does not accept both media types.
pub(super) const NOT_ACCEPTABLE: &str = "Accept must allow both application/json and text/event-stream, because a tool may answer with \
                              either: name both, or send */* or no Accept header";
