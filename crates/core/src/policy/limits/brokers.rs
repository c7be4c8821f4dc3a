//! What a policy says of clusters: of each node as it is meant, once for each pool.

use std::collections::BTreeSet;

use sdm_api::policy::{BrokerLimits, QuantityRange};
use sdm_api::{KafkaCluster, ListenerTls};

use super::super::glob;
use super::{Found, bounds};
use crate::resolve::{Node, Resolved};

pub(super) fn check(
    limits: &BrokerLimits,
    cluster: &KafkaCluster,
    meant: &Resolved,
    found: &mut Found<'_>,
) {
    if !glob::any(&limits.versions, &meant.version) {
        found.add(
            "brokers.versions",
            "spec.version",
            format!(
                "{} may not be run: use {}",
                meant.version,
                limits.versions.join(" or ")
            ),
        );
    }
    if limits.require_tls {
        listeners(meant, found);
    }
    if let Some(least) = limits.min_brokers {
        let brokers = meant.brokers().count();
        if usize::try_from(least).is_ok_and(|least| brokers < least) {
            found.add(
                "brokers.minBrokers",
                "spec.pools",
                format!("{brokers} brokers are too few: use at least {least}"),
            );
        }
    }
    // Nodes of a pool are alike but for overrides, so the same would be said many times.
    let mut seen = BTreeSet::new();
    let from = found.findings.len();
    for node in meant.nodes.values() {
        check_node(limits, cluster, node, found);
    }
    let mut at = 0;
    found.findings.retain(|f| {
        at += 1;
        at <= from || seen.insert((f.rule.clone(), f.path.clone(), f.message.clone()))
    });
}

fn listeners(meant: &Resolved, found: &mut Found<'_>) {
    for listener in &meant.listeners {
        let message = match listener.tls {
            ListenerTls::Mtls => continue,
            ListenerTls::Server if !listener.sasl.is_empty() => continue,
            ListenerTls::Server => {
                "its clients are anonymous: use tls: mtls, or give sasl mechanisms"
            }
            ListenerTls::None => "it speaks plaintext: use tls: mtls",
        };
        let path = format_args!("spec.listeners[{}].tls", listener.name).to_string();
        found.add("brokers.requireTls", path, message);
    }
}

fn check_node(limits: &BrokerLimits, cluster: &KafkaCluster, node: &Node, found: &mut Found<'_>) {
    let pool = &node.pool;
    if !limits.images.is_empty() {
        let beside = node.template.containers.iter().map(|c| {
            let path = format!("spec.pools[{pool}].template.containers[{}].image", c.name);
            (path, c.image.as_deref().unwrap_or_default())
        });
        let path = image_path(cluster, node);
        for (path, image) in std::iter::once((path, node.image.as_str())).chain(beside) {
            if !limits.images.iter().any(|start| begins(image, start)) {
                let allowed = limits.images.join(" or ");
                let message = format!("image {image:?} may not be run: use one of {allowed}");
                found.add("brokers.images", path, message);
            }
        }
    }
    bounds::config(
        "brokers",
        &limits.forbidden_config,
        &limits.config,
        &node.config,
        |key| config_path(cluster, node, key),
        found,
    );
    for (rule, name, range) in [
        ("brokers.cpu", "cpu", &limits.cpu),
        ("brokers.memory", "memory", &limits.memory),
    ] {
        if let Some(range) = range {
            resource(rule, name, range, node, found);
        }
    }
    for volume in &node.volumes {
        let path = || format!("spec.pools[{pool}].storage.volumes[{}]", volume.name);
        if let Some(range) = &limits.volume_size
            && let Some(wrong) = bounds::amount(range, &volume.size)
        {
            found.add("brokers.volumeSize", format_args!("{}.size", path()), wrong);
        }
        if !limits.storage_classes.is_empty() {
            let allowed = limits.storage_classes.join(" or ");
            let message = match &volume.storage_class_name {
                Some(class) if limits.storage_classes.contains(class) => continue,
                Some(class) => format!("storage class {class} may not be: use {allowed}"),
                None => format!("the storage class must be named: use {allowed}"),
            };
            let path = format!("{}.storageClassName", path());
            found.add("brokers.storageClasses", path, message);
        }
    }
}

/// Whether an image is under a registry, or a path in one.
fn begins(image: &str, start: &str) -> bool {
    let start = start.trim_end_matches('/');
    image
        .strip_prefix(start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']))
}

/// What is asked for must be at least, what may be used at most.
fn resource(rule: &str, name: &str, range: &QuantityRange, node: &Node, found: &mut Found<'_>) {
    let (requests, limits) = (&node.resources.requests, &node.resources.limits);
    // Kubernetes takes the limit for the request where there is only a limit.
    let asked = requests.get(name).or_else(|| limits.get(name));
    let path = |list: &str| format!("spec.pools[{}].resources.{list}.{name}", node.pool);
    if let Some(min) = &range.min {
        let message = match asked {
            Some(value) if !bounds::less(value, min) => None,
            Some(value) => Some(format!("{value} is too little: use at least {min}")),
            None => Some(format!("nothing is asked for: use at least {min}")),
        };
        if let Some(message) = message {
            found.add(rule, path("requests"), message);
        }
    }
    if let Some(max) = &range.max {
        let message = match limits.get(name) {
            Some(value) if !bounds::less(max, value) => None,
            Some(value) => Some(format!("{value} is too much: use at most {max}")),
            None => Some(format!(
                "without a limit it may use everything: use at most {max}"
            )),
        };
        if let Some(message) = message {
            found.add(rule, path("limits"), message);
        }
    }
}

fn image_path(cluster: &KafkaCluster, node: &Node) -> String {
    let overridden = cluster
        .spec
        .overrides
        .iter()
        .any(|o| o.node_ids.contains(&node.id) && o.image.is_some());
    if overridden {
        format!("spec.overrides[{}].image", node.id)
    } else {
        "spec.image".to_owned()
    }
}

/// Where the value of a key comes from: the last that says it wins.
fn config_path(cluster: &KafkaCluster, node: &Node, key: &str) -> String {
    let spec = &cluster.spec;
    let overridden = spec
        .overrides
        .iter()
        .any(|o| o.node_ids.contains(&node.id) && o.config.contains_key(key));
    let pool = spec.pools.iter().find(|p| p.name == node.pool);
    if overridden {
        format!("spec.overrides[{}].config[{key}]", node.id)
    } else if pool.is_some_and(|p| p.config.contains_key(key)) {
        format!("spec.pools[{}].config[{key}]", node.pool)
    } else {
        format!("spec.config[{key}]")
    }
}

#[cfg(test)]
mod tests {
    use super::begins;

    #[test]
    fn a_registry_is_not_a_prefix_of_letters() {
        for (image, start, want) in [
            (
                "registry.example.com/kafka:4.3.1",
                "registry.example.com",
                true,
            ),
            (
                "registry.example.com/kafka:4.3.1",
                "registry.example.com/",
                true,
            ),
            (
                "registry.example.com/kafka@sha256:00",
                "registry.example.com/kafka",
                true,
            ),
            (
                "registry.example.com.evil.io/kafka",
                "registry.example.com",
                false,
            ),
            (
                "registry.example.com/kafka-evil:1",
                "registry.example.com/kafka",
                false,
            ),
            ("apache/kafka:4.3.1", "apache/kafka", true),
            ("", "apache", false),
        ] {
            assert_eq!(begins(image, start), want, "{image} {start}");
        }
    }
}
