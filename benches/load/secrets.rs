//! Searches everything that a run wrote for its tokens and secrets.

use std::{collections::HashSet, fmt::Write as _, fs, path::Path, sync::Mutex};

/// The secrets of a run.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Mutex<HashSet<String>>);

impl Secrets {
    /// Keeps a token to search for, and returns it. The header of a JWT is not secret.
    pub(crate) fn keep(&self, token: String) -> String {
        let is_jwt = token.split('.').count() == 3;
        let parts = token.split('.').skip(usize::from(is_jwt));
        self.0.lock().unwrap().extend(parts.map(str::to_owned));
        token
    }

    /// Writes every page and document, and the answers to tokens in wrong places, to a file in `folder`.
    pub(crate) async fn record_answers(&self, url: &str, good: &str, folder: &Path) {
        let (base, http) = (url.trim_end_matches("/mcp"), reqwest::Client::new());
        let mut requests: Vec<_> = PAGES
            .iter()
            .map(|path| http.get(format!("{base}{path}")))
            .collect();
        let expired_looking = format!("{good}x");
        for token in [
            good,
            &self.keep(expired_looking),
            &self.keep("oat_somebodys0000opaque0token".to_owned()),
        ] {
            self.keep(token.to_owned());
            let post = || {
                http.post(url)
                    .header("Accept", "application/json, text/event-stream")
                    .json(&crate::calls::body())
            };
            requests.extend([
                post().bearer_auth(token),
                post().bearer_auth(token).bearer_auth(token),
                post().header("Authorization", format!("Basic {token}")),
                post()
                    .header("X-Request-Id", token)
                    .header("traceparent", token)
                    .header("Cookie", token),
                http.post(format!("{url}/{token}")).bearer_auth(token),
                http.get(format!("{url}?access_token={token}"))
                    .header("Accept", "text/html"),
                http.get(format!("{base}/{token}")),
                http.post(url)
                    .bearer_auth(good)
                    .body(format!("{{\"jsonrpc\":\"{token}\"")),
            ]);
        }
        let mut text = String::new();
        for request in requests {
            match request.send().await {
                Ok(response) => {
                    let _ = writeln!(text, "{} {:?}", response.status(), response.headers());
                    text += &response.text().await.unwrap_or_default();
                }
                Err(error) => panic!("no answer: {error:?}"),
            }
        }
        fs::write(folder.join("answers"), text).unwrap();
    }

    /// Searches all files below `folder`. Returns a description of each one with a secret.
    pub(crate) fn search(&self, folder: &Path) -> Vec<String> {
        let secrets = self.0.lock().unwrap();
        let mut found = Vec::new();
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            files += 1;
            bytes += text.len();
            // All secrets are words of these characters, so each word is looked up once.
            let words = text.split(|one: char| !(one.is_ascii_alphanumeric() || matches!(one, '-' | '_')));
            if words.into_iter().any(|word| secrets.contains(word)) {
                found.push(format!("a token or the secret key is in {}", path.display()));
            }
        }
        println!(
            "\nSearched {files} files of {bytes} bytes for {} secrets.",
            secrets.len()
        );
        if files == 0 || bytes == 0 || secrets.is_empty() {
            found.push("there was nothing to search".to_owned());
        }
        found
    }
}

const PAGES: [&str; 10] = [
    "/",
    "/docs",
    "/openapi.json",
    "/openapi.yaml",
    "/healthz",
    "/readyz",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];
