//! What Kafka itself says: partitions that are not whole.

use sdm_api::KafkaCluster;
use serde::Serialize;

use crate::exit::Result;
use crate::kafka::{Access, Kafka};
use crate::session::Session;

/// Counts over all partitions, Kafka's own topics included.
#[derive(Serialize, Debug, Clone, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// Topics.
    pub topics: usize,
    /// Partitions.
    pub partitions: usize,
    /// Partitions without a leader.
    pub offline: usize,
    /// Partitions that are led, with replicas out of sync.
    pub under_replicated: usize,
    /// Partitions whose leader is not the preferred one.
    pub not_preferred: usize,
    /// Brokers that serve.
    pub brokers: Vec<i32>,
}

/// Asks Kafka.
///
/// # Errors
/// When it cannot be asked.
pub async fn ask(session: &Session, cluster: &KafkaCluster, access: &Access) -> Result<Live> {
    let kafka = Kafka::open_for(session, cluster, access).await?;
    let metadata = kafka
        .client
        .metadata(None)
        .await
        .map_err(|e| kafka.failed("ask Kafka for its partitions", e))?;
    let partitions = || metadata.topics.iter().flat_map(|t| &t.partitions);
    Ok(Live {
        topics: metadata.topics.len(),
        partitions: partitions().count(),
        offline: partitions().filter(|p| p.leader.is_none()).count(),
        under_replicated: partitions()
            .filter(|p| p.leader.is_some() && !p.is_in_sync())
            .count(),
        not_preferred: partitions()
            .filter(|p| p.leader.is_some() && p.replicas.first() != p.leader.as_ref())
            .count(),
        brokers: metadata.brokers.iter().map(|b| b.id).collect(),
    })
}
