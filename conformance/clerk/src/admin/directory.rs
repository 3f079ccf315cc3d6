//! Operations on users, organizations, machines, sessions and OAuth clients.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{AdminError, body};
use crate::{
    http::incoming::Incoming,
    oauth::client_document,
    store::{
        directory::Directory,
        instance::Instance,
        people::{NewOrganization, NewUser, Organization, SessionStatus, User},
    },
};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserBody {
    /// The id, `user_` and 27 characters. Default: a generated id.
    id: Option<String>,
    /// The given name.
    first_name: Option<String>,
    /// The family name.
    last_name: Option<String>,
    /// The primary email address, which counts as verified.
    email: Option<String>,
    /// The features of the user's own plan, for the claim `fea` of session tokens.
    #[serde(default)]
    features: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OrganizationBody {
    /// The id, `org_` and 27 characters. Default: a generated id.
    id: Option<String>,
    /// The display name.
    name: String,
    /// The unique name in URLs. Default: derived from the display name.
    slug: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MemberBody {
    /// The key of the user's role, such as `org:admin`. `GET /admin/state` lists the roles.
    role: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MachineBody {
    /// The display name.
    name: String,
    /// The ids of the machines that may verify the opaque tokens of this machine.
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClientDocumentBody {
    /// The client id: an https URL with a path.
    url: String,
    /// The client ID metadata document, whose `client_id` must equal `url`.
    document: Value,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceBody {
    /// The resource, as clients send it in the parameter `resource`: the URL of an MCP endpoint.
    resource: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionBody {
    /// The new status: `active`, `pending`, `revoked`, `ended`, `expired`, `removed`, `abandoned` or
    /// `replaced`.
    status: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AutoApproveBody {
    /// The user's id, email address or first name. Null shows the sign-in page again.
    user: Option<String>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "every handler in the table has the same type"
)]
pub(super) fn state(instance: &Instance, _: &Incoming) -> Result<Value, AdminError> {
    let directory = instance.directory.read();
    let users: Vec<Value> = directory.users().map(user_json).collect();
    let organizations: Vec<Value> = directory
        .organizations()
        .map(|organization| organization_json(&directory, organization))
        .collect();
    let roles: Vec<Value> = directory
        .roles()
        .map(|role| json!({ "key": role.key, "name": role.name, "permissions": role.permissions }))
        .collect();
    let credentials = instance.credentials.lock();
    let machines: Vec<Value> = credentials
        .machines()
        .map(|machine| json!({ "id": machine.id, "name": machine.name, "scopes": machine.scopes }))
        .collect();
    let clients: Vec<Value> = instance
        .grants
        .lock()
        .clients()
        .map(|client| json!({ "id": client.id, "name": client.name, "redirect_uris": client.redirect_uris }))
        .collect();
    let keys = instance.keys.read();
    Ok(json!({
        "issuer": instance.issuer,
        "instance_id": instance.id,
        "publishable_key": instance.publishable_key,
        "signing_key": keys.signing().kid(),
        "published_keys": keys.published_kids().collect::<Vec<_>>(),
        "auto_approve": *instance.auto_approve.read(),
        "users": users,
        "organizations": organizations,
        "roles": roles,
        "machines": machines,
        "clients": clients,
    }))
}

pub(super) fn add_user(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let UserBody {
        id,
        first_name,
        last_name,
        email,
        features,
    } = body(incoming)?;
    let new = NewUser {
        id,
        first_name,
        last_name,
        email,
        features,
    };
    let user = instance.directory.write().add_user(new, instance.clock.now())?;
    Ok(user_json(&user))
}

pub(super) fn ban(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    set_banned(instance, incoming, true)
}

pub(super) fn unban(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    set_banned(instance, incoming, false)
}

fn set_banned(instance: &Instance, incoming: &Incoming, banned: bool) -> Result<Value, AdminError> {
    let mut directory = instance.directory.write();
    let selector = incoming.path("user");
    directory.set_banned(selector, banned, instance.clock.now())?;
    Ok(user_json(directory.user(selector)?))
}

pub(super) fn revoke_grants(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let user_id = instance.directory.read().user(incoming.path("user"))?.id.clone();
    let revoked = instance.grants.lock().revoke_grants_of(&user_id);
    Ok(json!({ "revoked": revoked }))
}

pub(super) fn add_organization(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let OrganizationBody { id, name, slug } = body(incoming)?;
    let new = NewOrganization { id, name, slug };
    let mut directory = instance.directory.write();
    let organization = directory.add_organization(new, instance.clock.now())?;
    Ok(organization_json(&directory, &organization))
}

pub(super) fn put_member(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let MemberBody { role } = body(incoming)?;
    let (user, organization) = (incoming.path("user"), incoming.path("organization"));
    let mut directory = instance.directory.write();
    let membership = if directory.member(user, organization).is_ok() {
        directory.change_role(user, organization, &role)?
    } else {
        directory.add_membership(user, organization, &role, instance.clock.now())?
    };
    Ok(json!({ "id": membership.id, "role": membership.role }))
}

pub(super) fn remove_member(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let (user, organization) = (incoming.path("user"), incoming.path("organization"));
    instance.directory.write().remove_membership(user, organization)?;
    Ok(json!({}))
}

pub(super) fn register_resource(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let ResourceBody { resource } = body(incoming)?;
    let mut resources = instance.resources.write();
    resources.insert(resource);
    Ok(json!({ "resources": *resources }))
}

pub(super) fn add_machine(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let MachineBody { name, scopes } = body(incoming)?;
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    let machine = instance
        .credentials
        .lock()
        .add_machine(&name, &scopes, &instance.ids);
    Ok(json!({
        "id": machine.id,
        "name": machine.name,
        "scopes": machine.scopes,
        "secret_key": machine.secret_key,
    }))
}

pub(super) fn pin_client_document(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let ClientDocumentBody { url, document } = body(incoming)?;
    client_document::pin(instance, &url, &document)
        .map_err(|error| AdminError::bad_request(error.to_string()))?;
    Ok(json!({ "client_id": url }))
}

pub(super) fn set_session_status(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let SessionBody { status } = body(incoming)?;
    let status = SessionStatus::from_name(&status).ok_or_else(|| {
        let names = SessionStatus::ALL.map(SessionStatus::name).join(", ");
        AdminError::bad_request(format!(
            "unknown session status {status:?}: expected one of {names}"
        ))
    })?;
    let id = incoming.path("session");
    instance.directory.write().set_session_status(id, status)?;
    Ok(json!({ "id": id, "status": status.name() }))
}

pub(super) fn set_auto_approve(instance: &Instance, incoming: &Incoming) -> Result<Value, AdminError> {
    let AutoApproveBody { user } = body(incoming)?;
    let id = instance.set_auto_approve(user.as_deref())?;
    Ok(json!({ "user": id }))
}

fn user_json(user: &User) -> Value {
    json!({
        "id": user.id,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "email": user.email,
        "session_id": user.session_id,
        "banned": user.banned,
    })
}

fn organization_json(directory: &Directory, organization: &Organization) -> Value {
    let members: Vec<Value> = directory
        .memberships_of_organization(&organization.id)
        .map(|member| json!({ "user": member.user.id, "role": member.role.key }))
        .collect();
    json!({
        "id": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "members": members,
    })
}
