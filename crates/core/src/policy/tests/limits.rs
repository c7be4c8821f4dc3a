//! Each structured limit: what keeps it, and what is said where it is broken.

use serde_json::{Value, json};

use super::super::Totals;
use super::{Compiled, Question, found, lines, object, policy, topic};

fn expect(spec: &Value, object: &Value, want: &[&str]) {
    let found = found(spec, object.clone());
    assert_eq!(found, want, "{spec}\n{object}");
}

#[test]
fn topics() {
    let topics = |limits: Value| json!({"topics": limits});
    for (limits, spec, want) in [
        (
            json!({"names": ["{namespace}.*"]}),
            json!({"topicName": "pay.orders"}),
            None,
        ),
        (
            json!({"names": ["{namespace}.*"]}),
            json!({}),
            Some("topics.names metadata.name: \"x\" is no name for a topic here: use pay.*"),
        ),
        (
            json!({"names": ["{namespace}.*", "shared.*"]}),
            json!({"topicName": "other.x"}),
            Some(
                "topics.names spec.topicName: \"other.x\" is no name for a topic here: use pay.* or shared.*",
            ),
        ),
        (
            json!({"partitions": {"max": 12}}),
            json!({"partitions": 12}),
            None,
        ),
        (json!({"partitions": {"max": 12}}), json!({}), None),
        (
            json!({"partitions": {"max": 12}}),
            json!({"partitions": 13}),
            Some("topics.partitions spec.partitions: 13 is too high: use at most 12"),
        ),
        (
            json!({"replicas": {"min": 3}}),
            json!({"replicas": 2}),
            Some("topics.replicas spec.replicas: 2 is too low: use at least 3"),
        ),
        (
            json!({"retention": {"max": "168h"}}),
            json!({"config": {"retention.ms": "604800000"}}),
            None,
        ),
        (
            json!({"retention": {"max": "168h"}}),
            json!({"config": {"retention.ms": "604800001"}}),
            Some(
                "topics.retention spec.config[retention.ms]: 604800001 is too long: use at most 604800000 (168h)",
            ),
        ),
        (
            json!({"retention": {"max": "168h"}}),
            json!({"config": {"retention.ms": "-1"}}),
            Some(
                "topics.retention spec.config[retention.ms]: records may not be kept for ever: use at most 604800000 (168h)",
            ),
        ),
        (
            json!({"retention": {"min": "1h"}}),
            json!({"config": {"retention.ms": "-1"}}),
            None,
        ),
        (
            json!({"retention": {"min": "1h"}}),
            json!({"config": {"retention.ms": "60000"}}),
            Some(
                "topics.retention spec.config[retention.ms]: 60000 is too short: use at least 3600000 (1h)",
            ),
        ),
        (
            json!({"forbiddenConfig": ["segment.*"]}),
            json!({"config": {"segment.bytes": "1048576"}}),
            Some(
                "topics.forbiddenConfig spec.config[segment.bytes]: segment.bytes may not be set: remove it",
            ),
        ),
        (
            json!({"config": {"min.insync.replicas": {"min": 2, "required": true}}}),
            json!({"config": {"min.insync.replicas": "2"}}),
            None,
        ),
        (
            json!({"config": {"min.insync.replicas": {"min": 2, "required": true}}}),
            json!({}),
            Some(
                "topics.config spec.config[min.insync.replicas]: min.insync.replicas must be set: use at least 2",
            ),
        ),
        (
            json!({"config": {"cleanup.policy": {"oneOf": ["delete"]}}}),
            json!({"config": {"cleanup.policy": "compact,delete"}}),
            Some("topics.config spec.config[cleanup.policy]: \"compact\" may not be: use delete"),
        ),
        (
            json!({"config": {"retention.bytes": {"max": 1000}}}),
            json!({"config": {"retention.bytes": "-1"}}),
            Some(
                "topics.config spec.config[retention.bytes]: -1 is no limit at all: use at most 1000",
            ),
        ),
        (
            json!({"config": {"flush.ms": {"max": 1000}}}),
            json!({"config": {"flush.ms": "soon"}}),
            Some(
                "topics.config spec.config[flush.ms]: \"soon\" is no whole number, and flush.ms is bounded",
            ),
        ),
    ] {
        let want: Vec<&str> = want.into_iter().collect();
        expect(&topics(limits), &topic("x", spec), &want);
    }
}

