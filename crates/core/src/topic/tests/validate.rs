use sdm_api::KafkaTopic;
use serde_json::{Value, json};

use super::topic;
use crate::config_catalog::Line;
use crate::topic::{Place, validate, validate_in};

fn violations(new: &KafkaTopic, old: Option<&KafkaTopic>) -> Vec<String> {
    let review = validate(new, old);
    review.violations.iter().map(ToString::to_string).collect()
}

fn config(key: &str, value: &str) -> KafkaTopic {
    topic(json!({"replicas": 3, "config": {key: value}}))
}

#[test]
fn what_is_refused_and_in_which_words() {
    let named = |name: &str| topic(json!({"topicName": name}));
    let mut long = topic(json!({}));
    long.metadata.name = Some("x".repeat(253));
    let mut dotted = topic(json!({}));
    dotted.metadata.name = Some("..".to_owned());
    for (topic, wanted) in [
        (named(""), "spec.topicName: a topic needs a name"),
        (
            named("."),
            "spec.topicName: \".\" is no name of a topic: it would be a directory's",
        ),
        (
            dotted,
            "metadata.name: \"..\" is no name of a topic: it would be a directory's",
        ),
        (
            named("a b"),
            "spec.topicName: \"a b\" is no name of a topic: use letters, digits, dots, dashes and underscores",
        ),
        (
            named("__consumer_offsets"),
            "spec.topicName: \"__consumer_offsets\" is Kafka's own: choose a name that does not begin with two underscores",
        ),
        (
            named("__mine"),
            "spec.topicName: \"__mine\" is Kafka's own: choose a name that does not begin with two underscores",
        ),
        (
            named(&"x".repeat(250)),
            "spec.topicName: 250 characters are too long for a topic: use at most 249",
        ),
        (
            long,
            "metadata.name: 253 characters are too long for a topic: use at most 249, or give another one in spec.topicName",
        ),
        (
            topic(json!({"partitions": 0})),
            "spec.partitions: 0 is out of range: use 1 to 100000",
        ),
        (
            topic(json!({"partitions": 100_001})),
            "spec.partitions: 100001 is out of range: use 1 to 100000",
        ),
        (
            topic(json!({"replicas": 33})),
            "spec.replicas: 33 is out of range: use 1 to 32",
        ),
        (
            config("leader.replication.throttled.replicas", "*"),
            "spec.config[leader.replication.throttled.replicas]: leader.replication.throttled.replicas is reserved: the operator sets it while it moves replicas; remove it",
        ),
        (
            config("follower.replication.throttled.replicas", ""),
            "spec.config[follower.replication.throttled.replicas]: follower.replication.throttled.replicas is reserved: the operator sets it while it moves replicas; remove it",
        ),
        (
            config("message.format.version", "3.0"),
            "spec.config[message.format.version]: message.format.version is gone: Kafka 4 has one format of records: remove it",
        ),
        (
            config("message.downconversion.enable", "true"),
            "spec.config[message.downconversion.enable]: message.downconversion.enable is gone: Kafka 4 converts for no client: remove it",
        ),
        (
            config("message.timestamp.difference.max.ms", "1"),
            "spec.config[message.timestamp.difference.max.ms]: message.timestamp.difference.max.ms is gone: Kafka 4 has message.timestamp.before.max.ms and message.timestamp.after.max.ms instead",
        ),
        (
            config("retention.msec", "1"),
            "spec.config[retention.msec]: retention.msec is no configuration of topics; did you mean retention.ms?",
        ),
        (
            config("retnetion.ms", "1"),
            "spec.config[retnetion.ms]: retnetion.ms is no configuration of topics; did you mean retention.ms?",
        ),
        (
            config("log.cleaner.delete.retention.ms", "1"),
            "spec.config[log.cleaner.delete.retention.ms]: log.cleaner.delete.retention.ms is no configuration of topics; did you mean delete.retention.ms?",
        ),
        (
            config("num.partitions", "1"),
            "spec.config[num.partitions]: num.partitions is no configuration of topics but one of brokers: remove it, or set it in the KafkaCluster",
        ),
        (
            config("nonsense", "1"),
            "spec.config[nonsense]: nonsense is no configuration of topics: see `kubectl kafka config list --topic` for those there are",
        ),
        (
            config("retention_ms", "1"),
            "spec.config[retention_ms]: retention_ms is no configuration of topics; did you mean retention.ms?",
        ),
        (
            config("retention.ms", "7d"),
            "spec.config[retention.ms]: \"7d\" is no whole number of at least -1 (milliseconds): write 604800000",
        ),
        (
            config("retention.ms", "-2"),
            "spec.config[retention.ms]: \"-2\" is no whole number of at least -1 (milliseconds)",
        ),
        (
            config("retention.bytes", "1Gi"),
            "spec.config[retention.bytes]: \"1Gi\" is no whole number (bytes): write 1073741824",
        ),
        (
            config("segment.bytes", "2147483648"),
            "spec.config[segment.bytes]: \"2147483648\" is no whole number from 1048576 to 2147483647 (bytes)",
        ),
        (
            config("segment.bytes", "1048575"),
            "spec.config[segment.bytes]: \"1048575\" is no whole number of at least 1048576 (bytes)",
        ),
        (
            config("compression.gzip.level", "0"),
            "spec.config[compression.gzip.level]: \"0\" is no whole number from 1 to 9, or -1",
        ),
        (
            config("min.cleanable.dirty.ratio", "1.1"),
            "spec.config[min.cleanable.dirty.ratio]: \"1.1\" is no number from 0 to 1",
        ),
        (
            config("min.cleanable.dirty.ratio", "NaN"),
            "spec.config[min.cleanable.dirty.ratio]: \"NaN\" is no number from 0 to 1",
        ),
        (
            config("preallocate", "yes"),
            "spec.config[preallocate]: \"yes\" is neither true nor false",
        ),
        (
            config("compression.type", "gz"),
            "spec.config[compression.type]: \"gz\" is none of gzip, lz4, producer, snappy, uncompressed, zstd",
        ),
        (
            config("cleanup.policy", "compact,drop"),
            "spec.config[cleanup.policy]: \"compact,drop\" is no list of compact, delete, each at most once",
        ),
        (
            config("cleanup.policy", "delete,delete"),
            "spec.config[cleanup.policy]: \"delete,delete\" is no list of compact, delete, each at most once",
        ),
        (
            config("min.insync.replicas", "4"),
            "spec.config[min.insync.replicas]: 4 copies must confirm a write and there are 3: lower it to 2 or less, or raise replicas",
        ),
        (
            topic(json!({"replicas": 1, "config": {"min.insync.replicas": "2"}})),
            "spec.config[min.insync.replicas]: 2 copies must confirm a write and there are 1: lower it to 1 or less, or raise replicas",
        ),
        (
            topic(json!({"config": {"min.compaction.lag.ms": "5", "max.compaction.lag.ms": "4"}})),
            "spec.config[min.compaction.lag.ms]: 5 is more than max.compaction.lag.ms, which is 4: lower it",
        ),
    ] {
        assert_eq!(violations(&topic, None), [wanted]);
    }
}

