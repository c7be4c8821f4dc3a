//! What Kafka can be told, as the tables have it, and what is said of keys and values.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use sdm_core::config_catalog::{
    Default, Found, Key, Kind, Line, Scope, Update, Valid, look_up, newest, opinion, problem, same,
};

const SCOPES: [Scope; 2] = [Scope::Broker, Scope::Topic];

fn everything() -> impl Iterator<Item = (Line, Scope, Key)> {
    let tables = Line::ALL
        .into_iter()
        .flat_map(|line| SCOPES.map(|s| (line, s)));
    tables.flat_map(|(line, scope)| line.keys(scope).map(move |key| (line, scope, key)))
}

fn broker(name: &str) -> Key {
    Line::NEWEST.key(Scope::Broker, name).unwrap()
}

/// Halving finds what is sorted; a line that could not be read would be left out in silence.
#[test]
fn every_line_of_the_tables_is_read_and_found() {
    for (line, brokers, topics) in [(Line::V4_2, 345, 35), (Line::V4_3, 363, 34)] {
        for (scope, count) in [(Scope::Broker, brokers), (Scope::Topic, topics)] {
            let names: Vec<_> = line.keys(scope).map(|key| key.name).collect();
            assert_eq!(names.len(), count, "{line:?} {scope:?}");
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
            for name in names {
                assert_eq!(line.key(scope, name).unwrap().name, name);
                // Its neighbours are none.
                for other in [format!("{name}!"), name[..name.len() - 1].to_owned()] {
                    let found = line.key(scope, &other);
                    assert!(found.is_none_or(|key| key.name == other), "{other}");
                }
            }
        }
    }
    for nothing in ["", "\n", "\t", "zzz", "é"] {
        assert_eq!(newest(Scope::Broker, nothing), None, "{nothing:?}");
    }
}

#[test]
fn what_kafka_has_by_default_is_valid() {
    for (line, scope, key) in everything() {
        let Default::Value(value) = key.default else {
            continue;
        };
        assert_eq!(
            problem(&key, value),
            None,
            "{line:?} {scope:?} {}",
            key.name
        );
        assert!(same(Some(&key), value, value), "{}", key.name);
        if key.update != Update::LiveOnly {
            let said = opinion(Some(line), scope, key.name, value);
            assert_eq!(said.wrong, None, "{line:?} {scope:?} {}", key.name);
        }
    }
}

/// From Kafka's documentation, "Updating Broker Configs".
#[test]
fn what_changes_live_agrees_with_the_documentation() {
    for (update, names) in [
        (
            Update::ReadOnly,
            "node.id log.dirs process.roles num.partitions auto.create.topics.enable default.replication.factor \
             broker.rack zookeeper.connect.not offsets.topic.replication.factor controller.quorum.voters \
             authorizer.class.name socket.send.buffer.bytes log.retention.check.interval.ms delete.topic.enable",
        ),
        (
            Update::PerBroker,
            "listeners listener.security.protocol.map ssl.keystore.location ssl.truststore.location \
             ssl.client.auth ssl.cipher.suites sasl.jaas.config sasl.enabled.mechanisms principal.builder.class",
        ),
        (
            Update::ClusterWide,
            "background.threads num.io.threads num.network.threads num.replica.fetchers \
             num.recovery.threads.per.data.dir log.cleaner.threads log.cleaner.dedupe.buffer.size \
             log.cleaner.io.max.bytes.per.second log.retention.ms log.retention.bytes log.segment.bytes \
             log.cleanup.policy message.max.bytes min.insync.replicas unclean.leader.election.enable \
             compression.type max.connections max.connections.per.ip max.connection.creation.rate \
             metric.reporters",
        ),
        (
            Update::LiveOnly,
            "leader.replication.throttled.rate follower.replication.throttled.rate \
             replica.alter.log.dirs.io.max.bytes.per.second",
        ),
    ] {
        for name in names
            .split_whitespace()
            .filter(|name| !name.ends_with(".not"))
        {
            for line in Line::ALL {
                let key = line.key(Scope::Broker, name).unwrap();
                assert_eq!(key.update, update, "{name}");
                assert_eq!(key.update.is_live(), update != Update::ReadOnly);
            }
        }
    }
    assert_eq!(
        newest(Scope::Topic, "retention.ms").unwrap().update,
        Update::Topic
    );
}

