//! Every call against a real Apache Kafka: one combined KRaft node on loopback, mutual TLS on every listener.
//!
//!     SDM_KAFKA_LIBS=DIR cargo test -p sdm-kafka --test real_broker -- --ignored --nocapture
//!
//! DIR holds the jars of a Kafka distribution (its `libs`). Takes about a minute; three JVM starts with 384 MB heaps.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::{Authority, Leaf};
use sdm_kafka::{
    Client, ClientConfig, Compression, ConfigResource, ConfigSource, Consumer, ConsumerConfig,
    Delivery, End, Header, KafkaError, NewTopic, OffsetSpec, Producer, ProducerConfig,
    ReceivedRecord, Record, Start, TcpDialer, TlsConfig,
};
use tokio::time::{Instant, sleep};

const NODE: i32 = 7;

/// A Kafka node of our own: its directory, its process, its three listeners.
struct Kafka {
    dir: PathBuf,
    libs: String,
    jvm: Option<Child>,
    cluster_id: String,
    /// controller, replication, clients
    ports: [u16; 3],
    ca: Authority,
}

impl Kafka {
    fn format() -> Self {
        let libs = std::env::var("SDM_KAFKA_LIBS")
            .expect("SDM_KAFKA_LIBS names a directory of Kafka's jars");
        let holders: Vec<TcpListener> = (0..3)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<u16> = holders
            .iter()
            .map(|l| l.local_addr().unwrap().port())
            .collect();
        let ports = [ports[0], ports[1], ports[2]];
        let dir =
            std::env::temp_dir().join(format!("sdm-kafka-{}-{}", std::process::id(), ports[0]));
        fs::create_dir_all(dir.join("data")).unwrap();
        let ca = Authority::new("test-ca");
        let node = ca.issue("sdm:node");
        let at = |name: &str| dir.join(name).display().to_string();
        fs::write(
            at("keystore.pem"),
            format!("{}{}", node.key_pem, node.cert_pem),
        )
        .unwrap();
        fs::write(at("truststore.pem"), &ca.pem).unwrap();
        let [controller, replication, clients] = ports;
        let properties = format!(
            "process.roles=broker,controller\nnode.id={NODE}\nlog.dirs={data}\n\
             listeners=CONTROLLER://127.0.0.1:{controller},REPLICATION://127.0.0.1:{replication},CLIENTS://127.0.0.1:{clients}\n\
             advertised.listeners=CONTROLLER://localhost:{controller},REPLICATION://localhost:{replication},CLIENTS://localhost:{clients}\n\
             listener.security.protocol.map=CONTROLLER:SSL,REPLICATION:SSL,CLIENTS:SSL\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=REPLICATION\n\
             controller.quorum.bootstrap.servers=localhost:{controller}\n\
             ssl.keystore.type=PEM\nssl.keystore.location={keystore}\nssl.truststore.type=PEM\nssl.truststore.location={truststore}\n\
             ssl.client.auth=required\nssl.principal.mapping.rules=RULE:^CN=(.*)$/$1/,DEFAULT\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:sdm:node;User:sdm:operator\nallow.everyone.if.no.acl.found=false\n\
             broker.rack=zone-a\noffsets.topic.replication.factor=1\nauto.create.topics.enable=false\n\
             log.cleaner.dedupe.buffer.size=2097152\nlog.cleaner.threads=1\n",
            data = at("data"),
            keystore = at("keystore.pem"),
            truststore = at("truststore.pem"),
        );
        fs::write(at("server.properties"), properties).unwrap();
        let cluster_id = "4L6g3nShT-eMCtK--X86sw".to_owned();
        let mut kafka = Self {
            dir,
            libs,
            jvm: None,
            cluster_id,
            ports,
            ca,
        };
        let id = kafka.cluster_id.clone();
        drop(holders);
        let formatted = kafka
            .java(&[
                "kafka.tools.StorageTool",
                "format",
                "-t",
                &id,
                "--standalone",
                "-c",
            ])
            .wait()
            .unwrap();
        assert!(formatted.success(), "{}", kafka.log());
        kafka.start();
        kafka
    }

    fn java(&self, args: &[&str]) -> Child {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("log"))
            .unwrap();
        Command::new("java")
            .args([
                "-Xmx384m",
                "-Xms384m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
                &format!("{}/*", self.libs),
            ])
            .args(args)
            .arg(self.dir.join("server.properties"))
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    fn start(&mut self) {
        self.jvm = Some(self.java(&["kafka.Kafka"]));
    }

