//! A world to put together piece by piece: cluster `streaming/events`, tenants `a`, `b` and `c`.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRoleSpec};
use sdm_core::access::{Claims, Expansion, ObjectKey, UserIdentity, Verdict, World, expand};
use serde_json::{Value, json};

/// The cluster's namespace.
pub const HOME: &str = "streaming";

#[derive(Clone, Debug)]
pub struct Store {
    pub allowed: Option<LabelSelector>,
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    pub topics: BTreeMap<String, String>,
    pub users: BTreeMap<ObjectKey, UserIdentity>,
    pub foreign: BTreeSet<ObjectKey>,
    pub roles: BTreeMap<ObjectKey, KafkaRoleSpec>,
    pub acls: Vec<KafkaACL>,
    pub grants: Vec<KafkaAccessGrant>,
    pub held: Claims,
}

impl Store {
    /// All namespaces may; `a` owns `orders` and `orders.eu`, `b` owns `bills`, the cluster's namespace owns `audit`.
    pub fn new() -> Self {
        let label = |n: &str| BTreeMap::from([("team".to_owned(), n.to_owned())]);
        let namespaces = [HOME, "a", "b", "c"].map(|n| (n.to_owned(), label(n)));
        let mut store = Self {
            allowed: Some(LabelSelector::default()),
            namespaces: namespaces.into(),
            topics: BTreeMap::new(),
            users: BTreeMap::new(),
            foreign: BTreeSet::new(),
            roles: BTreeMap::new(),
            acls: Vec::new(),
            grants: Vec::new(),
            held: Claims::new(),
        };
        for (topic, owner) in [
            ("orders", "a"),
            ("orders.eu", "a"),
            ("bills", "b"),
            ("audit", HOME),
        ] {
            store.topic(topic, owner);
        }
        store
    }

    pub fn topic(&mut self, name: &str, owner: &str) {
        self.topics.insert(name.to_owned(), owner.to_owned());
    }

    pub fn user(&mut self, namespace: &str, name: &str, principals: &[&str]) {
        let principals = principals.iter().map(|p| (*p).to_owned()).collect();
        self.users
            .insert(ObjectKey::new(namespace, name), UserIdentity { principals });
    }

    pub fn role(&mut self, namespace: &str, name: &str, rules: Value) {
        let spec = serde_json::from_value(json!({"rules": rules})).unwrap();
        self.roles.insert(ObjectKey::new(namespace, name), spec);
    }

    pub fn acl(&mut self, namespace: &str, name: &str, spec: Value) {
        self.acls.push(acl(namespace, name, spec));
    }

    pub fn grant(&mut self, namespace: &str, spec: Value) {
        let name = format!("grant{}", self.grants.len());
        self.grants.push(grant(namespace, &name, spec));
    }

    pub fn world(&self) -> World<'_> {
        World {
            cluster: ObjectKey::new(HOME, "events"),
            allowed: self.allowed.as_ref(),
            namespaces: self
                .namespaces
                .iter()
                .map(|(name, labels)| (name.as_str(), labels))
                .collect(),
            topics: &self.topics,
            users: self.users.clone(),
            foreign_users: self.foreign.clone(),
            roles: self.roles.iter().map(|(k, r)| (k.clone(), r)).collect(),
            acls: self.acls.iter().collect(),
            grants: self.grants.iter().collect(),
            held: &self.held,
        }
    }

    pub fn expand(&self) -> Expansion {
        expand(&self.world())
    }
}

/// `spec` is given without the cluster. The object is as old as the Unix epoch.
pub fn acl(namespace: &str, name: &str, mut spec: Value) -> KafkaACL {
    spec["clusterRef"] = json!({"name": "events", "namespace": HOME});
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaACL",
        "metadata": {"namespace": namespace, "name": name, "creationTimestamp": "1970-01-01T00:00:00Z"},
        "spec": spec,
    }))
    .unwrap()
}

pub fn grant(namespace: &str, name: &str, mut spec: Value) -> KafkaAccessGrant {
    spec["clusterRef"] = json!({"name": "events", "namespace": HOME});
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaAccessGrant",
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    }))
    .unwrap()
}

/// The subject `User:x` with `role` on one resource: `topic orders`, `topic orders*` for a prefix, `cluster`.
pub fn simple(role: &str, resource: &str) -> Value {
    json!({
        "subjects": [{"kind": "Principal", "name": "User:x"}],
        "roles": [role],
        "resources": [resource_of(resource)],
    })
}

pub fn resource_of(text: &str) -> Value {
    let (kind, name) = text.split_once(' ').unwrap_or((text, ""));
    match name {
        "" => json!({"type": kind}),
        "*" => json!({"type": kind, "name": name}),
        _ => match name.strip_suffix('*') {
            Some(prefix) => json!({"type": kind, "name": prefix, "pattern": "prefixed"}),
            None => json!({"type": kind, "name": name}),
        },
    }
}

/// The spec with one field set.
pub fn with(mut spec: Value, field: &str, value: Value) -> Value {
    spec[field] = value;
    spec
}

/// What an object came to, in lines: its ACLs, then `! reason: message` (`?` if it waits), then `- note`.
pub fn told(expansion: &Expansion, namespace: &str, name: &str) -> Vec<String> {
    let key = ObjectKey::new(namespace, name);
    let mine = expansion
        .wanted
        .iter()
        .filter(|(_, objects)| objects.contains(&key));
    let mut lines: Vec<_> = mine.map(|(acl, _)| acl.to_string()).collect();
    let Verdict {
        acls,
        refused,
        notes,
    } = &expansion.verdicts[&key];
    assert_eq!(lines.len(), *acls, "the count of {key}");
    lines.extend(refused.iter().map(|r| {
        let mark = if r.waits { '?' } else { '!' };
        format!("{mark} {}: {}", r.reason, r.message)
    }));
    lines.extend(notes.iter().map(|n| format!("- {n}")));
    lines
}

/// The only object of `namespace`, `acl`, in a world.
pub fn one(store: &Store, namespace: &str, spec: Value) -> Vec<String> {
    let mut store = store.clone();
    store.acl(namespace, "acl", spec);
    told(&store.expand(), namespace, "acl")
}

/// Compares all cases before it fails, so that one run shows every difference.
pub fn check(cases: Vec<(&str, Vec<String>, &[&str])>) {
    let wrong: Vec<_> = cases
        .iter()
        .filter(|(_, found, wanted)| found != wanted)
        .map(|(name, found, wanted)| {
            format!(
                "{name}\nwanted:\n  {}\nfound:\n  {}",
                wanted.join("\n  "),
                found.join("\n  ")
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
