//! The part of the configuration that names the Clerk application, and the checks that its variables match.

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use reqwest::Certificate;
use secrecy::SecretString;
use url::Url;

use super::{reader::Reader, urls};
use crate::{origin::is_loopback, token::StaticKey};

/// The Clerk application that the server trusts.
///
/// ```
/// use clerk_mcp::config::ClerkConfig;
///
/// fn jwks_url(clerk: &ClerkConfig) -> String {
///     format!("{}/.well-known/jwks.json", clerk.issuer())
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClerkConfig {
    /// `CLERK_SECRET_KEY`.
    pub secret_key: SecretString,
    /// The Frontend API URL, at which this server fetches keys and metadata.
    pub frontend_api: Url,
    /// `CLERK_ISSUER`: the issuer of tokens, if it is not the Frontend API URL.
    issuer: Option<Url>,
    /// `CLERK_API_URL`.
    pub backend_api: Url,
    /// The root certificates read from `CLERK_CA_FILE`.
    pub roots: Vec<Certificate>,
    /// `CLERK_JWT_KEY`.
    pub jwt_key: Option<StaticKey>,
}

impl ClerkConfig {
    /// Returns the expected issuer of tokens: `CLERK_ISSUER`, else the Frontend API URL. Without a trailing
    /// slash.
    pub fn issuer(&self) -> &str {
        let url = self.issuer.as_ref().unwrap_or(&self.frontend_api);
        url.as_str().trim_end_matches('/')
    }

    /// Returns the URL of a document of the Frontend API. `path` begins with a slash.
    pub fn frontend_url(&self, path: &str) -> String {
        format!("{}{path}", self.frontend_api.as_str().trim_end_matches('/'))
    }
}

/// Reads the variables of the Clerk application. Returns `None` if one is missing or invalid.
pub(super) fn read(read: &mut Reader<'_>) -> Option<ClerkConfig> {
    let secret_key = read.required("CLERK_SECRET_KEY", SECRET_KEY_SOURCE, |text| {
        secret_key_mode(text).map(|mode| (mode, SecretString::from(text)))
    });
    let domain = read.optional("CLERK_DOMAIN", urls::domain);
    let derived = read.optional("CLERK_PUBLISHABLE_KEY", publishable_key_domain);
    let publishable_mode = derived.as_ref().map(|(mode, _)| *mode);
    let url = read.optional("CLERK_FRONTEND_API_URL", urls::frontend_api);
    if let (Some(domain), Some((_, derived))) = (&domain, &derived)
        && domain != derived
    {
        read.fault(
            "CLERK_PUBLISHABLE_KEY",
            format!("the key belongs to {derived}, but CLERK_DOMAIN is {domain}; set only one of them"),
        );
    }
    let frontend_api = match (url, domain.or_else(|| derived.map(|(_, domain)| domain))) {
        (Some(url), _) => Some(url),
        (None, Some(domain)) => Url::parse(&format!("https://{domain}")).ok(),
        (None, None) => {
            read.missing_domain();
            None
        }
    };
    let issuer = read.optional("CLERK_ISSUER", urls::url_prefix);
    if let (Some((mode, _)), Some(named)) = (&secret_key, issuer.as_ref().or(frontend_api.as_ref())) {
        check_mode(read, *mode, named);
    }
    if let (Some((secret, _)), Some(publishable)) = (&secret_key, publishable_mode)
        && *secret != publishable
    {
        let reason = "this key and CLERK_SECRET_KEY do not match: one is a test key, the other a live key; copy both from the same instance";
        read.fault("CLERK_PUBLISHABLE_KEY", reason.to_owned());
    }
    let backend_api = read.optional("CLERK_API_URL", urls::backend_api);
    let roots = read.or("CLERK_CA_FILE", Vec::new(), certificates);
    let jwt_key = read.optional("CLERK_JWT_KEY", jwt_key);
    Some(ClerkConfig {
        secret_key: secret_key?.1,
        frontend_api: frontend_api?,
        issuer,
        backend_api: match backend_api {
            Some(url) => url,
            None => Url::parse(DEFAULT_BACKEND_API).ok()?,
        },
        roots,
        jwt_key,
    })
}

/// Whether a key or a domain belongs to a development or a production instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InstanceMode {
    Test,
    Live,
}

fn secret_key_mode(text: &str) -> Result<InstanceMode, String> {
    if text.starts_with("pk_") {
        return Err("this is a publishable key (pk_…); the secret key starts with sk_".to_owned());
    }
    let modes = [("sk_test_", InstanceMode::Test), ("sk_live_", InstanceMode::Live)];
    modes
        .into_iter()
        .find(|(prefix, _)| text.strip_prefix(prefix).is_some_and(is_key_body))
        .map(|(_, mode)| mode)
        .ok_or_else(|| "expected sk_test_… or sk_live_…".to_owned())
}

