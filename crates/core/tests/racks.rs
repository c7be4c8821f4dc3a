//! Racks are spread evenly, whatever the cluster, and a decision once taken stays.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use sdm_api::KafkaCluster;
use sdm_core::{Node, Resolved, decide_racks, resolve};
use serde_json::json;

/// A cluster with ids of each kind: both roles, controllers only, brokers only.
fn cluster(kinds: &BTreeMap<i32, u8>) -> Resolved {
    let pool = |kind: u8, roles: &[&str]| {
        let ids: Vec<_> = kinds
            .iter()
            .filter(|(_, k)| **k == kind)
            .map(|(id, _)| *id)
            .collect();
        let volumes = json!([{"name": "data", "size": "1Gi"}]);
        json!({"name": format!("p{kind}"), "roles": roles, "nodeIds": ids, "storage": {"volumes": volumes}})
    };
    let pools = [
        pool(0, &["broker", "controller"]),
        pool(1, &["controller"]),
        pool(2, &["broker"]),
    ];
    let pools: Vec<_> = pools
        .into_iter()
        .filter(|p| p["nodeIds"].as_array().is_some_and(|ids| !ids.is_empty()))
        .collect();
    let value = json!({"apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"name": "c", "namespace": "n"}, "spec": {"pools": pools}});
    let cluster: KafkaCluster = serde_json::from_value(value).unwrap();
    resolve(&cluster, None).unwrap().0
}

fn zones(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("z{i}")).collect()
}

fn difference(
    resolved: &Resolved,
    racks: &BTreeMap<i32, String>,
    zones: &[String],
    role: fn(&Node) -> bool,
) -> usize {
    let count = |zone: &String| {
        racks
            .iter()
            .filter(|(id, z)| *z == zone && role(&resolved.nodes[id]))
            .count()
    };
    let counts: Vec<_> = zones.iter().map(count).collect();
    counts.iter().max().unwrap() - counts.iter().min().unwrap()
}

/// No node has a volume yet.
fn fresh() -> BTreeSet<i32> {
    BTreeSet::new()
}

/// Id 0 has both roles, so that every cluster is one.
fn kinds() -> impl Strategy<Value = BTreeMap<i32, u8>> {
    btree_map(1..60i32, 0..3u8, 0..20).prop_map(|mut kinds| {
        kinds.insert(0, 0);
        kinds
    })
}

proptest! {
    #[test]
    fn a_fresh_cluster_is_even_for_each_role(kinds in kinds(), n in 1..6usize) {
        let (resolved, zones) = (cluster(&kinds), zones(n));
        let mut racks = BTreeMap::new();
        prop_assert!(decide_racks(&resolved, &zones, &fresh(), &mut racks));
        prop_assert_eq!(racks.len(), resolved.nodes.len());
        for role in [Node::is_broker as fn(&Node) -> bool, Node::is_controller] {
            prop_assert!(difference(&resolved, &racks, &zones, role) <= 1, "{:?} {:?}", kinds, racks);
        }
        let before = racks.clone();
        prop_assert!(!decide_racks(&resolved, &zones, &fresh(), &mut racks), "it was decided");
        prop_assert_eq!(before, racks);
    }

    #[test]
    fn decisions_stay_and_nodes_that_are_gone_are_forgotten(
        first in kinds(), second in kinds(), n in 1..6usize, m in 1..6usize
    ) {
        let mut racks = BTreeMap::new();
        decide_racks(&cluster(&first), &zones(n), &fresh(), &mut racks);
        let before = racks.clone();
        let resolved = cluster(&second);
        decide_racks(&resolved, &zones(m), &fresh(), &mut racks);
        prop_assert!(racks.keys().eq(resolved.nodes.keys()));
        for (id, rack) in &racks {
            prop_assert!(before.get(id).is_none_or(|was| was == rack));
        }
    }

    #[test]
    fn the_order_of_zones_does_not_matter(kinds in kinds(), names in btree_set("[a-c]{1,3}", 1..5), seed in vec(any::<u8>(), 5)) {
        let resolved = cluster(&kinds);
        let sorted: Vec<String> = names.into_iter().collect();
        let mut shuffled = sorted.clone();
        for (i, s) in seed.iter().enumerate() {
            let len = shuffled.len();
            shuffled.swap(i % len, *s as usize % len);
        }
        let (mut a, mut b) = (BTreeMap::new(), BTreeMap::new());
        decide_racks(&resolved, &sorted, &fresh(), &mut a);
        decide_racks(&resolved, &shuffled, &fresh(), &mut b);
        prop_assert_eq!(a, b);
    }
}

#[test]
fn without_racks_nothing_is_decided() {
    let mut resolved = cluster(&BTreeMap::from([(0, 0), (1, 0)]));
    let mut racks = BTreeMap::new();
    assert!(
        !decide_racks(&resolved, &[], &fresh(), &mut racks) && racks.is_empty(),
        "no Kubernetes node names one"
    );
    resolved.rack_awareness.enabled = false;
    assert!(
        !decide_racks(&resolved, &zones(3), &fresh(), &mut racks) && racks.is_empty(),
        "not wanted"
    );
    resolved.rack_awareness.enabled = true;
    resolved.rack_awareness.zones = vec!["only".into()];
    decide_racks(&resolved, &zones(3), &fresh(), &mut racks);
    assert!(racks.values().all(|z| z == "only"), "{racks:?}");
}

/// A volume may be tied to its rack: naming a node again must not send it to another one.
#[test]
fn a_node_with_a_volume_keeps_its_rack_and_is_given_none() {
    let three = cluster(&BTreeMap::from([(0, 0), (1, 0), (2, 0)]));
    let mut racks = BTreeMap::new();
    decide_racks(&three, &zones(3), &fresh(), &mut racks);
    let before = racks.clone();
    let claimed = BTreeSet::from([0, 1, 2]);
    let one = cluster(&BTreeMap::from([(0, 0)]));
    decide_racks(&one, &zones(3), &claimed, &mut racks);
    // The order of coming back is not the order of the first decision.
    let two = cluster(&BTreeMap::from([(0, 0), (2, 0)]));
    decide_racks(&two, &zones(3), &claimed, &mut racks);
    assert_eq!(racks, before);

    let mut none = BTreeMap::new();
    decide_racks(&three, &zones(3), &BTreeSet::from([0, 1]), &mut none);
    assert_eq!(
        none.keys().collect::<Vec<_>>(),
        [&2],
        "volumes made before any rack was decided"
    );
}
