//! Decisions that must never be taken twice: the cluster id, the directory ids of
//! the first controllers, whether the quorum was formed, and each node's rack.
//!
//! They live in the ConfigMap `<cluster>-state`, written before any Pod starts and
//! kept as long as a volume is kept. Choosing random ids is the caller's part.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use sdm_api::names;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::render;
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
#[error(
    "ConfigMap {name}, key {key}: {problem}; restore it, or delete the cluster's volumes with it to start anew"
)]
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

const CLUSTER_ID: &str = "clusterId";
const DIRECTORY_IDS: &str = "directoryIds";
const INITIAL_CONTROLLERS: &str = "initialControllers";
const BOOTSTRAPPED: &str = "bootstrapped";
const RACKS: &str = "racks";

impl ClusterState {
    /// Reads the ConfigMap `<cluster>-state`.
    ///
    /// # Errors
    /// If a key is missing or is not what was written: nothing is guessed.
    pub fn parse(config_map: &ConfigMap) -> Result<Self, StateError> {
        let reader = Reader { config_map };
        let cluster_id = reader.text(CLUSTER_ID)?;
        if !is_kafka_uuid(cluster_id) {
            return Err(reader.error(CLUSTER_ID, format!("{cluster_id:?} is no Kafka id")));
        }
        let directory_ids: BTreeMap<i32, String> = reader.json(DIRECTORY_IDS)?;
        if let Some((id, directory)) = directory_ids.iter().find(|(_, d)| !is_kafka_uuid(d)) {
            return Err(reader.error(
                DIRECTORY_IDS,
                format!("{directory:?} of node {id} is no Kafka id"),
            ));
        }
        let initial: Vec<i32> = reader.json(INITIAL_CONTROLLERS)?;
        // Volumes that were taken over were formatted by somebody else: nobody is a first voter then.
        let taken_over = initial.is_empty() && reader.text(BOOTSTRAPPED)? == "true";
        if (initial.is_empty() && !taken_over) || !initial.iter().eq(directory_ids.keys()) {
            let message = format!("{initial:?} are not the nodes that {DIRECTORY_IDS} names");
            return Err(reader.error(INITIAL_CONTROLLERS, message));
        }
        let bootstrapped = match reader.text(BOOTSTRAPPED)? {
            "true" => true,
            "false" => false,
            other => {
                return Err(
                    reader.error(BOOTSTRAPPED, format!("{other:?} is neither true nor false"))
                );
            }
        };
        Ok(Self {
            cluster_id: cluster_id.to_owned(),
            directory_ids,
            bootstrapped,
            racks: reader.json(RACKS)?,
        })
    }

    /// The ConfigMap `<cluster>-state`. It outlives the cluster if a volume does.
    #[must_use]
    pub fn render(&self, resolved: &Resolved) -> ConfigMap {
        let name = names::state_config_map(&resolved.name);
        let labels = render::labels(&resolved.name);
        let mut metadata = render::kept(resolved, name, labels);
        if !resolved.retains_volumes() {
            metadata.owner_references = Some(vec![render::owner(resolved)]);
        }
        let initial: Vec<_> = self.directory_ids.keys().collect();
        let data = [
            (CLUSTER_ID, self.cluster_id.clone()),
            (DIRECTORY_IDS, json(&self.directory_ids)),
            (INITIAL_CONTROLLERS, json(&initial)),
            (BOOTSTRAPPED, self.bootstrapped.to_string()),
            (RACKS, json(&self.racks)),
        ];
        ConfigMap {
            metadata,
            data: Some(data.map(|(k, v)| (k.to_owned(), v)).into()),
            ..ConfigMap::default()
        }
    }
}

/// Whether `text` is an id as Kafka writes it: a UUID in URL-safe base64 without padding.
#[must_use]
pub fn is_kafka_uuid(text: &str) -> bool {
    text.len() == 22
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn json(value: &impl Serialize) -> String {
    // Maps of numbers and strings always serialize.
    serde_json::to_string(value).unwrap_or_default()
}

struct Reader<'a> {
    config_map: &'a ConfigMap,
}

impl<'a> Reader<'a> {
    fn text(&self, key: &'static str) -> Result<&'a str, StateError> {
        let text = self.config_map.data.as_ref().and_then(|data| data.get(key));
        text.map(String::as_str)
            .ok_or_else(|| self.error(key, "is missing".to_owned()))
    }

    fn json<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, StateError> {
        serde_json::from_str(self.text(key)?).map_err(|e| self.error(key, e.to_string()))
    }

    fn error(&self, key: &'static str, problem: String) -> StateError {
        let name = self.config_map.metadata.name.clone().unwrap_or_default();
        StateError { name, key, problem }
    }
}
