//! What Kafka says: asked over the replication listener of any broker that runs, or over the
//! controllers' listener while no broker answers. Reads only.
//!
//! Pods are dialled by IP, since the operator may run where the cluster's DNS does not reach; TLS
//! verifies the node's DNS name all the same.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Pod;
use sdm_api::names;
use sdm_core::Resolved;
use sdm_core::snapshot::{BrokerView, KafkaView, PartitionHealth, QuorumView, ReplicaView, Short};
use sdm_kafka::{
    Client, ClientConfig, ClusterDescription, ConfigEntry, ConfigResource, Dialer, KafkaError,
    QuorumDescription, QuorumReplica, Stream, TcpDialer, TlsConfig, TopicMetadata,
};

/// One look must not hold a reconcile up for longer.
pub const PATIENCE: Duration = Duration::from_millis(2500);
/// While no container answers its probe there is probably nobody to ask.
const GLANCE: Duration = Duration::from_millis(700);
/// Replicas in sync that a write needs.
const MINIMUM: &str = "min.insync.replicas";
/// Examples of unhealthy partitions that are kept.
const EXAMPLES: usize = 3;

/// Dials a node's DNS name at its Pod's IP.
#[derive(Debug, Default)]
struct PodDialer {
    addresses: RwLock<HashMap<String, IpAddr>>,
}

impl Dialer for PodDialer {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let address = self
            .addresses
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(host)
            .copied();
        Box::pin(async move {
            let Some(address) = address else {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no Pod has the name {host}"),
                ));
            };
            TcpDialer.dial(&address.to_string(), port).await
        })
    }
}

/// The connections to one cluster's Kafka.
pub struct Kafka {
    dialer: Arc<PodDialer>,
    brokers: Client,
    controllers: Client,
    members: (Vec<String>, Vec<String>),
}

impl Kafka {
    /// Nothing is dialled yet.
    pub fn new(resolved: &Resolved, tls: &TlsConfig, timeout: Duration) -> Self {
        let dialer = Arc::new(PodDialer::default());
        let members = members(resolved);
        let client = |hosts: &[String], port: i32| {
            Client::new(ClientConfig {
                bootstrap: hosts
                    .iter()
                    .map(|h| (h.clone(), u16::try_from(port).unwrap_or_default()))
                    .collect(),
                tls: Some(tls.clone()),
                sasl: None,
                dialer: Arc::clone(&dialer) as Arc<dyn Dialer>,
                client_id: "sdm-controller".to_owned(),
                timeout,
            })
        };
        Self {
            brokers: client(&members.0, names::REPLICATION_PORT),
            controllers: client(&members.1, names::CONTROLLER_PORT),
            dialer,
            members,
        }
    }

    /// The brokers.
    pub fn brokers(&self) -> &Client {
        &self.brokers
    }

    /// Whether the nodes to start from are other ones by now.
    pub fn is_outdated(&self, resolved: &Resolved) -> bool {
        self.members != members(resolved)
    }

    /// Asks for everything a plan looks at; with `minimums` also how many replicas in sync each topic needs.
    /// `Ok(None)`: there is nobody to ask yet.
    ///
    /// # Errors
    /// Why nobody answered.
    pub async fn look(
        &self,
        resolved: &Resolved,
        pods: &BTreeMap<String, Pod>,
        minimums: bool,
    ) -> Result<Option<KafkaView>, KafkaError> {
        let running = self.locate(resolved, pods);
        let (Some(ready), true) = (running, !pods.is_empty()) else {
            return Ok(None);
        };
        let limit = if ready { PATIENCE } else { GLANCE };
        let view = async {
            match self.by_brokers(minimums).await {
                Ok(view) => Ok(view),
                // No broker answers: the controllers may, and then at least the quorum is known.
                Err(error) => match self.controllers.describe_quorum().await {
                    Ok(quorum) => Ok(KafkaView {
                        quorum: Some(quorum_view(&quorum)),
                        ..KafkaView::default()
                    }),
                    Err(_) => Err(error),
                },
            }
        };
        match tokio::time::timeout(limit, view).await {
            Ok(view) => view.map(Some),
            Err(_) => Err(KafkaError::Timeout {
                sent: true,
                api: "DescribeCluster",
            }),
        }
    }

