//! Decisions that must never be taken twice: taken here once, checked ever after.
//!
//! The ConfigMap is created before anything else exists. If it is gone while volumes exist, no
//! guess is made: formatting a quorum a second time would lose every record.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use sdm_api::names;

use super::objects::foreign;
use super::{Action, Stall, Step};
use crate::racks::decide_racks;
use crate::resolve::Resolved;
use crate::snapshot::{QuorumView, Snapshot};
use crate::state::ClusterState;

pub(super) enum Outcome {
    /// The decisions, and the step that writes down what is new about them.
    Known {
        state: ClusterState,
        update: Option<Step>,
    },
    /// The decisions have to be written down first.
    First(Step),
    /// Nothing can be decided.
    Stalled(Stall),
}

fn stalled(reason: &'static str, message: String) -> Outcome {
    Outcome::Stalled(Stall { reason, message })
}

pub(super) fn steps(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: Option<&ClusterState>,
) -> Outcome {
    let config_map = names::state_config_map(&resolved.name);
    // With no volume to keep, the decisions of a deleted cluster go with it.
    let existing = snapshot.objects.config_maps.get(&config_map);
    if let Some(wait) = existing.and_then(|e| foreign(&e.metadata, &resolved.uid, "ConfigMap")) {
        return Outcome::First(Step::wait(
            "PersistState",
            "nothing is decided for this cluster yet",
            wait,
        ));
    }
    let Some(state) = state else {
        return first(snapshot, resolved, &config_map);
    };
    if state.bootstrapped && !any_controller_volume(snapshot, resolved) {
        let remedy = format!(
            "restore the claims from a backup, or, to start again with an empty cluster, delete the ConfigMap {config_map} and the remaining claims"
        );
        return stalled(
            "ControllerVolumesLost",
            format!(
                "the quorum was formed, and no volume of any controller is left: the cluster's metadata is lost; {remedy}"
            ),
        );
    }
    let mut next = state.clone();
    let mut reasons = Vec::new();
    if !state.bootstrapped {
        let wanted: Vec<i32> = resolved.controllers().map(|n| n.id).collect();
        let decided: Vec<i32> = state.directory_ids.keys().copied().collect();
        if wanted != decided {
            if anything_started(snapshot, resolved) {
                return stalled(
                    "QuorumNotFormed",
                    format!(
                        "the quorum of controllers {decided:?} was never formed and the spec names {wanted:?}; name those in the spec until the cluster is Ready, or delete its claims and the ConfigMap {config_map}"
                    ),
                );
            }
            let Some(directory_ids) = choose(snapshot, &wanted) else {
                return Outcome::First(Step::wait(
                    "PersistState",
                    "controllers changed",
                    "random ids",
                ));
            };
            next.directory_ids = directory_ids;
            reasons.push("the controllers changed before the quorum was formed");
        }
        if let Some(quorum) = snapshot.kafka.as_ref().and_then(|k| k.quorum.as_ref())
            && is_formed(&next, quorum)
        {
            next.bootstrapped = true;
            reasons.push("the quorum is formed");
        }
    }
    if decide_racks(
        resolved,
        &snapshot.zones,
        &claimed(snapshot, resolved),
        &mut next.racks,
    ) {
        reasons.push("racks were decided");
    }
    let desired = next.render(resolved);
    // Whether it outlives the cluster depends on the volumes' policy, which may change.
    let owner = existing.is_some_and(|e| {
        e.metadata
            .owner_references
            .clone()
            .unwrap_or_default()
            .iter()
            .map(|o| &o.uid)
            .collect::<Vec<_>>()
            != desired
                .metadata
                .owner_references
                .clone()
                .unwrap_or_default()
                .iter()
                .map(|o| &o.uid)
                .collect::<Vec<_>>()
    });
    if owner {
        reasons.push("the policy for volumes changed");
    }
    let update = (!reasons.is_empty()).then(|| {
        let name = if next.bootstrapped && !state.bootstrapped {
            "MarkBootstrapped"
        } else {
            "PersistState"
        };
        let action = Action::UpdateState {
            config_map: Box::new(desired),
            resource_version: existing
                .and_then(|e| e.metadata.resource_version.clone())
                .unwrap_or_default(),
        };
        Step::new(name, reasons.join("; "), action)
    });
    Outcome::Known {
        state: next,
        update,
    }
}

