//! DescribeCluster: who belongs to the cluster, asked of brokers or of controllers (KIP-700, KIP-919, KIP-1073).

use kafka_protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};
use tokio::time::Instant;

use super::{at_least_zero, optional_text, port, text};
use crate::client::{Client, Repeat, Retry};
use crate::error::{ItemError, Result};
use crate::model::{ClusterDescription, NodeInfo};
use crate::wire::conn::Connection;
use crate::wire::rpc::Rpc;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

impl Client {
    /// The cluster and its registered brokers. With `include_fenced` also those that may not serve, marked as such, on
    /// Kafka 4.0 and later; older brokers list unfenced ones only.
    pub async fn describe_cluster(&self, include_fenced: bool) -> Result<ClusterDescription> {
        let deadline = self.deadline();
        let mut retry = Retry::new(Repeat::Read, deadline);
        loop {
            let attempt = async {
                self.any(deadline)
                    .await?
                    .describe_cluster(include_fenced, deadline)
                    .await
            };
            match attempt.await {
                Ok(found) => {
                    // A fenced broker's address is as good as any other's.
                    self.learn(&found.nodes);
                    return Ok(found);
                }
                Err(error) => retry.after(error).await?,
            }
        }
    }

    /// The cluster and its controllers. The bootstrap addresses must be of controller listeners; `controller_id` is the
    /// quorum's leader.
    pub async fn describe_controllers(&self) -> Result<ClusterDescription> {
        let deadline = self.deadline();
        let mut retry = Retry::new(Repeat::Read, deadline);
        loop {
            let attempt = async {
                self.any(deadline)
                    .await?
                    .describe_controllers(deadline)
                    .await
            };
            match attempt.await {
                Ok(found) => return Ok(found),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

impl Connection {
    /// DescribeCluster, asked of exactly this broker.
    pub async fn describe_cluster(
        &self,
        include_fenced: bool,
        deadline: Instant,
    ) -> Result<ClusterDescription> {
        let tells_fenced = self.version_of::<DescribeClusterRequest>()? >= 2;
        let request = DescribeClusterRequest::default()
            .with_endpoint_type(BROKERS)
            .with_include_fenced_brokers(include_fenced && tells_fenced);
        read(self.call(&request, deadline).await?)
    }

    /// DescribeCluster, asked of exactly this controller listener.
    pub async fn describe_controllers(&self, deadline: Instant) -> Result<ClusterDescription> {
        let request = DescribeClusterRequest::default().with_endpoint_type(CONTROLLERS);
        read(self.call(&request, deadline).await?)
    }
}

fn read(answer: DescribeClusterResponse) -> Result<ClusterDescription> {
    ItemError::check(
        answer.error_code,
        optional_text(answer.error_message.as_ref()),
    )
    .map_err(|e| e.into_error(DescribeClusterRequest::NAME))?;
    let mut nodes: Vec<NodeInfo> = answer
        .brokers
        .iter()
        .map(|b| NodeInfo {
            id: b.broker_id.0,
            host: text(&b.host),
            port: port(b.port),
            rack: optional_text(b.rack.as_ref()),
            fenced: b.is_fenced,
        })
        .collect();
    nodes.sort_by_key(|node| node.id);
    Ok(ClusterDescription {
        cluster_id: text(&answer.cluster_id),
        controller_id: at_least_zero(answer.controller_id.0),
        nodes,
    })
}
