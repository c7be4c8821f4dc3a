//! Whether the world already is as wanted, so that nothing is written when nothing
//! changed.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::quantity;

/// Whether every field of `desired` is in `observed` with the same meaning: maps by key, lists by
/// position and length, quantities by value. What only `observed` has (defaults, status, other
/// managers' fields) does not count.
#[must_use]
pub fn covers(desired: &Value, observed: &Value) -> bool {
    match (desired, observed) {
        (Value::Object(desired), Value::Object(observed)) => desired.iter().all(|(key, want)| {
            // An empty map or list means the same as none, and the API server drops it.
            let Some(have) = observed.get(key) else {
                return is_empty(want);
            };
            match key.as_str() {
                "requests" | "limits" => covers_quantities(want, have),
                "sizeLimit" | "divisor" => same_quantity(want, have),
                _ => covers(want, have),
            }
        }),
        (Value::Array(desired), Value::Array(observed)) => {
            desired.len() == observed.len()
                && desired
                    .iter()
                    .zip(observed)
                    .all(|(want, have)| covers(want, have))
        }
        (Value::Null, _) => true,
        _ => desired == observed,
    }
}

/// The hash of what is wanted, for the annotation `kafka.sdm.dev/applied-hash`. Maps are sorted, so
/// it depends on the content alone.
#[must_use]
pub fn applied_hash(desired: &Value) -> String {
    hash([desired.to_string().as_bytes()])
}

/// 16 hexadecimal digits that stand for `parts`; the borders between parts count.
pub(crate) fn hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest
        .finalize()
        .iter()
        .take(8)
        .fold(String::with_capacity(16), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn covers_quantities(desired: &Value, observed: &Value) -> bool {
    let (Some(desired), Some(observed)) = (desired.as_object(), observed.as_object()) else {
        return covers(desired, observed);
    };
    desired.iter().all(|(key, want)| {
        observed
            .get(key)
            .is_some_and(|have| same_quantity(want, have))
    })
}

fn same_quantity(desired: &Value, observed: &Value) -> bool {
    match (desired.as_str(), observed.as_str()) {
        (Some(desired), Some(observed)) => quantity::same(desired, observed),
        _ => desired == observed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_only_observed_does_not_count() {
        let observed =
            json!({"a": 1, "b": {"c": [1, {"d": 2, "more": 3}], "uid": "x"}, "status": {}});
        assert!(covers(
            &json!({"a": 1, "b": {"c": [1, {"d": 2}]}}),
            &observed
        ));
        assert!(covers(
            &json!({"none": {}, "nothing": null, "list": []}),
            &observed
        ));
    }

    #[test]
    fn every_difference_counts() {
        let observed = json!({"a": 1, "b": {"c": [1, 2]}});
        for desired in [
            json!({"a": 2}),
            json!({"a": "1"}),
            json!({"z": 1}),
            json!({"b": {"c": [1]}}),
            json!({"b": {"c": [2, 1]}}),
            json!({"b": {"c": [1, 2, 3]}}),
            json!({"b": {"d": 1}}),
            json!({"b": "c"}),
        ] {
            assert!(!covers(&desired, &observed), "{desired}");
        }
    }

    #[test]
    fn quantities_are_compared_by_value_and_only_where_they_are_quantities() {
        let resources = |text: &str| json!({"resources": {"requests": {"storage": text}}});
        assert!(covers(&resources("1Gi"), &resources("1024Mi")));
        assert!(!covers(&resources("1Gi"), &resources("1G")));
        assert!(!covers(&json!({"env": "1Gi"}), &json!({"env": "1024Mi"})));
        assert!(covers(
            &json!({"sizeLimit": "0.5"}),
            &json!({"sizeLimit": "500m"})
        ));
    }

    #[test]
    fn a_hash_depends_on_the_content_alone() {
        assert_eq!(
            applied_hash(&json!({"a": 1, "b": 2})),
            applied_hash(&json!({"b": 2, "a": 1}))
        );
        assert_ne!(
            applied_hash(&json!({"a": 1})),
            applied_hash(&json!({"a": 2}))
        );
        assert_ne!(
            hash([b"ab".as_slice(), b"c"]),
            hash([b"a".as_slice(), b"bc"])
        );
    }
}
