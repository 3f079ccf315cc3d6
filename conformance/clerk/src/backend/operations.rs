//! The operations that read users, organizations, memberships, sessions and keys.

use serde_json::{Value, json};

use super::{error::ClerkError, objects, paging::Page};
use crate::{
    http::{incoming::Incoming, parameters::Parameters},
    store::{directory::Member, instance::Instance},
};

const PAGING: [&str; 2] = ["limit", "offset"];

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
pub(super) fn jwks(instance: &Instance, _: &Incoming) -> Result<Value, ClerkError> {
    Ok(instance.keys.read().jwks())
}

pub(super) fn user(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let id = incoming.path("user_id");
    let directory = instance.directory.read();
    directory
        .user_by_id(id)
        .map(objects::user)
        .ok_or_else(|| ClerkError::user_not_found(id))
}

pub(super) fn user_memberships(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let query = incoming.query();
    check_parameters(&query, &PAGING, &[])?;
    let page = Page::from_query(&query)?;
    let id = incoming.path("user_id");
    let directory = instance.directory.read();
    if directory.user_by_id(id).is_none() {
        return Err(ClerkError::user_not_found(id));
    }
    Ok(page.render(directory.memberships_of_user(id).collect(), objects::membership))
}

pub(super) fn organization(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let query = incoming.query();
    let include_count = match query.get("include_members_count") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => {
            return Err(ClerkError::parameter_format(
                "include_members_count",
                "true or false",
            ));
        }
    };
    let directory = instance.directory.read();
    let organization = directory
        .organization(incoming.path("organization_id"))
        .map_err(|_| ClerkError::organization_not_found())?;
    let mut body = objects::organization(organization);
    if let (true, Some(body)) = (include_count, body.as_object_mut()) {
        let count = directory.memberships_of_organization(&organization.id).count();
        body.insert("members_count".to_owned(), json!(count));
    }
    Ok(body)
}

pub(super) fn organization_memberships(
    instance: &Instance,
    incoming: &Incoming,
) -> Result<Value, ClerkError> {
    let query = incoming.query();
    check_parameters(&query, &["limit", "offset", "order_by"], &["user_id", "role"])?;
    let page = Page::from_query(&query)?;
    let directory = instance.directory.read();
    let organization = directory
        .organization(incoming.path("organization_id"))
        .map_err(|_| ClerkError::organization_not_found())?;
    let matches =
        |name: &str, value: &str| query.get(name).is_none() || query.all(name).any(|one| one == value);
    let mut members: Vec<Member<'_>> = directory
        .memberships_of_organization(&organization.id)
        .filter(|member| matches("user_id", &member.user.id) && matches("role", &member.role.key))
        .collect();
    if let Some(order) = query.get("order_by") {
        sort(&mut members, order)?;
    }
    Ok(page.render(members, objects::membership))
}

pub(super) fn session(instance: &Instance, incoming: &Incoming) -> Result<Value, ClerkError> {
    let id = incoming.path("session_id");
    let directory = instance.directory.read();
    directory
        .session(id)
        .map(|session| objects::session(session, instance.clock.now()))
        .map_err(|_| ClerkError::session_not_found(id))
}

/// Rejects unknown parameters, because ignoring a filter would return more than the caller asked for.
fn check_parameters(query: &Parameters, single: &[&str], repeatable: &[&str]) -> Result<(), ClerkError> {
    let known =
        |name: &&str| single.contains(name) || repeatable.contains(name) || *name == "__clerk_api_version";
    if let Some(unknown) = query.names().find(|name| !known(name)) {
        return Err(ClerkError::parameter_unknown(unknown));
    }
    match query.repeated(repeatable) {
        Some(repeated) => Err(ClerkError::parameter_duplicate(repeated)),
        None => Ok(()),
    }
}

/// Sorts by the field in `order_by`: descending with the prefix `-`, ascending with `+` or without a prefix.
/// Decoding may have turned `+` into a space.
fn sort(members: &mut [Member<'_>], order: &str) -> Result<(), ClerkError> {
    let (field, descending) = match order.strip_prefix('-') {
        Some(field) => (field, true),
        None => (order.trim_start_matches(['+', ' ']), false),
    };
    match field {
        "created_at" => members.sort_by_key(|member| member.membership.created_at),
        "first_name" => members.sort_by_key(|member| &member.user.first_name),
        "last_name" => members.sort_by_key(|member| &member.user.last_name),
        "email_address" => members.sort_by_key(|member| &member.user.email),
        _ => return Err(ClerkError::parameter_value("order_by", order)),
    }
    if descending {
        members.reverse();
    }
    Ok(())
}
