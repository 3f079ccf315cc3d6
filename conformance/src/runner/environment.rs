//! Prepares what a target needs before it starts: the local Clerks, the values of placeholders, the
//! environment variables, and a proxy if its requests are intercepted.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::LazyLock,
};

use local_clerk::{
    Authority, DirectoryError, LocalClerk, NewOrganization, NewUser, Role,
    mint::{SigningKey, TokenKind},
};
use tempfile::NamedTempFile;

use super::{clerk_admin::ClerkAdmin, fixture::FixtureError, values::Values};
use crate::{
    case::{Case, OTHER},
    intercept::Intercept,
    policy::{FORMER, Policy, placeholder},
    profile::Profile,
    redact::Redactor,
    target::Environment,
};

/// The Frontend API host of the local Clerk when requests are intercepted. It has the form of a development
/// instance's host.
const FRONTEND_API_HOST: &str = "local-conformance-1.clerk.accounts.dev";
const BACKEND_API_HOST: &str = "api.clerk.com";

/// What a target needs to start.
pub(super) struct Prepared {
    pub(super) values: Values,
    pub(super) variables: Environment,
    pub(super) clerk: ClerkAdmin,
    /// The Clerk of another application, if the case needs one.
    pub(super) other_clerk: Option<ClerkAdmin>,
    pub(super) clerks: Vec<LocalClerk>,
    pub(super) ca_file: Option<NamedTempFile>,
    pub(super) intercept: Option<Intercept>,
}

/// Prepares the start of a target on this port, with the settings and actions of the case. The redactor
/// learns the secrets and per-run values.
pub(super) async fn prepare(
    profile: &Profile,
    port: u16,
    case: Option<&Case>,
    redactor: &Redactor,
) -> Result<Prepared, FixtureError> {
    let mut values = Values::default();
    let is_https = profile.https || profile.intercept;
    let authority = is_https.then(Authority::generate).transpose();
    let authority = authority.map_err(FixtureError::setup)?;
    let authority = authority.as_ref();
    let ca_file = authority.map(|authority| pem_file(authority.pem())).transpose();
    let ca_file = ca_file.map_err(|error| FixtureError::Setup(format!("cannot write a file: {error}")))?;
    if let Some(file) = &ca_file {
        values.set("ca_file", file.path().display().to_string());
    }

    let host = profile.intercept.then_some(FRONTEND_API_HOST);
    let (first, clerk) = start_clerk(&FIRST_KEY, authority, host, &profile.issuer_path).await?;
    values.add_clerk(&first, "");
    values.add_people(&clerk.state().await?);
    if let Some(policy) = &profile.policy {
        add_policy(&first, policy, &mut values).map_err(FixtureError::setup)?;
    }
    let mut intercept = None;
    if let Some(host) = host {
        intercept = Some(start_intercept(&first, host).await?);
    }
    let mut clerks = vec![first];
    let mut other_clerk = None;
    if case.is_some_and(uses_other_clerk) {
        let (second, admin) = start_clerk(&SECOND_KEY, authority, None, &profile.issuer_path).await?;
        values.add_clerk(&second, OTHER);
        clerks.push(second);
        other_clerk = Some(admin);
    }

    let origin = format!("http://127.0.0.1:{port}");
    values.add_target_below(&origin, &profile.base_path, &profile.mcp_path);
    if let Ok(audience) = values.fill(&profile.resource) {
        values.set("audience", audience);
    }
    values.set("key_interval", &profile.key_interval);
    values.set("role_interval", &profile.role_interval);
    values.set("host", "127.0.0.1");
    values.set("port", port.to_string());
    // The base URL that a case may set below is the same in every run, so reports show it.
    learn_values(redactor, &values);

    for action in case.iter().flat_map(|case| &case.before) {
        let action = values.fill_in(action).map_err(FixtureError::setup)?;
        clerk.act(&action).await?;
    }
    let mut variables = variables(profile, case, &mut values)?;
    if let Some(intercept) = &intercept {
        variables.extend(intercept_variables(
            intercept,
            values.get("ca_file").unwrap_or_default(),
        ));
    }
    Ok(Prepared {
        values,
        variables,
        clerk,
        other_clerk,
        clerks,
        ca_file,
        intercept,
    })
}

/// Adds the users of a policy to Clerk, and their ids to the values: for each identity a user, and for each
/// identity with a role another user who has lost it. Nobody is a member of the foreign organization.
fn add_policy(clerk: &LocalClerk, policy: &Policy, values: &mut Values) -> Result<(), DirectoryError> {
    let organization = |name: &str| {
        let name = name.to_owned();
        clerk.add_organization(NewOrganization {
            id: None,
            name,
            slug: None,
        })
    };
    let own = organization("Policy")?.id;
    values.set("policy.organization", &own);
    values.set("policy.foreign-organization", organization("Foreign Policy")?.id);
    for (name, identity) in &policy.identities {
        let mut add_user = |name: &str| {
            let user = clerk.add_user(NewUser {
                first_name: Some(name.to_owned()),
                ..NewUser::default()
            })?;
            values.set(placeholder(name), &user.id);
            Ok::<_, DirectoryError>(user.id)
        };
        let user = add_user(name)?;
        if !identity.is_member() {
            continue;
        }
        let role = identity.role_key(name);
        if !identity.permissions.is_empty() {
            clerk.add_role(Role {
                key: role.clone(),
                name: role.clone(),
                permissions: identity.permissions.clone(),
            })?;
        }
        clerk.add_membership(&user, &own, &role)?;
        let former = add_user(&format!("{name}{FORMER}"))?;
        clerk.add_membership(&former, &own, &role)?;
        clerk.remove_membership(&former, &own)?;
    }
    Ok(())
}

