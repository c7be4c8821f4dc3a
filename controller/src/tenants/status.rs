//! Statuses of tenants' objects: written only where they differ, only the fields that differ, many at the same time.
//! What became of what is on its way is `writes`'.

use std::fmt::Debug;
use std::sync::Arc;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::core::object::HasStatus;
use kube::{Api, Resource, ResourceExt};
use sdm_api::condition::Reports;
use sdm_api::names::STATUS_MANAGER;
use sdm_core::outcome::Outcome;
use sdm_core::{topic, user};
use sdm_runtime::apply::{count_write, status_patch};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::gate::Closed;
use super::hub::Kind;
use super::parts::Part;
use super::worker::Worker;
use super::writes::Written;
use crate::context::Context;
use crate::error::Error;
use crate::store::Key;

/// Writes at the same time.
pub(super) const CONCURRENCY: usize = 16;

/// The clock of statuses: whole seconds, as they are stored.
pub fn now() -> Time {
    let now = Timestamp::now();
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}

/// A status that is to be written.
pub struct Wanted<K: HasStatus> {
    object: Arc<K>,
    status: K::Status,
    patch: Value,
}

impl<K: Resource + HasStatus> Wanted<K> {
    /// Whose it is.
    pub fn key(&self) -> Key {
        Key {
            namespace: self.object.namespace().unwrap_or_default(),
            name: self.object.name_any(),
        }
    }
}

/// What came of writing statuses.
pub struct Stored<K: HasStatus> {
    /// Those that were written.
    pub written: Vec<Written<K>>,
    /// Those whose status could not be written.
    pub failed: Vec<Key>,
}

/// Those statuses that differ from what their objects say.
pub fn differing<K>(wanted: Vec<(Arc<K>, K::Status)>) -> Vec<Wanted<K>>
where
    K: Resource + HasStatus<Status: Serialize + PartialEq>,
{
    let differs = |(object, status): (Arc<K>, K::Status)| {
        let patch = status_patch(&*object, &status)?;
        Some(Wanted {
            object,
            status,
            patch,
        })
    };
    wanted.into_iter().filter_map(differs).collect()
}

/// Writes statuses. An object that is gone, or another one by now, is left out: that is heard of.
pub async fn write<K>(context: &Context, wanted: Vec<Wanted<K>>) -> Result<Stored<K>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + HasStatus<Status: Serialize + PartialEq>
        + Clone
        + Debug
        + DeserializeOwned,
{
    if !wanted.is_empty() && !context.leadership.holds() {
        return Err(Error::NotLeader);
    }
    let results: Vec<Result<Written<K>, Key>> = stream::iter(wanted)
        .map(|wanted| async move {
            let key = wanted.key();
            let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
            let params = PatchParams {
                field_manager: Some(STATUS_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let patch = Patch::Merge(&wanted.patch);
            let result = api.patch_status(&key.name, &params, &patch).await;
            count_write(&K::kind(&()), "patch-status", &result);
            match result {
                Ok(mut stored) => {
                    stored.managed_fields_mut().clear();
                    Some(Ok(Written {
                        key,
                        stored: Arc::new(stored),
                        status: wanted.status,
                    }))
                }
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => None,
                Err(error) => {
                    tracing::warn!(object = %key, kind = %K::kind(&()), %error, "status not written");
                    context.metrics.error("StatusNotWritten");
                    Some(Err(key))
                }
            }
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(|stored| async move { stored })
        .collect()
        .await;
    let (written, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    Ok(Stored {
        written: written.into_iter().flatten().collect(),
        failed: failed.into_iter().filter_map(Result::err).collect(),
    })
}

impl Worker {
    /// Tells everybody who waits for these parts of the work why; once, and each object that comes later.
    pub(super) async fn tell_closed(
        &mut self,
        closed: &Closed,
        parts: &[Part],
    ) -> Result<(), Error> {
        self.writes.drain(&mut self.state).await?;
        let now = now();
        for part in parts {
            match part {
                Part::Topics => self.tell_closed_topics(closed, &now),
                Part::Users => self.tell_closed_users(closed, &now),
                Part::Access => self.tell_closed_access(closed, &now),
            }
        }
        Ok(())
    }

    fn tell_closed_topics(&mut self, closed: &Closed, now: &Time) {
        let outcome = Outcome::Held(closed.refusal(), None);
        let topics = self.state.topics.values().filter(|t| !t.is_settled());
        let topics = topics.map(|t| (Arc::clone(t), topic::status(t, &outcome, now)));
        self.writes.topics(&self.context, topics.collect());
    }

    fn tell_closed_users(&mut self, closed: &Closed, now: &Time) {
        let outcome = Outcome::Held(closed.refusal(), None);
        let users = self.state.users.values().filter(|u| !u.is_settled());
        let users = users.map(|u| (Arc::clone(u), user::status(u, &outcome, now)));
        self.writes.users(&self.context, users.collect());
    }

    /// Looks at an object again: soon if that may help, later and later if not.
    pub(super) fn again(&mut self, kind: Kind, key: &Key, permanent: bool) {
        self.state
            .timers
            .retry(kind, key, if permanent { 5 } else { 0 });
    }
}
