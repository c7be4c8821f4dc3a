//! Admission: what a review takes in the webhook while thousands of topics are known, what the webhook needs in memory, how
//! soon an eviction is decided, and how long all policies take over all objects. Needs no node: etcd and kube-apiserver are
//! started for it.
//!
//! Beside it, what a user would have instead: the same refusal by a ValidatingAdmissionPolicy inside the API server.

mod evictions;
mod load;
mod refusals;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, PostParams};
use sdm_api::{KafkaPolicy, KafkaTopic};
use sdm_core::policy::sample;
use sdm_tests::bulk;
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::wait::until;
use sdm_tests::webhook::Webhook;
use serde_json::{Value, json};

use crate::{Figures, PATIENCE, rounded};

const TOPICS: usize = 5000;
const NAMESPACES: usize = 50;
const POLICIES: usize = 20;
/// How long nothing happens before memory is looked at.
const IDLE: Duration = Duration::from_secs(10);

/// The figures.
pub async fn measure(figures: &mut Figures) -> Result<()> {
    let plane = ControlPlane::start("bench-admission").await?;
    let webhook = Webhook::start(&plane).await?;
    figures.insert("webhook_rss_idle_mb", memory(&webhook).await?);

    populate(&plane).await?;
    restrict(&plane).await?;
    counts(&plane).await?;
    let followed = memory(&webhook).await?;
    drop(webhook);
    // One that starts has to list them all at once.
    let webhook = Webhook::start(&plane).await?;
    counts(&plane).await?;
    let listed = memory(&webhook).await?;
    println!("with {TOPICS} topics: {followed} MB, {listed} MB after a restart");
    figures.insert("webhook_rss_5000_topics_mb", followed.max(listed));

    load::measure(&webhook, figures).await?;
    refusals::measure(&plane, figures).await?;
    figures.insert("webhook_rss_after_load_mb", memory(&webhook).await?);
    evictions::measure(&plane, &webhook, figures).await?;

    let (policies, objects) = (sample::policies(1000), sample::objects(1000));
    let began = Instant::now();
    ensure!(sample::audit(&policies, &objects) > 0, "nothing was found");
    let took = began.elapsed();
    figures.insert("policy_audit_1000x1000_s", rounded(took.as_secs_f64()));
    Ok(())
}

/// Resident memory in MB, when the webhook has done nothing for a while.
async fn memory(webhook: &Webhook) -> Result<f64> {
    tokio::time::sleep(IDLE).await;
    Ok(rounded(
        webhook.process.resident_kb()? as f64 * 1024.0 / 1e6,
    ))
}

/// Topics in many namespaces, as a large installation has them.
async fn populate(plane: &ControlPlane) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(plane.client.clone());
    for n in 0..NAMESPACES {
        let labels = json!({"env": if n % 2 == 0 { "prod" } else { "dev" }});
        let namespace = json!({"metadata": {"name": format!("team-{n}"), "labels": labels}});
        let namespace = serde_json::from_value(namespace)?;
        namespaces
            .create(&PostParams::default(), &namespace)
            .await?;
    }
    let topics = sample::objects(TOPICS).into_iter();
    let topics = topics.map(serde_json::from_value::<KafkaTopic>);
    bulk::create(&plane.client, topics.collect::<Result<_, _>>()?).await
}

/// Policies, one of which goes by how many topics there are.
async fn restrict(plane: &ControlPlane) -> Result<()> {
    let quota = json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaPolicy", "metadata": {"name": "quota"},
        "spec": {"topics": {"perNamespace": {"topics": TOPICS / NAMESPACES}}},
    });
    let api: Api<KafkaPolicy> = Api::all(plane.client.clone());
    let mut policies = sample::policies(POLICIES);
    policies.push(serde_json::from_value(quota)?);
    for policy in policies {
        api.create(&PostParams::default(), &policy).await?;
    }
    Ok(())
}

/// Waits until one topic more is refused everywhere, which tells that all are known.
async fn counts(plane: &ControlPlane) -> Result<()> {
    let params = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for n in 0..NAMESPACES {
        let namespace = format!("team-{n}");
        let api: Api<KafkaTopic> = Api::namespaced(plane.client.clone(), &namespace);
        let one = topic(
            &namespace,
            "one-more",
            json!({"partitions": 3, "replicas": 3}),
        );
        let one = serde_json::from_value(one)?;
        until("topics to be counted", PATIENCE, || async {
            let said = api.create(&params, &one).await.err();
            let said = said.map(|e| e.to_string()).unwrap_or_default();
            ensure!(said.contains("policy quota"), "{said}");
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

/// A topic in the cluster that all of them are in.
fn topic(namespace: &str, name: &str, mut spec: Value) -> Value {
    spec["clusterRef"] = json!({"name": "events", "namespace": "kafka"});
    json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaTopic",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": "shop"}}, "spec": spec,
    })
}
