//! Which broker is asked what, and how often: two scripted brokers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use sdm_kafka::messages::find_coordinator_response::Coordinator;
use sdm_kafka::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use sdm_kafka::messages::list_groups_response::ListedGroup;
use sdm_kafka::messages::metadata_response::MetadataResponseBroker;
use sdm_kafka::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use sdm_kafka::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use sdm_kafka::messages::{
    BrokerId, DescribeUserScramCredentialsRequest, FindCoordinatorRequest, FindCoordinatorResponse,
    GroupId, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListGroupsRequest,
    ListGroupsResponse, MetadataRequest, MetadataResponse, OffsetCommitRequest,
    OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, SaslAuthenticateRequest,
    SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use sdm_kafka::testing::{Handler, Reply, Request, Server, topic};
use sdm_kafka::{
    Client, ClientConfig, ConfigChange, ConfigOp, ConfigResource, KafkaError, Rpc, SaslConfig,
    SaslMechanism, TcpDialer,
};

const NOT_COORDINATOR: i16 = 16;

/// One of two brokers, with ids 1 and 2; `answer` has its word on everything but Metadata.
struct Broker<F> {
    ports: Arc<OnceLock<[i32; 2]>>,
    id: i32,
    answer: F,
}

impl<F: Fn(i32, &Request) -> Reply + Send + Sync + 'static> Handler for Broker<F> {
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            if !request.is::<MetadataRequest>() {
                return (self.answer)(self.id, request);
            }
            let brokers = (1..).zip(self.ports.get().unwrap()).map(|(id, port)| {
                MetadataResponseBroker::default()
                    .with_node_id(BrokerId(id))
                    .with_host("localhost".to_owned().into())
                    .with_port(*port)
            });
            let answer = MetadataResponse::default().with_brokers(brokers.collect());
            request.answer::<MetadataRequest>(&answer)
        })
    }
}

fn client_of(servers: &[Server], sasl: Option<SaslConfig>) -> Client {
    Client::new(ClientConfig {
        bootstrap: vec![("localhost".into(), servers[0].address().port())],
        tls: None,
        sasl,
        dialer: Arc::new(TcpDialer),
        client_id: "test".into(),
        timeout: Duration::from_secs(5),
    })
}

async fn two(
    answer: impl Fn(i32, &Request) -> Reply + Clone + Send + Sync + 'static,
) -> (Client, Vec<Server>) {
    let ports = Arc::new(OnceLock::new());
    let mut servers = Vec::new();
    for id in [1, 2] {
        let broker = Broker {
            ports: Arc::clone(&ports),
            id,
            answer: answer.clone(),
        };
        servers.push(Server::start(Arc::new(broker), None).await.unwrap());
    }
    let port = |at: usize| i32::from(servers[at].address().port());
    ports.set([port(0), port(1)]).unwrap();
    (client_of(&servers, None), servers)
}

fn times_seen<R: Rpc>(server: &Server) -> usize {
    server
        .seen()
        .iter()
        .filter(|(key, _)| *key == R::KEY)
        .count()
}

/// Names `broker` as the coordinator of every group asked for.
fn coordinated_by(broker: i32, request: &Request) -> Reply {
    let asked: FindCoordinatorRequest = request.read().unwrap();
    let found = asked.coordinator_keys.into_iter().map(|key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(broker))
            // Nobody listens there: the broker is looked up by its id then.
            .with_host("localhost".to_owned().into())
            .with_port(1)
    });
    request.answer::<FindCoordinatorRequest>(
        &FindCoordinatorResponse::default().with_coordinators(found.collect()),
    )
}

fn committed(code: i16, request: &Request) -> Reply {
    let partition = OffsetCommitResponsePartition::default().with_error_code(code);
    let topic = OffsetCommitResponseTopic::default()
        .with_name(topic("t"))
        .with_partitions(vec![partition]);
    request.answer::<OffsetCommitRequest>(&OffsetCommitResponse::default().with_topics(vec![topic]))
}

