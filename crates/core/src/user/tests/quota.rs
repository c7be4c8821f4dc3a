use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::user;
use crate::user::{quota_changes, quota_wanted};

const KEYS: [&str; 4] = [
    "producer_byte_rate",
    "consumer_byte_rate",
    "request_percentage",
    "controller_mutation_rate",
];

#[test]
fn quotas_are_named_as_kafka_names_them() {
    assert!(quota_wanted(&user(json!({}))).is_empty());
    let quotas = json!({"producerByteRate": 1, "consumerByteRate": 2, "requestPercentage": 3.5, "controllerMutationRate": 4});
    let wanted = quota_wanted(&user(json!({"quotas": quotas})));
    let pairs = [
        (KEYS[0], 1.0),
        (KEYS[1], 2.0),
        (KEYS[2], 3.5),
        (KEYS[3], 4.0),
    ];
    assert_eq!(wanted, BTreeMap::from(pairs));
}

#[test]
fn what_differs_is_set_and_what_was_ours_is_removed() {
    let wanted = BTreeMap::from([(KEYS[0], 10.0), (KEYS[1], 20.0)]);
    let observed = [
        (KEYS[0], 10.0),
        (KEYS[1], 21.0),
        (KEYS[2], 5.0),
        (KEYS[3], 6.0),
    ];
    let observed = observed.map(|(k, v)| (k.to_owned(), v)).into();
    let owned = [KEYS[0], KEYS[2], KEYS[2], "gone"].map(str::to_owned);
    let changes = quota_changes(&wanted, &owned, &observed);
    assert_eq!(
        changes,
        [(KEYS[1].to_owned(), Some(20.0)), (KEYS[2].to_owned(), None)]
    );
    assert_eq!(quota_changes(&wanted, &[], &BTreeMap::new()).len(), 2);
}

proptest! {
    /// Once carried out, nothing is left to do, all is as wanted, and what is not ours is as it was.
    #[test]
    fn changes_come_to_rest(
        wanted in btree_map(select(KEYS.to_vec()), (1..5_i32).prop_map(f64::from), 0..4),
        owned in vec(select(KEYS.to_vec()).prop_map(str::to_owned), 0..4),
        before in btree_map(select(KEYS.to_vec()).prop_map(str::to_owned), (1..5_i32).prop_map(f64::from), 0..4),
    ) {
        let mut now = before.clone();
        for (key, value) in quota_changes(&wanted, &owned, &before) {
            let changed = match value {
                Some(value) => now.insert(key, value) != Some(value),
                None => now.remove(&key).is_some(),
            };
            prop_assert!(changed, "a change that changes nothing");
        }
        prop_assert_eq!(quota_changes(&wanted, &owned, &now), vec![]);
        for key in KEYS {
            let expected = match (wanted.get(key), owned.iter().any(|o| o == key)) {
                (Some(value), _) => Some(value),
                (None, true) => None,
                (None, false) => before.get(key),
            };
            prop_assert_eq!(now.get(key), expected);
        }
    }
}
