//! Access declared as objects: Kafka has what they stand for together, exactly as long as somebody wants it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use sdm_kafka::Client;
use sdm_tests::login::{Attempt, read, write};
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::acls;
use sdm_tests::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{PATIENCE, TENANTS, operator, tenants};

/// A namespace with a topic and a user.
async fn space() -> Result<(Client, Space, String)> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "access").await?;
    let topic = space.topic("orders", json!({"partitions": 1})).await?;
    space.make(Kind::User, "app", json!({})).await?;
    space.ready(Kind::User, "app").await?;
    Ok((kafka, space, topic))
}

fn acl(roles: &[&str], topic: &str) -> Value {
    json!({"subjects": [{"name": "app"}], "roles": roles, "resources": [{"type": "topic", "name": topic}]})
}

/// What of this namespace's is in Kafka: `Allow Read`, without principal, resource and host.
async fn granted(kafka: &Client, space: &Space) -> Result<BTreeSet<String>> {
    let principal = format!(" User:{}/user/app ", space.name);
    let all = acls(kafka).await?;
    let short = |line: &String| {
        let (permission, rest) = line.split_once(&principal)?;
        Some(format!("{permission} {}", rest.split(' ').next()?))
    };
    Ok(all.iter().filter_map(short).collect())
}

async fn until_granted(kafka: &Client, space: &Space, wanted: &[&str]) -> Result<()> {
    let wanted: BTreeSet<String> = wanted.iter().map(|w| (*w).to_owned()).collect();
    until(&format!("Kafka to have {wanted:?}"), PATIENCE, || async {
        let is = granted(kafka, space).await?;
        ensure!(is == wanted, "{is:?}");
        Ok(Some(()))
    })
    .await
}

/// Looks again and again at what is granted, until asked.
struct Watch {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<(usize, BTreeSet<BTreeSet<String>>)>>,
}

