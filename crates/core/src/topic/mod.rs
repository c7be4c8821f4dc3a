//! A topic that a namespace declares: who has it, what has to be done in Kafka, where replicas go, and what is reported.
//!
//! What Kafka said comes in as [`Observed`], what is to be done goes out as [`Step`]s. Who records ownership, and who
//! speaks to Kafka, is the controller.

mod claim;
mod config;
mod placement;
mod plan;
mod status;
mod steps;
#[cfg(test)]
mod tests;
mod validate;

pub use claim::{Claim, winner};
pub use placement::{Broker, place};
pub use plan::plan;
pub use status::{
    Answer, Facts, Outcome, broker_behind, failed, is_told, outcome, said_to_be_had, status,
};
pub use steps::{Observed, Situation, Step, TopicPlan, keys_of_interest};
pub use validate::{Place, conflict, review, validate, validate_in};

/// How many replicas must confirm a write.
const MIN_ISR: &str = "min.insync.replicas";
/// Keys that the operator sets itself while it moves replicas.
pub const RESERVED: [&str; 2] = [
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
];

/// Why a topic is refused, or waits: reasons of conditions.
pub mod reason {
    /// It exists already, and `adoption` says to leave it.
    pub const TOPIC_EXISTS: &str = "TopicExists";
    /// It exists already, and the namespace may not take it over.
    pub const ADOPTION_NOT_GRANTED: &str = "AdoptionNotGranted";
    /// An older object has the name.
    pub const TOPIC_NAME_CONFLICT: &str = "TopicNameConflict";
    /// It was deleted in Kafka, and `driftPolicy` says to leave that.
    pub const TOPIC_MISSING: &str = "TopicMissing";
    /// It is there, but the broker that was asked has yet to hear of it.
    pub const BROKER_BEHIND: &str = "BrokerBehind";
    /// It has more partitions than wanted.
    pub const PARTITIONS_CANNOT_SHRINK: &str = "PartitionsCannotShrink";
    /// There are fewer brokers than replicas are wanted.
    pub const NOT_ENOUGH_BROKERS: &str = "NotEnoughBrokers";
    /// Replicas are moving.
    pub const REASSIGNING: &str = "Reassigning";
}
