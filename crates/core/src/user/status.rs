//! What is reported of a user.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sdm_api::{KafkaUser, KafkaUserStatus, PreviousCredential};

use super::{Credential, CredentialAction, CredentialPlan, Previous, login, principal};
use crate::outcome::{self, Refusal, conditions};

/// What is known of the user's credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The Secret it is in.
    pub secret: Option<String>,
    /// When its certificate ends, in seconds.
    pub not_after: Option<i64>,
    /// The login that stays valid.
    pub previous: Option<Previous>,
    /// What was asked for and waits.
    pub waits: Option<Refusal>,
}

impl Facts {
    /// What a credential says, once it is delivered.
    #[must_use]
    pub fn of(user: &KafkaUser, credential: &Credential) -> Self {
        Self {
            secret: Some(user.secret_name().to_owned()),
            not_after: credential.certificate.as_ref().map(|c| c.not_after),
            previous: credential.previous,
            waits: None,
        }
    }
}

/// How it went with a user. One who is Ready can log in.
pub type Outcome = outcome::Outcome<Facts>;

/// What comes of a plan whose action is done. Of one that is refused nothing is learnt.
#[must_use]
pub fn outcome(plan: &CredentialPlan, facts: Facts) -> Outcome {
    match &plan.action {
        CredentialAction::Refuse(refusal) => Outcome::Held(refusal.clone(), None),
        _ => Outcome::Ready(Facts {
            waits: plan.waits.clone(),
            ..facts
        }),
    }
}

/// The status of a user.
#[must_use]
pub fn status(user: &KafkaUser, outcome: &Outcome, now: &Time) -> KafkaUserStatus {
    let before = user.status.clone().unwrap_or_default();
    let (standing, mut reason, mut message, facts) = outcome.said();
    if let Some(waits) = facts.and_then(|f| f.waits.as_ref()) {
        (reason, message) = (waits.reason, &waits.message);
    }
    let generation = user.metadata.generation;
    let conditions = conditions(
        &standing,
        reason,
        message,
        &before.conditions,
        generation,
        now,
    );
    let kept = KafkaUserStatus {
        observed_generation: generation,
        conditions,
        principal: Some(format!("User:{}", principal(user))),
        ..before
    };
    match facts {
        None => kept,
        Some(facts) => KafkaUserStatus {
            secret: facts.secret.clone(),
            certificate_not_after: facts.not_after.map(rfc3339),
            previous: facts.previous.map(|p| PreviousCredential {
                username: login(user, p.second),
                until: rfc3339(p.until),
            }),
            ..kept
        },
    }
}

fn rfc3339(second: i64) -> String {
    Timestamp::from_second(second).map_or_else(|_| second.to_string(), |t| t.to_string())
}
