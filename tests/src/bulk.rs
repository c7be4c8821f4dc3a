//! Many objects at once through the API server, and waiting until each says that it is done.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{
    DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::{Api, Client, ResourceExt};
use sdm_api::condition::Reports;
use sdm_api::{KafkaACL, KafkaTopic, KafkaUser};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::wait::until;

/// Requests at the same time.
pub const CONNECTIONS: usize = 16;

/// A kind whose status can be awaited.
pub trait Tenant:
    Reports<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// Reason and message of `Ready`.
    fn says(&self) -> String {
        let ready = self
            .report()
            .and_then(|(_, c)| c.iter().find(|c| c.type_ == "Ready").cloned());
        ready.map_or_else(
            || "nothing".to_owned(),
            |c| format!("{} {}: {}", c.status, c.reason, c.message),
        )
    }
}

impl Tenant for KafkaTopic {}
impl Tenant for KafkaUser {}
impl Tenant for KafkaACL {}

/// Creates all, sixteen at a time.
pub async fn create<K: Tenant>(client: &Client, objects: Vec<K>) -> Result<()> {
    stream::iter(objects)
        .map(|object| async move {
            let api: Api<K> =
                Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
            api.create(&PostParams::default(), &object)
                .await
                .map(drop)
                .with_context(|| object.name_any())
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await
}

/// Merges `patch` into all.
pub async fn patch<K: Tenant>(api: &Api<K>, names: &[String], patch: &Value) -> Result<()> {
    stream::iter(names)
        .map(|name| async move {
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
                .await
                .map(drop)
                .with_context(|| name.clone())
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await
}

/// Deletes all.
pub async fn delete<K: Tenant>(api: &Api<K>, names: &[String]) -> Result<()> {
    stream::iter(names)
        .map(|name| async move {
            api.delete(name, &DeleteParams::default())
                .await
                .map(drop)
                .with_context(|| name.clone())
        })
        .buffer_unordered(CONNECTIONS)
        .try_collect()
        .await
}

/// Deletes all whose names begin so, and waits until they are gone.
pub async fn clear<K: Tenant>(api: &Api<K>, prefix: &str, limit: Duration) -> Result<()> {
    let left = || async {
        let all = api.list_metadata(&ListParams::default()).await?;
        let names = all.items.iter().map(ResourceExt::name_any);
        anyhow::Ok(names.filter(|n| n.starts_with(prefix)).collect::<Vec<_>>())
    };
    delete(api, &left().await?).await?;
    until("what was left before to be gone", limit, || async {
        Ok(left().await?.is_empty().then_some(()))
    })
    .await
}

/// Follows a kind in a namespace while `act` goes on, until all `names` are Ready as they are written after it.
/// Returns how long that took from the beginning of `act`.
pub async fn until_ready<K: Tenant>(
    api: &Api<K>,
    names: &[String],
    generation: i64,
    limit: Duration,
    act: impl Future<Output = Result<()>>,
) -> Result<Duration> {
    let is_ready = |event: &WatchEvent<K>| match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            object.is_settled() && object.meta().generation >= Some(generation)
        }
        _ => false,
    };
    follow(api, names, is_ready, limit, act).await
}

/// The same, until all `names` are gone.
pub async fn until_gone<K: Tenant>(
    api: &Api<K>,
    names: &[String],
    limit: Duration,
    act: impl Future<Output = Result<()>>,
) -> Result<Duration> {
    let is_gone = |event: &WatchEvent<K>| matches!(event, WatchEvent::Deleted(_));
    follow(api, names, is_gone, limit, act).await
}

async fn follow<K: Tenant>(
    api: &Api<K>,
    names: &[String],
    is_done: impl Fn(&WatchEvent<K>) -> bool,
    limit: Duration,
    act: impl Future<Output = Result<()>>,
) -> Result<Duration> {
    let began = Instant::now();
    let list = api.list_metadata(&ListParams::default().limit(1)).await?;
    let from = list.metadata.resource_version.unwrap_or_default();
    let mut waiting: HashMap<&str, String> = names
        .iter()
        .map(|n| (n.as_str(), "not seen".to_owned()))
        .collect();
    let follow = async {
        let mut version = from;
        while !waiting.is_empty() {
            let mut events = api
                .watch(&WatchParams::default().timeout(290), &version)
                .await?
                .boxed();
            while let Some(event) = events.next().await {
                let event = event?;
                let done = is_done(&event);
                let object = match event {
                    WatchEvent::Added(o) | WatchEvent::Modified(o) | WatchEvent::Deleted(o) => o,
                    WatchEvent::Error(error) => bail!("{error:?}"),
                    WatchEvent::Bookmark(_) => continue,
                };
                version = object.resource_version().unwrap_or_default();
                let name = object.name_any();
                if done {
                    waiting.remove(name.as_str());
                } else if let Some(said) = waiting.get_mut(name.as_str()) {
                    *said = object.says();
                }
                if waiting.is_empty() {
                    break;
                }
            }
        }
        Ok(began.elapsed())
    };
    let both = async { tokio::try_join!(act, follow).map(|((), took)| took) };
    match tokio::time::timeout(limit, both).await {
        Ok(took) => took,
        Err(_) => {
            let left: Vec<_> = waiting.iter().take(3).collect();
            bail!(
                "{} of {} are still waited for after {limit:?}: {left:?}",
                waiting.len(),
                names.len()
            )
        }
    }
}
