//! `status`: problems first, then the quorum, every node, the listeners, and what is waited for.
//!
//! Everything comes from the API server, so it works without a way to the brokers; `--kafka` asks Kafka too.

mod live;
mod problems;
mod report;
mod summary;

use std::io::{self, IsTerminal};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::{KafkaCluster, names};
use tokio::time::sleep;

use crate::exit::{Code, Failure, Result};
use crate::flags::Format;
use crate::interrupt::Interrupt;
use crate::kafka::Access;
use crate::session::Session;
use report::ClusterStatus;

/// Arguments of `status`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "With -A: one line for every cluster. -o json and -o yaml print kind ClusterStatus of cli.kafka.sdm.dev/v1."
)]
pub struct Args {
    /// The KafkaCluster; the same as -c
    // Not `cluster`: that is the id of the global flag --cluster, which means Kubernetes'.
    #[arg(value_name = "CLUSTER")]
    cluster_name: Option<String>,
    /// Also ask Kafka: partitions that are offline, under-replicated or not led by their preferred replica
    #[arg(long)]
    kafka: bool,
    /// Exit with 4 when there is a problem
    #[arg(long)]
    exit_code: bool,
    /// Print again whenever something changed, until Ctrl-C
    #[arg(short, long)]
    watch: bool,
    #[command(flatten)]
    access: Access,
}

/// Shows the status.
///
/// # Errors
/// When there is no such cluster; with `--exit-code` also when it has problems.
pub async fn run(session: &Session, args: Args, mut interrupt: Interrupt) -> Result<()> {
    if args.watch {
        return tokio::select! {
            ended = watch(session, &args) => ended,
            stopped = interrupt.wait() => Err(stopped),
        };
    }
    let work = async {
        if session.all_namespaces && args.cluster_name.is_none() {
            return summary::run(session, args.exit_code).await;
        }
        let status = observe(session, &args).await?;
        session.output.report(&status)?;
        if args.exit_code && !status.problems.is_empty() {
            Err(Failure::silent(Code::Unhealthy))
        } else {
            Ok(())
        }
    };
    tokio::select! {
        ended = work => ended,
        stopped = interrupt.wait() => Err(stopped),
    }
}

async fn watch(session: &Session, args: &Args) -> Result<()> {
    let mut shown = String::new();
    loop {
        let status = observe(session, args).await?;
        // Ages move all the time and are no news.
        let key = serde_json::to_string(&status).map_err(io::Error::from)?;
        if key != shown {
            if matches!(session.output.format, Format::Table | Format::Wide) {
                let clear = if io::stdout().is_terminal() {
                    "\x1b[2J\x1b[H"
                } else {
                    ""
                };
                session.output.line(&format!(
                    "{clear}{}",
                    Timestamp::now().strftime("%H:%M:%S UTC")
                ))?;
            }
            session.output.report(&status)?;
            shown = key;
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Reads everything once.
async fn observe(session: &Session, args: &Args) -> Result<ClusterStatus> {
    let named = args.cluster_name.as_deref();
    let (cluster, pods, claims) = match session.asked_for(named) {
        Some(name) => tokio::try_join!(
            session.cluster(Some(name)),
            owned::<Pod>(session, name),
            owned_or_nothing(session, name)
        )?,
        None => {
            let cluster = session.cluster(None).await?;
            let name = cluster.name_any();
            let (pods, claims) = tokio::try_join!(
                owned::<Pod>(session, &name),
                owned_or_nothing(session, &name)
            )?;
            (cluster, pods, claims)
        }
    };
    let live = if args.kafka {
        Some(live::ask(session, &cluster, &args.access).await?)
    } else {
        None
    };
    Ok(report::build(
        &cluster,
        &pods,
        &claims,
        live,
        Timestamp::now(),
    ))
}

async fn owned<K>(session: &Session, cluster: &str) -> Result<Vec<K>>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + serde::de::DeserializeOwned
        + std::fmt::Debug,
{
    let params = ListParams::default().labels(&format!("{}={cluster}", names::LABEL_CLUSTER));
    let list = session.beside_cluster::<K>().list(&params).await;
    Ok(list
        .map_err(|e| {
            let doing = format!("list {}", K::plural(&()));
            session.failed_in(session.cluster_namespace(), &doing, e)
        })?
        .items)
}

/// Volumes are an extra: who may not list them still sees the rest.
async fn owned_or_nothing(session: &Session, cluster: &str) -> Result<Vec<PersistentVolumeClaim>> {
    match owned(session, cluster).await {
        Err(e) if e.code == Code::Denied => Ok(Vec::new()),
        other => other,
    }
}

/// Whether a condition is what it should be, and its reason and message.
fn condition<'a>(
    cluster: &'a KafkaCluster,
    kind: &str,
) -> Option<&'a k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    cluster
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|c| c.type_ == kind)
}