#[test]
fn what_the_tables_say_of_a_key() {
    let key = broker("compression.gzip.level");
    assert_eq!(
        (key.kind, key.default, key.valid),
        (
            Kind::Int,
            Default::Value("-1"),
            Valid::Range {
                min: Some(1.0),
                max: Some(9.0),
                also: Some(-1)
            }
        )
    );
    assert_eq!(broker("process.roles").default, Default::Required);
    assert_eq!(broker("log.retention.ms").default, Default::Null);
    assert_eq!(broker("ssl.keystore.password").kind, Kind::Password);
    assert_eq!(broker("num.partitions").importance, "medium");
    assert!(broker("unstable.api.versions.enable").internal && !broker("node.id").internal);
    assert!(
        broker("log.cleaner.enable")
            .deprecated
            .unwrap()
            .contains("removed in Kafka 5.0")
    );
    let topic = newest(Scope::Topic, "retention.ms").unwrap();
    assert_eq!(topic.broker_key, Some("log.retention.ms"));
}

#[test]
fn versions_have_lines() {
    for (version, line) in [
        ("4.2.2", Some(Line::V4_2)),
        ("4.3.1", Some(Line::V4_3)),
        ("4.3", Some(Line::V4_3)),
        ("4.30.0", None),
        ("4", None),
        ("", None),
    ] {
        assert_eq!(Line::of(version), line, "{version}");
    }
    // Whatever is supported has a table.
    for version in sdm_api::SUPPORTED_VERSIONS {
        assert!(Line::of(version).is_some(), "{version}");
    }
}

#[test]
fn what_a_key_is() {
    let of = |scope, name| look_up(Line::NEWEST, scope, name);
    let misspelt = |name| match of(Scope::Broker, name) {
        Found::Misspelt(meant) => meant,
        other => panic!("{name}: {other:?}"),
    };
    for (name, meant) in [
        ("log.retention.hour", "log.retention.hours"),
        ("num.io.thread", "num.io.threads"),
        ("NUM.PARTITIONS", "num.partitions"),
        ("numPartitions", "num.partitions"),
        ("KAFKA_LOG_SEGMENT_BYTES", "log.segment.bytes"),
        ("default.replication.facter", "default.replication.factor"),
        (
            "offsets.topics.replication.factor",
            "offsets.topic.replication.factor",
        ),
        ("min.insync.replica", "min.insync.replicas"),
        (
            "unclean.leader.elections.enabled",
            "unclean.leader.election.enable",
        ),
    ] {
        assert_eq!(misspelt(name), meant);
    }
    for plug_in in [
        "a",
        "opa.authorizer.url",
        "cruise.control.metrics.topic",
        "confluent.license",
        "client.quota.callback.static.produce",
        "strimzi.authorization.kafka.cluster.name",
        "listener.name.clients.nonsense",
    ] {
        assert_eq!(of(Scope::Broker, plug_in), Found::Unknown, "{plug_in}");
    }
    for passed_on in [
        "config.providers.env.class",
        "rlmm.config.topic.num.partitions",
        "rsm.config.chunk.size",
        "metrics.jmx.include",
    ] {
        assert_eq!(of(Scope::Broker, passed_on), Found::PassedOn, "{passed_on}");
    }
    for (name, listener, mechanism, base) in [
        (
            "listener.name.clients.max.connections",
            "clients",
            None,
            "max.connections",
        ),
        (
            "listener.name.clients.ssl.client.auth",
            "clients",
            None,
            "ssl.client.auth",
        ),
        (
            "listener.name.clients.scram-sha-512.sasl.jaas.config",
            "clients",
            Some("scram-sha-512"),
            "sasl.jaas.config",
        ),
    ] {
        let key = broker(base);
        assert_eq!(
            of(Scope::Broker, name),
            Found::OfListener {
                key,
                listener,
                mechanism
            }
        );
    }
    for (scope, name, here) in [
        (Scope::Broker, "retention.ms", Some("log.retention.ms")),
        (Scope::Broker, "remote.storage.enable", None),
        (Scope::Topic, "log.retention.ms", Some("retention.ms")),
        (Scope::Topic, "message.max.bytes", Some("max.message.bytes")),
        (Scope::Topic, "num.partitions", None),
    ] {
        let Found::OfScope {
            scope: other,
            here: found,
        } = of(scope, name)
        else {
            panic!("{name}");
        };
        assert_ne!(other, scope);
        assert_eq!(found, here, "{name}");
    }
    let added = "group.share.assignment.interval.ms";
    assert_eq!(
        look_up(Line::V4_2, Scope::Broker, added),
        Found::OfLine(Line::V4_3)
    );
    let dropped = "group.share.enable";
    assert_eq!(of(Scope::Broker, dropped), Found::OfLine(Line::V4_2));
    // What a listener has of its own is not looked for among topics' keys.
    assert_eq!(
        of(Scope::Topic, "listener.name.a.max.connections"),
        Found::Unknown
    );
}

