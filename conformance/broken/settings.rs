//! Reads the settings from the environment and reports every configuration error at once.

use std::{collections::BTreeMap, net::IpAddr};

use url::Url;

use super::{
    challenge::union,
    flaw::Flaw,
    rsa::PublicKey,
    token_kind::TokenKind,
    values::{self, AudienceMode},
};

/// The validated settings of the server.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Whether MCP 2025-11-25 messages require a session.
    pub(crate) sessions: bool,
    /// The tool that callers without a token may call.
    pub(crate) public_tool: Option<String>,
    /// The tool that requires the role `org:admin`.
    pub(crate) admin_tool: Option<String>,
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// `BASE_URL`, parsed and without a trailing slash.
    pub(crate) base: Url,
    pub(crate) base_url: String,
    pub(crate) secret_key: String,
    pub(crate) issuer: String,
    /// Where the issuer publishes its keys.
    pub(crate) jwks_url: String,
    /// Whether the issuer is an OAuth authorization server other than Clerk.
    pub(crate) any_issuer: bool,
    pub(crate) backend: String,
    pub(crate) jwt_key: Option<PublicKey>,
    pub(crate) accepted: Vec<TokenKind>,
    pub(crate) audience: AudienceMode,
    pub(crate) parties: Vec<String>,
    pub(crate) leeway_milliseconds: i64,
    pub(crate) scopes: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) docs_url: Option<String>,
    pub(crate) origins: Option<Vec<String>>,
    pub(crate) max_body: usize,
}

/// Where to get the value of each required variable.
const SOURCES: [(&str, &str); 3] = [
    (
        "CLERK_SECRET_KEY",
        "Clerk Dashboard > Configure > API keys > Secret keys",
    ),
    (
        "CLERK_DOMAIN",
        "Clerk Dashboard > Configure > Domains > Frontend API",
    ),
    (
        "BASE_URL",
        "the URL at which clients reach this server, such as http://127.0.0.1:3001",
    ),
];

/// Reads variables and collects the errors.
struct Reader<'a> {
    environment: &'a BTreeMap<String, String>,
    flaw: Option<Flaw>,
    missing: Vec<&'static str>,
    invalid: Vec<(&'static str, String)>,
}

impl Reader<'_> {
    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// Returns the text of a variable. An empty text counts as absent.
    fn text(&self, name: &str) -> Option<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Parses a variable. If its value is invalid, records the error and returns `None`.
    fn read<T>(&mut self, name: &'static str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(name)?;
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                let secret = matches!(name, "CLERK_SECRET_KEY" | "CLERK_JWT_KEY")
                    || ["sk_", "@", "-----BEGIN"].iter().any(|sign| text.contains(sign));
                let reason = if secret && !self.has(Flaw::SecretPrinted) {
                    reason
                } else {
                    format!("{reason}, got {text:?}")
                };
                if !self.has(Flaw::BadValuesIgnored) {
                    self.invalid.push((name, reason));
                }
                None
            }
        }
    }

    /// Parses a variable that must be set.
    fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let optional = self.has(Flaw::BaseUrlNotNeeded) && name == "BASE_URL";
        if self.text(name).is_none() && !optional {
            self.missing.push(name);
        }
        self.read(name, parse)
    }

    /// Returns the message that lists all errors.
    fn error_message(&self) -> String {
        let mut lines = Vec::new();
        if !self.missing.is_empty() {
            lines.push(format!(
                "[Clerk] Missing required config: {}",
                self.missing.join(", ")
            ));
            let sources = SOURCES.iter().filter(|(name, _)| self.missing.contains(name));
            let sources: Vec<String> = sources
                .map(|(name, source)| format!("{name}: {source}"))
                .collect();
            let sources = sources.join("; ");
            lines.push(format!(
                "{sources}. Without a Clerk account, run `clerk-mcp demo`: it needs no configuration."
            ));
        }
        for (name, reason) in &self.invalid {
            lines.push(format!("[Clerk] Invalid config: {name}: {reason}"));
        }
        if self.has(Flaw::FirstFaultOnly) {
            let first = self
                .missing
                .first()
                .map(|name| format!("[Clerk] Missing required config: {name}"));
            return first.or_else(|| lines.into_iter().next()).unwrap_or_default();
        }
        lines.join("\n")
    }
}

