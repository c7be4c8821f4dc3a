//! The Pod of a node, and its revision: the hash of all that a restart is needed for.

use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, LocalObjectReference,
    PersistentVolumeClaimVolumeSource, Pod, PodReadinessGate, PodSecurityContext, PodSpec,
    SeccompProfile, SecretVolumeSource, Volume,
};
use sdm_api::names;

use super::config_map::FORMAT;
use super::containers::{self, VOLUME_PREFIX, some};
use super::{affinity, meta};
use crate::drift;
use crate::resolve::{Node, Resolved};
use crate::state::ClusterState;

/// User and group of the `apache/kafka` image.
const KAFKA_UID: i64 = 1000;
/// Long enough to hand over every leader and flush.
const GRACE_SECONDS: i64 = 120;

/// The Pod and its revision.
pub(super) fn render(
    resolved: &Resolved,
    state: &ClusterState,
    node: &Node,
    config_map: &ConfigMap,
    certificate_hash: &str,
) -> (Pod, String) {
    let template = node.template.metadata.clone().unwrap_or_default();
    let spec = spec(resolved, state, node);
    let revision = revision(&spec, &template, config_map, certificate_hash);

    let mut labels = template.labels;
    labels.extend(meta::node_labels(&resolved.name, node));
    let mut annotations = template.annotations;
    annotations.insert(names::ANNOTATION_REVISION.to_owned(), revision.clone());
    let mut metadata = meta::owned(resolved, names::node(&resolved.name, node.id), labels);
    metadata.annotations = Some(annotations);
    (
        Pod {
            metadata,
            spec: Some(spec),
            status: None,
        },
        revision,
    )
}

/// Volume sizes and how to format are not in it: neither needs a restart. The labels and
/// annotations that a user wants are: a Pod is replaced, never edited.
fn revision(
    spec: &PodSpec,
    metadata: &sdm_api::TemplateMetadata,
    config_map: &ConfigMap,
    certificate_hash: &str,
) -> String {
    // Kubernetes types always serialize: their maps have string keys.
    let spec = serde_json::to_string(spec).unwrap_or_default();
    let metadata = serde_json::to_string(metadata).unwrap_or_default();
    let files = config_map
        .data
        .iter()
        .flatten()
        .filter(|(name, _)| *name != FORMAT);
    let files = files.flat_map(|(name, text)| [name.as_bytes(), text.as_bytes()]);
    drift::hash(
        [
            spec.as_bytes(),
            metadata.as_bytes(),
            certificate_hash.as_bytes(),
        ]
        .into_iter()
        .chain(files),
    )
}

fn spec(resolved: &Resolved, state: &ClusterState, node: &Node) -> PodSpec {
    let template = &node.template;
    let mut all = vec![containers::kafka(resolved, node)];
    all.extend(template.containers.iter().map(containers::sidecar));
    PodSpec {
        affinity: Some(affinity::render(resolved, state, node)),
        automount_service_account_token: Some(false),
        containers: all,
        enable_service_links: Some(false),
        hostname: Some(names::node(&resolved.name, node.id)),
        image_pull_secrets: some(
            resolved
                .image_pull_secrets
                .iter()
                .map(|name| LocalObjectReference { name: name.clone() })
                .collect(),
        ),
        init_containers: Some(vec![containers::format(node)]),
        node_selector: (!template.node_selector.is_empty()).then(|| template.node_selector.clone()),
        priority_class_name: template.priority_class_name.clone(),
        readiness_gates: Some(vec![PodReadinessGate {
            condition_type: names::GATE_SERVING.to_owned(),
        }]),
        restart_policy: Some("Always".to_owned()),
        security_context: Some(PodSecurityContext {
            fs_group: Some(KAFKA_UID),
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            run_as_group: Some(KAFKA_UID),
            run_as_non_root: Some(true),
            run_as_user: Some(KAFKA_UID),
            seccomp_profile: Some(SeccompProfile {
                localhost_profile: None,
                type_: "RuntimeDefault".to_owned(),
            }),
            ..PodSecurityContext::default()
        }),
        service_account_name: Some(names::service_account(&resolved.name)),
        subdomain: Some(names::nodes_service(&resolved.name)),
        termination_grace_period_seconds: Some(
            template
                .termination_grace_period_seconds
                .unwrap_or(GRACE_SECONDS),
        ),
        tolerations: some(template.tolerations.clone()),
        volumes: Some(volumes(resolved, node)),
        ..PodSpec::default()
    }
}

fn volumes(resolved: &Resolved, node: &Node) -> Vec<Volume> {
    let ours = |name: &str| Volume {
        name: format!("{VOLUME_PREFIX}{name}"),
        ..Volume::default()
    };
    let scratch = |name: &str| Volume {
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..ours(name)
    };
    let item = |name: &str| KeyToPath {
        key: name.to_owned(),
        mode: None,
        path: name.to_owned(),
    };
    let mut volumes = vec![
        Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: names::node(&resolved.name, node.id),
                ..ConfigMapVolumeSource::default()
            }),
            ..ours("config")
        },
        Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(names::node_tls(&resolved.name, node.id)),
                // The group is fsGroup: Kafka may read its key, others may not.
                default_mode: Some(0o440),
                items: Some(vec![item("keystore.pem"), item("truststore.pem")]),
                ..SecretVolumeSource::default()
            }),
            ..ours("tls")
        },
        scratch("tmp"),
        scratch("logs"),
    ];
    volumes.extend(node.volumes.iter().map(|v| Volume {
        name: containers::volume_name(v),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: names::claim(&resolved.name, node.id, &v.name),
            read_only: None,
        }),
        ..Volume::default()
    }));
    volumes.extend(node.template.volumes.iter().cloned());
    volumes
}
