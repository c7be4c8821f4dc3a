//! Statuses of tenants' objects: written only where they differ, only the fields that differ, many at the same time.

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

use super::gate::Closed;
use super::hub::Kind;
use super::parts::Part;
use super::worker::Worker;
use crate::context::Context;
use crate::error::Error;
use crate::store::Key;

/// Writes at the same time.
pub(super) const CONCURRENCY: usize = 16;

/// The clock of statuses.
pub fn now() -> Time {
    Time(Timestamp::now())
}

/// What came of writing statuses.
pub struct Stored<K> {
    /// Objects as they are stored now.
    pub stored: Vec<(Key, Arc<K>)>,
    /// Those whose status could not be written.
    pub failed: Vec<Key>,
}

/// Writes each status that differs from what its object says. An object that is gone, or another one by now, is left
/// out: that is heard of.
pub async fn write<K>(
    context: &Context,
    wanted: Vec<(Arc<K>, K::Status)>,
) -> Result<Stored<K>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + HasStatus<Status: Serialize + PartialEq>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let wanted: Vec<_> = wanted
        .into_iter()
        .filter_map(|(object, status)| Some((status_patch(&*object, &status)?, object)))
        .collect();
    if wanted.is_empty() {
        return Ok(Stored {
            stored: Vec::new(),
            failed: Vec::new(),
        });
    }
    if !context.leadership.holds() {
        return Err(Error::NotLeader);
    }
    let results: Vec<Result<(Key, Arc<K>), Key>> = stream::iter(wanted)
        .map(|(patch, object)| async move {
            let key = Key {
                namespace: object.namespace()?,
                name: object.name_any(),
            };
            let api: Api<K> = Api::namespaced(context.client.clone(), &key.namespace);
            let params = PatchParams {
                field_manager: Some(STATUS_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let result = api.patch_status(&key.name, &params, &Patch::Merge(&patch)).await;
            count_write(&K::kind(&()), "patch-status", &result);
            match result {
                Ok(mut stored) => {
                    stored.managed_fields_mut().clear();
                    Some(Ok((key, Arc::new(stored))))
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
    let (stored, failed): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    Ok(Stored {
        stored: stored.into_iter().flatten().collect(),
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
