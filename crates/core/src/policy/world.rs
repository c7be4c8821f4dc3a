//! What there is around an object: its namespace, its cluster, the other topics of its namespace. Kept up to date by
//! whoever watches, or filled from files; it holds no more of anything than policies ask for.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::policy::PolicyKind;
use serde_json::{Value, json};

use super::subject::{Asked, Totals, cluster_of};

type Key = (String, String);

/// The topics of a namespace in one cluster.
#[derive(Clone, Debug, Default)]
struct Topics {
    partitions: BTreeMap<String, i64>,
    /// Kept beside, so that a review does not add up thousands.
    totals: Totals,
}

/// What is known around objects.
#[derive(Clone, Debug, Default)]
pub struct World {
    namespaces: BTreeMap<String, Value>,
    clusters: BTreeMap<Key, Value>,
    /// By the topics' namespace, and the cluster.
    topics: BTreeMap<(String, Key), Topics>,
}

impl World {
    /// A namespace is there, with these labels.
    pub fn set_namespace(&mut self, name: &str, labels: &BTreeMap<String, String>) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        self.namespaces.insert(name.to_owned(), object);
    }

    /// A namespace is gone.
    pub fn remove_namespace(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    /// Whether a namespace is known.
    #[must_use]
    pub fn knows_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name)
    }

    /// A `KafkaCluster` is there, as this.
    pub fn set_cluster(&mut self, namespace: &str, name: &str, object: Value) {
        self.clusters
            .insert((namespace.to_owned(), name.to_owned()), object);
    }

    /// A `KafkaCluster` is gone.
    pub fn remove_cluster(&mut self, namespace: &str, name: &str) {
        self.clusters
            .remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// A topic is there, in this cluster, with so many partitions.
    pub fn set_topic(
        &mut self,
        namespace: &str,
        name: &str,
        cluster: (&str, &str),
        partitions: Option<i32>,
    ) {
        self.remove_topic(namespace, name);
        let topics = self.topics.entry(group(namespace, cluster)).or_default();
        let count = i64::from(partitions.unwrap_or(1));
        topics.partitions.insert(name.to_owned(), count);
        topics.totals.topics += 1;
        topics.totals.partitions = topics.totals.partitions.saturating_add(count);
    }

    /// A topic is gone. Which cluster it was in is not kept: a namespace has topics in few.
    pub fn remove_topic(&mut self, namespace: &str, name: &str) {
        let from = group(namespace, ("", ""));
        let groups = self.topics.range_mut(from..);
        let mut groups = groups.take_while(|((of, _), _)| of == namespace);
        let found = groups.find_map(|(group, topics)| {
            let count = topics.partitions.remove(name)?;
            topics.totals.topics -= 1;
            topics.totals.partitions -= count;
            topics.partitions.is_empty().then(|| group.clone())
        });
        if let Some(empty) = found {
            self.topics.remove(&empty);
        }
    }

    /// Takes up an object of any kind that there is to know of; what is of no use is let be.
    pub fn take(&mut self, object: &Value) {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        match text("/kind") {
            Some("Namespace") => {
                let labels = object
                    .pointer("/metadata/labels")
                    .and_then(Value::as_object);
                let labels = labels.into_iter().flatten();
                let labels = labels
                    .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
                self.set_namespace(name, &labels.collect());
            }
            Some("KafkaCluster") => self.set_cluster(namespace, name, object.clone()),
            Some("KafkaTopic") => {
                let partitions = object.pointer("/spec/partitions").and_then(Value::as_i64);
                let partitions = partitions.and_then(|n| i32::try_from(n).ok());
                if let Some(cluster) = cluster_of(PolicyKind::KafkaTopic, namespace, name, object) {
                    self.set_topic(namespace, name, cluster, partitions);
                }
            }
            _ => {}
        }
    }

    /// What the other topics of a topic's namespace come to, in its cluster.
    fn others(&self, namespace: &str, name: &str, cluster: (&str, &str)) -> Totals {
        let Some(topics) = self.topics.get(&group(namespace, cluster)) else {
            return Totals::default();
        };
        match topics.partitions.get(name) {
            Some(own) => Totals {
                topics: topics.totals.topics - 1,
                partitions: topics.totals.partitions - own,
            },
            None => topics.totals,
        }
    }

    /// The question about an object, with what is around it. `namespace` and `name` are the object's.
    #[must_use]
    pub fn ask<'a>(
        &'a self,
        kind: PolicyKind,
        (namespace, name): (&'a str, &'a str),
        object: &'a Value,
        now: &'a Time,
    ) -> Asked<'a> {
        let cluster = cluster_of(kind, namespace, name, object);
        let found =
            cluster.and_then(|(ns, name)| self.clusters.get(&(ns.to_owned(), name.to_owned())));
        let others = cluster
            .filter(|_| kind == PolicyKind::KafkaTopic)
            .map(|cluster| self.others(namespace, name, cluster));
        Asked {
            kind,
            namespace,
            name,
            object,
            old: None,
            request: None,
            namespace_object: self.namespaces.get(namespace),
            cluster: found,
            others,
            now,
        }
    }
}

/// The key of a namespace's topics in a cluster.
fn group(namespace: &str, (of, cluster): (&str, &str)) -> (String, Key) {
    (namespace.to_owned(), (of.to_owned(), cluster.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_counted_where_they_are() {
        let mut world = World::default();
        let other = |world: &World, name: &str| world.others("a", name, ("k", "c"));
        world.set_topic("a", "x", ("k", "c"), Some(3));
        world.set_topic("a", "y", ("k", "c"), None);
        world.set_topic("a", "z", ("k", "other"), Some(9));
        world.set_topic("b", "x", ("k", "c"), Some(9));
        assert_eq!(
            other(&world, "new"),
            Totals {
                topics: 2,
                partitions: 4
            }
        );
        assert_eq!(
            other(&world, "x"),
            Totals {
                topics: 1,
                partitions: 1
            }
        );
        world.set_topic("a", "x", ("k", "c"), Some(5));
        assert_eq!(
            other(&world, "y"),
            Totals {
                topics: 1,
                partitions: 5
            }
        );
        world.set_topic("a", "x", ("k", "other"), Some(5));
        assert_eq!(other(&world, "y"), Totals::default());
        for name in ["x", "y", "z", "never"] {
            world.remove_topic("a", name);
        }
        assert_eq!(other(&world, "new"), Totals::default());
        assert_eq!(world.topics.len(), 1, "nothing is kept");
    }
}
