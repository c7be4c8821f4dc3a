//! Whose a topic is: adopted, kept for its namespace, claimed by two.

use anyhow::{Context, Result, ensure};
use sdm_tests::login::{Attempt, read, write};
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::{topic, topic_config};
use serde_json::json;

use super::{absent, configuration, create_by_hand};
use crate::{KEPT_OUT, TENANTS, operator, tenants};

/// In the cluster's own namespace, which may take over what nobody has declared.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_exists_is_adopted_as_the_object_says() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::of(&node, TENANTS, TENANTS.0);
    let nonce = format!("{:08x}", rand::random::<u32>());
    let [never, identical, different, always] =
        ["never", "identical", "different", "always"].map(|n| format!("{n}-{nonce}"));
    for name in [&never, &identical, &different, &always] {
        create_by_hand(
            &kafka,
            name,
            &[("retention.ms", "1800000"), ("segment.ms", "600000")],
        )
        .await?;
        write(&kafka, name, "theirs").await?;
    }
    let wanted = json!({"partitions": 2, "config": {"retention.ms": "1800000"}});
    let spec = |adoption: &str, mut spec: serde_json::Value| {
        spec["adoption"] = json!(adoption);
        spec
    };
    space
        .make(Kind::Topic, &never, spec("Never", wanted.clone()))
        .await?;
    space.make(Kind::Topic, &identical, wanted.clone()).await?;
    let other = json!({"partitions": 3, "config": {"retention.ms": "3600000"}});
    space.make(Kind::Topic, &different, other.clone()).await?;
    space
        .make(Kind::Topic, &always, spec("Always", other))
        .await?;

    space
        .refused(
            Kind::Topic,
            &never,
            "TopicExists",
            "set adoption to IfIdentical or Always",
        )
        .await?;
    let said = space
        .refused(
            Kind::Topic,
            &different,
            "TopicExists",
            "set adoption to Always",
        )
        .await?;
    ensure!(
        said.contains("2 partitions instead of 3")
            && said.contains("retention.ms is 1800000 instead of 3600000"),
        "{said}"
    );
    space.ready(Kind::Topic, &identical).await?;
    space.ready(Kind::Topic, &always).await?;

    let before = configuration(&[("retention.ms", "1800000"), ("segment.ms", "600000")]);
    for name in [&never, &identical, &different] {
        ensure!(topic_config(&kafka, name).await? == before, "{name}");
        ensure!(
            topic(&kafka, name)
                .await?
                .is_some_and(|(_, r)| r.len() == 2),
            "{name}"
        );
    }
    let after = configuration(&[("retention.ms", "3600000"), ("segment.ms", "600000")]);
    ensure!(topic_config(&kafka, &always).await? == after);
    ensure!(
        topic(&kafka, &always)
            .await?
            .is_some_and(|(_, r)| r.len() == 3)
    );

    // Those that were not adopted stay when their objects go, with their records; the others were taken over for good.
    for name in [&never, &identical, &different, &always] {
        space.remove(Kind::Topic, name).await?;
    }
    absent(&kafka, &identical).await?;
    absent(&kafka, &always).await?;
    for name in [&never, &different] {
        ensure!(
            read(&kafka, name).await? == Attempt::Done(vec!["theirs".to_owned()]),
            "{name}"
        );
    }
    kafka.delete_topics(&[&never, &different]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retained_topic_stays_for_its_namespace_alone() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "retain").await?;
    let other = Space::create(&node, TENANTS, "other").await?;
    let name = space
        .topic("kept", json!({"partitions": 1, "deletionPolicy": "Retain"}))
        .await?;
    write(&kafka, &name, "kept").await?;
    space.remove(Kind::Topic, "kept").await?;
    let spec = json!({"topicName": name, "partitions": 1});
    other.make(Kind::Topic, "taken", spec.clone()).await?;
    other
        .refused(
            Kind::Topic,
            "taken",
            "AdoptionNotGranted",
            "KafkaAccessGrant",
        )
        .await?;
    space.make(Kind::Topic, "again", spec).await?;
    space.ready(Kind::Topic, "again").await?;
    ensure!(read(&kafka, &name).await? == Attempt::Done(vec!["kept".to_owned()]));
    other
        .refused(
            Kind::Topic,
            "taken",
            "TopicNameConflict",
            "choose another topicName",
        )
        .await?;
    other.close().await?;
    // This one deletes it.
    space.remove(Kind::Topic, "again").await?;
    absent(&kafka, &name).await?;
    space.close().await
}

/// A namespace that may not use the cluster has nothing to say about its names either.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_kept_out_keeps_nobody_from_a_name() -> Result<()> {
    let (node, _) = tenants().await?;
    let out = Space::create(&node, TENANTS, "out").await?;
    out.label(KEPT_OUT).await?;
    let space = Space::create(&node, TENANTS, "in").await?;
    let spec = json!({"topicName": space.topic_name("orders"), "partitions": 1});
    let (reason, remedy) = ("NamespaceNotAllowed", "spec.tenancy.allowedNamespaces");
    out.kept_out(Kind::Topic, "first", spec.clone(), reason, remedy)
        .await?;
    out.kept_out(Kind::User, "app", json!({}), reason, remedy)
        .await?;
    space.make(Kind::Topic, "orders", spec).await?;
    space.ready(Kind::Topic, "orders").await?;
    out.close().await?;
    space.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_objects_for_one_topic_the_older_wins_after_a_restart_too() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "conflict").await?;
    let name = space
        .topic(
            "older",
            json!({"partitions": 1, "config": {"retention.ms": "3600000"}}),
        )
        .await?;
    write(&kafka, &name, "of the older").await?;
    let (id, _) = topic(&kafka, &name).await?.context("the topic")?;
    // Its name comes first in every order but that of age.
    let spec = json!({"topicName": name, "partitions": 3, "config": {"retention.ms": "60000"}});
    space.make(Kind::Topic, "a-younger", spec).await?;
    let remedy = "choose another topicName, or delete one of the two";
    space
        .refused(Kind::Topic, "a-younger", "TopicNameConflict", remedy)
        .await?;

    operator::restart(&node).await?;
    // Something that is served shows that the new one has looked at everything.
    space.topic("witness", json!({"partitions": 1})).await?;
    space
        .refused(Kind::Topic, "a-younger", "TopicNameConflict", remedy)
        .await?;
    space.ready(Kind::Topic, "older").await?;
    let (same, replicas) = topic(&kafka, &name).await?.context("the topic")?;
    ensure!(same == id && replicas.len() == 1);

    space.remove(Kind::Topic, "older").await?;
    space.ready(Kind::Topic, "a-younger").await?;
    let (other, replicas) = topic(&kafka, &name).await?.context("the topic")?;
    ensure!(other != id && replicas.len() == 3, "{other} {replicas:?}");
    let records = read(&kafka, &name).await?;
    ensure!(
        records == Attempt::Done(Vec::new()),
        "records of the older one: {records:?}"
    );
    space.close().await
}
