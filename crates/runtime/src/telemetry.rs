//! Logs, the metrics every process has, and the shape of the async runtime.
//!
//! Logs are JSON lines in a pod (or when standard error is no terminal) and readable on a terminal; `SDM_LOG` filters
//! them in the syntax of `tracing_subscriber::EnvFilter`, `info` by default. Metrics of a module live in that module.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{gauge::ConstGauge, info::Info},
    registry::{Registry, Unit},
};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::{EnvFilter, fmt};

/// The environment variable that filters logs.
pub const LOG_VARIABLE: &str = "SDM_LOG";
/// Version of the program, as labels of a constant 1 (exposed with the suffix `_info`).
pub const METRIC_BUILD: &str = "sdm_build";
/// Resident memory; Prometheus' conventional name, so that stock dashboards find it.
pub const METRIC_RESIDENT_MEMORY: &str = "process_resident_memory";

/// Installs the global log subscriber. Logs go to standard error; a second call does nothing.
pub fn init() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::level_filters::LevelFilter::INFO.into())
        .with_env_var(LOG_VARIABLE)
        .from_env_lossy();
    let in_pod = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
    let logs = fmt().with_env_filter(filter).with_writer(io::stderr);
    // An error means that a subscriber is installed already: in a test, for instance.
    let _ = if in_pod || !io::stderr().is_terminal() {
        logs.json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .try_init()
    } else {
        logs.compact().with_target(false).try_init()
    };
}

/// Registers what every process exposes: build information, resident memory and writes to the API server.
pub fn register_metrics(registry: &mut Registry, program: &'static str) {
    let build = Info::new(vec![
        ("program", program),
        ("version", env!("CARGO_PKG_VERSION")),
    ]);
    registry.register(METRIC_BUILD, "Build of the program", build);
    registry.register_collector(Box::new(ResidentMemory));
    crate::apply::register_metrics(registry);
    crate::lease::register_metrics(registry);
}

/// Resident memory of this process in bytes, or `None` where there is no `/proc`.
#[must_use]
pub fn resident_memory() -> Option<u64> {
    // `status` and not `statm`: it counts in kB, so the page size need not be known.
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Read at each scrape.
#[derive(Debug)]
struct ResidentMemory;

impl Collector for ResidentMemory {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(bytes) = resident_memory() else {
            return Ok(());
        };
        let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
        let help = "Resident memory of the process.";
        let metric = encoder.encode_descriptor(
            METRIC_RESIDENT_MEMORY,
            help,
            Some(&Unit::Bytes),
            gauge.metric_type(),
        )?;
        gauge.encode(metric)
    }
}

/// The runtime of the long-running programs: two workers and few, short-lived blocking threads, since memory is
/// budgeted and the work is waiting.
///
/// # Errors
/// When threads cannot be made.
pub fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .thread_keep_alive(Duration::from_secs(2))
        .thread_stack_size(1024 * 1024)
        .thread_name("sdm")
        .enable_all()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_build_and_memory() {
        let mut registry = Registry::default();
        register_metrics(&mut registry, "sdm-controller");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let build = concat!(
            r#"sdm_build_info{program="sdm-controller",version=""#,
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        );
        assert!(text.contains(build), "{text}");
        let line = text
            .lines()
            .find(|l| l.starts_with("process_resident_memory_bytes "))
            .unwrap();
        let bytes: u64 = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!((1 << 20..1 << 32).contains(&bytes), "{line}");
    }

    #[test]
    fn the_runtime_runs() {
        assert_eq!(runtime().unwrap().block_on(async { 1 + 1 }), 2);
    }
}
