//! What a simulated Kubernetes node and Kafka share: which node runs where, what
//! its disks hold, who formatted them and how.
//!
//! Only used where a fault cannot be provoked fast enough for real: fifty kills in
//! a few minutes. The real node and real brokers check the same behaviour in `e2e`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::fake_acls::Acls;
use crate::fake_quotas::Quotas;

/// A disk, by the uid of its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The cluster id it was formatted with.
    pub cluster_id: String,
    /// The directory id, if it was formatted as one of the first voters.
    pub directory_id: Option<String>,
}

/// A node that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The Pod's uid.
    pub uid: String,
    /// Its address, in 127.0.0.0/8.
    pub ip: String,
    /// Kafka node id.
    pub id: i32,
    /// Whether it is a broker.
    pub broker: bool,
    /// Whether it is a controller.
    pub controller: bool,
    /// The directory id of its metadata.
    pub directory_id: String,
    /// Its rack.
    pub rack: Option<String>,
}

/// One cluster's world.
#[derive(Debug, Default)]
pub struct World {
    /// Disks that were formatted, by claim uid.
    pub disks: BTreeMap<String, Disk>,
    /// Nodes that run, by Pod name.
    pub running: BTreeMap<String, Running>,
    /// First voters as formatted: (cluster id, the whole `--initial-controllers` value).
    pub bootstraps: BTreeSet<(String, String)>,
    /// The most nodes that were down at once by a deletion that the controller asked for, once all had run.
    pub most_down: usize,
    /// Topics, where there are any to be served; else every request about them is broken.
    pub topics: Option<Topics>,
    /// Quotas.
    pub quotas: Quotas,
    /// ACLs.
    pub acls: Acls,
    /// What must never happen, as it happened.
    pub broken: Vec<String>,
}

/// Topics of one partition each, on the first broker that runs.
#[derive(Debug, Default)]
pub struct Topics {
    /// What the active controller has, by name.
    pub there: BTreeMap<String, uuid::Uuid>,
    /// What each was created with.
    pub configs: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether the broker that is asked for configurations has yet to hear of any topic.
    pub configs_behind: bool,
    /// Whether brokers have yet to hear of it.
    pub behind: bool,
    /// How often a broker that is behind was asked.
    pub asked_behind: usize,
    /// How many were created.
    pub created: usize,
    /// In how many calls.
    pub creations: usize,
    /// Whether none may be deleted (`delete.topic.enable=false`).
    pub keeping: bool,
    /// When one was to be deleted and was not.
    pub kept: Vec<Instant>,
}

/// The shared world.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// The world, for a moment.
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Formats a disk as the node's format script would.
    pub fn format(
        &mut self,
        claim_uid: &str,
        cluster_id: &str,
        initial_controllers: Option<&str>,
        id: i32,
    ) -> Disk {
        if let Some(disk) = self.disks.get(claim_uid) {
            if disk.cluster_id != cluster_id {
                self.broken.push(format!(
                    "node {id}: a disk of cluster {} is used by {cluster_id}",
                    disk.cluster_id
                ));
            }
            return disk.clone();
        }
        let directory_id = initial_controllers.and_then(|list| directory_id(list, id));
        if let Some(list) = initial_controllers {
            self.bootstraps
                .insert((cluster_id.to_owned(), list.to_owned()));
            if self
                .bootstraps
                .iter()
                .filter(|(c, _)| c == cluster_id)
                .count()
                > 1
            {
                self.broken.push(format!(
                    "cluster {cluster_id} was given two different first quorums"
                ));
            }
            if self
                .disks
                .values()
                .any(|d| d.directory_id.is_some() && d.directory_id == directory_id)
            {
                self.broken.push(format!(
                    "node {id}: directory id {directory_id:?} was given to a second disk"
                ));
            }
        }
        let disk = Disk {
            cluster_id: cluster_id.to_owned(),
            directory_id,
        };
        self.disks.insert(claim_uid.to_owned(), disk.clone());
        disk
    }

    /// The first voters: (node id, directory id).
    pub fn voters(&self) -> Vec<(i32, String)> {
        let Some((_, list)) = self.bootstraps.iter().next() else {
            return Vec::new();
        };
        list.split(',')
            .filter_map(|entry| {
                Some((
                    entry.split('@').next()?.parse().ok()?,
                    directory_id_of(entry)?,
                ))
            })
            .collect()
    }

    /// The active controller: the lowest voter that runs, if a majority does.
    pub fn leader(&self) -> Option<i32> {
        let voters = self.voters();
        let up: Vec<i32> = voters
            .iter()
            .filter(|(id, dir)| {
                self.running
                    .values()
                    .any(|n| n.id == *id && n.controller && n.directory_id == *dir)
            })
            .map(|(id, _)| *id)
            .collect();
        (up.len() * 2 > voters.len())
            .then(|| up.into_iter().min())
            .flatten()
    }
}

/// The directory id of node `id` in `id@host:port:directory,...`.
fn directory_id(list: &str, id: i32) -> Option<String> {
    list.split(',')
        .find(|e| e.split('@').next() == Some(id.to_string().as_str()))
        .and_then(directory_id_of)
}

fn directory_id_of(entry: &str) -> Option<String> {
    entry.rsplit(':').next().map(str::to_owned)
}
