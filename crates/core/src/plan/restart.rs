//! Restarts: one node at a time, controllers before brokers, the active controller last, each
//! only while Kafka can do without it.
//!
//! Kafka's controlled shutdown checks no minimum of in-sync replicas, so these conditions are the
//! only guard. They are evaluated twice: when planning, and on a fresh look just before acting.
//! A node that is down anyway is restarted without them: the roll that mends it must not wait for
//! it to be well.

use std::collections::BTreeMap;

use sdm_api::names;

use super::evictions::permitted;
use super::node::{caught_up, container_ready};
use super::{Action, FRESH_S, Kind, NodeView, PodState, Step};
use crate::render::NodeObjects;
use crate::resolve::{Node, Resolved};
use crate::snapshot::{KafkaView, Snapshot};
use crate::state::ClusterState;

/// A node that starts for longer than this while Kafka cannot be asked may be restarted for a change.
const PATIENCE_S: i64 = 60;

pub(super) fn steps(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: &ClusterState,
    nodes: &BTreeMap<i32, NodeObjects>,
    views: &BTreeMap<i32, NodeView>,
    before: Option<&str>,
    steps: &mut Vec<Step>,
) {
    let leader = snapshot
        .kafka
        .as_ref()
        .and_then(|k| k.quorum.as_ref())
        .and_then(|q| q.leader);
    let mut outdated: Vec<&Node> = resolved
        .nodes
        .values()
        .filter(|n| {
            views.get(&n.id).is_some_and(|v| {
                v.outdated && !matches!(v.pod, PodState::Leaving(_) | PodState::Dead(_))
            })
        })
        .collect();
    // Nodes that are down first: they cost nothing and may be what the others wait for.
    outdated.sort_by_key(|n| {
        let down = views.get(&n.id).is_some_and(|v| !v.serves());
        (!down, n.is_broker(), leader == Some(n.id), n.id)
    });
    let mut first: Option<String> = None;
    for node in outdated {
        let (Some(view), Some(objects)) = (views.get(&node.id), nodes.get(&node.id)) else {
            continue;
        };
        let Some(uid) = view.uid.clone() else {
            continue;
        };
        let pod = names::node(&resolved.name, node.id);
        let name = format!("RestartNode/{}", node.id);
        let reason = reason(snapshot, &pod, objects);
        // One that starts and is counted in already serves, whatever its Pod says yet.
        let counts = matches!(view.pod, PodState::Starting { .. }) && view.counted == Some(true);
        let verdict = if view.serves() || counts {
            // One at a time: behind whatever else is to be restarted or created.
            match &first {
                Some(first) => Err(first.clone()),
                None => may_stop(snapshot, resolved, state, views, node.id),
            }
        } else {
            may_replace_now(snapshot, resolved, view, node)
        };
        let wait = before.map(str::to_owned).or(verdict.err());
        let action = Action::Delete {
            kind: Kind::Pod,
            name: pod,
            uid,
            disruptive: true,
        };
        first.get_or_insert_with(|| name.clone());
        steps.push(Step::new(name, reason, action).after(wait));
    }
}

fn reason(snapshot: &Snapshot, pod: &str, objects: &NodeObjects) -> String {
    let running = snapshot
        .objects
        .pods
        .get(pod)
        .and_then(|p| {
            p.metadata
                .annotations
                .as_ref()?
                .get(names::ANNOTATION_REVISION)
        })
        .map_or("none", String::as_str);
    format!(
        "its Pod runs revision {running}, revision {} is wanted",
        objects.revision
    )
}

/// Whether a node that does not serve may be replaced, by what its Pod says.
pub(super) fn may_replace_now(
    snapshot: &Snapshot,
    resolved: &Resolved,
    view: &NodeView,
    node: &Node,
) -> Result<(), String> {
    let pod = names::node(&resolved.name, node.id);
    let held =
        view.gate == Some(true) && snapshot.objects.pods.get(&pod).is_some_and(container_ready);
    may_replace(snapshot, view, node, held)
}