/// Returns whether `text` contains no spaces or control characters, which result from a copying error.
fn is_key_body(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns the mode and the domain of a publishable key: `pk_test_` or `pk_live_`, then the base64 of the
/// Frontend API host followed by `$` (Clerk, "Publishable key").
fn publishable_key_domain(text: &str) -> Result<(InstanceMode, String), String> {
    if text.starts_with("sk_") {
        return Err(
            "expected a publishable key (pk_…), but this is a secret key; move it to CLERK_SECRET_KEY"
                .to_owned(),
        );
    }
    let expected = || "expected pk_test_… or pk_live_… (Clerk Dashboard > Configure > API keys)".to_owned();
    let (mode, encoded) = [("pk_test_", InstanceMode::Test), ("pk_live_", InstanceMode::Live)]
        .into_iter()
        .find_map(|(prefix, mode)| text.strip_prefix(prefix).map(|rest| (mode, rest)))
        .ok_or_else(expected)?;
    let decoded = BASE64_STANDARD_NO_PAD
        .decode(encoded.trim_end_matches('='))
        .map_err(|_| expected())?;
    let decoded = String::from_utf8(decoded).map_err(|_| expected())?;
    let host = decoded
        .strip_suffix('$')
        .filter(|host| !host.contains('$'))
        .ok_or_else(expected)?;
    urls::domain(host)
        .map(|domain| (mode, domain))
        .map_err(|_| expected())
}

/// Reports a test key with a production domain, or a live key with a development domain: Clerk would reject
/// every call.
fn check_mode(read: &mut Reader<'_>, key: InstanceMode, frontend_api: &Url) {
    if is_loopback(frontend_api) {
        return;
    }
    let host = frontend_api.host_str().unwrap_or_default();
    match (key, domain_mode(host)) {
        (InstanceMode::Test, InstanceMode::Test) | (InstanceMode::Live, InstanceMode::Live) => {}
        (InstanceMode::Live, InstanceMode::Test) => read.fault(
            "CLERK_SECRET_KEY",
            format!("a live key (sk_live_…) does not match the development domain {host}; copy both from the same instance"),
        ),
        (InstanceMode::Test, InstanceMode::Live) => read.fault(
            "CLERK_SECRET_KEY",
            format!("a test key (sk_test_…) does not match the production domain {host}; copy both from the same instance"),
        ),
    }
}

/// Returns the mode of a domain by Clerk's rule: `word-word-00.clerk.accounts…dev` and the older `.lcl.dev`
/// domains are development instances; all others are production instances.
fn domain_mode(host: &str) -> InstanceMode {
    let older = [".lcl.dev", ".lclstage.dev", ".lclclerk.com"];
    let is_older = host.starts_with("clerk.") && older.iter().any(|suffix| host.ends_with(suffix));
    let is_current = host.split_once(".clerk.accounts").is_some_and(|(name, suffix)| {
        let parts: Vec<_> = name.split('-').collect();
        let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let named = matches!(parts.as_slice(), [first, second, number]
            if word(first) && word(second)
            && matches!(number.len(), 1 | 2) && number.bytes().all(|byte| byte.is_ascii_digit()));
        named && (suffix.ends_with("dev") || suffix.ends_with("com"))
    });
    if is_older || is_current {
        InstanceMode::Test
    } else {
        InstanceMode::Live
    }
}

/// Parses a public key. Variables often cannot contain line breaks, so the PEM may be on one line, with
/// spaces or the escapes `\n` and `\r\n` instead, and the lines `BEGIN` and `END` may be missing.
fn jwt_key(text: &str) -> Result<StaticKey, String> {
    let text = text.replace("\\r", " ").replace("\\n", " ");
    let body = match text.split_once("-----BEGIN ") {
        None => text.as_str(),
        Some((_, rest)) => {
            let rest = rest.strip_prefix("PUBLIC KEY-----").ok_or_else(|| {
                "expected a public key in PEM (BEGIN PUBLIC KEY), but this is another kind of PEM".to_owned()
            })?;
            let (body, _) = rest
                .split_once("-----END PUBLIC KEY-----")
                .ok_or_else(|| "the line -----END PUBLIC KEY----- is missing".to_owned())?;
            body
        }
    };
    let body: String = body.split_whitespace().collect();
    StaticKey::from_pem(&format!(
        "-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    ))
    .map_err(|error| format!("cannot use this key: {error}"))
}

fn certificates(path: &str) -> Result<Vec<Certificate>, String> {
    if path.contains("-----BEGIN") {
        return Err("expected the name of a file, but this is the certificate itself".to_owned());
    }
    let pem = fs::read(path).map_err(|error| format!("cannot read the file ({})", error.kind()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err("expected a PEM file with at least one certificate".to_owned()),
    }
}

impl Reader<'_> {
    fn missing_domain(&mut self) {
        // A domain that is set but invalid has already been reported.
        if !self.is_set("CLERK_DOMAIN")
            && !self.is_set("CLERK_PUBLISHABLE_KEY")
            && !self.is_set("CLERK_FRONTEND_API_URL")
        {
            self.missing("CLERK_DOMAIN", DOMAIN_SOURCE);
        }
    }
}

const DEFAULT_BACKEND_API: &str = "https://api.clerk.com";
const SECRET_KEY_SOURCE: &str = "Clerk Dashboard > Configure > API keys > Secret keys";
const DOMAIN_SOURCE: &str = "Clerk Dashboard > Configure > Domains > Frontend API";
