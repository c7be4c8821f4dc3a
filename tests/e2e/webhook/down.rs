//! Nobody answers reviews: what goes on, what waits, and how it says so.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, EvictParams, ListParams, Patch, PatchParams,
    PostParams,
};
use kube::{Api, ResourceExt};
use sdm_api::{KafkaCluster, KafkaTopic, names};
use sdm_tests::applies::{Case, Want};
use sdm_tests::node::Node;
use sdm_tests::space::{Kind, Space};
use sdm_tests::wait::until;
use serde_json::{Value, json};

use super::{NAME, replicas, scale, settled};
use crate::{PATIENCE, TENANTS, kafka_image, tenants};

/// What nobody but the webhook refuses at apply.
fn misspelt(space: &Space, name: &str) -> Value {
    json!({"topicName": space.topic_name(name), "partitions": 1, "config": {"retention.m": "1"}})
}

/// What is said of it, by whomever.
const SENTENCE: &str = "retention.m is no configuration of topics; did you mean retention.ms?";

/// Runs `meanwhile` while no replica is left. They come back whatever it says.
async fn without(node: &Node, meanwhile: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
    scale(node, 0).await?;
    let gone = until("all replicas to go", PATIENCE, || async {
        Ok(replicas(node).await?.is_empty().then_some(()))
    });
    let came = match gone.await {
        Ok(()) => meanwhile().await,
        Err(error) => Err(error),
    };
    scale(node, 2).await?;
    settled(node).await?;
    answered(node).await?;
    came
}

/// Waits until API servers reach a replica: that one is Ready is known on every node a moment later.
async fn answered(node: &Node) -> Result<()> {
    let resource = ApiResource::erase::<KafkaTopic>(&());
    let spec = json!({"clusterRef": {"name": TENANTS.1, "namespace": TENANTS.0}});
    let object = DynamicObject::new("anything", &resource)
        .within(TENANTS.0)
        .data(json!({ "spec": spec }));
    let want = Want::Accepted;
    let case = Case {
        object,
        resource,
        want,
    };
    until("reviews to be answered", PATIENCE, || async {
        let came = case.tried(node.client.clone()).await;
        came.map(Some).map_err(anyhow::Error::msg)
    })
    .await
}

/// Why the API server did not take it.
fn refusal<T>(made: Result<T>) -> Result<String> {
    let error = made.err().context("it was taken")?;
    match error.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => Ok(status.message.clone()),
        _ => Err(error),
    }
}

/// A Pod that runs for a while.
fn pod(name: &str, image: &str, annotations: Value) -> Result<Pod> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {"app": name}, "annotations": annotations},
        "spec": {
            "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}
            },
            "containers": [{
                "name": "app", "image": image, "command": ["sleep", "600"],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}
            }]
        }
    }))?)
}

