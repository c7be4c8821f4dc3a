//! The client against scripted brokers on loopback: what a caller may rely on when the other side misbehaves.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

#[path = "../common/mod.rs"]
mod common;
mod material;
mod producer;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use sdm_kafka::messages::{
    BrokerId, CreateTopicsRequest, CreateTopicsResponse, DescribeClusterRequest,
    DescribeClusterResponse, DescribeQuorumRequest, DescribeQuorumResponse, MetadataRequest,
    MetadataResponse, TopicName,
};
use sdm_kafka::testing::{Handler, Redirect, Reply, Request, Server};
use sdm_kafka::{
    ApiRange, Client, ClientConfig, ConnectOptions, Connection, DEFAULT_MAX_FRAME, Dialer,
    KafkaError, NewTopic, Rpc, Stream, TcpDialer, TlsConfig,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::Instant;

fn client_at(
    bootstrap: Vec<(String, u16)>,
    dialer: Arc<dyn Dialer>,
    tls: Option<TlsConfig>,
    timeout_ms: u64,
) -> Client {
    Client::new(ClientConfig {
        bootstrap,
        tls,
        sasl: None,
        dialer,
        client_id: "test".into(),
        timeout: Duration::from_millis(timeout_ms),
    })
}

fn client(server: &Server, timeout_ms: u64) -> Client {
    client_at(
        vec![("localhost".into(), server.address().port())],
        Arc::new(TcpDialer),
        None,
        timeout_ms,
    )
}

async fn plain(handler: impl Handler) -> Server {
    Server::start(Arc::new(handler), None).await.unwrap()
}

fn options(dialer: Arc<dyn Dialer>) -> ConnectOptions {
    ConnectOptions {
        dialer,
        tls: None,
        sasl: None,
        client_id: "test".into(),
        max_frame: DEFAULT_MAX_FRAME,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn described(request: &Request) -> Reply {
    request.answer::<DescribeClusterRequest>(
        &DescribeClusterResponse::default().with_cluster_id("c".to_owned().into()),
    )
}

fn times_seen<R: Rpc>(server: &Server) -> usize {
    server
        .seen()
        .iter()
        .filter(|(key, _)| *key == R::KEY)
        .count()
}

fn topic() -> NewTopic {
    NewTopic {
        name: "t".into(),
        ..NewTopic::default()
    }
}

/// Holds DescribeCluster back until Metadata has been answered.
#[derive(Default)]
struct OutOfOrder(Notify);

impl Handler for OutOfOrder {
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move {
            if request.is::<MetadataRequest>() {
                self.0.notify_one();
                return request.answer::<MetadataRequest>(&MetadataResponse::default());
            }
            self.0.notified().await;
            described(request)
        })
    }
}

#[tokio::test]
async fn calls_share_a_connection_and_find_their_own_answers() {
    let server = plain(OutOfOrder::default()).await;
    let conn = Connection::connect(
        &options(Arc::new(TcpDialer)),
        "localhost",
        server.address().port(),
        soon(),
    )
    .await
    .unwrap();
    // The first call is answered only after the second one.
    let (first, second) = tokio::join!(
        conn.describe_cluster(false, soon()),
        conn.metadata(None, soon())
    );
    assert_eq!(first.unwrap().cluster_id, "c");
    second.unwrap();
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_the_next_call_dials_anew() {
    let silent = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&silent);
    let server = plain(move |request: &Request| {
        if flag.load(Ordering::SeqCst) {
            Reply::Silence
        } else {
            described(request)
        }
    })
    .await;
    let client = client(&server, 300);
    let begun = Instant::now();
    let error = client.describe_cluster(false).await.unwrap_err();
    assert_eq!(
        error,
        KafkaError::Timeout {
            sent: true,
            api: "DescribeCluster"
        }
    );
    assert!(
        (250..1500).contains(&begun.elapsed().as_millis()),
        "{:?}",
        begun.elapsed()
    );
    silent.store(false, Ordering::SeqCst);
    client.describe_cluster(false).await.unwrap();
    assert_eq!(
        times_seen::<sdm_kafka::messages::ApiVersionsRequest>(&server),
        2
    );
}

#[tokio::test]
async fn a_lost_answer_is_an_unknown_outcome_for_a_write_and_a_second_try_for_a_read() {
    let left = AtomicUsize::new(1);
    let server = plain(move |request: &Request| {
        let hang_up = left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_ok();
        if hang_up {
            Reply::HangUp
        } else {
            described(request)
        }
    })
    .await;
    let reader = client(&server, 3000);
    assert_eq!(
        reader.describe_cluster(false).await.unwrap().cluster_id,
        "c"
    );
    assert_eq!(times_seen::<DescribeClusterRequest>(&server), 2);

    let server = plain(|_: &Request| Reply::HangUp).await;
    let error = client(&server, 3000)
        .create_topics(&[topic()], false)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            KafkaError::OutcomeUnknown {
                api: "CreateTopics",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.was_sent());
    assert_eq!(times_seen::<CreateTopicsRequest>(&server), 1);
}

#[tokio::test]
async fn a_write_that_was_not_sent_is_repeated_until_it_is() {
    let server =
        plain(|r: &Request| r.answer::<CreateTopicsRequest>(&CreateTopicsResponse::default()))
            .await;
    let dialer = Arc::new(Redirect::default());
    let client = client_at(
        vec![("broker".into(), 9092)],
        Arc::clone(&dialer) as _,
        None,
        5000,
    );
    let call = tokio::spawn(async move { client.create_topics(&[topic()], false).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    dialer.route("broker", 9092, server.address());
    call.await.unwrap().unwrap();
    assert_eq!(times_seen::<CreateTopicsRequest>(&server), 1);

    let nowhere = client_at(
        vec![("broker".into(), 9092)],
        Arc::new(Redirect::default()),
        None,
        300,
    );
    let error = nowhere.create_topics(&[topic()], false).await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::NotSent { detail, .. } if detail.contains("no route")),
        "{error}"
    );
}

/// A socket that stops taking bytes when the gate closes.
struct Gate {
    inner: Box<dyn Stream>,
    closed: Arc<AtomicBool>,
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.closed.load(Ordering::SeqCst) {
            Poll::Pending
        } else {
            Pin::new(&mut self.inner).poll_write(cx, buf)
        }
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

struct Gated(Arc<AtomicBool>);

impl Dialer for Gated {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            let inner = TcpDialer.dial(host, port).await?;
            Ok(Box::new(Gate {
                inner,
                closed: Arc::clone(&self.0),
            }) as Box<dyn Stream>)
        })
    }
}

