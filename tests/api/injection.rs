//! What the real API server makes of injection: it takes the patched Pod as it is, a Pod that may not is refused, and
//! the signer's answers to requests for certificates pass its validation. Kubelets and Kafka are the node's to test.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::certificates::v1beta1::{ClusterTrustBundle, PodCertificateRequest};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use sdm_api::{KafkaCluster, KafkaPolicy};
use sdm_runtime::pki::inspect;
use sdm_tests::control_plane::{ControlPlane, free_ports};
use sdm_tests::process::{Process, Spawn};
use sdm_tests::wait::until;
use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(40);
const SIGNER: &str = "kafka.sdm.dev/streaming.events";

/// Where the operator is installed.
const OWN: &str = "sdm-system";

/// Starts a program with the rights of its service account, and no others.
pub fn start(plane: &ControlPlane, program: &str, more: &[String]) -> Result<Process> {
    let [health] = free_ports()?;
    let account = format!("as: 'system:serviceaccount:{OWN}:{program}', token: ");
    let text = std::fs::read_to_string(&plane.kubeconfig)?.replace("token: ", &account);
    let kubeconfig = plane.dir.join(format!("{program}.kubeconfig"));
    std::fs::write(&kubeconfig, text)?;
    let mut arguments = vec![format!("--health-address=127.0.0.1:{health}")];
    arguments.extend_from_slice(more);
    Spawn::new(
        &sdm_tests::paths::program(program),
        arguments,
        plane.dir.join(format!("{program}.log")),
    )
    .env("KUBECONFIG", &kubeconfig)
    .env("POD_NAMESPACE", OWN)
    .start()
}

/// Applies the committed roles.
pub fn install_roles(plane: &ControlPlane) -> Result<()> {
    for file in ["00-namespace", "sdm-controller", "sdm-webhook"] {
        let path = sdm_tests::paths::repository().join(format!("deploy/rbac/{file}.yaml"));
        let output = std::process::Command::new(sdm_tests::paths::kubernetes("kubectl"))
            .args(["apply", "-f"])
            .arg(&path)
            .env("KUBECONFIG", &plane.kubeconfig)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{file}: {said}");
    }
    Ok(())
}

pub async fn namespace(plane: &ControlPlane, name: &str, team: &str) -> Result<()> {
    let namespace: Namespace = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"team": team, "pod-security.kubernetes.io/enforce": "restricted"}}
    }))?;
    Api::all(plane.client.clone())
        .create(&PostParams::default(), &namespace)
        .await?;
    Ok(())
}

/// A Pod as the restricted standard wants it, that asks for an identity.
pub fn pod(name: &str, inject: &str) -> Value {
    let container = json!({
        "name": "app", "image": "example.com/app",
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}
        }
    });
    let (mut init, mut sidecar) = (container.clone(), container.clone());
    init["name"] = json!("init");
    sidecar["name"] = json!("sidecar");
    sidecar["restartPolicy"] = json!("Always");
    json!({
        "metadata": {"name": name, "annotations": {"kafka.sdm.dev/inject": inject}},
        "spec": {
            "serviceAccountName": "orders",
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [init, sidecar], "containers": [container]
        }
    })
}

pub async fn create(
    plane: &ControlPlane,
    namespace: &str,
    pod: &Value,
) -> Result<Pod, kube::Error> {
    let pod: Pod = serde_json::from_value(pod.clone()).map_err(kube::Error::SerdeError)?;
    Api::namespaced(plane.client.clone(), namespace)
        .create(&PostParams::default(), &pod)
        .await
}

/// The API server's sentence about a Pod that it does not take.
pub async fn refusal(plane: &ControlPlane, namespace: &str, pod: &Value) -> Result<(u16, String)> {
    match create(plane, namespace, pod).await {
        Err(kube::Error::Api(status)) => Ok((status.code, status.message.clone())),
        other => bail!("not refused: {other:?}"),
    }
}

