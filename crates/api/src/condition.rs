//! Conditions in the terms of kstatus, so that `kubectl wait`, Argo CD and Flux
//! understand them without being told.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;

use crate::{KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};

/// The object does what its spec says.
pub const READY: &str = "Ready";
/// The controller is working towards the spec.
pub const RECONCILING: &str = "Reconciling";
/// The controller cannot go on until somebody changes something.
pub const STALLED: &str = "Stalled";

/// A kind whose status has conditions.
pub trait Reports: Resource {
    /// The generation that the status speaks of, and its conditions; none before there is one.
    fn report(&self) -> Option<(Option<i64>, &[Condition])>;

    /// Whether it is `Ready` as it is written.
    fn is_settled(&self) -> bool {
        self.report().is_some_and(|(generation, conditions)| {
            generation == self.meta().generation
                && conditions
                    .iter()
                    .any(|c| c.type_ == READY && c.status == "True")
        })
    }
}

macro_rules! reports {
    ($($kind:ty),*) => {
        $(impl Reports for $kind {
            fn report(&self) -> Option<(Option<i64>, &[Condition])> {
                self.status.as_ref().map(|s| (s.observed_generation, s.conditions.as_slice()))
            }
        })*
    };
}

reports!(KafkaTopic, KafkaUser, KafkaRole, KafkaACL, KafkaAccessGrant);

/// A condition as computed, before its transition time is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The condition's type.
    pub type_: &'static str,
    /// True, or not.
    pub status: bool,
    /// A stable CamelCase word; also the event's reason and the metric's label.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
}

/// Completes `draft` against what was reported before: `lastTransitionTime` moves only when the
/// status flips, so that an unchanged world causes no write.
#[must_use]
pub fn merge(
    draft: Draft,
    previous: &[Condition],
    generation: Option<i64>,
    now: &Time,
) -> Condition {
    let status = if draft.status { "True" } else { "False" };
    let since = previous
        .iter()
        .find(|c| c.type_ == draft.type_ && c.status == status)
        .map_or_else(|| now.clone(), |c| c.last_transition_time.clone());
    Condition {
        type_: draft.type_.to_owned(),
        status: status.to_owned(),
        reason: draft.reason,
        message: draft.message,
        observed_generation: generation,
        last_transition_time: since,
    }
}
