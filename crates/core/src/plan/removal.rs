//! Nodes that are in no pool any more: each waits until Kafka shows that it hosts nothing.
//!
//! Volumes whose policy is `Retain` have no owner and stay; the others go with the node.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sdm_api::names;

use super::objects::foreign;
use super::{Action, FRESH_S, Kind, Stall, Step};
use crate::resolve::Resolved;
use crate::snapshot::Snapshot;

/// Ids of nodes that exist and are not wanted.
pub(crate) fn leaving(snapshot: &Snapshot, resolved: &Resolved) -> BTreeSet<i32> {
    leftovers(snapshot, resolved).into_keys().collect()
}

/// What is left of nodes that are not wanted.
fn leftovers<'a>(
    snapshot: &'a Snapshot,
    resolved: &Resolved,
) -> BTreeMap<i32, Vec<(Kind, &'a ObjectMeta)>> {
    let objects = &snapshot.objects;
    let owned = |meta: &ObjectMeta| !meta.owner_references.as_ref().is_none_or(Vec::is_empty);
    let pods = objects.pods.values().map(|o| (Kind::Pod, &o.metadata));
    let rest = (objects
        .config_maps
        .values()
        .map(|o| (Kind::ConfigMap, &o.metadata)))
    .chain(
        objects
            .secrets
            .values()
            .map(|o| (Kind::Secret, &o.metadata)),
    )
    .chain(
        objects
            .claims
            .values()
            .map(|o| (Kind::PersistentVolumeClaim, &o.metadata))
            .filter(|(_, m)| owned(m)),
    );
    let mut found: BTreeMap<i32, Vec<(Kind, &ObjectMeta)>> = BTreeMap::new();
    for (kind, meta) in pods.chain(rest) {
        let Some(id) = meta
            .labels
            .as_ref()
            .and_then(|l| l.get(names::LABEL_NODE_ID)?.parse::<i32>().ok())
        else {
            continue;
        };
        // What an older incarnation of the cluster left is the garbage collector's.
        let ours = meta.deletion_timestamp.is_some() || foreign(meta, &resolved.uid, "").is_none();
        if !resolved.nodes.contains_key(&id) && ours {
            found.entry(id).or_default().push((kind, meta));
        }
    }
    found
}

/// A controller cannot leave yet: it would stay a voter that never votes. The webhook refuses it;
/// this holds when the webhook was down.
pub(super) fn stall(snapshot: &Snapshot, resolved: &Resolved) -> Option<Stall> {
    let found = leftovers(snapshot, resolved);
    let id = found
        .iter()
        .find(|(id, objects)| is_controller(snapshot, **id, objects))?
        .0;
    Some(Stall {
        reason: "ControllerRemoval",
        message: format!(
            "spec.pools: node {id} is a controller, and removing a controller is not supported yet; name it in a pool again"
        ),
    })
}

fn is_controller(snapshot: &Snapshot, id: i32, objects: &[(Kind, &ObjectMeta)]) -> bool {
    let labelled = objects.iter().any(|(kind, meta)| {
        *kind == Kind::Pod
            && meta
                .labels
                .as_ref()
                .and_then(|l| l.get(names::LABEL_CONTROLLER))
                .is_some_and(|v| v == "true")
    });
    let quorum = snapshot.kafka.as_ref().and_then(|k| k.quorum.as_ref());
    labelled || quorum.is_some_and(|q| q.voters.contains_key(&id))
}

pub(super) fn steps(snapshot: &Snapshot, resolved: &Resolved, steps: &mut Vec<Step>) {
    for (id, objects) in leftovers(snapshot, resolved) {
        let name = format!("RemoveNode/{id}");
        let reason = "the node is in no pool any more";
        if is_controller(snapshot, id, &objects) {
            steps.push(Step::wait(
                name,
                reason,
                "the node to be named in a pool again: a controller cannot be removed yet",
            ));
            continue;
        }
        let pod = objects.iter().find(|(kind, _)| *kind == Kind::Pod);
        if let Some((_, meta)) = pod {
            let wait = if meta.deletion_timestamp.is_some() {
                Some(format!(
                    "Pod {} to be gone",
                    meta.name.as_deref().unwrap_or_default()
                ))
            } else {
                hosts(snapshot, id)
            };
            steps.push(Step::new(name, reason, delete(Kind::Pod, meta, true)).after(wait));
            continue;
        }
        if let Some(wait) = hosts(snapshot, id) {
            steps.push(Step::wait(
                name,
                reason,
                format!("{wait}; it has no Pod: name it in a pool again to bring it back"),
            ));
            continue;
        }
        for (kind, meta) in objects {
            let object = meta.name.as_deref().unwrap_or_default();
            let wait = meta
                .deletion_timestamp
                .as_ref()
                .map(|_| format!("{} {object} to be gone", kind.name()));
            steps.push(
                Step::new(
                    format!("{name}/{}/{object}", kind.name()),
                    reason,
                    delete(kind, meta, false),
                )
                .after(wait),
            );
        }
    }
}

fn delete(kind: Kind, meta: &ObjectMeta, disruptive: bool) -> Action {
    let name = meta.name.clone().unwrap_or_default();
    Action::Delete {
        kind,
        name,
        uid: meta.uid.clone().unwrap_or_default(),
        disruptive,
    }
}

/// What the node still hosts, as a sentence to wait with.
fn hosts(snapshot: &Snapshot, id: i32) -> Option<String> {
    let known = snapshot
        .kafka
        .as_ref()
        .filter(|k| snapshot.kafka_age <= FRESH_S && !k.brokers.is_empty());
    let Some(kafka) = known else {
        return Some("Kafka to say what the node hosts".to_owned());
    };
    let count = kafka.hosted.get(&id).copied().unwrap_or_default();
    (count > 0).then(|| {
        format!("{count} replicas to be moved away from broker {id} (kafka-reassign-partitions.sh does it); it is stopped when it hosts none")
    })
}