/// The whole list of what Kafka 3.9 had and Kafka 4 has not, apart from ZooKeeper's, and some that went earlier.
#[test]
fn what_is_gone() {
    for name in "alter.config.policy.kraft.compatibility.enable auto.include.jmx.reporter \
        broker.id.generation.enable control.plane.listener.name controlled.shutdown.max.retries \
        controlled.shutdown.retry.backoff.ms delegation.token.master.key eligible.leader.replicas.enable \
        group.coordinator.new.enable group.share.max.groups inter.broker.protocol.version \
        leader.imbalance.per.broker.percentage log.message.downconversion.enable log.message.format.version \
        log.message.timestamp.difference.max.ms metadata.log.segment.min.bytes offsets.commit.required.acks \
        password.encoder.cipher.algorithm password.encoder.iterations password.encoder.key.length \
        password.encoder.keyfactory.algorithm password.encoder.old.secret password.encoder.secret \
        reserved.broker.max.id zookeeper.connect zookeeper.clientCnxnSocket zookeeper.ssl.keystore.type \
        host.name advertised.host.name quota.producer.default replica.lag.max.messages"
        .split_whitespace()
    {
        for line in Line::ALL {
            let Found::Removed(gone) = look_up(line, Scope::Broker, name) else {
                panic!("{name} of {line:?}");
            };
            assert!(!gone.instead.is_empty());
            let wrong = opinion(Some(line), Scope::Broker, name, "1").wrong.unwrap();
            assert!(wrong.starts_with(&format!("{name} is gone: ")), "{wrong}");
        }
    }
    let topic = look_up(Line::NEWEST, Scope::Topic, "message.format.version");
    assert!(matches!(topic, Found::Removed(_)));
}

#[test]
fn values() {
    for (name, good, bad) in [
        (
            "num.io.threads",
            "1| 8 |2147483647|+5",
            "0|-1|1.5|eight||2147483648|9223372036854775808",
        ),
        (
            "log.retention.ms",
            "-1|0|9223372036854775807",
            "7d|1e3|9223372036854775808",
        ),
        (
            "sasl.login.refresh.buffer.seconds",
            "0|3600",
            "32768|-32769|x",
        ),
        ("compression.gzip.level", "-1|1|9", "0|10|-2"),
        ("compression.zstd.level", "-131072|22", "23|-131073"),
        (
            "log.cleaner.min.cleanable.ratio",
            "0|0.5|1|1e-3",
            "1.01|-0.1|NaN|half",
        ),
        (
            "log.cleaner.io.max.bytes.per.second",
            "1.7976931348623157E308|1",
            "fast|inf|NaN",
        ),
        ("auto.create.topics.enable", "true|FALSE| true", "yes|1|"),
        ("compression.type", "gzip|producer", "gz|GZIP|"),
        (
            "group.consumer.migration.policy",
            "bidirectional|Disabled",
            "both",
        ),
        (
            "log.cleanup.policy",
            "delete|compact, delete|",
            "delete,delete|drop|delete,",
        ),
        (
            "group.coordinator.rebalance.protocols",
            "classic|consumer,streams",
            "|new",
        ),
        (
            "sasl.enabled.mechanisms",
            "PLAIN|PLAIN,SCRAM-SHA-512|",
            "PLAIN,,X|PLAIN,PLAIN",
        ),
        (
            "alter.config.policy.class.name",
            "org.example.Policy|a.B$C|P",
            "|my policy|a..b|1a.b|org.example.Policy;",
        ),
        ("remote.log.metadata.manager.impl.prefix", "x.", ""),
        ("delegation.token.secret.key", "|anything at all", ""),
        ("broker.rack", "|a b", ""),
    ] {
        let key = broker(name);
        let judged = |value: &str| problem(&key, value);
        for good in good.split('|') {
            assert_eq!(judged(good), None, "{name}={good}");
        }
        for bad in bad
            .split('|')
            .filter(|bad| !bad.is_empty() || bad_when_empty(&key))
        {
            assert!(judged(bad).is_some(), "{name}={bad}");
        }
    }
}

/// In the table above an empty cell stands for nothing at all where an empty value is fine.
fn bad_when_empty(key: &Key) -> bool {
    !matches!(
        (key.kind, key.valid),
        (Kind::Password, _)
            | (Kind::String, Valid::Any)
            | (Kind::List, Valid::List { empty: true, .. })
    )
}

