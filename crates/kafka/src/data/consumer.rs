//! Reading a topic's partitions from given offsets, to given ends or on and on. No groups, no commits.
//!
//! One Fetch per leader is under way at any time and its answer is handed out as soon as it is there, so a silent broker
//! delays nobody else's records. Leaders that move are followed. Batches are decoded here, in every codec.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest};
use tokio::time::{Instant, sleep_until};

use super::batch;
use super::fetched::{self, Fetched};
use super::record::ReceivedRecord;
use crate::admin::topic_name;
use crate::client::{Client, Pause};
use crate::error::{ItemError, KafkaError, Result};
use crate::model::OffsetSpec;
use crate::wire::rpc::Rpc;

/// An ordinary consumer, not a replica.
const CONSUMER: BrokerId = BrokerId(-1);

/// Where to begin in each partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The first record still there.
    Earliest,
    /// Only what is written from now on.
    Latest,
    /// The first record at least as young as this, milliseconds since the epoch; the end where there is none.
    AtOrAfter(i64),
    /// Given offsets; only these partitions are read.
    Offsets(BTreeMap<i32, i64>),
}

/// Where to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Never.
    Follow,
    /// Where each partition ended when the consumer was made.
    Current,
    /// Before these offsets; partitions that are not named stop at once.
    Offsets(BTreeMap<i32, i64>),
}

/// How a consumer reads.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// How long a broker may hold back an answer while there is nothing to tell.
    pub max_wait: Duration,
    /// Bytes of batches per answer.
    pub max_bytes: i32,
    /// Bytes of batches per partition and answer. A larger single batch is delivered whole all the same.
    pub partition_bytes: i32,
    /// What one batch may expand to; beyond it the batch is an error.
    pub max_batch_bytes: usize,
    /// How long a partition may be without an answer before that is an error.
    pub patience: Duration,
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            max_bytes: 16 * 1024 * 1024,
            partition_bytes: 1024 * 1024,
            max_batch_bytes: 64 * 1024 * 1024,
            patience: Duration::from_secs(60),
        }
    }
}

/// A reader of one topic.
pub struct Consumer {
    client: Client,
    topic: Arc<str>,
    config: ConsumerConfig,
    partitions: BTreeMap<i32, Position>,
    leaders: BTreeMap<i32, Option<i32>>,
    leaders_stale: bool,
    fetches: FuturesUnordered<BoxFuture<'static, Answer>>,
    busy: HashSet<i32>,
    ready: VecDeque<Vec<ReceivedRecord>>,
    pause: Pause,
    /// Leaders are not asked before this moment, after a failure.
    rest: Option<Instant>,
}

struct Position {
    next: i64,
    end: Option<i64>,
    last_answer: Instant,
    last_error: Option<KafkaError>,
}

impl Position {
    fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.next >= end)
    }
}

struct Answer {
    leader: i32,
    asked: Vec<i32>,
    result: Result<Vec<Fetched>>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("topic", &self.topic)
            .field("positions", &self.positions())
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// A reader of `topic`: of all partitions, or of `only` these. Learns the offsets of `start` and `end` right away.
    pub async fn new(
        client: Client,
        topic: &str,
        only: Option<&[i32]>,
        start: Start,
        end: End,
        config: ConsumerConfig,
    ) -> Result<Self> {
        let deadline = client.deadline();
        let leaders = client.leaders(topic, deadline).await?;
        let mut wanted: Vec<i32> =
            only.map_or_else(|| leaders.keys().copied().collect(), <[i32]>::to_vec);
        if let Some(missing) = wanted.iter().find(|p| !leaders.contains_key(p)) {
            return Err(KafkaError::config(format!(
                "{topic} has no partition {missing}; it has {}",
                leaders.len()
            )));
        }
        if let Start::Offsets(offsets) = &start {
            wanted.retain(|p| offsets.contains_key(p));
        }
        // The end first: were it asked last, records written in between would be read as well.
        let latest = match (&start, &end) {
            (Start::Latest | Start::AtOrAfter(_), _) | (_, End::Current) => {
                offsets(&client, topic, &wanted, OffsetSpec::Latest, deadline).await?
            }
            _ => BTreeMap::new(),
        };
        let first = match &start {
            Start::Earliest => {
                offsets(&client, topic, &wanted, OffsetSpec::Earliest, deadline).await?
            }
            Start::AtOrAfter(ms) => {
                offsets(
                    &client,
                    topic,
                    &wanted,
                    OffsetSpec::AtOrAfter(*ms),
                    deadline,
                )
                .await?
            }
            Start::Latest => latest.clone(),
            Start::Offsets(offsets) => offsets.iter().map(|(p, o)| (*p, Some(*o))).collect(),
        };
        let now = Instant::now();
        let partitions = wanted
            .into_iter()
            .map(|p| {
                let of = |map: &BTreeMap<i32, Option<i64>>| map.get(&p).copied().flatten();
                let next = of(&first).or(of(&latest)).unwrap_or(0);
                let end = match &end {
                    End::Follow => None,
                    End::Current => Some(of(&latest).unwrap_or(0)),
                    End::Offsets(ends) => Some(ends.get(&p).copied().unwrap_or(i64::MIN)),
                };
                (
                    p,
                    Position {
                        next,
                        end,
                        last_answer: now,
                        last_error: None,
                    },
                )
            })
            .collect();
        Ok(Self {
            client,
            topic: topic.into(),
            config,
            partitions,
            leaders,
            leaders_stale: false,
            fetches: FuturesUnordered::new(),
            busy: HashSet::new(),
            ready: VecDeque::new(),
            pause: Pause::default(),
            rest: None,
        })
    }

