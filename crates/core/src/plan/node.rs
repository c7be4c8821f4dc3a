//! How a node is doing, read off its Pod and off what Kafka says of it.
//!
//! One reading, used by the plan and by the status, so that the two cannot disagree.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use sdm_api::names;

use super::FRESH_S;
use super::objects::foreign;
use crate::render::NodeObjects;
use crate::resolve::{Node, Resolved};
use crate::snapshot::{KafkaView, Snapshot};

/// The Kafka container's name.
const CONTAINER: &str = "kafka";
/// A controller that caught up this recently counts as caught up.
const CAUGHT_UP_MS: i64 = 5_000;

/// A node as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its Pod.
    pub pod: PodState,
    /// The Pod's uid, if there is one.
    pub uid: Option<String>,
    /// Whether the Pod runs something else than is wanted; false when there is no Pod.
    pub outdated: bool,
    /// What the readiness gate says.
    pub gate: Option<bool>,
    /// What Kafka says: whether the node is counted in. None while Kafka cannot be asked.
    pub counted: Option<bool>,
    /// Whether it is another container than Kafka's that keeps the Pod from being ready.
    pub beside: bool,
}

/// What a node's Pod does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// There is none.
    Absent,
    /// It has to be gone before anything else, with the sentence to wait with.
    Leaving(String),
    /// It ended and will not run again.
    Dead(String),
    /// Kafka does not run in it, and waiting alone does not help.
    Broken(String),
    /// It waits for its turn: a volume, an image, a Kubernetes node.
    Pending(String),
    /// Kafka runs and does not serve yet; since when, in seconds since the epoch.
    Starting {
        /// What is missing.
        why: String,
        /// Since when, in seconds since the epoch.
        since: i64,
    },
    /// Kafka serves.
    Serving,
}

impl NodeView {
    /// Whether it serves.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.pod == PodState::Serving
    }
    /// Whether Kafka in it serves, whatever is wrong with the rest of its Pod.
    #[must_use]
    pub fn kafka_serves(&self) -> bool {
        let counted = self.counted == Some(true) && self.gate == Some(true);
        // Otherwise it is kubelet that has not marked the Pod yet: disruption budgets go by that mark.
        let beside = self.beside && matches!(self.pod, PodState::Starting { .. });
        self.serves() || (counted && beside)
    }
    /// Why it does not serve, if it does not.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match &self.pod {
            PodState::Absent => Some("its Pod does not exist"),
            PodState::Leaving(why)
            | PodState::Dead(why)
            | PodState::Broken(why)
            | PodState::Pending(why) => Some(why),
            PodState::Starting { why, .. } => Some(why),
            PodState::Serving => None,
        }
    }
}

/// Every wanted node as it is.
#[must_use]
pub fn views(
    snapshot: &Snapshot,
    resolved: &Resolved,
    nodes: &BTreeMap<i32, NodeObjects>,
) -> BTreeMap<i32, NodeView> {
    resolved
        .nodes
        .values()
        .map(|node| {
            let pod = snapshot
                .objects
                .pods
                .get(&names::node(&resolved.name, node.id));
            let fresh = snapshot
                .kafka
                .as_ref()
                .filter(|_| snapshot.kafka_age <= FRESH_S);
            let counted = fresh.and_then(|k| counted(k, node));
            let view = NodeView {
                pod: pod.map_or(PodState::Absent, |p| state(p, &resolved.uid, counted)),
                uid: pod.and_then(|p| p.metadata.uid.clone()),
                outdated: match (pod, nodes.get(&node.id)) {
                    (Some(pod), Some(objects)) => revision(pod) != Some(&objects.revision),
                    _ => false,
                },
                gate: pod.and_then(|p| condition(p, names::GATE_SERVING)),
                counted,
                beside: pod.is_some_and(fails_beside),
            };
            (node.id, view)
        })
        .collect()
}

/// Whether Kafka counts the node in: a broker is registered and unfenced, a mere controller
/// follows the metadata log. None if that cannot be known from this view.
fn counted(view: &KafkaView, node: &Node) -> Option<bool> {
    if node.is_broker() {
        // A view taken from the controllers alone knows no brokers.
        let known = !view.brokers.is_empty();
        return known.then(|| view.brokers.get(&node.id).is_some_and(|b| !b.fenced));
    }
    let quorum = view.quorum.as_ref()?;
    quorum.leader?;
    let replica = quorum
        .voters
        .get(&node.id)
        .or_else(|| quorum.observers.get(&node.id));
    Some(replica.is_some_and(caught_up))
}

/// Whether a replica of the metadata log keeps up with the leader.
pub(super) fn caught_up(replica: &crate::snapshot::ReplicaView) -> bool {
    replica
        .caught_up_ms_ago
        .map_or(replica.lag == 0, |ms| ms <= CAUGHT_UP_MS)
}

fn revision(pod: &Pod) -> Option<&String> {
    pod.metadata
        .annotations
        .as_ref()?
        .get(names::ANNOTATION_REVISION)
}

fn condition(pod: &Pod, type_: &str) -> Option<bool> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|c| c.type_ == type_)
        .map(|c| c.status == "True")
}

/// Whether the Kafka container answers its probe.
pub(super) fn container_ready(pod: &Pod) -> bool {
    pod.status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten())
        .any(|c| c.name == CONTAINER && c.ready)
}