/// Mounts of our volume, and variables of ours, over all containers.
pub fn injected(pod: &Pod) -> (usize, usize) {
    let spec = pod.spec.clone().unwrap_or_default();
    let containers: Vec<_> = spec
        .init_containers
        .into_iter()
        .flatten()
        .chain(spec.containers)
        .collect();
    let mounts = containers
        .iter()
        .flat_map(|c| c.volume_mounts.iter().flatten());
    let variables = containers.iter().flat_map(|c| c.env.iter().flatten());
    (
        mounts
            .filter(|m| m.mount_path == "/etc/kafka-client")
            .count(),
        variables.filter(|v| v.name.starts_with("KAFKA_")).count(),
    )
}

/// A kubelet's request, with a key of its own, and what became of it.
async fn request(
    plane: &ControlPlane,
    namespace: &str,
    signer: &str,
) -> Result<(KeyPair, PodCertificateRequest)> {
    let key = KeyPair::generate()?;
    let uid = format!("uid-{}", rand::random::<u32>());
    let object: PodCertificateRequest = serde_json::from_value(json!({
        "metadata": {"generateName": "req-"},
        "spec": {
            "signerName": signer, "podName": "app", "podUID": uid,
            "serviceAccountName": "orders", "serviceAccountUID": "s", "nodeName": "n", "nodeUID": "m",
            "maxExpirationSeconds": 3600,
            "pkixPublicKey": k8s_openapi::ByteString(key.subject_public_key_info()),
            "proofOfPossession": k8s_openapi::ByteString(key.sign(uid.as_bytes())?)
        }
    }))?;
    let api: Api<PodCertificateRequest> = Api::namespaced(plane.client.clone(), namespace);
    let name = api
        .create(&PostParams::default(), &object)
        .await?
        .name_any();
    let answered = until("an answer of the signer", PATIENCE, || async {
        let request = api.get(&name).await?;
        let conditions = request.status.as_ref().and_then(|s| s.conditions.as_ref());
        Ok(conditions.is_some_and(|c| !c.is_empty()).then_some(request))
    })
    .await?;
    Ok((key, answered))
}

