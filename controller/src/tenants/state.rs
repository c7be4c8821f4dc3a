//! What a worker remembers of its tenants, and what it has to look at again because of what it hears.
//!
//! Three lanes: what changed comes first, then what is due again, then the sweep that finds changes made by hand. Each
//! lane is first in, first out, so no object waits behind another one that keeps changing.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use sdm_api::condition::Reports;
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaTopic, KafkaUser, SubjectKind};
use sdm_core::topic::Claim;
use serde::Serialize;

use super::hub::{Change, Kind, Object, Pending};
use super::lanes::{Again, Queue, Timers};
use super::writes::{Writes, Written, age};
use crate::store::Key;

/// The tenants of one cluster.
#[derive(Default)]
pub struct State {
    /// Topics.
    pub topics: BTreeMap<Key, Arc<KafkaTopic>>,
    /// Who claims each topic name.
    pub claims: HashMap<String, BTreeSet<Claim>>,
    /// Users.
    pub users: BTreeMap<Key, Arc<KafkaUser>>,
    /// ACLs.
    pub acls: BTreeMap<Key, Arc<KafkaACL>>,
    /// Grants.
    pub grants: BTreeMap<Key, Arc<KafkaAccessGrant>>,
    /// Objects that are there and cannot be read.
    pub unreadable: HashSet<(Kind, Key)>,
    /// Topics that changed.
    pub dirty_topics: Queue<Key>,
    /// Users that changed.
    pub dirty_users: Queue<Key>,
    /// Topics to be compared with Kafka.
    pub sweep_topics: Queue<Key>,
    /// Users to be compared with Kafka.
    pub sweep_users: Queue<Key>,
    /// Topics or users went, and what they left must be taken away.
    pub gone: bool,
    /// What is granted must be computed anew.
    pub access: bool,
    /// Something that ACLs depend on changed since, and ACLs that were written before that may not be heard of yet.
    pub beyond: bool,
    /// Users that went, or are others now, since.
    pub other_users: HashSet<Key>,
    /// What is due again.
    pub timers: Timers,
    /// Topics and logins that Kafka keeps although their objects are gone.
    pub left: Again,
    /// ACLs that Kafka keeps although nobody asks for them.
    pub left_acls: Again,
    /// How many changes were heard of that ask for something.
    pub heard: u64,
}

impl State {
    /// Whether there is nothing to look after.
    pub fn is_empty(&self) -> bool {
        self.topics.is_empty()
            && self.users.is_empty()
            && self.acls.is_empty()
            && self.grants.is_empty()
            && self.unreadable.is_empty()
    }

    /// Takes in what was heard.
    pub fn hear(&mut self, pending: Pending, writes: &Writes) {
        for ((kind, key), change) in pending.changes {
            match change {
                Change::Is { object, fresh } => {
                    self.unreadable.remove(&(kind, key.clone()));
                    match object {
                        Object::Topic(topic) => self.topic(key, topic, fresh, writes),
                        Object::User(user) => self.user(key, user, fresh, writes),
                        Object::Acl(acl) => self.acl(key, acl, writes),
                        Object::Grant(grant) => self.grant(key, grant, writes),
                    }
                }
                Change::Unreadable => drop(self.unreadable.insert((kind, key))),
                Change::Gone => self.forget(kind, &key),
            }
        }
        for user in pending.secrets {
            self.dirty_users.push(user);
        }
        if pending.roles || pending.surroundings {
            self.look_beyond();
        }
        if pending.surroundings {
            // Only those that a rule keeps out can change by it; that is found out by looking.
            self.sweep();
        }
    }

    /// What is granted must be computed anew, and not because of ACLs.
    pub fn look_beyond(&mut self) {
        self.access = true;
        self.beyond = true;
    }

    /// Users that ACLs name, each as often as it is named.
    pub fn named_users(&self) -> impl Iterator<Item = Key> {
        self.acls.iter().flat_map(|(key, acl)| {
            let users = acl.spec.subjects.iter();
            let users = users.filter(|s| s.kind == SubjectKind::KafkaUser);
            users.map(|user| Key {
                namespace: user.namespace.as_ref().unwrap_or(&key.namespace).clone(),
                name: user.name.clone(),
            })
        })
    }

