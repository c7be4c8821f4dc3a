//! A load with a ledger: a producer with acks=all that writes down what was
//! acknowledged, and a reader that compares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use sdm_kafka::{
    Client, Consumer, ConsumerConfig, End, NewTopic, Producer, ProducerConfig, Record, Start,
};
use tokio::task::JoinHandle;

/// A producer that runs until it is asked to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    task: JoinHandle<Ledger>,
}

/// What a load wrote.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Values that were acknowledged.
    pub acknowledged: Vec<u64>,
    /// Values whose outcome is not known.
    pub in_doubt: Vec<u64>,
    /// The longest time without an acknowledgement.
    pub longest_gap: Duration,
}

impl Load {
    /// Creates `topic` with three replicas and starts to write to it.
    pub async fn start(client: Client, topic: &str) -> Result<Self> {
        let wanted = NewTopic {
            name: topic.to_owned(),
            partitions: Some(6),
            replication_factor: Some(3),
            configs: vec![("min.insync.replicas".into(), "2".into())],
            ..NewTopic::default()
        };
        for (name, verdict) in client.create_topics(&[wanted], false).await? {
            if let Err(error) = verdict {
                bail!("creating {name}: {error}");
            }
        }
        Self::onto(client, topic).await
    }

    /// Starts to write to a topic that is there.
    pub async fn onto(client: Client, topic: &str) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(run(
            client,
            topic.to_owned(),
            stop.clone(),
            acknowledged.clone(),
        ));
        let load = Self {
            stop,
            acknowledged,
            task,
        };
        load.progress(50).await?;
        Ok(load)
    }

    /// Waits until `records` more were acknowledged.
    pub async fn progress(&self, records: u64) -> Result<()> {
        let target = self.acknowledged.load(Ordering::Relaxed) + records;
        crate::wait::until("the load to go on", Duration::from_secs(120), || async {
            Ok((self.acknowledged.load(Ordering::Relaxed) >= target).then_some(()))
        })
        .await
    }

    /// Stops and returns the ledger.
    pub async fn finish(self) -> Result<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}

async fn run(
    client: Client,
    topic: String,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
) -> Ledger {
    let producer = Producer::new(client, ProducerConfig::default());
    let mut ledger = Ledger::default();
    let mut next = 0_u64;
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let batch: Vec<u64> = (next..next + 20).collect();
        next += 20;
        let records = batch.iter().map(|n| Record {
            key: Some(n.to_string().into()),
            value: Some(n.to_string().into()),
            ..Record::default()
        });
        match producer.send_all(&topic, records.collect()).await {
            Ok(outcomes) => {
                for (n, outcome) in batch.into_iter().zip(outcomes) {
                    match outcome {
                        Ok(_) => ledger.acknowledged.push(n),
                        Err(_) => ledger.in_doubt.push(n),
                    }
                }
            }
            Err(_) => ledger.in_doubt.extend(batch),
        }
        let count = ledger.acknowledged.len() as u64;
        if count > acknowledged.swap(count, Ordering::Relaxed) {
            ledger.longest_gap = ledger.longest_gap.max(last.elapsed());
            last = Instant::now();
        }
        // A steady load, not a benchmark: brokers on two cores have other things to do.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ledger
}

impl Load {
    /// Stops, compares what is read with the ledger, and deletes the topic.
    pub async fn conclude(self, client: Client, topic: &str) -> Result<()> {
        let ledger = self.finish().await?;
        let (count, gap) = (ledger.acknowledged.len(), ledger.longest_gap);
        println!("{topic}: {count} acknowledged, longest gap {gap:?}");
        ledger.verify(client.clone(), topic).await?;
        client.delete_topics(&[topic]).await?;
        Ok(())
    }
}

impl Ledger {
    /// Reads the topic from its beginning: every acknowledged value is there once, and nothing that
    /// was never written.
    pub async fn verify(&self, client: Client, topic: &str) -> Result<()> {
        let mut consumer = Consumer::new(
            client,
            topic,
            None,
            Start::Earliest,
            End::Current,
            ConsumerConfig::default(),
        )
        .await?;
        let mut found: BTreeMap<u64, u32> = BTreeMap::new();
        while let Some(records) = consumer.next().await? {
            for record in records {
                let value = record.value.unwrap_or_default();
                *found
                    .entry(std::str::from_utf8(&value)?.parse()?)
                    .or_default() += 1;
            }
        }
        let lost: Vec<&u64> = self
            .acknowledged
            .iter()
            .filter(|n| !found.contains_key(n))
            .take(5)
            .collect();
        let twice: Vec<&u64> = self
            .acknowledged
            .iter()
            .filter(|n| found.get(n).is_some_and(|c| *c > 1))
            .take(5)
            .collect();
        let known = self.acknowledged.len() + self.in_doubt.len();
        ensure!(
            lost.is_empty(),
            "acknowledged and lost, for example {lost:?}, of {}",
            self.acknowledged.len()
        );
        ensure!(
            twice.is_empty(),
            "acknowledged once and stored more often, for example {twice:?}"
        );
        ensure!(
            found.len() <= known,
            "{} values were read and {known} written",
            found.len()
        );
        Ok(())
    }
}
