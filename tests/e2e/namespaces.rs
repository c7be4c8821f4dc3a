//! A namespace that is deleted is gone at once, whatever its Kafka does; and what it had in Kafka goes with it.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use sdm_tests::process::signal_program;
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::View;
use sdm_tests::wait::until;
use serde_json::json;

use crate::{PATIENCE, TENANTS, tenants};

/// Kubernetes itself empties a namespace in passes of some seconds.
const GONE: Duration = Duration::from_secs(90);

/// A namespace with a hundred topics and twenty users that may use them.
async fn full(node: &sdm_tests::node::Node, prefix: &str) -> Result<Space> {
    let space = Space::create(node, TENANTS, prefix).await?;
    let space_of = &space;
    stream::iter(0..100)
        .map(|n| async move {
            let spec = json!({"partitions": 1, "topicName": space_of.topic_name(&n.to_string())});
            space_of.make(Kind::Topic, &format!("t-{n}"), spec).await
        })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await?;
    for n in 0..20 {
        let name = format!("u-{n}");
        let authentication = if n % 4 == 0 { "scram-sha-512" } else { "tls" };
        let spec =
            json!({"authentication": authentication, "quotas": {"producerByteRate": 1_000_000}});
        space.make(Kind::User, &name, spec).await?;
        let resources = json!([{"type": "topic", "name": space.topic_name("7")}]);
        let acl =
            json!({"subjects": [{"name": name}], "roles": ["consumer"], "resources": resources});
        space.make(Kind::Acl, &name, acl).await?;
    }
    for n in 0..100 {
        space.ready(Kind::Topic, &format!("t-{n}")).await?;
    }
    for n in 0..20 {
        space.ready(Kind::User, &format!("u-{n}")).await?;
        space.ready(Kind::Acl, &format!("u-{n}")).await?;
    }
    Ok(space)
}

async fn nothing_left(kafka: &sdm_kafka::Client, name: &str) -> Result<()> {
    until("Kafka to have nothing of it", PATIENCE, || async {
        let left = View::of(kafka).await?.about(name);
        ensure!(left.is_empty(), "{left:?}");
        Ok(Some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_and_all_it_had_in_kafka() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = full(&node, "leaves").await?;
    let name = space.name.clone();
    ensure!(View::of(&kafka).await?.about(&name).topics.len() == 100);
    let took = space.closed(GONE).await?;
    println!("gone after {took:.1?}");
    nothing_left(&kafka, &name).await
}

/// With Kafka silent: the namespace goes, the cluster says what is left behind, and that goes when Kafka is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_while_kafka_is_down() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = full(&node, "silent").await?;
    let name = space.name.clone();
    let pod = node.pods(TENANTS.0).get("tenants-0").await?;
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    let is_broker = |path: &std::path::Path| {
        let read = |file: &str| std::fs::read_to_string(path.join(file)).unwrap_or_default();
        read("cgroup").contains(&uid) && read("comm").starts_with("java")
    };
    signal_program("the broker", "STOP", is_broker)?;
    let closed = space.closed(GONE).await;
    let events: Api<Event> = Api::namespaced(node.client.clone(), TENANTS.0);
    let told = until("the cluster to say what is left behind", GONE, || async {
        let found = events.list(&ListParams::default()).await?;
        Ok(found.into_iter().find(|e| {
            e.reason.as_deref() == Some("TopicsLeftBehind")
                && e.message.as_ref().is_some_and(|m| m.contains(&name))
        }))
    })
    .await;
    signal_program("the broker", "CONT", is_broker)?;
    println!(
        "gone after {:.1?}: {}",
        closed?,
        told?.message.unwrap_or_default()
    );
    nothing_left(&kafka, &name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_goes_when_its_cluster_is_gone() -> Result<()> {
    let (node, _) = tenants().await?;
    let mut space = Space::create(&node, TENANTS, "orphan").await?;
    space.cluster = "nowhere".to_owned();
    space
        .make(Kind::Topic, "t", json!({"partitions": 1}))
        .await?;
    space.make(Kind::User, "u", json!({})).await?;
    for (kind, name) in [(Kind::Topic, "t"), (Kind::User, "u")] {
        space
            .refused(kind, name, "ClusterNotFound", "clusterRef")
            .await?;
    }
    space
        .api(Kind::Topic)
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await?;
    let took = space.closed(GONE).await?;
    println!("gone after {took:.1?}");
    Ok(())
}
