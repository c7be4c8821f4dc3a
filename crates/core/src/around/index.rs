//! The index: no more of any object than reviews of others ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use sdm_api::{ClusterRef, KafkaAccessGrant, KafkaCluster, KafkaRole, KafkaRoleSpec};
use serde::Deserialize;
use serde_json::Value;

use super::{Known, Relation};
use crate::access::ObjectKey;
use crate::kinds::parse;
use crate::resolve::resolve;
use crate::topic::Place;
use crate::validate::StorageClasses;

/// Who declares a topic, in order, with the second since the epoch in which its object was created: the first declared it
/// first. Nearly always one, for which a tree would take a kilobyte.
type Claims = Vec<(i64, Arc<ObjectKey>)>;

/// What is known around objects.
#[derive(Clone, Debug, Default)]
pub struct Around {
    complete: bool,
    labels: BTreeMap<String, BTreeMap<String, String>>,
    /// None for one that cannot be read.
    clusters: BTreeMap<ObjectKey, Option<Box<Known>>>,
    /// By cluster and name in Kafka.
    topics: BTreeMap<Arc<ObjectKey>, BTreeMap<Arc<str>, Claims>>,
    /// Where each topic's object is counted, to find it again when it goes.
    places: BTreeMap<Arc<ObjectKey>, (Arc<ObjectKey>, Arc<str>)>,
    /// The cluster of each user.
    users: BTreeMap<ObjectKey, ObjectKey>,
    roles: BTreeMap<ObjectKey, KafkaRoleSpec>,
    grants: BTreeMap<ObjectKey, KafkaAccessGrant>,
    classes: Option<StorageClasses>,
}

/// What is read of a topic's and a user's spec.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referring {
    cluster_ref: ClusterRef,
    topic_name: Option<String>,
}

impl Around {
    /// With everything there is, from a watch: what is not in it does not exist.
    #[must_use]
    pub fn complete() -> Self {
        Self {
            complete: true,
            ..Self::default()
        }
    }

    /// Whether what is not in it does not exist.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// A namespace is there, with these labels.
    pub fn set_namespace(&mut self, name: &str, labels: BTreeMap<String, String>) {
        self.labels.insert(name.to_owned(), labels);
    }

