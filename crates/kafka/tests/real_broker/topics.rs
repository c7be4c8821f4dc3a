//! Topics, their configuration and where they are stored.

use std::collections::BTreeMap;
use std::time::Duration;

use sdm_kafka::{Client, ConfigResource, ConfigSource, NewTopic};
use tokio::time::Instant;

use crate::node::{Kafka, NODE, new_topic};

pub async fn topics(client: &Client) {
    let wanted = [
        NewTopic {
            configs: vec![("retention.ms".into(), "3600000".into())],
            ..new_topic("orders", 4)
        },
        NewTopic {
            assignments: vec![vec![NODE], vec![NODE]],
            name: "placed".into(),
            ..NewTopic::default()
        },
        new_topic("bad name!", 1),
        NewTopic {
            replication_factor: Some(3),
            ..new_topic("too-wide", 1)
        },
        NewTopic {
            configs: vec![("no.such.key".into(), "1".into())],
            ..new_topic("odd", 1)
        },
    ];
    for validate_only in [true, false] {
        let verdicts: BTreeMap<_, _> = client
            .create_topics(&wanted, validate_only)
            .await
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(verdicts.len(), wanted.len());
        let orders = verdicts["orders"].as_ref().unwrap();
        assert_eq!(
            (orders.partitions, orders.replication_factor),
            (Some(4), Some(1))
        );
        assert_eq!(orders.id.is_some(), !validate_only);
        assert_eq!(verdicts["placed"].as_ref().unwrap().partitions, Some(2));
        let name = |topic: &str| verdicts[topic].as_ref().unwrap_err().name;
        assert_eq!(name("bad name!"), "INVALID_TOPIC_EXCEPTION");
        assert_eq!(name("too-wide"), "INVALID_REPLICATION_FACTOR");
        assert_eq!(name("odd"), "INVALID_CONFIG");
    }
    let placed = client.metadata(Some(&["placed"])).await.unwrap().topics[0].id;
    assert!(placed.is_some());
    let again = client
        .create_topics(&[new_topic("orders", 4)], false)
        .await
        .unwrap();
    let error = again[0].1.as_ref().unwrap_err();
    assert_eq!(
        (error.name, error.reason()),
        ("TOPIC_ALREADY_EXISTS", "TopicAlreadyExists")
    );

    let listed = client.list_topics().await.unwrap();
    let orders = listed.iter().find(|t| t.name == "orders").unwrap();
    assert_eq!(
        orders
            .partitions
            .iter()
            .map(|p| p.index)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    assert!(
        orders
            .partitions
            .iter()
            .all(|p| p.is_in_sync() && p.leader == Some(NODE)),
        "{orders:?}"
    );
    let missing = client.metadata(Some(&["nowhere"])).await.unwrap();
    assert_eq!(
        missing.topics[0].error.as_ref().unwrap().name,
        "UNKNOWN_TOPIC_OR_PARTITION"
    );

    let deleted = client.delete_topics(&["placed", "nowhere"]).await.unwrap();
    let verdicts: BTreeMap<_, _> = deleted.into_iter().collect();
    assert_eq!(verdicts["placed"], Ok(placed));
    assert_eq!(
        verdicts["nowhere"].as_ref().unwrap_err().name,
        "UNKNOWN_TOPIC_OR_PARTITION"
    );
}

/// Where no topic may be deleted, that is said of each, and repeating it is in vain.
pub async fn what_may_not_be_deleted_is_refused_one_by_one(kafka: &mut Kafka, client: &Client) {
    kafka.kill();
    kafka.configure("delete.topic.enable=false");
    kafka.start();
    kafka.ready(client).await;
    let new = [new_topic("stays", 1), new_topic("stays-too", 1)];
    for (_, verdict) in client.create_topics(&new, false).await.unwrap() {
        verdict.unwrap();
    }
    let names = ["stays", "stays-too"];
    let verdicts = client.delete_topics(&names).await.unwrap();
    assert_eq!(verdicts.len(), names.len(), "{verdicts:?}");
    for (name, verdict) in verdicts {
        let error = verdict.unwrap_err();
        assert!(
            error.name == "TOPIC_DELETION_DISABLED" && !error.is_retriable(),
            "{name}: {error}"
        );
    }
}

pub async fn configs_and_log_dirs(client: &Client) {
    let asked = [
        ConfigResource::Broker(NODE),
        ConfigResource::Topic("orders".into()),
        ConfigResource::Topic("nowhere".into()),
        ConfigResource::Broker(99),
    ];
    let begun = Instant::now();
    let answers = client.describe_configs(&asked).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "an absent broker must not cost the deadline"
    );
    assert_eq!(
        answers.iter().map(|(r, _)| r.clone()).collect::<Vec<_>>(),
        asked
    );
    let find = |at: usize, key: &str| {
        answers[at]
            .1
            .as_ref()
            .unwrap()
            .iter()
            .find(|e| e.name == key)
            .unwrap()
            .clone()
    };
    let rack = find(0, "broker.rack");
    assert_eq!(
        (rack.value.as_deref(), rack.source, rack.read_only),
        (Some("zone-a"), ConfigSource::StaticBroker, true)
    );
    let retention = find(1, "retention.ms");
    assert_eq!(
        (retention.value.as_deref(), retention.source),
        (Some("3600000"), ConfigSource::Topic)
    );
    assert_eq!(
        answers[2].1.as_ref().unwrap_err().reason(),
        "UnknownTopicOrPartition"
    );
    assert_eq!(
        answers[3].1.as_ref().unwrap_err().reason(),
        "BrokerNotAvailable"
    );

    let dirs = client.describe_log_dirs(&[NODE]).await;
    let dirs = dirs[0].1.as_ref().unwrap();
    assert_eq!(dirs.len(), 1);
    assert!(
        dirs[0].error.is_none() && dirs[0].total_bytes > Some(0) && dirs[0].usable_bytes > Some(0)
    );
    assert!(
        dirs[0]
            .replicas
            .iter()
            .filter(|r| r.topic == "orders")
            .count()
            == 4
    );
}
