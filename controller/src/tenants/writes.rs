//! Statuses on their way to the API server while the next batch is with Kafka already.
//!
//! An object whose status is on its way is not looked at again before it has arrived, so statuses of one object never
//! overtake each other.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::core::object::HasStatus;
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaTopic, KafkaUser};
use sdm_runtime::apply::status_patch;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::hub::Kind;
use super::state::State;
use super::status::{self, Stored, Wanted};
use crate::context::Context;
use crate::error::Error;
use crate::store::{Key, version};

/// Batches on their way at the same time; more would only pile up.
const BATCHES: usize = 3;
/// What every controller and every definition of ours has in a status: what else is in it an older definition may drop.
const CERTAIN: [&str; 2] = ["conditions", "observedGeneration"];

/// Objects, and what their statuses are to be.
type Statuses<K> = Vec<(Arc<K>, <K as HasStatus>::Status)>;

/// A status that was written.
pub struct Written<K: HasStatus> {
    /// Whose.
    pub key: Key,
    /// The object as it is stored now.
    pub stored: Arc<K>,
    /// What was to be said.
    pub status: K::Status,
}

impl<K: Resource + HasStatus<Status: Serialize + PartialEq>> Written<K> {
    /// The newest of what is known and what was stored; and whether somebody else wrote at the same time, so that it has
    /// to be looked at again. What others wrote before our write is in what it returned, and the watch tells of nothing
    /// newer then; what they wrote after it was heard of while it was on its way. `differs`: whether more is asked for.
    pub(super) fn meet(&self, known: &Arc<K>, differs: impl Fn(&K, &K) -> bool) -> (Arc<K>, bool) {
        match age(&**known, &*self.stored) {
            Ordering::Less => {
                let crossed = !self.is_said() || differs(known, &self.stored);
                (Arc::clone(&self.stored), crossed)
            }
            Ordering::Equal => (Arc::clone(known), !self.is_said()),
            Ordering::Greater => (Arc::clone(known), true),
        }
    }

    /// Whether what is stored is what was to be said: only the fields that were to change are written.
    fn is_said(&self) -> bool {
        let missing = status_patch(&*self.stored, &self.status);
        missing.is_none_or(|patch| CERTAIN.iter().all(|field| patch["status"][field].is_null()))
    }
}

/// How two versions of an object follow each other.
pub(super) fn age<K: Resource>(a: &K, b: &K) -> Ordering {
    match (version(a), version(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => Ordering::Less,
    }
}

/// Takes in what has arrived, and tells whose status could not be written.
type Absorb = Box<dyn FnOnce(&mut State) -> Vec<Key> + Send>;

/// What has arrived.
struct Arrived {
    kind: Kind,
    keys: HashSet<Key>,
    stored: Result<Absorb, Error>,
}

/// What is on its way.
#[derive(Default)]
pub struct Writes {
    tasks: JoinSet<Arrived>,
    busy: HashMap<Kind, HashSet<Key>>,
}

impl Writes {
    /// Sends statuses of topics.
    pub fn topics(&mut self, context: &Arc<Context>, wanted: Statuses<KafkaTopic>) {
        self.send(context, Kind::Topic, wanted, State::absorb_topics);
    }

    /// Sends statuses of users.
    pub fn users(&mut self, context: &Arc<Context>, wanted: Statuses<KafkaUser>) {
        self.send(context, Kind::User, wanted, State::absorb_users);
    }

    /// Sends statuses of ACLs.
    pub fn acls(&mut self, context: &Arc<Context>, wanted: Statuses<KafkaACL>) {
        self.send(context, Kind::Acl, wanted, State::absorb_acls);
    }

    /// Sends statuses of grants.
    pub fn grants(&mut self, context: &Arc<Context>, wanted: Statuses<KafkaAccessGrant>) {
        self.send(context, Kind::Grant, wanted, State::absorb_grants);
    }

    /// Sends those that differ.
    fn send<K>(
        &mut self,
        context: &Arc<Context>,
        kind: Kind,
        wanted: Statuses<K>,
        absorb: fn(&mut State, Vec<Written<K>>),
    ) where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + HasStatus<Status: Serialize + PartialEq + Send>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let wanted = self.begin(kind, wanted);
        if wanted.is_empty() {
            return;
        }
        let keys = wanted.iter().map(Wanted::key).collect();
        let context = Arc::clone(context);
        self.tasks.spawn(async move {
            let stored = status::write(&context, wanted).await;
            let stored = stored.map(|Stored { written, failed }| -> Absorb {
                Box::new(move |state| {
                    absorb(state, written);
                    failed
                })
            });
            Arrived { kind, keys, stored }
        });
    }

    /// Those that differ from what their objects say are on their way now; the others need no write.
    pub(super) fn begin<K>(&mut self, kind: Kind, wanted: Statuses<K>) -> Vec<Wanted<K>>
    where
        K: Resource + HasStatus<Status: Serialize + PartialEq>,
    {
        let wanted = status::differing(wanted);
        let keys = wanted.iter().map(Wanted::key);
        self.busy.entry(kind).or_default().extend(keys);
        wanted
    }

    /// These have arrived.
    pub(super) fn end(&mut self, kind: Kind, keys: &HashSet<Key>) {
        if let Some(busy) = self.busy.get_mut(&kind) {
            busy.retain(|key| !keys.contains(key));
        }
    }

    /// Whether an object's status is on its way.
    pub fn has(&self, kind: Kind, key: &Key) -> bool {
        self.busy.get(&kind).is_some_and(|keys| keys.contains(key))
    }

    /// Whether any status of a kind is on its way.
    pub fn has_any(&self, kind: Kind) -> bool {
        self.busy.get(&kind).is_some_and(|keys| !keys.is_empty())
    }

    /// Whether nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Takes in what has arrived; waits while too much is on its way.
    pub async fn settle(&mut self, state: &mut State) -> Result<(), Error> {
        while self.tasks.len() >= BATCHES {
            self.next(state).await?;
        }
        while let Some(arrived) = self.tasks.try_join_next() {
            self.absorb(state, arrived)?;
        }
        Ok(())
    }

    /// Waits until all has arrived.
    pub async fn drain(&mut self, state: &mut State) -> Result<(), Error> {
        while !self.tasks.is_empty() {
            self.next(state).await?;
        }
        Ok(())
    }

    /// Waits for the next to arrive; forever if there is none.
    pub async fn next(&mut self, state: &mut State) -> Result<(), Error> {
        match self.tasks.join_next().await {
            Some(arrived) => self.absorb(state, arrived),
            None => std::future::pending().await,
        }
    }

    fn absorb(
        &mut self,
        state: &mut State,
        arrived: Result<Arrived, tokio::task::JoinError>,
    ) -> Result<(), Error> {
        let arrived = arrived.map_err(|error| Error::Lost(format!("a status ({error})")))?;
        self.end(arrived.kind, &arrived.keys);
        for key in (arrived.stored?)(state) {
            state.timers.retry(arrived.kind, &key, 0);
        }
        Ok(())
    }
}
