//! Topics declared as objects: Kafka becomes what they say, and nothing else in it is touched.

mod drift;
mod owners;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sdm_kafka::{Client, ConfigChange, ConfigOp, ConfigResource, NewTopic};
use sdm_tests::console::{Console, MOUNT};
use sdm_tests::ledger::Load;
use sdm_tests::login::write;
use sdm_tests::space::{Kind, Space};
use sdm_tests::view::{View, broker_defaults, topic, topic_config};
use sdm_tests::wait::until;
use serde_json::json;

use crate::{CLUSTER, NAMESPACE, PATIENCE, TENANTS, events, kafka_image, tenants};

/// A round of the sweep that finds changes made by hand, and some time to mend them.
const SWEEP: Duration = Duration::from_secs(150);

async fn create_by_hand(kafka: &Client, name: &str, configs: &[(&str, &str)]) -> Result<()> {
    let new = NewTopic {
        name: name.to_owned(),
        partitions: Some(2),
        replication_factor: Some(1),
        configs: configs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..NewTopic::default()
    };
    for (_, verdict) in kafka.create_topics(&[new], false).await? {
        verdict.map_err(|e| anyhow::anyhow!("{name}: {e}"))?;
    }
    until("the new topic to be seen", PATIENCE, || async {
        Ok(topic(kafka, name).await?.map(drop))
    })
    .await
}

async fn set_by_hand(kafka: &Client, name: &str, key: &str, value: &str) -> Result<()> {
    let change = ConfigChange {
        resource: ConfigResource::Topic(name.to_owned()),
        ops: vec![ConfigOp::Set {
            key: key.to_owned(),
            value: value.to_owned(),
        }],
    };
    for (_, verdict) in kafka.incremental_alter_configs(&[change], false).await? {
        verdict.map_err(|e| anyhow::anyhow!("{name}: {e}"))?;
    }
    Ok(())
}

