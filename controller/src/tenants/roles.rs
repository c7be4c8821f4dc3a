//! Roles belong to no cluster: whether one is valid is all there is to say of it.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::Store;
use sdm_api::KafkaRole;
use sdm_core::access::{role_status, validate_role};
use tokio_util::sync::CancellationToken;

use super::hub::Hub;
use super::status;
use super::watch::Shared;
use crate::context::Context;
use crate::error::Error;

/// Changes come in bursts.
const GATHER: Duration = Duration::from_millis(50);

/// Writes the roles' statuses until `stop`.
pub async fn run(context: Arc<Context>, shared: Shared, hub: Arc<Hub>, stop: CancellationToken) {
    loop {
        if let Err(Error::NotLeader) = pass(&context, &shared.roles).await {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.roles_changed() => tokio::time::sleep(GATHER).await,
        }
    }
}

async fn pass(
    context: &Context,
    roles: &Store<kube::core::DeserializeGuard<KafkaRole>>,
) -> Result<(), Error> {
    let now = status::now();
    let wanted = roles
        .state()
        .iter()
        .filter_map(|r| r.0.as_ref().ok().cloned())
        .map(|role| {
            let before = role.status.clone().unwrap_or_default();
            let wanted = role_status(
                &before,
                &validate_role(&role, None),
                role.metadata.generation,
                &now,
            );
            (Arc::new(role), wanted)
        })
        .collect();
    status::write(context, wanted).await.map(|_| ())
}
