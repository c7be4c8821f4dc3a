//! Everything but Secrets and Pods: what is applied, and why.
//!
//! An object is applied when what is wanted changed since it was applied (a field may have to go),
//! or when it no longer holds what is wanted. An unchanged object is never written.

use std::collections::BTreeMap;
use std::fmt::Debug;

use k8s_openapi::Metadata;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sdm_api::names;
use serde::Serialize;

use super::{Action, Kind, Object, Step};
use crate::drift::{applied_hash, covers};
use crate::render::{self, KubeObject, NodeObjects};
use crate::resolve::Resolved;
use crate::snapshot::Snapshot;
use crate::state::ClusterState;

/// Why an object of our name is not ours to touch: another incarnation of the cluster owns it, or
/// it is going away. The answer is a sentence to wait with.
pub(crate) fn foreign(meta: &ObjectMeta, uid: &str, kind: &str) -> Option<String> {
    let name = meta.name.as_deref().unwrap_or_default();
    if meta.deletion_timestamp.is_some() {
        return Some(format!("{kind} {name} to be gone"));
    }
    let owner = meta
        .owner_references
        .iter()
        .flatten()
        .find(|o| o.controller == Some(true))?;
    if owner.uid == uid {
        return None;
    }
    Some(if owner.kind == "KafkaCluster" {
        format!("{kind} {name} of the deleted cluster to be gone")
    } else {
        format!(
            "{kind} {name}, which belongs to {} {}, to be gone",
            owner.kind, owner.name
        )
    })
}

/// The step that takes an object over that nobody owns.
pub(super) fn adopt(meta: &ObjectMeta, kind: Kind) -> Option<Step> {
    if !meta.owner_references.as_ref().is_none_or(Vec::is_empty) {
        return None;
    }
    let name = meta.name.clone()?;
    let uid = meta.uid.clone()?;
    let step = format!("Adopt/{}/{name}", kind.name());
    Some(Step::new(
        step,
        "it has no owner, so it would outlive the cluster",
        Action::Adopt { kind, name, uid },
    ))
}

/// Stamps `desired` with the hash of itself, and says why it has to be applied, if it has to.
fn needs_apply<K>(desired: &mut K, observed: Option<&K>) -> Option<String>
where
    K: Metadata<Ty = ObjectMeta> + Serialize + Debug,
{
    if desired
        .metadata()
        .annotations
        .as_ref()
        .is_none_or(|a| !a.contains_key(names::ANNOTATION_APPLIED))
    {
        let hash = applied_hash(&serde_json::to_value(&*desired).unwrap_or_default());
        let annotations = desired.metadata_mut().annotations.get_or_insert_default();
        annotations.insert(names::ANNOTATION_APPLIED.to_owned(), hash);
    }
    let Some(observed) = observed else {
        return Some("it does not exist".to_owned());
    };
    let stamp = |k: &K| {
        k.metadata()
            .annotations
            .as_ref()
            .and_then(|a| a.get(names::ANNOTATION_APPLIED))
            .cloned()
    };
    if stamp(desired) != stamp(observed) {
        return Some("what is wanted changed".to_owned());
    }
    let wanted = serde_json::to_value(&*desired).unwrap_or_default();
    let found = serde_json::to_value(observed).unwrap_or_default();
    (!covers(&wanted, &found)).then(|| "somebody changed it".to_owned())
}

fn step<K>(
    uid: &str,
    kind: &str,
    mut desired: K,
    observed: Option<&K>,
    object: impl FnOnce(K) -> Object,
) -> Option<Step>
where
    K: Metadata<Ty = ObjectMeta> + Serialize + Debug,
{
    let name = format!(
        "Apply/{kind}/{}",
        desired.metadata().name.as_deref().unwrap_or_default()
    );
    if let Some(wait) = observed.and_then(|o| foreign(o.metadata(), uid, kind)) {
        return Some(Step::wait(name, "it does not exist", wait));
    }
    let why = needs_apply(&mut desired, observed)?;
    Some(Step::new(
        name,
        why,
        Action::Apply(Box::new(object(desired))),
    ))
}

pub(super) fn steps(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: &ClusterState,
    nodes: &BTreeMap<i32, NodeObjects>,
    steps: &mut Vec<Step>,
) {
    let found = &snapshot.objects;
    let uid = &resolved.uid;
    for object in render::shared(resolved, state) {
        let name = object.name().to_owned();
        steps.extend(match object {
            KubeObject::Service(o) => step(uid, "Service", *o, found.services.get(&name), |o| {
                Object::Shared(KubeObject::Service(Box::new(o)))
            }),
            KubeObject::ServiceAccount(o) => step(
                uid,
                "ServiceAccount",
                *o,
                found.service_accounts.get(&name),
                |o| Object::Shared(KubeObject::ServiceAccount(Box::new(o))),
            ),
            KubeObject::PodDisruptionBudget(o) => step(
                uid,
                "PodDisruptionBudget",
                with_leaving(*o, snapshot, resolved),
                found.budgets.get(&name),
                |o| Object::Shared(KubeObject::PodDisruptionBudget(Box::new(o))),
            ),
        });
    }
    for objects in nodes.values() {
        let config = objects.config_map.clone();
        let observed = config
            .metadata
            .name
            .as_ref()
            .and_then(|n| found.config_maps.get(n));
        steps.extend(step(uid, "ConfigMap", config, observed, Object::ConfigMap));
        for claim in &objects.claims {
            let observed = claim
                .metadata
                .name
                .as_ref()
                .and_then(|n| found.claims.get(n));
            let mut step = step(
                uid,
                "PersistentVolumeClaim",
                claim.clone(),
                observed,
                Object::Claim,
            );
            // Kubernetes refuses to change a claim that has no volume yet.
            if let (Some(step), Some(observed)) = (&mut step, observed)
                && observed
                    .status
                    .as_ref()
                    .is_none_or(|s| s.phase.as_deref() != Some("Bound"))
            {
                let name = observed.metadata.name.as_deref().unwrap_or_default();
                step.waits_for.get_or_insert_with(|| {
                    format!("PersistentVolumeClaim {name} to get its volume")
                });
            }
            steps.extend(step);
        }
    }
}

/// The budget counts every Pod of the cluster, so those on their way out are counted in: they still hold replicas, and
/// without them the budget would allow one eviction more for each.
fn with_leaving(
    mut budget: PodDisruptionBudget,
    snapshot: &Snapshot,
    resolved: &Resolved,
) -> PodDisruptionBudget {
    let stays = |pod: &Pod| {
        let id = pod
            .metadata
            .labels
            .as_ref()
            .and_then(|l| l.get(names::LABEL_NODE_ID));
        id.and_then(|id| id.parse().ok())
            .is_some_and(|id: i32| resolved.nodes.contains_key(&id))
    };
    let leaving = snapshot.objects.pods.values().filter(|p| !stays(p)).count();
    if let Some(IntOrString::Int(minimum)) =
        budget.spec.as_mut().and_then(|s| s.min_available.as_mut())
    {
        *minimum = minimum.saturating_add(i32::try_from(leaving).unwrap_or(i32::MAX));
    }
    budget
}
