//! DescribeLogDirs: what each broker stores where, and how full its volumes are.

use futures::future::join_all;
use kafka_protocol::messages::DescribeLogDirsRequest;
use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;

use super::text;
use crate::client::{Client, Repeat};
use crate::error::{ItemError, Result};
use crate::model::{LogDir, LogDirReplica};
use crate::wire::rpc::Rpc;

impl Client {
    /// The log directories of each broker, in the order asked for. A broker that cannot be reached is that broker's
    /// error; an offline directory is listed with its own.
    pub async fn describe_log_dirs(&self, brokers: &[i32]) -> Vec<(i32, Result<Vec<LogDir>>)> {
        let deadline = self.deadline();
        join_all(brokers.iter().map(|id| async move {
            // Null asks for every partition.
            let request = DescribeLogDirsRequest::default().with_topics(None);
            let answer = self
                .call_broker(*id, &request, Repeat::Read, deadline)
                .await;
            let dirs = answer.and_then(|answer| {
                ItemError::check(answer.error_code, None)
                    .map_err(|e| e.into_error(DescribeLogDirsRequest::NAME))?;
                Ok(answer.results.iter().map(read).collect())
            });
            (*id, dirs)
        }))
        .await
    }
}

fn read(dir: &DescribeLogDirsResult) -> LogDir {
    let mut replicas: Vec<LogDirReplica> = dir
        .topics
        .iter()
        .flat_map(|topic| {
            topic.partitions.iter().map(|p| LogDirReplica {
                topic: text(&topic.name.0),
                partition: p.partition_index,
                size_bytes: p.partition_size,
                offset_lag: p.offset_lag,
                future: p.is_future_key,
            })
        })
        .collect();
    replicas.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    LogDir {
        path: text(&dir.log_dir),
        error: ItemError::from_code(dir.error_code, None),
        total_bytes: u64::try_from(dir.total_bytes).ok(),
        usable_bytes: u64::try_from(dir.usable_bytes).ok(),
        replicas,
    }
}