    /// The next offset of each partition.
    pub fn positions(&self) -> BTreeMap<i32, i64> {
        self.partitions
            .iter()
            .map(|(p, position)| (*p, position.next))
            .collect()
    }

    /// The next records, of one partition and in its order; waits for some. `None` once every partition is at its end.
    ///
    /// May be cancelled (raced against a signal) without losing records. After an error it may be called again.
    pub async fn next(&mut self) -> Result<Option<Vec<ReceivedRecord>>> {
        loop {
            if let Some(records) = self.ready.pop_front() {
                return Ok(Some(records));
            }
            if self.partitions.values().all(Position::is_done) {
                return Ok(None);
            }
            self.complain()?;
            if let Some(rest) = self.rest {
                sleep_until(rest).await;
                self.rest = None;
            }
            if self.leaders_stale {
                // A failure here is told by `complain`, once patience has run out.
                match self
                    .client
                    .leaders(&self.topic, self.client.deadline())
                    .await
                {
                    Ok(leaders) => {
                        self.leaders = leaders;
                        self.leaders_stale = false;
                    }
                    Err(e) if e.is_passing() => self.blame(&e),
                    Err(e) => return Err(e),
                }
            }
            self.ask();
            match self.fetches.next().await {
                Some(answer) => self.take(answer)?,
                // No partition has a leader.
                None => self.back_off(),
            }
        }
    }

    /// An error if some partition has gone without an answer for too long.
    fn complain(&mut self) -> Result<()> {
        let now = Instant::now();
        let silent = self.partitions.iter_mut().find(|(_, p)| {
            !p.is_done() && now.duration_since(p.last_answer) > self.config.patience
        });
        let Some((partition, position)) = silent else {
            return Ok(());
        };
        position.last_answer = now;
        tracing::debug!(partition, "patience ran out");
        Err(position.last_error.take().unwrap_or(KafkaError::Timeout {
            sent: true,
            api: FetchRequest::NAME,
        }))
    }

    fn blame(&mut self, error: &KafkaError) {
        for position in self.partitions.values_mut() {
            position.last_error = Some(error.clone());
        }
        self.back_off();
    }

    fn back_off(&mut self) {
        self.leaders_stale = true;
        self.rest = Some(Instant::now() + self.pause.next_length());
    }

    /// Starts a Fetch to every leader that has open partitions and none under way.
    fn ask(&mut self) {
        let mut by_leader: BTreeMap<i32, Vec<FetchPartition>> = BTreeMap::new();
        for (partition, position) in self.partitions.iter().filter(|(_, p)| !p.is_done()) {
            match self.leaders.get(partition).copied().flatten() {
                Some(leader) if !self.busy.contains(&leader) => {
                    by_leader.entry(leader).or_default().push(
                        FetchPartition::default()
                            .with_partition(*partition)
                            .with_current_leader_epoch(-1)
                            .with_fetch_offset(position.next)
                            .with_last_fetched_epoch(-1)
                            .with_log_start_offset(-1)
                            .with_partition_max_bytes(self.config.partition_bytes),
                    )
                }
                Some(_) => {}
                None => self.leaders_stale = true,
            }
        }
        for (leader, partitions) in by_leader {
            let asked = partitions.iter().map(|p| p.partition).collect();
            let request = FetchRequest::default()
                .with_replica_id(CONSUMER)
                .with_max_wait_ms(
                    i32::try_from(self.config.max_wait.as_millis()).unwrap_or(i32::MAX),
                )
                .with_min_bytes(1)
                .with_max_bytes(self.config.max_bytes)
                // No fetch session: every request says all it wants.
                .with_session_id(0)
                .with_session_epoch(-1)
                .with_topics(vec![
                    FetchTopic::default()
                        .with_topic(topic_name(&self.topic))
                        .with_partitions(partitions),
                ]);
            let (client, deadline) = (
                self.client.clone(),
                self.client.deadline() + self.config.max_wait,
            );
            self.busy.insert(leader);
            self.fetches.push(Box::pin(async move {
                let result = fetch(&client, leader, &request, deadline).await;
                Answer {
                    leader,
                    asked,
                    result,
                }
            }));
        }
    }

