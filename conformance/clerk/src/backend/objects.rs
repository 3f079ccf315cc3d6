//! The JSON objects of the Backend API: every field that its API description requires, and only fields it
//! allows.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::store::{
    directory::Member,
    people::{Organization, Session, User},
};

/// `max_allowed_memberships` without a limit.
const UNLIMITED: u64 = 0;
/// The number of wrong passwords that a user may enter before being locked.
const VERIFICATION_ATTEMPTS: u64 = 100;
/// The days until a session expires.
const SESSION_DAYS: i64 = 7;
/// The days until a session counts as abandoned.
const ABANDON_DAYS: i64 = 30;
const DAY_MILLISECONDS: i64 = 86_400_000;

pub(super) fn user(user: &User) -> Value {
    let created_at = user.created_at.as_millisecond();
    let email_addresses: Vec<Value> = user
        .email
        .iter()
        .map(|email| {
            json!({
                "id": user.email_id,
                "object": "email_address",
                "email_address": email,
                "reserved": false,
                "verification": {
                    "object": "verification_otp",
                    "status": "verified",
                    "strategy": "email_code",
                    "attempts": 1,
                    "expire_at": created_at,
                },
                "linked_to": [],
                "matches_sso_connection": false,
                "created_at": created_at,
                "updated_at": created_at,
            })
        })
        .collect();
    json!({
        "id": user.id,
        "object": "user",
        "external_id": null,
        "primary_email_address_id": user.email.is_some().then_some(&user.email_id),
        "primary_phone_number_id": null,
        "primary_web3_wallet_id": null,
        "username": null,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "locale": null,
        "image_url": image_url(&user.id),
        "has_image": false,
        "public_metadata": {},
        "private_metadata": {},
        "unsafe_metadata": {},
        "email_addresses": email_addresses,
        "phone_numbers": [],
        "web3_wallets": [],
        "passkeys": [],
        "password_enabled": true,
        "two_factor_enabled": false,
        "totp_enabled": false,
        "backup_code_enabled": false,
        "mfa_enabled_at": null,
        "mfa_disabled_at": null,
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "last_sign_in_at": created_at,
        "banned": user.banned,
        "locked": false,
        "lockout_expires_in_seconds": null,
        "verification_attempts_remaining": VERIFICATION_ATTEMPTS,
        "updated_at": user.updated_at.as_millisecond(),
        "created_at": created_at,
        "delete_self_enabled": true,
        "create_organization_enabled": true,
        "last_active_at": created_at,
        "legal_accepted_at": null,
    })
}

pub(super) fn organization(organization: &Organization) -> Value {
    let created_at = organization.created_at.as_millisecond();
    json!({
        "object": "organization",
        "id": organization.id,
        "name": organization.name,
        "slug": organization.slug,
        "image_url": image_url(&organization.id),
        "has_image": false,
        "max_allowed_memberships": UNLIMITED,
        "admin_delete_enabled": true,
        "public_metadata": {},
        "private_metadata": {},
        "created_at": created_at,
        "updated_at": created_at,
    })
}

pub(super) fn membership(member: Member<'_>) -> Value {
    let created_at = member.membership.created_at.as_millisecond();
    let image_url = image_url(&member.user.id);
    json!({
        "object": "organization_membership",
        "id": member.membership.id,
        "role": member.role.key,
        "role_name": member.role.name,
        // Includes system permissions, which tokens leave out.
        "permissions": member.role.permissions,
        "public_metadata": {},
        "private_metadata": {},
        "organization": organization(member.organization),
        "public_user_data": {
            "user_id": member.user.id,
            "first_name": member.user.first_name,
            "last_name": member.user.last_name,
            "profile_image_url": image_url,
            "image_url": image_url,
            "has_image": false,
            "identifier": member.user.email,
            "username": null,
            "banned": member.user.banned,
        },
        "created_at": created_at,
        "updated_at": created_at,
    })
}

/// Renders a session. It counts as last active now, regardless of its status.
pub(super) fn session(session: &Session, now: Timestamp) -> Value {
    let now = now.as_millisecond();
    json!({
        "object": "session",
        "id": session.id,
        "user_id": session.user_id,
        "client_id": session.client_id,
        "actor": session.actor.as_ref().map(|actor| json!({ "sub": actor.user_id })),
        "status": session.status.name(),
        "last_active_organization_id": null,
        "last_active_at": now,
        "expire_at": now + SESSION_DAYS * DAY_MILLISECONDS,
        "abandon_at": now + ABANDON_DAYS * DAY_MILLISECONDS,
        "updated_at": now,
        "created_at": session.created_at.as_millisecond(),
    })
}

/// Returns a well-formed image URL that never resolves (RFC 6761 §6.4).
fn image_url(id: &str) -> String {
    format!("https://img.clerk.invalid/{id}")
}
