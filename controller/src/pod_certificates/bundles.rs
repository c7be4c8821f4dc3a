//! What Pods have to trust, a cluster each: written when a cluster's authority is there or changes, taken away after the
//! cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::certificates::v1beta1::ClusterTrustBundle;
use kube::runtime::reflector::{Store, store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Resource, ResourceExt};
use sdm_api::{inject, names};
use sdm_core::inject::trust_bundle;
use sdm_runtime::apply;
use tokio::sync::watch as flag;
use tokio::time::{Instant, sleep_until};

use super::authorities_of;
use crate::context::Context;
use crate::error::Error;
use crate::store::Key;

/// Clusters change in bursts; one look answers them all.
const GATHER: Duration = Duration::from_millis(300);
/// Between two attempts when something failed.
const RETRY: Duration = Duration::from_secs(5);

/// Keeps the bundles as they should be, as long as it is polled.
pub async fn run(context: &Context, mut changed: flag::Receiver<()>) {
    let api: Api<ClusterTrustBundle> = Api::all(context.client.clone());
    let ours = format!("{}={}", names::LABEL_MANAGED_BY, names::MANAGED_BY);
    let (seen, writer) = store();
    let stream = watch(api.clone(), watcher::Config::default().labels(&ours))
        .default_backoff()
        .modify(|o: &mut ClusterTrustBundle| o.managed_fields_mut().clear())
        .reflect(writer);
    let mut stream = std::pin::pin!(stream);
    // Nothing is concluded before the first list is complete.
    let (mut listed, mut due) = (false, None);
    loop {
        let soon = Instant::now() + GATHER;
        tokio::select! {
            event = stream.next() => match event {
                None => return,
                Some(Ok(Event::Init | Event::InitApply(_))) => {}
                Some(Ok(Event::InitDone)) => (listed, due) = (true, Some(soon)),
                Some(Ok(_)) => due = due.or(Some(soon)),
                Some(Err(error)) => tracing::warn!(%error, "watch interrupted, will be resumed"),
            },
            Ok(()) = changed.changed() => due = due.or(Some(soon)),
            () = sleep_until(due.unwrap_or(soon)), if listed && due.is_some() => {
                due = None;
                if let Err(error) = tend(context, &api, &seen).await {
                    context.metrics.error(error.reason());
                    tracing::warn!(%error, "trust bundles not up to date");
                    due = Some(Instant::now() + RETRY);
                }
            }
        }
    }
}

async fn tend(
    context: &Context,
    api: &Api<ClusterTrustBundle>,
    seen: &Store<ClusterTrustBundle>,
) -> Result<(), Error> {
    let mut expected = BTreeSet::new();
    let mut authorities = BTreeMap::new();
    for cluster in context.stores.clusters.state() {
        let meta = cluster.meta();
        let (Some(namespace), Some(name)) = (meta.namespace.clone(), meta.name.clone()) else {
            continue;
        };
        let key = Key { namespace, name };
        expected.insert(inject::trust_bundle(&key.namespace, &key.name));
        if let Some(pem) = authorities_of(context, &key) {
            authorities.insert(key, pem);
        }
    }
    let there: BTreeMap<String, _> = seen
        .state()
        .into_iter()
        .map(|b| (b.name_any(), b))
        .collect();
    for (key, pem) in &authorities {
        let bundle = trust_bundle(&key.namespace, &key.name, pem);
        let current = there.get(&bundle.name_any());
        if current.is_none_or(|current| current.spec != bundle.spec) {
            lead(context)?;
            apply::apply(api, names::MANAGER, &bundle).await?;
            tracing::info!(cluster = %key, "trust bundle written");
        }
    }
    for (name, bundle) in &there {
        let of_ours = bundle.spec.signer_name.as_deref();
        if of_ours.and_then(inject::cluster_of_signer).is_some() && !expected.contains(name) {
            lead(context)?;
            apply::delete(api, name, bundle.metadata.uid.as_deref()).await?;
        }
    }
    Ok(())
}

fn lead(context: &Context) -> Result<(), Error> {
    match context.leadership.holds() {
        true => Ok(()),
        false => Err(Error::NotLeader),
    }
}
