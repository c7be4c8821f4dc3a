//! ACL objects: subjects, roles, resources, addresses.

use std::collections::BTreeSet;

use sdm_api::{
    AclResource, AclSubject, KafkaACL, KafkaACLSpec, Pattern, Permission, ResourceType, SubjectKind,
};

use super::shape::{self, At};
use crate::access::claims::foreign_pattern;
use crate::access::roles::built_in;
use crate::access::rule::{ANY, CLUSTER, EVERYBODY, OPERATORS, kafka_host, resource_name};
use crate::access::subjects::{operator, wildcard};
use crate::access::targets::{cluster_rights, described};
use crate::validate::dns_name;
use crate::violation::Review;

const SUBJECTS: &str = "spec.subjects";
const RESOURCES: &str = "spec.resources";

/// What is wrong, whoever it is that says it.
pub(super) fn check(spec: &KafkaACLSpec, review: &mut Review) {
    for (path, empty) in [
        ("spec.subjects", spec.subjects.is_empty()),
        ("spec.roles", spec.roles.is_empty()),
        ("spec.resources", spec.resources.is_empty()),
    ] {
        if empty {
            review.invalid(path, "without any the object means nothing: list one");
        }
    }
    for (i, subject) in spec.subjects.iter().enumerate() {
        check_subject(i, subject, review);
    }
    for (i, role) in spec.roles.iter().enumerate() {
        if !dns_name(role) {
            review.invalid(
                "spec.roles",
                format!("{role:?} cannot be the name of a role"),
            );
        } else if spec.roles.iter().take(i).any(|r| r == role) {
            review.invalid(
                "spec.roles",
                format!("{role:?} is listed twice: list it once"),
            );
        }
    }
    for (i, resource) in spec.resources.iter().enumerate() {
        check_resource(i, resource, review);
    }
    let mut seen = BTreeSet::new();
    for host in &spec.hosts {
        match kafka_host(host) {
            None if host.contains('/') => review.invalid(
                "spec.hosts",
                format!("{host:?} is a range: Kafka compares addresses as text and knows no ranges, so list every address, or \"*\""),
            ),
            None => review.invalid(
                "spec.hosts",
                format!("{host:?} is no IP address: Kafka compares addresses as text and looks up no names, so list addresses, or \"*\""),
            ),
            Some(address) if !seen.insert(address.clone()) => {
                review.invalid("spec.hosts", format!("{host:?} is listed twice: list it once"));
            }
            Some(_) => {}
        }
    }
}

fn check_subject(index: usize, subject: &AclSubject, review: &mut Review) {
    let name = subject.name.as_str();
    if let Some(namespace) = &subject.namespace {
        shape::namespace(At(SUBJECTS, index, "namespace"), namespace, review);
    }
    let path = At(SUBJECTS, index, "name");
    match subject.kind {
        SubjectKind::Principal => {
            let parts = name.split_once(':');
            if parts.is_none_or(|(kind, name)| kind.is_empty() || name.is_empty()) {
                review.invalid(
                    path,
                    format!("{name:?} is no principal of Kafka's: it has a type and a name, such as \"User:{name}\""),
                );
            }
        }
        SubjectKind::KafkaUser | SubjectKind::ServiceAccount if dns_name(name) => {}
        kind => {
            let hint = if name.contains(':') {
                ": for a principal as Kafka has it, set kind: Principal"
            } else if name.contains('/') {
                ": the namespace goes into a field of its own"
            } else {
                ""
            };
            review.invalid(
                path,
                format!("{name:?} cannot be the name of a {kind:?}{hint}"),
            );
        }
    }
}

fn check_resource(index: usize, resource: &AclResource, review: &mut Review) {
    let kind = resource_name(resource.type_);
    let path = At(RESOURCES, index, "name");
    let name = resource.name.as_deref();
    match (resource.type_, name) {
        (ResourceType::Cluster, name) => {
            if name.is_some_and(|n| n != CLUSTER) || resource.pattern == Pattern::Prefixed {
                review.invalid(
                    path,
                    format!("the cluster has one name, {CLUSTER:?}: leave name and pattern out"),
                );
            }
        }
        (_, None | Some("")) => review.invalid(path, format!("name the {kind}, or \"*\" for all")),
        (ResourceType::Topic, Some(name)) => shape::topic(path, name, resource.pattern, review),
        (_, Some(ANY)) if resource.pattern == Pattern::Prefixed => review.invalid(
            path,
            format!("\"*\" is no prefix: for every {kind}, use \"*\" with pattern literal"),
        ),
        (_, Some(_)) => {}
    }
}

