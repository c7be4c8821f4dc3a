//! What a user may use up.

use std::collections::BTreeMap;

use sdm_api::KafkaUser;

/// Quotas that the spec asks for, by Kafka's names.
#[must_use]
pub fn quota_wanted(user: &KafkaUser) -> BTreeMap<&'static str, f64> {
    let Some(quotas) = &user.spec.quotas else {
        return BTreeMap::new();
    };
    #[allow(clippy::cast_precision_loss, reason = "Kafka's quotas are doubles")]
    let rate = |rate: Option<i64>| rate.map(|r| r as f64);
    [
        ("producer_byte_rate", rate(quotas.producer_byte_rate)),
        ("consumer_byte_rate", rate(quotas.consumer_byte_rate)),
        ("request_percentage", quotas.request_percentage),
        ("controller_mutation_rate", quotas.controller_mutation_rate),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key, value?)))
    .collect()
}

/// What to set, and (without a value) what to remove: quotas that differ, and those of ours that are not wanted any
/// more. Others are left alone.
#[must_use]
pub fn quota_changes(
    wanted: &BTreeMap<&'static str, f64>,
    owned_keys: &[String],
    observed: &BTreeMap<String, f64>,
) -> Vec<(String, Option<f64>)> {
    #[allow(clippy::float_cmp, reason = "what was written is read back as it was")]
    let set = wanted
        .iter()
        .filter(|(key, value)| observed.get(**key) != Some(value))
        .map(|(key, value)| ((*key).to_owned(), Some(*value)));
    let mut gone: Vec<_> = owned_keys
        .iter()
        .filter(|key| !wanted.contains_key(key.as_str()) && observed.contains_key(*key))
        .map(|key| (key.clone(), None))
        .collect();
    gone.sort_by(|a, b| a.0.cmp(&b.0));
    gone.dedup_by(|a, b| a.0 == b.0);
    set.chain(gone).collect()
}
