//! The producer against a log that checks sequences: what is lost on the way is repeated and written once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use sdm_kafka::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use sdm_kafka::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use sdm_kafka::messages::{
    BrokerId, InitProducerIdRequest, InitProducerIdResponse, MetadataRequest, MetadataResponse,
    ProduceRequest, ProduceResponse, ProducerId, TopicName,
};
use sdm_kafka::testing::{Handler, Reply, Request, Server};
use sdm_kafka::{KafkaError, Producer, ProducerConfig, Record};

use super::client;

/// A log of one partition that checks sequences as a broker does, with faults by turn.
#[derive(Default)]
struct Log {
    port: Mutex<i32>,
    faults: Mutex<Vec<Fault>>,
    /// Producer id to its next sequence and the start of its last batch.
    sequences: Mutex<HashMap<i64, (i32, i32)>>,
    /// Producer id, first sequence, record count of every append.
    appended: Mutex<Vec<(i64, i32, i32)>>,
    ids: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// None: append and answer.
    Fine,
    /// Append, then hang up.
    LoseAnswer,
    /// Append, then say nothing.
    Swallow,
    /// Refuse with this code.
    Refuse(i16),
}

impl Log {
    fn append(&self, batch: &[u8]) -> i16 {
        let at = |range: std::ops::Range<usize>| batch[range].to_vec();
        let id = i64::from_be_bytes(at(43..51).try_into().unwrap());
        let first = i32::from_be_bytes(at(53..57).try_into().unwrap());
        let count = i32::from_be_bytes(at(57..61).try_into().unwrap());
        let mut sequences = self.sequences.lock().unwrap();
        let entry = sequences.entry(id).or_insert((0, -1));
        if first == entry.1 {
            return 46;
        }
        if first != entry.0 {
            return 45;
        }
        *entry = (first + count, first);
        self.appended.lock().unwrap().push((id, first, count));
        0
    }

    fn produce(&self, request: &Request) -> Reply {
        let asked: ProduceRequest = request.read().unwrap();
        assert_eq!(asked.acks, -1);
        let batch = asked.topic_data[0].partition_data[0]
            .records
            .clone()
            .unwrap();
        let mut faults = self.faults.lock().unwrap();
        let fault = if faults.is_empty() {
            None
        } else {
            Some(faults.remove(0))
        };
        let code = match fault {
            Some(Fault::Refuse(code)) => code,
            _ => self.append(&batch),
        };
        match fault {
            Some(Fault::LoseAnswer) => return Reply::HangUp,
            Some(Fault::Swallow) => return Reply::Silence,
            _ => {}
        }
        let partition = PartitionProduceResponse::default()
            .with_index(0)
            .with_error_code(code)
            .with_base_offset(0);
        let topic = TopicProduceResponse::default()
            .with_name(TopicName("t".to_owned().into()))
            .with_partition_responses(vec![partition]);
        request.answer::<ProduceRequest>(&ProduceResponse::default().with_responses(vec![topic]))
    }
}

impl Handler for Log {
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            if request.is::<ProduceRequest>() {
                return self.produce(request);
            }
            if request.is::<InitProducerIdRequest>() {
                let id = self.ids.fetch_add(1, Ordering::SeqCst) as i64;
                return request.answer::<InitProducerIdRequest>(
                    &InitProducerIdResponse::default().with_producer_id(ProducerId(id)),
                );
            }
            let broker = MetadataResponseBroker::default()
                .with_node_id(BrokerId(1))
                .with_host("localhost".to_owned().into())
                .with_port(*self.port.lock().unwrap());
            let topic = MetadataResponseTopic::default()
                .with_name(Some(TopicName("t".to_owned().into())))
                .with_partitions(vec![
                    MetadataResponsePartition::default().with_leader_id(BrokerId(1)),
                ]);
            request.answer::<MetadataRequest>(
                &MetadataResponse::default()
                    .with_brokers(vec![broker])
                    .with_topics(vec![topic]),
            )
        })
    }
}

async fn producer(faults: &[Fault], delivery_ms: u64) -> (Producer, Arc<Log>, Server) {
    let log = Arc::new(Log::default());
    log.faults.lock().unwrap().extend_from_slice(faults);
    let server = Server::start(Arc::clone(&log) as _, None).await.unwrap();
    *log.port.lock().unwrap() = i32::from(server.address().port());
    let config = ProducerConfig {
        delivery_timeout: Duration::from_millis(delivery_ms),
        ..ProducerConfig::default()
    };
    (Producer::new(client(&server, 2000), config), log, server)
}

fn three() -> Vec<Record> {
    vec![Record::default(); 3]
}

#[tokio::test]
async fn a_batch_whose_answer_was_lost_is_repeated_and_written_once() {
    let faults = [Fault::LoseAnswer, Fault::Refuse(6), Fault::Refuse(19)];
    let (producer, log, _server) = producer(&faults, 10_000).await;
    for _ in 0..2 {
        assert!(
            producer
                .send_all("t", three())
                .await
                .unwrap()
                .iter()
                .all(Result::is_ok)
        );
    }
    assert_eq!(*log.appended.lock().unwrap(), [(0, 0, 3), (0, 3, 3)]);
}

#[tokio::test]
async fn after_an_unknown_outcome_the_sequence_is_not_reused() {
    let (producer, log, _server) = producer(&[Fault::Fine, Fault::Swallow], 600).await;
    producer.send_all("t", three()).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let outcome = producer.send_all("t", three()).await.unwrap();
    assert!(
        outcome.iter().all(|o| *o
            == Err(KafkaError::Timeout {
                sent: true,
                api: "Produce"
            })),
        "{outcome:?}"
    );
    // Under the old producer id the broker would take these for the first batch and drop them.
    assert!(
        producer
            .send_all("t", three())
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(
        *log.appended.lock().unwrap(),
        [(0, 0, 3), (0, 3, 3), (1, 0, 3)]
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_half_way_does_not_swallow_the_next() {
    let (producer, log, _server) = producer(&[Fault::Fine, Fault::Swallow], 10_000).await;
    producer.send_all("t", three()).await.unwrap()[0]
        .as_ref()
        .unwrap();
    let dropped =
        tokio::time::timeout(Duration::from_millis(300), producer.send_all("t", three())).await;
    assert!(dropped.is_err());
    assert!(
        producer
            .send_all("t", three())
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(
        *log.appended.lock().unwrap(),
        [(0, 0, 3), (0, 3, 3), (1, 0, 3)]
    );
}

#[tokio::test]
async fn a_refused_batch_gives_its_sequence_back() {
    let (producer, log, _server) = producer(&[Fault::Refuse(10)], 10_000).await;
    let outcome = producer.send_all("t", three()).await.unwrap();
    assert_eq!(outcome[0].as_ref().unwrap_err().reason(), "MessageTooLarge");
    assert!(
        producer
            .send_all("t", three())
            .await
            .unwrap()
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(*log.appended.lock().unwrap(), [(0, 0, 3)]);
}
