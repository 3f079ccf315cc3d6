//! The environment as settings, or everything that is wrong with it.

use std::{collections::BTreeMap, net::IpAddr};

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};
use jiff::SignedDuration;
use url::{Host, Url};

use super::{flaw::Flaw, rsa::PublicKey, verify::Kind};

/// How `aud` of access tokens is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Required,
    IfPresent,
    Off,
}

/// What the server was told, checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    /// `BASE_URL`, parsed and without a trailing slash.
    pub(crate) base: Url,
    pub(crate) base_url: String,
    pub(crate) secret_key: String,
    pub(crate) issuer: String,
    pub(crate) backend: String,
    pub(crate) jwt_key: Option<PublicKey>,
    pub(crate) accepted: Vec<Kind>,
    pub(crate) audience: Audience,
    pub(crate) parties: Vec<String>,
    pub(crate) leeway_milliseconds: i64,
    pub(crate) scopes: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) docs_url: Option<String>,
    pub(crate) origins: Option<Vec<String>>,
    pub(crate) max_body: usize,
}

/// Where to get what is missing.
const SOURCES: [(&str, &str); 3] = [
    (
        "CLERK_SECRET_KEY",
        "Clerk Dashboard, Configure, API keys, Secret keys",
    ),
    (
        "CLERK_DOMAIN",
        "Clerk Dashboard, Configure, Domains, Frontend API",
    ),
    (
        "BASE_URL",
        "the URL that clients reach this server at, such as http://localhost:3001",
    ),
];

