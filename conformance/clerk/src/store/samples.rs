//! The sample users and organizations. Their ids and email addresses are fixed, so that scripts can use them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::store::{
    directory::Directory,
    ids::Ids,
    people::{DirectoryError, NewOrganization, NewUser, Role},
};

/// The ids of the sample users: Ada, Grace and Alan.
pub(crate) const USER_IDS: [&str; 3] = [
    "user_2sAdaLovelace0000000000000A",
    "user_2sGraceHopper0000000000000G",
    "user_2sAlanTuring00000000000000T",
];

/// Returns the sample roles, which exist unless a state file defines other roles.
pub(crate) fn roles() -> impl Iterator<Item = Role> {
    [
        ("org:admin", "Admin", ADMIN),
        ("org:member", "Member", MEMBER),
        ("org:billing_manager", "Billing manager", BILLING_MANAGER),
    ]
    .into_iter()
    .map(|(key, name, permissions)| Role {
        key: key.to_owned(),
        name: name.to_owned(),
        permissions: permissions
            .iter()
            .map(|&permission| permission.to_owned())
            .collect(),
    })
}

/// Builds the sample directory. Ada belongs to three organizations with a different role in each, Grace to
/// one, Alan to none.
pub(crate) fn directory(ids: Arc<Ids>, now: Timestamp) -> Result<Directory, DirectoryError> {
    let mut directory = Directory::new(ids);
    for role in roles() {
        directory.add_role(role)?;
    }
    let [ada, grace, alan] = USER_IDS;
    for (id, first, last, email, features) in [
        (ada, "Ada", "Lovelace", "ada@example.com", &["early_access"][..]),
        (grace, "Grace", "Hopper", "grace@example.com", &[]),
        (alan, "Alan", "Turing", "alan@example.com", &[]),
    ] {
        directory.add_user(
            NewUser {
                id: Some(id.to_owned()),
                first_name: Some(first.to_owned()),
                last_name: Some(last.to_owned()),
                email: Some(email.to_owned()),
                features: features.iter().map(|&feature| feature.to_owned()).collect(),
            },
            now,
        )?;
    }
    for (id, name, slug) in [
        (
            "org_2sAnalyticalEngines000000AE",
            "Analytical Engines",
            "analytical-engines",
        ),
        (
            "org_2sCompilerWorks0000000000CW",
            "Compiler Works",
            "compiler-works",
        ),
        (
            "org_2sDifferenceAndSons000000DS",
            "Difference & Sons",
            "difference-and-sons",
        ),
    ] {
        directory.add_organization(
            NewOrganization {
                id: Some(id.to_owned()),
                name: name.to_owned(),
                slug: Some(slug.to_owned()),
            },
            now,
        )?;
    }
    for (user, organization, role) in [
        (ada, "analytical-engines", "org:admin"),
        (ada, "compiler-works", "org:member"),
        (ada, "difference-and-sons", "org:billing_manager"),
        (grace, "compiler-works", "org:admin"),
    ] {
        directory.add_membership(user, organization, role, now)?;
    }
    Ok(directory)
}

const ADMIN: &[&str] = &[
    "org:sys_profile:manage",
    "org:sys_profile:delete",
    "org:sys_memberships:read",
    "org:sys_memberships:manage",
    "org:sys_domains:read",
    "org:sys_domains:manage",
    "org:repositories:read",
    "org:repositories:create",
    "org:repositories:delete",
    "org:reports:read",
    "org:billing:manage",
];
const MEMBER: &[&str] = &[
    "org:sys_memberships:read",
    "org:repositories:read",
    "org:reports:read",
];
const BILLING_MANAGER: &[&str] = &[
    "org:sys_memberships:read",
    "org:sys_billing:read",
    "org:sys_billing:manage",
    "org:billing:read",
    "org:billing:manage",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_the_documented_memberships_and_valid_ids() {
        let directory = directory(Arc::new(Ids::new(None)), Timestamp::UNIX_EPOCH).unwrap();
        let organizations: Vec<_> = USER_IDS
            .iter()
            .map(|id| directory.memberships_of_user(id).count())
            .collect();
        assert_eq!(organizations, [3, 1, 0]);
        for user in directory.users() {
            assert_eq!(user.id.len(), "user_".len() + 27, "{}", user.id);
            for member in directory.memberships_of_user(&user.id) {
                assert_eq!(
                    member.organization.id.len(),
                    "org_".len() + 27,
                    "{}",
                    member.organization.id
                );
            }
        }
    }
}