/// There is no ConfigMap: either nothing exists yet, or it was lost.
fn first(snapshot: &Snapshot, resolved: &Resolved, config_map: &str) -> Outcome {
    let claims: Vec<&str> = claims(snapshot, resolved).map(|(name, _)| name).collect();
    let ids: Vec<i32> = resolved.controllers().map(|n| n.id).collect();
    let mut state = if claims.is_empty() {
        let Some(directory_ids) = choose(snapshot, &ids) else {
            return Outcome::First(Step::wait(
                "PersistState",
                "nothing is decided yet",
                "random ids",
            ));
        };
        let drawn = snapshot.fresh_ids.first().cloned().unwrap_or_default();
        ClusterState {
            cluster_id: resolved.cluster_id.clone().unwrap_or(drawn),
            directory_ids,
            ..ClusterState::default()
        }
    } else if let Some(cluster_id) = resolved.cluster_id.clone() {
        // The owner says whose volumes these are: take them over, format nothing as a first voter.
        ClusterState {
            cluster_id,
            bootstrapped: true,
            ..ClusterState::default()
        }
    } else {
        let some = claims
            .iter()
            .take(3)
            .copied()
            .collect::<Vec<_>>()
            .join(", ");
        let more = if claims.len() > 3 { ", ..." } else { "" };
        return stalled(
            "StateMissing",
            format!(
                "the ConfigMap {config_map} is missing while volumes exist ({some}{more}), and nothing is formatted twice: restore it, or write the volumes' cluster id into spec.clusterId, or delete the claims to start with an empty cluster"
            ),
        );
    };
    decide_racks(
        resolved,
        &snapshot.zones,
        &claimed(snapshot, resolved),
        &mut state.racks,
    );
    let action = Action::CreateState(Box::new(state.render(resolved)));
    Outcome::First(Step::new(
        "PersistState",
        "decisions that are taken once are written down first",
        action,
    ))
}

/// Directory ids for `controllers`, from the second random id on; the first is the cluster's.
fn choose(snapshot: &Snapshot, controllers: &[i32]) -> Option<BTreeMap<i32, String>> {
    let ids = snapshot.fresh_ids.get(1..).unwrap_or_default();
    (ids.len() >= controllers.len()).then(|| {
        controllers
            .iter()
            .copied()
            .zip(ids.iter().cloned())
            .collect()
    })
}

/// Whether DescribeQuorum shows exactly the voters that were decided on, with a leader.
fn is_formed(state: &ClusterState, quorum: &QuorumView) -> bool {
    quorum.leader.is_some()
        && quorum.voters.keys().eq(state.directory_ids.keys())
        && quorum
            .voters
            .iter()
            .all(|(id, v)| state.directory_ids.get(id) == Some(&v.directory_id))
}

/// The claims by name. Those that go with an earlier cluster of this name are no volumes of this one.
fn claims<'a>(
    snapshot: &'a Snapshot,
    resolved: &'a Resolved,
) -> impl Iterator<Item = (&'a str, &'a PersistentVolumeClaim)> {
    let all = snapshot.objects.claims.iter();
    all.filter(|(_, claim)| foreign(&claim.metadata, &resolved.uid, "").is_none())
        .map(|(name, claim)| (name.as_str(), claim))
}

/// The nodes that have a volume: it may live in one rack only, so theirs is not chosen for them.
fn claimed(snapshot: &Snapshot, resolved: &Resolved) -> BTreeSet<i32> {
    let id = |claim: &PersistentVolumeClaim| {
        let labels = claim.metadata.labels.as_ref()?;
        labels.get(names::LABEL_NODE_ID)?.parse().ok()
    };
    claims(snapshot, resolved)
        .filter_map(|(_, c)| id(c))
        .collect()
}

fn any_controller_volume(snapshot: &Snapshot, resolved: &Resolved) -> bool {
    // The first volume holds the metadata.
    let wanted: Vec<String> = resolved
        .controllers()
        .filter_map(|node| Some((node.id, node.volumes.first()?)))
        .map(|(id, v)| names::claim(&resolved.name, id, &v.name))
        .collect();
    claims(snapshot, resolved).any(|(name, _)| wanted.iter().any(|w| w == name))
}

fn anything_started(snapshot: &Snapshot, resolved: &Resolved) -> bool {
    let ours = |labels: Option<&BTreeMap<String, String>>| {
        labels.and_then(|l| l.get(names::LABEL_CLUSTER)) == Some(&resolved.name)
    };
    snapshot
        .objects
        .claims
        .values()
        .any(|c| ours(c.metadata.labels.as_ref()))
        || snapshot
            .objects
            .pods
            .values()
            .any(|p| ours(p.metadata.labels.as_ref()))
}