    /// Whether something else than ACLs changed that makes a difference for any of them.
    pub fn is_beyond_acls(&self) -> bool {
        self.beyond
            || !self.other_users.is_empty()
                && self
                    .named_users()
                    .any(|user| self.other_users.contains(&user))
    }

    /// What is granted was computed, and done.
    pub fn saw_access(&mut self) {
        self.beyond = false;
        self.other_users.clear();
    }

    /// Every topic and user is to be compared with Kafka.
    pub fn sweep(&mut self) {
        for key in self.topics.keys() {
            self.sweep_topics.push(key.clone());
        }
        for key in self.users.keys() {
            self.sweep_users.push(key.clone());
        }
    }

    /// Takes in topics whose statuses were written; who meets another's write on the way is looked at again.
    pub fn absorb_topics(&mut self, written: Vec<Written<KafkaTopic>>) {
        let crossed = absorb(&mut self.topics, written, |a, b| {
            generation(a) != generation(b)
        });
        for key in crossed {
            self.dirty_topics.push(key);
        }
    }

    /// As [`State::absorb_topics`].
    pub fn absorb_users(&mut self, written: Vec<Written<KafkaUser>>) {
        let crossed = absorb(&mut self.users, written, |a, b| {
            generation(a) != generation(b) || rotations(a) != rotations(b)
        });
        for key in crossed {
            self.dirty_users.push(key);
            self.access = true;
        }
    }

    /// As [`State::absorb_topics`].
    pub fn absorb_acls(&mut self, written: Vec<Written<KafkaACL>>) {
        self.access |= !absorb(&mut self.acls, written, is_other).is_empty();
    }

    /// As [`State::absorb_topics`].
    pub fn absorb_grants(&mut self, written: Vec<Written<KafkaAccessGrant>>) {
        for written in &written {
            self.timers.clear(Kind::Grant, &written.key);
        }
        if !absorb(&mut self.grants, written, is_other).is_empty() {
            self.look_beyond();
        }
    }

    fn topic(&mut self, key: Key, topic: Arc<KafkaTopic>, fresh: bool, writes: &Writes) {
        let before = self.topics.get(&key);
        if before.is_some_and(|b| !is_newer(&**b, &*topic)) {
            return;
        }
        let other = before.is_none_or(|b| b.metadata.uid != topic.metadata.uid);
        let changed =
            other || before.is_some_and(|b| b.metadata.generation != topic.metadata.generation);
        if other {
            if let Some(before) = self.topics.get(&key).cloned() {
                self.unclaim(&before);
                self.gone = true;
            }
            self.claims
                .entry(topic.topic_name().to_owned())
                .or_default()
                .insert(claim(&topic));
            self.access = true;
        }
        if changed {
            self.heard += 1;
            self.timers.clear(Kind::Topic, &key);
        } else if writes.has(Kind::Topic, &key) {
            // Our own status, heard of before its write has returned.
            self.topics.insert(key, topic);
            return;
        }
        if !fresh && topic.is_settled() {
            self.sweep_topics.push(key.clone());
        } else {
            self.dirty_topics.push(key.clone());
        }
        self.topics.insert(key, topic);
    }

    fn user(&mut self, key: Key, user: Arc<KafkaUser>, fresh: bool, writes: &Writes) {
        let before = self.users.get(&key);
        if before.is_some_and(|b| !is_newer(&**b, &*user)) {
            return;
        }
        let other = before.is_none_or(|b| b.metadata.uid != user.metadata.uid);
        if other {
            self.gone |= before.is_some();
            self.access = true;
        }
        let changed = other
            || before.is_some_and(|b| {
                b.metadata.generation != user.metadata.generation
                    || rotations(b) != rotations(&user)
            });
        if changed {
            self.heard += 1;
            self.timers.clear(Kind::User, &key);
            self.access = true;
            if before.is_some() {
                self.other_users.insert(key.clone());
            }
        } else if writes.has(Kind::User, &key) {
            self.users.insert(key, user);
            return;
        }
        if !fresh && user.is_settled() {
            self.sweep_users.push(key.clone());
        } else {
            self.dirty_users.push(key.clone());
        }
        self.users.insert(key, user);
    }

    fn acl(&mut self, key: Key, acl: Arc<KafkaACL>, writes: &Writes) {
        let before = self.acls.get(&key);
        if before.is_some_and(|b| !is_newer(&**b, &*acl)) {
            return;
        }
        let identity = |a: &KafkaACL| (a.metadata.uid.clone(), a.metadata.generation);
        let same = before.is_some_and(|b| identity(b) == identity(&acl));
        self.heard += u64::from(!same);
        self.access |= !(same && writes.has(Kind::Acl, &key));
        self.acls.insert(key, acl);
    }

