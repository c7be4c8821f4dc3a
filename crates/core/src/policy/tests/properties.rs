//! What holds of all policies and objects: the order of policies never matters, and nothing panics.

use proptest::prelude::*;
use sdm_api::KafkaPolicy;
use serde_json::{Value, json};

use super::super::cel::{Expression, Wanted, check};
use super::super::{Compiled, validate};
use super::{Question, policy};
use sdm_api::PolicyKind;

const KINDS: [&str; 6] = [
    "KafkaCluster",
    "KafkaTopic",
    "KafkaUser",
    "KafkaRole",
    "KafkaACL",
    "KafkaAccessGrant",
];

/// Any JSON, with names that policies look for.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "spec",
        "metadata",
        "name",
        "namespace",
        "labels",
        "clusterRef",
        "partitions",
        "replicas",
        "config",
        "retention.ms",
        "pools",
        "nodeIds",
        "storage",
        "volumes",
        "size",
        "listeners",
        "quotas",
        "subjects",
        "resources",
        "hosts",
        "roles",
        "type",
        "pattern",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z*./{}-]{0,12}|-1|10Gi".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Value> {
    (prop::sample::select(KINDS.to_vec()), any_json(), any_json(), any::<i32>(), any::<Option<i32>>()).prop_map(
        |(kind, metadata, spec, partitions, replicas)| {
            // Half of them are nearly right, so that typed limits have something to say.
            let spec = if partitions % 2 == 0 {
                json!({"clusterRef": {"name": "c"}, "partitions": partitions, "replicas": replicas, "config": {"retention.ms": "-1"}})
            } else {
                spec
            };
            let metadata = if metadata.is_object() { metadata } else { json!({"name": "x", "namespace": "pay"}) };
            json!({"kind": kind, "metadata": metadata, "spec": spec})
        },
    )
}

fn specs() -> Vec<Value> {
    vec![
        json!({"topics": {"partitions": {"max": 3}, "replicas": {"min": 3}, "names": ["{namespace}.*"], "retention": {"max": "1h"}, "perNamespace": {"topics": 1}}}),
        json!({"enforcement": "Warn", "cel": [{"name": "a", "rule": "object.spec.partitions > object.spec.replicas", "messageExpression": "string(object.spec)"}]}),
        json!({"cel": [{"name": "b", "rule": "object.spec.config.all(k, object.spec.config[k].matches('^[0-9]+$'))"}]}),
        json!({"match": {"namespaceSelector": {"matchLabels": {"env": "prod"}}}, "users": {"mechanisms": ["tls"], "quotas": {"producerByteRate": 5}}}),
        json!({"acls": {"forbidWildcards": true, "hosts": ["10.0.0.0/8"], "principals": ["User:{namespace}/*"], "forbiddenOperations": ["Alter"]}}),
        json!({"brokers": {"requireTls": true, "minBrokers": 3, "images": ["x"], "cpu": {"min": "1", "max": "2"}, "config": {"a": {"min": 1, "required": true}}}}),
        json!({"defaults": {"topics": {"partitions": 3, "config": {"a": "b"}}, "users": {"quotas": {"producerByteRate": 5}}}}),
        json!({"defaults": {"topics": {"partitions": 4, "config": {"a": "b"}}, "brokers": {"config": {"a": "b"}}}}),
        json!({"match": {"labels": {"app": "x"}, "clusters": ["c"]}, "cel": [{"name": "c", "rule": "oldObject == null || object.spec == oldObject.spec"}], "exceptions": [{"namespaces": ["p*"], "until": "2026-06-02T00:00:00Z", "reason": "r"}]}),
    ]
}

fn policies() -> impl Strategy<Value = Vec<KafkaPolicy>> {
    let all: Vec<KafkaPolicy> = specs()
        .iter()
        .enumerate()
        .map(|(i, spec)| policy(&format!("p{i}"), spec))
        .collect();
    Just(all).prop_shuffle()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_order_of_policies_never_matters(mixed in policies(), object in objects(), old in prop::option::of(objects())) {
        let mut sorted = mixed.clone();
        sorted.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let mut question = Question::of(object);
        question.old = old;
        let (one, other) = (Compiled::new(&sorted), Compiled::new(&mixed));
        prop_assert_eq!(question.ask(&one), question.ask(&other));
        prop_assert_eq!(question.with(|a| one.defaulted(a)), question.with(|a| other.defaulted(a)));
    }

    #[test]
    fn filling_in_twice_changes_nothing(mixed in policies(), object in objects()) {
        let compiled = Compiled::new(&mixed);
        let mut question = Question::of(object);
        if let Some(once) = question.with(|a| compiled.defaulted(a)) {
            question.object = once;
            prop_assert_eq!(question.with(|a| compiled.defaulted(a)), None);
        }
    }

    #[test]
    fn no_text_breaks_the_compiler(source in "[a-z0-9 .,'\"()\\[\\]{}?:&|!<>=+*/%-]{0,80}|\\PC{0,40}") {
        let _ = check(&source, &[PolicyKind::KafkaTopic], Wanted::Truth);
        if let Ok(expression) = Expression::compile(&source) {
            let question = Question::of(super::topic("x", json!({"partitions": 3})));
            let _ = question.with(|asked| expression.holds(asked));
        }
    }

    #[test]
    fn what_is_nearly_a_rule_breaks_nothing(words in prop::collection::vec(prop::sample::select(vec![
        "object", ".spec", ".partitions", ".config", "['a']", "[0]", " == ", " > ", " + ", " && ", " || ", "!", "-", "(", ")", "1", "1.5", "'a'",
        "null", "true", ".all(x, ", ".map(x, ", ".filter(x, ", ".exists_one(x, ", "x", "has(", "size(", "string(", ".matches('a')", " in ", " ? ",
        " : ", "[", "]", "{", "}", ", ", ".split('')", "max(", "min(", "int(", "double(", "9223372036854775807", "-9223372036854775808", "0u", "b'a'",
    ]), 0..24)) {
        let source = words.concat();
        let _ = check(&source, &[PolicyKind::KafkaTopic], Wanted::Truth);
        if let Ok(expression) = Expression::compile(&source) {
            let question = Question::of(super::topic("x", json!({"partitions": 3, "config": {"a": "b"}})));
            let _ = question.with(|asked| (expression.holds(asked), expression.text(asked)));
        }
    }

    #[test]
    fn no_policy_breaks_the_validator(spec in any_json()) {
        let value = json!({"metadata": {"name": "p"}, "spec": spec});
        if let Ok(policy) = serde_json::from_value::<KafkaPolicy>(value) {
            let _ = validate(&policy, None);
        }
    }
}
