//! What the controller created in one Kafka cluster, on record before it is created: topics by their owner, users with
//! credentials and quotas, ACLs. Whatever is on record and wanted by nobody any more is taken away; nothing else ever is.
//!
//! The record lies in ConfigMaps `<cluster>-ledger-<n>` beside the cluster, sixteen at most, each written only when it
//! changes and only over the version it was read from: a process that lost the lease cannot overwrite its successor.
//! It needs no finalizer on anybody's object, so no namespace ever waits for a Kafka that is down.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use sdm_api::{KafkaCluster, names};
use sdm_core::access::Acl;
use sdm_runtime::apply::count_write;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;
use crate::store::Key;

/// Label of the ConfigMaps.
const LABEL: &str = "kafka.sdm.dev/ledger";
/// A power of two; what is on record of 10,000 topics and 50,000 ACLs stays below half of what a ConfigMap may hold.
const SHARDS: usize = 16;
/// Writes at the same time.
const CONCURRENCY: usize = 8;

/// Who owns a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicEntry {
    /// The object.
    pub namespace: String,
    /// The object.
    pub name: String,
    /// The object.
    pub uid: String,
    /// Whether the topic goes with the object.
    pub delete: bool,
    /// A throttle of ours may stand on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub throttled: bool,
}

/// What was made for a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserEntry {
    /// The object.
    pub uid: String,
    /// SCRAM user names and mechanisms.
    #[serde(default)]
    pub scram: BTreeSet<(String, String)>,
    /// Quota keys, by the user name they are set on.
    #[serde(default)]
    pub quotas: BTreeMap<String, BTreeSet<String>>,
}

impl UserEntry {
    /// Whether nothing of it is left in Kafka.
    pub fn is_empty(&self) -> bool {
        self.scram.is_empty() && self.quotas.values().all(BTreeSet::is_empty)
    }
}

/// The record.
pub struct Ledger {
    cluster: Key,
    template: ObjectMeta,
    topics: BTreeMap<String, TopicEntry>,
    users: BTreeMap<Key, UserEntry>,
    acls: BTreeSet<Acl>,
    shards: Vec<Shard>,
}

