//! Records written and read back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sdm_kafka::{
    Client, Compression, Consumer, ConsumerConfig, Delivery, End, Header, OffsetSpec, Producer,
    ProducerConfig, ReceivedRecord, Record, Start,
};
use tokio::time::sleep;

use crate::node::{Kafka, new_topic};

/// Records with every feature: keys, null keys, null values, headers that repeat, times.
pub fn samples(count: usize) -> Vec<Record> {
    (0..count)
        .map(|n| Record {
            key: (n % 3 != 0).then(|| Bytes::from(format!("key-{}", n % 40))),
            value: (n % 7 != 0).then(|| Bytes::from(format!("value-{n}-").repeat(1 + n % 20))),
            headers: vec![
                Header {
                    key: "n".into(),
                    value: Some(Bytes::from(n.to_string())),
                },
                Header {
                    key: "n".into(),
                    value: None,
                },
            ],
            timestamp_ms: Some(1_700_000_000_000 + n as i64),
            partition: None,
        })
        .collect()
}

pub async fn read(client: &Client, topic: &str, start: Start, end: End) -> Vec<ReceivedRecord> {
    let mut consumer = Consumer::new(
        client.clone(),
        topic,
        None,
        start,
        end,
        ConsumerConfig::default(),
    )
    .await
    .unwrap();
    let mut records = Vec::new();
    while let Some(batch) = consumer.next().await.unwrap() {
        records.extend(batch);
    }
    records
}

pub async fn records_in_every_codec(client: &Client) {
    for codec in [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ] {
        let topic = format!("codec-{codec}");
        client
            .create_topics(&[new_topic(&topic, 3)], false)
            .await
            .unwrap()[0]
            .1
            .as_ref()
            .unwrap();
        // Several batches per partition, so that sequence numbers matter.
        let config = ProducerConfig {
            compression: codec,
            batch_bytes: 8 * 1024,
            ..ProducerConfig::default()
        };
        let producer = Producer::new(client.clone(), config);
        let sent = samples(1500);
        let acks: Vec<Delivery> = producer
            .send_all(&topic, sent.clone())
            .await
            .unwrap()
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();

        let mut stored: BTreeMap<(i32, i64), ReceivedRecord> =
            read(client, &topic, Start::Earliest, End::Current)
                .await
                .into_iter()
                .map(|r| ((r.partition, r.offset), r))
                .collect();
        assert_eq!(stored.len(), sent.len(), "{codec}");
        for (record, ack) in sent.iter().zip(&acks) {
            let found = stored
                .remove(&(ack.partition, ack.offset.unwrap()))
                .unwrap();
            assert_eq!(
                (&found.key, &found.value, &found.headers),
                (&record.key, &record.value, &record.headers),
                "{codec}"
            );
            assert_eq!(Some(found.timestamp_ms), record.timestamp_ms);
            if let Some(key) = &record.key {
                assert_eq!(ack.partition, sdm_kafka::partition_for_key(key, 3));
            }
        }
        assert!(
            (0..3).all(|p| acks.iter().any(|a| a.partition == p)),
            "{codec}: every partition is used"
        );
    }
}

pub async fn starts_and_ends(client: &Client) {
    let topic = "codec-zstd";
    let earliest = client
        .list_offsets(topic, &[0, 1, 2, 9], OffsetSpec::Earliest)
        .await
        .unwrap();
    assert_eq!(earliest[&0], Ok(Some(0)));
    assert_eq!(
        earliest[&9].as_ref().unwrap_err().reason(),
        "UnknownTopicOrPartition"
    );
    let latest = client
        .list_offsets(topic, &[0, 1, 2], OffsetSpec::Latest)
        .await
        .unwrap();
    let ends: BTreeMap<i32, i64> = latest
        .into_iter()
        .map(|(p, o)| (p, o.unwrap().unwrap()))
        .collect();
    assert_eq!(ends.values().sum::<i64>(), 1500);
    let young = client
        .list_offsets(topic, &[0], OffsetSpec::AtOrAfter(i64::MAX - 1))
        .await
        .unwrap();
    assert_eq!(young[&0], Ok(None));

    let late = read(
        client,
        topic,
        Start::AtOrAfter(1_700_000_001_400),
        End::Current,
    )
    .await;
    assert_eq!(
        late.iter()
            .filter(|r| r.timestamp_ms >= 1_700_000_001_400)
            .count(),
        100
    );
    let some = read(
        client,
        topic,
        Start::Offsets([(1, 5)].into()),
        End::Offsets([(1, 9)].into()),
    )
    .await;
    assert_eq!(
        some.iter()
            .map(|r| (r.partition, r.offset))
            .collect::<Vec<_>>(),
        [(1, 5), (1, 6), (1, 7), (1, 8)]
    );

    let beyond = Start::Offsets([(0, 1_000_000)].into());
    let mut lost = Consumer::new(
        client.clone(),
        topic,
        None,
        beyond,
        End::Follow,
        ConsumerConfig::default(),
    )
    .await
    .unwrap();
    assert_eq!(lost.next().await.unwrap_err().reason(), "OffsetOutOfRange");
    let absent = Consumer::new(
        client.clone(),
        "nowhere",
        None,
        Start::Earliest,
        End::Follow,
        ConsumerConfig::default(),
    )
    .await;
    assert_eq!(absent.unwrap_err().reason(), "UnknownTopicOrPartition");

    // Following: what is written later arrives.
    let mut follower = Consumer::new(
        client.clone(),
        topic,
        None,
        Start::Latest,
        End::Follow,
        ConsumerConfig::default(),
    )
    .await
    .unwrap();
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    let (ack, seen) = tokio::join!(producer.send(topic, samples(2).remove(1)), follower.next());
    assert_eq!(Some(seen.unwrap().unwrap()[0].offset), ack.unwrap().offset);
}