fn said(request: &PodCertificateRequest) -> (String, String) {
    let conditions = request.status.clone().unwrap_or_default().conditions;
    let first = conditions.into_iter().flatten().next();
    first.map_or_else(Default::default, |c| (c.type_, c.reason))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_asks_is_taken_as_it_is_patched_and_its_certificate_is_signed() -> Result<()> {
    let plane = ControlPlane::start("injection").await?;
    install_roles(&plane)?;
    for (name, team) in [("streaming", "kafka"), ("shop", "shop"), ("bank", "bank")] {
        namespace(&plane, name, team).await?;
    }
    let [port] = free_ports()?;
    let listen = [
        format!("--address=127.0.0.1:{port}"),
        format!("--url=https://127.0.0.1:{port}"),
    ];
    let mut webhook = start(&plane, "sdm-webhook", &listen)?;
    let _controller = start(
        &plane,
        "sdm-controller",
        &["--leader-elect=false".to_owned()],
    )?;
    let cluster: KafkaCluster = serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster", "metadata": {"name": "events"},
        "spec": {
            "pools": [{"name": "n", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}}],
            "tenancy": {"allowedNamespaces": {"matchLabels": {"team": "shop"}}}
        }
    }))?;
    let clusters: Api<KafkaCluster> = Api::namespaced(plane.client.clone(), "streaming");
    clusters.create(&PostParams::default(), &cluster).await?;
    let bundles: Api<ClusterTrustBundle> = Api::all(plane.client.clone());
    let bundle = until("the trust bundle", PATIENCE, || async {
        Ok(bundles.get_opt("kafka.sdm.dev:streaming.events:ca").await?)
    })
    .await?;

    // Admission. The first that is patched shows that API servers know of the webhook.
    let first = until("a Pod to be injected", PATIENCE, || async {
        let name = format!("first-{}", rand::random::<u32>());
        let pod = create(&plane, "shop", &pod(&name, "streaming/events")).await?;
        Ok((injected(&pod) == (3, 15)).then_some(pod))
    })
    .await?;
    let sources = first
        .spec
        .as_ref()
        .and_then(|s| s.volumes.as_ref())
        .and_then(|v| v.iter().find(|v| v.name == "kafka-sdm-dev-client"))
        .and_then(|v| v.projected.as_ref())
        .and_then(|p| p.sources.clone())
        .context("the volume")?;
    let certificate = sources[0]
        .pod_certificate
        .as_ref()
        .context("it was dropped")?;
    ensure!(certificate.signer_name == SIGNER, "{certificate:?}");
    // What was injected comes back as it is, with every default filled in, and is recognized.
    let mut copy = first.clone();
    copy.metadata = serde_json::from_value(json!({
        "name": "copy", "annotations": first.metadata.annotations
    }))?;
    let copy = create(&plane, "shop", &serde_json::to_value(&copy)?).await?;
    ensure!(injected(&copy) == (3, 15), "{:?}", injected(&copy));
    ensure!(copy.metadata.annotations == first.metadata.annotations);

    let out = create(&plane, "bank", &pod("opt-out", "false")).await?;
    ensure!(injected(&out) == (0, 0));
    let (code, message) = refusal(&plane, "bank", &pod("bank", "streaming/events")).await?;
    ensure!(
        code == 403 && message.contains("may not use this cluster"),
        "{code} {message}"
    );
    let (code, message) = refusal(&plane, "shop", &pod("lost", "streaming/lost")).await?;
    ensure!(
        code == 422 && message.contains("there is no KafkaCluster streaming/lost"),
        "{code} {message}"
    );
    let mut forged = pod("forged", "streaming/events");
    forged["spec"]["volumes"] =
        json!([{"name": "kafka-sdm-dev-client", "secret": {"secretName": "events-admin"}}]);
    let (code, message) = refusal(&plane, "shop", &forged).await?;
    ensure!(
        code == 422 && message.contains("rename it"),
        "{code} {message}"
    );

    // The signer.
    let (key, answered) = request(&plane, "shop", SIGNER).await?;
    ensure!(
        said(&answered) == ("Issued".into(), "Issued".into()),
        "{:?}",
        answered.status
    );
    let status = answered.status.context("a status")?;
    let leaf = inspect(&status.certificate_chain.context("a chain")?)?;
    ensure!(
        leaf.subject_cn.as_deref() == Some("shop/orders"),
        "{leaf:?}"
    );
    ensure!(leaf.public_key == key.subject_public_key_info());
    ensure!(leaf.issuer_matches(&inspect(&bundle.spec.trust_bundle)?));
    for (namespace, signer, reason) in [
        ("bank", SIGNER, "NamespaceNotAllowed"),
        ("shop", "kafka.sdm.dev/streaming.lost", "ClusterNotFound"),
        ("shop", "kafka.sdm.dev/shop.events", "ClusterNotFound"),
    ] {
        let (_, answered) = request(&plane, namespace, signer).await?;
        ensure!(
            said(&answered) == ("Denied".into(), reason.into()),
            "{:?}",
            answered.status
        );
    }

    // A policy that came since forbids the certificate, which no webhook was asked about.
    let policy: KafkaPolicy = serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": "short"},
        "spec": {"match": {"namespaces": ["shop"]}, "injection": {"lifetime": {"max": "59m"}}}
    }))?;
    Api::all(plane.client.clone())
        .create(&PostParams::default(), &policy)
        .await?;
    let denied = until("a denial by policy", PATIENCE, || async {
        let (_, answered) = request(&plane, "shop", SIGNER).await?;
        Ok((said(&answered).0 == "Denied").then_some(answered))
    })
    .await?;
    ensure!(
        said(&denied).1 == "ForbiddenByPolicy",
        "{:?}",
        denied.status
    );

    // A webhook that is down holds up no Pod.
    webhook.kill();
    let late = create(&plane, "shop", &pod("late", "streaming/events")).await?;
    ensure!(injected(&late) == (0, 0));
    // What is published goes with the cluster.
    clusters.delete("events", &DeleteParams::default()).await?;
    until("the trust bundle to go", PATIENCE, || async {
        let left = bundles.get_opt("kafka.sdm.dev:streaming.events:ca").await?;
        Ok(left.is_none().then_some(()))
    })
    .await
}
