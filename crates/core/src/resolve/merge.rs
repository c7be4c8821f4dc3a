//! One node: the cluster's and the pool's word, then the overrides' in their order.

use std::collections::BTreeMap;

use sdm_api::{JvmSpec, KafkaClusterSpec, NodePool, PodTemplate, ResourceSpec, VolumeSpec};

use super::{Node, Volume};
use crate::quantity;

/// The heap of a node whose memory has no limit.
const HEAP_WITHOUT_LIMIT: &str = "512Mi";
/// Kafka leaves records to the page cache; a larger heap only lengthens its pauses.
const HEAP_AT_MOST: u64 = 6 << 30;
/// The reserve when nothing is said: what a JVM with the default heap needs to start.
const DEFAULT_REQUESTS: [(&str, &str); 2] = [("cpu", "100m"), ("memory", "1Gi")];

pub(super) fn node(spec: &KafkaClusterSpec, pool: &NodePool, id: i32) -> Node {
    let overrides: Vec<_> = spec
        .overrides
        .iter()
        .filter(|o| o.node_ids.contains(&id))
        .collect();

    let mut roles = pool.roles.clone();
    roles.sort_unstable();
    roles.dedup();

    let image = overrides
        .iter()
        .rev()
        .find_map(|o| o.image.as_ref())
        .or(spec.image.as_ref());
    let image = image.map_or_else(|| format!("apache/kafka:{}", spec.version), Clone::clone);

    let mut volumes: Vec<Volume> = Vec::new();
    let layers = [&pool.storage]
        .into_iter()
        .chain(overrides.iter().filter_map(|o| o.storage.as_ref()));
    for wanted in layers.flat_map(|storage| &storage.volumes) {
        merge_volume(&mut volumes, wanted, spec);
    }

    let resources = overrides
        .iter()
        .rev()
        .find_map(|o| o.resources.as_ref())
        .or(pool.resources.as_ref());
    let resources = resources.cloned().unwrap_or_else(default_resources);
    let jvm = overrides
        .iter()
        .rev()
        .find_map(|o| o.jvm.as_ref())
        .or(pool.jvm.as_ref());
    let mut jvm: JvmSpec = jvm.cloned().unwrap_or_default();
    jvm.heap.get_or_insert_with(|| default_heap(&resources));

    let mut config = BTreeMap::new();
    for layer in [&spec.config, &pool.config]
        .into_iter()
        .chain(overrides.iter().map(|o| &o.config))
    {
        config.extend(layer.iter().map(|(k, v)| (k.clone(), v.clone())));
    }

    let mut template = pool.template.clone().unwrap_or_default();
    for layer in overrides.iter().filter_map(|o| o.template.as_ref()) {
        merge_template(&mut template, layer);
    }

    Node {
        id,
        pool: pool.name.clone(),
        roles,
        image,
        volumes,
        resources,
        jvm,
        config,
        template,
    }
}

/// A volume of a name that is there already changes it, field by field; another one is added.
fn merge_volume(volumes: &mut Vec<Volume>, wanted: &VolumeSpec, spec: &KafkaClusterSpec) {
    if let Some(volume) = volumes.iter_mut().find(|v| v.name == wanted.name) {
        volume.size.clone_from(&wanted.size);
        if wanted.storage_class_name.is_some() {
            volume
                .storage_class_name
                .clone_from(&wanted.storage_class_name);
        }
        volume.deletion_policy = wanted.deletion_policy.unwrap_or(volume.deletion_policy);
    } else {
        volumes.push(Volume {
            name: wanted.name.clone(),
            size: wanted.size.clone(),
            storage_class_name: wanted.storage_class_name.clone(),
            deletion_policy: wanted.deletion_policy.unwrap_or(spec.deletion_policy),
        });
    }
}

/// Lists and maps grow, by name where items have one; single values are replaced.
fn merge_template(template: &mut PodTemplate, layer: &PodTemplate) {
    if let Some(metadata) = &layer.metadata {
        let merged = template.metadata.get_or_insert_default();
        merged.labels.extend(metadata.labels.clone());
        merged.annotations.extend(metadata.annotations.clone());
    }
    template.node_selector.extend(layer.node_selector.clone());
    if layer.affinity.is_some() {
        template.affinity.clone_from(&layer.affinity);
    }
    template
        .tolerations
        .extend(layer.tolerations.iter().cloned());
    if layer.priority_class_name.is_some() {
        template
            .priority_class_name
            .clone_from(&layer.priority_class_name);
    }
    template.termination_grace_period_seconds = layer
        .termination_grace_period_seconds
        .or(template.termination_grace_period_seconds);
    merge_list(&mut template.env, &layer.env, |e| &e.name);
    merge_list(&mut template.volumes, &layer.volumes, |v| &v.name);
    merge_list(&mut template.volume_mounts, &layer.volume_mounts, |m| {
        &m.mount_path
    });
    merge_list(&mut template.containers, &layer.containers, |c| &c.name);
}

fn merge_list<T: Clone>(list: &mut Vec<T>, layer: &[T], key: impl Fn(&T) -> &String) {
    for item in layer {
        match list.iter_mut().find(|have| key(have) == key(item)) {
            Some(have) => *have = item.clone(),
            None => list.push(item.clone()),
        }
    }
}

fn default_resources() -> ResourceSpec {
    let requests = DEFAULT_REQUESTS
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    ResourceSpec {
        requests,
        limits: BTreeMap::new(),
    }
}

fn default_heap(resources: &ResourceSpec) -> String {
    let limit = resources
        .limits
        .get("memory")
        .and_then(|limit| quantity::bytes(limit));
    limit.map_or_else(
        || HEAP_WITHOUT_LIMIT.to_owned(),
        |limit| format!("{}Mi", ((limit / 2).min(HEAP_AT_MOST) >> 20).max(1)),
    )
}
