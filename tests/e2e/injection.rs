//! Pods with an annotation, and no Secret anywhere: Kafka's own tools and kcat log in as the Pod's service account, may
//! what a `KafkaACL` lets that account do and nothing else, and go on while certificates are renewed. Nothing that a
//! Pod's author writes makes it somebody else.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::certificates::v1beta1::PodCertificateRequest;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, PostParams};
use sdm_tests::console::{Console, MOUNT, Said};
use sdm_tests::space::{Kind, Space};
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::{KEPT_OUT, PATIENCE, TENANTS, kafka_image, tenants};

/// The service account of every test, in each namespace another one.
pub const ACCOUNT: &str = "orders";
const SIGNER: &str = "kafka.sdm.dev/tenants.tenants";

/// A namespace with a topic, a service account and a Deployment whose Pod has its identity.
pub struct Client {
    pub space: Space,
    pub console: Console,
    pub topic: String,
}

pub async fn space(prefix: &str) -> Result<Space> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, prefix).await?;
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": ACCOUNT}}))?;
    Api::namespaced(node.client.clone(), &space.name)
        .create(&PostParams::default(), &account)
        .await?;
    Ok(space)
}

impl Client {
    pub async fn new(prefix: &str, lifetime: &str) -> Result<Self> {
        let space = space(prefix).await?;
        let topic = space.topic("orders", json!({"partitions": 1})).await?;
        let image = kafka_image(&space.node).await?;
        let asks = json!({
            "kafka.sdm.dev/inject": "tenants/tenants", "kafka.sdm.dev/inject-lifetime": lifetime
        });
        let console = Console::asking(&space.node, &space.name, ACCOUNT, asks, &image).await?;
        Ok(Self {
            space,
            console,
            topic,
        })
    }

    pub async fn allow(&self) -> Result<()> {
        let spec = json!({
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT}],
            "roles": ["producer", "consumer"],
            "resources": [
                {"type": "topic", "name": self.topic},
                {"type": "group", "name": format!("{}.", self.space.name), "pattern": "prefixed"}
            ]
        });
        self.space.make(Kind::Acl, ACCOUNT, spec).await?;
        self.space.ready(Kind::Acl, ACCOUNT).await?;
        Ok(())
    }

    /// Writes a line with Kafka's own tool.
    pub async fn java_writes(&self, topic: &str, line: &str) -> Result<Said> {
        let tool = java("kafka-console-producer", topic, "");
        self.console.run(&format!("echo {line} | {tool}")).await
    }

    /// Reads one line with Kafka's own tool.
    pub async fn java_reads(&self, topic: &str) -> Result<Said> {
        let group = format!(
            "--group {}.tool --from-beginning --max-messages 1 --timeout-ms 20000",
            self.space.name
        );
        self.console
            .run(&java("kafka-console-consumer", topic, &group))
            .await
    }

    pub async fn kcat(&self, topic: &str, arguments: &str) -> Result<Said> {
        self.console.run(&kcat(MOUNT, topic, arguments)).await
    }

    /// The certificate that is mounted now.
    pub async fn certificate(&self) -> Result<String> {
        let certificate = self.console.run(&format!("cat {MOUNT}/tls.crt")).await?;
        certificate.done()
    }

    pub async fn end(self) -> Result<()> {
        self.space.close().await
    }
}

/// A command line of Kafka's Java tools, with what was injected and nothing else.
pub fn java(tool: &str, topic: &str, arguments: &str) -> String {
    format!(
        "{tool}.sh --bootstrap-server $KAFKA_BOOTSTRAP_SERVERS --command-config {MOUNT}/client.properties \
         --topic {topic} {arguments}"
    )
}

pub fn kcat(directory: &str, topic: &str, arguments: &str) -> String {
    format!("kcat -q -F {directory}/librdkafka.properties -t {topic} {arguments}")
}

