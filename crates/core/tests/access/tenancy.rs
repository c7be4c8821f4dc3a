//! Selectors, and who may take over topics that belong to nobody.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use sdm_core::access::{may_adopt, namespace_allowed, selects};
use serde_json::{Value, json};

use super::store::{HOME, grant};

fn selector(value: Value) -> LabelSelector {
    serde_json::from_value(value).unwrap()
}

#[test]
fn selectors_select_as_kubernetes_does() {
    let labels: BTreeMap<String, String> = [("team", "a"), ("tier", "prod")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
    let expression = |key: &str, operator: &str, values: Value| {
        let mut e = json!({"key": key, "operator": operator});
        if !values.is_null() {
            e["values"] = values;
        }
        json!({"matchExpressions": [e]})
    };
    for (wanted, value) in [
        (true, json!({})),
        (true, json!({"matchLabels": {}, "matchExpressions": []})),
        (true, json!({"matchLabels": {"team": "a"}})),
        (true, json!({"matchLabels": {"team": "a", "tier": "prod"}})),
        (false, json!({"matchLabels": {"team": "a", "tier": "test"}})),
        (false, json!({"matchLabels": {"other": "a"}})),
        (true, expression("team", "In", json!(["b", "a"]))),
        (false, expression("team", "In", json!(["b"]))),
        (false, expression("other", "In", json!(["a"]))),
        (false, expression("team", "In", Value::Null)),
        (true, expression("team", "NotIn", json!(["b"]))),
        (false, expression("team", "NotIn", json!(["b", "a"]))),
        (true, expression("other", "NotIn", json!(["a"]))),
        (true, expression("team", "Exists", Value::Null)),
        (false, expression("other", "Exists", Value::Null)),
        (false, expression("team", "DoesNotExist", Value::Null)),
        (true, expression("other", "DoesNotExist", Value::Null)),
        (false, expression("team", "Gt", json!(["0"]))),
        (
            false,
            json!({"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["prod"]}]}),
        ),
    ] {
        assert_eq!(
            selects(&selector(value.clone()), &labels),
            wanted,
            "{value}"
        );
    }
}

#[test]
fn a_namespace_whose_labels_are_unknown_is_let_in_only_where_all_are() {
    let told = |allowed: Value, labels: Option<&BTreeMap<String, String>>| {
        let allowed = selector(allowed);
        namespace_allowed(HOME, Some(&allowed), "a", labels)
            .map_err(|r| (r.waits, r.reason, r.message))
    };
    let not = json!({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]});
    let unknown = r#"the labels of namespace "a" are not known yet"#.to_owned();
    assert_eq!(
        told(not.clone(), None),
        Err((true, "NamespaceNotAllowed", unknown))
    );
    assert_eq!(told(not, Some(&BTreeMap::new())), Ok(()));
    assert_eq!(told(json!({}), None), Ok(()));
    assert_eq!(told(json!({"matchLabels": {}}), None), Ok(()));
    assert!(namespace_allowed(HOME, None, HOME, None).is_ok());
}

#[test]
fn topics_of_nobody_are_the_clusters_to_give() {
    let topics = json!([{"name": "legacy"}, {"name": "old.", "pattern": "prefixed"}]);
    let given = |by: &str, adoption: bool, topics: &Value| {
        grant(
            by,
            "g",
            json!({"namespaces": ["a"], "topics": topics, "adoption": adoption}),
        )
    };
    let may = |grants: &[&sdm_api::KafkaAccessGrant], namespace: &str, topic: &str| {
        may_adopt(HOME, grants, namespace, topic).map_err(|r| {
            assert_eq!((r.reason, r.waits), ("AdoptionNotGranted", false));
            r.message
        })
    };
    let good = given(HOME, true, &topics);
    let star = given(HOME, true, &json!([{"name": "*"}]));
    for (wanted, grants, namespace, topic) in [
        (true, vec![], HOME, "legacy"),
        (false, vec![], "a", "legacy"),
        (true, vec![&good], "a", "legacy"),
        (true, vec![&good], "a", "old.x"),
        (false, vec![&good], "a", "older"),
        (false, vec![&good], "b", "legacy"),
        (false, vec![&given(HOME, false, &topics)], "a", "legacy"),
        (false, vec![&given("b", true, &topics)], "a", "legacy"),
        (true, vec![&star], "a", "anything"),
        (false, vec![&star], "a", "__consumer_offsets"),
    ] {
        assert_eq!(
            may(&grants, namespace, topic).is_ok(),
            wanted,
            "{namespace} {topic} {grants:?}"
        );
    }
    assert_eq!(
        may(&[], "a", "legacy").unwrap_err(),
        "topic \"legacy\" exists and belongs to no object, and only the cluster's own namespace may take it over: it takes a KafkaAccessGrant in namespace \"streaming\" with namespaces: [a], topics: [{name: legacy}] and adoption: true"
    );
}
