//! What is in Kafka of topics, as the operator's plans see it.

use std::collections::BTreeMap;

use sdm_core::topic::{Broker, Observed};
use sdm_kafka::{ConfigEntry, ConfigResource, ConfigSource, TopicMetadata};

use crate::exit::{Failure, Result};
use crate::kafka::Kafka;

/// Topics in one question.
const BATCH: usize = 500;

/// A topic in Kafka.
#[derive(Clone, Debug)]
pub struct Actual {
    /// Partitions and replicas.
    pub metadata: TopicMetadata,
    /// Its whole configuration; none where it may not be read.
    pub config: Vec<ConfigEntry>,
    /// Why its configuration is not known.
    pub unreadable: Option<String>,
    /// Replicas each partition will have, where some of them move.
    pub moving: BTreeMap<i32, Vec<i32>>,
}

/// The cluster's brokers, as placement sees them.
///
/// # Errors
/// What Kafka answers.
pub async fn brokers(kafka: &Kafka) -> Result<Vec<Broker>> {
    let cluster = kafka.client.describe_cluster(true).await;
    let nodes = cluster.map_err(|e| kafka.failed("list brokers", e))?.nodes;
    let broker = |node: sdm_kafka::NodeInfo| Broker {
        id: node.id,
        rack: node.rack,
        load: 0,
        fenced: node.fenced,
    };
    Ok(nodes.into_iter().map(broker).collect())
}

/// Topics by name: `Ok(None)` for one that is not there.
///
/// # Errors
/// When Kafka cannot be asked.
pub async fn actual(
    kafka: &Kafka,
    names: &[&str],
) -> Result<BTreeMap<String, Result<Option<Actual>>>> {
    let mut found = BTreeMap::new();
    for names in names.chunks(BATCH) {
        let resources: Vec<ConfigResource> = names
            .iter()
            .map(|name| ConfigResource::Topic((*name).to_owned()))
            .collect();
        let (metadata, configs) = tokio::join!(
            kafka.client.metadata(Some(names)),
            kafka.client.describe_configs(&resources)
        );
        let metadata = metadata.map_err(|e| kafka.failed("describe topics", e))?;
        let mut configs: BTreeMap<ConfigResource, _> = configs
            .map_err(|e| kafka.failed("describe topic configuration", e))?
            .into_iter()
            .collect();
        let moving = moving(kafka, &metadata.topics).await?;
        for topic in metadata.topics {
            let name = topic.name.clone();
            let entry = match &topic.error {
                Some(error) if error.code == sdm_kafka::error::code::UNKNOWN_TOPIC_OR_PARTITION => {
                    Ok(None)
                }
                Some(error) => Err(Failure::from(error.clone())
                    .doing(format!("describe topic {name}"))
                    .at(kafka.place())),
                None => {
                    // Who may describe a topic may not always describe its configuration.
                    let (config, unreadable) =
                        match configs.remove(&ConfigResource::Topic(name.clone())) {
                            Some(Ok(entries)) => (entries, None),
                            Some(Err(error)) => (Vec::new(), Some(error.to_string())),
                            None => (Vec::new(), None),
                        };
                    Ok(Some(Actual {
                        moving: moving.get(&name).cloned().unwrap_or_default(),
                        metadata: topic,
                        config,
                        unreadable,
                    }))
                }
            };
            found.insert(name, entry);
        }
    }
    Ok(found)
}

type Moving = BTreeMap<String, BTreeMap<i32, Vec<i32>>>;

/// Where replicas go that move. Who may not see that sees the topic as it is.
async fn moving(kafka: &Kafka, topics: &[TopicMetadata]) -> Result<Moving> {
    let indexes: Vec<(&str, Vec<i32>)> = topics
        .iter()
        .filter(|t| t.error.is_none())
        .map(|t| {
            (
                t.name.as_str(),
                t.partitions.iter().map(|p| p.index).collect(),
            )
        })
        .collect();
    let asked: Vec<(&str, &[i32])> = indexes
        .iter()
        .map(|(name, all)| (*name, all.as_slice()))
        .collect();
    if asked.is_empty() {
        return Ok(Moving::new());
    }
    let mut moving = Moving::new();
    let ongoing = match kafka
        .client
        .list_partition_reassignments(Some(&asked))
        .await
    {
        Ok(ongoing) => ongoing,
        Err(error)
            if error.code() == Some(sdm_kafka::error::code::CLUSTER_AUTHORIZATION_FAILED) =>
        {
            Vec::new()
        }
        Err(error) => return Err(kafka.failed("list reassignments", error)),
    };
    for one in ongoing {
        let mut to = one.replicas;
        to.retain(|id| !one.removing.contains(id));
        moving
            .entry(one.topic)
            .or_default()
            .insert(one.partition, to);
    }
    Ok(moving)
}

impl Actual {
    /// As a plan sees it, with the values of `keys`.
    pub fn observed(&self, keys: &[String]) -> Observed {
        let values = |wanted: fn(&ConfigEntry) -> bool| {
            self.config
                .iter()
                .filter(|entry| keys.contains(&entry.name) && wanted(entry))
                .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
                .collect()
        };
        let replicas = self.metadata.partitions.iter();
        Observed {
            id: self.metadata.id.map(|id| id.to_string()),
            replicas: replicas
                .map(|p| self.moving.get(&p.index).unwrap_or(&p.replicas).clone())
                .collect(),
            config: values(|entry| entry.source == ConfigSource::Topic),
            effective: values(|_| true),
            reassigning: !self.moving.is_empty(),
        }
    }

    /// Configuration that is set on the topic itself.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        self.config
            .iter()
            .filter(|entry| entry.source == ConfigSource::Topic)
            .filter_map(|entry| Some((entry.name.as_str(), entry.value.as_deref()?)))
    }
}
