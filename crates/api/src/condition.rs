//! Conditions in the terms of kstatus, so that `kubectl wait`, Argo CD and Flux
//! understand them without being told.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The object does what its spec says.
pub const READY: &str = "Ready";
/// The controller is working towards the spec.
pub const RECONCILING: &str = "Reconciling";
/// The controller cannot go on until somebody changes something.
pub const STALLED: &str = "Stalled";

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