    /// SIGKILL.
    fn kill(&mut self) {
        let mut jvm = self.jvm.take().unwrap();
        jvm.kill().unwrap();
        jvm.wait().unwrap();
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        log.lines()
            .rev()
            .take(40)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn client_on(&self, port: u16, tls: Option<TlsConfig>, timeout: Duration) -> Client {
        Client::new(ClientConfig {
            bootstrap: vec![("localhost".to_owned(), port)],
            tls,
            dialer: Arc::new(TcpDialer),
            client_id: "test".to_owned(),
            timeout,
        })
    }

    fn client(&self, leaf: &Leaf) -> Client {
        let tls = TlsConfig::new(self.ca.client(Some(leaf))).unwrap();
        self.client_on(self.ports[2], Some(tls), Duration::from_secs(20))
    }

    async fn ready(&mut self, client: &Client) {
        let begun = Instant::now();
        loop {
            let described = client.describe_cluster(true).await;
            if described
                .as_ref()
                .is_ok_and(|c| c.nodes.iter().any(|n| n.id == NODE && !n.fenced))
            {
                return;
            }
            let dead = self.jvm.as_mut().unwrap().try_wait().unwrap();
            assert!(
                dead.is_none() && begun.elapsed() < Duration::from_secs(90),
                "{described:?}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(mut jvm) = self.jvm.take() {
            let _ = jvm.kill();
            let _ = jvm.wait();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs SDM_KAFKA_LIBS and a JVM"]
async fn every_call_against_a_real_node() {
    let mut kafka = Kafka::format();
    let operator = kafka.ca.issue("sdm:operator");
    let client = kafka.client(&operator);
    kafka.ready(&client).await;

    cluster_and_quorum(&kafka, &client, &operator).await;
    topics(&client).await;
    configs_and_log_dirs(&client).await;
    records_in_every_codec(&client).await;
    starts_and_ends(&client).await;
    refused_batches_leave_no_gap(&client).await;
    dropped_calls_lose_nothing_acknowledged(&client).await;
    strangers_may_do_nothing(&kafka).await;
    nobody_gets_past_the_handshake(&kafka, &operator).await;
    reloaded_material_is_used(&kafka, &operator).await;
    a_killed_broker_costs_no_record(&mut kafka, &client).await;
}

async fn cluster_and_quorum(kafka: &Kafka, client: &Client, operator: &Leaf) {
    let cluster = client.describe_cluster(true).await.unwrap();
    assert_eq!(cluster.cluster_id, kafka.cluster_id);
    let node = &cluster.nodes[0];
    assert_eq!(
        (node.id, node.host.as_str(), node.port, node.rack.as_deref()),
        (NODE, "localhost", kafka.ports[2], Some("zone-a"))
    );

    let tls = TlsConfig::new(kafka.ca.client(Some(operator))).unwrap();
    let controllers = kafka.client_on(kafka.ports[0], Some(tls), Duration::from_secs(10));
    let described = controllers.describe_controllers().await.unwrap();
    assert_eq!(
        (
            described.controller_id,
            described.nodes[0].id,
            described.nodes[0].port
        ),
        (Some(NODE), NODE, kafka.ports[0])
    );

    for side in [client, &controllers] {
        let quorum = side.describe_quorum().await.unwrap();
        assert_eq!(quorum.leader_id, Some(NODE));
        let voter = &quorum.voters[0];
        assert!(
            voter.directory_id.is_some() && voter.lag == Some(0),
            "{quorum:?}"
        );
        assert_eq!(quorum.nodes[0].listeners[0].2, kafka.ports[0]);
    }
    let conn = controllers
        .connect_to("localhost", kafka.ports[0])
        .await
        .unwrap();
    assert!(conn.api_versions().iter().any(|a| a.key == 55));
    // A controller listener does not serve Metadata: a sentence, not a hang.
    let error = conn
        .metadata(None, Instant::now() + Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("does not offer Metadata"),
        "{error}"
    );
}

fn new_topic(name: &str, partitions: i32) -> NewTopic {
    NewTopic {
        name: name.to_owned(),
        partitions: Some(partitions),
        replication_factor: Some(1),
        ..NewTopic::default()
    }
}

async fn topics(client: &Client) {
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
    assert_eq!(verdicts["placed"], Ok(()));
    assert_eq!(
        verdicts["nowhere"].as_ref().unwrap_err().name,
        "UNKNOWN_TOPIC_OR_PARTITION"
    );
}

async fn configs_and_log_dirs(client: &Client) {
    let asked = [
        ConfigResource::Broker(NODE),
        ConfigResource::Topic("orders".into()),
        ConfigResource::Topic("nowhere".into()),
        ConfigResource::Broker(99),
    ];
    let begun = Instant::now();
    let answers = client.describe_configs(&asked).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(5),
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

/// Records with every feature: keys, null keys, null values, headers that repeat, times.
fn samples(count: usize) -> Vec<Record> {
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

async fn read(client: &Client, topic: &str, start: Start, end: End) -> Vec<ReceivedRecord> {
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

async fn records_in_every_codec(client: &Client) {
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

async fn starts_and_ends(client: &Client) {
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

async fn refused_batches_leave_no_gap(client: &Client) {
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

async fn dropped_calls_lose_nothing_acknowledged(client: &Client) {
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

async fn strangers_may_do_nothing(kafka: &Kafka) {
    let stranger = kafka.client(&kafka.ca.issue("team/app"));
    let created = stranger
        .create_topics(&[new_topic("mine", 1)], false)
        .await
        .unwrap();
    assert_eq!(
        created[0].1.as_ref().unwrap_err().name,
        "TOPIC_AUTHORIZATION_FAILED"
    );
    assert!(stranger.list_topics().await.unwrap().is_empty());
    assert_eq!(
        stranger.describe_quorum().await.unwrap_err().reason(),
        "ClusterAuthorizationFailed"
    );
    let producer = Producer::new(stranger, ProducerConfig::default());
    assert_eq!(
        producer
            .send("orders", Record::default())
            .await
            .unwrap_err()
            .reason(),
        "TopicAuthorizationFailed"
    );
}

async fn nobody_gets_past_the_handshake(kafka: &Kafka, operator: &Leaf) {
    let other = Authority::new("other-ca");
    let foreign = other.issue("sdm:operator");
    let mut showing_foreign = kafka.ca.client(None);
    showing_foreign.cert_chain_pem = Some(foreign.cert_pem.clone().into());
    showing_foreign.key_pem = Some(foreign.key_pem.clone().into());

    for port in kafka.ports {
        let ask = async |tls: Option<TlsConfig>| {
            let begun = Instant::now();
            let client = kafka.client_on(port, tls, Duration::from_secs(5));
            let error = client.connect_to("localhost", port).await.unwrap_err();
            println!("{port}: {error} ({:?})", begun.elapsed());
            error
        };
        let tls = |material| Some(TlsConfig::new(material).unwrap());
        let refused = |e: &KafkaError| matches!(e, KafkaError::Tls { detail, .. } if detail.contains("the broker refused our certificate"));
        let error = ask(tls(kafka.ca.client(None))).await;
        assert!(refused(&error), "no certificate: {error}");
        let error = ask(tls(showing_foreign.clone())).await;
        assert!(refused(&error), "another authority's certificate: {error}");
        let error = ask(tls(other.client(Some(operator)))).await;
        assert!(
            matches!(&error, KafkaError::Tls { detail, .. } if detail.contains("certificate is not acceptable")),
            "{error}"
        );
        let error = ask(None).await;
        assert!(
            !error.was_sent() || matches!(error, KafkaError::Protocol { .. }),
            "plaintext: {error}"
        );
        // The same doors open for the right one.
        let right = kafka.client_on(
            port,
            tls(kafka.ca.client(Some(operator))),
            Duration::from_secs(5),
        );
        right.connect_to("localhost", port).await.unwrap();
    }
}

async fn reloaded_material_is_used(kafka: &Kafka, operator: &Leaf) {
    let tls = TlsConfig::new(kafka.ca.client(None)).unwrap();
    let client = kafka.client_on(kafka.ports[2], Some(tls.clone()), Duration::from_secs(5));
    assert_eq!(
        client.describe_cluster(false).await.unwrap_err().reason(),
        "TlsFailed"
    );
    tls.reload(kafka.ca.client(Some(operator))).unwrap();
    client.describe_cluster(false).await.unwrap();
    let mut broken = kafka.ca.client(Some(operator));
    broken.key_pem = Some(b"not a key".to_vec());
    assert_eq!(
        tls.reload(broken).unwrap_err().reason(),
        "InvalidClientConfig"
    );
    client.close_connections();
    client.describe_cluster(false).await.unwrap();
}

async fn a_killed_broker_costs_no_record(kafka: &mut Kafka, client: &Client) {
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