#[test]
fn what_is_accepted() {
    for name in ["a", "Orders-1", "_schemas", &"x".repeat(249)] {
        assert_eq!(
            validate(&topic(json!({"topicName": name})), None),
            Default::default(),
            "{name}"
        );
    }
    for (key, value) in [
        ("cleanup.policy", "compact, delete"),
        ("cleanup.policy", ""),
        ("compression.gzip.level", "-1"),
        ("compression.zstd.level", "-131072"),
        ("local.retention.ms", "-2"),
        ("min.cleanable.dirty.ratio", "0.25"),
        ("preallocate", "TRUE"),
        ("retention.bytes", "-1"),
        ("retention.ms", "9223372036854775807"),
        ("min.insync.replicas", " 2"),
    ] {
        assert_eq!(
            validate(&config(key, value), None),
            Default::default(),
            "{key}={value}"
        );
    }
}

#[test]
fn what_is_warned_of() {
    let warnings = |spec: Value| validate(&topic(spec), None).warnings;
    assert_eq!(
        warnings(json!({"topicName": "a.b_c"})),
        [
            "spec.topicName: dots and underscores are the same in names of metrics, where it can collide with another topic: use one of them"
        ]
    );
    assert_eq!(
        warnings(json!({"replicas": 1, "config": {"min.insync.replicas": "1"}})),
        [
            "spec.replicas: one copy of every record: each restart of its broker interrupts a partition, and a lost volume loses it"
        ]
    );
    assert_eq!(
        warnings(json!({"config": {"unclean.leader.election.enable": "true"}})),
        [
            "spec.config[unclean.leader.election.enable]: a replica that lags may become leader, and records that were acknowledged are lost"
        ]
    );
    assert_eq!(
        warnings(json!({"replicas": 3, "config": {"min.insync.replicas": "3"}})),
        [
            "spec.config[min.insync.replicas]: all 3 copies must confirm a write: while any broker restarts, writes are refused"
        ]
    );
}

#[test]
fn what_only_one_version_has() {
    let key = "max.decompressed.message.bytes";
    let topic = config(key, "1000");
    assert_eq!(
        validate(&topic, None).warnings,
        [
            "spec.config[max.decompressed.message.bytes]: only Kafka 4.2 has it, it is refused elsewhere"
        ]
    );
    let place = |line| Place {
        line: Some(line),
        brokers: 3,
        copies: 3,
    };
    assert_eq!(
        validate_in(&topic, None, Some(&place(Line::V4_2))),
        Default::default()
    );
    assert_eq!(
        validate_in(&topic, None, Some(&place(Line::V4_3))).violations[0].to_string(),
        "spec.config[max.decompressed.message.bytes]: Kafka 4.3 does not have max.decompressed.message.bytes, which was in 4.2: remove it"
    );
    assert_eq!(
        violations(&config(key, "0"), None),
        [
            "spec.config[max.decompressed.message.bytes]: \"0\" is no whole number from 1 to 2147483639 (bytes)"
        ]
    );
}

#[test]
fn what_cannot_change() {
    let old = topic(json!({"topicName": "a", "partitions": 6}));
    let cases = [
        (
            json!({"topicName": "b", "partitions": 6}),
            vec!["spec.topicName: topicName cannot change: Kafka cannot rename a topic"],
        ),
        (
            json!({"partitions": 6}),
            vec!["spec.topicName: topicName cannot change: Kafka cannot rename a topic"],
        ),
        (
            json!({"topicName": "a", "partitions": 5}),
            vec!["spec.partitions: partitions can grow and not shrink: set it to 6 or more"],
        ),
        (json!({"topicName": "a", "partitions": 7}), vec![]),
        (json!({"topicName": "a"}), vec![]),
        (
            json!({"topicName": "a", "clusterRef": {"name": "other"}}),
            vec![
                "spec.clusterRef: clusterRef cannot change: create another object for the other cluster",
            ],
        ),
    ];
    for (new, wanted) in cases {
        assert_eq!(violations(&topic(new), Some(&old)), wanted);
    }
}
