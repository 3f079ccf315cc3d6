//! HTTP clients that ignore the proxy of the environment: it cannot reach loopback, where all tests run.

use reqwest::{Client, ClientBuilder, IntoUrl, Response};

/// Returns a client with the default settings.
pub fn http() -> Client {
    http_builder().build().unwrap()
}

/// Returns a builder, for a client with other settings.
pub fn http_builder() -> ClientBuilder {
    Client::builder().no_proxy()
}

/// Sends `GET url`.
pub async fn get(url: impl IntoUrl) -> reqwest::Result<Response> {
    http().get(url).send().await
}
