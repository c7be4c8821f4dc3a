//! A simulated Kafka over the simulated world: mutual TLS with each node's own
//! certificate, and the four read-only calls that the controller makes. Any other
//! request is written down as broken, unless it is about quotas, ACLs or, where there are topics to be served, these.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sdm_api::names;
use sdm_kafka::messages::{
    BrokerId, DescribeClusterRequest, DescribeClusterResponse, DescribeQuorumRequest,
    DescribeQuorumResponse, MetadataRequest, MetadataResponse,
    describe_cluster_response::DescribeClusterBroker, describe_quorum_response,
    metadata_response::MetadataResponseBroker,
};
use sdm_kafka::testing::{Handler, Reply, Request, Server, ServerTls};

use crate::simulation::{Shared, World};
use crate::{fake_acls, fake_quotas, fake_topics};

/// Serves every node that runs, until dropped.
pub struct FakeKafka {
    task: tokio::task::JoinHandle<()>,
}

impl FakeKafka {
    /// Starts serving the nodes of one cluster.
    pub fn start(client: Client, world: Shared, namespace: &str, cluster: &str) -> Self {
        let secrets: Api<Secret> = Api::namespaced(client, namespace);
        let (namespace, cluster) = (namespace.to_owned(), cluster.to_owned());
        let task = tokio::spawn(async move {
            let mut serving: BTreeMap<String, Vec<Server>> = BTreeMap::new();
            loop {
                let running: Vec<_> = world.lock().running.values().cloned().collect();
                serving.retain(|uid, _| running.iter().any(|n| n.uid == *uid));
                for node in running {
                    if serving.contains_key(&node.uid) {
                        continue;
                    }
                    let start = async {
                        let tls = tls(&secrets, &names::node_tls(&cluster, node.id)).await?;
                        let ports = [
                            (node.controller, names::CONTROLLER_PORT),
                            (node.broker, names::REPLICATION_PORT),
                        ];
                        let mut servers = Vec::new();
                        for (_, port) in ports.into_iter().filter(|(has, _)| *has) {
                            let address: SocketAddr = format!("{}:{port}", node.ip).parse()?;
                            let handler = Simulated {
                                world: world.clone(),
                                namespace: namespace.clone(),
                                cluster: cluster.clone(),
                            };
                            servers.push(
                                Server::start_at(address, Arc::new(handler), Some(tls.clone()))
                                    .await?,
                            );
                        }
                        anyhow::Ok(servers)
                    };
                    match start.await {
                        Ok(servers) => drop(serving.insert(node.uid, servers)),
                        Err(error) => eprintln!("simulated Kafka: node {}: {error:#}", node.id),
                    }
                }
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
        Self { task }
    }
}

impl Drop for FakeKafka {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tls(secrets: &Api<Secret>, name: &str) -> Result<ServerTls> {
    let data = secrets.get(name).await?.data.unwrap_or_default();
    let part = |key: &str| {
        data.get(key)
            .map(|b| b.0.clone())
            .with_context(|| format!("{name} has no {key}"))
    };
    Ok(ServerTls {
        cert_chain_pem: part("tls.crt")?,
        key_pem: part("tls.key")?,
        client_ca_pem: Some(part("ca.crt")?),
    })
}

struct Simulated {
    world: Shared,
    namespace: String,
    cluster: String,
}

impl Handler for Simulated {
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply> {
        async move {
            let mut world = self.world.lock();
            if request.read::<DescribeClusterRequest>().is_some() {
                request.answer::<DescribeClusterRequest>(&self.describe_cluster(&world))
            } else if request.read::<DescribeQuorumRequest>().is_some() {
                request.answer::<DescribeQuorumRequest>(&describe_quorum(&world))
            } else if request.read::<MetadataRequest>().is_some() {
                let topics = fake_topics::metadata(request, &mut world);
                request.answer::<MetadataRequest>(&self.metadata(&world).with_topics(topics))
            } else if let Some(reply) = fake_topics::handle(request, &mut world) {
                reply
            } else if let Some(reply) = fake_quotas::handle(request, &mut world) {
                reply
            } else if let Some(reply) = fake_acls::handle(request, &mut world) {
                reply
            } else {
                world.broken.push(format!(
                    "a request with API key {} was sent",
                    request.api_key
                ));
                Reply::HangUp
            }
        }
        .boxed()
    }
}

impl Simulated {
    fn host(&self, id: i32) -> sdm_kafka::testing::Text {
        names::node_dns(&self.cluster, &self.namespace, id).into()
    }

    fn describe_cluster(&self, world: &World) -> DescribeClusterResponse {
        let leader = world.leader();
        // Until there is a leader, nobody is unfenced.
        let brokers = world.running.values().filter(|n| n.broker).map(|n| {
            DescribeClusterBroker::default()
                .with_broker_id(BrokerId(n.id))
                .with_host(self.host(n.id))
                .with_port(names::REPLICATION_PORT)
                .with_rack(n.rack.clone().map(Into::into))
                .with_is_fenced(leader.is_none())
        });
        DescribeClusterResponse::default()
            .with_cluster_id(cluster_id(world).into())
            .with_controller_id(BrokerId(leader.unwrap_or(-1)))
            .with_brokers(brokers.collect())
    }

    fn metadata(&self, world: &World) -> MetadataResponse {
        let brokers = world.running.values().filter(|n| n.broker).map(|n| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(n.id))
                .with_host(self.host(n.id))
                .with_port(names::REPLICATION_PORT)
        });
        MetadataResponse::default()
            .with_cluster_id(Some(cluster_id(world).into()))
            .with_controller_id(BrokerId(world.leader().unwrap_or(-1)))
            .with_brokers(brokers.collect())
    }
}

fn cluster_id(world: &World) -> String {
    world
        .bootstraps
        .iter()
        .next()
        .map(|(id, _)| id.clone())
        .unwrap_or_default()
}

fn describe_quorum(world: &World) -> DescribeQuorumResponse {
    use describe_quorum_response::{PartitionData, ReplicaState, TopicData};
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis();
    let now = i64::try_from(now).unwrap_or_default();
    let state = |id: i32, directory: &str, up: bool| {
        let replica = ReplicaState::default()
            .with_replica_id(BrokerId(id))
            .with_log_end_offset(if up { 100 } else { 50 });
        let seen = if up { now } else { now - 60_000 };
        let replica = replica
            .with_last_fetch_timestamp(seen)
            .with_last_caught_up_timestamp(seen);
        match sdm_kafka::testing::directory_id(directory) {
            Some(id) => replica.with_replica_directory_id(id),
            None => replica,
        }
    };
    let voters = world.voters();
    let up = |id: i32| world.running.values().any(|n| n.id == id && n.controller);
    let observers = world
        .running
        .values()
        .filter(|n| !voters.iter().any(|(id, _)| *id == n.id));
    let partition = PartitionData::default()
        .with_partition_index(0)
        .with_leader_id(BrokerId(world.leader().unwrap_or(-1)))
        .with_leader_epoch(1)
        .with_high_watermark(100)
        .with_current_voters(
            voters
                .iter()
                .map(|(id, dir)| state(*id, dir, up(*id)))
                .collect(),
        )
        .with_observers(
            observers
                .map(|n| state(n.id, &n.directory_id, true))
                .collect(),
        );
    let topic = TopicData::default()
        .with_topic_name(sdm_kafka::testing::topic("__cluster_metadata"))
        .with_partitions(vec![partition]);
    DescribeQuorumResponse::default().with_topics(vec![topic])
}