    /// Notes where Pods are. None: no Kafka container runs; else whether one answers its probe.
    pub fn locate(&self, resolved: &Resolved, pods: &BTreeMap<String, Pod>) -> Option<bool> {
        let mut addresses = HashMap::new();
        let mut running = None;
        for &id in resolved.nodes.keys() {
            let Some(status) = pods
                .get(&names::node(&resolved.name, id))
                .and_then(|p| p.status.as_ref())
            else {
                continue;
            };
            let Some(ip) = status.pod_ip.as_deref().and_then(|ip| ip.parse().ok()) else {
                continue;
            };
            addresses.insert(names::node_dns(&resolved.name, &resolved.namespace, id), ip);
            let container = status
                .container_statuses
                .iter()
                .flatten()
                .find(|c| c.name == "kafka");
            if let Some(container) =
                container.filter(|c| c.state.as_ref().is_some_and(|s| s.running.is_some()))
            {
                running = Some(running.unwrap_or(false) || container.ready);
            }
        }
        *self
            .dialer
            .addresses
            .write()
            .unwrap_or_else(PoisonError::into_inner) = addresses;
        running
    }

    async fn by_brokers(&self, minimums: bool) -> Result<KafkaView, KafkaError> {
        let (cluster, quorum, topics) = tokio::join!(
            self.brokers.describe_cluster(true),
            self.brokers.describe_quorum(),
            self.brokers.list_topics(),
        );
        let topics = topics?;
        let (partitions, hosted, in_sync) = partitions(&topics);
        // Who may leave is a question beside all others: that it cannot be answered must not look like a Kafka that is away.
        let short_without = match minimums {
            true => self.minimums(&topics).await.ok(),
            false => None,
        }
        .map(|minimums| short_without(&topics, &minimums));
        Ok(KafkaView {
            brokers: brokers(&cluster?),
            // Between two leaders there is nothing to describe.
            quorum: quorum.ok().map(|q| quorum_view(&q)),
            partitions,
            hosted,
            in_sync,
            short_without,
        })
    }

    /// `min.insync.replicas` by topic.
    async fn minimums(
        &self,
        topics: &[TopicMetadata],
    ) -> Result<HashMap<String, usize>, KafkaError> {
        let asked: Vec<_> = topics
            .iter()
            .map(|t| {
                (
                    ConfigResource::Topic(t.name.clone()),
                    vec![MINIMUM.to_owned()],
                )
            })
            .collect();
        let answers = self.brokers.describe_config_keys(&asked).await?;
        let minimum =
            |(resource, entries): (ConfigResource, Result<Vec<ConfigEntry>, KafkaError>)| {
                let ConfigResource::Topic(name) = resource else {
                    return None;
                };
                let entry = entries.ok()?.into_iter().find(|e| e.name == MINIMUM)?;
                Some((name, entry.value?.parse().ok()?))
            };
        Ok(answers.into_iter().filter_map(minimum).collect())
    }
}

fn members(resolved: &Resolved) -> (Vec<String>, Vec<String>) {
    let dns = |id| names::node_dns(&resolved.name, &resolved.namespace, id);
    (
        resolved.brokers().map(|n| dns(n.id)).collect(),
        resolved.controllers().map(|n| dns(n.id)).collect(),
    )
}

fn brokers(cluster: &ClusterDescription) -> BTreeMap<i32, BrokerView> {
    cluster
        .nodes
        .iter()
        .map(|n| {
            (
                n.id,
                BrokerView {
                    fenced: n.fenced,
                    rack: n.rack.clone(),
                },
            )
        })
        .collect()
}

fn quorum_view(quorum: &QuorumDescription) -> QuorumView {
    // Ages are counted on the leader's clock, which is the one that stamped them.
    let leader = quorum.leader_id;
    let now = quorum
        .voters
        .iter()
        .find(|v| Some(v.id) == leader)
        .and_then(|v| v.last_caught_up_ms);
    let replica = |r: &QuorumReplica| {
        let ago = match (now, r.last_caught_up_ms) {
            _ if Some(r.id) == leader => Some(0),
            (Some(now), Some(then)) => Some((now - then).max(0)),
            // The leader has never seen it caught up.
            _ => Some(i64::MAX),
        };
        let directory_id = r.directory_id.map(|d| d.to_string()).unwrap_or_default();
        (
            r.id,
            ReplicaView {
                directory_id,
                lag: r.lag.unwrap_or(i64::MAX),
                caught_up_ms_ago: ago,
            },
        )
    };
    QuorumView {
        leader,
        voters: quorum.voters.iter().map(replica).collect(),
        observers: quorum.observers.iter().map(replica).collect(),
    }
}

