//! What is reported of a topic.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::{KafkaTopic, KafkaTopicStatus};

use super::reason;
use crate::outcome::{Refusal, Standing, conditions};

/// What is known of the topic in Kafka.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its id.
    pub id: Option<String>,
    /// Its partitions.
    pub partitions: Option<i32>,
    /// Replicas of each.
    pub replicas: Option<i32>,
    /// Keys that the object has set.
    pub config_keys: Vec<String>,
    /// What differs and is left.
    pub drift: Vec<String>,
}

/// How it went. Where nothing was learnt (`facts: None`), what was reported before stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is as the object says.
    Ready(Facts),
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

/// The status of a topic.
#[must_use]
pub fn status(topic: &KafkaTopic, outcome: &Outcome, now: &Time) -> KafkaTopicStatus {
    let before = topic.status.clone().unwrap_or_default();
    let (standing, reason, message, facts) = match outcome {
        Outcome::Ready(facts) => (Standing::Ready, reason::READY, "", Some(facts)),
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
    let generation = topic.metadata.generation;
    let conditions = conditions(
        &standing,
        reason,
        message,
        &before.conditions,
        generation,
        now,
    );
    let kept = KafkaTopicStatus {
        observed_generation: generation,
        conditions,
        topic_name: Some(topic.topic_name().to_owned()),
        ..before
    };
    match facts {
        None => kept,
        Some(facts) => KafkaTopicStatus {
            topic_id: facts.id.clone(),
            partitions: facts.partitions,
            replicas: facts.replicas,
            config_keys: facts.config_keys.clone(),
            drift: facts.drift.clone(),
            ..kept
        },
    }
}