#[test]
fn totals_of_a_namespace() {
    let compiled = Compiled::new([&policy(
        "p",
        &json!({"topics": {"perNamespace": {"topics": 3, "partitions": 20}}}),
    )]);
    let mut question = Question::of(topic("x", json!({"partitions": 6})));
    assert!(
        question.ask(&compiled).0.is_empty(),
        "not known, not judged"
    );
    for (topics, partitions, want) in [
        (2, 14, vec![]),
        (
            3,
            3,
            vec![
                "topics.perNamespace metadata.namespace: namespace \"pay\" would have 4 topics and may have 3: delete some, or ask for more",
            ],
        ),
        (
            1,
            15,
            vec![
                "topics.perNamespace spec.partitions: namespace \"pay\" would have 21 partitions and may have 20: delete some, or ask for more",
            ],
        ),
    ] {
        question.others = Some(Totals { topics, partitions });
        assert_eq!(lines(&question.ask(&compiled)), want);
    }
}

#[test]
fn users() {
    let user = |spec: Value| object("KafkaUser", "u", spec);
    for (limits, spec, want) in [
        (json!({"mechanisms": ["tls"]}), json!({}), vec![]),
        (
            json!({"mechanisms": ["tls", "scram-sha-512"]}),
            json!({"authentication": "scram-sha-256"}),
            vec![
                "users.mechanisms spec.authentication: scram-sha-256 may not be: use tls or scram-sha-512",
            ],
        ),
        (
            json!({"quotas": {"producerByteRate": 1000}}),
            json!({"quotas": {"producerByteRate": 1000}}),
            vec![],
        ),
        (
            json!({"quotas": {"producerByteRate": 1000, "requestPercentage": 50.0}}),
            json!({"quotas": {"producerByteRate": 1001}}),
            vec![
                "users.quotas spec.quotas.producerByteRate: 1001 is too high: use at most 1000",
                "users.quotas spec.quotas.requestPercentage: a user without it is not limited: use at most 50",
            ],
        ),
        (
            json!({"certificateValidity": {"max": "720h"}}),
            json!({"certificate": {"validity": "720h"}}),
            vec![],
        ),
        (
            json!({"certificateValidity": {"max": "720h"}}),
            json!({}),
            vec![
                "users.certificateValidity spec.certificate.validity: 2160h is too long: use at most 720h",
            ],
        ),
        (
            json!({"certificateValidity": {"max": "720h"}}),
            json!({"authentication": "scram-sha-512"}),
            vec![],
        ),
        (
            json!({"certificateValidity": {"min": "1h"}}),
            json!({"certificate": {"validity": "5m"}}),
            vec![
                "users.certificateValidity spec.certificate.validity: 300s is too short: use at least 1h",
            ],
        ),
    ] {
        expect(&json!({"users": limits}), &user(spec), &want);
    }
}

