//! Where a node may run: in its rack, and rather not beside its peers.

use k8s_openapi::api::core::v1::{
    Affinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodAffinityTerm,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sdm_api::names;

use super::meta;
use crate::resolve::{Node, Resolved};
use crate::state::ClusterState;

/// The user's rules with the rack's and the preference for separate hosts added.
pub(super) fn render(resolved: &Resolved, state: &ClusterState, node: &Node) -> Affinity {
    let mut affinity = node.template.affinity.clone().unwrap_or_default();
    if let (true, Some(rack)) = (resolved.rack_awareness.enabled, state.racks.get(&node.id)) {
        pin(&mut affinity, &resolved.rack_awareness.topology_key, rack);
    }
    let separate = WeightedPodAffinityTerm {
        weight: 100,
        pod_affinity_term: PodAffinityTerm {
            label_selector: Some(LabelSelector {
                match_labels: Some(meta::map([(names::LABEL_CLUSTER, resolved.name.as_str())])),
                match_expressions: None,
            }),
            topology_key: "kubernetes.io/hostname".to_owned(),
            ..PodAffinityTerm::default()
        },
    };
    let apart = affinity.pod_anti_affinity.get_or_insert_default();
    apart
        .preferred_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .push(separate);
    affinity
}

/// Terms are alternatives, so the rack is demanded in every one of them.
fn pin(affinity: &mut Affinity, topology_key: &str, rack: &str) {
    let in_rack = NodeSelectorRequirement {
        key: topology_key.to_owned(),
        operator: "In".to_owned(),
        values: Some(vec![rack.to_owned()]),
    };
    let required = &mut affinity
        .node_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution;
    let selector = required.get_or_insert_with(|| NodeSelector {
        node_selector_terms: Vec::new(),
    });
    if selector.node_selector_terms.is_empty() {
        selector
            .node_selector_terms
            .push(NodeSelectorTerm::default());
    }
    for term in &mut selector.node_selector_terms {
        term.match_expressions
            .get_or_insert_default()
            .push(in_rack.clone());
    }
}
