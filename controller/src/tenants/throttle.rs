//! The throttle of moving replicas (KIP-73): set before they move, taken away when they have arrived.
//!
//! Which topics it stands on is on record in the ledger before it is set, so it is taken away by another process too.

use std::collections::HashMap;

use sdm_kafka::{Client, ConfigChange, ConfigOp, ConfigResource, ItemError, KafkaError};

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

/// What Kafka refused of a throttle.
#[derive(Debug, Default)]
pub struct Refused {
    /// The brokers' rates, which all topics need.
    rates: Option<ItemError>,
    topics: HashMap<String, ItemError>,
}

impl Refused {
    fn note(&mut self, resource: ConfigResource, error: ItemError) {
        match resource {
            ConfigResource::Topic(name) => drop(self.topics.insert(name, error)),
            _ => self.rates = Some(error),
        }
    }

    /// Why this topic's throttle is not as it was to be.
    pub fn of(&self, topic: &str) -> Option<&ItemError> {
        self.rates.as_ref().or_else(|| self.topics.get(topic))
    }
}

/// Throttles all replicas of these topics.
pub async fn set(client: &Client, topics: &[&str], rate: u64) -> Result<Refused, KafkaError> {
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
pub async fn lift(client: &Client, topics: &[&str], rates: bool) -> Result<Refused, KafkaError> {
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
) -> Result<Refused, KafkaError> {
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
    let mut refused = Refused::default();
    for (resource, verdict) in client.incremental_alter_configs(&changes, false).await? {
        if let Err(error) = verdict {
            refused.note(resource, error);
        }
    }
    Ok(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One topic that cannot be throttled keeps no other from moving.
    #[test]
    fn a_refusal_is_of_one_topic_unless_it_is_of_the_brokers() {
        let error = |name| ItemError {
            code: 44,
            name,
            message: None,
        };
        let mut refused = Refused::default();
        refused.note(ConfigResource::Topic("a".to_owned()), error("POLICY"));
        assert_eq!(refused.of("a").map(|e| e.name), Some("POLICY"));
        assert_eq!(refused.of("b"), None);
        refused.note(ConfigResource::BrokerDefaults, error("RATES"));
        for topic in ["a", "b"] {
            assert_eq!(refused.of(topic).map(|e| e.name), Some("RATES"));
        }
    }
}
