//! What policies are asked about: one object, as it is to be stored or as it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::policy::PolicyKind;
use sdm_api::{KafkaACL, KafkaCluster, KafkaRole, KafkaTopic, KafkaUser};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::kinds::parse;
use crate::resolve::{Resolved, merged};

/// A question to the policies.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The object's kind.
    pub kind: PolicyKind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The object.
    pub object: &'a Value,
    /// The object before the change, if there is one.
    pub old: Option<&'a Value>,
    /// What CEL rules see as `request`; none if the object exists already and nobody changes it.
    pub request: Option<&'a Value>,
    /// The namespace, as an object; none while it is not known.
    pub namespace_object: Option<&'a Value>,
    /// The object's `KafkaCluster`, if there is one.
    pub cluster: Option<&'a Value>,
    /// What the namespace's other topics in the same cluster come to; none if that is not known.
    pub others: Option<Totals>,
    /// What time it is.
    pub now: &'a Time,
}

/// What topics come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many topics.
    pub topics: i64,
    /// How many partitions; a topic that does not say it counts as one.
    pub partitions: i64,
}

impl Totals {
    /// With one more topic.
    pub fn add(&mut self, partitions: Option<i32>) {
        self.topics = self.topics.saturating_add(1);
        self.partitions = self
            .partitions
            .saturating_add(i64::from(partitions.unwrap_or(1)));
    }
}

impl Asked<'_> {
    /// Whether the object is being created.
    pub(super) fn creates(&self) -> bool {
        self.request.is_some() && self.old.is_none()
    }
}

/// The object as its type, read once for all policies. What does not fit its type is refused as invalid by others, so
/// structured limits say nothing about it.
pub(super) enum Typed {
    Cluster(Box<KafkaCluster>, Box<Resolved>),
    Topic(Box<KafkaTopic>),
    User(Box<KafkaUser>),
    Role(Box<KafkaRole>),
    Acl(Box<KafkaACL>),
    Other,
}

impl Typed {
    pub(super) fn of(kind: PolicyKind, object: &Value) -> Self {
        match kind {
            PolicyKind::KafkaCluster => read::<KafkaCluster>(object).map(|cluster| {
                let meant = merged(&cluster);
                Self::Cluster(Box::new(cluster), Box::new(meant))
            }),
            PolicyKind::KafkaTopic => read(object).map(|o| Self::Topic(Box::new(o))),
            PolicyKind::KafkaUser => read(object).map(|o| Self::User(Box::new(o))),
            PolicyKind::KafkaRole => read(object).map(|o| Self::Role(Box::new(o))),
            PolicyKind::KafkaACL => read(object).map(|o| Self::Acl(Box::new(o))),
            PolicyKind::KafkaAccessGrant => None,
        }
        .unwrap_or(Self::Other)
    }
}

fn read<K: DeserializeOwned>(object: &Value) -> Option<K> {
    parse(object).ok()
}

/// The namespace and name of the Kafka cluster that an object belongs to.
pub fn cluster_of<'a>(
    kind: PolicyKind,
    namespace: &'a str,
    name: &'a str,
    object: &'a Value,
) -> Option<(&'a str, &'a str)> {
    match kind {
        PolicyKind::KafkaCluster => Some((namespace, name)),
        PolicyKind::KafkaRole => None,
        _ => {
            let reference = object.get("spec")?.get("clusterRef")?;
            let name = reference.get("name")?.as_str()?;
            let other = reference.get("namespace").and_then(Value::as_str);
            Some((other.unwrap_or(namespace), name))
        }
    }
}
