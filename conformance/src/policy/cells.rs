//! The cells of a policy as cases.

use std::collections::BTreeSet;

use local_clerk::mint::{TokenKind, TokenSpec};

use super::{Cell, Identity, Policy, Tool};
use crate::{
    case::{Case, Expectation, ExpectedAnswer, Issuer, Level, Request, Section, ToolCall},
    profile::Profile,
};

/// The suffix of an identity's name for its user whose membership has ended.
pub(crate) const FORMER: &str = "-former";

/// Returns the placeholder for the user id of an identity, without braces.
pub(crate) fn placeholder(identity: &str) -> String {
    format!("policy.{identity}")
}

/// A caller, and how the report names it.
struct Caller {
    /// In the id of the case.
    key: String,
    label: String,
    /// `None` for a caller without a token.
    token: Option<TokenSpec>,
}

/// Returns a case for every cell of the profile's policy, in a section with this number.
pub(crate) fn cases(profile: &Profile, number: u8) -> (Section, Vec<Case>) {
    let section = Section {
        number,
        key: "policy".to_owned(),
        title: "Your policy".to_owned(),
    };
    let mut cases = Vec::new();
    if let Some(policy) = &profile.policy {
        for (name, identity) in &policy.identities {
            add_row(&mut cases, policy, name, identity, profile);
        }
    }
    (section, cases)
}

/// Adds the cells of one identity, and cells in which the same identity lacks something that a tool needs.
fn add_row(cases: &mut Vec<Case>, policy: &Policy, name: &str, identity: &Identity, profile: &Profile) {
    let kind = if identity.token == TokenKind::Any {
        profile.ordinary_kind().unwrap_or_default()
    } else {
        identity.token
    };
    let caller = Caller {
        key: name.to_owned(),
        label: name.to_owned(),
        token: (!identity.anonymous).then(|| token(name, identity, kind, profile)),
    };
    for (tool_name, tool) in &policy.tools {
        cases.push(case(&caller, tool_name, tool, identity.calls.contains(tool_name)));
    }
    // A session token has no scopes, and contains the role that its user had when Clerk issued it.
    let Some(token) = caller.token.filter(|token| token.kind == TokenKind::OauthToken) else {
        return;
    };
    let called = policy
        .tools
        .iter()
        .filter(|(tool, _)| identity.calls.contains(*tool));
    for (tool_name, tool) in called {
        let mut deny = |suffix: &str, label: &str, token: TokenSpec| {
            let caller = Caller {
                key: format!("{name}-{suffix}"),
                label: format!("{name}, {label}"),
                token: Some(token),
            };
            cases.push(case(&caller, tool_name, tool, false));
        };
        if tool.organization && identity.is_member() {
            let mut foreign = token.clone();
            foreign.claims = [("org_id".to_owned(), "{policy.foreign-organization}".into())].into();
            deny("foreign-organization", "foreign organization", foreign);
            let mut former = token.clone();
            former.user = Some(format!("{{{}}}", placeholder(&format!("{name}{FORMER}"))));
            deny("membership-ended", "membership ended", former);
        }
        let scopes: BTreeSet<&String> = token.scopes.iter().flatten().collect();
        for scope in tool.scopes.iter().filter(|scope| scopes.contains(scope)) {
            let mut narrower = token.clone();
            narrower.scopes = Some(
                scopes
                    .iter()
                    .filter(|one| **one != scope)
                    .map(|one| (*one).clone())
                    .collect(),
            );
            deny(&format!("without-{scope}"), &format!("without {scope}"), narrower);
        }
    }
}

/// Returns the token of an identity.
fn token(name: &str, identity: &Identity, kind: TokenKind, profile: &Profile) -> TokenSpec {
    let mut token = TokenSpec::of(kind);
    token.user = Some(format!("{{{}}}", placeholder(name)));
    if kind == TokenKind::SessionToken {
        token.organization = identity.is_member().then(|| "{policy.organization}".to_owned());
        return token;
    }
    token.scopes = Some(match &identity.scopes {
        Some(scopes) => scopes.iter().cloned().collect(),
        None => profile.scopes.clone(),
    });
    if identity.is_member() {
        token.claims = [("org_id".to_owned(), "{policy.organization}".into())].into();
    }
    token
}

fn case(caller: &Caller, tool_name: &str, tool: &Tool, allowed: bool) -> Case {
    let Caller { key, label, token } = caller;
    let (may, why, is) = if allowed {
        (
            "may",
            "Otherwise users cannot do what your policy lets them do.",
            ExpectedAnswer::Accepted,
        )
    } else {
        (
            "may not",
            "Otherwise this caller does what your policy forbids.",
            ExpectedAnswer::Denied,
        )
    };
    Case {
        id: format!("policy.{key}.{tool_name}"),
        requirement: format!("The identity \"{label}\" {may} call the tool `{tool_name}`."),
        level: Level::Must,
        refs: vec![
            "mcp-2026-07-28#basic/authorization/security-considerations#access-token-privilege-restriction"
                .to_owned(),
        ],
        why: why.to_owned(),
        needs: Vec::new(),
        unless: Vec::new(),
        own: None,
        before: Vec::new(),
        instead: std::collections::BTreeMap::new(),
        refuses_to_start: None,
        steps: Vec::new(),
        token: token.clone(),
        authorization: None,
        send: Request {
            call: Some(ToolCall {
                tool: tool_name.to_owned(),
                arguments: tool.arguments.clone(),
            }),
            ..Request::default()
        },
        expect: Expectation {
            is: Some(is),
            tool_failed: allowed.then_some(false),
            ..Expectation::default()
        },
        issuer: Issuer::Any,
        cell: Some(Cell {
            identity: label.clone(),
            tool: tool_name.to_owned(),
            allowed,
        }),
    }
}
