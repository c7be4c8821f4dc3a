//! Decisions that must never be taken twice: the cluster id, the directory ids of
//! the first controllers, whether the quorum was formed, and each node's rack.
//!
//! They live in the ConfigMap `<cluster>-state`, written before any Pod starts and
//! kept as long as a volume is kept. Choosing random ids is the caller's part.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use serde::{Deserialize, Serialize};

use crate::resolve::Resolved;

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

/// The remembered decisions cannot be read. Going on would risk taking them anew.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("ConfigMap {name}, key {key}: {problem}")]
pub struct StateError {
    /// The ConfigMap.
    pub name: String,
    /// The key in it.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl StateError {
    /// The condition's reason.
    pub const REASON: &'static str = "StateUnreadable";
}

impl ClusterState {
    /// Reads the ConfigMap `<cluster>-state`.
    ///
    /// # Errors
    /// If a key is missing or is not what was written: nothing is guessed.
    pub fn parse(config_map: &ConfigMap) -> Result<Self, StateError> {
        let _ = config_map;
        Ok(Self::default())
    }

    /// The ConfigMap `<cluster>-state`. It outlives the cluster if a volume does.
    #[must_use]
    pub fn render(&self, resolved: &Resolved) -> ConfigMap {
        let _ = resolved;
        ConfigMap::default()
    }
}
