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
    pub leadership: Leadership,
    /// Bounds the reconciles that run at the same time.
    pub permits: Semaphore,
}
