//! How it went with a tenant's object: what was refused and why, and the conditions that say so.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sdm_api::condition::{Draft, READY, RECONCILING, Reports, STALLED, merge};

use crate::access::reason::INVALID_SPEC;
use crate::status::cut;
use crate::violation::Review;

/// The API server's bound on a condition's message.
const MESSAGE: usize = 32_768;
/// Failures in a row of an object that is Ready before they are told. The pauses between them double from half a second.
const PASSING: u32 = 6;

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

/// How it went with an object, of which `F` is what is known. Where nothing was learnt, what was reported before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<F> {
    /// It is as its spec says.
    Ready(F),
    /// It is not to be done, or not yet.
    Held(Refusal, Option<F>),
    /// It was to be done, and failed this time. It waits unless repeating it is in vain.
    Failed(Refusal),
}

impl<F> Outcome<F> {
    /// Whether it is to be written: unless it [may pass](may_pass). `failures`: how often it has failed in a row, this time
    /// included.
    pub fn is_told<K: Reports>(&self, object: &K, failures: u32) -> bool {
        match self {
            Self::Failed(fault) if fault.waits => !may_pass(object, failures),
            _ => true,
        }
    }

    /// Where the object stands, why in a word and in a sentence, and what was learnt.
    pub(crate) fn said(&self) -> (Standing, &'static str, &str, Option<&F>) {
        let (refusal, facts) = match self {
            Self::Ready(facts) => return (Standing::Ready, READY, "", Some(facts)),
            Self::Held(refusal, facts) => (refusal, facts.as_ref()),
            Self::Failed(fault) => (fault, None),
        };
        let standing = match refusal.waits {
            true => Standing::Working,
            false => Standing::Stalled,
        };
        (standing, refusal.reason, &refusal.message, facts)
    }
}

/// Whether a failure is not told yet. What fails of an object that is Ready as it is written may be a moment's: a leader
/// that is being elected, an API server that restarts. It is looked at again first, for half a minute; what then still
/// fails is told. `failures`: how often it has failed in a row, this time included.
pub fn may_pass<K: Reports>(object: &K, failures: u32) -> bool {
    object.is_settled() && failures <= PASSING
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
