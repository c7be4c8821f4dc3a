//! The nouns of Streaming Data Manager: custom resources with their schema,
//! CEL rules and bounds, the names of what a cluster consists of, and conditions.
//!
//! No I/O and no decisions live here: what an object *means* is decided in
//! `sdm-core`, what is done about it in the programs.

// The derive of custom resources takes one `printcolumn` a column, which the lint takes for the same attribute twice.
#![allow(clippy::duplicated_attributes)]

pub mod access;
pub mod bounds;
pub mod cluster;
pub mod condition;
pub mod config_keys;
pub mod crd;
pub mod inject;
pub mod names;
pub mod policy;
pub mod reference;
pub mod status;
pub mod storage;
pub mod template;
pub mod topic;
pub mod user;

pub use access::{
    AclResource, AclSubject, GrantedTopic, KafkaACL, KafkaACLSpec, KafkaACLStatus,
    KafkaAccessGrant, KafkaAccessGrantSpec, KafkaRole, KafkaRoleSpec, Operation, Permission,
    ResourceType, RoleRule, SubjectKind,
};
pub use cluster::{
    DeletionPolicy, Injection, InjectionMode, JvmSpec, KafkaCluster, KafkaClusterSpec, Listener,
    ListenerTls, NodeOverride, NodePool, NodeRole, RackAwareness, SaslMechanism, Tenancy, TlsSpec,
};
pub use policy::{
    Enforcement, KafkaPolicy, KafkaPolicySpec, KafkaPolicyStatus, PolicyKind, PolicyViolation,
};
pub use reference::{BasicStatus, ClusterRef, Pattern};
pub use status::{KafkaClusterStatus, ListenerStatus, NodePhase, NodeStatus, QuorumStatus};
pub use storage::{StorageSpec, VolumeSpec};
pub use template::{PodTemplate, ResourceSpec, TemplateMetadata};
pub use topic::{
    Adoption, DriftPolicy, KafkaTopic, KafkaTopicSpec, KafkaTopicStatus, TopicDeletionPolicy,
};
pub use user::{
    Authentication, CertificateSpec, KafkaUser, KafkaUserSpec, KafkaUserStatus, PasswordSpec,
    PreviousCredential, QuotaSpec, SecretFormat, SecretKey, SecretTemplate,
};

/// The API group of every kind.
pub const GROUP: &str = "kafka.sdm.dev";
/// The served and stored version.
pub const VERSION: &str = "v1beta1";
/// Kafka versions a cluster may run. Each one is exercised by the tests.
pub const SUPPORTED_VERSIONS: [&str; 2] = ["4.2.2", "4.3.1"];
/// The version a cluster runs unless told otherwise.
pub const DEFAULT_VERSION: &str = "4.3.1";
