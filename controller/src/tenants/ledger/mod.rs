//! What the controller created in one Kafka cluster, on record before it is created: topics by their owner, users with
//! credentials and quotas, ACLs. Whatever is on record and wanted by nobody any more is taken away; nothing else ever is.
//! And who holds which group and transactional id, which Kafka does not know.
//!
//! The record lies in ConfigMaps `<cluster>-ledger-<n>` beside the cluster, a few hundred entries each. What is noted at
//! the same time goes into the same one, so that a batch costs one write; each is written only over the version it was
//! read from, so that a process that lost the lease cannot overwrite its successor.
//! It needs no finalizer on anybody's object, so no namespace ever waits for a Kafka that is down.
//! What those ConfigMaps hold, and reading and writing them, is in [`stored`].

mod stored;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use kube::api::ObjectMeta;
use sdm_api::{KafkaCluster, ResourceType};
use sdm_core::access::{Acl, Claims};
use serde::{Deserialize, Serialize};

use crate::store::Key;

/// Entries in one ConfigMap: about 100 KB.
const ENTRIES: usize = 500;

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
    /// Nothing is on record.
    pub(super) fn empty(key: &Key, cluster: &KafkaCluster, outlives: bool) -> Self {
        Self {
            cluster: key.clone(),
            template: stored::template(key, cluster, outlives),
            topics: BTreeMap::new(),
            users: BTreeMap::new(),
            acls: BTreeSet::new(),
            claims: Claims::new(),
            shards: Vec::new(),
            places: HashMap::new(),
        }
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
}

/// The same within this process, which is all that is needed.
fn hash(entry: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.hash(&mut hasher);
    hasher.finish()
}