#[tokio::test(flavor = "multi_thread")]
async fn injected_pods_of_two_namespaces_do_what_their_own_account_may() -> Result<()> {
    let clients = [
        Client::new("inject-a", "24h").await?,
        Client::new("inject-b", "24h").await?,
    ];
    for client in &clients {
        let Client { topic, console, .. } = client;
        let said = client.java_writes(topic, "early").await?;
        ensure!(said.is_denied(), "before the ACL: {said:?}");
        let said = client.kcat(topic, "-C -o beginning -e").await?;
        ensure!(said.is_denied(), "before the ACL: {said:?}");
        // Nothing of it can be written, not even by its owner.
        let said = console
            .run(&format!("echo x >{MOUNT}/tls.key; echo x >{MOUNT}/new"))
            .await?;
        ensure!(
            !said.ok && said.err.matches("Read-only").count() == 2,
            "{said:?}"
        );
    }
    for client in &clients {
        client.allow().await?;
    }
    for (client, other) in [(&clients[0], &clients[1]), (&clients[1], &clients[0])] {
        client
            .java_writes(&client.topic, "from-java")
            .await?
            .done()?;
        let read = client.java_reads(&client.topic).await?.done()?;
        ensure!(read.trim() == "from-java", "{read}");
        let written = client
            .console
            .run(&format!(
                "echo from-kcat | {}",
                kcat(MOUNT, &client.topic, "-P")
            ))
            .await?;
        written.done()?;
        let read = client
            .kcat(&client.topic, "-C -o beginning -e")
            .await?
            .done()?;
        ensure!(read.trim() == "from-java\nfrom-kcat", "{read}");

        let said = client.java_writes(&other.topic, "x").await?;
        ensure!(
            said.is_denied(),
            "Java writes to the other's topic: {said:?}"
        );
        let said = client.java_reads(&other.topic).await?;
        ensure!(said.is_denied(), "Java reads the other's topic: {said:?}");
        let said = client.kcat(&other.topic, "-C -o beginning -e").await?;
        ensure!(said.is_denied(), "kcat reads the other's topic: {said:?}");
    }
    for client in clients {
        client.end().await?;
    }
    Ok(())
}

/// A script that logs in anew for each record, until there is a file `/tmp/enough`, with what is mounted at that moment, read
/// as a whole.
pub fn anew(topic: &str) -> String {
    format!(
        "n=0; while [ ! -e /tmp/enough ]; do \
           d=$(readlink {MOUNT}/..data); rm -rf /tmp/copy; cp -rL {MOUNT}/..data/ /tmp/copy 2>/dev/null; \
           [ \"$d\" = \"$(readlink {MOUNT}/..data)\" ] || continue; \
           sed -i 's#{MOUNT}/#/tmp/copy/#' /tmp/copy/librdkafka.properties; n=$((n+1)); \
           if echo anew-$n | {} 2>/tmp/anew.err; then echo ok $d; \
           else echo failed $d $(tr '\\n' ' ' </tmp/anew.err); fi; done",
        kcat("/tmp/copy", topic, "-P")
    )
}