#[derive(Clone, Default)]
struct Shard {
    version: Option<String>,
    dirty: bool,
}

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
        let mut ledger = Self {
            cluster: key.clone(),
            template: template(key, cluster, outlives),
            topics: BTreeMap::new(),
            users: BTreeMap::new(),
            acls: BTreeSet::new(),
            shards: vec![Shard::default(); SHARDS],
        };
        for map in api.list(&params).await?.items {
            ledger.read(&map)?;
        }
        Ok(ledger)
    }

    fn read(&mut self, map: &ConfigMap) -> Result<(), Error> {
        let name = map.name_any();
        let number = name.rsplit('-').next().and_then(|n| n.parse::<usize>().ok());
        let Some(shard) = number.and_then(|n| self.shards.get_mut(n)) else {
            return Err(Error::Ledger(name, "its name is none of a record".to_owned()));
        };
        shard.version = map.resource_version();
        self.topics.extend(part::<BTreeMap<String, TopicEntry>>(map, "topics")?);
        let users = part::<BTreeMap<String, UserEntry>>(map, "users")?;
        for (user, entry) in users {
            let (namespace, name) = user.split_once('/').unwrap_or_default();
            self.users.insert(Key { namespace: namespace.to_owned(), name: name.to_owned() }, entry);
        }
        self.acls.extend(part::<Vec<Acl>>(map, "acls")?);
        Ok(())
    }

    /// Whether nothing at all was on record when it was read.
    pub fn is_lost(&self) -> bool {
        self.shards.iter().all(|s| s.version.is_none())
    }

    /// Topics by name.
    pub fn topics(&self) -> &BTreeMap<String, TopicEntry> {
        &self.topics
    }

    /// Users.
    pub fn users(&self) -> &BTreeMap<Key, UserEntry> {
        &self.users
    }

    /// ACLs.
    pub fn acls(&self) -> &BTreeSet<Acl> {
        &self.acls
    }

    /// Notes the owner of a topic; `None` forgets it.
    pub fn set_topic(&mut self, topic: &str, entry: Option<TopicEntry>) {
        if self.topics.get(topic) == entry.as_ref() {
            return;
        }
        match entry {
            Some(entry) => self.topics.insert(topic.to_owned(), entry),
            None => self.topics.remove(topic),
        };
        self.touch(topic);
    }

    /// Notes what was made for a user; nothing forgets it.
    pub fn set_user(&mut self, user: &Key, entry: Option<UserEntry>) {
        let entry = entry.filter(|e| !e.is_empty());
        if self.users.get(user) == entry.as_ref() {
            return;
        }
        match entry {
            Some(entry) => self.users.insert(user.clone(), entry),
            None => self.users.remove(user),
        };
        self.touch(user);
    }

    /// Notes ACLs.
    pub fn add_acls<'a>(&mut self, acls: impl IntoIterator<Item = &'a Acl>) {
        for acl in acls {
            if self.acls.insert(acl.clone()) {
                self.touch(acl);
            }
        }
    }

    /// Forgets ACLs.
    pub fn remove_acls<'a>(&mut self, acls: impl IntoIterator<Item = &'a Acl>) {
        for acl in acls {
            if self.acls.remove(acl) {
                self.touch(acl);
            }
        }
    }

    fn touch(&mut self, entry: &(impl Hash + ?Sized)) {
        if let Some(shard) = self.shards.get_mut(shard_of(entry)) {
            shard.dirty = true;
        }
    }

    /// Writes what changed.
    ///
    /// # Errors
    /// On a conflict somebody else wrote: what is remembered here is worth nothing then, and must be loaded anew.
    pub async fn commit(&mut self, client: &kube::Client) -> Result<(), Error> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), &self.cluster.namespace);
        let dirty: Vec<usize> = (0..SHARDS).filter(|n| self.shards[*n].dirty).collect();
        if dirty.is_empty() {
            return Ok(());
        }
        let maps: Vec<_> = self.render(&dirty);
        let api = &api;
        let written: Vec<(usize, Option<String>)> = stream::iter(maps)
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
                result.map(|stored| (number, stored.resource_version()))
            })
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        for (number, version) in written {
            self.shards[number] = Shard { version, dirty: false };
        }
        Ok(())
    }

    fn render(&self, numbers: &[usize]) -> Vec<(usize, ConfigMap)> {
        let mut topics: BTreeMap<usize, BTreeMap<&str, &TopicEntry>> = BTreeMap::new();
        for (topic, entry) in &self.topics {
            topics.entry(shard_of(topic.as_str())).or_default().insert(topic, entry);
        }
        let mut users: BTreeMap<usize, BTreeMap<String, &UserEntry>> = BTreeMap::new();
        for (user, entry) in &self.users {
            users.entry(shard_of(user)).or_default().insert(user.to_string(), entry);
        }
        let mut acls: BTreeMap<usize, Vec<&Acl>> = BTreeMap::new();
        for acl in &self.acls {
            acls.entry(shard_of(acl)).or_default().push(acl);
        }
        numbers
            .iter()
            .map(|&number| {
                let data = [
                    ("topics", json(&topics.get(&number).cloned().unwrap_or_default())),
                    ("users", json(&users.get(&number).cloned().unwrap_or_default())),
                    ("acls", json(&acls.get(&number).cloned().unwrap_or_default())),
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

fn template(key: &Key, cluster: &KafkaCluster, outlives: bool) -> ObjectMeta {
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

/// FNV-1a: the same in every process and version, unlike the standard library's hash.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

fn shard_of(entry: &(impl Hash + ?Sized)) -> usize {
    let mut hasher = Fnv(0xcbf2_9ce4_8422_2325);
    entry.hash(&mut hasher);
    // FNV's low bits are weak.
    usize::try_from((hasher.finish() >> 32) % SHARDS as u64).unwrap_or_default()
}
