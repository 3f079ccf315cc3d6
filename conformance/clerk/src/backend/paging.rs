//! The parameters `limit` and `offset`.

use serde_json::{Value, json};

use super::error::ClerkError;
use crate::http::parameters::Parameters;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 500;

/// The part of a list that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    limit: usize,
    offset: usize,
}

impl Page {
    pub(super) fn from_query(query: &Parameters) -> Result<Self, ClerkError> {
        let limit = number(query, "limit")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ClerkError::parameter_value("limit", &limit.to_string()));
        }
        Ok(Self {
            limit,
            offset: number(query, "offset")?.unwrap_or_default(),
        })
    }

    /// Returns this page of a list, each item rendered by `render_item`, and the `total_count` of the whole
    /// list.
    pub(super) fn render<T>(self, items: Vec<T>, render_item: impl Fn(T) -> Value) -> Value {
        let total_count = items.len();
        let data: Vec<Value> = items
            .into_iter()
            .skip(self.offset)
            .take(self.limit)
            .map(render_item)
            .collect();
        json!({ "data": data, "total_count": total_count })
    }
}

fn number(query: &Parameters, name: &str) -> Result<Option<usize>, ClerkError> {
    query
        .get(name)
        // `usize` would also parse "+5".
        .map(|value| {
            value
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| value.parse().ok())
                .flatten()
        })
        .map(|number| number.ok_or_else(|| ClerkError::parameter_format(name, "a non-negative integer")))
        .transpose()
}