/// Renews certificates again and again while clients go on. A kubelet that is started anew asks for new ones at once,
/// with new keys: it keeps none.
async fn renewals(count: usize) -> Result<()> {
    let client = Client::new("inject-renewal", "1h").await?;
    client.allow().await?;
    let Client { console, topic, .. } = &client;
    // On connections that last.
    let producer = java("kafka-verifiable-producer", topic, "--throughput 20");
    console
        .begin("producer", &format!("exec {producer}"))
        .await?;
    console
        .begin(
            "reader",
            &format!("exec {}", kcat(MOUNT, topic, "-C -u -o beginning")),
        )
        .await?;
    // And logging in anew for each record.
    let anew = anew(topic);
    console.begin("anew", &anew).await?;
    let flows = || async {
        for (name, word) in [
            ("producer", "producer_send_success"),
            ("reader", "\n"),
            ("anew", "ok "),
        ] {
            let before = console.output(name).await?.matches(word).count();
            let further = |text: &str| text.matches(word).count() > before + 2;
            console
                .until(name, &format!("{name} to get further"), further)
                .await?;
        }
        anyhow::Ok(())
    };
    flows().await?;
    let node_name = console.node_name().await?;
    for n in 1..=count {
        let before = client.certificate().await?;
        client.space.node.script("kubelet-restart", &[&node_name])?;
        until("another certificate to be mounted", PATIENCE, || async {
            let now = client.certificate().await?;
            Ok((now != before).then_some(()))
        })
        .await?;
        flows().await?;
        println!("renewal {n}");
    }
    console.run("touch /tmp/enough").await?.done()?;
    let anew = console.output("anew").await?;
    let failed: Vec<_> = anew.lines().filter(|l| l.starts_with("failed")).collect();
    ensure!(failed.is_empty(), "{failed:?}");
    let producer = console.end("producer").await?;
    ensure!(!producer.contains("producer_send_error"), "{producer}");
    let account = producer
        .lines()
        .filter_map(|l| serde_json::from_str::<Value>(l).ok())
        .find(|e| e["name"] == "tool_data")
        .context("the producer's own account")?;
    ensure!(account["sent"] == account["acked"], "{account}");
    let reader = console.end("reader").await?;
    ensure!(
        !reader.contains("ERROR") && !reader.contains('%'),
        "{reader}"
    );
    println!(
        "{count} renewals: {account}, {} logins",
        anew.lines().count()
    );
    client.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn injected_clients_go_on_while_certificates_are_renewed() -> Result<()> {
    renewals(2).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the same, longer"]
async fn injected_clients_go_on_through_ten_renewals() -> Result<()> {
    renewals(10).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour: no certificate of a Pod may be shorter than an hour, and it is renewed after a third"]
async fn an_injected_certificate_is_renewed_in_time_by_itself() -> Result<()> {
    let client = Client::new("inject-hour", "1h").await?;
    client.allow().await?;
    let before = client.certificate().await?;
    // Twenty minutes, up to five more of the kubelet's own, and its two ticks.
    until(
        "another certificate to be mounted",
        Duration::from_secs(32 * 60),
        || async {
            let now = client.certificate().await?;
            Ok((now != before).then_some(()))
        },
    )
    .await?;
    client.java_writes(&client.topic, "still").await?.done()?;
    client.end().await
}

/// A Pod that runs for a while; `change` makes it what its author would like it to be.
pub fn forged(name: &str, image: &str, change: impl FnOnce(&mut Value)) -> Result<Pod> {
    let mut pod = json!({
        "metadata": {"name": name, "annotations": {"kafka.sdm.dev/inject": "tenants/tenants"}},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}
            },
            "containers": [{
                "name": "app", "image": image, "command": ["sleep", "600"],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}
            }]
        }
    });
    change(&mut pod);
    Ok(serde_json::from_value(pod)?)
}

/// Takes the annotation away and mounts a certificate by hand.
fn by_hand(pod: &mut Value, certificate: Value) {
    pod["metadata"]["annotations"] = json!(null);
    pod["spec"]["volumes"] =
        json!([{"name": "mine", "projected": {"sources": [{"podCertificate": certificate}]}}]);
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "mine", "mountPath": "/mine", "readOnly": true}]);
}

/// The API server's sentence about a Pod that it does not take.
async fn refusal(space: &Space, pod: &Pod) -> Result<String> {
    match space
        .node
        .pods(&space.name)
        .create(&PostParams::default(), pod)
        .await
    {
        Err(kube::Error::Api(status)) => Ok(status.message.clone()),
        other => bail!("not refused: {other:?}"),
    }
}

