//! Injection on an API server that serves no pod certificates, as Kubernetes is unless told otherwise: the Secret of the
//! service account is written, renewed in place and goes with the account; what a Pod forges gets it nothing, and what
//! somebody else wrote is left as it is. Kubelets and Kafka are the node's to test.

use anyhow::{Context, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use rcgen::{KeyPair, PublicKeyData};
use sdm_api::inject::LABEL_ACCOUNT;
use sdm_api::{KafkaCluster, KafkaPolicy};
use sdm_runtime::pki::{CertInfo, inspect};
use sdm_tests::control_plane::{ControlPlane, free_ports};
use sdm_tests::paths;
use sdm_tests::process::Process;
use sdm_tests::wait::until;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::injection::{PATIENCE, create, injected, install_roles, namespace, pod, refusal, start};

/// The annotation that asks.
const ASKS: &str = "kafka.sdm.dev/inject";

fn controller(plane: &ControlPlane) -> Result<Process> {
    let arguments = ["--leader-elect=false", "--least-secret-lifetime=3"];
    start(plane, "sdm-controller", &arguments.map(str::to_owned))
}

/// A control plane with a cluster that lets the team `shop` in.
struct World {
    plane: ControlPlane,
    _webhook: Process,
    controller: Process,
}

impl World {
    async fn start(name: &str) -> Result<Self> {
        let plane = ControlPlane::start_plain(name).await?;
        install_roles(&plane)?;
        for (name, team) in [("streaming", "kafka"), ("shop", "shop"), ("bank", "bank")] {
            namespace(&plane, name, team).await?;
        }
        let [port] = free_ports()?;
        let listen = [
            format!("--address=127.0.0.1:{port}"),
            format!("--url=https://127.0.0.1:{port}"),
        ];
        let webhook = start(&plane, "sdm-webhook", &listen)?;
        let controller = controller(&plane)?;
        let cluster: KafkaCluster = serde_json::from_value(json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster", "metadata": {"name": "events"},
            "spec": {
                "pools": [{"name": "n", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}}],
                "tenancy": {"allowedNamespaces": {"matchLabels": {"team": "shop"}}}
            }
        }))?;
        let clusters: Api<KafkaCluster> = Api::namespaced(plane.client.clone(), "streaming");
        clusters.create(&PostParams::default(), &cluster).await?;
        Ok(Self {
            plane,
            _webhook: webhook,
            controller,
        })
    }

    fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.plane.client.clone(), namespace)
    }

    fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.plane.client.clone(), namespace)
    }

    async fn account(&self, namespace: &str, name: &str) -> Result<()> {
        let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": name}}))?;
        Api::namespaced(self.plane.client.clone(), namespace)
            .create(&PostParams::default(), &account)
            .await?;
        Ok(())
    }

    /// A Pod of a service account of `shop`, as it was let in.
    async fn admit(&self, name: &str, account: &str) -> Result<Pod> {
        let mut asks = pod(name, "streaming/events");
        asks["spec"]["serviceAccountName"] = json!(account);
        Ok(create(&self.plane, "shop", &asks).await?)
    }

    /// A Pod that its author makes what injection would have made it, behind the webhook's back: it asks when it is there.
    async fn forge(
        &self,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<()> {
        let mut forged = pod(name, "false");
        forged["metadata"]["labels"] = json!({"kafka.sdm.dev/injected": "secret"});
        forged["spec"]["volumes"] = volume("orders");
        change(&mut forged);
        create(&self.plane, namespace, &forged).await?;
        self.annotate(namespace, name, ASKS, "streaming/events")
            .await
    }

    async fn annotate(&self, namespace: &str, pod: &str, key: &str, value: &str) -> Result<()> {
        let patch = json!({"metadata": {"annotations": {key: value}}});
        let params = PatchParams::default();
        let pods = self.pods(namespace);
        pods.patch(pod, &params, &Patch::Merge(patch)).await?;
        Ok(())
    }

    async fn secret(&self, account: &str) -> Result<Option<Secret>> {
        let name = format!("kafka-client.streaming.events.{account}");
        Ok(self.secrets("shop").get_opt(&name).await?)
    }

    async fn delivered(&self, account: &str) -> Result<Delivered> {
        until("the Secret", PATIENCE, || async {
            self.secret(account).await?.map(Delivered::of).transpose()
        })
        .await
    }

    /// Waits for an event about a Pod, and returns what it says.
    async fn event(&self, namespace: &str, pod: &str, reason: &str) -> Result<String> {
        let api: Api<Event> = Api::namespaced(self.plane.client.clone(), namespace);
        until("an event", PATIENCE, || async {
            let all = api.list(&ListParams::default()).await?;
            let about = |e: &&Event| {
                let regarding = e.regarding.as_ref().and_then(|r| r.name.as_deref());
                regarding == Some(pod) && e.reason.as_deref() == Some(reason)
            };
            Ok(all.iter().find(about).and_then(|e| e.note.clone()))
        })
        .await
    }
}