#[tokio::test]
async fn a_write_follows_its_coordinator_and_is_never_repeated_blindly() {
    let lookups = Arc::new(AtomicUsize::new(0));
    let (client, servers) = two(move |id, request| {
        if request.is::<FindCoordinatorRequest>() {
            // The first one named has stepped down; the broker that really listens there learns of it by its answer.
            let broker = if lookups.fetch_add(1, Ordering::SeqCst) == 0 {
                1
            } else {
                2
            };
            return coordinated_by(broker, request);
        }
        committed(if id == 1 { NOT_COORDINATOR } else { 0 }, request)
    })
    .await;
    let offsets = [("t".to_owned(), 0, 7)];
    let verdicts = client.commit_group_offsets("g", &offsets).await.unwrap();
    assert_eq!(verdicts, [(("t".to_owned(), 0), Ok(()))]);
    let commits = |at: usize| times_seen::<OffsetCommitRequest>(&servers[at]);
    assert_eq!((commits(0), commits(1)), (1, 1));

    let (client, servers) = two(|_, request| {
        if request.is::<FindCoordinatorRequest>() {
            return coordinated_by(2, request);
        }
        Reply::HangUp
    })
    .await;
    let error = client
        .commit_group_offsets("g", &offsets)
        .await
        .unwrap_err();
    assert!(
        matches!(error, KafkaError::OutcomeUnknown { .. }),
        "{error}"
    );
    assert_eq!(times_seen::<OffsetCommitRequest>(&servers[1]), 1);
}

#[tokio::test]
async fn a_call_without_flexible_versions_goes_both_ways() {
    let (client, _servers) = two(|_, request| {
        if request.is::<FindCoordinatorRequest>() {
            return coordinated_by(1, request);
        }
        let asked: OffsetDeleteRequest = request.read().unwrap();
        assert_eq!(asked.group_id, GroupId("g".to_owned().into()));
        let partitions = asked.topics[0].partitions.iter().map(|p| {
            OffsetDeleteResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(if p.partition_index == 70_000 { 86 } else { 0 })
        });
        let topic = OffsetDeleteResponseTopic::default()
            .with_name(asked.topics[0].name.clone())
            .with_partitions(partitions.collect());
        request.answer::<OffsetDeleteRequest>(
            &OffsetDeleteResponse::default().with_topics(vec![topic]),
        )
    })
    .await;
    let asked = [("t".to_owned(), 1), ("t".to_owned(), 70_000)];
    let verdicts = client.delete_group_offsets("g", &asked).await.unwrap();
    assert_eq!(verdicts[0], (asked[0].clone(), Ok(())));
    assert_eq!(verdicts[1].0, asked[1]);
    let error = verdicts[1].1.as_ref().unwrap_err();
    assert_eq!(error.name, "GROUP_SUBSCRIBED_TO_TOPIC");
}

#[tokio::test]
async fn every_broker_lists_its_groups_and_a_silent_one_is_named() {
    let (client, servers) = two(|id, request| {
        let code = if id == 1 { 0 } else { 30 };
        let group = ListedGroup::default().with_group_id(GroupId(format!("of-{id}").into()));
        request.answer::<ListGroupsRequest>(
            &ListGroupsResponse::default()
                .with_error_code(code)
                .with_groups(vec![group]),
        )
    })
    .await;
    let listing = client.list_groups().await.unwrap();
    let ids: Vec<_> = listing.groups.iter().map(|g| &*g.id).collect();
    assert_eq!(ids, ["of-1"]);
    assert_eq!(listing.unanswered.len(), 1);
    assert_eq!(listing.unanswered[0].0, 2);
    assert_eq!(listing.unanswered[0].1.reason(), "GroupAuthorizationFailed");
    assert_eq!(times_seen::<ListGroupsRequest>(&servers[1]), 1);
}

