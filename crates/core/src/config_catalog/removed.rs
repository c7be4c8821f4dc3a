//! Keys of Kafka 3 that Kafka 4 does not have any more, and what there is instead.
//!
//! Written by hand, from Kafka's upgrade notes: a broker of today knows nothing of them, and takes them in silence.

/// The key, and what to do about it, as the end of a sentence.
pub(super) const BROKERS: [(&str, &str); 30] = [
    (
        "advertised.host.name",
        "set spec.listeners, the operator advertises them",
    ),
    (
        "advertised.port",
        "set spec.listeners, the operator advertises them",
    ),
    (
        "alter.config.policy.kraft.compatibility.enable",
        "Kafka 4 behaves as if it were true: remove it",
    ),
    (
        "auto.include.jmx.reporter",
        "list org.apache.kafka.common.metrics.JmxReporter in metric.reporters, where it is by default",
    ),
    (
        "broker.id.generation.enable",
        "ids are what the pools say: remove it",
    ),
    (
        "control.plane.listener.name",
        "the quorum's listener is the operator's: remove it",
    ),
    (
        "controlled.shutdown.max.retries",
        "Kafka 4 tries until the broker may leave: remove it",
    ),
    (
        "controlled.shutdown.retry.backoff.ms",
        "Kafka 4 tries until the broker may leave: remove it",
    ),
    (
        "delegation.token.master.key",
        "it is called delegation.token.secret.key",
    ),
    (
        "eligible.leader.replicas.enable",
        "it is the feature eligible.leader.replicas.version, which new clusters have: remove it",
    ),
    (
        "group.coordinator.new.enable",
        "Kafka 4 has the new coordinator only: remove it",
    ),
    (
        "group.share.max.groups",
        "Kafka 4 does not bound their number: remove it",
    ),
    ("host.name", "set spec.listeners, the operator binds them"),
    (
        "inter.broker.protocol.version",
        "Kafka 4 has features instead, and the operator finalizes metadata.version: remove it",
    ),
    (
        "leader.imbalance.per.broker.percentage",
        "the controller gives every partition back to its preferred leader: remove it",
    ),
    (
        "log.message.downconversion.enable",
        "Kafka 4 converts for no client: remove it",
    ),
    (
        "log.message.format.version",
        "Kafka 4 has one format of records: remove it",
    ),
    (
        "log.message.timestamp.difference.max.ms",
        "Kafka 4 has log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms instead",
    ),
    (
        "metadata.log.segment.min.bytes",
        "it was for tests: remove it",
    ),
    (
        "offsets.commit.required.acks",
        "offsets are always written with acks=all: remove it",
    ),
    (
        "password.encoder.cipher.algorithm",
        "nothing is kept in ZooKeeper any more: remove it",
    ),
    (
        "password.encoder.iterations",
        "nothing is kept in ZooKeeper any more: remove it",
    ),
    (
        "password.encoder.key.length",
        "nothing is kept in ZooKeeper any more: remove it",
    ),
    (
        "password.encoder.keyfactory.algorithm",
        "nothing is kept in ZooKeeper any more: remove it",
    ),
    (
        "password.encoder.old.secret",
        "nothing is kept in ZooKeeper any more: remove it",
    ),
    (
        "password.encoder.secret",
        "nothing is kept in ZooKeeper any more: remove it",
    ),
    (
        "quota.consumer.default",
        "set consumer_byte_rate as a default quota: kubectl kafka quota set",
    ),
    (
        "quota.producer.default",
        "set producer_byte_rate as a default quota: kubectl kafka quota set",
    ),
    (
        "replica.lag.max.messages",
        "replicas fall behind by time: set replica.lag.time.max.ms",
    ),
    (
        "reserved.broker.max.id",
        "ids are what the pools say: remove it",
    ),
];

/// The same, of topics.
pub(super) const TOPICS: [(&str, &str); 3] = [
    (
        "message.downconversion.enable",
        "Kafka 4 converts for no client: remove it",
    ),
    (
        "message.format.version",
        "Kafka 4 has one format of records: remove it",
    ),
    (
        "message.timestamp.difference.max.ms",
        "Kafka 4 has message.timestamp.before.max.ms and message.timestamp.after.max.ms instead",
    ),
];

/// Beginnings of brokers' keys that are gone with all that began so.
pub(super) const BEGINNINGS: [(&str, &str); 1] = [(
    "zookeeper.",
    "the cluster runs without ZooKeeper: remove it",
)];