/// The volume that injection adds for an account of `shop`.
fn volume(account: &str) -> Value {
    let name = format!("kafka-client.streaming.events.{account}");
    json!([{"name": "kafka-sdm-dev-client", "projected": {"sources": [{"secret": {"name": name}}]}}])
}

/// What is in a Secret.
#[derive(Debug)]
struct Delivered {
    uid: Option<String>,
    owner: Option<String>,
    text: String,
    leaf: CertInfo,
    seconds: i64,
}

impl Delivered {
    /// Reads it; its parts must fit together.
    fn of(secret: Secret) -> Result<Self> {
        let data = secret.data.clone().unwrap_or_default();
        let file = |name: &str| -> Result<String> {
            let ByteString(content) = data.get(name).with_context(|| name.to_owned())?;
            Ok(String::from_utf8(content.clone())?)
        };
        let (text, key) = (file("tls.crt")?, file("tls.key")?);
        let leaf = inspect(&text)?;
        let pair = KeyPair::from_pem(&key)?;
        ensure!(pair.is_compatible(&rcgen::PKCS_ECDSA_P256_SHA256));
        ensure!(pair.subject_public_key_info() == leaf.public_key);
        ensure!(leaf.issuer_matches(&inspect(&file("ca.crt")?)?));
        let keystore = file("keystore.pem")?;
        ensure!(keystore.contains(text.trim()) && keystore.contains(key.trim()));
        let owner = secret.metadata.owner_references.iter().flatten().next();
        Ok(Self {
            uid: secret.uid(),
            owner: owner.map(|o| o.uid.clone()),
            seconds: leaf.not_after.as_second() - leaf.not_before.as_second(),
            text,
            leaf,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_an_account_comes_is_renewed_and_goes_with_it() -> Result<()> {
    let mut world = World::start("injection-secret").await?;
    for account in ["orders", "later"] {
        world.account("shop", account).await?;
    }
    // The first that is patched shows that API servers know of the webhook.
    let first = until("a Pod to be injected", PATIENCE, || async {
        let name = format!("first-{}", rand::random::<u32>());
        let pod = world.admit(&name, "orders").await?;
        if injected(&pod) == (3, 15) {
            return Ok(Some(pod));
        }
        let now = DeleteParams::default().grace_period(0);
        world.pods("shop").delete(&name, &now).await?;
        Ok(None)
    })
    .await?;
    ensure!(
        first
            .labels()
            .get("kafka.sdm.dev/injected")
            .map(String::as_str)
            == Some("secret")
    );
    let volumes = first.spec.clone().and_then(|s| s.volumes);
    let volumes = serde_json::to_value(volumes)?;
    ensure!(
        volumes[0]["projected"]["sources"][0]["secret"]["name"]
            == "kafka-client.streaming.events.orders",
        "{volumes}"
    );
    // What was injected comes back as it is, with every default filled in, and is recognized.
    let mut copy = first.clone();
    copy.metadata = serde_json::from_value(json!({
        "name": "copy", "annotations": first.metadata.annotations, "labels": first.metadata.labels
    }))?;
    let copy = create(&world.plane, "shop", &serde_json::to_value(&copy)?).await?;
    ensure!(injected(&copy) == (3, 15), "{:?}", injected(&copy));
    world
        .pods("shop")
        .delete("copy", &DeleteParams::default().grace_period(0))
        .await?;

    let mut before = world.delivered("orders").await?;
    ensure!(before.leaf.subject_cn.as_deref() == Some("shop/orders"));
    ensure!(before.seconds == 7 * 86_400 + 120, "{before:?}");
    let secret = before.uid.clone();
    // In place, again and again, each with another key.
    let name = first.name_any();
    let lifetime = "kafka.sdm.dev/inject-lifetime";
    world.annotate("shop", &name, lifetime, "6s").await?;
    for _ in 0..5 {
        let next = until("a renewal", PATIENCE, || async {
            let now = world.delivered("orders").await?;
            Ok((now.text != before.text).then_some(now))
        })
        .await?;
        ensure!(next.uid == secret && next.leaf.public_key != before.leaf.public_key);
        ensure!(next.leaf.subject_cn == before.leaf.subject_cn && next.seconds == 126);
        before = next;
    }
    // Somebody wants more than it is valid: it comes at once, and stays.
    world.annotate("shop", &name, lifetime, "24h").await?;
    until("a longer one", PATIENCE, || async {
        let now = world.delivered("orders").await?;
        Ok((now.seconds == 86_400 + 120).then_some(()))
    })
    .await?;
    // What is not as it was written is written again.
    let patch = json!({"stringData": {"tls.key": "touched"}});
    let name_of_secret = "kafka-client.streaming.events.orders";
    world
        .secrets("shop")
        .patch(
            name_of_secret,
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await?;
    let mended = until("it to be mended", PATIENCE, || async {
        let now = world.secret("orders").await?.context("the Secret")?;
        Ok(Delivered::of(now).ok())
    })
    .await?;

    // Another controller finds it as it should be, and renews nothing.
    world.controller.kill();
    world.controller = controller(&world.plane)?;
    let version = world.secret("orders").await?.map(|s| s.resource_version());
    world.admit("later", "later").await?;
    world.delivered("later").await?;
    ensure!(world.secret("orders").await?.map(|s| s.resource_version()) == version);

    // It goes with the account, and comes back with the next one of that name.
    let accounts: Api<ServiceAccount> = Api::namespaced(world.plane.client.clone(), "shop");
    accounts.delete("orders", &DeleteParams::default()).await?;
    until("the Secret to go", PATIENCE, || async {
        Ok(world.secret("orders").await?.is_none().then_some(()))
    })
    .await?;
    let said = world.event("shop", &name, "ServiceAccountNotFound").await?;
    ensure!(said.contains("no service account orders"), "{said}");
    world.account("shop", "orders").await?;
    let again = world.delivered("orders").await?;
    ensure!(again.owner.is_some() && again.owner != mended.owner);

    // With the last Pod it goes as well, when it would have been renewed.
    world.annotate("shop", &name, lifetime, "6s").await?;
    until("a short one", PATIENCE, || async {
        let now = world.delivered("orders").await?;
        Ok((now.seconds == 126).then_some(()))
    })
    .await?;
    let now = DeleteParams::default().grace_period(0);
    world.pods("shop").delete(&name, &now).await?;
    until("the Secret to go", PATIENCE, || async {
        Ok(world.secret("orders").await?.is_none().then_some(()))
    })
    .await?;

    // A cluster that wants no Secrets has none.
    let patch = json!({"spec": {"injection": {"mode": "PodCertificates"}}});
    let clusters: Api<KafkaCluster> = Api::namespaced(world.plane.client.clone(), "streaming");
    clusters
        .patch("events", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    let (code, message) = until("the webhook to know", PATIENCE, || async {
        let name = format!("strict-{}", rand::random::<u32>());
        Ok(
            refusal(&world.plane, "shop", &pod(&name, "streaming/events"))
                .await
                .ok(),
        )
    })
    .await?;
    ensure!(
        code == 422 && message.contains("(spec.injection.mode), and this Kubernetes serves none"),
        "{code} {message}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_gets_nothing_and_what_is_somebody_elses_stays() -> Result<()> {
    let world = World::start("injection-forged").await?;
    for (namespace, accounts) in [
        ("shop", ["orders", "payments", "taken", "last"].as_slice()),
        ("bank", &["orders"]),
    ] {
        for account in accounts {
            world.account(namespace, account).await?;
        }
    }
    let policy: KafkaPolicy = serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": "own-accounts"},
        "spec": {"injection": {"forbiddenServiceAccounts": ["default"], "lifetime": {"max": "168h"}}}
    }))?;
    let policies: Api<KafkaPolicy> = Api::all(world.plane.client.clone());
    policies.create(&PostParams::default(), &policy).await?;
    // Somebody else's, under a name that is to be ours.
    let foreign: Secret = serde_json::from_value(json!({
        "metadata": {"name": "kafka-client.streaming.events.taken"}, "stringData": {"tls.crt": "mine"}
    }))?;
    let secrets = world.secrets("shop");
    let foreign = secrets.create(&PostParams::default(), &foreign).await?;

    // The webhook says no where it is asked.
    let (code, message) = until("the webhook to refuse", PATIENCE, || async {
        let mut pod = pod("default", "streaming/events");
        pod["spec"]["serviceAccountName"] = json!(null);
        let said = refusal(&world.plane, "shop", &pod).await;
        if said.is_err() {
            let now = DeleteParams::default().grace_period(0);
            world.pods("shop").delete("default", &now).await?;
        }
        said.map(Some)
    })
    .await?;
    ensure!(
        code == 403
            && message.contains("spec.serviceAccountName")
            && message.contains("(policy own-accounts, injection.forbiddenServiceAccounts)"),
        "{code} {message}"
    );
    let mut long = pod("long", "streaming/events");
    long["metadata"]["annotations"]["kafka.sdm.dev/inject-lifetime"] = json!("169h");
    let (code, message) = refusal(&world.plane, "shop", &long).await?;
    ensure!(
        code == 403 && message.contains("169h is too long: use at most 168h"),
        "{message}"
    );
    let mut mounts = pod("mounts", "streaming/events");
    mounts["spec"]["volumes"] = volume("payments");
    let (code, message) = refusal(&world.plane, "shop", &mounts).await?;
    ensure!(
        code == 422 && message.contains("rename it"),
        "{code} {message}"
    );

    // And where it is not, the controller does.
    let as_account = |account: &'static str| {
        move |pod: &mut Value| pod["spec"]["serviceAccountName"] = json!(account)
    };
    world
        .forge("shop", "other-secret", as_account("payments"))
        .await?;
    world
        .forge("shop", "label-only", |pod| {
            pod["spec"]["serviceAccountName"] = json!("payments");
            pod["spec"]["volumes"] = json!([]);
        })
        .await?;
    world.forge("bank", "kept-out", |_| {}).await?;
    let said = world
        .event("bank", "kept-out", "NamespaceNotAllowed")
        .await?;
    ensure!(said.contains("may not use this cluster"), "{said}");
    world
        .forge("shop", "by-default", |pod| {
            pod["spec"]["serviceAccountName"] = json!(null);
            pod["spec"]["volumes"] = volume("default");
        })
        .await?;
    let said = world
        .event("shop", "by-default", "ForbiddenByPolicy")
        .await?;
    ensure!(said.contains("(policy own-accounts"), "{said}");

    let taken = world.admit("taken", "taken").await?;
    ensure!(injected(&taken) == (3, 15));
    let said = world.event("shop", "taken", "SecretTaken").await?;
    ensure!(
        said.contains("kafka-client.streaming.events.taken exists"),
        "{said}"
    );
    // Pods are heard of in the order in which they come: after this one all were.
    world.admit("last", "last").await?;
    let last = world.delivered("last").await?;
    ensure!(last.leaf.subject_cn.as_deref() == Some("shop/last"));
    for account in ["orders", "payments", "default"] {
        ensure!(
            world.secret(account).await?.is_none(),
            "{account} has a Secret"
        );
    }
    let of_bank = world.secrets("bank").list(&ListParams::default()).await?;
    ensure!(of_bank.items.is_empty(), "{:?}", of_bank.items.len());
    let still = world.secret("taken").await?.context("the foreign Secret")?;
    ensure!(
        still.resource_version() == foreign.resource_version(),
        "it was written"
    );

    // It counts as what it is, an existing Pod against policy.
    until("the policy's status", PATIENCE * 2, || async {
        let status = policies
            .get("own-accounts")
            .await?
            .status
            .unwrap_or_default();
        let found = status.violations.iter().find(|v| v.kind == "Pod");
        Ok(found.filter(|v| v.name == "by-default").map(|_| ()))
    })
    .await?;
    // When the name is free it is used.
    secrets
        .delete(
            "kafka-client.streaming.events.taken",
            &DeleteParams::default(),
        )
        .await?;
    let taken = world.delivered("taken").await?;
    ensure!(taken.leaf.subject_cn.as_deref() == Some("shop/taken"));

    // Who removes everything leaves no key behind, and takes nothing of anybody else's.
    let theirs = json!({"metadata": {"name": "theirs", "labels": {LABEL_ACCOUNT: "taken"}}});
    let theirs: Secret = serde_json::from_value(theirs)?;
    secrets.create(&PostParams::default(), &theirs).await?;
    drop(world.controller);
    let output = Command::new(paths::program("kubectl-kafka"))
        .args(["uninstall", "--crds", "--yes", "--wait=false"])
        .env("KUBECONFIG", &world.plane.kubeconfig)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success()
            && said.contains("secret/shop/kafka-client.streaming.events.taken deleted"),
        "{output:?}"
    );
    let labelled = ListParams::default().labels(LABEL_ACCOUNT);
    let left = secrets.list(&labelled).await?;
    let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
    ensure!(left == ["theirs"], "{left:?}");
    Ok(())
}