fn partitions(
    topics: &[TopicMetadata],
) -> (PartitionHealth, BTreeMap<i32, u64>, BTreeMap<i32, u64>) {
    let mut health = PartitionHealth::default();
    let (mut hosted, mut in_sync) = (BTreeMap::new(), BTreeMap::new());
    for (topic, partition) in topics
        .iter()
        .flat_map(|t| t.partitions.iter().map(move |p| (t, p)))
    {
        health.total += 1;
        health.offline += u32::from(partition.leader.is_none());
        health.under_replicated += u32::from(!partition.is_in_sync());
        if !partition.is_in_sync() && health.examples.len() < EXAMPLES {
            health
                .examples
                .push(format!("{}-{}", topic.name, partition.index));
        }
        for id in &partition.replicas {
            *hosted.entry(*id).or_default() += 1;
        }
        for id in &partition.isr {
            *in_sync.entry(*id).or_default() += 1;
        }
    }
    (health, hosted, in_sync)
}

/// Which partitions each broker may not leave. One whose minimum is not known counts as needing everybody.
fn short_without(
    topics: &[TopicMetadata],
    minimums: &HashMap<String, usize>,
) -> BTreeMap<i32, Short> {
    let mut all: BTreeMap<i32, Short> = BTreeMap::new();
    for topic in topics {
        let minimum = minimums.get(&topic.name).copied().unwrap_or(usize::MAX);
        for partition in topic.partitions.iter().filter(|p| p.isr.len() <= minimum) {
            for id in &partition.isr {
                let short = all.entry(*id).or_default();
                short.count += 1;
                if short.examples.len() < EXAMPLES {
                    short
                        .examples
                        .push(format!("{}-{}", topic.name, partition.index));
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use sdm_kafka::PartitionMetadata;

    use super::*;

    /// Leader, replicas, in-sync replicas.
    type Partition<'a> = (Option<i32>, &'a [i32], &'a [i32]);

    fn topic(name: &str, partitions: &[Partition<'_>]) -> TopicMetadata {
        let partition =
            |(index, (leader, replicas, isr)): (usize, &Partition<'_>)| PartitionMetadata {
                index: i32::try_from(index).unwrap(),
                leader: *leader,
                leader_epoch: 0,
                replicas: replicas.to_vec(),
                isr: isr.to_vec(),
                offline: Vec::new(),
                error: None,
            };
        let partitions = partitions.iter().enumerate().map(partition).collect();
        TopicMetadata {
            name: name.into(),
            id: None,
            internal: false,
            error: None,
            partitions,
        }
    }

    #[test]
    fn partitions_are_counted_by_what_can_be_lost() {
        let topics = [
            topic("well", &[(Some(0), &[0, 1], &[1, 0])]),
            topic("ill", &[(Some(0), &[0, 1, 2], &[0, 1]), (None, &[2], &[2])]),
        ];
        let (health, hosted, in_sync) = partitions(&topics);
        assert_eq!(
            (health.total, health.offline, health.under_replicated),
            (3, 1, 2)
        );
        assert_eq!(health.examples, ["ill-0", "ill-1"]);
        assert_eq!(hosted, BTreeMap::from([(0, 2), (1, 2), (2, 2)]));
        // The last in-sync replica of an offline partition counts: nobody else has its records.
        assert_eq!(in_sync, BTreeMap::from([(0, 2), (1, 2), (2, 1)]));
    }

    #[test]
    fn a_broker_may_leave_what_keeps_its_minimum_without_it() {
        let topics = [
            topic("well", &[(Some(0), &[0, 1, 2], &[0, 1, 2])]),
            topic("short", &[(Some(0), &[0, 1, 2], &[0, 1])]),
            topic("alone", &[(Some(2), &[2], &[2])]),
            topic("unknown", &[(Some(1), &[1, 2], &[1, 2])]),
        ];
        let minimums = [("well", 2), ("short", 2), ("alone", 1)];
        let minimums = minimums.map(|(name, n)| (name.to_owned(), n)).into();
        let short = short_without(&topics, &minimums);
        let of = |id: i32| short[&id].examples.join(" ");
        assert_eq!(
            [of(0), of(1), of(2)],
            ["short-0", "short-0 unknown-0", "alone-0 unknown-0"]
        );
        assert_eq!(short[&1].count, 2);
    }

    #[test]
    fn ages_are_counted_on_the_leaders_clock() {
        let replica = |id, caught_up| QuorumReplica {
            id,
            directory_id: None,
            log_end_offset: Some(1),
            lag: Some(0),
            last_fetch_ms: caught_up,
            last_caught_up_ms: caught_up,
        };
        let view = quorum_view(&QuorumDescription {
            leader_id: Some(1),
            leader_epoch: 3,
            high_watermark: 9,
            voters: vec![
                replica(1, Some(50_000)),
                replica(2, Some(20_000)),
                replica(3, None),
            ],
            observers: Vec::new(),
            nodes: Vec::new(),
        });
        let ages: Vec<_> = view.voters.values().map(|v| v.caught_up_ms_ago).collect();
        assert_eq!(ages, [Some(0), Some(30_000), Some(i64::MAX)]);
    }
}