/// Reads the settings.
///
/// # Errors
///
/// The error message, if a variable is missing or invalid.
pub(crate) fn read(environment: &BTreeMap<String, String>, flaw: Option<Flaw>) -> Result<Settings, String> {
    let mut reader = Reader {
        environment,
        flaw,
        missing: Vec::new(),
        invalid: Vec::new(),
    };
    let any_issuer = reader.text("ISSUER").is_some();
    let (secret_key, issuer) = if any_issuer {
        (None, reader.text("ISSUER").map(str::to_owned))
    } else {
        let secret_key = secret_key(&mut reader);
        let issuer = issuer(&mut reader, secret_key.as_deref());
        (secret_key, issuer)
    };
    let issuer = issuer.unwrap_or_default();
    let jwks_url = reader.text("JWKS_URL").map(str::to_owned);
    let backend = reader.read("CLERK_API_URL", values::http_url).map_or_else(
        || "https://api.clerk.com".to_owned(),
        values::without_trailing_slash,
    );
    let base = if reader.has(Flaw::BaseUrlUnchecked) {
        reader.required("BASE_URL", |text| {
            Url::parse(text)
                .or_else(|_| Url::parse("http://localhost:3001"))
                .map_err(|error| error.to_string())
        })
    } else {
        reader.required("BASE_URL", values::base_url)
    };
    let host = reader
        .read("HOST", values::host)
        .unwrap_or_else(|| IpAddr::from([127, 0, 0, 1]));
    let port = reader.read("PORT", |text| {
        text.parse()
            .map_err(|_| "expected a port number from 0 to 65535".to_owned())
    });
    let jwt_key = reader.read("CLERK_JWT_KEY", |text| {
        PublicKey::from_pem(&text.replace("\\n", "\n"))
            .ok_or_else(|| "cannot use this key: not a public key in PEM (BEGIN PUBLIC KEY)".to_owned())
    });
    let mut scopes = reader
        .read("SCOPES", values::scopes)
        .filter(|_| flaw != Some(Flaw::ScopesSettingIgnored))
        .unwrap_or_else(|| vec!["profile".to_owned(), "email".to_owned()]);
    if reader.has(Flaw::OfflineAccess) {
        scopes.push("offline_access".to_owned());
    }
    let accepted = reader.read("CLERK_ACCEPTED_TOKENS", values::kinds);
    let audience = reader.read("CLERK_AUDIENCE", values::audience);
    let parties = reader.read("CLERK_AUTHORIZED_PARTIES", |text| Ok(values::list(text)));
    let leeway = reader.read("CLERK_CLOCK_SKEW", values::leeway);
    let required_scopes = reader.read("REQUIRED_SCOPES", values::scopes).unwrap_or_default();
    if flaw != Some(Flaw::RequiredScopesUnnamed) {
        scopes = union(&scopes, &required_scopes);
    }
    let docs_url = reader.read("DOCS_URL", values::http_url);
    let origins = reader.read("ALLOWED_ORIGINS", values::origins);
    let max_body = reader.read("MAX_BODY", values::size);
    if !reader.missing.is_empty() || !reader.invalid.is_empty() {
        return Err(reader.error_message());
    }
    // Only the flaws `BaseUrlNotNeeded` and `BadValuesIgnored` need this default.
    let base = base
        .or_else(|| Url::parse("http://localhost:3001").ok())
        .ok_or_else(|| reader.error_message())?;
    Ok(Settings {
        sessions: reader.text("SESSIONS").is_some(),
        public_tool: reader.text("PUBLIC_TOOL").map(str::to_owned),
        admin_tool: reader.text("ADMIN_TOOL").map(str::to_owned),
        host,
        port: port.unwrap_or(3001),
        base_url: values::without_trailing_slash(base.clone()),
        base,
        secret_key: secret_key.unwrap_or_default(),
        jwks_url: jwks_url.unwrap_or_else(|| format!("{issuer}/.well-known/jwks.json")),
        issuer,
        any_issuer,
        backend,
        jwt_key: jwt_key.filter(|_| flaw != Some(Flaw::JwtKeyIgnored)),
        accepted: accepted.unwrap_or_else(|| {
            if any_issuer {
                vec![TokenKind::OAuth]
            } else {
                vec![TokenKind::Session, TokenKind::OAuth]
            }
        }),
        audience: audience
            .filter(|_| flaw != Some(Flaw::AudienceModeIgnored))
            .unwrap_or(AudienceMode::Required),
        parties: parties.unwrap_or_default(),
        leeway_milliseconds: match flaw {
            Some(Flaw::NoLeeway) => 0,
            Some(Flaw::MuchLeeway) => 60_000,
            _ => leeway.unwrap_or(5_000),
        },
        scopes,
        required_scopes,
        docs_url: docs_url
            .filter(|_| flaw != Some(Flaw::DocsUrlIgnored))
            .map(String::from),
        origins: origins.filter(|_| flaw != Some(Flaw::OriginsSettingIgnored)),
        max_body: max_body.unwrap_or(4 << 20),
    })
}

