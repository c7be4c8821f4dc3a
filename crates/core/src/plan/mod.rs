//! What is to be done next, in order, with the reason of every step and of every wait.
//!
//! A plan is recomputed from every fresh snapshot and never remembered, so a process that dies
//! between two steps loses nothing. A step without `waits_for` may be carried out now; a step
//! that takes a node down is planned only on what Kafka itself said a moment ago.
//!
//! The parts, each in its own module, in the order of the steps they add: `persisted` (decisions
//! that must never be taken twice), `certificates`, `objects` (everything but Pods), `pods`,
//! `evictions`, `restart`, `removal`. How a node is doing is read off its Pod in `node`.

mod certificates;
mod evictions;
mod node;
mod objects;
mod persisted;
mod pods;
mod removal;
mod restart;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};

pub use certificates::{CertificateUse, content_hash};
pub use node::{NodeView, PodState, views};
pub(crate) use objects::foreign;
pub(crate) use removal::leaving;

use crate::eviction::Answer;
use crate::render::{self, KubeObject, NodeObjects};
use crate::resolve::Resolved;
use crate::snapshot::Snapshot;
use crate::state::ClusterState;

/// An answer of Kafka older than this many seconds is no ground to do anything.
pub(crate) const FRESH_S: i64 = 2;

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Create the ConfigMap of decisions; never overwrite one that is there.
    CreateState(Box<ConfigMap>),
    /// Update the ConfigMap of decisions, if it still is at this resource version.
    UpdateState {
        /// The ConfigMap as wanted.
        config_map: Box<ConfigMap>,
        /// The version the decision was based on.
        resource_version: String,
    },
    /// Make the cluster's authority; never overwrite one that is there.
    CreateAuthority {
        /// How long it is valid.
        days: i32,
    },
    /// Issue a certificate and store it.
    Issue(CertificateUse),
    /// Server-side apply.
    Apply(Box<Object>),
    /// Create a Pod that is not there.
    CreatePod(Box<Pod>),
    /// Delete exactly this object.
    Delete {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its uid: another object of that name stays.
        uid: String,
        /// Whether it takes a node down that may be serving, so that the world is looked at once
        /// more just before.
        disruptive: bool,
    },
    /// Make the cluster the owner of an object that lost its owner (deletion with orphans).
    Adopt {
        /// What it is.
        kind: Kind,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// Say on the Pod whether Kafka counts the node in (the readiness gate).
    SetServing {
        /// The Pod.
        pod: String,
        /// Its uid.
        uid: String,
        /// What Kafka says.
        serving: bool,
        /// Why not.
        why: String,
    },
    /// Say on the Pod whether it may be evicted.
    AnswerEviction {
        /// The Pod.
        pod: String,
        /// Its uid.
        uid: String,
        /// The answer.
        answer: Answer,
    },
    /// Nothing can be done but wait; `waits_for` says for what.
    Wait,
}

/// Kinds that a plan deletes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Pod.
    Pod,
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
    /// A PersistentVolumeClaim.
    PersistentVolumeClaim,
}

impl Kind {
    /// The kind as Kubernetes names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
        }
    }
}

/// An object to apply.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "an action boxes the whole of it")]
pub enum Object {
    /// An object that a cluster has once.
    Shared(KubeObject),
    /// A node's configuration.
    ConfigMap(ConfigMap),
    /// A node's volume.
    Claim(PersistentVolumeClaim),
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Stable name, such as `RestartNode/2`.
    pub name: String,
    /// What differs.
    pub reason: String,
    /// What it waits for, if it waits.
    pub waits_for: Option<String>,
    /// What to do.
    pub action: Action,
}

impl Step {
    fn new(name: impl Into<String>, reason: impl Into<String>, action: Action) -> Self {
        Self {
            name: name.into(),
            reason: reason.into(),
            waits_for: None,
            action,
        }
    }
    fn wait(
        name: impl Into<String>,
        reason: impl Into<String>,
        waits_for: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            reason: reason.into(),
            waits_for: Some(waits_for.into()),
            action: Action::Wait,
        }
    }
    fn after(mut self, waits_for: Option<impl Into<String>>) -> Self {
        self.waits_for = waits_for.map(Into::into);
        self
    }
    /// Whether it may be carried out now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.waits_for.is_none() && self.action != Action::Wait
    }
    /// Whether it takes a node down that may be serving.
    #[must_use]
    pub fn is_disruptive(&self) -> bool {
        matches!(
            self.action,
            Action::Delete {
                disruptive: true,
                ..
            } | Action::AnswerEviction {
                answer: Answer { until: Some(_), .. },
                ..
            }
        )
    }
}