/// Whether Kafka can do without a node that serves.
pub(super) fn may_stop(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: &ClusterState,
    views: &BTreeMap<i32, NodeView>,
    id: i32,
) -> Result<(), String> {
    if let Some((other, view)) = views
        .iter()
        .find(|(other, v)| **other != id && !v.kafka_serves())
    {
        return Err(format!(
            "node {other}: {}",
            view.why().unwrap_or("it does not serve")
        ));
    }
    if let Some(other) = permitted(snapshot, resolved, id) {
        return Err(format!(
            "node {other} to be evicted, as it may be for a moment"
        ));
    }
    let kafka = fresh(snapshot)?;
    for node in resolved.brokers() {
        match kafka.brokers.get(&node.id) {
            None => return Err(format!("broker {} to register", node.id)),
            Some(broker) if broker.fenced => {
                return Err(format!("broker {} to be unfenced", node.id));
            }
            Some(_) => {}
        }
    }
    quorum_whole(kafka, resolved, state)?;
    let health = &kafka.partitions;
    let examples = if health.examples.is_empty() {
        String::new()
    } else {
        format!(" ({})", health.examples.join(", "))
    };
    if health.offline > 0 {
        return Err(format!(
            "{} partitions to have a leader{examples}",
            health.offline
        ));
    }
    if health.under_replicated > 0 {
        return Err(format!(
            "{} partitions to be in sync{examples}",
            health.under_replicated
        ));
    }
    Ok(())
}

/// Whether a node that does not serve may be replaced: nothing must hang on it. `held`: Kafka counted
/// it in when it was last asked, and its container is ready; then only Kafka can say that it is not needed.
fn may_replace(
    snapshot: &Snapshot,
    view: &NodeView,
    node: &Node,
    held: bool,
) -> Result<(), String> {
    match &view.pod {
        // Kafka does not run in it.
        PodState::Broken(_) | PodState::Pending(_) => Ok(()),
        PodState::Starting { why, since } => {
            // A view taken from the controllers alone does not know replicas.
            let known = snapshot
                .kafka
                .as_ref()
                .filter(|k| snapshot.kafka_age <= FRESH_S && !k.brokers.is_empty());
            let Some(kafka) = known else {
                let waited = snapshot.now.saturating_sub(*since);
                return if held {
                    Err("Kafka to say what hangs on it".to_owned())
                } else if waited >= PATIENCE_S {
                    Ok(())
                } else {
                    Err(format!("it to start: {why}"))
                };
            };
            if let Some(count) = kafka.in_sync.get(&node.id).filter(|count| **count > 0) {
                return Err(format!(
                    "it to start: it holds {count} replicas that are in sync"
                ));
            }
            let Some(quorum) = kafka.quorum.as_ref().filter(|_| node.is_controller()) else {
                return Ok(());
            };
            let others = quorum
                .voters
                .iter()
                .filter(|(id, v)| **id != node.id && caught_up(v))
                .count();
            if quorum.voters.contains_key(&node.id) && others * 2 <= quorum.voters.len() {
                return Err("enough other controllers to keep the quorum".to_owned());
            }
            Ok(())
        }
        PodState::Absent | PodState::Leaving(_) | PodState::Dead(_) | PodState::Serving => Ok(()),
    }
}

fn fresh(snapshot: &Snapshot) -> Result<&KafkaView, String> {
    match &snapshot.kafka {
        Some(view) if snapshot.kafka_age <= FRESH_S => Ok(view),
        _ => Err(match &snapshot.kafka_error {
            Some(error) => format!("an answer from Kafka: {error}"),
            None => "an answer from Kafka".to_owned(),
        }),
    }
}

/// Whether the quorum has a leader and lacks nobody, so that it survives the loss of one. Every
/// broker must follow the metadata log too: one that is behind would answer out of the past.
fn quorum_whole(
    kafka: &KafkaView,
    resolved: &Resolved,
    state: &ClusterState,
) -> Result<(), String> {
    let Some(quorum) = &kafka.quorum else {
        return Err("Kafka to describe its quorum".to_owned());
    };
    if quorum.leader.is_none() {
        return Err("the quorum to elect a leader".to_owned());
    }
    if let Some(id) = state
        .directory_ids
        .keys()
        .find(|id| !quorum.voters.contains_key(id))
    {
        return Err(format!("controller {id} to be a voter"));
    }
    if let Some((id, _)) = quorum.voters.iter().find(|(_, v)| !caught_up(v)) {
        return Err(format!("controller {id} to catch up with the quorum"));
    }
    let behind = resolved
        .brokers()
        .find(|n| quorum.observers.get(&n.id).is_some_and(|o| !caught_up(o)));
    behind.map_or(Ok(()), |n| {
        Err(format!("broker {} to catch up with the metadata", n.id))
    })
}