/// Reads and validates `CLERK_SECRET_KEY`.
fn secret_key(reader: &mut Reader<'_>) -> Option<String> {
    if reader.has(Flaw::SecretNotNeeded) && reader.text("CLERK_SECRET_KEY").is_none() {
        return None;
    }
    if reader.has(Flaw::SecretUnchecked) {
        return reader.required("CLERK_SECRET_KEY", |text| Ok(text.to_owned()));
    }
    reader.required("CLERK_SECRET_KEY", |text| {
        if text.starts_with("pk_") {
            return Err("this is a publishable key (pk_…); the secret key starts with sk_".to_owned());
        }
        let body = text
            .strip_prefix("sk_test_")
            .or_else(|| text.strip_prefix("sk_live_"));
        match body {
            Some(body) if !body.is_empty() && body.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Ok(text.to_owned())
            }
            Some(_) | None => Err("expected sk_test_… or sk_live_…".to_owned()),
        }
    })
}

/// Determines the Frontend API URL from the variables that name it, and checks that it belongs to the same
/// instance as the keys.
fn issuer(reader: &mut Reader<'_>, secret_key: Option<&str>) -> Option<String> {
    let unchecked = reader.has(Flaw::DomainLiteral);
    let named = reader.read("CLERK_DOMAIN", |text| {
        if unchecked {
            Ok(text.to_owned())
        } else {
            values::domain(text)
        }
    });
    let derived = if reader.has(Flaw::PublishableKeyIgnored) {
        None
    } else {
        reader.read("CLERK_PUBLISHABLE_KEY", values::publishable_key)
    };
    let url = reader.read("CLERK_FRONTEND_API_URL", values::secure_url);
    let test_key = secret_key.is_some_and(|key| key.starts_with("sk_test_"));
    let mixed = reader.has(Flaw::ModesMixed);
    if let (Some(named), Some((_, derived))) = (&named, &derived)
        && named != derived
        && !mixed
    {
        let reason =
            format!("the key belongs to {derived}, but CLERK_DOMAIN is {named}; set only one of them");
        reader.invalid.push(("CLERK_PUBLISHABLE_KEY", reason));
    }
    if let (Some(_), Some((test, _))) = (secret_key, &derived)
        && *test != test_key
        && !mixed
    {
        let reason = "this key and CLERK_SECRET_KEY do not match: one is a test key, the other a live key; copy both from the same instance";
        reader.invalid.push(("CLERK_PUBLISHABLE_KEY", reason.to_owned()));
    }
    let named = named.or_else(|| derived.map(|(_, domain)| domain));
    let issuer = match (url, named) {
        (Some(url), _) => values::without_trailing_slash(url),
        (None, Some(named)) => format!("https://{named}"),
        (None, None) => {
            let names = ["CLERK_DOMAIN", "CLERK_FRONTEND_API_URL"];
            if !names.iter().any(|name| reader.text(name).is_some()) && !reader.has(Flaw::DomainNotNeeded) {
                reader.missing.push("CLERK_DOMAIN");
            }
            return None;
        }
    };
    let host = issuer.split_once("://").map_or("", |(_, host)| host);
    let local = Url::parse(&issuer).is_ok_and(|url| values::is_loopback(&url));
    if secret_key.is_some() && !local && !mixed && test_key != values::is_development(host) {
        let (key, kind) = if test_key {
            ("test key (sk_test_…)", "production")
        } else {
            ("live key (sk_live_…)", "development")
        };
        let reason =
            format!("a {key} does not match the {kind} domain {host}; copy both from the same instance");
        reader.invalid.push(("CLERK_SECRET_KEY", reason));
    }
    Some(issuer)
}