/// Teaches the redactor the secret keys, and the values that differ in each run, so that reports of two runs
/// can be compared.
fn learn_values(redactor: &Redactor, values: &Values) {
    for name in ["secret_key", "other.secret_key"] {
        if let Some(secret) = values.get(name) {
            redactor.learn(secret, name);
        }
    }
    for name in ["base_url", "authority", "issuer", "domain"] {
        if let Some(value) = values.get(name) {
            redactor.name(value, name);
        }
    }
}

/// Returns the environment variables of the profile, with the settings of the case.
fn variables(
    profile: &Profile,
    case: Option<&Case>,
    values: &mut Values,
) -> Result<Environment, FixtureError> {
    let mut given = values.clone();
    for (name, text) in case.iter().flat_map(|case| &case.instead) {
        given.set(name, values.fill(text).map_err(FixtureError::setup)?);
    }
    let mut variables = Environment::new();
    for (variable, template) in &profile.environment {
        let value = given.fill(template).map_err(FixtureError::setup)?;
        variables.insert(variable.clone(), value);
    }
    let Some(case) = case else {
        return Ok(variables);
    };
    for (setting, text) in case.own.iter().flatten() {
        if setting == "accepted_tokens" && accepts_already(profile, case, text) {
            continue;
        }
        let variable = profile
            .settings
            .get(setting)
            .ok_or_else(|| FixtureError::NoSetting(setting.clone()))?;
        let value = values.fill(text).map_err(FixtureError::setup)?;
        if setting == "base_url" {
            // The target still listens on the same address, as behind a proxy.
            let authority = values.get("authority").unwrap_or_default().to_owned();
            values.add_target(&value, &profile.mcp_path);
            values.set("listens_on", authority);
        }
        variables.insert(variable.clone(), value);
    }
    Ok(variables)
}

/// Returns whether the target accepts these token kinds without a setting, and no other kinds that the case
/// presents.
fn accepts_already(profile: &Profile, case: &Case, kinds: &str) -> bool {
    let is_listed = |kind: &TokenKind| {
        let name = kind.name().trim_start_matches("opaque_");
        kinds.split(',').any(|one| one == name)
    };
    let steps = case.steps();
    let mut presented = steps.iter().filter_map(|step| Some(step.token.as_ref()?.kind));
    !profile.settings.contains_key("accepted_tokens")
        && profile.accepts.iter().all(is_listed)
        && presented.all(|kind| profile.accepts.contains(&kind))
}

/// Returns whether the case has a placeholder such as `{other.secret_key}`.
fn uses_other_clerk(case: &Case) -> bool {
    serde_json::to_string(case).is_ok_and(|case| case.contains(&format!("{{{OTHER}")))
}

async fn start_intercept(clerk: &LocalClerk, frontend_api_host: &str) -> Result<Intercept, FixtureError> {
    let address: SocketAddr = clerk
        .origin()
        .trim_start_matches("https://")
        .parse()
        .map_err(FixtureError::setup)?;
    let hosts = vec![frontend_api_host.to_owned(), BACKEND_API_HOST.to_owned()];
    Intercept::start(address, hosts)
        .await
        .map_err(FixtureError::setup)
}

/// Returns the variables that send a target's requests through the proxy and make it trust the certificate
/// authority: those that curl, OpenSSL, Node, Python, Go and rustls read.
fn intercept_variables(intercept: &Intercept, ca_file: &str) -> Environment {
    let proxy = intercept.url();
    let variables = [
        ("HTTPS_PROXY", proxy.as_str()),
        ("https_proxy", &proxy),
        ("NO_PROXY", "127.0.0.1,localhost"),
        ("no_proxy", "127.0.0.1,localhost"),
        ("SSL_CERT_FILE", ca_file),
        ("NODE_EXTRA_CA_CERTS", ca_file),
        ("REQUESTS_CA_BUNDLE", ca_file),
        ("CURL_CA_BUNDLE", ca_file),
        ("NODE_USE_ENV_PROXY", "1"),
    ];
    variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// Generating a key takes longer than many a case, so every first Clerk of a run signs with the same one.
static FIRST_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("ins_first"));

/// The key of another application.
static SECOND_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate("ins_second"));

async fn start_clerk(
    key: &SigningKey,
    authority: Option<&Authority>,
    frontend_api_host: Option<&str>,
    issuer_path: &str,
) -> Result<(LocalClerk, ClerkAdmin), FixtureError> {
    // The key id is the instance id, which is unique.
    let id: String = (0..27)
        .map(|_| char::from(rand::random_range(b'a'..=b'z')))
        .collect();
    let mut builder = LocalClerk::builder()
        .signing_key(key.with_kid(format!("ins_{id}")))
        .issuer_path(issuer_path);
    if let Some(authority) = authority {
        builder = builder.https(authority);
    }
    if let Some(host) = frontend_api_host {
        builder = builder.stand_in_for(host);
    }
    let clerk = builder.start().await.map_err(FixtureError::setup)?;
    let admin = ClerkAdmin::new(&clerk.admin_url(), authority.map(Authority::pem))?;
    Ok((clerk, admin))
}

fn pem_file(pem: &str) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::with_suffix(".pem")?;
    file.write_all(pem.as_bytes())?;
    file.flush()?;
    Ok(file)
}
