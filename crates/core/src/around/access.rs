//! What an ACL may not say because of others: topics that are somebody else's, users of another cluster. It is the
//! expansion that says it, of a world that holds this one object and what it names.
//!
//! Groups and transactional ids are judged by their names alone: who named one first depends on all ACLs and on what was
//! before.

use std::collections::BTreeMap;

use sdm_api::{AclResource, KafkaACL, Pattern, ResourceType, SubjectKind};

use super::index::cluster_of;
use super::{Around, Known};
use crate::access::{ObjectKey, UserIdentity, World, expand, reason};
use crate::outcome::Refusal;
use crate::violation::{Review, Violation};

/// Adds what others forbid `acl`, and what it waits for, in a cluster that its namespace may use.
pub(crate) fn check(acl: &KafkaACL, known: &Known, around: &Around, review: &mut Review) {
    let key = ObjectKey::of(acl);
    let own = key.namespace.as_str();
    let cluster = cluster_of(&key, &acl.spec.cluster_ref);
    let mut topics = BTreeMap::new();
    for resource in &acl.spec.resources {
        take_topics(around, &cluster, resource, &mut topics);
    }
    let mut world = World {
        cluster: cluster.clone(),
        topics: &topics,
        grants: around.grants(&cluster, own).collect(),
        acls: vec![acl],
        allowed: known
            .cluster
            .spec
            .tenancy
            .as_ref()
            .and_then(|t| t.allowed_namespaces.as_ref()),
        ..World::default()
    };
    let givers = world
        .grants
        .iter()
        .filter_map(|g| g.metadata.namespace.as_deref());
    // What a name begins with may be somebody's namespace.
    let resources = acl.spec.resources.iter();
    let not_topics = resources.filter(|r| r.type_ != ResourceType::Topic);
    let spoken_of = not_topics.filter_map(|resource| {
        let name = resource.name.as_deref()?;
        Some(name.split_once('.')?.0)
    });
    let namespaces: Vec<&str> = givers.chain([own]).chain(spoken_of).collect();
    for namespace in namespaces {
        if let Some(labels) = around.labels(namespace) {
            world.namespaces.insert(namespace, labels);
        }
    }
    for subject in &acl.spec.subjects {
        let namespace = subject.namespace.as_deref().unwrap_or(own);
        let user = ObjectKey::new(namespace, &subject.name);
        match around
            .user(&user)
            .filter(|_| subject.kind == SubjectKind::KafkaUser)
        {
            Some(of) if *of == cluster => {
                // Which principal it has is of no account here, but whose it is.
                let principals = vec![format!(
                    "User:{}",
                    sdm_api::names::user_principal(namespace, &subject.name)
                )];
                world.users.insert(user, UserIdentity { principals });
            }
            Some(_) => drop(world.foreign_users.insert(user)),
            None => {}
        }
    }
    for role in &acl.spec.roles {
        let role = ObjectKey::new(own, role);
        if let Some(spec) = around.role(&role) {
            world.roles.insert(role, spec);
        }
    }
    let expansion = expand(&world);
    let refused = expansion.verdicts.into_values().flat_map(|v| v.refused);
    for refusal in refused {
        tell(&refusal, around.is_complete(), review);
    }
}

/// The topics that a resource may mean.
fn take_topics(
    around: &Around,
    cluster: &ObjectKey,
    resource: &AclResource,
    topics: &mut BTreeMap<String, String>,
) {
    let name = resource.name.as_deref().unwrap_or_default();
    let all = match resource.pattern {
        _ if resource.type_ != ResourceType::Topic => return,
        Pattern::Literal if name == "*" => "",
        Pattern::Literal | Pattern::Prefixed => name,
    };
    for (topic, owner) in around.topics(cluster, all) {
        if resource.pattern == Pattern::Literal && name != "*" && topic != name {
            break;
        }
        topics.insert(topic.to_owned(), owner.namespace.clone());
    }
}

/// What somebody has to change is forbidden, what may come by itself is unwise.
fn tell(refusal: &Refusal, complete: bool, review: &mut Review) {
    let path = path_of(refusal.reason);
    let said = |v: &Violation| v.message.contains(&refusal.message);
    if review.violations.iter().any(said) || refusal.reason == reason::INVALID_SPEC {
        return;
    }
    match refusal.waits {
        true if complete => review.warn(path, &refusal.message),
        true => {}
        false => review
            .violations
            .push(Violation::forbidden(path, &refusal.message)),
    }
}

/// The field that a refusal is about.
fn path_of(reason: &str) -> &'static str {
    match reason {
        reason::SUBJECT_NOT_FOUND
        | reason::SUBJECT_NOT_READY
        | reason::SUBJECT_OF_ANOTHER_CLUSTER
        | reason::WILDCARD_PRINCIPAL
        | reason::OPERATOR_PRINCIPAL
        | reason::DENY_NOT_OWNED => "spec.subjects",
        reason::ROLE_NOT_FOUND | reason::INVALID_ROLE => "spec.roles",
        reason::NAMESPACE_NOT_ALLOWED => "spec.clusterRef",
        reason::TOO_MANY_ACLS => "spec",
        _ => "spec.resources",
    }
}
