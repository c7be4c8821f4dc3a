//! Configurations changed key by key, topics that grow, replicas that move.

use std::collections::BTreeMap;

use sdm_kafka::{Client, ConfigChange, ConfigEntry, ConfigOp, ConfigResource, ConfigSource};

use crate::node::{NODE, eventually, new_topic};

fn set(key: &str, value: &str) -> ConfigOp {
    ConfigOp::Set {
        key: key.into(),
        value: value.into(),
    }
}

fn change(resource: &ConfigResource, ops: Vec<ConfigOp>) -> ConfigChange {
    ConfigChange {
        resource: resource.clone(),
        ops,
    }
}

async fn make(client: &Client, changes: &[ConfigChange]) {
    let verdicts = client
        .incremental_alter_configs(changes, false)
        .await
        .unwrap();
    assert!(verdicts.iter().all(|(_, v)| v.is_ok()), "{verdicts:?}");
}

/// One key, once its value and source are these.
async fn becomes(
    client: &Client,
    resource: &ConfigResource,
    key: &str,
    value: &str,
    source: ConfigSource,
) -> ConfigEntry {
    eventually(async || {
        let asked = [(resource.clone(), vec![key.to_owned()])];
        let told = client.describe_config_keys(&asked).await.unwrap();
        let entries = told[0].1.clone().unwrap();
        assert_eq!(entries.len(), 1, "{entries:?}");
        let entry = entries.into_iter().next()?;
        (entry.value.as_deref() == Some(value) && entry.source == source).then_some(entry)
    })
    .await
}

pub async fn configs_change_key_by_key(client: &Client) {
    let orders = ConfigResource::Topic("orders".into());
    let broker = ConfigResource::Broker(NODE);
    let everyone = ConfigResource::BrokerDefaults;
    let nowhere = ConfigResource::Topic("nowhere".into());

    // Verdicts stand in the order asked, whoever gave them; one refusal stops no other resource.
    let asked = [
        change(&broker, vec![set("broker.rack", "zone-b")]),
        change(
            &orders,
            vec![
                set("retention.ms", "7200000"),
                ConfigOp::Append {
                    key: "cleanup.policy".into(),
                    value: "compact".into(),
                },
            ],
        ),
        change(&nowhere, vec![set("retention.ms", "1")]),
        change(&everyone, vec![set("message.max.bytes", "2000000")]),
    ];
    for validate_only in [true, false] {
        let verdicts = client
            .incremental_alter_configs(&asked, validate_only)
            .await
            .unwrap();
        let resources: Vec<_> = verdicts.iter().map(|(r, _)| r.clone()).collect();
        assert_eq!(resources, asked.clone().map(|c| c.resource));
        let read_only = verdicts[0].1.as_ref().unwrap_err();
        println!("a read-only key: {read_only}");
        assert_eq!(read_only.name, "INVALID_REQUEST");
        assert_eq!(verdicts[1].1, Ok(()));
        assert_eq!(
            verdicts[2].1.as_ref().unwrap_err().name,
            "UNKNOWN_TOPIC_OR_PARTITION"
        );
        assert_eq!(verdicts[3].1, Ok(()));
        let source = becomes(
            client,
            &orders,
            "retention.ms",
            if validate_only { "3600000" } else { "7200000" },
            ConfigSource::Topic,
        );
        source.await;
    }
    becomes(
        client,
        &orders,
        "cleanup.policy",
        "delete,compact",
        ConfigSource::Topic,
    )
    .await;
    becomes(
        client,
        &everyone,
        "message.max.bytes",
        "2000000",
        ConfigSource::DynamicDefaultBroker,
    )
    .await;

    // Beneath the broker's own value stands the one for all, beneath that Kafka's default.
    let key = "message.max.bytes";
    make(client, &[change(&broker, vec![set(key, "3000000")])]).await;
    becomes(client, &broker, key, "3000000", ConfigSource::DynamicBroker).await;
    let delete = |key: &str| vec![ConfigOp::Delete { key: key.into() }];
    make(client, &[change(&broker, delete(key))]).await;
    becomes(
        client,
        &broker,
        key,
        "2000000",
        ConfigSource::DynamicDefaultBroker,
    )
    .await;
    make(client, &[change(&everyone, delete(key))]).await;
    becomes(client, &broker, key, "1048588", ConfigSource::Default).await;
    // Deleting what is not there is no error.
    make(client, &[change(&everyone, delete(key))]).await;

    make(
        client,
        &[change(
            &orders,
            vec![
                ConfigOp::Delete {
                    key: "retention.ms".into(),
                },
                ConfigOp::Subtract {
                    key: "cleanup.policy".into(),
                    value: "compact".into(),
                },
            ],
        )],
    )
    .await;
    becomes(
        client,
        &orders,
        "retention.ms",
        "604800000",
        ConfigSource::Default,
    )
    .await;
    becomes(
        client,
        &orders,
        "cleanup.policy",
        "delete",
        ConfigSource::Topic,
    )
    .await;

    for (key, value) in [
        ("retention.ms", "soon"),
        ("no.such.key", "1"),
        ("min.insync.replicas", "0"),
    ] {
        let verdicts = client
            .incremental_alter_configs(&[change(&orders, vec![set(key, value)])], false)
            .await
            .unwrap();
        let error = verdicts[0].1.as_ref().unwrap_err();
        println!("{key}={value}: {error}");
        assert_eq!(error.name, "INVALID_CONFIG");
    }
    let absent = client
        .incremental_alter_configs(
            &[change(&ConfigResource::Broker(99), vec![set(key, "1")])],
            false,
        )
        .await
        .unwrap_err();
    assert_eq!(absent.reason(), "BrokerNotAvailable");

    // No keys are no keys, and one that does not exist is left out.
    let asked = [
        (orders.clone(), vec![]),
        (orders.clone(), vec!["no.such.key".to_owned()]),
        (
            broker.clone(),
            vec!["node.id".to_owned(), "log.dirs".to_owned()],
        ),
        (nowhere, vec!["retention.ms".to_owned()]),
    ];
    let told = client.describe_config_keys(&asked[..1]).await.unwrap();
    assert_eq!(told[0].1, Ok(vec![]));
    let told = client.describe_config_keys(&asked[1..]).await.unwrap();
    assert_eq!(told[0].1, Ok(vec![]));
    let names: Vec<_> = told[1]
        .1
        .as_ref()
        .unwrap()
        .iter()
        .map(|e| &*e.name)
        .collect();
    assert_eq!(names, ["log.dirs", "node.id"]);
    assert_eq!(
        told[2].1.as_ref().unwrap_err().reason(),
        "UnknownTopicOrPartition"
    );

    // A group needs no members, nor to exist.
    let group = ConfigResource::Group("readers".into());
    make(
        client,
        &[change(
            &group,
            vec![set("consumer.session.timeout.ms", "50000")],
        )],
    )
    .await;
    becomes(
        client,
        &group,
        "consumer.session.timeout.ms",
        "50000",
        ConfigSource::Other(8),
    )
    .await;
    make(
        client,
        &[change(&group, delete("consumer.session.timeout.ms"))],
    )
    .await;
}