    fn take(&mut self, answer: Answer) -> Result<()> {
        self.busy.remove(&answer.leader);
        let fetched = match answer.result {
            Ok(fetched) => fetched,
            Err(e) if e.is_passing() => {
                for partition in &answer.asked {
                    if let Some(position) = self.partitions.get_mut(partition) {
                        position.last_error = Some(e.clone());
                    }
                }
                self.back_off();
                return Ok(());
            }
            Err(e) => return Err(e),
        };
        let mut failed = None;
        let topic = Arc::clone(&self.topic);
        for part in fetched.into_iter().filter(|part| *part.topic == *topic) {
            if let Err(e) = self.take_partition(part) {
                failed = Some(e);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    fn take_partition(&mut self, part: Fetched) -> Result<()> {
        let Some(position) = self.partitions.get_mut(&part.partition) else {
            return Ok(());
        };
        if let Some(error) = ItemError::from_code(part.error_code, None) {
            let retriable = error.is_retriable();
            let message = Some(format!(
                "partition {} at offset {}",
                part.partition, position.next
            ));
            let error = ItemError { message, ..error }.into_error(FetchRequest::NAME);
            if !retriable {
                return Err(error);
            }
            position.last_error = Some(error);
            self.back_off();
            return Ok(());
        }
        position.last_answer = Instant::now();
        self.pause = Pause::default();

        let mut input = part.records;
        let mut records = Vec::new();
        while !position.is_done() {
            let Some(batch) = batch::decode_next(&mut input, self.config.max_batch_bytes) else {
                break;
            };
            let batch = batch.map_err(|e| KafkaError::Protocol {
                peer: format!("{}-{}", self.topic, part.partition),
                detail: format!(
                    "the record batch at offset {} cannot be read: {e}",
                    position.next
                ),
            });
            let batch = match batch {
                Ok(batch) => batch,
                Err(e) => {
                    // What was read before the damage is still delivered.
                    self.ready.extend((!records.is_empty()).then_some(records));
                    return Err(e);
                }
            };
            let end = position.end.unwrap_or(i64::MAX);
            let wanted = position.next..end;
            records.extend(
                batch
                    .records
                    .into_iter()
                    .filter(|r| wanted.contains(&r.offset))
                    .map(|r| ReceivedRecord {
                        topic: Arc::clone(&self.topic),
                        partition: part.partition,
                        offset: r.offset,
                        timestamp_ms: r.timestamp_ms,
                        key: r.key,
                        value: r.value,
                        headers: r.headers,
                    }),
            );
            position.next = position.next.max(batch.next_offset);
        }
        self.ready.extend((!records.is_empty()).then_some(records));
        Ok(())
    }
}

async fn fetch(
    client: &Client,
    leader: i32,
    request: &FetchRequest,
    deadline: Instant,
) -> Result<Vec<Fetched>> {
    let conn = client.broker(leader, deadline).await?;
    let answer = conn.call_raw(request, deadline).await?;
    let (error, fetched) = fetched::read(answer)
        .map_err(|e| conn.protocol(format!("malformed answer to Fetch: {e}")))?;
    ItemError::check(error, None).map_err(|e| e.into_error(FetchRequest::NAME))?;
    Ok(fetched)
}

/// Offsets of all partitions, or the first failure.
async fn offsets(
    client: &Client,
    topic: &str,
    partitions: &[i32],
    spec: OffsetSpec,
    deadline: Instant,
) -> Result<BTreeMap<i32, Option<i64>>> {
    let found = client
        .list_offsets_by(topic, partitions, spec, deadline)
        .await?;
    found
        .into_iter()
        .map(|(partition, offset)| offset.map(|offset| (partition, offset)))
        .collect()
}
