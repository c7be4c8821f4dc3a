//! How it went with a tenant's object: what was refused and why, and the conditions that say so.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;
use sdm_api::condition::{Draft, READY, RECONCILING, STALLED, merge};

use crate::access::reason::INVALID_SPEC;
use crate::status::cut;
use crate::violation::Review;

/// The API server's bound on a condition's message.
const MESSAGE: usize = 32_768;

/// Something that is not done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable CamelCase word; also the condition's reason, the event's and the metric's label.
    pub reason: &'static str,
    /// A sentence that says why, and what would help.
    pub message: String,
    /// Whether it may pass with nobody changing the object: it is waited for, and not given up.
    pub waits: bool,
}

impl Refusal {
    /// What stays refused until somebody changes something.
    pub fn stands(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            waits: false,
        }
    }
    /// What may pass by itself.
    pub fn waits(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            waits: true,
        }
    }
}

/// Whether an object is taken up: `out` is why its namespace may not use the cluster, if so, `review` what is wrong with
/// it. Everything is said at once, as it is at apply.
///
/// # Errors
/// What keeps it out.
pub fn admit(out: Option<Refusal>, review: &Review) -> Result<(), Refusal> {
    if let Some(refusal) = out.as_ref().filter(|r| r.waits) {
        return Err(refusal.clone());
    }
    let reason = out.as_ref().map_or(INVALID_SPEC, |r| r.reason);
    let mut all: Vec<String> = out.into_iter().map(|r| r.message).collect();
    all.extend(review.violations.iter().map(ToString::to_string));
    if all.is_empty() {
        return Ok(());
    }
    Err(Refusal::stands(reason, all.join("; ")))
}

/// Where an object stands, in the terms of kstatus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is as its spec says: `Ready`.
    Ready,
    /// It is worked on, or waited for: `Reconciling`.
    Working,
    /// It cannot go on until somebody changes something: `Stalled`.
    Stalled,
}

/// The conditions of an object. Only those that are true, and `Ready`, are listed; unchanged input gives an identical
/// value.
#[must_use]
pub fn conditions(
    standing: &Standing,
    reason: &str,
    message: &str,
    previous: &[Condition],
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    let draft = |type_, status| {
        let draft = Draft {
            type_,
            status,
            reason: reason.to_owned(),
            message: cut(message, MESSAGE),
        };
        merge(draft, previous, generation, now)
    };
    match standing {
        Standing::Ready => vec![draft(READY, true)],
        Standing::Working => vec![draft(READY, false), draft(RECONCILING, true)],
        Standing::Stalled => vec![draft(READY, false), draft(STALLED, true)],
    }
}

/// Whether an object is Ready as it is written, by the generation and the conditions of its status: a Kafka that is away
/// for a while is the cluster's trouble, and is told there, not by ten thousand writes.
#[must_use]
pub fn is_settled<K: Resource>(object: &K, status: Option<(Option<i64>, &[Condition])>) -> bool {
    status.is_some_and(|(generation, conditions)| {
        generation == object.meta().generation
            && conditions
                .iter()
                .any(|c| c.type_ == READY && c.status == "True")
    })
}
