//! Applying manifests in their order, and telling what that changed.

use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::MANAGER;
use crate::exit::{Code, Failure, Result};
use crate::manifests::Manifest;
use crate::session::Session;

/// Requests under way at once.
const CONCURRENCY: usize = 8;

/// What became of one object.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `created`, `configured` or `unchanged`.
    pub result: &'static str,
}

/// Where an object lives.
pub fn api(client: &Client, manifest: &Manifest) -> Api<DynamicObject> {
    match &manifest.object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &manifest.resource),
        None => Api::all_with(client.clone(), &manifest.resource),
    }
}

/// Applies all manifests, those of one rank together, and waits for resource types before what comes next.
///
/// # Errors
/// When one of them is refused; what was applied stays.
pub async fn all(
    session: &Session,
    manifests: &[Manifest],
    dry: bool,
    deadline: Instant,
) -> Result<Vec<Applied>> {
    let mut done = Vec::with_capacity(manifests.len());
    for rank in manifests.chunk_by(|a, b| a.rank() == b.rank()) {
        let mut part: Vec<Applied> = stream::iter(rank.iter().map(|m| one(session, m, dry)))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        done.append(&mut part);
        if !dry {
            for manifest in rank
                .iter()
                .filter(|m| m.kind() == "CustomResourceDefinition")
            {
                established(session, manifest.name(), deadline).await?;
            }
        }
    }
    Ok(done)
}

async fn one(session: &Session, manifest: &Manifest, dry: bool) -> Result<Applied> {
    let failed = |e: kube::Error| {
        let failure = Failure::from(e)
            .doing(format!("apply {}", manifest.label()))
            .at(&session.place);
        if failure.code == Code::Denied {
            failure.hint("install as a cluster administrator: kubectl auth can-i '*' '*'")
        } else {
            failure
        }
    };
    let api = api(&session.client, manifest);
    let before = api
        .get_metadata_opt(manifest.name())
        .await
        .map_err(failed)?;
    let params = PatchParams {
        dry_run: dry,
        ..PatchParams::apply(MANAGER).force()
    };
    let after = api
        .patch(manifest.name(), &params, &Patch::Apply(&manifest.object))
        .await;
    let after = match after {
        // A dry run creates no namespace, so what belongs into it cannot be checked yet.
        Err(kube::Error::Api(status)) if dry && before.is_none() && status.is_not_found() => None,
        other => Some(other.map_err(failed)?),
    };
    let result = match (&before, &after) {
        (None, _) => "created",
        // The API server moves the version only if something changed.
        (Some(before), Some(after))
            if before.metadata.resource_version == after.metadata.resource_version =>
        {
            "unchanged"
        }
        _ => "configured",
    };
    Ok(Applied {
        kind: manifest.kind().to_owned(),
        name: manifest.name().to_owned(),
        namespace: manifest.object.metadata.namespace.clone(),
        result,
    })
}

/// Waits until the API server serves a resource type.
async fn established(session: &Session, name: &str, deadline: Instant) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(session.client.clone());
    loop {
        let crd = api.get(name).await.map_err(|e| {
            Failure::from(e)
                .doing(format!("get crd {name}"))
                .at(&session.place)
        })?;
        let conditions = crd.status.and_then(|s| s.conditions).unwrap_or_default();
        let is = |kind: &str| {
            conditions
                .iter()
                .any(|c| c.type_ == kind && c.status == "True")
        };
        if is("Established") {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let why = conditions
                .iter()
                .find(|c| c.status == "False")
                .and_then(|c| c.message.clone());
            let what = format!(
                "resource type {name} is not served: {}",
                why.unwrap_or_else(|| "no reason given".to_owned())
            );
            return Err(Failure::new(Code::TimedOut, what)
                .at(&session.place)
                .hint(format!("kubectl describe crd {name}")));
        }
        sleep(Duration::from_millis(100)).await;
    }
}
