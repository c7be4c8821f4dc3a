//! Where a group is: committed offsets, and where the logs begin and end.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use sdm_kafka::{GroupDescription, GroupType, OffsetSpec};

use super::describe::failed;
use crate::exit::{Failure, Result};
use crate::kafka::Kafka;

/// A partition.
pub type Partition = (String, i32);
/// What each partition answered: none where there is no such record.
pub type Offsets = BTreeMap<Partition, Result<Option<i64>, String>>;

/// A group with its offsets.
#[derive(Debug)]
pub struct Progress {
    /// Its members.
    pub group: GroupDescription,
    /// The next offset it reads.
    pub committed: BTreeMap<Partition, i64>,
}

/// Reads a group's members and offsets.
///
/// # Errors
/// When there is no such group.
pub async fn read(kafka: &Kafka, name: &str) -> Result<Progress> {
    let names = [name];
    let (described, committed) = tokio::join!(
        kafka.client.describe_groups(&names),
        kafka.client.group_offsets(name)
    );
    let committed = committed.map_err(|e| failed(kafka, name, e))?;
    let group = match described.into_iter().next() {
        Some((_, Ok(group))) => group,
        Some((_, Err(error))) => return Err(failed(kafka, name, error)),
        None => return Err(Failure::general(format!("group {name}: no answer")).at(kafka.place())),
    };
    let known = committed
        .into_iter()
        .filter_map(|(partition, found)| Some((partition, found.ok()?.offset)));
    Ok(Progress {
        committed: known.collect(),
        group,
    })
}

impl Progress {
    /// Of a group that does not exist.
    pub fn none(name: &str) -> Self {
        Self {
            group: GroupDescription {
                id: name.to_owned(),
                group_type: GroupType::Classic,
                state: "Dead".to_owned(),
                protocol: String::new(),
                coordinator: -1,
                members: Vec::new(),
            },
            committed: BTreeMap::new(),
        }
    }

    /// Partitions that it has read or reads.
    pub fn partitions(&self) -> BTreeSet<Partition> {
        let assigned = self.group.members.iter().flat_map(|m| &m.assignment);
        let assigned =
            assigned.flat_map(|(topic, all)| all.iter().map(move |p| (topic.clone(), *p)));
        self.committed.keys().cloned().chain(assigned).collect()
    }
}

/// Asks for one offset of each partition.
pub async fn offsets(kafka: &Kafka, partitions: &BTreeSet<Partition>, spec: OffsetSpec) -> Offsets {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for (topic, partition) in partitions {
        topics.entry(topic).or_default().push(*partition);
    }
    let asked = topics.iter().map(|(topic, partitions)| async move {
        (
            *topic,
            partitions,
            kafka.client.list_offsets(topic, partitions, spec).await,
        )
    });
    let mut found = Offsets::new();
    for (topic, partitions, answer) in join_all(asked).await {
        match answer {
            Ok(answers) => found.extend(
                answers
                    .into_iter()
                    .map(|(p, offset)| ((topic.to_owned(), p), offset.map_err(|e| e.to_string()))),
            ),
            Err(error) => found.extend(
                partitions
                    .iter()
                    .map(|p| ((topic.to_owned(), *p), Err(error.to_string()))),
            ),
        }
    }
    found
}
