//! Image, CPU, memory and the JVM of nodes.

use std::collections::{BTreeMap, BTreeSet};

use sdm_api::{JvmSpec, KafkaClusterSpec, ResourceSpec};

use super::syntax;
use crate::quantity;
use crate::render::collectors;
use crate::resolve::Resolved;
use crate::violation::Review;

/// A JVM below this does not start Kafka.
const HEAP_AT_LEAST: u64 = 128 << 20;
/// Options that other fields decide.
const HEAP_OPTIONS: [&str; 6] = [
    "-Xmx",
    "-Xms",
    "-XX:MaxHeapSize",
    "-XX:InitialHeapSize",
    "-XX:MaxRAMPercentage",
    "-XX:InitialRAMPercentage",
];

pub(super) fn check(spec: &KafkaClusterSpec, meant: &Resolved, review: &mut Review) {
    image(spec.image.as_ref(), "spec.image", review);
    for (i, name) in spec.image_pull_secrets.iter().enumerate() {
        if !syntax::dns_name(name) {
            review.invalid(
                format!("spec.imagePullSecrets[{i}]"),
                format!("{name:?} is no name of a Secret"),
            );
        }
    }
    for pool in &spec.pools {
        let path = format!("spec.pools[{}]", pool.name);
        resources(pool.resources.as_ref(), &path, review);
        jvm(pool.jvm.as_ref(), &path, review);
    }
    for (i, entry) in spec.overrides.iter().enumerate() {
        let path = format!("spec.overrides[{i}]");
        image(entry.image.as_ref(), &format!("{path}.image"), review);
        resources(entry.resources.as_ref(), &path, review);
        jvm(entry.jvm.as_ref(), &path, review);
    }
    heaps(spec, meant, review);
}

fn image(image: Option<&String>, path: &str, review: &mut Review) {
    if let Some(image) = image.filter(|image| !syntax::image(image)) {
        review.invalid(path, format!("{image:?} is no image reference: write it as registry.example.com/apache/kafka:4.3.1"));
    }
}

fn resources(resources: Option<&ResourceSpec>, path: &str, review: &mut Review) {
    let Some(resources) = resources else { return };
    let mut known = |map: &BTreeMap<String, String>, field: &str| {
        for (name, value) in map {
            let path = format!("{path}.resources.{field}[{name}]");
            if quantity::nanos(value).is_none_or(|n| n < 0) {
                review.invalid(
                    path,
                    format!("{value:?} is no quantity: write it as 500m, 2 or 4Gi"),
                );
            } else if !syntax::label_key(name) {
                review.invalid(
                    path,
                    format!("{name:?} is no resource: cpu and memory are the usual ones"),
                );
            }
        }
    };
    known(&resources.requests, "requests");
    known(&resources.limits, "limits");
    for (name, request) in &resources.requests {
        let Some(limit) = resources.limits.get(name) else {
            continue;
        };
        if let (Some(wanted), Some(most)) = (quantity::nanos(request), quantity::nanos(limit))
            && wanted > most
        {
            review.invalid(
                format!("{path}.resources.requests[{name}]"),
                format!("{request} is above the limit of {limit}: lower it, or raise the limit"),
            );
        }
    }
}

fn jvm(jvm: Option<&JvmSpec>, path: &str, review: &mut Review) {
    let Some(jvm) = jvm else { return };
    if let Some(heap) = &jvm.heap {
        match quantity::bytes(heap) {
            None => review.invalid(
                format!("{path}.jvm.heap"),
                format!("{heap:?} is no quantity: write it as 4Gi"),
            ),
            Some(bytes) if bytes < HEAP_AT_LEAST => review.invalid(
                format!("{path}.jvm.heap"),
                format!("Kafka does not start with a heap of {heap}: give it 128Mi at least"),
            ),
            Some(_) => {}
        }
    }
    let mut chosen = collectors(&jvm.options);
    if let Some((_, first)) = chosen.next() {
        for (i, other) in chosen.filter(|(_, other)| *other != first) {
            review.invalid(
                format!("{path}.jvm.options[{i}]"),
                format!("{other:?} and {first:?} are two garbage collectors, and java starts with one: leave one out"),
            );
        }
    }
    for (i, option) in jvm.options.iter().enumerate() {
        let path = format!("{path}.jvm.options[{i}]");
        if HEAP_OPTIONS
            .iter()
            .any(|reserved| option.starts_with(reserved))
        {
            review.invalid(path, format!("{option:?} sets the heap: use jvm.heap"));
        } else if !option.starts_with('-') {
            review.invalid(path, format!("{option:?} is no option of java: each begins with a dash and is an item of its own"));
        } else if ["-cp", "-classpath", "--class-path", "-jar"].contains(&option.as_str()) {
            review.invalid(path, format!("{option:?} would replace Kafka's class path: mount what you add into the image's libs"));
        }
    }
}

/// The heap against the memory, as merged: the two may come from different places.
fn heaps(spec: &KafkaClusterSpec, meant: &Resolved, review: &mut Review) {
    let mut seen = BTreeSet::new();
    for node in meant.nodes.values() {
        let (Some(heap), Some(limit)) = (&node.jvm.heap, node.resources.limits.get("memory"))
        else {
            continue;
        };
        let (Some(heap_bytes), Some(limit_bytes)) = (quantity::bytes(heap), quantity::bytes(limit))
        else {
            continue;
        };
        let last = spec
            .overrides
            .iter()
            .rposition(|o| o.node_ids.contains(&node.id) && o.jvm.is_some());
        let path = last.map_or_else(
            || format!("spec.pools[{}].jvm.heap", node.pool),
            |i| format!("spec.overrides[{i}].jvm.heap"),
        );
        // A pool's mistake is one mistake, however many nodes it has.
        if heap_bytes.saturating_mul(4) > limit_bytes.saturating_mul(3)
            && !seen.insert(path.clone())
        {
            continue;
        }
        if heap_bytes >= limit_bytes {
            review.invalid(
                path,
                format!("a heap of {heap} does not fit into the memory limit of {limit} of node {}: lower it, or raise the limit", node.id),
            );
        } else if heap_bytes.saturating_mul(4) > limit_bytes.saturating_mul(3) {
            review.warn(
                path,
                format!("a heap of {heap} leaves less than a quarter of node {}'s memory limit of {limit} to the JVM itself and the page cache", node.id),
            );
        }
    }
}