async fn runs(space: &Space, pod: &Pod) -> Result<Pod> {
    let pods = space.node.pods(&space.name);
    pods.create(&PostParams::default(), pod).await?;
    until(&format!("{} to run", pod.name_any()), PATIENCE, || async {
        let pod = pods.get(&pod.name_any()).await?;
        let phase = pod.status.as_ref().and_then(|s| s.phase.clone());
        Ok((phase.as_deref() == Some("Running")).then_some(pod))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_webhook_pods_start_and_what_they_ask_of_us_is_left_away() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "down").await?;
    let image = kafka_image(&node).await?;
    without(&node, async || {
        runs(&space, &pod("plain", &image, json!(null))?).await?;
        let asks = json!({"kafka.sdm.dev/inject": "tenants/tenants"});
        let asking = runs(&space, &pod("asking", &image, asks)?).await?;
        let volumes = asking.spec.and_then(|s| s.volumes).unwrap_or_default();
        let ours = volumes.iter().any(|v| v.name == "kafka-sdm-dev-client");
        ensure!(!ours, "who injected that? {volumes:?}");
        Ok(())
    })
    .await?;
    space.close().await
}

/// A cluster of one, as small as can be.
fn small(space: &Space) -> Result<KafkaCluster> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster",
        "metadata": {"name": "brief", "namespace": space.name},
        "spec": {
            "version": "4.3.1", "deletionPolicy": "Delete",
            "pools": [{
                "name": "node", "roles": ["broker", "controller"], "nodeIds": [0],
                "storage": {"volumes": [{"name": "data", "size": "1Gi"}]},
                "resources": {"requests": {"cpu": "100m", "memory": "640Mi"}, "limits": {"memory": "1Gi"}},
                "jvm": {"heap": "384Mi"}
            }],
            "listeners": [{"name": "clients", "port": 9092}]
        }
    }))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_webhook_whatever_is_deleted_goes() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "down").await?;
    let other = Space::create(&node, TENANTS, "down").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    space
        .make(Kind::User, "app", json!({"authentication": "tls"}))
        .await?;
    space.ready(Kind::User, "app").await?;
    other.topic("orders", json!({"partitions": 1})).await?;
    space.topic("held", json!({"partitions": 1})).await?;
    let topics = space.api(Kind::Topic);
    let finalizers = |list: Value| Patch::Merge(json!({"metadata": {"finalizers": list}}));
    let hold = finalizers(json!(["tests.example/held"]));
    topics.patch("held", &PatchParams::default(), &hold).await?;
    let clusters = node.clusters(&space.name);
    clusters
        .create(&PostParams::default(), &small(&space)?)
        .await?;
    let pods = node.pods(&space.name);
    let its = ListParams::default().labels(&format!("{}=brief", names::LABEL_CLUSTER));
    until("its Pod", PATIENCE, || async {
        Ok((!pods.list(&its).await?.items.is_empty()).then_some(()))
    })
    .await?;
    without(&node, async || {
        space.remove(Kind::Topic, "orders").await?;
        until("the topic to go from Kafka", PATIENCE, || async {
            let left = kafka.list_topics().await?;
            Ok((!left.iter().any(|t| t.name == topic)).then_some(()))
        })
        .await?;
        space.remove(Kind::User, "app").await?;
        until("its Secret to go", PATIENCE, || async {
            Ok(space
                .secrets()
                .get_opt("app")
                .await?
                .is_none()
                .then_some(()))
        })
        .await?;
        // To let go of what is on its way out is a change like another, and not reviewed.
        topics.delete("held", &DeleteParams::default()).await?;
        let release = finalizers(json!(null));
        topics
            .patch("held", &PatchParams::default(), &release)
            .await?;
        ensure!(topics.get_opt("held").await?.is_none(), "it is still there");
        clusters.delete("brief", &DeleteParams::default()).await?;
        until("the cluster to go", PATIENCE, || async {
            let pods = pods.list(&its).await?.items.is_empty();
            Ok((pods && clusters.get_opt("brief").await?.is_none()).then_some(()))
        })
        .await?;
        let took = other.closed(PATIENCE).await?;
        println!("a namespace with a topic went in {took:?}");
        Ok(())
    })
    .await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_webhook_our_kinds_are_refused_and_it_says_by_whom() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "down").await?;
    space.topic("orders", json!({"partitions": 1})).await?;
    let more = json!({"topicName": space.topic_name("more"), "partitions": 1});
    let once = Space {
        node: node.clone().with_client(node.asking_once().await?),
        ..space.clone()
    };
    without(&node, async || {
        for (what, made) in [
            ("create", once.make(Kind::Topic, "more", more.clone()).await),
            (
                "change",
                once.change(Kind::Topic, "orders", json!({"partitions": 2}))
                    .await,
            ),
            (
                "create",
                once.make(Kind::User, "app", json!({"authentication": "tls"}))
                    .await,
            ),
        ] {
            let said = refusal(made)?;
            println!("{what}: {said}");
            // The name leads to the manual; the rest is the API server's own.
            ensure!(
                said.contains(r#"failed calling webhook "validate.kafka.sdm.dev""#)
                    && said.contains("sdm-webhook.sdm-system.svc"),
                "{what}: {said}"
            );
        }
        // What is said of objects goes on.
        space
            .annotate(Kind::Topic, "orders", "a", "b")
            .await
            .err()
            .context("an annotation")?;
        space.forget(Kind::Topic, "orders").await?;
        space.ready(Kind::Topic, "orders").await.map(drop)
    })
    .await?;
    // By itself, as soon as they are there.
    space.make(Kind::Topic, "more", more).await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_webhook_evictions_are_left_to_disruption_budgets() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "down").await?;
    let image = kafka_image(&node).await?;
    let pods = node.pods(&space.name);
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(node.client.clone(), &space.name);
    let budget = serde_json::from_value(json!({
        "metadata": {"name": "kept"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}}
    }))?;
    budgets.create(&PostParams::default(), &budget).await?;
    runs(&space, &pod("kept", &image, json!(null))?).await?;
    without(&node, async || {
        let once: Api<Pod> = Api::namespaced(node.asking_once().await?, &space.name);
        let said = once.evict("kept", &EvictParams::default()).await;
        let said = refusal(said.map_err(Into::into))?;
        println!("{said}");
        ensure!(said.contains("disruption budget"), "{said}");
        budgets.delete("kept", &DeleteParams::default()).await?;
        until("the eviction", PATIENCE, || async {
            Ok(Some(once.evict("kept", &EvictParams::default()).await?))
        })
        .await?;
        until("the Pod to go", PATIENCE, || async {
            Ok(pods.get_opt("kept").await?.is_none().then_some(()))
        })
        .await
    })
    .await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_slipped_in_is_caught_by_the_controller_with_the_same_sentence() -> Result<()> {
    let (node, _) = tenants().await?;
    let space = Space::create(&node, TENANTS, "down").await?;
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(node.client.clone());
    without(&node, async || {
        registrations.delete(NAME, &DeleteParams::default()).await?;
        until("API servers to forget it", PATIENCE, || async {
            space
                .make(Kind::Topic, "slipped", misspelt(&space, "slipped"))
                .await
                .map(Some)
        })
        .await?;
        let reason = "InvalidSpec";
        let said = space
            .refused(Kind::Topic, "slipped", reason, SENTENCE)
            .await?;
        println!("{said}");
        Ok(())
    })
    .await?;
    // It registered itself, and refuses what it would have refused.
    let again = space
        .make(Kind::Topic, "again", misspelt(&space, "again"))
        .await;
    let said = refusal(again).context("Ready before it was registered")?;
    ensure!(
        said.contains("denied the request") && said.contains(SENTENCE),
        "{said}"
    );
    // What is there can be mended.
    let mended = json!({"config": {"retention.m": null}});
    space.change(Kind::Topic, "slipped", mended).await?;
    space.ready(Kind::Topic, "slipped").await?;
    space.close().await
}
