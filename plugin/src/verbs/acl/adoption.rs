//! From ACLs to the objects that stand for them: pure, and exact.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ObjectMeta;
use sdm_api::{
    AclResource, AclSubject, KafkaACL, KafkaACLSpec, KafkaRole, KafkaRoleSpec, Operation, Pattern,
    Permission, ResourceType, RoleRule, SubjectKind,
};
use sdm_core::access::{Acl, BUILT_IN_ROLES, built_in, validate_acl, validate_role};
use serde_json::Value;

use crate::access::resource_word;
use crate::exit::Result;
use crate::objects::{self, Target, object_name};

/// Bounds of the schema.
const RESOURCES: usize = 64;
const HOSTS: usize = 16;

/// The objects.
#[derive(Debug, Default)]
pub struct Adopted {
    /// Roles, for operations that no built-in role has.
    pub roles: Vec<KafkaRole>,
    /// The ACLs.
    pub acls: Vec<KafkaACL>,
}

impl Adopted {
    /// As documents, roles first.
    pub fn documents(&self) -> Result<Vec<Value>> {
        let roles = self
            .roles
            .iter()
            .map(|role| objects::sparse(role, &KafkaRoleSpec::default()));
        let acls = self.acls.iter().map(super::grant::manifest);
        roles.chain(acls).collect()
    }
}

type Operations = BTreeSet<Operation>;
type Hosts = BTreeSet<String>;
type Resource = (Pattern, String);

/// Whom ACLs are about, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Who {
    principal: String,
    permission: Permission,
    hosts: Hosts,
}

/// Resources by their type, with the operations that are the same on all of them.
type Groups = BTreeMap<(ResourceType, Operations), Vec<Resource>>;

/// The objects that stand for these ACLs, in the cluster's own namespace. What would be invalid is left out.
pub fn adopt(acls: &BTreeSet<Acl>, target: &Target) -> Adopted {
    let mut adopted = Adopted::default();
    let (mut roles, mut names) = (BTreeMap::new(), BTreeSet::new());
    for (who, mut groups) in gather(acls) {
        for (role, resources) in by_built_in(&mut groups) {
            adopted
                .acls
                .extend(rules(&who, &role, &resources, target, &mut names));
        }
        for ((type_, operations), resources) in groups {
            let role = role_name(type_, &operations);
            let resources: Vec<_> = resources.into_iter().map(|r| (type_, r)).collect();
            let made = rules(&who, &role, &resources, target, &mut names);
            if !made.is_empty() {
                roles.insert(role, (type_, operations));
            }
            adopted.acls.extend(made);
        }
    }
    adopted.roles = roles
        .into_iter()
        .map(|(name, (type_, operations))| role(name, type_, operations, target))
        .filter(|role| validate_role(role, None).violations.is_empty())
        .collect();
    adopted
}

/// What an ACL is about, whatever it lets do and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    principal: &'a str,
    permission: Permission,
    type_: ResourceType,
    pattern: Pattern,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn of(acl: &'a Acl) -> Self {
        Self {
            principal: &acl.principal,
            permission: acl.permission,
            type_: acl.resource,
            pattern: acl.pattern,
            name: &acl.name,
        }
    }
}