pub async fn topics_grow(client: &Client) {
    let asked = [
        ("orders".to_owned(), 6, vec![]),
        ("large".to_owned(), 2, vec![vec![NODE]]),
        ("codec-none".to_owned(), 2, vec![]),
        ("codec-gzip".to_owned(), 3, vec![]),
        ("codec-zstd".to_owned(), 4, vec![vec![99]]),
        ("nowhere".to_owned(), 2, vec![]),
    ];
    for validate_only in [true, false] {
        let verdicts: BTreeMap<_, _> = client
            .create_partitions(&asked, validate_only)
            .await
            .unwrap()
            .into_iter()
            .collect();
        assert_eq!(verdicts.len(), asked.len());
        assert_eq!(
            (&verdicts["orders"], &verdicts["large"]),
            (&Ok(()), &Ok(()))
        );
        let error = |topic: &str| {
            let error = verdicts[topic].as_ref().unwrap_err();
            println!("{topic}: {error}");
            error.name
        };
        assert_eq!(error("codec-none"), "INVALID_PARTITIONS");
        assert_eq!(error("codec-gzip"), "INVALID_PARTITIONS");
        assert_eq!(error("codec-zstd"), "INVALID_REPLICA_ASSIGNMENT");
        assert_eq!(error("nowhere"), "UNKNOWN_TOPIC_OR_PARTITION");
        let partitions = async |topic: &str| {
            let metadata = client.metadata(Some(&[topic])).await.unwrap();
            metadata.topics[0].partitions.len()
        };
        if validate_only {
            assert_eq!(partitions("orders").await, 4);
        } else {
            eventually(async || (partitions("orders").await == 6).then_some(())).await;
            eventually(async || (partitions("large").await == 2).then_some(())).await;
        }
    }
}

pub async fn replicas_move(client: &Client) {
    client
        .create_topics(&[new_topic("moved", 2)], false)
        .await
        .unwrap()[0]
        .1
        .as_ref()
        .unwrap();
    let moves = [
        ("moved".to_owned(), 0, Some(vec![NODE])),
        ("moved".to_owned(), 1, None),
        ("moved".to_owned(), 9, Some(vec![NODE])),
        ("large".to_owned(), 0, Some(vec![NODE, 99])),
        ("nowhere".to_owned(), 0, Some(vec![NODE])),
    ];
    let verdicts: BTreeMap<_, _> = client
        .alter_partition_reassignments(&moves)
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(verdicts.len(), moves.len());
    let of = |topic: &str, partition: i32| &verdicts[&(topic.to_owned(), partition)];
    assert_eq!(of("moved", 0), &Ok(()));
    let error = |topic: &str, partition: i32| {
        let error = of(topic, partition).as_ref().unwrap_err();
        println!("{topic}-{partition}: {error}");
        error.name
    };
    assert_eq!(error("moved", 1), "NO_REASSIGNMENT_IN_PROGRESS");
    assert_eq!(error("moved", 9), "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(error("large", 0), "INVALID_REPLICA_ASSIGNMENT");
    assert_eq!(error("nowhere", 0), "UNKNOWN_TOPIC_OR_PARTITION");

    // The preferred replicas lead: nothing to do is no error.
    let verdicts = client
        .elect_preferred_leaders(Some(&[("moved", &[0, 1]), ("nowhere", &[0])]))
        .await
        .unwrap();
    let verdicts: BTreeMap<_, _> = verdicts.into_iter().collect();
    assert_eq!(verdicts[&("moved".to_owned(), 1)], Ok(()));
    let absent = verdicts[&("nowhere".to_owned(), 0)].as_ref().unwrap_err();
    assert_eq!(absent.name, "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(client.elect_preferred_leaders(None).await.unwrap(), []);

    // Everything is where it should be already.
    for asked in [None, Some(&[("moved", &[0, 1][..]), ("nowhere", &[0])][..])] {
        assert_eq!(
            client.list_partition_reassignments(asked).await.unwrap(),
            []
        );
    }
}