#[tokio::test]
async fn a_brokers_own_configuration_is_changed_at_that_broker() {
    let (client, servers) = two(|id, request| {
        let asked: IncrementalAlterConfigsRequest = request.read().unwrap();
        let verdicts = asked.resources.iter().map(|resource| {
            // As Kafka does: type 4 is a broker, which must be this one or all of them.
            let name = resource.resource_name.as_str();
            let wrong = resource.resource_type == 4 && !["", &id.to_string()].contains(&name);
            AlterConfigsResourceResponse::default()
                .with_resource_type(resource.resource_type)
                .with_resource_name(resource.resource_name.clone())
                .with_error_code(if wrong { 42 } else { 0 })
        });
        request.answer::<IncrementalAlterConfigsRequest>(
            &IncrementalAlterConfigsResponse::default().with_responses(verdicts.collect()),
        )
    })
    .await;
    let resources = [
        ConfigResource::Broker(2),
        ConfigResource::Topic("a".into()),
        ConfigResource::Broker(1),
        ConfigResource::BrokerDefaults,
        ConfigResource::Topic("b".into()),
    ];
    let changes = resources.clone().map(|resource| ConfigChange {
        resource,
        ops: vec![ConfigOp::Delete { key: "k".into() }],
    });
    let verdicts = client
        .incremental_alter_configs(&changes, false)
        .await
        .unwrap();
    assert_eq!(verdicts, resources.map(|resource| (resource, Ok(()))));
    // One of its own each, and one for all the rest.
    let asked = |at: usize| times_seen::<IncrementalAlterConfigsRequest>(&servers[at]);
    assert_eq!((asked(0) + asked(1), asked(1) >= 1), (3, true));
    assert_eq!(client.describe_scram(Some(&[])).await.unwrap(), []);
    assert!(
        servers
            .iter()
            .all(|s| times_seen::<DescribeUserScramCredentialsRequest>(s) == 0)
    );
}

/// Goes along with SCRAM, without knowing the password.
fn impostor(request: &Request) -> Reply {
    if request.is::<SaslHandshakeRequest>() {
        return request.answer::<SaslHandshakeRequest>(&SaslHandshakeResponse::default());
    }
    let asked: SaslAuthenticateRequest = request.read().unwrap();
    let said = String::from_utf8(asked.auth_bytes.to_vec()).unwrap();
    let told = match said.strip_prefix("n,,n=me,r=") {
        Some(nonce) => format!("r={nonce}x,s=c2FsdA==,i=4096"),
        None => format!("v={}=", "A".repeat(43)),
    };
    request.answer::<SaslAuthenticateRequest>(
        &SaslAuthenticateResponse::default().with_auth_bytes(told.into_bytes().into()),
    )
}

#[tokio::test]
async fn a_refused_login_is_told_at_once_and_a_broker_must_prove_itself() {
    let sasl = || {
        Some(SaslConfig {
            mechanism: SaslMechanism::ScramSha256,
            username: "me".into(),
            password: "pencil".to_owned().into(),
        })
    };
    let refusing = |request: &Request| {
        request.answer::<SaslHandshakeRequest>(
            &SaslHandshakeResponse::default()
                .with_error_code(33)
                .with_mechanisms(vec!["OAUTHBEARER".to_owned().into()]),
        )
    };
    let server = Server::start(Arc::new(refusing), None).await.unwrap();
    let servers = [server];
    let error = client_of(&servers, sasl()).list_topics().await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("it takes OAUTHBEARER here, not SCRAM-SHA-256"),
        "{error}"
    );
    assert_eq!(times_seen::<SaslHandshakeRequest>(&servers[0]), 1);

    let servers = [Server::start(Arc::new(impostor), None).await.unwrap()];
    let error = client_of(&servers, sasl()).list_topics().await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::Auth { detail, .. } if detail.contains("does not know the password")),
        "{error}"
    );
    assert_eq!(times_seen::<SaslAuthenticateRequest>(&servers[0]), 2);
    assert_eq!(times_seen::<MetadataRequest>(&servers[0]), 0);
}
