//! The HTML pages that users see.
//!
//! They load no resources and run no script, except for one line of `form_post`. The template engine escapes
//! all text from clients and users.

use std::sync::LazyLock;

use askama::Template;
use aws_lc_rs::digest;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};

use super::redirect_uri;
use crate::{
    http::respond,
    store::{directory::Directory, grants::AuthorizationRequest, people::User, scope, settings::Settings},
};

/// The style sheet, which each page contains.
pub(super) const STYLE: &str = include_str!("../../templates/page.css");
/// The script that submits the form of `form_post` automatically.
pub(super) const SUBMIT: &str = "document.forms[0].submit()";

/// Allows only the style sheet, by its hash. There is deliberately no `form-action`: browsers also apply it
/// to the redirects after a form, and the client's own redirects are not known here.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; frame-ancestors 'none'",
        sha256_base64(STYLE)
    )
});
static POLICY_WITH_SCRIPT: LazyLock<String> =
    LazyLock::new(|| format!("{}; script-src 'sha256-{}'", *POLICY, sha256_base64(SUBMIT)));

/// The contents of the consent page.
pub(super) struct Consent {
    client_name: String,
    destination: String,
    users: Vec<UserChoice>,
    scopes: Vec<ScopeLine>,
    resources: Vec<String>,
}

struct UserChoice {
    id: String,
    name: String,
    /// The first letters of the first and the last word of the name, in place of a picture.
    initials: String,
    email: Option<String>,
    banned: bool,
    /// Whether this is the first user who is not banned; the page preselects that user.
    first: bool,
    organization_field: String,
    organizations: Vec<OrganizationChoice>,
    /// Whether the user chooses one of the organizations for the token.
    chooses_organization: bool,
}

struct OrganizationChoice {
    id: String,
    name: String,
    role: String,
}

struct ScopeLine {
    name: String,
    /// What the scope allows, for users. `None` for a scope without a description.
    description: Option<String>,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    consent: &'a Consent,
    client_name: &'a str,
    destination: &'a str,
    transaction: &'a str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    reason: &'a str,
}

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPostPage<'a> {
    action: &'a str,
    parameters: &'a [(&'static str, &'a str)],
}

impl Consent {
    /// Collects what the page shows about the users and the request.
    pub(super) fn new(directory: &Directory, settings: &Settings, request: &AuthorizationRequest) -> Self {
        let with_organizations = request.scopes.contains(scope::ORGANIZATION);
        let first = directory.users().find(|user| !user.banned).map(|user| &user.id);
        let choice = |user: &User| UserChoice {
            initials: initials(&user.display_name()),
            name: user.display_name(),
            email: user.email.clone(),
            banned: user.banned,
            first: first == Some(&user.id),
            organization_field: organization_field(&user.id),
            organizations: directory
                .memberships_of_user(&user.id)
                .map(|member| OrganizationChoice {
                    id: member.organization.id.clone(),
                    name: member.organization.name.clone(),
                    role: member.role.name.clone(),
                })
                .collect(),
            chooses_organization: with_organizations
                && directory.memberships_of_user(&user.id).next().is_some(),
            id: user.id.clone(),
        };
        let line = |name: &str| ScopeLine {
            name: name.to_owned(),
            description: settings.scope_description(name).map(str::to_owned),
        };
        Self {
            client_name: request.client_name.clone(),
            destination: redirect_uri::destination(&request.redirect_uri),
            users: directory.users().map(choice).collect(),
            scopes: request.scopes.iter().map(line).collect(),
            resources: request.resources.clone(),
        }
    }
}

/// Returns the first letters of the first and the last word, in upper case.
fn initials(name: &str) -> String {
    let first_letter = |word: &str| word.chars().next();
    let mut words = name.split_whitespace();
    let letters = [words.next(), words.next_back()].into_iter().flatten();
    letters
        .filter_map(first_letter)
        .flat_map(char::to_uppercase)
        .collect()
}

/// Returns the name of the form field with the organization that is active if this user is selected.
pub(super) fn organization_field(user_id: &str) -> String {
    format!("organization.{user_id}")
}

/// Returns the page that asks which user signs in and whether the client is allowed.
pub(super) fn consent(consent: &Consent, transaction: &str) -> Response {
    let page = ConsentPage {
        consent,
        client_name: &consent.client_name,
        destination: &consent.destination,
        transaction,
    };
    render(StatusCode::OK, &page, &POLICY)
}

/// Returns the page for an error that cannot be sent to the client.
pub(super) fn error(status: StatusCode, reason: &str) -> Response {
    render(status, &ErrorPage { reason }, &POLICY)
}

/// Returns the page that posts the parameters to the client (OAuth 2.0 Form Post Response Mode §2).
pub(super) fn form_post(action: &str, parameters: &[(&'static str, &str)]) -> Response {
    render(
        StatusCode::OK,
        &FormPostPage { action, parameters },
        &POLICY_WITH_SCRIPT,
    )
}

fn render(status: StatusCode, page: &impl Template, policy: &str) -> Response {
    // Rendering into a String fails only if the `Display` of a value fails, and all values are strings.
    let body = page.render().unwrap_or_default();
    let mut response = respond::no_store(respond::html(status, body));
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

fn sha256_base64(text: &str) -> String {
    BASE64_STANDARD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_of_the_first_and_the_last_word() {
        for (name, expected) in [
            ("Ada Lovelace", "AL"),
            ("ada", "A"),
            ("Ada Augusta King-Noel", "AK"),
            ("ada@example.com", "A"),
            ("", ""),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }
}
