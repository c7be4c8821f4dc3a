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
use crate::reconcile::backoff;

/// Changes come in bursts.
const GATHER: Duration = Duration::from_millis(50);

/// Writes the roles' statuses until `stop`.
pub async fn run(context: Arc<Context>, shared: Shared, hub: Arc<Hub>, stop: CancellationToken) {
    let mut failures = 0;
    loop {
        failures = match pass(&context, &shared.roles).await {
            Err(Error::NotLeader) => return,
            Ok(true) => 0,
            Ok(false) | Err(_) => failures + 1,
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.roles_changed() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(backoff(failures)), if failures > 0 => {}
        }
    }
}

/// `false`: a status could not be written.
async fn pass(
    context: &Context,
    roles: &Store<kube::core::DeserializeGuard<KafkaRole>>,
) -> Result<bool, Error> {
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
    let stored = status::write(context, status::differing(wanted)).await?;
    Ok(stored.failed.is_empty())
}
