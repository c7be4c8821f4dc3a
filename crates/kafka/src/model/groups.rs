//! Groups of consumers: who is in them, what each member reads, and how far each has got.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::error::KafkaError;

/// By which protocol a group keeps together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupType {
    /// Clients agree among themselves (JoinGroup, SyncGroup); also a group that only commits offsets.
    Classic,
    /// The coordinator assigns (KIP-848).
    Consumer,
    /// Another one (`share`, `streams`), which this client only lists.
    Other(String),
}

impl GroupType {
    /// Brokers before Kafka 3.8 do not tell, and had no other than classic groups.
    pub(crate) fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "" | "classic" => Self::Classic,
            "consumer" => Self::Consumer,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for GroupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classic => "classic",
            Self::Consumer => "consumer",
            Self::Other(word) => word,
        })
    }
}

impl Serialize for GroupType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The groups of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupListing {
    /// Sorted by id.
    pub groups: Vec<ListedGroup>,
    /// Brokers that could not be asked: groups they coordinate are missing here.
    pub unanswered: Vec<(i32, KafkaError)>,
}

/// A group as its coordinator lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedGroup {
    /// Group id.
    pub id: String,
    /// By which protocol it keeps together.
    #[serde(rename = "type")]
    pub group_type: GroupType,
    /// Kafka's word, e.g. `Stable`, `Empty`, `PreparingRebalance`, `Assigning`, `Reconciling`.
    pub state: String,
    /// What its members are: `consumer`, `connect`, or empty for a group that only commits offsets.
    pub protocol_type: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// A group with its members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupDescription {
    /// Group id.
    pub id: String,
    /// By which protocol it keeps together.
    #[serde(rename = "type")]
    pub group_type: GroupType,
    /// Kafka's word, e.g. `Stable`, `Empty`, `PreparingRebalance`, `Assigning`, `Reconciling`.
    pub state: String,
    /// How partitions are assigned, e.g. `range`, `cooperative-sticky`, `uniform`; empty without members.
    pub protocol: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Sorted by member id.
    pub members: Vec<GroupMember>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    /// Given by the coordinator or, since Kafka 4.0, made up by the client.
    pub member_id: String,
    /// `group.instance.id` of a static member.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Address the client connects from.
    pub host: String,
    /// Topics and their partitions it reads, sorted; empty for members that are no consumers.
    pub assignment: Vec<(String, Vec<i32>)>,
}

/// Up to where a group has read a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommittedOffset {
    /// The next record to read.
    pub offset: i64,
    /// Epoch of the leader the last record came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_epoch: Option<i32>,
    /// Whatever the client wrote beside it.
    pub metadata: String,
}
