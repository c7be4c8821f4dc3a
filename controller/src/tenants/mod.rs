//! Topics, users, roles and ACLs: what namespaces declare, brought about in the Kafka cluster they refer to.
//!
//! `watch` hears what changes and sorts it by cluster into inboxes (`hub`); every cluster has one worker (`worker`), so
//! that a slow cluster slows nobody else. A worker takes what changed in batches, asks Kafka once for all of it, and
//! writes once for all of it (`topics`, `users`, `access`). What it created is on record in `ledger`, so that exactly
//! that can be taken away again, by another process too. Decisions are `sdm-core`'s.

mod abreast;
mod access;
mod acl_steps;
mod calls;
mod credentials;
mod deleted;
mod departures;
mod drift;
mod gate;
mod hub;
mod lanes;
mod ledger;
mod pace;
mod parts;
mod roles;
mod salvage;
pub mod secrets;
mod state;
mod status;
#[cfg(test)]
mod tests;
mod throttle;
mod topic_ends;
mod topic_moves;
mod topic_news;
mod topic_sight;
mod topic_steps;
mod topics;
mod user_steps;
mod users;
mod watch;
mod worker;
mod writes;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
pub use hub::Hub;
pub use watch::Shared;

/// Starts the watches; the tasks end with `tasks`.
pub fn start(client: &kube::Client, hub: &Arc<Hub>, tasks: &mut JoinSet<()>) -> Shared {
    watch::start(client, hub, tasks)
}

/// One worker a cluster, until `stop`; then each finishes the batch it is at.
pub async fn run(context: Arc<Context>, hub: Arc<Hub>, shared: Shared, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => return,
        () = shared.ready() => {}
    }
    let mut workers = JoinSet::new();
    workers.spawn(roles::run(
        Arc::clone(&context),
        shared.clone(),
        Arc::clone(&hub),
        stop.clone(),
    ));
    for cluster in context.stores.clusters.state() {
        let meta = kube::Resource::meta(&*cluster);
        if let (Some(namespace), Some(name)) = (meta.namespace.clone(), meta.name.clone()) {
            hub.poke(&crate::store::Key { namespace, name });
        }
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            inbox = hub.unattended() => {
                let worker = worker::Worker::new(Arc::clone(&context), Arc::clone(&hub), shared.clone(), inbox);
                workers.spawn(worker.run(stop.clone()));
            }
            Some(ended) = workers.join_next(), if !workers.is_empty() => {
                let ended: Result<(), tokio::task::JoinError> = ended;
                if let Err(error) = ended {
                    // A worker that died is a defect; a restart of the process is the cure.
                    tracing::error!(%error, "worker died");
                    std::process::exit(1);
                }
            }
        }
    }
    while workers.join_next().await.is_some() {}
}
