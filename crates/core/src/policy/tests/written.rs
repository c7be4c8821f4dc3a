//! What is refused of a policy itself.

use serde_json::json;

use super::super::validate;
use super::policy;

#[test]
fn a_policy_that_says_what_it_can_is_accepted() {
    let spec = json!({
        "match": {"kinds": ["KafkaTopic"]},
        "topics": {"partitions": {"min": 1, "max": 12}, "retention": {"min": "1h", "max": "168h"}},
        "defaults": {"topics": {"partitions": 6, "config": {"retention.ms": "86400000"}}},
        "cel": [{"name": "r", "rule": "object.spec.partitions > 0"}],
        "exceptions": [{"rules": ["cel/r", "topics.partitions"], "until": "2030-01-01T00:00:00Z", "reason": "x"}],
    });
    let review = validate(&policy("p", &spec), None);
    assert_eq!((review.violations, review.warnings), (vec![], vec![]));
}

#[test]
fn what_nothing_could_keep_is_refused() {
    for (spec, want) in [
        (
            json!({"topics": {"partitions": {"min": 5, "max": 3}}}),
            "spec.topics.partitions: nothing is at least 5 and at most 3",
        ),
        (
            json!({"topics": {"retention": {"min": "5h", "max": "3h"}}}),
            "spec.topics.retention: nothing is at least 5h and at most 3h",
        ),
        (
            json!({"topics": {"retention": {"min": "5"}}}),
            "spec.topics.retention.min: \"5\" is no duration",
        ),
        (
            json!({"brokers": {"cpu": {"min": "2", "max": "500m"}}}),
            "spec.brokers.cpu: nothing is at least 2 and at most 500m",
        ),
        (
            json!({"brokers": {"memory": {"max": "lots"}}}),
            "spec.brokers.memory.max: \"lots\" is no quantity",
        ),
        (
            json!({"topics": {"config": {"a.b": {}}}}),
            "spec.topics.config[a.b]: it bounds nothing",
        ),
        (
            json!({"topics": {"config": {"a.b": {"required": true}}, "forbiddenConfig": ["a.*"]}}),
            "spec.topics.config[a.b]: a.b is required and forbidden at once",
        ),
        (
            json!({"acls": {"hosts": ["10.0.0.0/99"]}}),
            "spec.acls.hosts[0]: \"10.0.0.0/99\" is no address and no range",
        ),
        (
            json!({"match": {"kinds": ["KafkaUser"]}, "topics": {}}),
            "spec.topics: it would never be asked: spec.match.kinds leaves out KafkaTopic",
        ),
        (
            json!({"match": {"kinds": ["KafkaUser"]}, "defaults": {"topics": {}}}),
            "spec.defaults.topics: it would never be asked",
        ),
        (
            json!({"cel": [{"name": "r", "rule": "object.spec.partitons > 0"}], "match": {"kinds": ["KafkaTopic"]}}),
            "spec.cel[r].rule: line 1, column 13: no KafkaTopic has object.spec.partitons",
        ),
        (
            json!({"cel": [{"name": "r", "rule": "object.metadata.name != ''", "messageExpression": "size('a')"}]}),
            "spec.cel[r].messageExpression: line 1, column 1: it comes to a number",
        ),
        (
            json!({"cel": [{"name": "r", "rule": "object.metadata.name != ''"}, {"name": "r", "rule": "object.metadata.name != ''"}]}),
            "spec.cel[r]: another rule has this name",
        ),
        (
            json!({"topics": {}, "exceptions": [{"rules": ["topics.partition"], "until": "2030-01-01T00:00:00Z", "reason": "x"}]}),
            "spec.exceptions[0].rules: \"topics.partition\" is no part of the policy; did you mean topics.partitions?",
        ),
        (
            json!({"topics": {"partitions": {"max": 3}}, "defaults": {"topics": {"partitions": 6}}}),
            "spec.defaults.topics.partitions: the policy itself forbids it: 6 is too high: use at most 3",
        ),
        (
            json!({"topics": {"config": {"flush.ms": {"max": 3}}}, "defaults": {"topics": {"config": {"flush.ms": "6"}}}}),
            "spec.defaults.topics.config[flush.ms]: the policy itself forbids it",
        ),
        (
            json!({"users": {"quotas": {"producerByteRate": 10, "consumerByteRate": 1}}, "defaults": {"users": {"quotas": {"producerByteRate": 60}}}}),
            "spec.defaults.users.quotas.producerByteRate: the policy itself forbids it",
        ),
        (
            json!({"brokers": {"forbiddenConfig": ["a.*"], "minBrokers": 3}, "defaults": {"brokers": {"config": {"a.b": "6"}}}}),
            "spec.defaults.brokers.config[a.b]: the policy itself forbids it",
        ),
    ] {
        let review = validate(&policy("p", &spec), None);
        let said: Vec<String> = review.violations.iter().map(ToString::to_string).collect();
        assert!(
            said.len() == 1 && said[0].starts_with(want),
            "{spec}\n{said:?}"
        );
    }
}

#[test]
fn a_policy_that_says_nothing_is_warned_of() {
    let review = validate(&policy("p", &json!({})), None);
    assert_eq!(review.warnings.len(), 1);
    let audit = json!({"enforcement": "Audit", "defaults": {"topics": {"partitions": 3}}});
    assert_eq!(validate(&policy("p", &audit), None).warnings.len(), 1);
}
