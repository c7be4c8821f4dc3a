//! What is reported of a cluster: a pure function of what was seen, what is meant, what is planned
//! and what failed. An unchanged world gives the same status to the byte, so nothing is written.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use sdm_api::condition::{Draft, READY, RECONCILING, STALLED, merge};
use sdm_api::status::PlanStepStatus;
use sdm_api::{
    KafkaCluster, KafkaClusterStatus, ListenerStatus, NodePhase, NodeStatus, QuorumStatus, names,
};

use crate::plan::{self, NodeView, Plan, PodState};
use crate::resolve::Resolved;
use crate::snapshot::Snapshot;
use crate::state::ClusterState;
use crate::violation::Review;

/// Steps that are reported.
const STEPS: usize = 32;
/// Bounds of the schema.
const TEXT: usize = 1024;
const NAME: usize = 128;
/// The API server's bound on a condition's message.
const MESSAGE: usize = 32_768;

/// A step that failed, or the whole attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The step.
    pub step: String,
    /// A stable CamelCase word.
    pub reason: String,
    /// What went wrong.
    pub message: String,
    /// Whether repeating it cannot help: somebody has to change something.
    pub permanent: bool,
}

/// The status of a cluster.
#[must_use]
pub fn status(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: Option<&ClusterState>,
    plan: &Plan,
    failures: &[Failure],
) -> KafkaClusterStatus {
    let rendered = state
        .map(|s| plan::rendered(snapshot, resolved, s))
        .unwrap_or_default();
    let views = plan::views(snapshot, resolved, &rendered);
    let serving = views.values().filter(|v| v.serves()).count();
    let ready = ready(snapshot, &views, plan, failures);
    let stalled = stalled(plan, failures);
    let busy = !plan.is_empty() || !ready.status;
    let reconciling = Draft {
        type_: RECONCILING,
        status: busy && !stalled.status,
        reason: if stalled.status {
            "Stalled"
        } else if busy {
            "Working"
        } else {
            "Settled"
        }
        .to_owned(),
        message: if busy && !stalled.status {
            doing(plan, failures)
        } else {
            String::new()
        },
    };
    let previous = snapshot.cluster.status.clone().unwrap_or_default();
    KafkaClusterStatus {
        observed_generation: snapshot.cluster.metadata.generation,
        conditions: conditions(
            &snapshot.cluster,
            snapshot.now,
            [ready, reconciling, stalled],
        ),
        cluster_id: state.map(|s| s.cluster_id.clone()),
        nodes_ready: Some(format!("{serving}/{}", resolved.nodes.len())),
        brokers: brokers(snapshot, resolved, state, &views, plan),
        quorum: quorum(snapshot, state, previous.quorum.as_ref()),
        listeners: listeners(resolved),
        plan: plan.steps.iter().take(STEPS).map(step).collect(),
    }
}

/// The status of an object that is refused: all that was reported before stays, since nothing was
/// changed in the cluster, and the refusal is added.
#[must_use]
pub fn refused(cluster: &KafkaCluster, now: i64, review: &Review) -> KafkaClusterStatus {
    let message: Vec<String> = review.violations.iter().map(ToString::to_string).collect();
    let message = cut(&message.join("; "), MESSAGE);
    blocked(cluster, now, "InvalidSpec", &message)
}

/// The status of an object about which nothing can be decided.
#[must_use]
pub fn blocked(
    cluster: &KafkaCluster,
    now: i64,
    reason: &str,
    message: &str,
) -> KafkaClusterStatus {
    let draft = |type_, status, message: &str| Draft {
        type_,
        status,
        reason: reason.to_owned(),
        message: cut(message, MESSAGE),
    };
    let drafts = [
        draft(READY, false, message),
        draft(RECONCILING, false, ""),
        draft(STALLED, true, message),
    ];
    KafkaClusterStatus {
        observed_generation: cluster.metadata.generation,
        conditions: conditions(cluster, now, drafts),
        plan: Vec::new(),
        ..cluster.status.clone().unwrap_or_default()
    }
}

