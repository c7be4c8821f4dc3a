//! `uninstall`: removes the operator in the order that leaves nothing refusing and nothing half-watched.
//!
//! The webhook's registration goes first: a registration without a webhook behind it refuses every change. Kafka
//! clusters keep running without an operator; their volumes are never touched. `clients` is about what workloads were given.

mod clients;

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use k8s_openapi::ClusterResourceScope;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Resource, ResourceExt};
use sdm_api::{KafkaCluster, names};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::install::{REGISTRATION, api_of};
use crate::exit::{Code, Failure, Result};
use crate::flags::{DryRun, duration};
use crate::manifests::{self, Manifest};
use crate::output::{API_VERSION, Report, Text};
use crate::prompt;
use crate::session::Session;

/// Arguments of `uninstall`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Volumes (PersistentVolumeClaims) are never deleted here. Without --crds the resource types stay, and with them every\nKafkaCluster; `kubectl kafka install` takes them over again."
)]
pub struct Args {
    /// Also delete the resource types: this deletes every KafkaCluster, its Pods, and the keys of its clients
    #[arg(long)]
    crds: bool,
    /// Go on although Kafka clusters exist, without being asked
    #[arg(short, long)]
    yes: bool,
    /// client: print what would be deleted; server: have the API server check it
    #[arg(long, value_enum, default_value = "none", value_name = "MODE")]
    dry_run: DryRun,
    /// Wait until the operator is gone
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    wait: bool,
    /// How long to wait
    #[arg(long, value_parser = duration, default_value = "2m", value_name = "DURATION")]
    timeout: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removal {
    api_version: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dry_run: Option<&'static str>,
    deleted: Vec<String>,
}

impl Report for Removal {
    fn text(&self, out: &mut Text<'_>) -> io::Result<()> {
        let suffix = self
            .dry_run
            .map(|mode| format!(" (dry run, {mode})"))
            .unwrap_or_default();
        for name in &self.deleted {
            out.line(format!("{name} deleted{suffix}"))?;
        }
        Ok(())
    }
    fn names(&self) -> Vec<String> {
        self.deleted.clone()
    }
}

/// Removes the operator.
///
/// # Errors
/// When Kafka clusters exist and nobody confirmed, or something cannot be deleted.
pub async fn run(session: &Session, args: Args) -> Result<()> {
    let deadline = Instant::now() + args.timeout;
    confirm(session, &args).await?;
    let mut all: Vec<Manifest> = manifests::all(None)?;
    // The other way round than they were applied; the namespace last.
    all.reverse();
    if !args.crds {
        all.retain(|m| m.kind() != "CustomResourceDefinition");
    }
    let (running, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|m| m.kind() == "Deployment");

    let mut removal = Removing {
        session,
        dry: args.dry_run,
        deleted: Vec::new(),
    };
    removal.registration().await?;
    for manifest in &running {
        removal.object(manifest).await?;
    }
    if args.dry_run == DryRun::None {
        // A webhook that is still running registers itself again: wait for its end, then look once more.
        pods_gone(session, deadline).await?;
        removal.registration().await?;
    }
    for manifest in &rest {
        removal.object(manifest).await?;
    }
    if args.crds {
        removal.clients().await?;
    }
    let dry_run = match args.dry_run {
        DryRun::None => None,
        DryRun::Client => Some("client"),
        DryRun::Server => Some("server"),
    };
    if removal.deleted.is_empty() {
        session
            .output
            .progress("nothing to remove: the operator is not installed");
    }
    session.output.report(&Removal {
        api_version: API_VERSION,
        kind: "Removal",
        dry_run,
        deleted: removal.deleted,
    })?;
    if args.wait && args.dry_run == DryRun::None {
        for manifest in &rest {
            gone(session, manifest, deadline).await?;
        }
    }
    if !args.crds {
        session.output.note("the resource types stay, so every KafkaCluster stays known; --crds deletes them. Volumes are never touched");
    }
    Ok(())
}

/// Kafka clusters that would be left alone, or deleted, are named first.
async fn confirm(session: &Session, args: &Args) -> Result<()> {
    let api: Api<KafkaCluster> = Api::all(session.client.clone());
    let clusters = match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(e) => {
            return Err(Failure::from(e)
                .doing("list kafkaclusters")
                .at(&session.place));
        }
    };
    if clusters.is_empty() || args.dry_run != DryRun::None {
        return Ok(());
    }
    let listed: Vec<String> = clusters
        .iter()
        .map(|c| format!("{}/{}", c.namespace().unwrap_or_default(), c.name_any()))
        .collect();
    let fate = if args.crds {
        "will be deleted with their Pods and the keys of their clients (volumes stay where their deletionPolicy is Retain)"
    } else {
        "will go on running with nobody to look after them"
    };
    let what = format!("Kafka clusters exist and {fate}: {}", listed.join(", "));
    if args.yes {
        session.output.note(&what);
        return Ok(());
    }
    let expected = if args.crds {
        "delete all kafka clusters"
    } else {
        "uninstall"
    };
    prompt::confirm(false, &what, expected).map_err(|f| f.at(&session.place))
}

