//! Specs that must be refused: what is changed in a good one, the field that is
//! named and the sentence that is said.

use serde_json::{Value, json};

/// One change that must be refused.
pub struct Case {
    /// What is wrong, in two words.
    pub name: &'static str,
    /// Applied first, for changes of an existing cluster.
    pub before: Option<fn(&mut Value)>,
    /// The change.
    pub change: fn(&mut Value),
    /// Part of the field's path.
    pub path: &'static str,
    /// Part of the sentence.
    pub sentence: &'static str,
}

/// A good cluster.
pub fn good(name: &str) -> Value {
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "version": "4.3.1",
            "pools": [{
                "name": "nodes", "roles": ["broker", "controller"], "nodeIds": [0, 1, 2],
                "storage": {"volumes": [{"name": "data", "size": "1Gi"}]},
            }],
        },
    })
}

fn at<'a>(object: &'a mut Value, path: &str) -> &'a mut Value {
    object
        .pointer_mut(path)
        .unwrap_or_else(|| panic!("{path} is in the good cluster"))
}

const fn new(
    name: &'static str,
    change: fn(&mut Value),
    path: &'static str,
    sentence: &'static str,
) -> Case {
    Case {
        name,
        before: None,
        change,
        path,
        sentence,
    }
}

const fn update(
    name: &'static str,
    before: fn(&mut Value),
    change: fn(&mut Value),
    path: &'static str,
    sentence: &'static str,
) -> Case {
    Case {
        name,
        before: Some(before),
        change,
        path,
        sentence,
    }
}

/// Refused by the API server alone, with no program of ours running.
pub const BY_SCHEMA: &[Case] = &[
    new(
        "no pools",
        |o| at(o, "/spec")["pools"] = json!([]),
        "spec.pools",
        "at least 1 item",
    ),
    new(
        "pools missing",
        |o| {
            at(o, "/spec").as_object_mut().map(|s| s.remove("pools"));
        },
        "spec.pools",
        "Required",
    ),
    new(
        "duplicate id in a pool",
        |o| at(o, "/spec/pools/0")["nodeIds"] = json!([0, 1, 1]),
        "spec.pools[0].nodeIds",
        "Duplicate value",
    ),
    new(
        "duplicate id across pools",
        |o| {
            let mut second = at(o, "/spec/pools/0").clone();
            second["name"] = json!("more");
            second["nodeIds"] = json!([2, 3]);
            second["roles"] = json!(["broker"]);
            if let Some(p) = at(o, "/spec/pools").as_array_mut() {
                p.push(second)
            }
        },
        "spec.pools",
        "a node id may appear in one pool only",
    ),
    new(
        "negative id",
        |o| at(o, "/spec/pools/0")["nodeIds"] = json!([-1, 0, 1]),
        "spec.pools[0].nodeIds",
        "greater than or equal to 0",
    ),
    new(
        "no controller",
        |o| at(o, "/spec/pools/0")["roles"] = json!(["broker"]),
        "spec.pools",
        "at least one pool needs the role 'controller'",
    ),
    new(
        "no broker",
        |o| at(o, "/spec/pools/0")["roles"] = json!(["controller"]),
        "spec.pools",
        "at least one pool needs the role 'broker'",
    ),
    new(
        "unknown role",
        |o| at(o, "/spec/pools/0")["roles"] = json!(["zookeeper"]),
        "spec.pools[0].roles",
        "Unsupported value",
    ),
    new(
        "unknown version",
        |o| at(o, "/spec")["version"] = json!("9.9.9"),
        "spec.version",
        "unsupported version",
    ),
    new(
        "version as a number",
        |o| at(o, "/spec")["version"] = json!(4.3),
        "spec.version",
        "must be of type string",
    ),
    new(
        "reserved key",
        |o| at(o, "/spec")["config"] = json!({"node.id": "7"}),
        "spec.config",
        "reserved key",
    ),
    new(
        "reserved prefix",
        |o| at(o, "/spec")["config"] = json!({"listener.name.clients.ssl.client.auth": "none"}),
        "spec.config",
        "reserved key",
    ),
    new(
        "reserved key in a pool",
        |o| at(o, "/spec/pools/0")["config"] = json!({"log.dirs": "/tmp"}),
        "spec.pools[0].config",
        "reserved key",
    ),
    new(
        "reserved key in an override",
        |o| {
            at(o, "/spec")["overrides"] =
                json!([{"nodeIds": [1], "config": {"super.users": "User:me"}}])
        },
        "spec.overrides[0].config",
        "reserved key",
    ),
    new(
        "config value as a number",
        |o| at(o, "/spec")["config"] = json!({"num.partitions": 3}),
        "spec.config.num.partitions",
        "must be of type string",
    ),
    new(
        "name too long",
        |o| at(o, "/metadata")["name"] = json!("a".repeat(41)),
        "",
        "at most 40 characters",
    ),
    new(
        "name starts with a digit",
        |o| at(o, "/metadata")["name"] = json!("9lives"),
        "",
        "starts with a letter",
    ),
    new(
        "size without a number",
        |o| at(o, "/spec/pools/0/storage/volumes/0")["size"] = json!("big"),
        "storage.volumes[0].size",
        "should match",
    ),
    new(
        "size of nothing",
        |o| at(o, "/spec/pools/0/storage/volumes/0")["size"] = json!("0"),
        "storage.volumes[0].size",
        "should match",
    ),
    new(
        "no volumes",
        |o| at(o, "/spec/pools/0/storage")["volumes"] = json!([]),
        "storage.volumes",
        "at least 1 item",
    ),
    new(
        "two volumes of one name",
        |o| {
            at(o, "/spec/pools/0/storage")["volumes"] =
                json!([{"name": "a", "size": "1Gi"}, {"name": "a", "size": "1Gi"}])
        },
        "storage.volumes[1]",
        "Duplicate value",
    ),
    new(
        "reserved listener",
        |o| at(o, "/spec")["listeners"] = json!([{"name": "controller", "port": 9095}]),
        "spec.listeners[0].name",
        "are reserved",
    ),
    new(
        "reserved port",
        |o| at(o, "/spec")["listeners"] = json!([{"name": "mine", "port": 9091}]),
        "spec.listeners[0].port",
        "are reserved",
    ),
    new(
        "two listeners on a port",
        |o| {
            at(o, "/spec")["listeners"] =
                json!([{"name": "a", "port": 9092}, {"name": "b", "port": 9092}])
        },
        "spec.listeners",
        "may not share a port",
    ),
    new(
        "privileged port",
        |o| at(o, "/spec")["listeners"] = json!([{"name": "a", "port": 443}]),
        "spec.listeners[0].port",
        "greater than or equal to 1024",
    ),
    new(
        "unknown tls mode",
        |o| at(o, "/spec")["listeners"] = json!([{"name": "a", "port": 9092, "tls": "maybe"}]),
        "spec.listeners[0].tls",
        "Unsupported value",
    ),
    new(
        "cluster id of the wrong length",
        |o| at(o, "/spec")["clusterId"] = json!("short"),
        "spec.clusterId",
        "should be at least 22 chars",
    ),
    new(
        "grace period of a second",
        |o| at(o, "/spec/pools/0")["template"] = json!({"terminationGracePeriodSeconds": 1}),
        "terminationGracePeriodSeconds",
        "greater than or equal to 10",
    ),
    new(
        "unknown deletion policy",
        |o| at(o, "/spec")["deletionPolicy"] = json!("Forget"),
        "spec.deletionPolicy",
        "Unsupported value",
    ),
    new(
        "an object of 2 MB",
        |o| at(o, "/spec/pools/0")["jvm"] = json!({"options": ["x".repeat(2 << 20)]}),
        "spec.pools[0].jvm.options[0]",
        "Too long",
    ),
    update(
        "a shrunk volume",
        |_| {},
        |o| at(o, "/spec/pools/0/storage/volumes/0")["size"] = json!("512Mi"),
        "spec.pools[0].storage",
        "may grow and not shrink",
    ),
    update(
        "another storage class",
        |_| {},
        |o| at(o, "/spec/pools/0/storage/volumes/0")["storageClassName"] = json!("fast"),
        "spec.pools[0].storage",
        "storage class cannot change",
    ),
    update(
        "other roles",
        |o| {
            let mut second = at(o, "/spec/pools/0").clone();
            second["name"] = json!("brokers");
            second["nodeIds"] = json!([10]);
            second["roles"] = json!(["broker"]);
            if let Some(p) = at(o, "/spec/pools").as_array_mut() {
                p.push(second)
            }
        },
        |o| at(o, "/spec/pools/1")["roles"] = json!(["broker", "controller"]),
        "spec.pools[1].roles",
        "roles cannot change",
    ),
    update(
        "another cluster id",
        |o| at(o, "/spec")["clusterId"] = json!("AAAAAAAAAAAAAAAAAAAAAQ"),
        |o| at(o, "/spec")["clusterId"] = json!("AAAAAAAAAAAAAAAAAAAAAg"),
        "spec.clusterId",
        "clusterId cannot change",
    ),
];

