//! What people see of a healthy cluster, a limping one, and one that nobody has looked at.

use serde_json::json;

use super::*;
use crate::flags::Format;
use crate::output::Output;

const NOW: &str = "2026-11-22T12:00:00Z";

fn cluster(status: serde_json::Value) -> KafkaCluster {
    let volumes = json!({"volumes": [{"name": "data", "size": "10Gi"}]});
    serde_json::from_value(json!({
        "metadata": {"name": "events", "namespace": "streaming", "generation": 2, "creationTimestamp": "2026-11-22T11:00:00Z"},
        "spec": {"pools": [{"name": "nodes", "roles": ["broker", "controller"], "nodeIds": [1, 0], "storage": volumes}]},
        "status": status
    }))
    .unwrap()
}

fn pod(id: i32, container: serde_json::Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": format!("events-{id}"), "labels": {"kafka.sdm.dev/node-id": id.to_string()}},
        "spec": {
            "nodeName": "node-a",
            "containers": [{"name": "kafka", "resources": {"limits": {"memory": "1Gi"}}}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": format!("events-{id}-data")}}]
        },
        "status": {"startTime": "2026-11-22T11:55:00Z", "containerStatuses": [container]}
    }))
    .unwrap()
}

fn container(restarts: i32, state: serde_json::Value) -> serde_json::Value {
    json!({"name": "kafka", "image": "", "imageID": "", "ready": true, "restartCount": restarts, "state": state})
}

fn claim(id: i32) -> PersistentVolumeClaim {
    serde_json::from_value(json!({
        "metadata": {"name": format!("events-{id}-data")}, "status": {"capacity": {"storage": "10Gi"}}
    }))
    .unwrap()
}

fn ready(status: &str, reason: &str, message: &str) -> serde_json::Value {
    json!([{"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-22T11:56:00Z"}])
}

fn broker(id: i32, phase: &str, why: Option<&str>) -> serde_json::Value {
    json!({"id": id, "pool": "nodes", "roles": ["broker", "controller"], "rack": "a", "phase": phase, "why": why})
}

fn text(format: Format, status: &ClusterStatus) -> String {
    anstream::adapter::strip_str(&Output::render(format, status)).to_string()
}

fn seen(cluster: &KafkaCluster, pods: &[Pod]) -> ClusterStatus {
    build(
        cluster,
        pods,
        &[claim(0), claim(1)],
        None,
        NOW.parse().unwrap(),
    )
}

#[test]
fn a_healthy_cluster_is_one_screen() {
    let cluster = cluster(json!({
        "observedGeneration": 2, "conditions": ready("True", "AllNodesServe", ""), "clusterId": "abc", "nodesReady": "2/2",
        "brokers": [broker(0, "Running", None), broker(1, "Running", None)],
        "quorum": {"leaderId": 1, "voters": [0, 1], "bootstrapped": true},
        "listeners": [{"name": "clients", "bootstrapServers": "events-bootstrap.streaming.svc:9092"}]
    }));
    let running = json!({"running": {}});
    let status = seen(
        &cluster,
        &[
            pod(0, container(0, running.clone())),
            pod(1, container(3, running)),
        ],
    );
    assert!(status.problems.is_empty(), "{:?}", status.problems);
    assert_eq!(
        text(Format::Table, &status),
        "streaming/events Ready (AllNodesServe) for 4m\n\
         \n\
         Kafka:       4.3.1\n\
         Cluster id:  abc\n\
         Nodes:       2/2 ready\n\
         Quorum:      leader 1, voters 0,1\n\
         \n\
         ID   POOL    ROLES               RACK   PHASE     RESTARTS   AGE   VOLUMES   WHY\n\
         0    nodes   broker,controller   a      Running   0          5m    10Gi      -\n\
         1    nodes   broker,controller   a      Running   3          5m    10Gi      -\n\
         \n\
         LISTENER   BOOTSTRAP-SERVERS\n\
         clients    events-bootstrap.streaming.svc:9092\n"
    );
    let json: serde_json::Value =
        serde_json::from_str(&Output::render(Format::Json, &status)).unwrap();
    assert_eq!(
        (json["apiVersion"].as_str(), json["kind"].as_str()),
        (Some(API_VERSION), Some("ClusterStatus"))
    );
    assert_eq!(
        json["nodes"][1]["volumes"][0],
        json!({"claim": "events-1-data", "size": "10Gi"})
    );
}

#[test]
fn problems_come_first_with_what_to_run_next() {
    let cluster = cluster(json!({
        "observedGeneration": 1, "conditions": ready("False", "NodesNotReady", "1 of 2 nodes serve"),
        "brokers": [broker(0, "Running", None), broker(1, "Failed", Some("exit code 1"))],
        "plan": [{"step": "RestartNode/0", "reason": "config changed", "waitsFor": "node 1 to serve"}]
    }));
    let status = seen(
        &cluster,
        &[
            pod(0, container(0, json!({"running": {}}))),
            pod(
                1,
                container(9, json!({"waiting": {"reason": "CrashLoopBackOff"}})),
            ),
        ],
    );
    let text = text(Format::Table, &status);
    assert!(
        text.starts_with(
            "streaming/events Not ready (NodesNotReady) for 4m\n\
             \n\
             Problems\n  \
               ! NotObserved: the operator has not seen the latest change of the spec yet\n    \
                 kubectl get pods -n sdm-system    # does the operator run?\n  \
               ! NodesNotReady: 1 of 2 nodes serve\n  \
               ! NodeFailed: node 1 fails: exit code 1\n    \
                 kubectl logs -n streaming events-1 --previous\n\
             \n\
             Plan\n  \
               RestartNode/0: config changed\n    \
                 waits for node 1 to serve\n"
        ),
        "{text}"
    );
}

#[test]
fn a_cluster_nobody_looked_at_shows_what_it_asks_for() {
    let status = seen(&cluster(serde_json::Value::Null), &[]);
    assert_eq!(status.problems[0].reason, "NotObserved");
    let text = text(Format::Table, &status);
    assert!(
        text.contains(
            "0    nodes   broker,controller   <none>   Pending   0          <none>   <none>    -"
        ),
        "{text}"
    );
}

#[test]
fn a_pod_that_cannot_start_is_named_with_its_reason() {
    let cluster = cluster(json!({
        "observedGeneration": 2, "conditions": ready("False", "NodesNotReady", "0 of 1 nodes serve"),
        "brokers": [broker(0, "Pending", Some("its pod does not run"))]
    }));
    let waiting = json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}});
    let status = seen(&cluster, &[pod(0, container(0, waiting))]);
    assert_eq!(
        status.problems[1].message,
        "node 0: pod events-0: ImagePullBackOff: no such image"
    );
}