/// Whether the Kafka container is ready and another one is not.
fn fails_beside(pod: &Pod) -> bool {
    let mut all = pod
        .status
        .iter()
        .flat_map(|s| s.container_statuses.iter().flatten());
    container_ready(pod) && all.any(|c| c.name != CONTAINER && !c.ready)
}

fn state(pod: &Pod, uid: &str, counted: Option<bool>) -> PodState {
    if let Some(wait) = foreign(&pod.metadata, uid, "Pod") {
        return PodState::Leaving(wait);
    }
    let Some(status) = &pod.status else {
        return PodState::Pending("its Pod is not scheduled yet".to_owned());
    };
    let phase = status.phase.as_deref().unwrap_or("Pending");
    if phase == "Failed" || phase == "Succeeded" {
        let reason = status.reason.as_deref().unwrap_or(phase);
        let message = status
            .message
            .as_deref()
            .map(|m| format!(": {}", short(m)))
            .unwrap_or_default();
        return PodState::Dead(format!("its Pod ended, {reason}{message}"));
    }
    let failing = status
        .init_container_statuses
        .iter()
        .flatten()
        .chain(status.container_statuses.iter().flatten())
        .find_map(broken);
    let kafka_runs = status
        .container_statuses
        .iter()
        .flatten()
        .any(|c| c.name == CONTAINER && c.state.as_ref().is_some_and(|s| s.running.is_some()));
    // A container beside Kafka may fail as it likes: the broker still serves, and counts as one that does.
    if !kafka_runs && let Some(why) = failing {
        return PodState::Broken(why);
    }
    let scheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "PodScheduled");
    if let Some(c) = scheduled.filter(|c| c.status == "False") {
        let message = c.message.as_deref().map(short).unwrap_or_default();
        let why = format!("no Kubernetes node takes its Pod: {message}");
        // Waiting for a volume to be made is the scheduler's way to begin.
        return if c.reason.as_deref() == Some("Unschedulable") {
            PodState::Broken(why)
        } else {
            PodState::Pending(why)
        };
    }
    let kafka = status
        .container_statuses
        .iter()
        .flatten()
        .find(|c| c.name == CONTAINER);
    let Some(started) = kafka.and_then(|c| c.state.as_ref()?.running.as_ref()) else {
        return PodState::Pending(pending(
            status.init_container_statuses.iter().flatten().chain(kafka),
        ));
    };
    let since = started
        .started_at
        .as_ref()
        .map_or(i64::MAX, |t| t.0.as_second());
    let starting = |why: &str| PodState::Starting {
        why: why.to_owned(),
        since,
    };
    if !container_ready(pod) {
        return starting("Kafka starts");
    }
    if counted == Some(false)
        || (counted.is_none() && condition(pod, names::GATE_SERVING) != Some(true))
    {
        return starting("Kafka runs, and the quorum does not count it in yet");
    }
    // Services and disruption budgets go by the Pod's condition, which kubelet sets after the gate.
    if condition(pod, "Ready") != Some(true) {
        let why = failing.as_deref();
        return starting(why.unwrap_or("Kafka serves, and its Pod is not marked ready yet"));
    }
    PodState::Serving
}

/// Reasons of a waiting container that do not pass by themselves.
const STUCK: [&str; 9] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
];

fn broken(container: &ContainerStatus) -> Option<String> {
    let name = &container.name;
    let end = |state: &ContainerState| {
        let ended = state.terminated.as_ref()?;
        let message = ended.message.as_deref().filter(|m| !m.trim().is_empty());
        let message = message
            .map(|m| format!(": {}", short(m)))
            .unwrap_or_default();
        Some(format!("exit code {}{message}", ended.exit_code))
    };
    let waiting = container.state.as_ref().and_then(|s| s.waiting.as_ref());
    if let Some(waiting) =
        waiting.filter(|w| w.reason.as_deref().is_some_and(|r| STUCK.contains(&r)))
    {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let last = container
            .last_state
            .as_ref()
            .and_then(end)
            .or_else(|| waiting.message.as_deref().map(short));
        return Some(format!(
            "container {name}: {reason}{}",
            last.map(|l| format!(", {l}")).unwrap_or_default()
        ));
    }
    // Between two attempts.
    let ended = container
        .state
        .as_ref()
        .filter(|s| s.terminated.as_ref().is_some_and(|t| t.exit_code != 0));
    ended
        .and_then(end)
        .map(|end| format!("container {name} ended, {end}"))
}

fn pending<'a>(containers: impl Iterator<Item = &'a ContainerStatus>) -> String {
    let waiting = containers
        .filter_map(|c| Some((&c.name, c.state.as_ref()?)))
        .find(|(_, s)| s.waiting.is_some() || s.running.is_some());
    match waiting {
        Some((name, state)) if state.running.is_some() => format!("container {name} runs"),
        Some((_, state)) => {
            let reason = state
                .waiting
                .as_ref()
                .and_then(|w| w.reason.as_deref())
                .unwrap_or("ContainerCreating");
            format!("its containers are made ({reason})")
        }
        None => "its Pod waits for kubelet".to_owned(),
    }
}

/// One line of at most 300 characters, the end of it if longer: there the cause stands.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = line.chars().count();
    if count <= 300 {
        return line;
    }
    format!("...{}", line.chars().skip(count - 297).collect::<String>())
}