    /// The labels of a namespace, if it is known.
    #[must_use]
    pub fn labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        self.labels.get(namespace)
    }

    /// These are the storage classes.
    pub fn set_storage_classes(&mut self, classes: StorageClasses) {
        self.classes = Some(classes);
    }

    /// The storage classes, if they are known.
    pub(crate) fn storage_classes(&self) -> Option<&StorageClasses> {
        self.classes.as_ref()
    }

    /// A cluster: none if there is none, and `Some(None)` if it cannot be read.
    #[must_use]
    pub fn cluster(&self, namespace: &str, name: &str) -> Option<Option<&Known>> {
        let found = self.clusters.get(&ObjectKey::new(namespace, name));
        found.map(Option::as_deref)
    }

    /// Takes up an object; what is of no use is let be.
    pub fn take(&mut self, object: &Value) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        let key = ObjectKey::new(
            text("/metadata/namespace").unwrap_or_default(),
            text("/metadata/name").unwrap_or_default(),
        );
        let created = text("/metadata/creationTimestamp").and_then(|at| at.parse().ok());
        // What is not there yet comes last.
        let created = created.map_or(i64::MAX, |at: Timestamp| at.as_second());
        match text("/kind") {
            Some("Namespace") => {
                let labels = object.pointer("/metadata/labels");
                let labels = labels.and_then(|l| serde_json::from_value(l.clone()).ok());
                self.set_namespace(&key.name, labels.unwrap_or_default());
            }
            Some("KafkaCluster") => {
                let known = parse::<KafkaCluster>(object).ok().map(known).map(Box::new);
                self.clusters.insert(key, known);
            }
            Some("KafkaTopic") => {
                self.forget_topic(&key);
                if let Some(refers) = refers(object) {
                    let name: Arc<str> = refers.topic_name.as_deref().unwrap_or(&key.name).into();
                    let (cluster, key) = (cluster_of(&key, &refers.cluster_ref), Arc::new(key));
                    let shared = self.topics.get_key_value(&cluster);
                    let cluster =
                        shared.map_or_else(|| cluster.into(), |(shared, _)| Arc::clone(shared));
                    let topics = self.topics.entry(Arc::clone(&cluster)).or_default();
                    let claims = topics.entry(Arc::clone(&name)).or_default();
                    claims.reserve_exact(1);
                    claims.push((created, Arc::clone(&key)));
                    claims.sort();
                    self.places.insert(key, (cluster, name));
                }
            }
            Some("KafkaUser") => {
                self.users.remove(&key);
                if let Some(refers) = refers(object) {
                    let cluster = cluster_of(&key, &refers.cluster_ref);
                    self.users.insert(key, cluster);
                }
            }
            Some("KafkaRole") => match parse::<KafkaRole>(object) {
                Ok(role) => drop(self.roles.insert(key, role.spec)),
                Err(_) => drop(self.roles.remove(&key)),
            },
            Some("KafkaAccessGrant") => match parse::<KafkaAccessGrant>(object) {
                Ok(grant) => drop(self.grants.insert(key, grant)),
                Err(_) => drop(self.grants.remove(&key)),
            },
            _ => {}
        }
    }

    /// An object of that kind is gone.
    pub fn forget(&mut self, kind: &str, namespace: &str, name: &str) {
        let key = ObjectKey::new(namespace, name);
        match kind {
            "Namespace" => drop(self.labels.remove(name)),
            "KafkaCluster" => drop(self.clusters.remove(&key)),
            "KafkaTopic" => self.forget_topic(&key),
            "KafkaUser" => drop(self.users.remove(&key)),
            "KafkaRole" => drop(self.roles.remove(&key)),
            "KafkaAccessGrant" => drop(self.grants.remove(&key)),
            _ => {}
        }
    }

    /// Namespace and name of all objects of a kind that are known.
    #[must_use]
    pub fn keys(&self, kind: &str) -> BTreeSet<ObjectKey> {
        let clusterwide = |name: &String| ObjectKey::new("", name);
        match kind {
            "Namespace" => self.labels.keys().map(clusterwide).collect(),
            "KafkaCluster" => self.clusters.keys().cloned().collect(),
            "KafkaTopic" => self.places.keys().map(|key| (**key).clone()).collect(),
            "KafkaUser" => self.users.keys().cloned().collect(),
            "KafkaRole" => self.roles.keys().cloned().collect(),
            "KafkaAccessGrant" => self.grants.keys().cloned().collect(),
            _ => BTreeSet::new(),
        }
    }

    fn forget_topic(&mut self, key: &ObjectKey) {
        let Some((cluster, topic)) = self.places.remove(key) else {
            return;
        };
        let Some(topics) = self.topics.get_mut(&cluster) else {
            return;
        };
        if let Some(claims) = topics.get_mut(&topic) {
            claims.retain(|(_, by)| **by != *key);
            if claims.is_empty() {
                topics.remove(&topic);
            }
        }
        if topics.is_empty() {
            self.topics.remove(&cluster);
        }
    }

    /// The topics of a cluster whose names begin with `prefix`, with who declared each first.
    pub(super) fn topics<'a>(
        &'a self,
        cluster: &ObjectKey,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a ObjectKey)> {
        let all = self.topics.get(cluster);
        let from = all.map(|all| all.range::<str, _>((Bound::Included(prefix), Bound::Unbounded)));
        let topics = from.into_iter().flatten();
        topics
            .take_while(move |(name, _)| name.starts_with(prefix))
            .filter_map(|(name, claims)| Some((&**name, &*claims.first()?.1)))
    }

    /// Who else declared a topic of a cluster before `own` did, and may use the cluster; an object that is new has declared
    /// nothing yet.
    #[must_use]
    pub fn declared_before(
        &self,
        own: &ObjectKey,
        to: &ClusterRef,
        topic: &str,
    ) -> Option<&ObjectKey> {
        let claims = self.topics.get(&cluster_of(own, to))?.get(topic)?;
        let to = ClusterRef {
            namespace: Some(to.namespace_from(&own.namespace).to_owned()),
            ..to.clone()
        };
        let may = |by: &&ObjectKey| matches!(self.relation(&by.namespace, &to), Relation::In(_));
        let first = claims.iter().map(|(_, by)| &**by).find(may)?;
        (first != own).then_some(first)
    }

    /// The cluster of a user, if there is such a user.
    pub(super) fn user(&self, key: &ObjectKey) -> Option<&ObjectKey> {
        self.users.get(key)
    }

    /// A role that is not built in.
    pub(super) fn role(&self, key: &ObjectKey) -> Option<&KafkaRoleSpec> {
        self.roles.get(key)
    }

    /// The grants of a cluster that are for `namespace`.
    pub(super) fn grants<'a>(
        &'a self,
        cluster: &'a ObjectKey,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a KafkaAccessGrant> {
        let all = self.grants.iter();
        let of =
            all.filter(move |(key, grant)| cluster_of(key, &grant.spec.cluster_ref) == *cluster);
        of.map(|(_, grant)| grant)
            .filter(move |grant| grant.spec.namespaces.iter().any(|n| n == namespace))
    }
}

pub(super) fn cluster_of(key: &ObjectKey, to: &ClusterRef) -> ObjectKey {
    ObjectKey::new(to.namespace_from(&key.namespace), &to.name)
}

fn refers(object: &Value) -> Option<Referring> {
    Referring::deserialize(object.get("spec")?).ok()
}

/// Nothing is kept that is not read.
fn known(mut cluster: KafkaCluster) -> Known {
    let resolved = resolve(&cluster, None).ok();
    let place = resolved.map(|(resolved, _)| Place::of(&resolved, &cluster.spec.config));
    cluster.status = None;
    cluster.metadata.managed_fields = None;
    cluster.metadata.annotations = None;
    cluster.spec.config.clear();
    cluster.spec.pools.clear();
    cluster.spec.overrides.clear();
    Known { cluster, place }
}
