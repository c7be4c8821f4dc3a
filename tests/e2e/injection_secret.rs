//! The same Pods where keys come from a Secret of the service account, as on a Kubernetes that serves no pod certificates:
//! the cluster says so (`spec.injection.mode: Secret`). Nothing else is different for them, and they go on while the
//! Secret is renewed and the kubelet mounts what is new.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::certificates::v1beta1::PodCertificateRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use sdm_tests::console::MOUNT;
use sdm_tests::wait::until;
use serde_json::{Value, json};

use crate::injection::{ACCOUNT, Client, anew, forged, java, kcat, space};
use crate::{PATIENCE, TENANTS, kafka_image, tenants};

const SECRET: &str = "kafka-client.tenants.tenants.orders";

/// How the cluster of tenants gives identities; null for what it does unless told otherwise.
async fn set_mode(mode: Value) -> Result<()> {
    let (node, _) = tenants().await?;
    let patch = json!({"spec": {"injection": if mode.is_null() { mode.clone() } else { json!({"mode": mode}) }}});
    node.clusters(TENANTS.0)
        .patch(TENANTS.1, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    let wanted = if mode == "Secret" {
        "secret"
    } else {
        "pod-certificate"
    };
    // The webhook hears of it a moment later.
    let trial = space("inject-trial").await?;
    let image = kafka_image(&node).await?;
    let asks = forged("trial", &image, |_| {})?;
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    until("the webhook to know", PATIENCE, || async {
        let pod = node.pods(&trial.name).create(&dry, &asks).await?;
        let label = pod
            .labels()
            .get("kafka.sdm.dev/injected")
            .map(String::as_str);
        Ok((label == Some(wanted)).then_some(()))
    })
    .await?;
    trial.close().await
}

/// Has keys come from Secrets for as long as `body` runs.
async fn by_secret(body: impl Future<Output = Result<()>>) -> Result<()> {
    set_mode(json!("Secret")).await?;
    let result = body.await;
    set_mode(json!(null)).await?;
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_with_a_secret_do_what_their_own_account_may() -> Result<()> {
    by_secret(async {
        let clients = [
            Client::new("secret-a", "24h").await?,
            Client::new("secret-b", "24h").await?,
        ];
        for client in &clients {
            let said = client.java_writes(&client.topic, "early").await?;
            ensure!(said.is_denied(), "before the ACL: {said:?}");
            let look = format!("ls {MOUNT}; echo x >{MOUNT}/tls.key");
            let files = client.console.run(&look).await?;
            let listed: Vec<_> = files.out.split_whitespace().collect();
            ensure!(
                listed
                    == [
                        "ca.crt",
                        "client.properties",
                        "keystore.pem",
                        "librdkafka.properties",
                        "tls.crt",
                        "tls.key"
                    ]
                    && files.err.contains("Read-only"),
                "{files:?}"
            );
            client.allow().await?;
            let kubernetes = client.space.node.client.clone();
            let asked: Api<PodCertificateRequest> = Api::namespaced(kubernetes, &client.space.name);
            let asked = asked.list(&ListParams::default()).await?;
            ensure!(asked.items.is_empty(), "the kubelet asked for certificates");
        }
        for (client, other) in [(&clients[0], &clients[1]), (&clients[1], &clients[0])] {
            client
                .java_writes(&client.topic, "from-java")
                .await?
                .done()?;
            let written = format!("echo from-kcat | {}", kcat(MOUNT, &client.topic, "-P"));
            client.console.run(&written).await?.done()?;
            let read = client
                .kcat(&client.topic, "-C -o beginning -e")
                .await?
                .done()?;
            ensure!(read.trim() == "from-java\nfrom-kcat", "{read}");
            let read = client.java_reads(&client.topic).await?.done()?;
            ensure!(read.trim() == "from-java", "{read}");
            let said = client.kcat(&other.topic, "-C -o beginning -e").await?;
            ensure!(said.is_denied(), "kcat reads the other's topic: {said:?}");
        }
        // With the account the Secret goes.
        let [first, second] = clients;
        let kubernetes = first.space.node.client.clone();
        let accounts: Api<ServiceAccount> = Api::namespaced(kubernetes, &first.space.name);
        accounts.delete(ACCOUNT, &DeleteParams::default()).await?;
        until("the Secret to go", PATIENCE, || async {
            let left = first.space.secrets().get_opt(SECRET).await?;
            Ok(left.is_none().then_some(()))
        })
        .await?;
        first.end().await?;
        second.end().await
    })
    .await
}

/// Certificates of five minutes are renewed after a third of that, and the kubelet mounts each within one and a half.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "twenty minutes"]
async fn clients_go_on_while_the_secret_is_renewed_ten_times() -> Result<()> {
    by_secret(async {
        let client = Client::new("secret-renewal", "5m").await?;
        client.allow().await?;
        let Client { console, topic, .. } = &client;
        // On connections that last longer than certificates.
        let feed = "n=0; while [ ! -e /tmp/enough ]; do n=$((n+1)); echo line-$n; sleep 0.2; done";
        let lasting = format!("({feed}) | {}", java("kafka-console-producer", topic, ""));
        console.begin("lasting", &lasting).await?;
        let reader = format!("exec {}", kcat(MOUNT, topic, "-C -u -o beginning"));
        console.begin("reader", &reader).await?;
        // And logging in anew, with Kafka's own tool and with kcat.
        console.begin("anew", &anew(topic)).await?;
        let once = java("kafka-console-producer", topic, "");
        let again = format!(
            "n=0; while [ ! -e /tmp/enough ]; do n=$((n+1)); \
               if echo java-$n | {once} >/tmp/java.out 2>&1 && ! grep -q -e ERROR -e Exception /tmp/java.out; then echo ok $n; \
               else echo failed $n $(tr '\\n' ' ' </tmp/java.out); fi; done"
        );
        console.begin("java", &again).await?;
        let flows = || async {
            for (name, word) in [("reader", "line-"), ("anew", "ok "), ("java", "ok ")] {
                let before = console.output(name).await?.matches(word).count();
                let further = |text: &str| text.matches(word).count() > before + 1;
                console
                    .until(name, &format!("{name} to get further"), further)
                    .await?;
            }
            anyhow::Ok(())
        };
        flows().await?;
        for n in 1..=10 {
            let before = client.certificate().await?;
            until("the next certificate to be mounted", Duration::from_secs(300), || async {
                Ok((client.certificate().await? != before).then_some(()))
            })
            .await?;
            flows().await?;
            println!("renewal {n}");
        }
        console.run("touch /tmp/enough").await?.done()?;
        for name in ["anew", "java"] {
            let text = console.output(name).await?;
            let failed: Vec<_> = text.lines().filter(|l| l.starts_with("failed")).collect();
            ensure!(failed.is_empty(), "{name}: {failed:?}");
        }
        let lasting = console.output("lasting").await?;
        ensure!(
            !lasting.contains("ERROR") && !lasting.contains("Exception"),
            "{lasting}"
        );
        // Every line of the producer that never logged in again has arrived, in order and once.
        let reader = console.end("reader").await?;
        ensure!(!reader.contains("ERROR") && !reader.contains('%'), "{reader}");
        let lines: Vec<_> = reader.lines().filter(|l| l.starts_with("line-")).collect();
        for (n, line) in lines.iter().enumerate() {
            ensure!(**line == format!("line-{}", n + 1), "{line} after {n} lines");
        }
        ensure!(lines.len() > 1000, "{} lines", lines.len());
        client.end().await
    })
    .await
}