pub async fn refused_batches_leave_no_gap(client: &Client) {
    client
        .create_topics(&[new_topic("large", 1)], false)
        .await
        .unwrap()[0]
        .1
        .as_ref()
        .unwrap();
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    let record = |bytes: usize| Record {
        value: Some(vec![7; bytes].into()),
        ..Record::default()
    };
    let outcome = producer
        .send_all("large", vec![record(10), record(3_000_000), record(20)])
        .await
        .unwrap();
    assert_eq!(outcome[0].as_ref().unwrap().offset, Some(0));
    assert_eq!(outcome[1].as_ref().unwrap_err().reason(), "MessageTooLarge");
    assert_eq!(outcome[2].as_ref().unwrap().offset, Some(1));
    assert_eq!(
        producer.send("large", record(30)).await.unwrap().offset,
        Some(2)
    );

    let nowhere = producer
        .send(
            "large",
            Record {
                partition: Some(5),
                ..record(1)
            },
        )
        .await
        .unwrap_err();
    assert!(
        nowhere.to_string().contains("has no partition 5"),
        "{nowhere}"
    );
}

pub async fn dropped_calls_lose_nothing_acknowledged(client: &Client) {
    client
        .create_topics(&[new_topic("dropped", 1)], false)
        .await
        .unwrap()[0]
        .1
        .as_ref()
        .unwrap();
    let producer = Producer::new(client.clone(), ProducerConfig::default());
    let record = |n: usize| Record {
        value: Some(n.to_string().into()),
        ..Record::default()
    };
    let mut acknowledged = Vec::new();
    for n in 0..60 {
        let call = producer.send("dropped", record(n));
        // Give up at all sorts of moments; what was acknowledged must be there under the offset that was told.
        if n % 2 == 0 {
            let _ = tokio::time::timeout(Duration::from_micros(n as u64 * 60), call).await;
        } else {
            acknowledged.push((call.await.unwrap().offset.unwrap(), n.to_string()));
        }
    }
    let stored: BTreeMap<i64, Bytes> = read(client, "dropped", Start::Earliest, End::Current)
        .await
        .into_iter()
        .map(|r| (r.offset, r.value.unwrap()))
        .collect();
    for (offset, value) in acknowledged {
        assert_eq!(stored[&offset], value);
    }
}
pub async fn a_killed_broker_costs_no_record(kafka: &mut Kafka, client: &Client) {
    client
        .create_topics(&[new_topic("ledger", 2)], false)
        .await
        .unwrap()[0]
        .1
        .as_ref()
        .unwrap();
    let producer = Arc::new(Producer::new(client.clone(), ProducerConfig::default()));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = tokio::spawn(async move {
        let mut ledger = Vec::new();
        let mut n = 0;
        while !*stopped.borrow() {
            let records: Vec<Record> = (n..n + 20)
                .map(|n| Record {
                    key: Some(format!("k{n}").into()),
                    value: Some(n.to_string().into()),
                    ..Record::default()
                })
                .collect();
            n += 20;
            for ack in producer
                .send_all("ledger", records.clone())
                .await
                .unwrap()
                .into_iter()
                .zip(records)
            {
                ack.0.unwrap();
                ledger.push(ack.1.value.unwrap());
            }
        }
        ledger
    });
    for _ in 0..2 {
        sleep(Duration::from_secs(2)).await;
        kafka.kill();
        kafka.start();
        kafka.ready(client).await;
    }
    sleep(Duration::from_secs(1)).await;
    stop.send(true).unwrap();
    let mut ledger = load.await.unwrap();
    let mut stored: Vec<Bytes> = read(client, "ledger", Start::Earliest, End::Current)
        .await
        .into_iter()
        .map(|r| r.value.unwrap())
        .collect();
    println!("{} records acknowledged across two kills", ledger.len());
    ledger.sort();
    stored.sort();
    // Exactly: none lost, none twice.
    assert_eq!(stored.len(), ledger.len());
    assert_eq!(stored, ledger);
}
