//! The controller: brings Kafka clusters to where their `KafkaCluster` objects say they should be.
//!
//! Decisions are made in `sdm-core`; here is what they need to see and what carries them out.
//! `store` and `observe` read, `act` writes, `report` tells, `reconcile` is the order of these,
//! `workers` when and for whom. Only the holder of the lease does anything.

mod act;
mod authority;
mod context;
mod error;
mod kafka;
mod link;
mod listen;
mod metrics;
mod observe;
mod pod_certificates;
mod reconcile;
mod report;
mod store;
mod tenants;
mod workers;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Parser;
use sdm_api::inject::MIN_SECRET_LIFETIME;
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_runtime::events::Events;
use sdm_runtime::health::{DEFAULT_ADDRESS, Health};
use sdm_runtime::lease::{self, Lease};
use sdm_runtime::{crypto, kube_client, shutdown, telemetry};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::{Authority, CONCURRENCY, Context};
use crate::metrics::Metrics;
use crate::store::Stores;

/// Gives a peak's memory back when it is over; glibc's keeps all that lies below the last object still in use.
#[global_allocator]
static HEAP: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The program's name: component of the user agent, of events, of the lease.
const PROGRAM: &str = "sdm-controller";

/// Reconciles Kafka clusters, and the topics, users and ACLs in them.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "SDM_HEALTH_ADDRESS", default_value = DEFAULT_ADDRESS)]
    health_address: SocketAddr,
    /// The namespace of the leader lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = OPERATOR_NAMESPACE)]
    namespace: String,
    /// This replica's name, part of its identity as a candidate and shown on events.
    #[arg(long, env = "POD_NAME", default_value = PROGRAM)]
    pod_name: String,
    /// Whether to act only while holding the lease; `false` where there is one process only.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    leader_elect: bool,
    /// The shortest lifetime of a certificate in a Secret, in seconds: for tests, which cannot wait for renewals.
    #[arg(long, hide = true, default_value_t = MIN_SECRET_LIFETIME)]
    least_secret_lifetime: i64,
}

fn main() -> ExitCode {
    crypto::install();
    let options = Options::parse();
    telemetry::init();
    let runtime = match telemetry::runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ending");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> anyhow::Result<()> {
    let stop = shutdown::on_signal().context("installing signal handlers")?;
    let client = kube_client::client_for_server(PROGRAM)
        .await
        .context("connecting to the API server")?;
    let health = Health::new();
    let metrics = health.metrics(|registry| {
        telemetry::register_metrics(registry, PROGRAM);
        Metrics::register(registry)
    });
    let ready = health.register("election");
    // Cancelled in this order: the work, then the lease, then health.
    let (lease_stop, health_stop) = (CancellationToken::new(), CancellationToken::new());
    let listener = tokio::net::TcpListener::bind(options.health_address)
        .await
        .with_context(|| format!("listening on {}", options.health_address))?;
    let serving = tokio::spawn({
        let (health, health_stop) = (health.clone(), health_stop.clone());
        async move { health.serve_on(listener, health_stop).await }
    });

    let candidate = lease::candidate_id(&options.pod_name);
    let config = lease::Config::new(&options.namespace, PROGRAM, candidate);
    let (election, leadership) = Lease::new(client.clone(), config);
    let leadership = Authority(options.leader_elect.then_some(leadership));
    let mut election = tokio::spawn({
        let (stop, elect) = (lease_stop.clone(), options.leader_elect);
        async move {
            if elect {
                return election.run(stop).await;
            }
            stop.cancelled().await;
            Ok(())
        }
    });
    // A replica that stands by is as ready as one that leads.
    ready.set_ready(true, "");

    let events = Events::new(client.clone(), PROGRAM, Some(options.pod_name.clone()));
    let work = async {
        tokio::select! {
            () = stop.cancelled() => return,
            () = leadership.acquired() => {}
        }
        tracing::info!("leading");
        let (send, wakes) = mpsc::unbounded_channel();
        let mut watches = JoinSet::new();
        let hub = Arc::new(tenants::Hub::default());
        let shared = tenants::start(&client, &hub, &mut watches);
        let (clusters_changed, changed) = watch::channel(());
        let stores = Stores::start(&client, &options.namespace, &mut watches, {
            let hub = Arc::clone(&hub);
            move |wake| {
                match &wake {
                    store::Wake::One(key) => hub.poke(key),
                    store::Wake::All => hub.poke_all(),
                }
                clusters_changed.send_replace(());
                // Nobody listens any more when the process is ending.
                let _ = send.send(wake);
            }
        });
        tokio::select! {
            () = stop.cancelled() => return,
            () = stores.ready() => {}
        }
        let permits = Semaphore::new(CONCURRENCY);
        let context = Context {
            client: client.clone(),
            stores,
            events,
            metrics,
            leadership: leadership.clone(),
            permits,
        };
        let context = Arc::new(context);
        let namespaces = shared.namespaces.clone();
        tokio::join!(
            workers::run(Arc::clone(&context), wakes, stop.clone()),
            pod_certificates::run(
                &context,
                &namespaces,
                changed,
                options.least_secret_lifetime,
                &stop
            ),
            tenants::run(Arc::clone(&context), hub, shared, stop.clone()),
        );
        watches.shutdown().await;
    };
    tokio::select! {
        () = work => {}
        lost = &mut election => {
            // Another process may lead: whatever is in flight must not be followed by more.
            let why = match lost {
                Ok(Err(lost)) => lost.to_string(),
                Ok(Ok(())) => "the election ended".to_owned(),
                Err(error) => error.to_string(),
            };
            anyhow::bail!("not leading any more: {why}");
        }
    }
    health.set_draining();
    lease_stop.cancel();
    let _ = election.await;
    health_stop.cancel();
    let _ = serving.await;
    Ok(())
}