#[tokio::test]
async fn what_waits_behind_a_stuck_socket_was_not_sent() {
    let server = plain(described).await;
    let closed = Arc::new(AtomicBool::new(false));
    let conn = Connection::connect(
        &options(Arc::new(Gated(Arc::clone(&closed)))),
        "localhost",
        server.address().port(),
        soon(),
    )
    .await
    .unwrap();
    closed.store(true, Ordering::SeqCst);
    let until = Instant::now() + Duration::from_millis(200);
    let (first, second) = tokio::join!(
        conn.describe_cluster(false, until),
        conn.describe_cluster(false, until)
    );
    // The writer holds the first one: bytes of it may be out. The second it has not touched.
    assert_eq!(
        first,
        Err(KafkaError::Timeout {
            sent: true,
            api: "DescribeCluster"
        })
    );
    assert_eq!(
        second,
        Err(KafkaError::Timeout {
            sent: false,
            api: "DescribeCluster"
        })
    );
    assert_eq!(times_seen::<DescribeClusterRequest>(&server), 0);
}

/// Offers given ranges, and answers nothing.
struct Offers(Vec<ApiRange>);

impl Handler for Offers {
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move { described(request) })
    }
    fn api_versions(&self) -> Vec<ApiRange> {
        self.0.clone()
    }
}

