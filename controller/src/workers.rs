//! One worker a cluster: woken by events, at work one reconcile at a time, at most eight clusters
//! at once. A cluster that fails waits longer and longer, alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::reconcile::{Cluster, Next, backoff};
use crate::store::{Key, Wake};

/// Events come in bursts; one look answers them all.
const GATHER: Duration = Duration::from_millis(20);

type Bells = Arc<Mutex<HashMap<Key, Arc<Notify>>>>;

/// Wakes workers until `stop`, then lets each finish what it is doing.
pub async fn run(
    context: Arc<Context>,
    mut wakes: UnboundedReceiver<Wake>,
    stop: CancellationToken,
) {
    let bells: Bells = Arc::default();
    let mut workers = JoinSet::new();
    loop {
        let wake = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = workers.join_next(), if !workers.is_empty() => {
                let ended: Result<(), tokio::task::JoinError> = ended;
                if let Err(error) = ended {
                    // A worker that died is a defect; a restart of the process is the cure.
                    tracing::error!(%error, "worker died");
                    std::process::exit(1);
                }
                continue;
            }
            wake = wakes.recv() => match wake {
                Some(wake) => wake,
                None => break,
            },
        };
        let keys = match wake {
            Wake::One(key) => vec![key],
            Wake::All => everything(&context),
        };
        for key in keys {
            let mut bells_now = bells.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bell) = bells_now.get(&key) {
                bell.notify_one();
            } else if context.stores.cluster(&key).is_some() {
                let bell = Arc::new(Notify::new());
                bells_now.insert(key.clone(), Arc::clone(&bell));
                workers.spawn(work(
                    Arc::clone(&context),
                    key,
                    bell,
                    Arc::clone(&bells),
                    stop.clone(),
                ));
            }
            context
                .metrics
                .clusters
                .set(i64::try_from(bells_now.len()).unwrap_or(i64::MAX));
        }
    }
    while workers.join_next().await.is_some() {}
}

fn everything(context: &Context) -> Vec<Key> {
    let key = |meta: &kube::api::ObjectMeta| {
        Some(Key {
            namespace: meta.namespace.clone()?,
            name: meta.name.clone()?,
        })
    };
    context
        .stores
        .clusters
        .state()
        .iter()
        .filter_map(|c| key(kube::Resource::meta(&**c)))
        .collect()
}

async fn work(
    context: Arc<Context>,
    key: Key,
    bell: Arc<Notify>,
    bells: Bells,
    stop: CancellationToken,
) {
    let mut cluster = Cluster::new(Arc::clone(&context), key.clone());
    let mut failures = 0;
    while !stop.is_cancelled() {
        let next = {
            let Ok(_permit) = context.permits.acquire().await else {
                return;
            };
            let started = Instant::now();
            let result = cluster.reconcile().await;
            context
                .metrics
                .duration
                .observe(started.elapsed().as_secs_f64());
            result
        };
        let pause = match next {
            Ok(Next::Now) => {
                failures = 0;
                continue;
            }
            Ok(Next::After(pause)) => {
                failures = 0;
                pause
            }
            Ok(Next::Gone) => {
                let mut bells = bells.lock().unwrap_or_else(PoisonError::into_inner);
                // It may have been created again a moment ago; then its event found this bell.
                if context.stores.cluster(&key).is_none() {
                    bells.remove(&key);
                    context
                        .metrics
                        .clusters
                        .set(i64::try_from(bells.len()).unwrap_or(i64::MAX));
                    return;
                }
                continue;
            }
            Err(Error::NotLeader) => return,
            Err(error) => {
                failures += 1;
                context.metrics.result("failed");
                context.metrics.error(error.reason());
                tracing::warn!(cluster = %key, reason = error.reason(), %error, "reconcile failed, will be repeated");
                // Not woken by events: an API server in trouble is not helped by haste.
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(backoff(failures)) => continue,
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
            () = bell.notified() => tokio::time::sleep(GATHER).await,
        }
    }
}
