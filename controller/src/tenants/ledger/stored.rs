//! The record's ConfigMaps: read, rendered, written over the version that was read.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use sdm_api::{KafkaCluster, ResourceType, names};
use sdm_core::access::{Acl, Claims};
use sdm_runtime::apply::count_write;
use serde::{Serialize, de::DeserializeOwned};

use super::{Ledger, Shard, TopicEntry, UserEntry, hash};
use crate::error::Error;
use crate::store::Key;

/// Label of the ConfigMaps.
const LABEL: &str = "kafka.sdm.dev/ledger";
/// Writes at the same time.
const CONCURRENCY: usize = 8;

impl Ledger {
    /// Reads the record. `cluster` decides whether it outlives the cluster: it does if a volume does.
    pub async fn load(
        client: &kube::Client,
        key: &Key,
        cluster: &KafkaCluster,
        outlives: bool,
    ) -> Result<Self, Error> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &key.namespace);
        let params = ListParams::default().labels(&format!("{LABEL}={}", key.name));
        let mut ledger = Self::empty(key, cluster, outlives);
        for map in api.list(&params).await?.items {
            ledger.read(&map)?;
        }
        Ok(ledger)
    }

    /// Takes in one ConfigMap.
    pub(in crate::tenants) fn read(&mut self, map: &ConfigMap) -> Result<(), Error> {
        let name = map.name_any();
        let number = name
            .rsplit('-')
            .next()
            .and_then(|n| n.parse::<usize>().ok());
        let Some(number) = number.filter(|n| *n < 100_000) else {
            return Err(Error::Ledger(
                name,
                "its name is none of a record".to_owned(),
            ));
        };
        if self.shards.len() <= number {
            self.shards.resize(number + 1, Shard::default());
        }
        self.shards[number].version = map.resource_version();
        for (topic, entry) in part::<BTreeMap<String, TopicEntry>>(map, "topics")? {
            self.lay(topic.as_str(), number);
            self.topics.insert(topic, entry);
        }
        for (user, entry) in part::<BTreeMap<String, UserEntry>>(map, "users")? {
            let (namespace, name) = user.split_once('/').unwrap_or_default();
            let user = Key {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            self.lay(&user, number);
            self.users.insert(user, entry);
        }
        for acl in part::<Vec<Acl>>(map, "acls")? {
            self.lay(&acl, number);
            self.acls.insert(acl);
        }
        for (resource, names) in part::<Claims>(map, "claims")? {
            for (name, namespace) in names {
                self.lay(&(resource, name.as_str()), number);
                self.claims
                    .entry(resource)
                    .or_default()
                    .insert(name, namespace);
            }
        }
        Ok(())
    }

    /// Writes what changed.
    ///
    /// # Errors
    /// On a conflict somebody else wrote: what is remembered here is worth nothing then, and must be loaded anew.
    pub async fn commit(&mut self, client: &kube::Client) -> Result<(), Error> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &self.cluster.namespace);
        let maps = self.dirty();
        if maps.is_empty() {
            return Ok(());
        }
        let api = &api;
        let written: Vec<(usize, kube::Result<Option<String>>)> = stream::iter(maps)
            .map(|(number, map)| async move {
                let params = PostParams {
                    field_manager: Some(names::MANAGER.to_owned()),
                    ..PostParams::default()
                };
                let result = if map.metadata.resource_version.is_some() {
                    let result = api.replace(&map.name_any(), &params, &map).await;
                    count_write("ConfigMap", "update", &result);
                    result
                } else {
                    let result = api.create(&params, &map).await;
                    count_write("ConfigMap", "create", &result);
                    result
                };
                (number, result.map(|stored| stored.resource_version()))
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        self.note(written)?;
        Ok(())
    }

    /// Notes how writes went. One that was deleted under our hands is to be created again: what is remembered is all that
    /// is left of it, and who deleted it may have deleted the others too.
    pub(in crate::tenants) fn note(
        &mut self,
        written: Vec<(usize, kube::Result<Option<String>>)>,
    ) -> kube::Result<()> {
        let mut failed = Ok(());
        for (number, result) in written {
            match result {
                Ok(version) => {
                    self.shards[number].version = version;
                    self.shards[number].dirty = false;
                }
                Err(error) => {
                    if matches!(&error, kube::Error::Api(status) if status.is_not_found()) {
                        self.shards.iter_mut().for_each(|shard| shard.dirty = true);
                        self.shards[number].version = None;
                    }
                    failed = Err(error);
                }
            }
        }
        failed
    }

    /// What has to be written, by number.
    fn dirty(&self) -> Vec<(usize, ConfigMap)> {
        let numbers = 0..self.shards.len();
        let dirty: Vec<usize> = numbers.filter(|n| self.shards[*n].dirty).collect();
        if dirty.is_empty() {
            Vec::new()
        } else {
            self.render(&dirty)
        }
    }

    /// What has to be written.
    #[cfg(test)]
    pub(in crate::tenants) fn dirty_maps(&self) -> Vec<ConfigMap> {
        self.dirty().into_iter().map(|(_, map)| map).collect()
    }

    fn render(&self, numbers: &[usize]) -> Vec<(usize, ConfigMap)> {
        let place = |hash: u64| {
            self.places
                .get(&hash)
                .copied()
                .filter(|n| numbers.contains(n))
        };
        let mut topics: BTreeMap<usize, BTreeMap<&str, &TopicEntry>> = BTreeMap::new();
        for (topic, entry) in &self.topics {
            if let Some(number) = place(hash(topic.as_str())) {
                topics.entry(number).or_default().insert(topic, entry);
            }
        }
        let mut users: BTreeMap<usize, BTreeMap<String, &UserEntry>> = BTreeMap::new();
        for (user, entry) in &self.users {
            if let Some(number) = place(hash(user)) {
                users
                    .entry(number)
                    .or_default()
                    .insert(user.to_string(), entry);
            }
        }
        let mut acls: BTreeMap<usize, Vec<&Acl>> = BTreeMap::new();
        for acl in &self.acls {
            if let Some(number) = place(hash(acl)) {
                acls.entry(number).or_default().push(acl);
            }
        }
        let mut claims: BTreeMap<usize, BTreeMap<ResourceType, BTreeMap<&str, &str>>> =
            BTreeMap::new();
        for (resource, names) in &self.claims {
            for (name, namespace) in names {
                if let Some(number) = place(hash(&(*resource, name.as_str()))) {
                    let of = claims
                        .entry(number)
                        .or_default()
                        .entry(*resource)
                        .or_default();
                    of.insert(name, namespace);
                }
            }
        }
        numbers
            .iter()
            .map(|&number| {
                let data = [
                    (
                        "topics",
                        json(&topics.get(&number).cloned().unwrap_or_default()),
                    ),
                    (
                        "users",
                        json(&users.get(&number).cloned().unwrap_or_default()),
                    ),
                    (
                        "acls",
                        json(&acls.get(&number).cloned().unwrap_or_default()),
                    ),
                    (
                        "claims",
                        json(&claims.get(&number).cloned().unwrap_or_default()),
                    ),
                ];
                let map = ConfigMap {
                    metadata: ObjectMeta {
                        name: Some(format!("{}-ledger-{number}", self.cluster.name)),
                        resource_version: self.shards[number].version.clone(),
                        ..self.template.clone()
                    },
                    data: Some(data.map(|(k, v)| (k.to_owned(), v)).into()),
                    ..ConfigMap::default()
                };
                (number, map)
            })
            .collect()
    }
}

/// What each of the ConfigMaps has in its metadata.
pub(super) fn template(key: &Key, cluster: &KafkaCluster, outlives: bool) -> ObjectMeta {
    let labels = [(LABEL, &key.name), (names::LABEL_CLUSTER, &key.name)];
    ObjectMeta {
        namespace: Some(key.namespace.clone()),
        labels: Some(labels.map(|(k, v)| (k.to_owned(), v.clone())).into()),
        owner_references: (!outlives)
            .then(|| kube::Resource::controller_owner_ref(cluster, &()))
            .flatten()
            .map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

fn part<T: DeserializeOwned + Default>(map: &ConfigMap, key: &str) -> Result<T, Error> {
    match map.data.as_ref().and_then(|data| data.get(key)) {
        None => Ok(T::default()),
        Some(text) => serde_json::from_str(text)
            .map_err(|e| Error::Ledger(map.name_any(), format!("key {key}: {e}"))),
    }
}

fn json(value: &impl Serialize) -> String {
    // Maps of strings always serialize.
    serde_json::to_string(value).unwrap_or_default()
}