/// Why nothing can be done until somebody changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stall {
    /// A stable CamelCase word.
    pub reason: &'static str,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// An ordered list of steps; recomputed from a fresh snapshot, never remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The steps, first to last.
    pub steps: Vec<Step>,
    /// Why it can go no further, if so.
    pub stall: Option<Stall>,
}

impl Plan {
    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.stall.is_none()
    }
}

/// The steps from what is to what is meant. `state` is what the ConfigMap `<cluster>-state` says,
/// none if there is no such ConfigMap.
#[must_use]
pub fn plan(snapshot: &Snapshot, resolved: &Resolved, state: Option<&ClusterState>) -> Plan {
    // A cluster on its way out is the garbage collector's.
    if snapshot.cluster.metadata.deletion_timestamp.is_some() {
        return Plan::default();
    }
    let mut steps = Vec::new();
    // Nothing below can be rendered before the decisions are written down.
    let state = match persisted::steps(snapshot, resolved, state) {
        persisted::Outcome::Stalled(stall) => {
            return Plan {
                steps,
                stall: Some(stall),
            };
        }
        persisted::Outcome::First(step) => {
            return Plan {
                steps: vec![step],
                stall: None,
            };
        }
        persisted::Outcome::Known { state, update } => {
            steps.extend(update);
            state
        }
    };
    let undecided = steps.first().map(|s| s.name.clone());
    // Without an authority nothing is signed; nodes that have their certificates go on, and come back.
    let no_authority = certificates::stall(snapshot, resolved);
    if no_authority.is_none() {
        certificates::steps(snapshot, resolved, &mut steps);
    }
    let nodes = rendered(snapshot, resolved, &state);
    objects::steps(snapshot, resolved, &state, &nodes, &mut steps);
    // A Pod must never start before what it mounts is there and as it should be. That a volume
    // cannot grow is no reason to keep a Pod away.
    let before_pods = steps
        .iter()
        .find(|s| !is_growth(snapshot, s))
        .map(|s| s.name.clone());
    let views = node::views(snapshot, resolved, &nodes);
    pods::steps(
        snapshot,
        resolved,
        &nodes,
        &views,
        before_pods.as_deref(),
        &mut steps,
    );
    evictions::steps(snapshot, resolved, &state, &views, &mut steps);
    restart::steps(
        snapshot,
        resolved,
        &state,
        &nodes,
        &views,
        before_pods.as_deref(),
        &mut steps,
    );
    removal::steps(snapshot, resolved, &mut steps);
    // Nothing is done on a decision that is not written down yet.
    for step in steps.iter_mut().filter(|s| {
        !matches!(
            s.action,
            Action::UpdateState { .. } | Action::SetServing { .. } | Action::AnswerEviction { .. }
        )
    }) {
        step.waits_for = step.waits_for.take().or_else(|| undecided.clone());
    }
    Plan {
        steps,
        stall: no_authority.or_else(|| removal::stall(snapshot, resolved)),
    }
}

/// Whether a step changes a volume that exists.
fn is_growth(snapshot: &Snapshot, step: &Step) -> bool {
    let Action::Apply(object) = &step.action else {
        return false;
    };
    let Object::Claim(claim) = &**object else {
        return false;
    };
    claim
        .metadata
        .name
        .as_ref()
        .is_some_and(|name| snapshot.objects.claims.contains_key(name))
}

/// The objects of every node.
pub(crate) fn rendered(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: &ClusterState,
) -> BTreeMap<i32, NodeObjects> {
    resolved
        .nodes
        .keys()
        .filter_map(|&id| {
            let secret = sdm_api::names::node_tls(&resolved.name, id);
            let hash = snapshot
                .certificates
                .get(&secret)
                .map_or("", |c| c.hash.as_str());
            render::node(resolved, state, id, hash).map(|objects| (id, objects))
        })
        .collect()
}