/// ACLs that differ in nothing but the operation, the address and the resource, put together.
fn gather(acls: &BTreeSet<Acl>) -> BTreeMap<Who, Groups> {
    // `All` is a set of its own: in a role it would swallow the others.
    let mut operations: BTreeMap<(Place<'_>, &str, bool), Operations> = BTreeMap::new();
    for acl in acls {
        let all = acl.operation == Operation::All;
        let set = operations
            .entry((Place::of(acl), &acl.host, all))
            .or_default();
        set.insert(acl.operation);
    }
    // Addresses of the same rule; "everywhere" is not one of them.
    let mut hosts: BTreeMap<(Place<'_>, Operations, bool), Vec<&str>> = BTreeMap::new();
    for ((place, host, _), operations) in operations {
        let everywhere = host == "*";
        let listed = hosts.entry((place, operations, everywhere)).or_default();
        listed.extend((!everywhere).then_some(host));
    }
    let mut found: BTreeMap<Who, Groups> = BTreeMap::new();
    for ((place, operations, everywhere), hosts) in hosts {
        let chunks = hosts.chunks(HOSTS).chain(everywhere.then_some(&[][..]));
        for hosts in chunks {
            let who = Who {
                principal: place.principal.to_owned(),
                permission: place.permission,
                hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            };
            let groups = found.entry(who).or_default();
            let group = groups.entry((place.type_, operations.clone())).or_default();
            group.push((place.pattern, place.name.to_owned()));
        }
    }
    found
}

/// Takes out what a built-in role says exactly, several types of resources together.
fn by_built_in(groups: &mut Groups) -> Vec<(String, Vec<(ResourceType, Resource)>)> {
    let mut found = Vec::new();
    for role in BUILT_IN_ROLES {
        let mut resources = Vec::new();
        for (type_, operations) in built_in(role).into_iter().flatten() {
            let key = (*type_, operations.iter().copied().collect());
            let group = groups.remove(&key).into_iter().flatten();
            resources.extend(group.map(|resource| (*type_, resource)));
        }
        if !resources.is_empty() {
            found.push((role.to_owned(), resources));
        }
    }
    found
}

/// `topic-read-describe`
fn role_name(type_: ResourceType, operations: &Operations) -> String {
    let mut words = vec![resource_word(type_).to_owned()];
    words.extend(operations.iter().map(|o| format!("{o:?}")));
    object_name(&words.join("-").to_lowercase())
}

fn role(name: String, type_: ResourceType, operations: Operations, target: &Target) -> KafkaRole {
    KafkaRole {
        metadata: meta(name, target),
        spec: KafkaRoleSpec {
            rules: vec![RoleRule {
                resource: type_,
                operations: operations.into_iter().collect(),
            }],
        },
        status: None,
    }
}

fn meta(name: String, target: &Target) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(target.namespace.clone()),
        ..ObjectMeta::default()
    }
}

fn rules(
    who: &Who,
    role: &str,
    resources: &[(ResourceType, Resource)],
    target: &Target,
    names: &mut BTreeSet<String>,
) -> Vec<KafkaACL> {
    // One that cannot be declared must not take the others along.
    let sound: Vec<_> = resources
        .iter()
        .filter(|one| is_sound(&acl(who, role, std::slice::from_ref(*one), target, "a")))
        .cloned()
        .collect();
    sound
        .chunks(RESOURCES)
        .map(|part| {
            let name = free_name(who, role, names);
            acl(who, role, part, target, &name)
        })
        .collect()
}

fn is_sound(acl: &KafkaACL) -> bool {
    validate_acl(acl, None).violations.is_empty()
}

/// A name that says whom and what, and that no other object has.
fn free_name(who: &Who, role: &str, names: &mut BTreeSet<String>) -> String {
    let principal = who
        .principal
        .split_once(':')
        .map_or(who.principal.as_str(), |(_, name)| name);
    let principal = if principal == "*" {
        "everybody"
    } else {
        principal
    };
    let mut text = format!("{principal}-{role}");
    if who.permission == Permission::Deny {
        text.push_str("-denied");
    }
    let base = object_name(&text.to_lowercase().replace(['/', '_', '='], "-"));
    let mut name = base.clone();
    let mut count = 1;
    while !names.insert(name.clone()) {
        count += 1;
        name = format!("{base}-{count}");
    }
    name
}

