//! `limit` and `offset`.

use serde_json::{Value, json};

use super::error::ClerkError;
use crate::http::parameters::Parameters;

const DEFAULT_LIMIT: usize = 10;
const MAX_LIMIT: usize = 500;

/// Which part of a list to show.
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

    /// A list with `total_count`, of which only this page is rendered.
    pub(super) fn of<T>(self, items: Vec<T>, view: impl Fn(T) -> Value) -> Value {
        let total_count = items.len();
        let data: Vec<Value> = items
            .into_iter()
            .skip(self.offset)
            .take(self.limit)
            .map(view)
            .collect();
        json!({ "data": data, "total_count": total_count })
    }
}

fn number(query: &Parameters, name: &str) -> Result<Option<usize>, ClerkError> {
    query
        .get(name)
        // `usize` also reads "+5"; a number in a query has digits only.
        .map(|value| {
            value
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| value.parse().ok())
                .flatten()
        })
        .map(|number| number.ok_or_else(|| ClerkError::parameter_format(name, "an integer of zero or more")))
        .transpose()
}
