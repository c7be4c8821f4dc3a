//! What a user adds to Pods: nothing that collides with ours, and nothing that the
//! restricted Pod Security Standard refuses.
//!
//! A Pod that the standard refuses would be refused at creation, long after the change
//! was accepted; so it is said here.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, SecurityContext, Volume};
use sdm_api::{KafkaClusterSpec, PodTemplate, names};

use super::syntax;
use crate::quantity;
use crate::render::{RESERVED_CONTAINERS, RESERVED_PATHS, VOLUME_PREFIX};
use crate::resolve::Resolved;
use crate::violation::Review;

const RESTRICTED: &str = "the restricted Pod Security Standard refuses it";
/// Kinds of volumes that the standard allows, as their fields are called.
const ALLOWED_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

pub(super) fn check(spec: &KafkaClusterSpec, meant: &Resolved, review: &mut Review) {
    let pools = spec.pools.iter().map(|p| {
        (
            format!("spec.pools[{}].template", p.name),
            p.template.as_ref(),
        )
    });
    let overrides = spec
        .overrides
        .iter()
        .enumerate()
        .map(|(i, o)| (format!("spec.overrides[{i}].template"), o.template.as_ref()));
    let ports: BTreeSet<i32> = spec
        .listeners
        .iter()
        .map(|l| l.port)
        .chain([names::CONTROLLER_PORT, names::REPLICATION_PORT])
        .collect();
    for (path, template) in pools.chain(overrides) {
        let Some(template) = template else { continue };
        metadata(template, &path, review);
        volumes(template, &path, review);
        mounts(template, &path, review);
        containers(template, &path, &ports, review);
        duplicates(template, &path, review);
        if template
            .termination_grace_period_seconds
            .is_some_and(|s| s < 10)
        {
            review.invalid(
                format!("{path}.terminationGracePeriodSeconds"),
                "a node needs 10 seconds at least to hand over its leaders",
            );
        }
    }
    merged_mounts(meant, review);
}

fn metadata(template: &PodTemplate, path: &str, review: &mut Review) {
    let Some(metadata) = &template.metadata else {
        return;
    };
    let fields = [
        ("labels", &metadata.labels),
        ("annotations", &metadata.annotations),
    ];
    for (field, map) in fields {
        for (key, value) in map {
            let path = format!("{path}.metadata.{field}[{key}]");
            let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
            if prefix == "kafka.sdm.dev" || prefix == "app.kubernetes.io" {
                review.invalid(
                    path,
                    format!("keys under {prefix}/ are the operator's: use a prefix of your own"),
                );
            } else if !syntax::label_key(key) {
                review.invalid(path, format!("{key:?} is no key of a label or annotation"));
            } else if field == "labels" && !syntax::label_value(value) {
                review.invalid(
                    path,
                    format!("{value:?} is no label value: use up to 63 letters, digits, dashes, underscores and dots"),
                );
            }
        }
    }
}

fn volumes(template: &PodTemplate, path: &str, review: &mut Review) {
    for volume in &template.volumes {
        let path = format!("{path}.volumes[{}]", volume.name);
        if volume.name.starts_with(VOLUME_PREFIX) {
            review.invalid(
                &path,
                format!(
                    "names that begin with {VOLUME_PREFIX:?} are the operator's: choose another"
                ),
            );
        } else if !syntax::dns_label(&volume.name) {
            review.invalid(
                &path,
                "use lower-case letters, digits and dashes in the name",
            );
        }
        for kind in kinds(volume) {
            if !ALLOWED_VOLUMES.contains(&kind.as_str()) {
                review.forbidden(
                    format!("{path}.{kind}"),
                    format!("a volume of kind {kind} is not allowed, {RESTRICTED}: use a PersistentVolumeClaim"),
                );
            }
        }
    }
}

/// What a volume is made of, by the names of its fields.
fn kinds(volume: &Volume) -> Vec<String> {
    // Kubernetes types always serialize: their maps have string keys.
    let value = serde_json::to_value(volume).unwrap_or_default();
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, _)| k.clone())
        .filter(|k| k != "name")
        .collect()
}

fn mounts(template: &PodTemplate, path: &str, review: &mut Review) {
    for mount in &template.volume_mounts {
        let path = format!("{path}.volumeMounts[{}]", mount.mount_path);
        let ours = RESERVED_PATHS
            .iter()
            .find(|ours| overlaps(ours, &mount.mount_path));
        if !mount.mount_path.starts_with('/') {
            review.invalid(&path, "a mount path begins with a slash");
        } else if let Some(ours) = ours {
            review.invalid(
                &path,
                format!("{ours} is the operator's: mount it elsewhere"),
            );
        }
        if mount.name.starts_with(VOLUME_PREFIX) {
            review.invalid(
                &path,
                format!(
                    "volume {:?} is the operator's: mount one of template.volumes",
                    mount.name
                ),
            );
        }
    }
}

/// Whether one path is the other, or within it.
fn overlaps(a: &str, b: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        let outer = outer.trim_end_matches('/');
        inner
            .trim_end_matches('/')
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(a, b) || within(b, a)
}

/// A pool's volume may be mounted by an override, so this is about what is merged.
fn merged_mounts(meant: &Resolved, review: &mut Review) {
    for node in meant.nodes.values() {
        let known: BTreeSet<&str> = node
            .template
            .volumes
            .iter()
            .map(|v| v.name.as_str())
            .collect();
        let path = format!("spec.pools[{}].template", node.pool);
        let kafka = node
            .template
            .volume_mounts
            .iter()
            .map(|m| (format!("{path}.volumeMounts[{}]", m.mount_path), m));
        let others = node.template.containers.iter().flat_map(|c| {
            let mounts = c.volume_mounts.iter().flatten();
            mounts.map(|m| {
                (
                    format!(
                        "{path}.containers[{}].volumeMounts[{}]",
                        c.name, m.mount_path
                    ),
                    m,
                )
            })
        });
        for (path, mount) in kafka.chain(others) {
            if !known.contains(mount.name.as_str()) && !mount.name.starts_with(VOLUME_PREFIX) {
                review.invalid(
                    path,
                    format!(
                        "there is no volume {:?}: add it to template.volumes",
                        mount.name
                    ),
                );
            }
        }
    }
}