fn acl(
    who: &Who,
    role: &str,
    resources: &[(ResourceType, Resource)],
    target: &Target,
    name: &str,
) -> KafkaACL {
    let resource = |(type_, (pattern, name)): &(ResourceType, Resource)| AclResource {
        type_: *type_,
        name: (*type_ != ResourceType::Cluster || name != "kafka-cluster").then(|| name.clone()),
        pattern: *pattern,
    };
    KafkaACL {
        metadata: meta(name.to_owned(), target),
        spec: KafkaACLSpec {
            cluster_ref: target.reference_from(&target.namespace),
            subjects: vec![AclSubject {
                kind: SubjectKind::Principal,
                name: who.principal.clone(),
                namespace: None,
            }],
            roles: vec![role.to_owned()],
            resources: resources.iter().map(resource).collect(),
            hosts: who.hosts.iter().cloned().collect(),
            permission: who.permission,
        },
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;

    use super::super::adopt::stands_for;
    use super::*;
    use crate::output::yaml;

    fn acl_of(principal: &str, operation: Operation, type_: ResourceType, name: &str) -> Acl {
        Acl {
            resource: type_,
            pattern: Pattern::Literal,
            name: name.to_owned(),
            principal: principal.to_owned(),
            host: "*".to_owned(),
            operation,
            permission: Permission::Allow,
        }
    }

    fn target() -> Target {
        Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        }
    }

    /// What is printed, read again as `kubectl apply` would.
    fn printed(made: &Adopted) -> Adopted {
        fn read<K: DeserializeOwned>(documents: &[Value], kind: &str) -> Vec<K> {
            let of_kind = documents.iter().filter(|d| d["kind"] == kind);
            of_kind
                .map(|d| serde_saphyr::from_str(&yaml(d).unwrap()).unwrap())
                .collect()
        }
        let documents = made.documents().unwrap();
        Adopted {
            roles: read(&documents, "KafkaRole"),
            acls: read(&documents, "KafkaACL"),
        }
    }

    fn round_trip(acls: &BTreeSet<Acl>) -> Adopted {
        let made = printed(&adopt(acls, &target()));
        for role in &made.roles {
            assert_eq!(validate_role(role, None).violations, [], "{role:?}");
        }
        for acl in &made.acls {
            assert_eq!(validate_acl(acl, None).violations, [], "{acl:?}");
        }
        assert_eq!(&stands_for(&made, "streaming", "events"), acls);
        made
    }

    #[test]
    fn what_a_built_in_role_says_needs_no_other() {
        use Operation::{Describe, Read};
        use ResourceType::{Group, Topic};
        let acls = BTreeSet::from([
            acl_of("User:a", Read, Topic, "t"),
            acl_of("User:a", Describe, Topic, "t"),
            acl_of("User:a", Read, Group, "g"),
            acl_of("User:a", Describe, Group, "g"),
        ]);
        let made = round_trip(&acls);
        assert!(made.roles.is_empty() && made.acls.len() == 1, "{made:?}");
        assert_eq!(made.acls[0].spec.roles, ["consumer"]);
        assert_eq!(made.acls[0].metadata.name.as_deref(), Some("a-consumer"));
    }

    #[test]
    fn everything_that_is_there_is_stood_for_exactly() {
        let mut acls = BTreeSet::new();
        let mut add = |principal: &str, operation, type_, name: &str, change: fn(&mut Acl)| {
            let mut acl = acl_of(principal, operation, type_, name);
            change(&mut acl);
            acls.insert(acl);
        };
        use Operation::{All, Alter, ClusterAction, Create, Describe, Read, Write};
        use ResourceType::{Cluster, DelegationToken, Group, Topic, TransactionalId};
        for n in 0..150 {
            add("User:CN=app_1", Read, Topic, &format!("t-{n}"), |_| {});
        }
        add("User:*", Describe, Topic, "*", |_| {});
        add("User:a", All, Topic, "x", |_| {});
        add("User:a", Read, Topic, "x", |_| {});
        add("User:a", Write, Topic, "x", |acl| {
            acl.permission = Permission::Deny
        });
        add("User:a", Write, Topic, "x.", |acl| {
            acl.pattern = Pattern::Prefixed
        });
        add("User:a", Write, Topic, "y", |acl| {
            acl.host = "10.0.0.1".to_owned()
        });
        add("User:a", Write, Topic, "y", |acl| {
            acl.host = "10.0.0.2".to_owned()
        });
        add("User:a", Write, Topic, "y", |_| {});
        add("User:a", Alter, Cluster, "kafka-cluster", |_| {});
        add("User:a", ClusterAction, Cluster, "kafka-cluster", |_| {});
        add("User:a", Create, Cluster, "kafka-cluster", |acl| {
            acl.host = "10.0.0.1".to_owned()
        });
        add("User:a/b", Read, Group, "g", |acl| {
            acl.pattern = Pattern::Prefixed
        });
        add("User:a-b", Read, Group, "g", |_| {});
        add("User:a", Write, TransactionalId, "*", |_| {});
        add("Other:a", Describe, DelegationToken, "tok", |_| {});
        let made = round_trip(&acls);
        let names: BTreeSet<_> = made
            .acls
            .iter()
            .filter_map(|a| a.metadata.name.clone())
            .collect();
        assert_eq!(names.len(), made.acls.len());
        assert!(
            made.acls
                .iter()
                .all(|a| a.spec.resources.len() <= RESOURCES)
        );
    }

    #[test]
    fn what_cannot_be_declared_takes_nothing_else_along() {
        let good = acl_of("User:a", Operation::Read, ResourceType::Topic, "good");
        let acls = BTreeSet::from([
            good.clone(),
            acl_of("User:a", Operation::Read, ResourceType::Topic, "no topic"),
            acl_of("User:sdm:admin", Operation::Read, ResourceType::Topic, "x"),
        ]);
        let made = stands_for(&adopt(&acls, &target()), "streaming", "events");
        assert!(
            made.contains(&good) && made.is_subset(&acls) && made.len() == 2,
            "{made:?}"
        );
    }
}