#[test]
fn what_was_meant_by_a_unit() {
    for (name, value, said) in [
        (
            "log.roll.ms",
            "90s",
            "\"90s\" is no whole number (milliseconds): write 90000",
        ),
        (
            "log.retention.hours",
            "2d",
            "\"2d\" is no whole number: write 48",
        ),
        ("log.retention.hours", "90m", "\"90m\" is no whole number"),
        (
            "message.max.bytes",
            "1 Mi",
            "\"1 Mi\" is no whole number of at least 0 (bytes): write 1048576",
        ),
        (
            "message.max.bytes",
            "4Gi",
            "\"4Gi\" is no whole number of at least 0 (bytes)",
        ),
        (
            "message.max.bytes",
            "9999999999",
            "\"9999999999\" is no whole number from 0 to 2147483647 (bytes)",
        ),
        (
            "log.roll.ms",
            "999999999999999d",
            "\"999999999999999d\" is no whole number (milliseconds)",
        ),
        (
            "num.partitions",
            "3s",
            "\"3s\" is no whole number of at least 1",
        ),
        (
            "default.replication.factor",
            "9999999999",
            "\"9999999999\" is no whole number of at most 2147483647",
        ),
    ] {
        assert_eq!(problem(&broker(name), value).unwrap(), said);
    }
}

#[test]
fn values_that_mean_the_same() {
    let key = |name| newest(Scope::Topic, name);
    for (name, one, other, alike) in [
        ("retention.ms", "1", " +1", true),
        (
            "retention.ms",
            "9223372036854775807",
            "9223372036854775806",
            false,
        ),
        ("min.cleanable.dirty.ratio", "0.5", "5e-1", true),
        ("preallocate", "true", "TRUE", true),
        ("preallocate", "true", "false", false),
        ("cleanup.policy", "compact,delete", "delete, compact", true),
        ("cleanup.policy", "compact", "delete", false),
        ("compression.type", "gzip", "GZIP", false),
        (
            "leader.replication.throttled.replicas",
            "0:1,0:2",
            "0:2,0:1",
            false,
        ),
        ("of.another.version", "1.0", "1", true),
        ("of.another.version", "a,b", "b,a", false),
    ] {
        assert_eq!(
            same(key(name).as_ref(), one, other),
            alike,
            "{name}: {one} {other}"
        );
    }
}

/// A value that comes from elsewhere, as configuration providers put it in, is not known here.
#[test]
fn a_value_from_a_provider_is_not_judged() {
    let said = |scope, name, value| opinion(Some(Line::NEWEST), scope, name, value).wrong;
    assert_eq!(
        said(Scope::Broker, "num.io.threads", "${env:THREADS}"),
        None
    );
    assert!(said(Scope::Broker, "num.io.threads", "$THREADS").is_some());
    assert!(said(Scope::Topic, "retention.ms", "${env:MS}").is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, something is said of it, and what Kafka has is never held for a mistake.
    #[test]
    fn whatever_comes_is_judged(
        name in any::<prop::sample::Index>(), edit in any::<prop::sample::Index>(), letter in any::<char>(),
        free in "\\PC{0,64}", value in "\\PC{0,24}|-?[0-9]{0,25}[a-z]{0,2}|[a-z,]{0,12}",
    ) {
        for line in Line::ALL {
            for scope in SCOPES {
                let names: Vec<_> = line.keys(scope).map(|key| key.name).collect();
                let known = *name.get(&names);
                let mut edited: Vec<char> = known.chars().collect();
                let at = edit.index(edited.len());
                edited[at] = letter;
                let edited: String = edited.into_iter().collect();
                for name in [known, &edited, &free] {
                    let found = look_up(line, scope, name);
                    prop_assert_eq!(matches!(found, Found::Known(_)), names.contains(&name));
                    let said = opinion(Some(line), scope, name, &value);
                    let bare = opinion(None, scope, name, &value);
                    prop_assert!(said.wrong.is_none_or(|wrong| !wrong.is_empty()));
                    prop_assert!(bare.unwise.len() <= said.unwise.len() + 2);
                    if let Found::Misspelt(meant) = found {
                        prop_assert!(names.contains(&meant));
                    }
                }
                // One letter more, less or other in a name is noticed, if it is not short.
                if known.len() >= 12 && !known.contains("internal") && letter.is_ascii_alphanumeric() {
                    let found = look_up(line, scope, &edited);
                    prop_assert!(!matches!(found, Found::Unknown) || line.key(scope, known).unwrap().internal, "{} {:?}", edited, found);
                }
            }
        }
    }
}
