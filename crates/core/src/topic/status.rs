//! What is reported of a topic.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use sdm_api::condition::{READY, Reports, STALLED};
use sdm_api::{KafkaTopic, KafkaTopicStatus};

use super::{Observed, TopicPlan, reason};
use crate::outcome::{self, Refusal, Standing, conditions};
use crate::status::cut;

/// Bounds of the schema.
const DRIFT: usize = 32;
const SENTENCE: usize = 1024;

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

impl Facts {
    /// What is known of a topic as it was `observed`, what was created and grown since included. Replicas that are still
    /// to move are where they were.
    #[must_use]
    pub fn of(observed: Option<&Observed>, plan: &TopicPlan) -> Self {
        let replicas = observed.map_or(&[][..], |o| &o.replicas[..]);
        let least = replicas.iter().map(Vec::len).min();
        Self {
            id: observed.and_then(|o| o.id.clone()),
            partitions: observed.and_then(|_| i32::try_from(replicas.len()).ok()),
            replicas: least.and_then(|n| i32::try_from(n).ok()),
            config_keys: plan.config_keys.clone(),
            drift: plan.drift.clone(),
        }
    }
}

/// How it went with a topic.
pub type Outcome = outcome::Outcome<Facts>;

/// What comes of a plan whose steps are done.
#[must_use]
pub fn outcome(plan: &TopicPlan, facts: Facts) -> Outcome {
    match (&plan.refusal, &plan.waits) {
        // Nothing was learnt of it.
        (Some(refusal), _) if refusal.reason == reason::BROKER_BEHIND => {
            Outcome::Held(refusal.clone(), None)
        }
        (Some(refusal), _) => Outcome::Held(refusal.clone(), Some(facts)),
        (None, Some(message)) => {
            let moves = Refusal::waits(reason::REASSIGNING, message.as_str());
            Outcome::Held(moves, Some(facts))
        }
        (None, None) => Outcome::Ready(facts),
    }
}

/// What Kafka answered about one topic instead of doing what was asked.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Kafka's name of the error (`org.apache.kafka.common.protocol.Errors`).
    pub name: &'static str,
    /// The same as a CamelCase word.
    pub reason: &'static str,
    /// What it says.
    pub message: String,
    /// Whether Kafka calls it retriable.
    pub retriable: bool,
    /// Whether the question was how the topic is: the answer may be another one the next time, whatever it is.
    pub asked: bool,
}

/// What comes of an answer that is an error.
#[must_use]
pub fn failed(answer: Answer) -> Outcome {
    // Who made it meanwhile is looked at the next time.
    let waits = answer.retriable || answer.asked || answer.name == "TOPIC_ALREADY_EXISTS";
    Outcome::Failed(Refusal {
        reason: answer.reason,
        message: answer.message,
        waits,
    })
}

/// Whether an outcome is to be written: [`Outcome::is_told`], but for what a topic that is there may lack for as long as
/// it takes.
#[must_use]
pub fn is_told(topic: &KafkaTopic, outcome: &Outcome, failures: u32) -> bool {
    match outcome {
        // It is there: that a broker does not know it yet says nothing about it.
        Outcome::Held(refusal, _) if refusal.reason == reason::BROKER_BEHIND => !topic.is_settled(),
        _ => outcome.is_told(topic, failures),
    }
}

/// Why nothing is done about a topic that is there and that the broker asked does not know.
#[must_use]
pub fn broker_behind(topic: &str) -> Refusal {
    let message = format!(
        "topic {topic} is there, and the broker that was asked has yet to hear of it from the active controller: it is asked again; if that lasts, look at the brokers"
    );
    Refusal::waits(reason::BROKER_BEHIND, message)
}

/// The status of a topic.
#[must_use]
pub fn status(topic: &KafkaTopic, outcome: &Outcome, now: &Time) -> KafkaTopicStatus {
    let before = topic.status.clone().unwrap_or_default();
    let (standing, reason, mut message, facts) = outcome.said();
    let left = facts.map_or_else(String::new, |facts| {
        format!("changed in Kafka, and left: {}", facts.drift.join("; "))
    });
    if standing == Standing::Ready && facts.is_some_and(|f| !f.drift.is_empty()) {
        message = &left;
    }
    let generation = topic.metadata.generation;
    let observed_generation = match standing {
        Standing::Working => lagging(topic),
        Standing::Ready | Standing::Stalled => generation,
    };
    let conditions = conditions(
        &standing,
        reason,
        message,
        &before.conditions,
        generation,
        now,
    );
    let kept = KafkaTopicStatus {
        observed_generation,
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
            drift: facts
                .drift
                .iter()
                .take(DRIFT)
                .map(|sentence| cut(sentence, SENTENCE))
                .collect(),
            ..kept
        },
    }
}

/// Whether all that the spec asks for has been done, or refused: what differs from now on was changed by hand.
pub(super) fn settled(topic: &KafkaTopic) -> bool {
    let generation = topic.metadata.generation;
    let observed = topic.status.as_ref().and_then(|s| s.observed_generation);
    // A permanent failure was not answered by Kafka as it would have been by us: it is tried again.
    let done = stalled(topic).is_none_or(|reason| SETTLED.contains(&reason));
    generation.is_some() && observed == generation && done
}

/// The id of the topic that an object's status says to be the object's own: what is left to go by when the record of
/// owners was lost. One that was only looked at is not said to be had.
#[must_use]
pub fn said_to_be_had(topic: &KafkaTopic) -> Option<&str> {
    let status = topic.status.as_ref()?;
    let ready = status.conditions.iter().find(|c| c.type_ == READY)?;
    let owns = ready.status == "True"
        || [reason::PARTITIONS_CANNOT_SHRINK, reason::REASSIGNING].contains(&ready.reason.as_str());
    status.topic_id.as_deref().filter(|_| owns)
}

/// Refusals after which nothing of the spec remains to be done.
const SETTLED: [&str; 2] = [reason::PARTITIONS_CANNOT_SHRINK, reason::TOPIC_MISSING];

/// Why the topic is stalled, if it is.
pub(super) fn stalled(topic: &KafkaTopic) -> Option<&str> {
    let conditions = topic.status.as_ref().map(|s| s.conditions.as_slice())?;
    let stalled = |c: &&Condition| c.type_ == STALLED && c.status == "True";
    conditions.iter().find(stalled).map(|c| c.reason.as_str())
}

/// The generation that is observed while work goes on: the last one that was settled. kstatus takes one that lags for
/// work in progress, and a plan takes one that does not for proof that nothing remains to be done, so neither an outage
/// nor a restart makes a change that was asked for look like one made by hand.
fn lagging(topic: &KafkaTopic) -> Option<i64> {
    let observed = topic.status.as_ref().and_then(|s| s.observed_generation);
    let is_current = observed == topic.metadata.generation;
    if is_current && !settled(topic) {
        None
    } else {
        observed
    }
}
