//! What the controller counts, besides what every program does.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Reconciles by result: `settled`, `working`, `stalled`, `invalid`, `failed`.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ResultLabel {
    /// The result.
    pub result: &'static str,
}

/// Failures by reason, the word that conditions and events use.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReasonLabel {
    /// The reason.
    pub reason: String,
}

/// The controller's metrics. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Reconciles.
    pub reconciles: Family<ResultLabel, Counter>,
    /// Failed steps and attempts.
    pub errors: Family<ReasonLabel, Counter>,
    /// Seconds a reconcile took.
    pub duration: Histogram,
    /// Clusters that are managed.
    pub clusters: Gauge,
    /// Steps carried out, by the first part of their name.
    pub steps: Family<StepLabel, Counter>,
    /// Certificates that Pods asked for: `issued`, `denied`.
    pub pod_certificates: Family<ResultLabel, Counter>,
    /// Looks at Kafka. None of them changes anything there.
    pub polls: Arc<Counter<u64, AtomicU64>>,
}

/// A kind of step.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct StepLabel {
    /// The first part of the step's name, such as `RestartNode`.
    pub step: String,
}

impl Metrics {
    /// Makes the metrics part of `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconciles: Family::default(),
            errors: Family::default(),
            duration: Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0]),
            clusters: Gauge::default(),
            steps: Family::default(),
            pod_certificates: Family::default(),
            polls: Arc::default(),
        };
        registry.register(
            "sdm_reconcile",
            "Reconciles by result",
            metrics.reconciles.clone(),
        );
        registry.register(
            "sdm_reconcile_errors",
            "Failures by reason",
            metrics.errors.clone(),
        );
        registry.register(
            "sdm_reconcile_duration_seconds",
            "Duration of reconciles",
            metrics.duration.clone(),
        );
        registry.register(
            "sdm_managed_clusters",
            "Clusters that are managed",
            metrics.clusters.clone(),
        );
        registry.register("sdm_steps", "Steps carried out", metrics.steps.clone());
        registry.register(
            "sdm_pod_certificates",
            "Certificates that Pods asked for, by what they got",
            metrics.pod_certificates.clone(),
        );
        registry.register(
            "sdm_kafka_polls",
            "Looks at Kafka, all of them reads",
            Counter::clone(&metrics.polls),
        );
        metrics
    }
}

impl Metrics {
    /// Counts a reconcile.
    pub fn result(&self, result: &'static str) {
        self.reconciles.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts a failure.
    pub fn error(&self, reason: &str) {
        self.errors
            .get_or_create(&ReasonLabel {
                reason: reason.to_owned(),
            })
            .inc();
    }

    /// Counts a step that was carried out.
    pub fn step(&self, name: &str) {
        let step = name.split('/').next().unwrap_or(name).to_owned();
        self.steps.get_or_create(&StepLabel { step }).inc();
    }
}