#[tokio::test]
async fn older_brokers_are_met_half_way_or_named() {
    let range = |key, min, max| ApiRange { key, min, max };
    // ApiVersions 3 only, as before Kafka 3.9, and DescribeCluster without the fenced flag.
    let server = plain(Offers(vec![range(18, 0, 3), range(60, 0, 1)])).await;
    let old = client(&server, 2000);
    assert_eq!(old.describe_cluster(true).await.unwrap().cluster_id, "c");
    assert_eq!(server.seen(), [(18, 4), (18, 3), (60, 1)]);
    let error = old.list_topics().await.unwrap_err();
    assert!(
        error.to_string().ends_with("it does not offer Metadata"),
        "{error}"
    );

    let server = plain(Offers(vec![range(18, 0, 3), range(3, 0, 8)])).await;
    let error = client(&server, 2000).list_topics().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it offers 0 to 8, this client speaks 9 to 13"),
        "{error}"
    );
}

#[tokio::test]
async fn hostile_answers_are_protocol_errors() {
    let answer = |request: &Request, tail: &[u8]| {
        let mut body = request.correlation_id.to_be_bytes().to_vec();
        body.extend_from_slice(tail);
        Reply::Answer(body.into())
    };
    // Header tags, throttle time, then four thousand million brokers.
    let server =
        plain(move |r: &Request| answer(r, &[0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])).await;
    let error = client(&server, 2000).list_topics().await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::Protocol { detail, .. } if detail.contains("malformed answer to Metadata")),
        "{error}"
    );

    let server = plain(move |r: &Request| answer(r, &[])).await;
    assert_eq!(
        client(&server, 2000)
            .list_topics()
            .await
            .unwrap_err()
            .reason(),
        "ProtocolError"
    );

    // Two gigabytes are announced.
    let server =
        plain(|_: &Request| Reply::Raw(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 0, 0]))).await;
    let error = client(&server, 2000).list_topics().await.unwrap_err();
    assert!(
        matches!(&error, KafkaError::Protocol { detail, .. } if detail.contains("2147483647 bytes")),
        "{error}"
    );

    // An answer to a question nobody asked is passed over.
    let server = plain(|_: &Request| Reply::Answer(Bytes::from_static(&[0x7f, 0, 0, 0, 0]))).await;
    let error = client(&server, 300).list_topics().await.unwrap_err();
    assert_eq!(
        error,
        KafkaError::Timeout {
            sent: true,
            api: "Metadata"
        }
    );
}

#[tokio::test]
async fn the_quorum_is_described_by_whichever_controller_leads() {
    let follower = |r: &Request| {
        r.answer::<DescribeQuorumRequest>(&DescribeQuorumResponse::default().with_error_code(6))
    };
    let leader = |r: &Request| {
        use sdm_kafka::messages::describe_quorum_response::{PartitionData, TopicData};
        let partition = PartitionData::default().with_leader_id(BrokerId(2));
        let topic = TopicData::default()
            .with_topic_name(TopicName("__cluster_metadata".to_owned().into()))
            .with_partitions(vec![partition]);
        r.answer::<DescribeQuorumRequest>(
            &DescribeQuorumResponse::default().with_topics(vec![topic]),
        )
    };
    let (one, two, three) = (
        plain(follower).await,
        plain(follower).await,
        plain(leader).await,
    );
    let bootstrap = [&one, &two, &three]
        .map(|s| ("localhost".to_owned(), s.address().port()))
        .to_vec();
    let quorum = client_at(bootstrap, Arc::new(TcpDialer), None, 3000)
        .describe_quorum()
        .await
        .unwrap();
    assert_eq!(quorum.leader_id, Some(2));
    let error = client(&one, 400).describe_quorum().await.unwrap_err();
    assert_eq!(error.reason(), "NotLeaderOrFollower");
}

#[tokio::test]
async fn a_dead_bootstrap_address_costs_no_time() {
    let server = plain(described).await;
    let dialer = Arc::new(Hole(server.address().port()));
    let mut bootstrap: Vec<_> = (1..6).map(|n| (format!("gone-{n}"), 9092)).collect();
    bootstrap.push(("alive".to_owned(), 9092));
    let begun = Instant::now();
    client_at(bootstrap, dialer, None, 60_000)
        .describe_cluster(false)
        .await
        .unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
}

/// Names other than `alive` swallow packets: dialing them never ends.
struct Hole(u16);

impl Dialer for Hole {
    fn dial<'a>(&'a self, host: &'a str, _: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        Box::pin(async move {
            match host {
                "alive" => TcpDialer.dial("localhost", self.0).await,
                _ => futures::future::pending().await,
            }
        })
    }
}
