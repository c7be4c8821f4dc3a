//! `topic`: what is declared by `KafkaTopic` objects and what is in Kafka, side by side.

mod actual;
mod adopt;
mod alter;
mod claims;
pub use claims::Claims;
mod create;
mod delete;
mod describe;
mod description;
mod diff;
mod difference;
mod direct;
mod find;
mod list;

use clap::Subcommand;
use sdm_kafka::TopicMetadata;

use crate::exit::Result;
use crate::session::Session;

/// What can be done with topics.
#[derive(Subcommand, Debug)]
pub enum Verb {
    /// Declare topics, and wait until they are there
    Create(create::Args),
    /// List topics with their health and who declares them
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show topics: how their objects stand, what is in Kafka, what differs, who reaches them
    #[command(visible_alias = "get")]
    Describe(describe::Args),
    /// Change partitions, replicas or configuration of a topic
    Alter(alter::Args),
    /// Show what the operator would change, of declared topics or of files
    Diff(diff::Args),
    /// Print KafkaTopic resources for topics that nobody declares
    Adopt(adopt::Args),
    /// Delete topics with their records
    #[command(visible_alias = "rm")]
    Delete(delete::Args),
}

impl Verb {
    /// Runs it.
    ///
    /// # Errors
    /// See each verb.
    pub async fn run(self, session: &Session) -> Result<()> {
        match self {
            Self::Create(args) => create::run(session, args).await,
            Self::List(args) => list::run(session, args).await,
            Self::Describe(args) => describe::run(session, args).await,
            Self::Alter(args) => alter::run(session, args).await,
            Self::Diff(args) => diff::run(session, args).await,
            Self::Adopt(args) => adopt::run(session, args).await,
            Self::Delete(args) => delete::run(session, args).await,
        }
    }
}

/// `topic/orders` and `orders` both mean the topic `orders`, so that `-o name` can be piped back.
fn bare(name: &str) -> &str {
    name.strip_prefix("topic/").unwrap_or(name)
}

/// A topic's health in one word, and whether it is good.
fn health(topic: &TopicMetadata) -> (String, bool) {
    if let Some(error) = &topic.error {
        return (error.name.to_owned(), false);
    }
    let offline = topic
        .partitions
        .iter()
        .filter(|p| p.leader.is_none())
        .count();
    let lagging = topic
        .partitions
        .iter()
        .filter(|p| p.leader.is_some() && !p.is_in_sync())
        .count();
    match (offline, lagging) {
        (0, 0) => ("InSync".to_owned(), true),
        (0, n) => (format!("UnderReplicated({n})"), false),
        (n, _) => (format!("Offline({n})"), false),
    }
}

/// The replication factor: that of the first partition, which is every partition's but during a reassignment.
fn replicas(topic: &TopicMetadata) -> usize {
    topic.partitions.first().map_or(0, |p| p.replicas.len())
}

/// A topic that is not in Kafka.
fn absent(name: &str) -> TopicMetadata {
    TopicMetadata {
        name: name.to_owned(),
        id: None,
        internal: false,
        error: None,
        partitions: Vec::new(),
    }
}

/// An object as tests describe it: `Ready`, not observed yet, or refused with a reason.
#[cfg(test)]
fn declared(namespace: &str, name: &str, reason: &str) -> sdm_api::KafkaTopic {
    let condition = |kind: &str, status: &str| serde_json::json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let conditions = match reason {
        "Ready" => vec![condition("Ready", "True")],
        "NotObserved" => Vec::new(),
        _ => vec![condition("Ready", "False"), condition("Stalled", "True")],
    };
    serde_json::from_value(serde_json::json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": name, "namespace": namespace, "generation": 1, "uid": format!("{namespace}-{name}"), "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"clusterRef": {"name": "events", "namespace": "streaming"}},
        "status": {"observedGeneration": 1, "conditions": conditions},
    }))
    .unwrap()
}

/// A topic as tests describe it: one `(leader, replicas, isr)` per partition.
#[cfg(test)]
fn sample(name: &str, partitions: &[(Option<i32>, &[i32], &[i32])]) -> TopicMetadata {
    let partitions = partitions
        .iter()
        .zip(0..)
        .map(
            |((leader, replicas, isr), index)| sdm_kafka::PartitionMetadata {
                index,
                leader: *leader,
                leader_epoch: 0,
                replicas: replicas.to_vec(),
                isr: isr.to_vec(),
                offline: Vec::new(),
                error: None,
            },
        );
    TopicMetadata {
        name: name.to_owned(),
        id: None,
        internal: name.starts_with("__"),
        error: None,
        partitions: partitions.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_names_the_worst() {
        let whole: (Option<i32>, &[i32], &[i32]) = (Some(0), &[0, 1], &[1, 0]);
        let lagging: (Option<i32>, &[i32], &[i32]) = (Some(0), &[0, 1], &[0]);
        let offline: (Option<i32>, &[i32], &[i32]) = (None, &[0, 1], &[]);
        assert_eq!(health(&sample("a", &[whole])), ("InSync".to_owned(), true));
        assert_eq!(
            health(&sample("a", &[whole, lagging])),
            ("UnderReplicated(1)".to_owned(), false)
        );
        assert_eq!(
            health(&sample("a", &[offline, lagging])),
            ("Offline(1)".to_owned(), false)
        );
    }

    #[test]
    fn names_can_be_piped_back() {
        assert_eq!((bare("topic/a"), bare("a")), ("a", "a"));
    }
}
