//! The fixed names of everything a cluster consists of. Nobody else builds a
//! name by hand.

/// The namespace the operator is installed in unless told otherwise.
pub const OPERATOR_NAMESPACE: &str = "sdm-system";
/// Field manager of everything the controller applies.
pub const MANAGER: &str = "sdm-controller";
/// Field manager of statuses.
pub const STATUS_MANAGER: &str = "sdm-controller-status";

/// Label: the cluster an object belongs to.
pub const LABEL_CLUSTER: &str = "kafka.sdm.dev/cluster";
/// Label: the Kafka node id.
pub const LABEL_NODE_ID: &str = "kafka.sdm.dev/node-id";
/// Label: the pool of a node.
pub const LABEL_POOL: &str = "kafka.sdm.dev/pool";
/// Label: `true` on brokers.
pub const LABEL_BROKER: &str = "kafka.sdm.dev/broker";
/// Label: `true` on controllers.
pub const LABEL_CONTROLLER: &str = "kafka.sdm.dev/controller";
/// Label: who manages an object.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The value of [`LABEL_MANAGED_BY`] on everything of ours.
pub const MANAGED_BY: &str = "sdm";
/// Annotation of Pods: the hash of all that a restart is needed for.
pub const ANNOTATION_REVISION: &str = "kafka.sdm.dev/revision";
/// Annotation of other objects: the hash of what was applied.
pub const ANNOTATION_APPLIED: &str = "kafka.sdm.dev/applied-hash";
/// Readiness gate of node Pods: the quorum says that the node serves.
pub const GATE_SERVING: &str = "kafka.sdm.dev/serving";

/// Port of the controllers' listener.
pub const CONTROLLER_PORT: i32 = 9090;
/// Port of the listener between brokers, which the operator uses too.
pub const REPLICATION_PORT: i32 = 9091;

/// Common name in every node's certificate.
pub const CN_NODE: &str = "sdm:node";
/// Common name in the operator's certificate.
pub const CN_OPERATOR: &str = "sdm:operator";
/// Common name in the cluster administrator's certificate.
pub const CN_ADMIN: &str = "sdm:admin";

/// Pod, ConfigMap and host name of a node.
#[must_use]
pub fn node(cluster: &str, id: i32) -> String {
    format!("{cluster}-{id}")
}
/// PersistentVolumeClaim of a node's volume.
#[must_use]
pub fn claim(cluster: &str, id: i32, volume: &str) -> String {
    format!("{cluster}-{id}-{volume}")
}
/// Secret with a node's certificate.
#[must_use]
pub fn node_tls(cluster: &str, id: i32) -> String {
    format!("{cluster}-{id}-tls")
}
/// Headless Service that gives every node its DNS name.
#[must_use]
pub fn nodes_service(cluster: &str) -> String {
    format!("{cluster}-nodes")
}
/// Headless Service of the brokers that serve.
#[must_use]
pub fn bootstrap_service(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}
/// ServiceAccount of the node Pods.
#[must_use]
pub fn service_account(cluster: &str) -> String {
    format!("{cluster}-kafka")
}
/// Secret with the cluster's certificate authority.
#[must_use]
pub fn ca_secret(cluster: &str) -> String {
    format!("{cluster}-ca")
}
/// Secret with the cluster administrator's certificate and client configuration.
#[must_use]
pub fn admin_secret(cluster: &str) -> String {
    format!("{cluster}-admin")
}
/// ConfigMap with decisions that must never be taken twice.
#[must_use]
pub fn state_config_map(cluster: &str) -> String {
    format!("{cluster}-state")
}
/// DNS name of a node. It has no cluster domain: that may be renamed, and the quorum remembers
/// this name in its log.
#[must_use]
pub fn node_dns(cluster: &str, namespace: &str, id: i32) -> String {
    format!(
        "{}.{}.{namespace}.svc",
        node(cluster, id),
        nodes_service(cluster)
    )
}
/// DNS name that clients start from.
#[must_use]
pub fn bootstrap_dns(cluster: &str, namespace: &str) -> String {
    format!("{}.{namespace}.svc", bootstrap_service(cluster))
}
/// The name in the principal of a `KafkaUser`: no service account's (`<namespace>/<name>`), and none of ours (`sdm:...`).
#[must_use]
pub fn user_principal(namespace: &str, name: &str) -> String {
    format!("{namespace}/user/{name}")
}
/// The SCRAM user names of a `KafkaUser`: a rotation goes from one to the other, so that both passwords are valid for a
/// while.
#[must_use]
pub fn scram_username(namespace: &str, name: &str, second: bool) -> String {
    let first = user_principal(namespace, name);
    if second { format!("{first}/2") } else { first }
}
/// The name in the principal of a Kubernetes service account.
#[must_use]
pub fn service_account_principal(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}