#[test]
fn acls() {
    let acl = |spec: Value| {
        let mut whole = json!({"subjects": [{"name": "u"}], "roles": ["producer"], "resources": [{"type": "topic", "name": "orders"}]});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        object("KafkaACL", "a", whole)
    };
    let star = json!([{"type": "topic", "name": "*"}]);
    let everybody = json!([{"kind": "Principal", "name": "User:*"}]);
    for (limits, spec, want) in [
        (json!({"forbidWildcards": true}), json!({}), vec![]),
        (
            json!({"forbidWildcards": true}),
            json!({"resources": [{"type": "topic", "name": "*", "pattern": "prefixed"}]}),
            vec![],
        ),
        (
            json!({"forbidWildcards": true}),
            json!({"resources": star, "permission": "Deny"}),
            vec![],
        ),
        (
            json!({"forbidWildcards": true}),
            json!({"resources": star, "subjects": everybody}),
            vec![
                "acls.forbidWildcards spec.resources[0].name: \"*\" is every resource there is and will be: name them, or use a prefix",
                "acls.forbidWildcards spec.subjects[0]: \"User:*\" is everybody: name users or service accounts",
            ],
        ),
        (
            json!({"forbiddenOperations": ["Delete"]}),
            json!({"roles": ["producer", "consumer"]}),
            vec![],
        ),
        (
            json!({"forbiddenOperations": ["Delete"]}),
            json!({"roles": ["streams"]}),
            vec![
                "acls.forbiddenOperations spec.roles[streams]: role streams gives Delete, which nobody may be given: use a role without it",
            ],
        ),
        (
            json!({"forbiddenOperations": ["Delete"]}),
            json!({"roles": ["streams"], "resources": [{"type": "transactionalId", "name": "t"}]}),
            vec![],
        ),
        (
            json!({"hosts": ["10.0.0.0/8"]}),
            json!({"hosts": ["10.1.1.1"]}),
            vec![],
        ),
        (
            json!({"hosts": ["10.0.0.0/8", "::1"]}),
            json!({"hosts": ["192.168.0.1", "::1"]}),
            vec![
                "acls.hosts spec.hosts[192.168.0.1]: 192.168.0.1 may not be: use addresses in 10.0.0.0/8 or ::1",
            ],
        ),
        (
            json!({"hosts": ["10.0.0.0/8"]}),
            json!({}),
            vec![
                "acls.hosts spec.hosts: it would hold from everywhere: name addresses in 10.0.0.0/8",
            ],
        ),
        (
            json!({"principals": ["User:{namespace}/*"]}),
            json!({"subjects": [{"name": "u"}, {"kind": "ServiceAccount", "name": "s"}]}),
            vec![],
        ),
        (
            json!({"principals": ["User:{namespace}/*"]}),
            json!({"subjects": [{"name": "u", "namespace": "other"}]}),
            vec![
                "acls.principals spec.subjects[0]: User:other/user/u may be given nothing here: use User:pay/*",
            ],
        ),
    ] {
        expect(&json!({"acls": limits}), &acl(spec), &want);
    }
    let role = object(
        "KafkaRole",
        "r",
        json!({"rules": [{"resource": "topic", "operations": ["Read"]}, {"resource": "topic", "operations": ["All"]}]}),
    );
    expect(
        &json!({"acls": {"forbiddenOperations": ["Alter"]}}),
        &role,
        &[
            "acls.forbiddenOperations spec.rules[1].operations: All is an operation that nobody may be given: leave it out",
        ],
    );
}

