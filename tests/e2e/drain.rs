//! A Kubernetes node is drained under load: the broker on it goes when Kafka can do without it, and not before.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::ResourceExt;
use kube::api::ListParams;
use sdm_api::names;
use sdm_kafka::{Client, NewTopic};
use sdm_tests::ledger::Load;
use sdm_tests::node::Node;
use sdm_tests::wait::until;
use serde_json::json;
use tokio::sync::watch;

use crate::{CLUSTER, NAMESPACE, PATIENCE, events};

/// As long as a drain may take.
const DRAIN: &str = "--timeout=120s";

/// A Kubernetes node with one broker on it, and that broker's Pod.
async fn lonely(node: &Node) -> Result<(String, String)> {
    let ours = ListParams::default().labels(&format!("{}={CLUSTER}", names::LABEL_CLUSTER));
    let mut by_node: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pod in node.pods(NAMESPACE).list(&ours).await? {
        let on = pod.spec.as_ref().and_then(|s| s.node_name.clone());
        by_node
            .entry(on.context("a Pod without a node")?)
            .or_default()
            .push(pod.name_any());
    }
    let found = by_node.into_iter().find(|(_, pods)| pods.len() == 1);
    let (node, pods) = found.context("no node has just one broker")?;
    Ok((node, pods.concat()))
}

/// What an eviction is told: `Ok` if it was carried out, else the message. By kubectl, which does not try again by itself.
pub async fn evict(
    node: &Node,
    namespace: &str,
    pod: &str,
) -> Result<std::result::Result<(), String>> {
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace},
    });
    let file = std::env::temp_dir().join(format!("eviction-{pod}-{:08x}", rand::random::<u32>()));
    std::fs::write(&file, eviction.to_string())?;
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
    let text = file.to_string_lossy().into_owned();
    let (done, _, err) = node
        .kubectl_says(&["create", "--raw", &path, "-f", &text])
        .await?;
    std::fs::remove_file(&file)?;
    Ok(if done { Ok(()) } else { Err(err) })
}

async fn single_copy(client: &Client, broker: i32) -> Result<String> {
    let topic = format!("alone-{:08x}", rand::random::<u32>());
    let wanted = NewTopic {
        name: topic.clone(),
        assignments: vec![vec![broker]],
        ..NewTopic::default()
    };
    for (name, verdict) in client.create_topics(&[wanted], false).await? {
        if let Err(error) = verdict {
            bail!("creating {name}: {error}");
        }
    }
    Ok(topic)
}

/// Waits until a broker leads nothing any more. Whether its Pod was still there then; none if it led nothing at all.
async fn leads(
    node: &Node,
    client: &Client,
    id: i32,
    pod: &str,
    uid: &str,
) -> Result<Option<bool>> {
    let led = || async {
        let topics = client.list_topics().await.ok()?;
        let all = topics.iter().flat_map(|t| &t.partitions);
        Some(all.filter(|p| p.leader == Some(id)).count())
    };
    if led().await == Some(0) {
        return Ok(None);
    }
    until("leadership to be handed over", PATIENCE, || async {
        Ok((led().await == Some(0)).then_some(()))
    })
    .await?;
    let there = node.pods(NAMESPACE).get_opt(pod).await?;
    Ok(Some(there.is_some_and(|p| p.uid().as_deref() == Some(uid))))
}

/// The fewest replicas in sync that any partition of a topic has while `goes_on` is true.
async fn fewest_in_sync(
    client: &Client,
    topic: &str,
    mut goes_on: watch::Receiver<bool>,
) -> Result<usize> {
    let mut fewest = usize::MAX;
    while *goes_on.borrow_and_update() {
        // One that ends answers nothing any more; the next is asked.
        let all = client.list_topics().await.unwrap_or_default();
        let of = all.iter().filter(|t| t.name == topic);
        let least = of.flat_map(|t| &t.partitions).map(|p| p.isr.len()).min();
        fewest = fewest.min(least.unwrap_or(usize::MAX));
        tokio::select! {
            changed = goes_on.changed() => changed?,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    Ok(fewest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_drained_under_load_and_the_others_wait_for_their_turn() -> Result<()> {
    let node = events().await?;
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let (machine, pod) = lonely(&node).await?;
    let id: i32 = pod.rsplit('-').next().context("an id")?.parse()?;
    let other = (0..3).find(|n| *n != id).context("another broker")?;

    // Something that nobody else has keeps the broker where it is, and is named.
    let alone = single_copy(&client, id).await?;
    let said = evict(&node, NAMESPACE, &pod).await?;
    println!("{said:?}");
    let message = said.err().context("it was evicted")?;
    ensure!(
        message.contains("min.insync.replicas") && message.contains(&format!("{alone}-0")),
        "{message}"
    );
    client.delete_topics(&[&alone]).await?;

    let topic = format!("drained-{:08x}", rand::random::<u32>());
    let load = Load::start(client.clone(), &topic).await?;
    load.progress(100).await?;
    let before = node.pod_uids(NAMESPACE, CLUSTER).await?;
    let selector = format!("--pod-selector={}={CLUSTER}", names::LABEL_CLUSTER);
    let drain = [
        "drain",
        &machine,
        &selector,
        "--force",
        "--ignore-daemonsets",
        "--delete-emptydir-data",
        DRAIN,
    ];
    let was = before.get(&pod).context("the Pod's uid")?;
    let (draining, drained) = watch::channel(true);
    let command = async {
        let said = node.kubectl_says(&drain).await;
        draining.send_replace(false);
        said
    };
    let watched = tokio::try_join!(
        command,
        leads(&node, &client, id, &pod, was),
        fewest_in_sync(&client, &topic, drained)
    );
    // Whatever it says, the machine is given back.
    let checked = async {
        let ((drained, out, err), led_until, fewest) = watched?;
        println!("{out}{err}fewest replicas in sync: {fewest}");
        ensure!(drained, "{err}");
        // Handed over in an orderly way, and not after nobody had heard of the broker for a while.
        ensure!(
            led_until == Some(true),
            "when {pod} led nothing any more it was gone"
        );
        ensure!(
            (2..=3).contains(&fewest),
            "a partition had {fewest} replicas in sync"
        );
        let after = node.pod_uids(NAMESPACE, CLUSTER).await?;
        ensure!(after.get(&pod) != before.get(&pod), "{pod} is where it was");
        // Its volume is on that machine: until it may return, nobody else goes.
        for _ in 0..3 {
            let said = evict(&node, NAMESPACE, &format!("{CLUSTER}-{other}")).await?;
            println!("{said:?}");
            let message = said.err().context("a second broker was evicted")?;
            ensure!(message.contains("cannot be evicted yet"), "{message}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        load.progress(100).await
    };
    let checked = checked.await;
    node.kubectl(&["uncordon", &machine])?;
    checked?;
    node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    load.progress(100).await?;
    load.conclude(client, &topic).await
}
