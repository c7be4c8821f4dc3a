//! The producer: acks=all and idempotent, so that a repeated batch is written once (KIP-98).
//!
//! Callers hand over many records at once; they are partitioned, cut into batches, and one request per leader carries
//! the next batch of every partition it leads. A batch is repeated with the same sequence number until the broker
//! confirms it or the deadline passes. If the deadline leaves an outcome unknown, the partition goes on under a new
//! producer id, and the caller is told so per record.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{InitProducerIdRequest, ProduceRequest, ProducerId};
use tokio::time::Instant;

use super::batch::{self, Compression, Sequence};
use super::lane::{Identity, Job, Lane};
use super::partitioner::{Sticky, partition_for_key};
use super::record::Record;
use crate::admin::{optional_text, topic_name};
use crate::client::{Client, Pause, Repeat, Retry};
use crate::error::{ItemError, KafkaError, Result, code};
use crate::wire::rpc::Rpc;

const ALL_IN_SYNC: i16 = -1;
/// How long a topic may be unknown before that is believed: brokers learn of a new one a moment after its creation.
const NEW_TOPIC: Duration = Duration::from_secs(5);

/// How a producer writes.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Compression of batches.
    pub compression: Compression,
    /// Records of one partition are cut into batches of about this many uncompressed bytes. Must stay below the
    /// broker's `message.max.bytes` (1 MiB by default); a single larger record travels alone.
    pub batch_bytes: usize,
    /// From handing over to giving up, retries included.
    pub delivery_timeout: Duration,
    /// Longest wait for one answer within that.
    pub request_timeout: Duration,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            batch_bytes: 512 * 1024,
            delivery_timeout: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Where an acknowledged record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Delivery {
    /// Partition number.
    pub partition: i32,
    /// Its offset; `None` if the broker only said that it has the record already.
    pub offset: Option<i64>,
}

/// By topic and partition.
type Lanes = HashMap<(String, i32), Arc<tokio::sync::Mutex<Lane>>>;

/// An idempotent producer. May be shared: calls for the same partition take turns, others run side by side.
pub struct Producer {
    client: Client,
    config: ProducerConfig,
    lanes: Mutex<Lanes>,
    sticky: Mutex<HashMap<String, Sticky>>,
    identity: tokio::sync::Mutex<Option<Identity>>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer over `client`. Nothing is sent before the first record.
    pub fn new(client: Client, config: ProducerConfig) -> Self {
        Self {
            client,
            config,
            lanes: Mutex::default(),
            sticky: Mutex::default(),
            identity: tokio::sync::Mutex::default(),
        }
    }

    /// Writes one record and waits until every in-sync replica has it.
    pub async fn send(&self, topic: &str, record: Record) -> Result<Delivery> {
        let mut outcome = self.send_all(topic, vec![record]).await?;
        outcome
            .pop()
            .unwrap_or_else(|| Err(KafkaError::config("one record in, none out")))
    }

