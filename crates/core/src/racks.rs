//! Which node lives in which rack. A rack is a decision, not a discovery: taken once
//! and remembered in [`crate::ClusterState`], so no Pod needs to read Kubernetes nodes.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve::{Node, Resolved};

/// Decides the rack of every node that has none yet, spreading each role evenly; forgets nodes
/// that are gone. `zones` are the racks that Kubernetes nodes name. Answers whether `racks` changed.
///
/// A decision once taken stays: the node's volumes live there. So it does for a node of `claimed`, which has volumes,
/// even while it is out of the spec; and where none was taken before the volumes were, none is: they may live elsewhere.
pub fn decide_racks(
    resolved: &Resolved,
    zones: &[String],
    claimed: &BTreeSet<i32>,
    racks: &mut BTreeMap<i32, String>,
) -> bool {
    let before = racks.clone();
    racks.retain(|id, _| resolved.nodes.contains_key(id) || claimed.contains(id));
    let awareness = &resolved.rack_awareness;
    if awareness.enabled {
        let wanted = if awareness.zones.is_empty() {
            zones
        } else {
            &awareness.zones
        };
        let usable: BTreeSet<&str> = wanted
            .iter()
            .map(String::as_str)
            .filter(|z| !z.is_empty())
            .collect();
        let mut undecided: Vec<&Node> = resolved
            .nodes
            .values()
            .filter(|n| !racks.contains_key(&n.id) && !claimed.contains(&n.id))
            .collect();
        // Nodes that do both come first, while both counts are equal; so either role ends up even.
        undecided.sort_by_key(|n| (std::cmp::Reverse(n.roles.len()), n.id));
        for node in undecided {
            if let Some(zone) = best(resolved, node, &usable, racks) {
                racks.insert(node.id, zone);
            }
        }
    }
    *racks != before
}

/// The rack that has fewest nodes doing the same; fewest nodes in all, then the first by name,
/// where that is equal.
fn best(
    resolved: &Resolved,
    node: &Node,
    zones: &BTreeSet<&str>,
    racks: &BTreeMap<i32, String>,
) -> Option<String> {
    let count = |zone: &str, counts: &dyn Fn(&Node) -> bool| {
        racks
            .iter()
            .filter(|(id, z)| *z == zone && resolved.nodes.get(id).is_some_and(counts))
            .count()
    };
    let best = zones.iter().min_by_key(|&&zone| {
        // Controllers are few, so a rack too many of them is what hurts: they come first.
        let controllers = if node.is_controller() {
            count(zone, &Node::is_controller)
        } else {
            0
        };
        let brokers = if node.is_broker() {
            count(zone, &Node::is_broker)
        } else {
            0
        };
        (controllers, brokers, count(zone, &|_| true), zone)
    });
    best.map(|zone| (*zone).to_owned())
}
