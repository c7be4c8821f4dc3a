//! The world as observed, all that a decision may look at.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Pod, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use sdm_api::KafkaCluster;

use crate::eviction::Question;

/// One cluster, its objects and its Kafka, seen at about the same time.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The object as stored.
    pub cluster: KafkaCluster,
    /// What exists of it.
    pub objects: Objects,
    /// What the certificates in its Secrets say, by the Secret's name; a Secret whose certificate
    /// cannot be read is not here.
    pub certificates: BTreeMap<String, CertificateView>,
    /// Racks that schedulable Kubernetes nodes name, sorted.
    pub zones: Vec<String>,
    /// What Kafka says; none while it cannot be asked.
    pub kafka: Option<KafkaView>,
    /// How many seconds ago Kafka said it. Nothing that takes a node down is decided on an old answer.
    pub kafka_age: i64,
    /// Why Kafka could not be asked, if it was tried.
    pub kafka_error: Option<String>,
    /// Pods that somebody wants evicted, by name.
    pub evictions: BTreeMap<String, Question>,
    /// Seconds since the epoch; the only clock a decision sees.
    pub now: i64,
    /// Random ids as Kafka writes them, one for the cluster and one for each controller, for
    /// when they have to be chosen. A decision is a function of its input, dice included.
    pub fresh_ids: Vec<String>,
}

/// What a certificate says, read by the observer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateView {
    /// The subject's common name, when the subject is exactly that.
    pub common_name: Option<String>,
    /// DNS names.
    pub dns: Vec<String>,
    /// Begin of validity, seconds since the epoch.
    pub not_before: i64,
    /// End of validity, seconds since the epoch.
    pub not_after: i64,
    /// Whether the cluster's present authority signed it.
    pub of_authority: bool,
    /// A hash of the certificate.
    pub hash: String,
}

/// The Kubernetes objects of one cluster.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// ConfigMaps by name.
    pub config_maps: BTreeMap<String, ConfigMap>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// PersistentVolumeClaims by name.
    pub claims: BTreeMap<String, PersistentVolumeClaim>,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// ServiceAccounts by name.
    pub service_accounts: BTreeMap<String, ServiceAccount>,
    /// PodDisruptionBudgets by name.
    pub budgets: BTreeMap<String, PodDisruptionBudget>,
}

/// What Kafka itself says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KafkaView {
    /// Registered brokers by id.
    pub brokers: BTreeMap<i32, BrokerView>,
    /// The metadata quorum.
    pub quorum: Option<QuorumView>,
    /// The health of all partitions.
    pub partitions: PartitionHealth,
    /// Replicas that each broker hosts, by broker id.
    pub hosted: BTreeMap<i32, u64>,
    /// Replicas of each broker that are in sync, by broker id.
    pub in_sync: BTreeMap<i32, u64>,
    /// By broker id, the partitions that would have fewer replicas in sync than their `min.insync.replicas` without it.
    /// None if that was not asked: it takes the configuration of every topic.
    pub short_without: Option<BTreeMap<i32, Short>>,
}

/// Partitions that cannot do without a broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Short {
    /// How many.
    pub count: u32,
    /// Up to three of them, as `topic-0`.
    pub examples: Vec<String>,
}

/// One registered broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerView {
    /// Whether the controller fences it off: registered and not serving.
    pub fenced: bool,
    /// Its `broker.rack`.
    pub rack: Option<String>,
}

/// The metadata quorum (DescribeQuorum).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuorumView {
    /// The active controller.
    pub leader: Option<i32>,
    /// Voters by id.
    pub voters: BTreeMap<i32, ReplicaView>,
    /// Observers by id.
    pub observers: BTreeMap<i32, ReplicaView>,
}

/// One voter or observer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaView {
    /// Its metadata directory's id.
    pub directory_id: String,
    /// Records it is behind the leader.
    pub lag: i64,
    /// Milliseconds since it was last caught up; none if unknown.
    pub caught_up_ms_ago: Option<i64>,
}

/// The health of all partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionHealth {
    /// Partitions in all.
    pub total: u32,
    /// Without a leader.
    pub offline: u32,
    /// With a replica out of sync.
    pub under_replicated: u32,
    /// Up to three of those, as `topic-0`.
    pub examples: Vec<String>,
}