    fn grant(&mut self, key: Key, grant: Arc<KafkaAccessGrant>, writes: &Writes) {
        if self
            .grants
            .get(&key)
            .is_some_and(|b| !is_newer(&**b, &*grant))
        {
            return;
        }
        let changed = self
            .grants
            .get(&key)
            .is_none_or(|b| b.metadata.generation != grant.metadata.generation);
        self.heard += u64::from(changed);
        if changed && grant.spec.adoption {
            self.sweep();
        }
        if changed || !writes.has(Kind::Grant, &key) {
            self.look_beyond();
        }
        self.grants.insert(key, grant);
    }

    fn forget(&mut self, kind: Kind, key: &Key) {
        self.heard += 1;
        self.unreadable.remove(&(kind, key.clone()));
        self.timers.clear(kind, key);
        self.access = true;
        match kind {
            Kind::Topic => {
                if let Some(topic) = self.topics.remove(key) {
                    self.unclaim(&topic);
                }
                self.dirty_topics.remove(key);
                self.sweep_topics.remove(key);
                self.gone = true;
            }
            Kind::User => {
                self.users.remove(key);
                self.other_users.insert(key.clone());
                self.dirty_users.remove(key);
                self.sweep_users.remove(key);
                self.gone = true;
            }
            Kind::Acl => drop(self.acls.remove(key)),
            Kind::Grant => {
                self.grants.remove(key);
                self.beyond = true;
            }
        }
    }

    /// A topic has an owner now, and the others who claim it are to say so.
    pub fn tell_rivals(&mut self, owner: &KafkaTopic) {
        let claims = self.claims.get(owner.topic_name()).into_iter().flatten();
        for rival in claims.filter(|c| owner.metadata.uid.as_ref() != Some(&c.uid)) {
            self.dirty_topics.push(Key {
                namespace: rival.namespace.clone(),
                name: rival.name.clone(),
            });
        }
    }

    /// Those who waited behind a claim that is given up may have their turn.
    fn unclaim(&mut self, topic: &KafkaTopic) {
        let name = topic.topic_name();
        let Some(claims) = self.claims.get_mut(name) else {
            return;
        };
        claims.remove(&claim(topic));
        for waiting in claims.iter() {
            self.dirty_topics.push(Key {
                namespace: waiting.namespace.clone(),
                name: waiting.name.clone(),
            });
        }
        if claims.is_empty() {
            self.claims.remove(name);
        }
    }
}

/// Keeps the newest of what is known and what was stored; whose spec or status is another by now is returned.
fn absorb<K: Resource + HasStatus<Status: Serialize + PartialEq>>(
    known: &mut BTreeMap<Key, Arc<K>>,
    written: Vec<Written<K>>,
    differs: fn(&K, &K) -> bool,
) -> Vec<Key> {
    let mut crossed = Vec::new();
    for written in written {
        let Some(known) = known.get_mut(&written.key) else {
            continue;
        };
        let (newest, other) = written.meet(known, differs);
        if other {
            crossed.push(written.key);
        }
        *known = newest;
    }
    crossed
}

/// What was asked for besides the spec.
fn rotations(user: &KafkaUser) -> [Option<&String>; 2] {
    [ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH].map(|a| user.annotations().get(a))
}

/// A topic's claim to its name.
pub fn claim(topic: &KafkaTopic) -> Claim {
    Claim {
        created: topic
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(i64::MAX, |t| t.0.as_second()),
        namespace: topic.namespace().unwrap_or_default(),
        name: topic.name_any(),
        uid: topic.uid().unwrap_or_default(),
    }
}

fn generation<K: Resource>(object: &K) -> Option<i64> {
    object.meta().generation
}

/// Whether an object was changed, or is to go.
fn is_other<K: Resource>(a: &K, b: &K) -> bool {
    generation(a) != generation(b) || a.meta().deletion_timestamp != b.meta().deletion_timestamp
}

/// Resource versions of one kind are ordered (KEP-5504); what we have written and read back is not heard again.
fn is_newer<K: Resource>(known: &K, heard: &K) -> bool {
    age(known, heard) == Ordering::Less
}
