//! The nouns of Streaming Data Manager: custom resources with their schema,
//! CEL rules and bounds, the names of what a cluster consists of, and conditions.
//!
//! No I/O and no decisions live here: what an object *means* is decided in
//! `sdm-core`, what is done about it in the programs.

pub mod bounds;
pub mod cluster;
pub mod condition;
pub mod config_keys;
pub mod crd;
pub mod names;
pub mod status;
pub mod storage;
pub mod template;

pub use cluster::{
    DeletionPolicy, JvmSpec, KafkaCluster, KafkaClusterSpec, Listener, ListenerTls, NodeOverride,
    NodePool, NodeRole, RackAwareness, TlsSpec,
};
pub use status::{KafkaClusterStatus, ListenerStatus, NodePhase, NodeStatus, QuorumStatus};
pub use storage::{StorageSpec, VolumeSpec};
pub use template::{PodTemplate, ResourceSpec, TemplateMetadata};

/// The API group of every kind.
pub const GROUP: &str = "kafka.sdm.dev";
/// The served and stored version.
pub const VERSION: &str = "v1beta1";
/// Kafka versions a cluster may run. Each one is exercised by the tests.
pub const SUPPORTED_VERSIONS: [&str; 2] = ["4.2.2", "4.3.1"];
/// The version a cluster runs unless told otherwise.
pub const DEFAULT_VERSION: &str = "4.3.1";
