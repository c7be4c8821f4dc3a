use serde_json::json;

use super::{World, set, there};

#[test]
fn only_keys_that_differ_are_written() {
    for (what, wanted, on_topic, managed, step) in [
        (
            "equal",
            json!({"retention.ms": "1000"}),
            vec![("retention.ms", "1000")],
            vec![],
            None,
        ),
        (
            "another value",
            json!({"retention.ms": "2000"}),
            vec![("retention.ms", "1000")],
            vec![],
            Some(set(&[("retention.ms", "2000")], &[])),
        ),
        (
            "not there",
            json!({"retention.ms": "2000"}),
            vec![],
            vec![],
            Some(set(&[("retention.ms", "2000")], &[])),
        ),
        (
            "lost by hand",
            json!({"retention.ms": "2000"}),
            vec![],
            vec!["retention.ms"],
            Some(set(&[("retention.ms", "2000")], &[])),
        ),
        (
            "in effect by default, new",
            json!({"min.insync.replicas": "1"}),
            vec![],
            vec![],
            Some(set(&[("min.insync.replicas", "1")], &[])),
        ),
        (
            "in effect by default, once written",
            json!({"min.insync.replicas": "1"}),
            vec![],
            vec!["min.insync.replicas"],
            None,
        ),
        (
            "a number written otherwise",
            json!({"retention.ms": " 01000"}),
            vec![("retention.ms", "1000")],
            vec![],
            None,
        ),
        (
            "a boolean",
            json!({"preallocate": "True"}),
            vec![("preallocate", "true")],
            vec![],
            None,
        ),
        (
            "a ratio",
            json!({"min.cleanable.dirty.ratio": "0.50"}),
            vec![("min.cleanable.dirty.ratio", "0.5")],
            vec![],
            None,
        ),
        (
            "a list",
            json!({"cleanup.policy": "compact, delete"}),
            vec![("cleanup.policy", "delete,compact")],
            vec![],
            None,
        ),
        (
            "a shorter list",
            json!({"cleanup.policy": "compact"}),
            vec![("cleanup.policy", "delete,compact")],
            vec![],
            Some(set(&[("cleanup.policy", "compact")], &[])),
        ),
        (
            "a word",
            json!({"compression.type": "zstd"}),
            vec![("compression.type", "ZSTD")],
            vec![],
            Some(set(&[("compression.type", "zstd")], &[])),
        ),
        (
            "a key of a Kafka to come",
            json!({"new.key": "a, b"}),
            vec![("new.key", "a,b")],
            vec![],
            None,
        ),
        (
            "taken out, and still set",
            json!({}),
            vec![("retention.ms", "1000")],
            vec!["retention.ms"],
            Some(set(&[], &["retention.ms"])),
        ),
        (
            "taken out, and not set",
            json!({}),
            vec![],
            vec!["retention.ms"],
            None,
        ),
        (
            "somebody else's",
            json!({}),
            vec![("retention.ms", "1000")],
            vec![],
            None,
        ),
    ] {
        let keys: Vec<String> = wanted.as_object().unwrap().keys().cloned().collect();
        let plan = World::new(json!({"config": wanted}), Some(there(&on_topic)))
            .managed(&managed)
            .plan();
        assert_eq!(plan.steps, step.into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(
            (plan.config_keys, plan.refusal, plan.waits, plan.drift),
            (keys, None, None, vec![]),
            "{what}"
        );
    }
}
