//! Statuses on their way to the API server while the next batch is with Kafka already.
//!
//! An object whose status is on its way is not looked at again before it has arrived, so statuses of one object never
//! overtake each other.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;
use sdm_api::{KafkaACL, KafkaACLStatus, KafkaTopic, KafkaTopicStatus, KafkaUser, KafkaUserStatus};
use tokio::task::JoinSet;

use super::hub::Kind;
use super::state::State;
use super::status::{self, Stored};
use crate::context::Context;
use crate::error::Error;
use crate::store::Key;

/// Batches on their way at the same time; more would only pile up.
const BATCHES: usize = 3;

/// What has arrived.
enum Arrived {
    Topics(Vec<Key>, Result<Stored<KafkaTopic>, Error>),
    Users(Vec<Key>, Result<Stored<KafkaUser>, Error>),
    Acls(Result<Stored<KafkaACL>, Error>),
}

/// What is on its way.
#[derive(Default)]
pub struct Writes {
    tasks: JoinSet<Arrived>,
    topics: HashSet<Key>,
    users: HashSet<Key>,
    acls: bool,
}

impl Writes {
    /// Sends statuses of topics.
    pub fn topics(
        &mut self,
        context: &Arc<Context>,
        wanted: Vec<(Arc<KafkaTopic>, KafkaTopicStatus)>,
    ) {
        let (context, keys) = (Arc::clone(context), keys(&wanted));
        self.topics.extend(keys.iter().cloned());
        self.tasks
            .spawn(async move { Arrived::Topics(keys, status::write(&context, wanted).await) });
    }

    /// Sends statuses of users.
    pub fn users(
        &mut self,
        context: &Arc<Context>,
        wanted: Vec<(Arc<KafkaUser>, KafkaUserStatus)>,
    ) {
        let (context, keys) = (Arc::clone(context), keys(&wanted));
        self.users.extend(keys.iter().cloned());
        self.tasks
            .spawn(async move { Arrived::Users(keys, status::write(&context, wanted).await) });
    }

    /// Sends statuses of ACLs, all of which are looked at together.
    pub fn acls(&mut self, context: &Arc<Context>, wanted: Vec<(Arc<KafkaACL>, KafkaACLStatus)>) {
        let context = Arc::clone(context);
        self.acls = true;
        self.tasks
            .spawn(async move { Arrived::Acls(status::write(&context, wanted).await) });
    }

    /// Whether a topic's status is on its way.
    pub fn has_topic(&self, key: &Key) -> bool {
        self.topics.contains(key)
    }

    /// Whether a user's status is on its way.
    pub fn has_user(&self, key: &Key) -> bool {
        self.users.contains(key)
    }

    /// Whether ACLs' statuses are on their way.
    pub fn has_acls(&self) -> bool {
        self.acls
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
        let failed: Vec<(Kind, Key)> = match arrived {
            Arrived::Topics(keys, stored) => {
                let keys: HashSet<Key> = keys.into_iter().collect();
                self.topics.retain(|key| !keys.contains(key));
                let stored = stored?;
                state.absorb_topics(stored.stored);
                stored
                    .failed
                    .into_iter()
                    .map(|key| (Kind::Topic, key))
                    .collect()
            }
            Arrived::Users(keys, stored) => {
                let keys: HashSet<Key> = keys.into_iter().collect();
                self.users.retain(|key| !keys.contains(key));
                let stored = stored?;
                state.absorb_users(stored.stored);
                stored
                    .failed
                    .into_iter()
                    .map(|key| (Kind::User, key))
                    .collect()
            }
            Arrived::Acls(stored) => {
                self.acls = false;
                let stored = stored?;
                state.absorb_acls(stored.stored);
                stored
                    .failed
                    .into_iter()
                    .map(|key| (Kind::Acl, key))
                    .collect()
            }
        };
        for (kind, key) in failed {
            state.timers.retry(kind, &key, 0);
        }
        Ok(())
    }
}

fn keys<K: ResourceExt, S>(wanted: &[(Arc<K>, S)]) -> Vec<Key> {
    let key = |object: &K| Key {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    };
    wanted.iter().map(|(object, _)| key(object)).collect()
}
