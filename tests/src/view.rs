//! What Kafka itself has, as the administrator sees it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use sdm_kafka::{AclFilter, Client, ConfigResource, ConfigSource, QuotaFilter};

/// A picture of what Kafka has besides records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Names of topics.
    pub topics: BTreeSet<String>,
    /// ACLs, each in a line.
    pub acls: BTreeSet<String>,
    /// SCRAM credentials: user, mechanism, iterations.
    pub scram: BTreeSet<String>,
    /// Quotas by entity.
    pub quotas: BTreeSet<String>,
}

impl View {
    /// Looks.
    pub async fn of(kafka: &Client) -> Result<Self> {
        let topics = kafka.list_topics().await?;
        let mut scram = BTreeSet::new();
        for (user, credentials) in kafka.describe_scram(None).await? {
            let credentials = credentials.map_err(|e| anyhow::anyhow!("{user}: {e}"))?;
            scram.extend(credentials.iter().map(|(m, i)| format!("{user} {m} {i}")));
        }
        let quotas = kafka.describe_client_quotas(&QuotaFilter::All).await?;
        Ok(Self {
            topics: topics.into_iter().map(|t| t.name).collect(),
            acls: acls(kafka).await?,
            scram,
            quotas: quotas
                .iter()
                .map(|(entity, values)| format!("{:?} {values:?}", entity.parts()))
                .collect(),
        })
    }

    /// The part of it that speaks of `word`: a namespace, a topic, a principal.
    pub fn about(&self, word: &str) -> Self {
        let of = |all: &BTreeSet<String>| {
            let about = all.iter().filter(|line| line.contains(word));
            about.cloned().collect()
        };
        Self {
            topics: of(&self.topics),
            acls: of(&self.acls),
            scram: of(&self.scram),
            quotas: of(&self.quotas),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// All ACLs, each in a line: `Allow User:a Read Topic Literal orders from *`.
pub async fn acls(kafka: &Client) -> Result<BTreeSet<String>> {
    let all = kafka.describe_acls(&AclFilter::any()).await?;
    let line = |a: &sdm_kafka::AclBinding| {
        format!(
            "{} {} {} {} {} {} from {}",
            a.permission,
            a.principal,
            a.operation,
            a.resource_type,
            a.pattern_type,
            a.resource_name,
            a.host
        )
    };
    Ok(all.iter().map(line).collect())
}

/// The configuration that stands on a topic itself.
pub async fn topic_config(kafka: &Client, topic: &str) -> Result<BTreeMap<String, String>> {
    config(
        kafka,
        ConfigResource::Topic(topic.to_owned()),
        ConfigSource::Topic,
    )
    .await
}

/// The dynamic configuration that all brokers share.
pub async fn broker_defaults(kafka: &Client) -> Result<BTreeMap<String, String>> {
    config(
        kafka,
        ConfigResource::BrokerDefaults,
        ConfigSource::DynamicDefaultBroker,
    )
    .await
}

async fn config(
    kafka: &Client,
    of: ConfigResource,
    source: ConfigSource,
) -> Result<BTreeMap<String, String>> {
    let mut answer = kafka.describe_configs(&[of]).await?;
    let entries = answer.pop().context("an answer")?.1?;
    Ok(entries
        .into_iter()
        .filter(|e| e.source == source)
        .map(|e| (e.name, e.value.unwrap_or_default()))
        .collect())
}

/// A topic's id and the replicas of each partition; nothing if Kafka does not have it.
pub async fn topic(kafka: &Client, name: &str) -> Result<Option<(String, Vec<Vec<i32>>)>> {
    let all = kafka.list_topics().await?;
    let found = all.into_iter().find(|t| t.name == name);
    Ok(found.map(|t| {
        let id = t.id.map(|id| id.to_string()).unwrap_or_default();
        (id, t.partitions.into_iter().map(|p| p.replicas).collect())
    }))
}