struct Removing<'a> {
    session: &'a Session,
    dry: DryRun,
    deleted: Vec<String>,
}

impl Removing<'_> {
    async fn registration(&mut self) -> Result<()> {
        self.registered::<ValidatingWebhookConfiguration>().await?;
        self.registered::<MutatingWebhookConfiguration>().await
    }

    /// Deletes an object that is in no manifest: the webhook wrote it itself.
    async fn registered<K>(&mut self) -> Result<()>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::all(self.session.client.clone());
        let label = format!("{}/{REGISTRATION}", K::kind(&()).to_lowercase());
        let found = match self.dry {
            DryRun::Client => api
                .get_metadata_opt(REGISTRATION)
                .await
                .map(|found| found.is_some()),
            _ => there(api.delete(REGISTRATION, &self.params()).await.map(|_| ())),
        };
        self.note(label, found)
    }

    async fn object(&mut self, manifest: &Manifest) -> Result<()> {
        let api = api_of(&self.session.client, manifest);
        let found = match self.dry {
            DryRun::Client => api
                .get_metadata_opt(manifest.name())
                .await
                .map(|found| found.is_some()),
            _ => there(
                api.delete(manifest.name(), &self.params())
                    .await
                    .map(|_| ()),
            ),
        };
        self.note(manifest.label(), found)
    }

    fn params(&self) -> DeleteParams {
        DeleteParams {
            dry_run: self.dry == DryRun::Server,
            ..DeleteParams::background()
        }
    }

    fn note(&mut self, label: String, found: Result<bool, kube::Error>) -> Result<()> {
        let found = found.map_err(|e| {
            Failure::from(e)
                .doing(format!("delete {label}"))
                .at(&self.session.place)
        })?;
        if found && !self.deleted.contains(&label) {
            self.deleted.push(label);
        }
        Ok(())
    }
}

/// Whether there was something to delete.
fn there(result: Result<(), kube::Error>) -> Result<bool, kube::Error> {
    match result {
        Ok(()) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(e) => Err(e),
    }
}

async fn pods_gone(session: &Session, deadline: Instant) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(session.client.clone(), names::OPERATOR_NAMESPACE);
    let selector = ListParams::default().labels("app.kubernetes.io/name=sdm");
    loop {
        let pods = api.list(&selector).await.map_err(|e| {
            Failure::from(e)
                .doing("list the operator's pods")
                .at(&session.place)
        })?;
        if pods.items.is_empty() {
            return Ok(());
        }
        late(
            session,
            deadline,
            &format!("{} pods of the operator still run", pods.items.len()),
        )?;
        sleep(Duration::from_millis(250)).await;
    }
}

async fn gone(session: &Session, manifest: &Manifest, deadline: Instant) -> Result<()> {
    let api = api_of(&session.client, manifest);
    loop {
        let found = api.get_metadata_opt(manifest.name()).await;
        match found.map_err(|e| {
            Failure::from(e)
                .doing(format!("get {}", manifest.label()))
                .at(&session.place)
        })? {
            None => return Ok(()),
            Some(_) => late(
                session,
                deadline,
                &format!("{} is still there", manifest.label()),
            )?,
        }
        sleep(Duration::from_millis(250)).await;
    }
}

fn late(session: &Session, deadline: Instant, what: &str) -> Result<()> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Failure::new(Code::TimedOut, what)
        .at(&session.place)
        .hint(format!("kubectl get all -n {}", names::OPERATOR_NAMESPACE)))
}
