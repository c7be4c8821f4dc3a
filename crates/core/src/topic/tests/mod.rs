//! Every rule in a table, with the words that a user reads; and what holds for whatever comes.

mod claim;
mod kafka;
mod placement;
mod plan;
mod properties;
mod status;
mod validate;

use sdm_api::KafkaTopic;
use serde_json::{Value, json};

use super::Broker;

/// A topic of namespace `shop`, with this spec beside the reference to the cluster.
fn topic(spec: Value) -> KafkaTopic {
    let mut value = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1",
        "kind": "KafkaTopic",
        "metadata": {"name": "orders", "namespace": "shop", "uid": "1", "generation": 3},
        "spec": {"clusterRef": {"name": "events", "namespace": "streaming"}},
    });
    for (key, field) in spec.as_object().unwrap() {
        value["spec"][key] = field.clone();
    }
    serde_json::from_value(value).unwrap()
}

/// Brokers by id and rack, none fenced, none loaded.
fn brokers(racks: &[(i32, &str)]) -> Vec<Broker> {
    racks
        .iter()
        .map(|(id, rack)| Broker {
            id: *id,
            rack: (!rack.is_empty()).then(|| (*rack).to_owned()),
            load: 0,
            fenced: false,
        })
        .collect()
}

fn strings(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}