/// Reads variables and keeps what is wrong.
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

    /// An empty text is nothing.
    fn text(&self, name: &str) -> Option<&str> {
        self.environment
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

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

    fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let spared = self.has(Flaw::BaseUrlNotNeeded) && name == "BASE_URL";
        if self.text(name).is_none() && !spared {
            self.missing.push(name);
        }
        self.read(name, parse)
    }

    /// Everything that is wrong, as it is printed.
    fn complaint(&self) -> String {
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
                "{sources}. Without a Clerk account: `clerk-mcp demo` needs none of it."
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
/// What to print, when they cannot be used.
pub(crate) fn read(environment: &BTreeMap<String, String>, flaw: Option<Flaw>) -> Result<Settings, String> {
    let mut reader = Reader {
        environment,
        flaw,
        missing: Vec::new(),
        invalid: Vec::new(),
    };
    let secret_key = secret_key(&mut reader);
    let issuer = issuer(&mut reader, secret_key.as_deref());
    let backend = reader
        .read("CLERK_API_URL", web_url)
        .map_or_else(|| "https://api.clerk.com".to_owned(), without_slash);
    let base = if reader.has(Flaw::BaseUrlUnchecked) {
        reader.required("BASE_URL", |text| {
            Url::parse(text)
                .or_else(|_| Url::parse("http://localhost:3001"))
                .map_err(|error| error.to_string())
        })
    } else {
        reader.required("BASE_URL", own_url)
    };
    let host = reader.read("HOST", host).unwrap_or(IpAddr::from([127, 0, 0, 1]));
    let port = reader.read("PORT", |text| {
        text.parse()
            .map_err(|_| "expected a port number from 0 to 65535".to_owned())
    });
    let jwt_key = reader.read("CLERK_JWT_KEY", |text| {
        PublicKey::from_pem(&text.replace("\\n", "\n"))
            .ok_or_else(|| "the key can't be used: not a public key in PEM (BEGIN PUBLIC KEY)".to_owned())
    });
    let mut scopes = reader
        .read("SCOPES", scopes)
        .filter(|_| flaw != Some(Flaw::ScopesSettingIgnored))
        .unwrap_or_else(|| vec!["profile".to_owned(), "email".to_owned()]);
    if reader.has(Flaw::OfflineAccess) {
        scopes.push("offline_access".to_owned());
    }
    let accepted = reader.read("CLERK_ACCEPTED_TOKENS", kinds);
    let audience = reader.read("CLERK_AUDIENCE", audience);
    let parties = reader.read("CLERK_AUTHORIZED_PARTIES", |text| Ok(list(text)));
    let leeway = reader.read("CLERK_CLOCK_SKEW", leeway);
    let required_scopes = reader.read("REQUIRED_SCOPES", self::scopes);
    let docs_url = reader.read("DOCS_URL", web_url);
    let origins = reader.read("ALLOWED_ORIGINS", origins);
    let max_body = reader.read("MAX_BODY", size);
    if !reader.missing.is_empty() || !reader.invalid.is_empty() {
        return Err(reader.complaint());
    }
    // What is missing has been reported above, unless the flaw is that it is not.
    let base = base
        .or_else(|| Url::parse("http://localhost:3001").ok())
        .ok_or_else(|| reader.complaint())?;
    Ok(Settings {
        host,
        port: port.unwrap_or(3001),
        base_url: without_slash(base.clone()),
        base,
        secret_key: secret_key.unwrap_or_default(),
        issuer: issuer.unwrap_or_default(),
        backend,
        jwt_key,
        accepted: accepted.unwrap_or_else(|| vec![Kind::Session, Kind::OAuth]),
        audience: audience
            .filter(|_| flaw != Some(Flaw::AudienceModeIgnored))
            .unwrap_or(Audience::Required),
        parties: parties.unwrap_or_default(),
        leeway_milliseconds: match flaw {
            Some(Flaw::NoLeeway) => 0,
            Some(Flaw::MuchLeeway) => 60_000,
            _ => leeway.unwrap_or(5_000),
        },
        scopes,
        required_scopes: required_scopes.unwrap_or_default(),
        docs_url: docs_url
            .filter(|_| flaw != Some(Flaw::DocsUrlIgnored))
            .map(String::from),
        origins: origins.filter(|_| flaw != Some(Flaw::OriginsSettingIgnored)),
        max_body: max_body.unwrap_or(4 << 20),
    })
}

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

/// The Frontend API's URL, from whichever variable has it, and whether it fits the secret key.
fn issuer(reader: &mut Reader<'_>, secret_key: Option<&str>) -> Option<String> {
    let literally = reader.has(Flaw::DomainLiteral);
    let named = reader.read("CLERK_DOMAIN", |text| {
        if literally {
            Ok(text.to_owned())
        } else {
            domain(text)
        }
    });
    let derived = if reader.has(Flaw::PublishableKeyIgnored) {
        None
    } else {
        reader.read("CLERK_PUBLISHABLE_KEY", publishable_key)
    };
    let url = reader.read("CLERK_FRONTEND_API_URL", secure_url);
    let test_key = secret_key.is_some_and(|key| key.starts_with("sk_test_"));
    let mixed = reader.has(Flaw::ModesMixed);
    if let (Some(named), Some((_, derived))) = (&named, &derived)
        && named != derived
        && !mixed
    {
        let reason = format!("it belongs to {derived}, but CLERK_DOMAIN is {named}");
        reader.invalid.push(("CLERK_PUBLISHABLE_KEY", reason));
    }
    if let (Some(_), Some((test, _))) = (secret_key, &derived)
        && *test != test_key
        && !mixed
    {
        let reason =
            "with CLERK_SECRET_KEY, one is a test key and one a live key; take both from one instance";
        reader.invalid.push(("CLERK_PUBLISHABLE_KEY", reason.to_owned()));
    }
    let named = named.or_else(|| derived.map(|(_, domain)| domain));
    let issuer = match (url, named) {
        (Some(url), _) => without_slash(url),
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
    let local = Url::parse(&issuer).is_ok_and(|url| is_loopback(&url));
    if secret_key.is_some() && !local && !mixed && test_key != is_development(host) {
        let (key, kind) = if test_key {
            ("test key (sk_test_…)", "production")
        } else {
            ("live key (sk_live_…)", "development")
        };
        let reason = format!("a {key} with the {kind} domain {host}; take both from one instance");
        reader.invalid.push(("CLERK_SECRET_KEY", reason));
    }
    Some(issuer)
}

/// `word-word-00.clerk.accounts.dev`, and the older `clerk.….lcl.dev`.
fn is_development(host: &str) -> bool {
    host.ends_with(".lcl.dev") || host.contains(".clerk.accounts.") && host.ends_with("dev")
}

/// `localhost`, `127.0.0.0/8` or `::1`.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn without_slash(url: Url) -> String {
    String::from(url).trim_end_matches('/').to_owned()
}

fn web_url(text: &str) -> Result<Url, String> {
    let url =
        Url::parse(text).map_err(|_| "expected a full URL, such as https://mcp.example.com".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("expected an http or https URL".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL without user name and password".to_owned());
    }
    Ok(url)
}

fn secure_url(text: &str) -> Result<Url, String> {
    let url = web_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("expected a URL without query and fragment".to_owned());
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err("expected https (http is for loopback only)".to_owned());
    }
    Ok(url)
}

fn own_url(text: &str) -> Result<Url, String> {
    let url = secure_url(text)?;
    if url.path().trim_end_matches('/').ends_with("/mcp") {
        return Err("expected the URL without /mcp at its end".to_owned());
    }
    Ok(url)
}

fn domain(text: &str) -> Result<String, String> {
    let bare = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .unwrap_or(text);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let fits = |character: char| character.is_ascii_alphanumeric() || ".-:[]".contains(character);
    if !bare.contains(['.', ':']) && bare != "localhost" || !bare.chars().all(fits) || bare.ends_with('.') {
        return Err("expected the host of the Frontend API, such as clerk.example.com".to_owned());
    }
    Ok(bare.to_ascii_lowercase())
}

/// `pk_test_` or `pk_live_`, and the host followed by `$` in base64.
fn publishable_key(text: &str) -> Result<(bool, String), String> {
    if text.starts_with("sk_") {
        let reason =
            "expected a publishable key; this variable holds a secret key, which belongs in CLERK_SECRET_KEY";
        return Err(reason.to_owned());
    }
    let read = || {
        let test = text.starts_with("pk_test_");
        let body = text
            .strip_prefix("pk_test_")
            .or_else(|| text.strip_prefix("pk_live_"))?;
        let host = BASE64_STANDARD_NO_PAD.decode(body.trim_end_matches('=')).ok()?;
        let host = String::from_utf8(host).ok()?;
        domain(host.strip_suffix('$')?).ok().map(|host| (test, host))
    };
    read().ok_or_else(|| "expected pk_test_… or pk_live_… as the Clerk Dashboard shows it".to_owned())
}

fn host(text: &str) -> Result<IpAddr, String> {
    let text = if text == "localhost" { "127.0.0.1" } else { text };
    text.parse()
        .map_err(|_| "expected an IP address, such as 127.0.0.1 or 0.0.0.0".to_owned())
}

fn list(text: &str) -> Vec<String> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(str::to_owned).collect()
}

