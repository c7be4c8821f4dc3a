//! The last of the five steps: the status, written only when it differs, and events when something
//! of note happened, never for a state that goes on.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::api::{DynamicObject, GroupVersionKind};
use kube::core::ApiResource;
use kube::{Api, Resource};
use sdm_api::condition::{READY, STALLED};
use sdm_api::{KafkaCluster, KafkaClusterStatus, names};
use sdm_core::plan::Step;
use sdm_core::status::unreadable as unreadable_conditions;
use sdm_runtime::apply::apply_status;

use crate::context::Context;
use crate::error::Error;
use crate::store::{Guarded, Key};

/// Writes `wanted` unless the cluster says so already, and tells of conditions that changed.
pub async fn write(
    context: &Context,
    key: &Key,
    cluster: &KafkaCluster,
    wanted: KafkaClusterStatus,
) -> Result<(), Error> {
    if cluster.status.as_ref() == Some(&wanted) {
        return Ok(());
    }
    if !context.leadership.holds() {
        return Err(Error::NotLeader);
    }
    let api: Api<Guarded> = Api::namespaced(context.client.clone(), &key.namespace);
    let stored = match apply_status(&api, names::STATUS_MANAGER, &key.name, &wanted).await {
        Ok(stored) => stored,
        // Deleted meanwhile: the watch tells.
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let version = stored.meta().resource_version.clone();
    context
        .stores
        .seen::<Guarded>(key, &key.name, version.as_deref())
        .await;
    let before = cluster
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    transitions(
        context,
        &cluster.object_ref(&()),
        before,
        &wanted.conditions,
    )
    .await;
    Ok(())
}

/// Reports an object that cannot be read. Its status may be unreadable too, so only the conditions
/// of ours are touched.
pub async fn unreadable(
    context: &Context,
    key: &Key,
    meta: &ObjectMeta,
    error: &str,
) -> Result<(), Error> {
    let message = format!("the object cannot be read, correct it: {error}");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(
        sdm_api::GROUP,
        sdm_api::VERSION,
        "KafkaCluster",
    ));
    let raw: Api<DynamicObject> =
        Api::namespaced_with(context.client.clone(), &key.namespace, &resource);
    let found = raw.get_opt(&key.name).await?;
    let conditions = found
        .as_ref()
        .and_then(|o| o.data.pointer("/status/conditions").cloned());
    let before: Vec<Condition> = conditions
        .and_then(|c| serde_json::from_value(c).ok())
        .unwrap_or_default();
    let wanted = unreadable_conditions(
        &before,
        meta.generation,
        Timestamp::now().as_second(),
        &message,
    );
    if before == wanted {
        return Ok(());
    }
    if !context.leadership.holds() {
        return Err(Error::NotLeader);
    }
    tracing::warn!(cluster = %key, error, "object cannot be read");
    let api: Api<Guarded> = Api::namespaced(context.client.clone(), &key.namespace);
    let status = serde_json::json!({ "observedGeneration": meta.generation, "conditions": wanted });
    apply_status(&api, names::STATUS_MANAGER, &key.name, &status).await?;
    let about = ObjectReference {
        api_version: Some(format!("{}/{}", sdm_api::GROUP, sdm_api::VERSION)),
        kind: Some("KafkaCluster".to_owned()),
        namespace: Some(key.namespace.clone()),
        name: Some(key.name.clone()),
        uid: meta.uid.clone(),
        ..ObjectReference::default()
    };
    transitions(context, &about, &before, &wanted).await;
    Ok(())
}

/// An event for each condition whose status or reason changed.
async fn transitions(
    context: &Context,
    about: &ObjectReference,
    before: &[Condition],
    now: &[Condition],
) {
    let find = |list: &[Condition], type_: &str| list.iter().find(|c| c.type_ == type_).cloned();
    let (stalled_before, ready_before) = (find(before, STALLED), find(before, READY));
    if let Some(stalled) = find(now, STALLED).filter(|c| c.status == "True") {
        if changed(stalled_before.as_ref(), &stalled) {
            tracing::warn!(
                name = about.name,
                namespace = about.namespace,
                reason = stalled.reason,
                message = stalled.message,
                "stalled"
            );
            context
                .events
                .warning(about, &stalled.reason, "Reconcile", stalled.message)
                .await;
        }
        return;
    }
    let Some(ready) = find(now, READY) else {
        return;
    };
    let was_ready = ready_before.as_ref().is_some_and(|c| c.status == "True");
    if ready.status == "True" && !was_ready {
        tracing::info!(name = about.name, namespace = about.namespace, "ready");
        context
            .events
            .normal(about, "Ready", "Reconcile", ready.message)
            .await;
    } else if ready.status != "True" && was_ready {
        tracing::info!(
            name = about.name,
            namespace = about.namespace,
            reason = ready.reason,
            message = ready.message,
            "not ready"
        );
        let note = ready.message;
        match ready.reason.as_str() {
            // By our own hand.
            "Changing" => {
                context
                    .events
                    .normal(about, &ready.reason, "Reconcile", note)
                    .await
            }
            _ => {
                context
                    .events
                    .warning(about, &ready.reason, "Reconcile", note)
                    .await
            }
        }
    }
}

fn changed(before: Option<&Condition>, now: &Condition) -> bool {
    before.is_none_or(|b| {
        b.status != now.status || b.reason != now.reason || b.message != now.message
    })
}

/// An event for a step that people want to find in the cluster's story.
pub async fn step(context: &Context, cluster: &KafkaCluster, step: &Step) {
    let reason = match step.name.split('/').next().unwrap_or_default() {
        reason @ ("RestartNode" | "ReplacePod" | "CreateAuthority") => reason,
        "RemoveNode" if step.is_disruptive() => "RemoveNode",
        "MarkBootstrapped" => "QuorumFormed",
        "IssueCertificate" if step.reason.contains("validity") => "RenewCertificate",
        _ => return,
    };
    let note = format!("{}: {}", step.name, step.reason);
    context
        .events
        .normal(&cluster.object_ref(&()), reason, "Reconcile", note)
        .await;
}

impl Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
