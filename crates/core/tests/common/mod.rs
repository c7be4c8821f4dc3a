//! Clusters to test with: the examples that are shipped, and the state a controller would choose.

use sdm_api::KafkaCluster;
use sdm_core::{ClusterState, Resolved, decide_racks, resolve};

/// The cluster in `deploy/examples/<name>.yaml`, resolved.
pub fn example(name: &str) -> Resolved {
    let path = format!(
        "{}/../../deploy/examples/{name}.yaml",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let document = text
        .split("\n---\n")
        .find(|d| d.contains("kind: KafkaCluster"))
        .unwrap();
    let mut cluster: KafkaCluster = serde_saphyr::from_str(document).unwrap();
    cluster.metadata.uid = Some("6f2c2a38-1f0e-4a55-9c0b-6ad1c1d5a001".to_owned());
    resolve(&cluster, None).unwrap().0
}

/// Ids that are random in life, and racks of two zones.
pub fn state_of(resolved: &Resolved) -> ClusterState {
    let mut state = ClusterState {
        cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".to_owned(),
        ..ClusterState::default()
    };
    for controller in resolved.controllers() {
        state
            .directory_ids
            .insert(controller.id, format!("Directory{:0>12}g", controller.id));
    }
    decide_racks(
        resolved,
        &["zone-a".to_owned(), "zone-b".to_owned()],
        &std::collections::BTreeSet::new(),
        &mut state.racks,
    );
    state
}
