//! What is reported of roles, ACLs and grants. Unchanged input gives the same value to the byte, so nothing is written.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sdm_api::{BasicStatus, KafkaACLStatus};

use super::reason;
use super::world::Verdict;
use crate::outcome::{Refusal, Standing, conditions};
use crate::status::cut;
use crate::violation::{Review, Violation, ViolationKind};

/// Bounds of the schema.
const REFUSALS: usize = 32;
const TEXT: usize = 1024;
/// Refusals that fit into a condition's message and are still read.
const IN_MESSAGE: usize = 3;

/// The status of an ACL object. `Ready` when Kafka has all of it: while it has not, the caller adds a refusal of its own
/// that waits.
#[must_use]
pub fn acl_status(
    previous: &KafkaACLStatus,
    verdict: &Verdict,
    generation: Option<i64>,
    now: &Time,
) -> KafkaACLStatus {
    let mut granted = match verdict.acls {
        1 => "1 ACL".to_owned(),
        n => format!("{n} ACLs"),
    };
    for note in &verdict.notes {
        granted.push_str("; ");
        granted.push_str(note);
    }
    let said = |r: &Refusal| cut(&format!("{}: {}", r.reason, r.message), TEXT);
    let mut refused: Vec<_> = verdict.refused.iter().take(REFUSALS).map(said).collect();
    if verdict.refused.len() > REFUSALS {
        refused.truncate(REFUSALS - 1);
        refused.push(format!(
            "and {} more",
            verdict.refused.len() - refused.len()
        ));
    }
    KafkaACLStatus {
        observed_generation: generation,
        conditions: stand(
            &previous.conditions,
            (reason::GRANTED, &granted),
            &verdict.refused,
            generation,
            now,
        ),
        acls: i32::try_from(verdict.acls).unwrap_or(i32::MAX),
        refused,
    }
}

/// The status of a role, by what [`validate_role`](super::validate_role) says of it.
#[must_use]
pub fn role_status(
    previous: &BasicStatus,
    review: &Review,
    generation: Option<i64>,
    now: &Time,
) -> BasicStatus {
    basic(previous, review, None, generation, now)
}

/// The status of a grant, by what [`validate_grant`](super::validate_grant) says of it, and why its namespace may not
/// use the cluster, if so.
#[must_use]
pub fn grant_status(
    previous: &BasicStatus,
    review: &Review,
    refusal: Option<&Refusal>,
    generation: Option<i64>,
    now: &Time,
) -> BasicStatus {
    basic(previous, review, refusal, generation, now)
}

fn basic(
    previous: &BasicStatus,
    review: &Review,
    refusal: Option<&Refusal>,
    generation: Option<i64>,
    now: &Time,
) -> BasicStatus {
    let said = |v: &Violation| match v.kind {
        ViolationKind::Invalid => Refusal::stands(reason::INVALID_SPEC, v.to_string()),
        ViolationKind::Forbidden => Refusal::stands(reason::FORBIDDEN, v.to_string()),
    };
    let mut refused: Vec<_> = review
        .violations
        .iter()
        .map(said)
        .chain(refusal.cloned())
        .collect();
    refused.sort_by_key(|r| r.waits);
    let warnings = review.warnings.join("; ");
    BasicStatus {
        observed_generation: generation,
        conditions: stand(
            &previous.conditions,
            (reason::VALID, &warnings),
            &refused,
            generation,
            now,
        ),
    }
}

/// The conditions; the first refusal decides.
fn stand(
    previous: &[Condition],
    (ready, message): (&str, &str),
    refused: &[Refusal],
    generation: Option<i64>,
    now: &Time,
) -> Vec<Condition> {
    let Some(first) = refused.first() else {
        return conditions(&Standing::Ready, ready, message, previous, generation, now);
    };
    let standing = if first.waits {
        Standing::Working
    } else {
        Standing::Stalled
    };
    let messages = refused.iter().take(IN_MESSAGE).map(|r| r.message.as_str());
    let mut message = messages.collect::<Vec<_>>().join("; ");
    if let more @ 1.. = refused.len().saturating_sub(IN_MESSAGE) {
        message.push_str(&format!("; and {more} more"));
    }
    conditions(&standing, first.reason, &message, previous, generation, now)
}