fn cluster(change: &Value) -> Value {
    let mut spec = json!({
        "version": "4.3.1",
        "pools": [{
            "name": "brokers", "nodeIds": [0, 1, 2],
            "resources": {"requests": {"cpu": "1", "memory": "4Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}},
            "storage": {"volumes": [{"name": "data", "size": "10Gi", "storageClassName": "fast"}]},
        }],
    });
    for (key, value) in change.as_object().unwrap() {
        if let Some(key) = key.strip_prefix("pool.") {
            spec["pools"][0][key] = value.clone();
        } else {
            spec[key] = value.clone();
        }
    }
    object("KafkaCluster", "events", spec)
}

#[test]
fn brokers() {
    for (limits, change, want) in [
        (json!({"versions": ["4.3.*"]}), json!({}), vec![]),
        (
            json!({"versions": ["4.2.*"]}),
            json!({}),
            vec!["brokers.versions spec.version: 4.3.1 may not be run: use 4.2.*"],
        ),
        (
            json!({"images": ["registry.example.com"]}),
            json!({"image": "registry.example.com/kafka:1"}),
            vec![],
        ),
        (
            json!({"images": ["registry.example.com"]}),
            json!({}),
            vec![
                "brokers.images spec.image: image \"apache/kafka:4.3.1\" may not be run: use one of registry.example.com",
            ],
        ),
        (
            json!({"images": ["apache/kafka"]}),
            json!({"overrides": [{"nodeIds": [1], "image": "evil/kafka"}]}),
            vec![
                "brokers.images spec.overrides[1].image: image \"evil/kafka\" may not be run: use one of apache/kafka",
            ],
        ),
        (
            json!({"images": ["apache/kafka"]}),
            json!({"pool.template": {"containers": [{"name": "side", "image": "evil/side"}]}}),
            vec![
                "brokers.images spec.pools[brokers].template.containers[side].image: image \"evil/side\" may not be run: use one of apache/kafka",
            ],
        ),
        (
            json!({"forbiddenConfig": ["auto.create.*"]}),
            json!({"config": {"auto.create.topics.enable": "true"}}),
            vec![
                "brokers.forbiddenConfig spec.config[auto.create.topics.enable]: auto.create.topics.enable may not be set: remove it",
            ],
        ),
        (
            json!({"config": {"log.retention.hours": {"max": 168}}}),
            json!({"pool.config": {"log.retention.hours": "200"}}),
            vec![
                "brokers.config spec.pools[brokers].config[log.retention.hours]: 200 is too high: use at most 168",
            ],
        ),
        (
            json!({"config": {"unclean.leader.election.enable": {"oneOf": ["false"]}}}),
            json!({"overrides": [{"nodeIds": [2], "config": {"unclean.leader.election.enable": "true"}}]}),
            vec![
                "brokers.config spec.overrides[2].config[unclean.leader.election.enable]: \"true\" may not be: use false",
            ],
        ),
        (json!({"requireTls": true}), json!({}), vec![]),
        (
            json!({"requireTls": true}),
            json!({"listeners": [{"name": "a", "port": 9092, "tls": "none"}, {"name": "b", "port": 9093, "tls": "server"}, {"name": "c", "port": 9094, "tls": "server", "sasl": ["SCRAM-SHA-512"]}]}),
            vec![
                "brokers.requireTls spec.listeners[a].tls: it speaks plaintext: use tls: mtls",
                "brokers.requireTls spec.listeners[b].tls: its clients are anonymous: use tls: mtls, or give sasl mechanisms",
            ],
        ),
        (
            json!({"cpu": {"min": "500m", "max": "2"}, "memory": {"min": "4096Mi", "max": "4Gi"}}),
            json!({}),
            vec![],
        ),
        (
            json!({"cpu": {"min": "1500m", "max": "1"}}),
            json!({}),
            vec![
                "brokers.cpu spec.pools[brokers].resources.limits.cpu: 2 is too much: use at most 1",
                "brokers.cpu spec.pools[brokers].resources.requests.cpu: 1 is too little: use at least 1500m",
            ],
        ),
        (
            json!({"memory": {"min": "1Gi", "max": "8Gi"}}),
            json!({"pool.resources": {}}),
            vec![
                "brokers.memory spec.pools[brokers].resources.limits.memory: without a limit it may use everything: use at most 8Gi",
                "brokers.memory spec.pools[brokers].resources.requests.memory: nothing is asked for: use at least 1Gi",
            ],
        ),
        (
            json!({"memory": {"min": "1Gi"}}),
            json!({"pool.resources": {"limits": {"memory": "2Gi"}}}),
            vec![],
        ),
        (
            json!({"volumeSize": {"min": "20Gi"}, "storageClasses": ["slow"]}),
            json!({}),
            vec![
                "brokers.storageClasses spec.pools[brokers].storage.volumes[data].storageClassName: storage class fast may not be: use slow",
                "brokers.volumeSize spec.pools[brokers].storage.volumes[data].size: 10Gi is too little: use at least 20Gi",
            ],
        ),
        (
            json!({"storageClasses": ["slow"]}),
            json!({"pool.storage": {"volumes": [{"name": "data", "size": "1Gi"}]}}),
            vec![
                "brokers.storageClasses spec.pools[brokers].storage.volumes[data].storageClassName: the storage class must be named: use slow",
            ],
        ),
        (json!({"minBrokers": 3}), json!({}), vec![]),
        (
            json!({"minBrokers": 3}),
            json!({"pool.nodeIds": [0, 1]}),
            vec!["brokers.minBrokers spec.pools: 2 brokers are too few: use at least 3"],
        ),
    ] {
        expect(&json!({"brokers": limits}), &cluster(&change), &want);
    }
}