fn configuration(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// Waits until Kafka has the topic no more.
async fn absent(kafka: &Client, name: &str) -> Result<()> {
    until("the topic to go from Kafka", PATIENCE, || async {
        Ok(topic(kafka, name).await?.is_none().then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_created_grown_altered_and_deleted_as_its_object_is() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "topics").await?;
    let spec = json!({"partitions": 2, "replicas": 1, "config": {"retention.ms": "3600000", "segment.bytes": "2097152"}});
    let name = space.topic("orders", spec).await?;
    let (id, replicas) = topic(&kafka, &name).await?.context("the topic")?;
    ensure!(replicas.len() == 2, "{replicas:?}");
    let wanted = configuration(&[("retention.ms", "3600000"), ("segment.bytes", "2097152")]);
    ensure!(topic_config(&kafka, &name).await? == wanted);

    // What somebody else sets is somebody else's, and what was set here is reset when it is not wanted any more.
    set_by_hand(&kafka, &name, "max.message.bytes", "900000").await?;
    let spec =
        json!({"partitions": 5, "config": {"retention.ms": "7200000", "segment.bytes": null}});
    space.change(Kind::Topic, "orders", spec).await?;
    let object = space.ready(Kind::Topic, "orders").await?;
    ensure!(
        object.data["status"]["partitions"] == 5,
        "{}",
        object.data["status"]
    );
    let (same, replicas) = topic(&kafka, &name).await?.context("the topic")?;
    ensure!(same == id && replicas.len() == 5, "{replicas:?}");
    let wanted = configuration(&[("max.message.bytes", "900000"), ("retention.ms", "7200000")]);
    let found = topic_config(&kafka, &name).await?;
    ensure!(found == wanted, "{found:?}");

    // Kafka cannot shrink a topic, and the API server says so at once.
    let fewer = space
        .change(Kind::Topic, "orders", json!({"partitions": 3}))
        .await;
    let said = format!("{:#}", fewer.err().context("it may not shrink")?);
    ensure!(
        said.contains("partitions can grow and not shrink"),
        "{said}"
    );
    // More by hand than declared: nothing that could be done.
    let grown = kafka
        .create_partitions(&[(name.clone(), 7, Vec::new())], false)
        .await?;
    ensure!(grown.iter().all(|(_, v)| v.is_ok()), "{grown:?}");
    space
        .change(Kind::Topic, "orders", json!({"partitions": 6}))
        .await?;
    space
        .refused(
            Kind::Topic,
            "orders",
            "PartitionsCannotShrink",
            "set partitions to 7 or more",
        )
        .await?;
    space
        .change(Kind::Topic, "orders", json!({"partitions": 7}))
        .await?;
    space.ready(Kind::Topic, "orders").await?;

    // More copies than there are brokers.
    let wide = json!({"topicName": space.topic_name("wide"), "replicas": 3});
    space
        .kept_out(
            Kind::Topic,
            "wide",
            wide,
            "InvalidSpec",
            "use at most 1, or add brokers to it first",
        )
        .await?;

    space.remove(Kind::Topic, "orders").await?;
    absent(&kafka, &name).await?;
    space.close().await
}

/// Foreign things made by Kafka's own tools, before and in between, and all that is declared comes and goes around them.
#[tokio::test(flavor = "multi_thread")]
async fn what_others_made_survives_everything_of_ours() -> Result<()> {
    let (node, kafka) = tenants().await?;
    let space = Space::create(&node, TENANTS, "foreign").await?;
    let ours = space
        .topic(
            "ours",
            json!({"partitions": 1, "config": {"retention.ms": "3600000"}}),
        )
        .await?;
    let spec =
        json!({"authentication": "scram-sha-512", "quotas": {"producerByteRate": 1_000_000}});
    space.make(Kind::User, "app", spec).await?;
    space.ready(Kind::User, "app").await?;
    let principal = format!("{}/user/app", space.name);

    let image = kafka_image(&node).await?;
    let console = Console::start(&node, TENANTS.0, "tenants-admin", &image).await?;
    let tool = |tool: &str, arguments: &str| {
        format!(
            "{tool}.sh --bootstrap-server tenants-bootstrap.tenants.svc:9092 --command-config {MOUNT}/client.properties {arguments}"
        )
    };
    let theirs = space.topic_name("theirs");
    let commands = [
        tool(
            "kafka-topics",
            &format!("--create --topic {theirs} --partitions 1 --config retention.ms=1800000"),
        ),
        // On what is ours: a key, an ACL that is wanted here too, another one, and a second quota.
        tool(
            "kafka-configs",
            &format!(
                "--alter --entity-type topics --entity-name {ours} --add-config segment.ms=600000"
            ),
        ),
        tool(
            "kafka-acls",
            &format!(
                "--add --allow-principal 'User:{principal}' --operation Read --operation Alter --topic {ours}"
            ),
        ),
        tool(
            "kafka-acls",
            &format!(
                "--add --allow-principal User:{}.legacy --operation All --topic {ours} --resource-pattern-type prefixed",
                space.name
            ),
        ),
        tool(
            "kafka-configs",
            &format!(
                "--alter --entity-type users --entity-name {principal} --add-config consumer_byte_rate=500000"
            ),
        ),
        tool(
            "kafka-configs",
            &format!(
                "--alter --entity-type users --entity-name {}.legacy --add-config producer_byte_rate=1000",
                space.name
            ),
        ),
        tool(
            "kafka-configs",
            &format!(
                "--alter --entity-type users --entity-name {}.legacy --add-config 'SCRAM-SHA-512=[iterations=4096,password=secret]'",
                space.name
            ),
        ),
    ];
    // All at the same time: each is a JVM that mostly waits.
    let all = commands
        .map(|c| format!("({c} || echo FAILED) &"))
        .join(" ");
    let said = console.run(&format!("{all} wait")).await?;
    ensure!(said.ok && !said.out.contains("FAILED"), "{said:?}");
    console.stop().await?;

    let spec = json!({
        "subjects": [{"name": "app"}], "roles": ["consumer"],
        "resources": [{"type": "topic", "name": ours}, {"type": "group", "name": format!("{}.app", space.name)}]
    });
    space.make(Kind::Acl, "app", spec).await?;
    space.ready(Kind::Acl, "app").await?;
    space
        .change(
            Kind::Topic,
            "ours",
            json!({"config": {"retention.ms": "7200000"}}),
        )
        .await?;
    space.ready(Kind::Topic, "ours").await?;
    let with_ours = View::of(&kafka).await?.about(&space.name);
    ensure!(
        with_ours.acls.len() == 3 + 3 && with_ours.scram.len() == 2,
        "{with_ours:#?}"
    );
    ensure!(topic_config(&kafka, &ours).await?["segment.ms"] == "600000");

    space
        .change(Kind::Topic, "ours", json!({"config": null}))
        .await?;
    space.ready(Kind::Topic, "ours").await?;
    let left = topic_config(&kafka, &ours).await?;
    ensure!(
        left == configuration(&[("segment.ms", "600000")]),
        "{left:?}"
    );
    space.remove(Kind::Acl, "app").await?;
    space.remove(Kind::User, "app").await?;
    space.remove(Kind::Topic, "ours").await?;
    absent(&kafka, &ours).await?;
    let left = until("what is ours to go", PATIENCE, || async {
        let left = View::of(&kafka).await?.about(&space.name);
        let ours = left.scram.iter().chain(&left.quotas).any(|l| {
            l.contains("producer_byte_rate\": 1000000") || l.contains(&format!("{principal} "))
        });
        ensure!(!ours && left.acls.len() == 3, "{left:#?}");
        Ok(Some(left))
    })
    .await?;
    let name = &space.name;
    ensure!(
        left.acls.iter().map(String::as_str).collect::<Vec<_>>()
            == [
                format!("Allow User:{name}.legacy All Topic Prefixed {ours} from *"),
                format!("Allow User:{principal} Alter Topic Literal {ours} from *"),
                format!("Allow User:{principal} Read Topic Literal {ours} from *"),
            ],
        "{left:#?}"
    );
    ensure!(left.topics.iter().eq([&theirs]), "{left:#?}");
    ensure!(
        left.scram
            .iter()
            .eq([&format!("{name}.legacy SCRAM-SHA-512 4096")]),
        "{left:#?}"
    );
    ensure!(left.quotas.len() == 2, "{left:#?}");
    let config = topic_config(&kafka, &theirs).await?;
    ensure!(
        config == configuration(&[("retention.ms", "1800000")]),
        "{config:?}"
    );
    space.close().await
}

/// On three brokers, of which each learns in its own time what became of a topic.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_deleted_and_declared_again_at_once_is_a_new_one() -> Result<()> {
    let node = events().await?;
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let space = Space::of(&node, (NAMESPACE, CLUSTER), NAMESPACE);
    let object = format!("again-{:08x}", rand::random::<u32>());
    let name = space.topic_name(&object);
    let mut before = String::new();
    for _ in 0..20 {
        let spec = json!({"topicName": name, "partitions": 1, "replicas": 3});
        space.make(Kind::Topic, &object, spec).await?;
        let status = space.ready(Kind::Topic, &object).await?.data["status"].clone();
        let id = status["topicId"].as_str().context("an id")?.to_owned();
        ensure!(id != before, "the one before");
        ensure!(!write(&kafka, &name, "old").await?.is_denied());
        before = id;
        space.remove(Kind::Topic, &object).await?;
    }
    absent(&kafka, &name).await
}

/// Three brokers, a steady load, and every copy moved twice.
#[tokio::test(flavor = "multi_thread")]
async fn replicas_are_added_and_taken_away_under_load_and_no_throttle_is_left() -> Result<()> {
    let node = events().await?;
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let space = Space::of(&node, (NAMESPACE, CLUSTER), NAMESPACE);
    let object = format!("moved-{:08x}", rand::random::<u32>());
    let name = space
        .topic(&object, json!({"partitions": 6, "replicas": 1}))
        .await?;
    let load = Load::onto(kafka.clone(), &name).await?;
    for replicas in [3, 2, 1, 3] {
        let config = match replicas {
            3 => json!({"min.insync.replicas": "2"}),
            _ => json!(null),
        };
        space
            .change(
                Kind::Topic,
                &object,
                json!({"replicas": replicas, "config": config}),
            )
            .await?;
        let status = space.ready(Kind::Topic, &object).await?.data["status"].clone();
        ensure!(status["replicas"] == replicas, "{status}");
        let (_, partitions) = topic(&kafka, &name).await?.context("the topic")?;
        ensure!(
            partitions.iter().all(|r| r.len() == replicas),
            "{partitions:?}"
        );
        ensure!(kafka.list_partition_reassignments(None).await?.is_empty());
        // Each broker learns of it a moment later.
        until("the throttle to go", PATIENCE, || async {
            let mut config = topic_config(&kafka, &name).await?;
            config.append(&mut broker_defaults(&kafka).await?);
            config.retain(|key, _| key.contains("throttle"));
            ensure!(config.is_empty(), "{config:?}");
            Ok(Some(()))
        })
        .await?;
        load.progress(100).await?;
    }
    let ledger = load.finish().await?;
    println!(
        "{} acknowledged, {} in doubt, longest gap {:?}",
        ledger.acknowledged.len(),
        ledger.in_doubt.len(),
        ledger.longest_gap
    );
    ledger.verify(kafka.clone(), &name).await?;
    space.remove(Kind::Topic, &object).await?;
    absent(&kafka, &name).await
}
