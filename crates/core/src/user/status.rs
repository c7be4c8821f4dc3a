//! What is reported of a user.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sdm_api::{KafkaUser, KafkaUserStatus, PreviousCredential};

use super::{Credential, CredentialAction, CredentialPlan, Previous, login, principal, reason};
use crate::outcome::{Refusal, Standing, conditions};

/// What is known of the user's credential.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The Secret it is in.
    pub secret: Option<String>,
    /// When its certificate ends, in seconds.
    pub not_after: Option<i64>,
    /// The login that stays valid.
    pub previous: Option<Previous>,
}

impl Facts {
    /// What a credential says, once it is delivered.
    #[must_use]
    pub fn of(user: &KafkaUser, credential: &Credential) -> Self {
        Self {
            secret: Some(user.secret_name().to_owned()),
            not_after: credential.certificate.as_ref().map(|c| c.not_after),
            previous: credential.previous,
        }
    }
}

/// How it went. Where nothing was learnt (`facts: None`), what was reported before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The user can log in.
    Ready {
        /// What is known.
        facts: Facts,
        /// What was asked for and waits.
        waits: Option<Refusal>,
    },
    /// It is worked on, or waited for.
    Waiting {
        /// Why, in a word.
        reason: String,
        /// Why.
        message: String,
        /// What is known.
        facts: Option<Facts>,
    },
    /// It is refused until somebody changes something.
    Refused {
        /// Why, in a word.
        reason: String,
        /// Why.
        message: String,
        /// What is known.
        facts: Option<Facts>,
    },
    /// Something failed.
    Failed {
        /// Why, in a word.
        reason: String,
        /// Why.
        message: String,
        /// Whether repeating it cannot help.
        permanent: bool,
        /// What is known.
        facts: Option<Facts>,
    },
}

impl Outcome {
    /// What comes of a plan whose action is done. Of one that is refused nothing is learnt.
    #[must_use]
    pub fn of(plan: &CredentialPlan, facts: Facts) -> Self {
        match &plan.action {
            CredentialAction::Refuse(refusal) => Self::refused(refusal.clone(), None),
            _ => Self::Ready {
                facts,
                waits: plan.waits.clone(),
            },
        }
    }

    /// What comes of a refusal.
    #[must_use]
    pub fn refused(refusal: Refusal, facts: Option<Facts>) -> Self {
        let (reason, message) = (refusal.reason.to_owned(), refusal.message);
        match refusal.waits {
            true => Self::Waiting {
                reason,
                message,
                facts,
            },
            false => Self::Refused {
                reason,
                message,
                facts,
            },
        }
    }
}

/// The status of a user.
#[must_use]
pub fn status(user: &KafkaUser, outcome: &Outcome, now: &Time) -> KafkaUserStatus {
    let before = user.status.clone().unwrap_or_default();
    let (standing, reason, message, facts) = match outcome {
        Outcome::Ready { facts, waits } => {
            let (reason, message) = waits
                .as_ref()
                .map_or((reason::READY, ""), |w| (w.reason, w.message.as_str()));
            (Standing::Ready, reason, message, Some(facts))
        }
        Outcome::Waiting {
            reason,
            message,
            facts,
        } => (
            Standing::Working,
            reason.as_str(),
            message.as_str(),
            facts.as_ref(),
        ),
        Outcome::Refused {
            reason,
            message,
            facts,
        } => (
            Standing::Stalled,
            reason.as_str(),
            message.as_str(),
            facts.as_ref(),
        ),
        Outcome::Failed {
            reason,
            message,
            permanent,
            facts,
        } => (
            if *permanent {
                Standing::Stalled
            } else {
                Standing::Working
            },
            reason.as_str(),
            message.as_str(),
            facts.as_ref(),
        ),
    };
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
