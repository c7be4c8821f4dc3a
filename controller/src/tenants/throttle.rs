//! The throttle of moving replicas (KIP-73): set before they move, taken away when they have arrived.
//!
//! Which topics it stands on is on record in the ledger before it is set, so it is taken away by another process too.

use sdm_kafka::{Client, ConfigChange, ConfigOp, ConfigResource, KafkaError};

use super::calls::first_refusal;

/// What one broker may send and what it may receive for it, in bytes a second.
pub const BYTES_PER_SECOND: u64 = 50 * 1024 * 1024;

const REPLICAS: [&str; 2] = [
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
];
const RATES: [&str; 2] = [
    "leader.replication.throttled.rate",
    "follower.replication.throttled.rate",
];

/// Throttles all replicas of these topics.
pub async fn set(client: &Client, topics: &[&str], rate: u64) -> Result<(), KafkaError> {
    let rates = RATES.map(|key| ConfigOp::Set {
        key: key.to_owned(),
        value: rate.to_string(),
    });
    let replicas = REPLICAS.map(|key| ConfigOp::Set {
        key: key.to_owned(),
        value: "*".to_owned(),
    });
    change(client, topics, &replicas, Some(&rates)).await
}

/// Takes the throttle of these topics away; with `rates` also the brokers' rates, which nobody needs any more.
pub async fn lift(client: &Client, topics: &[&str], rates: bool) -> Result<(), KafkaError> {
    let reset = |key: &str| ConfigOp::Delete {
        key: key.to_owned(),
    };
    let of_brokers = RATES.map(reset);
    change(
        client,
        topics,
        &REPLICAS.map(reset),
        rates.then_some(&of_brokers[..]),
    )
    .await
}

async fn change(
    client: &Client,
    topics: &[&str],
    replicas: &[ConfigOp],
    rates: Option<&[ConfigOp]>,
) -> Result<(), KafkaError> {
    let mut changes: Vec<ConfigChange> = Vec::new();
    if let Some(rates) = rates {
        // For all brokers at once: which of them take part changes while replicas move.
        changes.push(ConfigChange {
            resource: ConfigResource::BrokerDefaults,
            ops: rates.to_vec(),
        });
    }
    changes.extend(topics.iter().map(|topic| ConfigChange {
        resource: ConfigResource::Topic((*topic).to_owned()),
        ops: replicas.to_vec(),
    }));
    let verdicts = client.incremental_alter_configs(&changes, false).await?;
    first_refusal(
        "IncrementalAlterConfigs",
        verdicts.into_iter().map(|(_, v)| v),
    )
}