    /// Writes records and waits until each is acknowledged or given up: one verdict per record, in the order given.
    /// Records of one partition keep their order.
    ///
    /// An error for the whole call means that nothing was sent.
    pub async fn send_all(
        &self,
        topic: &str,
        records: Vec<Record>,
    ) -> Result<Vec<Result<Delivery>>> {
        let deadline = Instant::now() + self.config.delivery_timeout;
        let leaders = self.topic_leaders(topic, deadline).await?;
        let mut outcome: Vec<Option<Result<Delivery>>> = records.iter().map(|_| None).collect();

        let mut chunks: BTreeMap<i32, VecDeque<Vec<usize>>> = BTreeMap::new();
        let mut sizes: HashMap<i32, usize> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            let size = batch::estimate(record);
            let partition = match self.partition_of(topic, record, size, &leaders) {
                Ok(partition) => partition,
                Err(error) => {
                    outcome[at] = Some(Err(error));
                    continue;
                }
            };
            let queue = chunks.entry(partition).or_default();
            let filled = sizes.entry(partition).or_default();
            if queue.is_empty() || *filled + size > self.config.batch_bytes {
                queue.push_back(Vec::new());
                *filled = 0;
            }
            *filled += size;
            if let Some(chunk) = queue.back_mut() {
                chunk.push(at);
            }
        }
        // Locks are taken in partition order, so two calls never wait for each other.
        let mut jobs = Vec::with_capacity(chunks.len());
        for (partition, chunks) in chunks {
            let mut lane = self.lane(topic, partition).lock_owned().await;
            let at = lane.at.take();
            jobs.push(Job {
                partition,
                lane,
                at,
                chunks,
                current: None,
                in_doubt: false,
                last: None,
            });
        }
        self.run(topic, &records, jobs, leaders, deadline, &mut outcome)
            .await;
        Ok(outcome
            .into_iter()
            .map(|o| {
                o.unwrap_or(Err(KafkaError::Timeout {
                    sent: false,
                    api: ProduceRequest::NAME,
                }))
            })
            .collect())
    }

    async fn topic_leaders(
        &self,
        topic: &str,
        deadline: Instant,
    ) -> Result<BTreeMap<i32, Option<i32>>> {
        let patience = deadline.min(Instant::now() + NEW_TOPIC);
        let mut pause = Pause::default();
        loop {
            match self.client.leaders(topic, deadline).await {
                Err(e)
                    if e.code() == Some(code::UNKNOWN_TOPIC_OR_PARTITION)
                        && pause.before(patience).await => {}
                done => return done,
            }
        }
    }

    fn partition_of(
        &self,
        topic: &str,
        record: &Record,
        size: usize,
        leaders: &BTreeMap<i32, Option<i32>>,
    ) -> Result<i32> {
        let count = i32::try_from(leaders.len()).unwrap_or(i32::MAX);
        if let Some(partition) = record.partition {
            return if leaders.contains_key(&partition) {
                Ok(partition)
            } else {
                Err(KafkaError::config(format!(
                    "{topic} has no partition {partition}; it has {count}"
                )))
            };
        }
        if let Some(key) = &record.key {
            return Ok(partition_for_key(key, count));
        }
        let led: Vec<i32> = leaders
            .iter()
            .filter(|(_, leader)| leader.is_some())
            .map(|(p, _)| *p)
            .collect();
        let all: Vec<i32> = leaders.keys().copied().collect();
        let mut sticky = self.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        let choice = sticky
            .entry(topic.to_owned())
            .or_default()
            .choose(if led.is_empty() { &all } else { &led }, size);
        choice.ok_or_else(|| KafkaError::config(format!("{topic} has no partitions")))
    }

    fn lane(&self, topic: &str, partition: i32) -> Arc<tokio::sync::Mutex<Lane>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(lanes.entry((topic.to_owned(), partition)).or_default())
    }

    /// Sends every job's batches in order, until all are done or the deadline has passed.
    async fn run(
        &self,
        topic: &str,
        records: &[Record],
        mut jobs: Vec<Job>,
        mut leaders: BTreeMap<i32, Option<i32>>,
        deadline: Instant,
        outcome: &mut [Option<Result<Delivery>>],
    ) {
        let mut pause = Pause::default();
        loop {
            for job in &mut jobs {
                self.prepare(job, records, deadline, outcome).await;
            }
            jobs.retain_mut(|job| {
                if job.chunks.is_empty() {
                    job.lane.at = job.at;
                }
                !job.chunks.is_empty()
            });
            if jobs.is_empty() {
                return;
            }
            let progress = self
                .round(topic, &mut jobs, &leaders, deadline, outcome)
                .await;
            if progress {
                pause = Pause::default();
            } else if !pause.before(deadline).await {
                break;
            } else if let Ok(found) = self.client.leaders(topic, deadline).await {
                // Leaders moved, or a broker is gone; if even that cannot be learned, the old ones are tried again.
                leaders = found;
            }
        }
        for job in &mut jobs {
            job.give_up(outcome);
        }
    }

    /// Builds the job's next batch under the lane's next sequence numbers, unless one is waiting to be repeated.
    async fn prepare(
        &self,
        job: &mut Job,
        records: &[Record],
        deadline: Instant,
        outcome: &mut [Option<Result<Delivery>>],
    ) {
        while job.current.is_none() {
            let Some(chunk) = job.chunks.front() else {
                return;
            };
            let (identity, first) = match job.at {
                Some(at) => at,
                None => match self.identity(job.lane.spent, deadline).await {
                    Ok(identity) => (identity, 0),
                    Err(error) => return job.fail_all(&error, outcome),
                },
            };
            job.lane.spent = Some(identity);
            job.at = Some((identity, first));
            let sequence = Sequence {
                producer_id: identity.producer_id,
                epoch: identity.epoch,
                first,
            };
            let batch: Vec<Record> = chunk
                .iter()
                .filter_map(|at| records.get(*at).cloned())
                .collect();
            match batch::encode(&batch, self.config.compression, sequence, now_ms()) {
                Ok(bytes) => job.current = Some(bytes),
                Err(error) => job.finish(|_| Err(error.clone()), outcome),
            }
        }
    }

    /// One Produce request to each leader, with one batch of each partition. Whether any batch was settled.
    async fn round(
        &self,
        topic: &str,
        jobs: &mut [Job],
        leaders: &BTreeMap<i32, Option<i32>>,
        deadline: Instant,
        outcome: &mut [Option<Result<Delivery>>],
    ) -> bool {
        let mut by_leader: BTreeMap<i32, Vec<&mut Job>> = BTreeMap::new();
        for job in jobs.iter_mut() {
            match leaders.get(&job.partition).copied().flatten() {
                Some(leader) => by_leader.entry(leader).or_default().push(job),
                None => job.last = Some(verdict(code::LEADER_NOT_AVAILABLE, None)),
            }
        }
        let until = deadline.min(Instant::now() + self.config.request_timeout);
        let answers = join_all(by_leader.into_iter().map(|(leader, jobs)| async move {
            let answer = self.produce(topic, leader, &jobs, until).await;
            (jobs, answer)
        }))
        .await;

        let mut progress = false;
        for (jobs, answer) in answers {
            for job in jobs {
                let part = match &answer {
                    Ok(parts) => parts
                        .get(&job.partition)
                        .cloned()
                        .unwrap_or_else(|| Err(silent())),
                    Err(error) => Err(error.clone()),
                };
                progress |= job.settle(part, outcome);
            }
        }
        progress
    }

    async fn produce(
        &self,
        topic: &str,
        leader: i32,
        jobs: &[&mut Job],
        until: Instant,
    ) -> Result<HashMap<i32, Result<i64>>> {
        let timeout = until.saturating_duration_since(Instant::now()).as_millis();
        let partitions = jobs.iter().map(|job| {
            PartitionProduceData::default()
                .with_index(job.partition)
                .with_records(job.current.clone())
        });
        let request = ProduceRequest::default()
            .with_acks(ALL_IN_SYNC)
            .with_timeout_ms(i32::try_from(timeout).unwrap_or(i32::MAX))
            .with_topic_data(vec![
                TopicProduceData::default()
                    .with_name(topic_name(topic))
                    .with_partition_data(partitions.collect()),
            ]);
        let answer = self
            .client
            .broker(leader, until)
            .await?
            .call(&request, until)
            .await?;
        Ok(answer
            .responses
            .iter()
            .filter(|t| t.name.0.as_str() == topic)
            .flat_map(|t| &t.partition_responses)
            .map(|p| {
                let offset = match p.error_code {
                    0 => Ok(p.base_offset),
                    code => Err(verdict(code, optional_text(p.error_message.as_ref()))),
                };
                (p.index, offset)
            })
            .collect())
    }

    /// The producer id shared by all partitions that have had no trouble with it, i.e. any but `spent`.
    async fn identity(&self, spent: Option<Identity>, deadline: Instant) -> Result<Identity> {
        let mut identity = self.identity.lock().await;
        if let Some(identity) = identity.filter(|identity| Some(*identity) != spent) {
            return Ok(identity);
        }
        let request = InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        // An id that nobody uses harms nobody: asking twice is as good as a read.
        let mut retry = Retry::new(Repeat::Read, deadline);
        let fresh = loop {
            let attempt = async {
                let answer = self
                    .client
                    .any(deadline)
                    .await?
                    .call(&request, deadline)
                    .await?;
                ItemError::check(answer.error_code, None)
                    .map_err(|e| e.into_error(InitProducerIdRequest::NAME))?;
                Ok(Identity {
                    producer_id: answer.producer_id.0,
                    epoch: answer.producer_epoch,
                })
            };
            match attempt.await {
                Ok(fresh) => break fresh,
                Err(error) => retry.after(error).await?,
            }
        };
        *identity = Some(fresh);
        Ok(fresh)
    }
}

fn verdict(code: i16, message: Option<String>) -> KafkaError {
    ItemError::from_code(code, message).map_or_else(
        || KafkaError::config("no error"),
        |e| e.into_error(ProduceRequest::NAME),
    )
}

fn silent() -> KafkaError {
    KafkaError::Protocol {
        peer: "broker".to_owned(),
        detail: "Produce answered without one of the partitions".to_owned(),
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
