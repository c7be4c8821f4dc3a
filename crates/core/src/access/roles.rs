//! The built-in roles. Their names are reserved: a `KafkaRole` of such a name is invalid, so that `consumer` means the
//! same everywhere.

use sdm_api::Operation::{self, All, Create, Delete, Describe, DescribeConfigs, Read, Write};
use sdm_api::ResourceType::{self, Cluster, DelegationToken, Group, Topic, TransactionalId};

/// Names of the built-in roles.
pub const BUILT_IN_ROLES: [&str; 6] = [
    "producer", "consumer", "admin", "viewer", "connect", "streams",
];

/// The operations of a role, by type of resource.
type Rules = &'static [(ResourceType, &'static [Operation])];

/// Writes records: `Write` is asked by Produce, `Describe` by the metadata of the topic. With transactions, `Write` on
/// the id is asked by InitProducerId, AddPartitionsToTxn and EndTxn, `Describe` by FindCoordinator. Idempotence needs
/// nothing more since Kafka 3.0 (KIP-679).
const PRODUCER: Rules = &[
    (Topic, &[Write, Describe]),
    (TransactionalId, &[Write, Describe]),
];

/// Reads records: `Read` is asked by Fetch and OffsetCommit, `Describe` by the metadata of the topic. `Read` on the
/// group is asked by JoinGroup, Heartbeat and OffsetCommit, `Describe` by FindCoordinator and OffsetFetch.
const CONSUMER: Rules = &[(Topic, &[Read, Describe]), (Group, &[Read, Describe])];

/// Looks and touches nothing: `Describe` is asked by metadata, offsets, lag and the state of transactions,
/// `DescribeConfigs` by configurations. On the cluster they show brokers, ACLs, quotas and the brokers' configurations.
const VIEWER: Rules = &[
    (Topic, &[Describe, DescribeConfigs]),
    (Group, &[Describe]),
    (TransactionalId, &[Describe]),
    (Cluster, &[Describe, DescribeConfigs]),
];

/// Everything there is, on what is listed.
const ADMIN: Rules = &[
    (Topic, &[All]),
    (Group, &[All]),
    (TransactionalId, &[All]),
    (Cluster, &[All]),
    (DelegationToken, &[All]),
];

/// A Kafka Connect worker: `Read` and `Write` on its config, offset and status topics and on those of its connectors;
/// `Create` since workers create the three and connectors theirs (KIP-158); `DescribeConfigs` since workers check that the
/// three are compacted. `Read` on the groups of workers and sinks, `Delete` since a sink's offsets can be reset (KIP-875).
/// Transactional ids are for sources with exactly-once (KIP-618). Nothing on the cluster: `Create` there would be every
/// topic.
const CONNECT: Rules = &[
    (Topic, &[Read, Write, Describe, Create, DescribeConfigs]),
    (Group, &[Read, Describe, Delete]),
    (TransactionalId, &[Write, Describe]),
];

/// A Kafka Streams application: reads, writes, creates and deletes its changelog and repartition topics
/// (`InternalTopicManager`; consumed repartition records are purged, which asks for `Delete`), and checks their
/// configurations. `Delete` on the group is asked by the reset tool and by streams groups (KIP-1071). Transactional ids
/// are for exactly-once.
const STREAMS: Rules = &[
    (
        Topic,
        &[Read, Write, Describe, Create, Delete, DescribeConfigs],
    ),
    (Group, &[Read, Describe, Delete]),
    (TransactionalId, &[Write, Describe]),
];

/// The rules of a built-in role.
#[must_use]
pub fn built_in(name: &str) -> Option<&'static [(ResourceType, &'static [Operation])]> {
    Some(match name {
        "producer" => PRODUCER,
        "consumer" => CONSUMER,
        "admin" => ADMIN,
        "viewer" => VIEWER,
        "connect" => CONNECT,
        "streams" => STREAMS,
        _ => return None,
    })
}
