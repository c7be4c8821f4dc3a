//! From subjects to principals.

use std::borrow::Cow;

use sdm_api::{AclSubject, Permission, SubjectKind, names};

use super::reason;
use super::roles::BUILT_IN_ROLES;
use super::rule::{EVERYBODY, OPERATORS, ObjectKey};
use super::world::World;
use crate::outcome::Refusal;

/// The principals of a subject, as seen from an object in namespace `own`.
pub(super) fn principals<'w>(
    world: &'w World<'w>,
    own: &str,
    subject: &'w AclSubject,
    permission: Permission,
) -> Result<Vec<Cow<'w, str>>, Refusal> {
    let namespace = subject.namespace.as_deref().unwrap_or(own);
    let principals = match subject.kind {
        SubjectKind::KafkaUser => {
            let principals = user(world, ObjectKey::new(namespace, &subject.name))?;
            principals.iter().map(|p| Cow::from(p.as_str())).collect()
        }
        SubjectKind::ServiceAccount => {
            let name = names::service_account_principal(namespace, &subject.name);
            vec![Cow::from(format!("User:{name}"))]
        }
        SubjectKind::Principal => vec![Cow::from(subject.name.as_str())],
    };
    for principal in &principals {
        if own != world.cluster.namespace && principal == EVERYBODY {
            return Err(wildcard(&world.cluster.namespace));
        }
        if permission == Permission::Deny && principal.starts_with(OPERATORS) {
            return Err(operator(principal));
        }
    }
    Ok(principals)
}

fn user<'w>(world: &'w World<'w>, key: ObjectKey) -> Result<&'w [String], Refusal> {
    match world.users.get(&key) {
        Some(user) if user.principals.is_empty() => Err(Refusal::waits(
            reason::SUBJECT_NOT_READY,
            format!("KafkaUser {key} has no principal yet"),
        )),
        Some(user) => Ok(&user.principals),
        None if world.foreign_users.contains(&key) => Err(Refusal::stands(
            reason::SUBJECT_OF_ANOTHER_CLUSTER,
            format!(
                "KafkaUser {key} belongs to another cluster: name a user of cluster {}",
                world.cluster
            ),
        )),
        None => Err(Refusal::waits(
            reason::SUBJECT_NOT_FOUND,
            format!("KafkaUser {key} does not exist: it gets nothing until it does"),
        )),
    }
}

/// Only the cluster's own namespace may speak of everybody.
pub(super) fn wildcard(cluster_namespace: &str) -> Refusal {
    Refusal::stands(
        reason::WILDCARD_PRINCIPAL,
        format!(
            "{EVERYBODY} is everybody, and only the cluster's own namespace, {cluster_namespace:?}, may speak of everybody: name the subjects"
        ),
    )
}

/// A denial that cannot work.
pub(super) fn operator(principal: &str) -> Refusal {
    Refusal::stands(
        reason::OPERATOR_PRINCIPAL,
        format!(
            "{principal} is the operator's own: it is a super user, whom no denial reaches, so leave it out"
        ),
    )
}

/// A role that is neither built in nor there.
pub(super) fn no_role(key: &ObjectKey) -> Refusal {
    Refusal::waits(
        reason::ROLE_NOT_FOUND,
        format!(
            "role {:?} does not exist: create KafkaRole {key}, or use a built-in one ({})",
            key.name,
            BUILT_IN_ROLES.join(", ")
        ),
    )
}