/// What a tenant may not say, and nobody about the operator.
pub(super) fn forbid(acl: &KafkaACL, review: &mut Review) {
    let own = acl.metadata.namespace.as_deref().unwrap_or_default();
    let cluster = acl.spec.cluster_ref.namespace_from(own);
    let tenant = own != cluster;
    for (i, subject) in acl.spec.subjects.iter().enumerate() {
        let path = At(SUBJECTS, i, "name");
        if subject.kind != SubjectKind::Principal {
            continue;
        }
        if tenant && subject.name == EVERYBODY {
            review.forbidden(path, wildcard(cluster).message);
        } else if acl.spec.permission == Permission::Deny && subject.name.starts_with(OPERATORS) {
            review.forbidden(path, operator(&subject.name).message);
        }
    }
    for (i, resource) in acl.spec.resources.iter().enumerate().filter(|_| tenant) {
        match resource.type_ {
            ResourceType::Topic => {}
            ResourceType::Cluster | ResourceType::DelegationToken => {
                review.forbidden(
                    At(RESOURCES, i, ""),
                    cluster_rights(resource.type_, cluster).message,
                );
            }
            ResourceType::Group | ResourceType::TransactionalId => {
                if let Some(refusal) = foreign_pattern(own, resource) {
                    review.forbidden(At(RESOURCES, i, "name"), refusal.message);
                }
            }
        }
    }
}

/// What is legal and unwise. Roles that are not built in are not known here.
pub(super) fn advise(spec: &KafkaACLSpec, review: &mut Review) {
    for (i, subject) in spec.subjects.iter().enumerate() {
        let path = At(SUBJECTS, i, "name");
        if subject.kind != SubjectKind::Principal {
            continue;
        }
        if subject.name == "User:ANONYMOUS" {
            review.warn(String::from(path), "it is everybody who does not log in");
        } else if subject.name.contains(':') && !subject.name.starts_with("User:") {
            review.warn(
                String::from(path),
                "no listener of this cluster gives anybody a principal of another type than User",
            );
        } else if subject.name.starts_with(OPERATORS) && spec.permission == Permission::Allow {
            review.warn(
                String::from(path),
                "it is the operator's own, and may do everything without an ACL",
            );
        }
    }
    let listed = |kind| spec.resources.iter().any(|r| r.type_ == kind);
    for role in &spec.roles {
        let Some(rules) = built_in(role) else {
            continue;
        };
        if !rules.iter().any(|(kind, _)| listed(*kind)) {
            let kinds: Vec<_> = rules.iter().map(|(kind, _)| resource_name(*kind)).collect();
            review.warn(
                "spec.roles",
                format_args!(
                    "{role:?} gives nothing here: it is about resources of type {}",
                    kinds.join(", ")
                ),
            );
        }
    }
    if spec.permission == Permission::Allow
        && spec.roles.iter().any(|r| r == "consumer")
        && listed(ResourceType::Topic)
        && !listed(ResourceType::Group)
    {
        review.warn(
            "spec.resources",
            "consumer on topics needs a group resource too: without it nobody can consume in a group",
        );
    }
    let all_known = spec.roles.iter().all(|r| built_in(r).is_some());
    for (i, resource) in spec.resources.iter().enumerate().filter(|_| all_known) {
        let mut rules = spec.roles.iter().filter_map(|r| built_in(r)).flatten();
        if !rules.any(|(kind, _)| *kind == resource.type_) {
            review.warn(
                String::from(At(RESOURCES, i, "")),
                format_args!("no role here says anything about {}", described(resource)),
            );
        }
    }
    if spec.hosts.len() > 1 && spec.hosts.iter().any(|h| h == ANY) {
        review.warn("spec.hosts", "\"*\" makes the other addresses needless");
    }
}
