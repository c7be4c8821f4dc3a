//! What the admin calls return and take: plain data, free of the codec's types, serializable where people see it.
//!
//! Owns shapes only. Kafka's sentinel values (-1 for "no leader", "no controller") become `Option` here and nowhere else.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

use crate::error::ItemError;

mod acls;
mod configs;
mod groups;
mod quotas;
mod reassignments;
mod scram;

pub use acls::*;
pub use configs::*;
pub use groups::*;
pub use quotas::*;
pub use reassignments::*;
pub use scram::*;

/// A Kafka id of 128 bits (topic, log directory), written as Kafka writes it: 22 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// Whether this is Kafka's "no id".
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Id {
    type Err = crate::KafkaError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        URL_SAFE_NO_PAD
            .decode(s)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| crate::KafkaError::config(format!("{s:?} is not a Kafka id")))
    }
}

impl From<uuid::Uuid> for Id {
    fn from(id: uuid::Uuid) -> Self {
        Self(id.into_bytes())
    }
}

/// A broker or controller as DescribeCluster lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// `node.id`.
    pub id: i32,
    /// Advertised host on the listener that was asked.
    pub host: String,
    /// Advertised port on the listener that was asked.
    pub port: u16,
    /// `broker.rack`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Registered, but not allowed to serve. Only brokers can be fenced, and only Kafka 4.0 and later tell.
    pub fenced: bool,
}

/// The answer of DescribeCluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterDescription {
    /// The cluster's id, as formatted into every log directory.
    pub cluster_id: String,
    /// On a controller listener the quorum's leader; on a broker some broker that forwards to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller_id: Option<i32>,
    /// Brokers, or controllers when a controller listener was asked for them; sorted by id.
    pub nodes: Vec<NodeInfo>,
}

/// The metadata quorum, as its leader sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuorumDescription {
    /// The active controller; `None` during an election.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_id: Option<i32>,
    /// Raft epoch.
    pub leader_epoch: i32,
    /// Offset up to which a majority holds the metadata log.
    pub high_watermark: i64,
    /// Members that count for the majority.
    pub voters: Vec<QuorumReplica>,
    /// Followers that do not count: brokers, and controllers that have not been added.
    pub observers: Vec<QuorumReplica>,
    /// Where the voters listen, as the voter set records it (Kafka 3.9 and later; else empty).
    pub nodes: Vec<QuorumNode>,
}

/// A replica of the metadata log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuorumReplica {
    /// `node.id`.
    pub id: i32,
    /// The id of its metadata log directory; `None` where the quorum is static or Kafka is older than 3.9.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<Id>,
    /// Last offset this replica is known to have plus one; `None` while the leader does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_end_offset: Option<i64>,
    /// How many records behind the leader it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<i64>,
    /// Leader's clock, milliseconds since the epoch, at its last fetch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_fetch_ms: Option<i64>,
    /// Leader's clock, milliseconds since the epoch, when it last held everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_caught_up_ms: Option<i64>,
}

/// Endpoints of a voter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QuorumNode {
    /// `node.id`.
    pub id: i32,
    /// Listener name, host, port.
    pub listeners: Vec<(String, String, u16)>,
}

/// A topic with all its partitions, as one broker's metadata cache knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicMetadata {
    /// Topic name.
    pub name: String,
    /// Topic id; `None` where the broker gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Kafka's own topic (`__consumer_offsets`, ...).
    pub internal: bool,
    /// Set when the topic could not be described; then there are no partitions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
    /// Sorted by index.
    pub partitions: Vec<PartitionMetadata>,
}

/// One partition's replicas and health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionMetadata {
    /// Partition number.
    pub index: i32,
    /// Broker that leads; `None` when the partition is offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<i32>,
    /// Epoch of that leader.
    pub leader_epoch: i32,
    /// Assigned brokers, preferred leader first.
    pub replicas: Vec<i32>,
    /// In-sync replicas.
    pub isr: Vec<i32>,
    /// Replicas on dead brokers or failed log directories.
    pub offline: Vec<i32>,
    /// E.g. `LEADER_NOT_AVAILABLE`; the other fields are still filled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
}

impl PartitionMetadata {
    /// Every assigned replica is in sync and there is a leader.
    pub fn is_in_sync(&self) -> bool {
        self.leader.is_some() && self.offline.is_empty() && self.isr.len() == self.replicas.len()
    }
}

/// The answer of Metadata: brokers that serve (fenced ones are absent) and topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterMetadata {
    /// The cluster's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Sorted by id.
    pub brokers: Vec<NodeInfo>,
    /// Sorted by name.
    pub topics: Vec<TopicMetadata>,
}

/// A topic to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTopic {
    /// Topic name.
    pub name: String,
    /// `None`: the broker's `num.partitions`.
    pub partitions: Option<i32>,
    /// `None`: the broker's `default.replication.factor`.
    pub replication_factor: Option<i16>,
    /// Replicas of each partition, preferred leader first; excludes the two numbers above.
    pub assignments: Vec<Vec<i32>>,
    /// Topic configuration.
    pub configs: Vec<(String, String)>,
}

/// A topic that was created (or would have been, with `validate_only`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedTopic {
    /// Topic id; `None` with `validate_only`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Partitions it has; `None` if the caller may not read the topic's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// Replicas of each; `None` if the caller may not read the topic's configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_factor: Option<i16>,
}

/// One verdict per topic, by name, in the broker's order.
pub type PerTopic<T> = Vec<(String, Result<T, ItemError>)>;

/// One log directory of a broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogDir {
    /// Absolute path on the broker.
    pub path: String,
    /// Set when the directory is offline (`KAFKA_STORAGE_ERROR`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
    /// Size of the volume in bytes; `None` where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// Bytes the broker may still use; `None` where unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usable_bytes: Option<u64>,
    /// Replicas stored here.
    pub replicas: Vec<LogDirReplica>,
}

/// One replica in a log directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LogDirReplica {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// Bytes of its log segments.
    pub size_bytes: i64,
    /// Records behind the high watermark (or, for a future replica, behind the current one).
    pub offset_lag: i64,
    /// A copy being moved here from another directory of the same broker.
    pub future: bool,
}

/// A position to ask ListOffsets for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first offset still in the log.
    Earliest,
    /// The offset the next record will get (the high watermark).
    Latest,
    /// The first record whose timestamp, in milliseconds since the epoch, is at least this.
    AtOrAfter(i64),
}

/// One version range a broker offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiRange {
    /// Kafka's API key.
    pub key: i16,
    /// Lowest version.
    pub min: i16,
    /// Highest version.
    pub max: i16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_and_print_as_kafka_does() {
        let id: Id = "4L6g3nShT-eMCtK--X86sw".parse().unwrap();
        assert_eq!(id.to_string(), "4L6g3nShT-eMCtK--X86sw");
        assert_eq!(serde_id(&id), "4L6g3nShT-eMCtK--X86sw");
        assert!("short".parse::<Id>().is_err());
        assert!(Id::default().is_zero());
    }

    fn serde_id(id: &Id) -> String {
        let uuid = uuid::Uuid::from_bytes(id.0);
        Id::from(uuid).to_string()
    }
}