fn containers(template: &PodTemplate, path: &str, ports: &BTreeSet<i32>, review: &mut Review) {
    for container in &template.containers {
        let path = format!("{path}.containers[{}]", container.name);
        if RESERVED_CONTAINERS.contains(&container.name.as_str()) {
            review.invalid(
                format!("{path}.name"),
                format!(
                    "{:?} is the operator's own container: choose another name",
                    container.name
                ),
            );
        } else if !syntax::dns_label(&container.name) {
            review.invalid(
                format!("{path}.name"),
                "use lower-case letters, digits and dashes in the name",
            );
        }
        match &container.image {
            None => review.invalid(format!("{path}.image"), "name the container's image"),
            Some(image) if !syntax::image(image) => {
                review.invalid(
                    format!("{path}.image"),
                    format!("{image:?} is no image reference"),
                );
            }
            Some(_) => {}
        }
        for port in container.ports.iter().flatten() {
            if ports.contains(&port.container_port) {
                review.invalid(
                    format!("{path}.ports[{}]", port.container_port),
                    "Kafka listens on this port of the pod: choose another",
                );
            }
            if port.host_port.is_some_and(|p| p != 0) {
                review.forbidden(
                    format!("{path}.ports[{}].hostPort", port.container_port),
                    format!("{RESTRICTED}: remove it"),
                );
            }
        }
        mounted_secrets(container, &path, review);
        quantities(container, &path, review);
        if let Some(context) = &container.security_context {
            security(context, &format!("{path}.securityContext"), review);
        }
    }
}

/// Another container has no business with Kafka's key.
fn mounted_secrets(container: &Container, path: &str, review: &mut Review) {
    for mount in container
        .volume_mounts
        .iter()
        .flatten()
        .filter(|m| m.name.starts_with(VOLUME_PREFIX))
    {
        review.forbidden(
            format!("{path}.volumeMounts[{}]", mount.mount_path),
            format!(
                "volume {:?} holds what only Kafka may see: mount one of template.volumes",
                mount.name
            ),
        );
    }
}

fn quantities(container: &Container, path: &str, review: &mut Review) {
    let Some(resources) = &container.resources else {
        return;
    };
    for (field, map) in [
        ("requests", &resources.requests),
        ("limits", &resources.limits),
    ] {
        for (name, value) in map.iter().flatten() {
            if quantity::nanos(&value.0).is_none_or(|n| n < 0) {
                review.invalid(
                    format!("{path}.resources.{field}[{name}]"),
                    format!("{:?} is no quantity: write it as 500m, 2 or 4Gi", value.0),
                );
            }
        }
    }
}

/// The restricted standard, rule by rule.
fn security(context: &SecurityContext, path: &str, review: &mut Review) {
    let mut refuse = |field: &str, wrong: bool| {
        if wrong {
            review.forbidden(
                format!("{path}.{field}"),
                format!("{RESTRICTED}: remove it"),
            );
        }
    };
    refuse("privileged", context.privileged == Some(true));
    refuse(
        "allowPrivilegeEscalation",
        context.allow_privilege_escalation == Some(true),
    );
    refuse("runAsUser", context.run_as_user == Some(0));
    refuse("runAsNonRoot", context.run_as_non_root == Some(false));
    refuse(
        "procMount",
        context
            .proc_mount
            .as_deref()
            .is_some_and(|m| m != "Default"),
    );
    let added = context
        .capabilities
        .iter()
        .filter_map(|c| c.add.as_ref())
        .flatten();
    refuse(
        "capabilities.add",
        added.into_iter().any(|c| c != "NET_BIND_SERVICE"),
    );
    refuse(
        "seccompProfile",
        context
            .seccomp_profile
            .as_ref()
            .is_some_and(|p| p.type_ == "Unconfined"),
    );
    refuse(
        "appArmorProfile",
        context
            .app_armor_profile
            .as_ref()
            .is_some_and(|p| p.type_ == "Unconfined"),
    );
    refuse(
        "windowsOptions.hostProcess",
        context
            .windows_options
            .as_ref()
            .is_some_and(|w| w.host_process == Some(true)),
    );
    refuse(
        "seLinuxOptions",
        context
            .se_linux_options
            .as_ref()
            .is_some_and(|s| s.user.is_some() || s.role.is_some()),
    );
}

fn duplicates(template: &PodTemplate, path: &str, review: &mut Review) {
    let mut twice = |field: &str, names: Vec<&str>| {
        let mut seen = BTreeSet::new();
        for name in names {
            if !seen.insert(name) {
                review.invalid(
                    format!("{path}.{field}[{name}]"),
                    format!("{name:?} is listed twice: list it once"),
                );
            }
        }
    };
    twice(
        "env",
        template.env.iter().map(|e| e.name.as_str()).collect(),
    );
    twice(
        "volumes",
        template.volumes.iter().map(|v| v.name.as_str()).collect(),
    );
    twice(
        "volumeMounts",
        template
            .volume_mounts
            .iter()
            .map(|m| m.mount_path.as_str())
            .collect(),
    );
    twice(
        "containers",
        template
            .containers
            .iter()
            .map(|c| c.name.as_str())
            .collect(),
    );
}