fn scopes(text: &str) -> Result<Vec<String>, String> {
    if text
        .chars()
        .any(|character| !matches!(character, '\x20'..='\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e'))
    {
        return Err("expected scopes of printable ASCII without quotes and backslashes".to_owned());
    }
    let scopes = text.split([',', ' ']).filter(|scope| !scope.is_empty());
    Ok(scopes.map(str::to_owned).collect())
}

fn kinds(text: &str) -> Result<Vec<Kind>, String> {
    let kinds: Option<Vec<Kind>> = list(text).iter().map(|name| Kind::named(name)).collect();
    let kinds =
        kinds.ok_or_else(|| "expected session_token, oauth_token, m2m_token or api_key".to_owned())?;
    if kinds.is_empty() {
        return Err("expected at least one kind".to_owned());
    }
    Ok(kinds)
}

fn audience(text: &str) -> Result<Audience, String> {
    match text {
        "required" => Ok(Audience::Required),
        "if-present" => Ok(Audience::IfPresent),
        "off" => Ok(Audience::Off),
        _ => Err("expected required, if-present or off".to_owned()),
    }
}

fn leeway(text: &str) -> Result<i64, String> {
    let leeway = text.parse::<SignedDuration>().ok();
    let fits = |leeway: &SignedDuration| (0..=300).contains(&leeway.as_secs());
    leeway
        .filter(fits)
        .and_then(|leeway| i64::try_from(leeway.as_millis()).ok())
        .ok_or_else(|| "expected a duration from 0ns to 300s, such as 5s or 1m".to_owned())
}

fn origins(text: &str) -> Result<Vec<String>, String> {
    let expected = || "expected origins such as https://app.example.com, without a path".to_owned();
    let origin = |item: &String| {
        let url = web_url(item).map_err(|_| expected())?;
        if url.path() == "/" && url.query().is_none() {
            Ok(url.origin().ascii_serialization())
        } else {
            Err(expected())
        }
    };
    list(text).iter().map(origin).collect()
}

fn size(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(|character: char| !character.is_ascii_digit());
    let unit = match text.strip_prefix(digits).map(str::trim) {
        Some("" | "B") => Some(1),
        Some("KiB") => Some(1 << 10),
        Some("MiB") => Some(1 << 20),
        Some("KB" | "kB" | "K") => Some(1_000),
        Some("MB" | "M") => Some(1_000_000),
        Some(_) | None => None,
    };
    let size = unit.and_then(|unit: usize| unit.checked_mul(digits.parse().ok()?));
    size.filter(|size| (1 << 10..=1 << 30).contains(size))
        .ok_or_else(|| "expected a size from 1 KiB to 1 GiB, such as 4 MiB".to_owned())
}