/// Refused by the webhook, or `Stalled` by the controller where there is none.
pub const BY_VALIDATION: &[Case] = &[
    new(
        "override of nobody",
        |o| {
            at(o, "/spec")["overrides"] =
                json!([{"nodeIds": [9], "config": {"num.io.threads": "4"}}])
        },
        "spec.overrides",
        "9",
    ),
    new(
        "heap above the limit",
        |o| {
            at(o, "/spec/pools/0")["resources"] = json!({"limits": {"memory": "512Mi"}});
            at(o, "/spec/pools/0")["jvm"] = json!({"heap": "1Gi"});
        },
        "heap",
        "memory",
    ),
    new(
        "more replicas than brokers",
        |o| at(o, "/spec")["config"] = json!({"default.replication.factor": "5"}),
        "default.replication.factor",
        "broker",
    ),
    new(
        "minimum in-sync above the replicas",
        |o| {
            at(o, "/spec")["config"] =
                json!({"default.replication.factor": "2", "min.insync.replicas": "3"})
        },
        "min.insync.replicas",
        "replication",
    ),
    new(
        "our own label",
        |o| {
            at(o, "/spec/pools/0")["template"] =
                json!({"metadata": {"labels": {"kafka.sdm.dev/cluster": "x"}}})
        },
        "template.metadata.labels",
        "kafka.sdm.dev",
    ),
    new(
        "a host path",
        |o| {
            at(o, "/spec/pools/0")["template"] =
                json!({"volumes": [{"name": "h", "hostPath": {"path": "/etc"}}]})
        },
        "template.volumes",
        "hostPath",
    ),
    new(
        "a container of our name",
        |o| {
            at(o, "/spec/pools/0")["template"] =
                json!({"containers": [{"name": "kafka", "image": "x"}]})
        },
        "template.containers",
        "kafka",
    ),
    update(
        "another controller",
        |_| {},
        |o| at(o, "/spec/pools/0")["nodeIds"] = json!([0, 1, 3]),
        "spec.pools",
        "controllers",
    ),
    update(
        "an older minor",
        |_| {},
        |o| at(o, "/spec")["version"] = json!("4.2.2"),
        "spec.version",
        "4.2.2",
    ),
];