/// The conditions of an object that cannot even be read, from those reported `before`.
#[must_use]
pub fn unreadable(
    before: &[Condition],
    generation: Option<i64>,
    now: i64,
    message: &str,
) -> Vec<Condition> {
    let now = Time(Timestamp::from_second(now).unwrap_or_default());
    [(READY, false), (RECONCILING, false), (STALLED, true)]
        .map(|(type_, status)| {
            let draft = Draft {
                type_,
                status,
                reason: "Unreadable".to_owned(),
                message: cut(message, MESSAGE),
            };
            merge(draft, before, generation, &now)
        })
        .to_vec()
}

fn conditions(cluster: &KafkaCluster, now: i64, drafts: [Draft; 3]) -> Vec<Condition> {
    let previous = cluster
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let now = Time(Timestamp::from_second(now).unwrap_or_default());
    drafts
        .into_iter()
        .map(|d| merge(d, previous, cluster.metadata.generation, &now))
        .collect()
}

fn ready(
    snapshot: &Snapshot,
    views: &BTreeMap<i32, NodeView>,
    plan: &Plan,
    failures: &[Failure],
) -> Draft {
    let draft = |status, reason: &str, message: String| Draft {
        type_: READY,
        status,
        reason: reason.to_owned(),
        message: cut(&message, MESSAGE),
    };
    if let Some(stall) = &plan.stall {
        return draft(false, stall.reason, stall.message.clone());
    }
    let down: Vec<String> = views
        .iter()
        .filter_map(|(id, v)| v.why().map(|why| format!("node {id}: {why}")))
        .collect();
    if !down.is_empty() {
        return draft(false, "NodesNotServing", down.join("; "));
    }
    let Some(kafka) = &snapshot.kafka else {
        let error = snapshot
            .kafka_error
            .clone()
            .unwrap_or_else(|| "it was not asked yet".to_owned());
        return draft(false, "KafkaUnreachable", error);
    };
    if kafka.quorum.as_ref().is_none_or(|q| q.leader.is_none()) {
        return draft(false, "NoQuorum", "the quorum has no leader".to_owned());
    }
    if kafka.partitions.offline > 0 {
        let examples = kafka.partitions.examples.join(", ");
        return draft(
            false,
            "PartitionsOffline",
            format!("partitions without a leader, such as {examples}"),
        );
    }
    if let Some(failure) = failures.first() {
        return draft(
            false,
            &failure.reason,
            format!("{}: {}", failure.step, failure.message),
        );
    }
    if !plan.steps.is_empty() {
        return draft(false, "Changing", doing(plan, failures));
    }
    draft(
        true,
        "Serving",
        "every node serves as the spec says".to_owned(),
    )
}

fn stalled(plan: &Plan, failures: &[Failure]) -> Draft {
    let draft = |status, reason: &str, message: &str| Draft {
        type_: STALLED,
        status,
        reason: reason.to_owned(),
        message: cut(message, MESSAGE),
    };
    if let Some(stall) = &plan.stall {
        return draft(true, stall.reason, &stall.message);
    }
    match failures.iter().find(|f| f.permanent) {
        Some(failure) => draft(
            true,
            &failure.reason,
            &format!("{}: {}", failure.step, failure.message),
        ),
        None => draft(false, "Progressing", ""),
    }
}

/// What is being done, in a sentence: the first step that is not merely waiting, or the first.
fn doing(plan: &Plan, failures: &[Failure]) -> String {
    if let Some(failure) = failures.first() {
        return cut(&format!("{}: {}", failure.step, failure.message), MESSAGE);
    }
    let step = plan
        .steps
        .iter()
        .find(|s| s.is_ready())
        .or_else(|| plan.steps.first());
    step.map_or_else(
        || "nodes are starting".to_owned(),
        |s| match &s.waits_for {
            Some(wait) => format!("{} waits for {wait}", s.name),
            None => format!("{}: {}", s.name, s.reason),
        },
    )
}

