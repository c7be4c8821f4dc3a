//! What every reconcile shares.

use kube::Client;
use sdm_runtime::events::Events;
use sdm_runtime::lease::Leadership;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;
use crate::store::Stores;

/// Reconciles that may run at the same time.
pub const CONCURRENCY: usize = 8;

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the API server told last.
    pub stores: Stores,
    /// Events.
    pub events: Events,
    /// Metrics.
    pub metrics: Metrics,
    /// Whether this process may act.
    pub leadership: Authority,
    /// Bounds the reconciles that run at the same time.
    pub permits: Semaphore,
}

/// Whether this process may act: with the lease, or always where there is no election.
#[derive(Clone, Debug)]
pub struct Authority(pub Option<Leadership>);

impl Authority {
    /// Whether it may act right now.
    pub fn holds(&self) -> bool {
        self.0.as_ref().is_none_or(Leadership::holds)
    }

    /// Resolves once it may act.
    pub async fn acquired(&self) {
        if let Some(leadership) = &self.0 {
            leadership.acquired().await;
        }
    }
}
