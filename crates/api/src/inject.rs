//! What the injection of an identity is called: annotations, the volume and its files, signers.
//!
//! These names are an interface: Pods, applications and other people's manifests spell them. `docs/injection.md` lists
//! them.

/// Annotation of Pods: the cluster whose client the Pod is, `<cluster>` or `<namespace>/<cluster>`.
pub const ANNOTATION: &str = "kafka.sdm.dev/inject";
/// The value of [`ANNOTATION`] that asks for nothing, for one Pod where a template asks.
pub const OPT_OUT: &str = "false";
/// Annotation of Pods: how long a certificate is valid, such as `24h`.
pub const ANNOTATION_LIFETIME: &str = "kafka.sdm.dev/inject-lifetime";
/// Annotation that is added: the content of [`FILE_JAVA`].
pub const ANNOTATION_JAVA: &str = "kafka.sdm.dev/client.properties";
/// Annotation that is added: the content of [`FILE_LIBRDKAFKA`].
pub const ANNOTATION_LIBRDKAFKA: &str = "kafka.sdm.dev/librdkafka.properties";

/// Label that is added: where the Pod's key comes from, [`BY_POD_CERTIFICATE`] or [`BY_SECRET`]. It only helps to find
/// such Pods.
pub const LABEL: &str = "kafka.sdm.dev/injected";
/// Value of [`LABEL`]: the kubelet makes the key.
pub const BY_POD_CERTIFICATE: &str = "pod-certificate";
/// Value of [`LABEL`]: the key is in the Secret of the service account.
pub const BY_SECRET: &str = "secret";
/// Label of such Secrets: the service account.
pub const LABEL_ACCOUNT: &str = "kafka.sdm.dev/service-account";

/// The volume that is added.
pub const VOLUME: &str = "kafka-sdm-dev-client";
/// Where it is mounted in every container; where Secrets of a `KafkaUser` expect to be mounted, too.
pub const MOUNT_PATH: &str = "/etc/kafka-client";
/// File: configuration of Java clients.
pub const FILE_JAVA: &str = "client.properties";
/// File: configuration of librdkafka and what is built on it.
pub const FILE_LIBRDKAFKA: &str = "librdkafka.properties";
/// File: key, certificate and intermediate ones in one, PEM.
pub const FILE_KEYSTORE: &str = "keystore.pem";
/// File: the certificate and intermediate ones, PEM.
pub const FILE_CERTIFICATE: &str = "tls.crt";
/// File: the private key, PKCS#8 PEM.
pub const FILE_KEY: &str = "tls.key";
/// File: the authorities to trust, PEM.
pub const FILE_AUTHORITIES: &str = "ca.crt";

/// The domain of all our signers.
pub const SIGNER_DOMAIN: &str = crate::GROUP;
/// Validity of a certificate unless told otherwise: a week, in seconds.
pub const DEFAULT_LIFETIME: i64 = 7 * 24 * 3600;
/// The shortest validity that Kubernetes lets a signer give, in seconds.
pub const MIN_LIFETIME: i64 = 3600;
/// The shortest validity in a Secret, in seconds. The next one is there after a third, and a kubelet may take one and a
/// half minutes to mount it.
pub const MIN_SECRET_LIFETIME: i64 = 300;
/// The longest one: 91 days.
pub const MAX_LIFETIME: i64 = 91 * 24 * 3600;

/// The signer of a cluster's client certificates. A namespace has no dots, so it names one cluster only.
#[must_use]
pub fn signer(namespace: &str, cluster: &str) -> String {
    format!("{SIGNER_DOMAIN}/{namespace}.{cluster}")
}

/// Namespace and name of the cluster that a signer belongs to; none if it is no signer of ours.
#[must_use]
pub fn cluster_of_signer(signer: &str) -> Option<(&str, &str)> {
    let path = signer.strip_prefix(SIGNER_DOMAIN)?.strip_prefix('/')?;
    let (namespace, cluster) = path.split_once('.')?;
    (!namespace.is_empty() && !cluster.is_empty()).then_some((namespace, cluster))
}

/// The `ClusterTrustBundle` with a cluster's authorities. Kubernetes wants the signer's name to begin it.
#[must_use]
pub fn trust_bundle(namespace: &str, cluster: &str) -> String {
    format!("{SIGNER_DOMAIN}:{namespace}.{cluster}:ca")
}

/// The Secret with a service account's certificate for a cluster, in the account's namespace. Neither a namespace nor a
/// cluster has a dot in its name, so it is no other account's and no other cluster's.
#[must_use]
pub fn secret(cluster_namespace: &str, cluster: &str, account: &str) -> String {
    format!("kafka-client.{cluster_namespace}.{cluster}.{account}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_belongs_to_one_account_and_one_cluster() {
        assert_eq!(
            secret("streaming", "events", "shop.orders"),
            "kafka-client.streaming.events.shop.orders"
        );
        // The longest: a principal has 64 characters, so an account 62 at most.
        let longest = secret(&"n".repeat(63), &"c".repeat(63), &"a".repeat(62));
        assert!(longest.len() <= 253);
    }

    #[test]
    fn a_signer_names_one_cluster() {
        assert_eq!(
            signer("streaming", "events"),
            "kafka.sdm.dev/streaming.events"
        );
        assert_eq!(
            cluster_of_signer("kafka.sdm.dev/streaming.events"),
            Some(("streaming", "events"))
        );
        // The first dot ends the namespace, whatever follows.
        assert_eq!(cluster_of_signer("kafka.sdm.dev/a.b.c"), Some(("a", "b.c")));
        for other in [
            "kafka.sdm.dev/a",
            "kafka.sdm.dev/.a",
            "kafka.sdm.dev/a.",
            "kafka.sdm.development/a.b",
            "example.com/a.b",
            "",
        ] {
            assert_eq!(cluster_of_signer(other), None, "{other}");
        }
    }
}