/// Creates a Pod, and waits until its request is denied for `reason`: it never runs.
async fn denied(space: &Space, pod: &Pod, reason: &str) -> Result<()> {
    let pods = space.node.pods(&space.name);
    let created = pods.create(&PostParams::default(), pod).await?;
    let uid = created.metadata.uid.context("a uid")?;
    let api: Api<PodCertificateRequest> = Api::namespaced(space.node.client.clone(), &space.name);
    until("a denial", PATIENCE, || async {
        let all = api.list(&ListParams::default()).await?;
        let mine = all.iter().find(|r| r.spec.pod_uid == uid);
        let conditions = mine
            .and_then(|r| r.status.as_ref())
            .and_then(|s| s.conditions.clone());
        match conditions.into_iter().flatten().next() {
            Some(said) if said.type_ == "Denied" && said.reason == reason => Ok(Some(())),
            Some(said) if said.type_ == "Issued" => bail!("a certificate was issued"),
            said => bail!("{said:?}"),
        }
    })
    .await?;
    let name = created.metadata.name.context("a name")?;
    let phase = pods.get(&name).await?.status.and_then(|s| s.phase);
    ensure!(phase.as_deref() == Some("Pending"), "{phase:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_injected_pod_forges_gets_it_nothing() -> Result<()> {
    let victim = Client::new("inject-victim", "24h").await?;
    victim.allow().await?;
    let thief = space("inject-thief").await?;
    let image = kafka_image(&thief.node).await?;
    let certificate = |signer: &str| json!({"signerName": signer, "keyType": "ECDSAP256", "credentialBundlePath": "all.pem"});

    // Our names on something else.
    let pod = forged("volume", &image, |pod| {
        pod["spec"]["volumes"] =
            json!([{"name": "kafka-sdm-dev-client", "secret": {"secretName": "tenants-admin"}}]);
    })?;
    let said = refusal(&thief, &pod).await?;
    ensure!(
        said.contains("spec.volumes[kafka-sdm-dev-client]") && said.contains("rename it"),
        "{said}"
    );
    // A cluster that does not exist.
    let pod = forged("lost", &image, |pod| {
        pod["metadata"]["annotations"]["kafka.sdm.dev/inject"] = json!("tenants/lost");
    })?;
    let said = refusal(&thief, &pod).await?;
    ensure!(
        said.contains("there is no KafkaCluster tenants/lost"),
        "{said}"
    );
    // Another name for the signer to read.
    let pod = forged("annotations", &image, |pod| {
        let mut wanted = certificate(SIGNER);
        wanted["userAnnotations"] =
            json!({"kafka.sdm.dev/principal": format!("{}/{ACCOUNT}", victim.space.name)});
        by_hand(pod, wanted);
    })?;
    denied(&thief, &pod, "UnknownAnnotations").await?;
    let pod = forged("lost-signer", &image, |pod| {
        by_hand(pod, certificate("kafka.sdm.dev/tenants.lost"));
    })?;
    denied(&thief, &pod, "ClusterNotFound").await?;
    // With the very volume of the victim's it is nobody but itself.
    let asks = json!({"kafka.sdm.dev/inject": "tenants/tenants"});
    let console = Console::asking(&thief.node, &thief.name, ACCOUNT, asks, &image).await?;
    let said = console
        .run(&kcat(MOUNT, &victim.topic, "-C -o beginning -e"))
        .await?;
    ensure!(said.is_denied(), "the thief reads: {said:?}");

    // A namespace that may not use the cluster: refused when it asks, and denied when it helps itself.
    let out = space("inject-out").await?;
    out.label(KEPT_OUT).await?;
    let pod = forged("asks", &image, |_| {})?;
    until("the Pod to be refused", PATIENCE, || async {
        let said = refusal(&out, &pod).await;
        if said.is_err() {
            // The webhook had not heard of the label yet.
            let now = kube::api::DeleteParams::default().grace_period(0);
            out.node.pods(&out.name).delete("asks", &now).await?;
        }
        let said = said?;
        ensure!(said.contains("may not use this cluster"), "{said}");
        Ok(Some(()))
    })
    .await?;
    let pod = forged("helps-itself", &image, |pod| {
        by_hand(pod, certificate(SIGNER))
    })?;
    denied(&out, &pod, "NamespaceNotAllowed").await?;
    for space in [out, thief] {
        space.close().await?;
    }
    victim.end().await
}
