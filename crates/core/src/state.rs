//! Decisions that must never be taken twice: the cluster id, the directory ids of
//! the first controllers, whether the quorum was formed, and each node's rack.
//!
//! They live in the ConfigMap `<cluster>-state`, written before any Pod starts and
//! kept as long as a volume is kept. Choosing random ids is the caller's part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The decisions that are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterState {
    /// The Kafka cluster id.
    pub cluster_id: String,
    /// Directory ids of the controllers that form the quorum first, by node id (KIP-853).
    pub directory_ids: BTreeMap<i32, String>,
    /// Whether the quorum was seen formed. Once true, `--initial-controllers` is never rendered again.
    pub bootstrapped: bool,
    /// The rack of each node.
    pub racks: BTreeMap<i32, String>,
}
