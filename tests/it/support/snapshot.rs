//! Renders whole responses as text for snapshots: status, headers sorted by name, and body. Values that
//! differ between runs are replaced by placeholders, but only after their format was checked, so a snapshot
//! cannot hide a broken value.

use std::{collections::BTreeMap, fmt::Write as _};

use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;

/// A complete response, including its body.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Exchange {
    /// Sends `request` and reads the whole response.
    pub async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("the server did not answer");
        let (status, headers) = (response.status(), response.headers().clone());
        Self {
            status,
            headers,
            body: response.text().await.expect("the response body is incomplete"),
        }
    }

    /// Parses the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header value that is not text"))
    }

    /// Renders the response as text, without the headers that every response has; those are asserted here.
    /// `replace` lists further texts and their placeholders.
    #[track_caller]
    pub fn text(&self, replace: &[(&str, &str)]) -> String {
        self.assert_common_headers();
        let mut lines = BTreeMap::new();
        for (name, value) in &self.headers {
            let value = value.to_str().expect("a header value that is not text");
            let shown = match name.as_str() {
                "x-request-id" | "date" | "content-length" | "x-content-type-options" => continue,
                // These headers are sets of names, so their order does not matter.
                "access-control-allow-headers"
                | "access-control-allow-methods"
                | "access-control-expose-headers" => {
                    let mut names: Vec<_> = value.split(',').map(str::trim).collect();
                    names.sort_unstable();
                    names.join(", ")
                }
                _ => value.to_owned(),
            };
            lines.entry(name.as_str()).or_insert_with(Vec::new).push(shown);
        }
        let mut text = format!("{}\n", self.status);
        for (name, values) in lines {
            for value in values {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        text.push('\n');
        let _ = match serde_json::from_str::<Value>(&self.body) {
            Ok(json) => write!(text, "{json:#}"),
            Err(_) => write!(text, "{}", self.body),
        };
        for (from, to) in replace {
            assert!(text.contains(from), "{from} is not in {text}");
            text = text.replace(from, to);
        }
        text
    }

    /// Asserts the headers that every response has.
    #[track_caller]
    fn assert_common_headers(&self) {
        let one = |name: &str| {
            let mut values = self.headers.get_all(name).iter();
            let value = values.next().and_then(|value| value.to_str().ok());
            assert!(values.next().is_none(), "more than one {name}");
            value.unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
        };
        assert!(is_uuid(one("x-request-id")), "the request id is not a UUID");
        assert!(one("date").ends_with(" GMT"), "the date is not an HTTP date");
        assert_eq!(one("x-content-type-options"), "nosniff");
        // A streamed response has no length.
        if self.headers.contains_key("content-length") {
            assert_eq!(one("content-length").parse(), Ok(self.body.len()));
        }
    }
}

/// Replaces a Clerk id by a placeholder after checking its form: `prefix` and 27 letters or digits.
pub fn id(prefix: &'static str) -> insta::internals::Redaction {
    insta::dynamic_redaction(move |value, path| {
        let id = value
            .as_str()
            .and_then(|id| id.strip_prefix(prefix))
            .unwrap_or_else(|| panic!("{path} is not an id with the prefix {prefix}"));
        assert!(
            id.len() == 27 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{path}: {id}"
        );
        format!("[{prefix}]")
    })
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(index, c)| match index {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}