impl Watch {
    fn begin(kafka: &Client, space: &Space) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (kafka, space, flag) = (kafka.clone(), space.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let (mut looks, mut seen) = (0, BTreeSet::new());
            while !flag.load(Ordering::Relaxed) {
                seen.insert(granted(&kafka, &space).await?);
                looks += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok((looks, seen))
        });
        Self { stop, task }
    }

    /// All that was ever granted meanwhile.
    async fn end(self) -> Result<BTreeSet<BTreeSet<String>>> {
        self.stop.store(true, Ordering::Relaxed);
        let (looks, seen) = self.task.await??;
        println!("{looks} looks");
        Ok(seen)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_objects_want_goes_with_the_last_of_them() -> Result<()> {
    let (kafka, space, topic) = space().await?;
    space
        .make(Kind::Acl, "reads", acl(&["consumer"], &topic))
        .await?;
    space
        .make(Kind::Acl, "both", acl(&["consumer", "producer"], &topic))
        .await?;
    space.ready(Kind::Acl, "reads").await?;
    space.ready(Kind::Acl, "both").await?;
    until_granted(
        &kafka,
        &space,
        &["Allow Describe", "Allow Read", "Allow Write"],
    )
    .await?;
    let client = space.login("app").await?;
    let watch = Watch::begin(&kafka, &space);
    space.remove(Kind::Acl, "both").await?;
    until_granted(&kafka, &space, &["Allow Describe", "Allow Read"]).await?;
    let seen = watch.end().await?;
    ensure!(
        seen.iter()
            .all(|s| s.contains("Allow Read") && s.contains("Allow Describe")),
        "{seen:?}"
    );
    ensure!(write(&client, &topic, "x").await?.is_denied());
    ensure!(read(&client, &topic).await? == Attempt::Done(Vec::new()));
    space.remove(Kind::Acl, "reads").await?;
    until_granted(&kafka, &space, &[]).await?;
    ensure!(read(&client, &topic).await?.is_denied());
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_role_changes_kafka_and_opens_no_gap() -> Result<()> {
    let (kafka, space, topic) = space().await?;
    let rules =
        |operations: &[&str]| json!({"rules": [{"resource": "topic", "operations": operations}]});
    space
        .make(Kind::Acl, "app", acl(&["keeper"], &topic))
        .await?;
    space
        .refused(Kind::Acl, "app", "RoleNotFound", "create KafkaRole")
        .await?;
    space
        .make(Kind::Role, "keeper", rules(&["Read", "Describe"]))
        .await?;
    space.ready(Kind::Role, "keeper").await?;
    space.ready(Kind::Acl, "app").await?;
    until_granted(&kafka, &space, &["Allow Describe", "Allow Read"]).await?;
    let client = space.login("app").await?;
    let watch = Watch::begin(&kafka, &space);
    for (operations, granted) in [
        (
            &["Read", "Write", "Describe"][..],
            &["Allow Describe", "Allow Read", "Allow Write"][..],
        ),
        (
            &["Read", "Alter", "Delete"],
            &["Allow Alter", "Allow Delete", "Allow Read"],
        ),
        (&["All"], &["Allow All"]),
        (&["Read", "Describe"], &["Allow Describe", "Allow Read"]),
    ] {
        space
            .change(Kind::Role, "keeper", rules(operations))
            .await?;
        until_granted(&kafka, &space, granted).await?;
        ensure!(
            read(&client, &topic).await? == Attempt::Done(Vec::new()),
            "{operations:?}"
        );
    }
    let seen = watch.end().await?;
    let reads = |s: &BTreeSet<String>| s.contains("Allow Read") || s.contains("Allow All");
    ensure!(
        seen.iter().all(reads),
        "reading was not allowed for a moment: {seen:?}"
    );
    // Built-in names are reserved.
    let spec = rules(&["All"]);
    space
        .kept_out(Kind::Role, "consumer", spec, "InvalidSpec", "built-in role")
        .await?;
    space.remove(Kind::Role, "keeper").await?;
    until_granted(&kafka, &space, &[]).await?;
    space
        .refused(Kind::Acl, "app", "RoleNotFound", "create KafkaRole")
        .await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_wins_until_it_goes_and_addresses_count() -> Result<()> {
    let (kafka, space, topic) = space().await?;
    space
        .make(Kind::Acl, "allow", acl(&["consumer", "producer"], &topic))
        .await?;
    space.ready(Kind::Acl, "allow").await?;
    let client = space.login("app").await?;
    ensure!(write(&client, &topic, "x").await? == Attempt::Done(()));
    let mut deny = acl(&["producer"], &topic);
    deny["permission"] = json!("Deny");
    space.make(Kind::Acl, "deny", deny).await?;
    space.ready(Kind::Acl, "deny").await?;
    let all = [
        "Allow Describe",
        "Allow Read",
        "Allow Write",
        "Deny Describe",
        "Deny Write",
    ];
    until_granted(&kafka, &space, &all).await?;
    ensure!(write(&client, &topic, "x").await?.is_denied());
    // Only from elsewhere: that is no business of ours.
    space
        .change(Kind::Acl, "deny", json!({"hosts": ["192.0.2.1"]}))
        .await?;
    until("the denial to be another address's", PATIENCE, || async {
        let all = acls(&kafka).await?;
        let ours = |l: &&String| l.contains(&topic) && l.starts_with("Deny");
        let denials: Vec<_> = all.iter().filter(ours).collect();
        let other = denials.len() == 2 && denials.iter().all(|l| l.ends_with("from 192.0.2.1"));
        Ok(other.then_some(()))
    })
    .await?;
    ensure!(write(&client, &topic, "x").await? == Attempt::Done(()));
    space.remove(Kind::Acl, "deny").await?;
    until_granted(
        &kafka,
        &space,
        &["Allow Describe", "Allow Read", "Allow Write"],
    )
    .await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_lost_status_nor_a_restart_changes_anything() -> Result<()> {
    let (kafka, space, topic) = space().await?;
    space
        .make(Kind::Acl, "app", acl(&["consumer"], &topic))
        .await?;
    space.ready(Kind::Acl, "app").await?;
    let secret = space.secrets().get("app").await?;
    let watch = Watch::begin(&kafka, &space);
    for round in 0..2 {
        for (kind, name) in [
            (Kind::Acl, "app"),
            (Kind::User, "app"),
            (Kind::Topic, "orders"),
        ] {
            space.forget(kind, name).await?;
        }
        if round == 1 {
            operator::restart(&space.node).await?;
        }
        for (kind, name) in [
            (Kind::Topic, "orders"),
            (Kind::User, "app"),
            (Kind::Acl, "app"),
        ] {
            space.ready(kind, name).await?;
        }
    }
    // Served after it, so it has looked at everything.
    space.topic("witness", json!({"partitions": 1})).await?;
    let seen = watch.end().await?;
    ensure!(seen.len() == 1, "{seen:?}");
    ensure!(
        space.secrets().get("app").await? == secret,
        "the Secret was written"
    );
    // It still knows what is its own.
    space.remove(Kind::Acl, "app").await?;
    until_granted(&kafka, &space, &[]).await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_is_taken_back_although_the_record_was_lost() -> Result<()> {
    let (kafka, space, topic) = space().await?;
    for name in ["first", "second"] {
        space
            .make(Kind::Acl, name, acl(&["consumer"], &topic))
            .await?;
        space.ready(Kind::Acl, name).await?;
    }
    let client = space.login("app").await?;
    ensure!(write(&kafka, &topic, "x").await? == Attempt::Done(()));
    let records: Api<ConfigMap> = Api::namespaced(space.node.client.clone(), TENANTS.0);
    let ours = ListParams::default().labels("kafka.sdm.dev/ledger=tenants");
    ensure!(!records.list(&ours).await?.items.is_empty());
    let watch = Watch::begin(&kafka, &space);
    records
        .delete_collection(&DeleteParams::default(), &ours)
        .await?;
    operator::restart(&space.node).await?;
    space.topic("witness", json!({"partitions": 1})).await?;
    space.ready(Kind::Topic, "orders").await?;
    space.ready(Kind::Acl, "first").await?;
    let seen = watch.end().await?;
    ensure!(seen.len() == 1, "{seen:?}");
    ensure!(read(&client, &topic).await? == Attempt::Done(vec!["x".to_owned()]));
    for name in ["first", "second"] {
        space.remove(Kind::Acl, name).await?;
    }
    until_granted(&kafka, &space, &[]).await?;
    space.remove(Kind::Topic, "orders").await?;
    until("the topic to go", PATIENCE, || async {
        Ok(sdm_tests::view::topic(&kafka, &topic)
            .await?
            .is_none()
            .then_some(()))
    })
    .await?;
    space.close().await
}
