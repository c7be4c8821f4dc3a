//! What the controller created in one Kafka cluster, on record before it is created: topics by their owner, users with
//! credentials and quotas, ACLs. Whatever is on record and wanted by nobody any more is taken away; nothing else ever is.
//! And who holds which group and transactional id, which Kafka does not know.
//!
//! The record lies in ConfigMaps `<cluster>-ledger-<n>` beside the cluster, a few hundred entries each. What is noted at
//! the same time goes into the same one, so that a batch costs one write; each is written only over the version it was
//! read from, so that a process that lost the lease cannot overwrite its successor.
//! It needs no finalizer on anybody's object, so no namespace ever waits for a Kafka that is down.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use sdm_api::{KafkaCluster, ResourceType, names};
use sdm_core::access::{Acl, Claims};
use sdm_runtime::apply::count_write;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::error::Error;
use crate::store::Key;

/// Label of the ConfigMaps.
const LABEL: &str = "kafka.sdm.dev/ledger";
/// Entries in one ConfigMap: about 100 KB.
const ENTRIES: usize = 500;
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
    claims: Claims,
    shards: Vec<Shard>,
    /// Where each entry lies, by a hash of what names it.
    places: HashMap<u64, usize>,
}

#[derive(Clone, Default)]
struct Shard {
    version: Option<String>,
    dirty: bool,
    entries: usize,
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
        let mut ledger = Self::empty(key, cluster, outlives);
        for map in api.list(&params).await?.items {
            ledger.read(&map)?;
        }
        Ok(ledger)
    }

    /// Nothing is on record.
    pub(super) fn empty(key: &Key, cluster: &KafkaCluster, outlives: bool) -> Self {
        Self {
            cluster: key.clone(),
            template: template(key, cluster, outlives),
            topics: BTreeMap::new(),
            users: BTreeMap::new(),
            acls: BTreeSet::new(),
            claims: Claims::new(),
            shards: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Takes in one ConfigMap.
    pub(super) fn read(&mut self, map: &ConfigMap) -> Result<(), Error> {
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

    /// Notes where an entry lies.
    fn lay(&mut self, entry: &(impl Hash + ?Sized), number: usize) {
        if self.places.insert(hash(entry), number) != Some(number) {
            self.shards[number].entries += 1;
        }
    }

    /// Whether nothing at all was on record when it was read.
    pub fn is_lost(&self) -> bool {
        self.shards.iter().all(|s| s.version.is_none())
    }

    /// There is a record from now on, even if there is nothing to note: one that is missing later was lost.
    pub fn begin(&mut self) {
        if self.shards.is_empty() {
            self.shards.push(Shard {
                dirty: true,
                ..Shard::default()
            });
        }
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
        self.touch(topic, entry.is_some());
        match entry {
            Some(entry) => self.topics.insert(topic.to_owned(), entry),
            None => self.topics.remove(topic),
        };
    }

    /// Notes what was made for a user; nothing forgets it.
    pub fn set_user(&mut self, user: &Key, entry: Option<UserEntry>) {
        let entry = entry.filter(|e| !e.is_empty());
        if self.users.get(user) == entry.as_ref() {
            return;
        }
        self.touch(user, entry.is_some());
        match entry {
            Some(entry) => self.users.insert(user.clone(), entry),
            None => self.users.remove(user),
        };
    }

    /// Notes ACLs.
    pub fn add_acls<'a>(&mut self, acls: impl IntoIterator<Item = &'a Acl>) {
        for acl in acls {
            if self.acls.insert(acl.clone()) {
                self.touch(acl, true);
            }
        }
    }

    /// Forgets ACLs.
    pub fn remove_acls<'a>(&mut self, acls: impl IntoIterator<Item = &'a Acl>) {
        for acl in acls {
            if self.acls.remove(acl) {
                self.touch(acl, false);
            }
        }
    }

    /// Who holds which group and transactional id.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Notes who holds what now, and nothing else.
    pub fn set_claims(&mut self, claims: &Claims) {
        if self.claims == *claims {
            return;
        }
        let flat = |claims: &Claims| -> BTreeMap<(ResourceType, String), String> {
            let of = |(resource, names): (&ResourceType, &BTreeMap<String, String>)| {
                let resource = *resource;
                names
                    .clone()
                    .into_iter()
                    .map(move |(name, namespace)| ((resource, name), namespace))
            };
            claims.iter().flat_map(of).collect()
        };
        let (before, after) = (flat(&self.claims), flat(claims));
        for (resource, name) in before.keys().filter(|key| !after.contains_key(*key)) {
            self.touch(&(*resource, name.as_str()), false);
        }
        for ((resource, name), _) in after
            .iter()
            .filter(|(key, namespace)| before.get(*key) != Some(*namespace))
        {
            self.touch(&(*resource, name.as_str()), true);
        }
        self.claims.clone_from(claims);
    }

    /// Notes that an entry changes, and where it lies: the first with room for a new one.
    fn touch(&mut self, entry: &(impl Hash + ?Sized), stays: bool) {
        let hash = hash(entry);
        let number = match self.places.get(&hash) {
            Some(number) => *number,
            None => match self.shards.iter().position(|s| s.entries < ENTRIES) {
                Some(number) => number,
                None => {
                    self.shards.push(Shard::default());
                    self.shards.len() - 1
                }
            },
        };
        self.shards[number].dirty = true;
        if stays {
            if self.places.insert(hash, number).is_none() {
                self.shards[number].entries += 1;
            }
        } else if self.places.remove(&hash).is_some() {
            self.shards[number].entries -= 1;
        }
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
    pub(super) fn note(
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
    pub(super) fn dirty_maps(&self) -> Vec<ConfigMap> {
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

/// The same within this process, which is all that is needed.
fn hash(entry: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.hash(&mut hasher);
    hasher.finish()
}