fn step(step: &plan::Step) -> PlanStepStatus {
    PlanStepStatus {
        step: cut(&step.name, NAME),
        reason: cut(&step.reason, TEXT),
        waits_for: step.waits_for.as_deref().map(|w| cut(w, TEXT)),
    }
}

fn brokers(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: Option<&ClusterState>,
    views: &BTreeMap<i32, NodeView>,
    plan: &Plan,
) -> Vec<NodeStatus> {
    let rack = |id: &i32| state.and_then(|s| s.racks.get(id)).cloned();
    let waits = |name: &str| {
        plan.steps
            .iter()
            .find(|s| s.name == name)
            .and_then(|s| s.waits_for.clone())
    };
    let mut all: BTreeMap<i32, NodeStatus> = views
        .iter()
        .filter_map(|(id, view)| {
            let node = resolved.nodes.get(id)?;
            let (phase, why) = phase(view, waits(&format!("RestartNode/{id}")));
            let why = why.map(|w| cut(&w, TEXT));
            let pool = Some(node.pool.clone());
            Some((
                *id,
                NodeStatus {
                    id: *id,
                    pool,
                    roles: node.roles.clone(),
                    rack: rack(id),
                    phase,
                    why,
                },
            ))
        })
        .collect();
    for id in plan::leaving(snapshot, resolved) {
        let why = waits(&format!("RemoveNode/{id}")).map(|w| cut(&format!("waits for {w}"), TEXT));
        let phase = NodePhase::Removing;
        all.insert(
            id,
            NodeStatus {
                id,
                pool: None,
                roles: Vec::new(),
                rack: rack(&id),
                phase,
                why,
            },
        );
    }
    all.into_values().collect()
}

fn phase(view: &NodeView, restart_waits: Option<String>) -> (NodePhase, Option<String>) {
    let why = view.why().map(str::to_owned);
    match &view.pod {
        PodState::Absent | PodState::Pending(_) => (NodePhase::Pending, why),
        PodState::Leaving(_) => (NodePhase::Restarting, why.map(|w| format!("waits for {w}"))),
        PodState::Dead(_) | PodState::Broken(_) => (NodePhase::Failed, why),
        PodState::Starting { .. } => (NodePhase::Starting, why),
        PodState::Serving if view.outdated => {
            let wait = restart_waits.map_or_else(
                || "is about to restart".to_owned(),
                |w| format!("waits for {w}"),
            );
            (NodePhase::Outdated, Some(wait))
        }
        PodState::Serving => (NodePhase::Running, None),
    }
}

/// While Kafka cannot be asked, what it said last stays.
fn quorum(
    snapshot: &Snapshot,
    state: Option<&ClusterState>,
    previous: Option<&QuorumStatus>,
) -> Option<QuorumStatus> {
    let bootstrapped = state.is_some_and(|s| s.bootstrapped);
    match snapshot.kafka.as_ref().and_then(|k| k.quorum.as_ref()) {
        Some(quorum) => Some(QuorumStatus {
            leader_id: quorum.leader,
            voters: quorum.voters.keys().copied().take(64).collect(),
            bootstrapped,
        }),
        None => Some(QuorumStatus {
            bootstrapped,
            ..previous.cloned().unwrap_or_default()
        }),
    }
}

fn listeners(resolved: &Resolved) -> Vec<ListenerStatus> {
    let host = names::bootstrap_dns(&resolved.name, &resolved.namespace);
    resolved
        .listeners
        .iter()
        .map(|l| ListenerStatus {
            name: l.name.clone(),
            bootstrap_servers: format!("{host}:{}", l.port),
        })
        .collect()
}

pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit - 3).collect();
    short.push_str("...");
    short
}
