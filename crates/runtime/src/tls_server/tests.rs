use std::{net::SocketAddr, time::Duration};

use axum::routing::get;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, RootCertStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{
    pki::{CertificateAuthority, LeafRequest, Usage, inspect},
    webhook_ca::LeafResolver,
};

const NAME: &str = "sdm-webhook.sdm-system.svc";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const ANYWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
/// Fails a test that hangs; never a duration that a test relies on.
const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    address: SocketAddr,
    resolver: LeafResolver,
    /// Lets the requests to `/slow` finish.
    go: Arc<Notify>,
    /// Told when a request to `/slow` has arrived.
    arrived: Arc<Notify>,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
}

fn authority() -> CertificateAuthority {
    CertificateAuthority::generate("ca", Timestamp::now(), HOUR).unwrap()
}

fn present(resolver: &LeafResolver, ca: &CertificateAuthority) {
    let request =
        LeafRequest::valid_for("x", Usage::Server, Timestamp::now(), HOUR).with_dns([NAME]);
    resolver.set(&ca.issue(&request).unwrap()).unwrap();
}

async fn start(ca: &CertificateAuthority, options: ServerOptions) -> Server {
    let resolver = LeafResolver::default();
    present(&resolver, ca);
    let (go, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (gate, arrival) = (Arc::clone(&go), Arc::clone(&arrived));
    let slow = move || async move {
        arrival.notify_one();
        gate.notified().await;
        "done"
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(slow));
    let listener = listen(ANYWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(
        listener,
        router,
        Arc::new(resolver.clone()),
        options,
        stop.clone(),
    ));
    Server {
        address,
        resolver,
        go,
        arrived,
        stop,
        task,
    }
}

async fn connect(
    server: &Server,
    ca: &CertificateAuthority,
    alpn: &[u8],
) -> io::Result<TlsStream<TcpStream>> {
    crate::crypto::install();
    let mut roots = RootCertStore::empty();
    roots.add(inspect(ca.cert_pem()).unwrap().der()).unwrap();
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let tcp = TcpStream::connect(server.address).await?;
    TlsConnector::from(Arc::new(config))
        .connect(NAME.try_into().unwrap(), tcp)
        .await
}

/// One request over HTTP/2, as API servers make them.
async fn h2(server: &Server, ca: &CertificateAuthority, path: &str) -> String {
    let tls = connect(server, ca, H2).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tls))
            .await
            .unwrap();
    tokio::spawn(connection);
    let uri = format!("https://{NAME}{path}");
    let request = http::Request::get(uri).body(Empty::<&[u8]>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    String::from_utf8(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    )
    .unwrap()
}

async fn h1(server: &Server, ca: &CertificateAuthority, path: &str) -> String {
    let mut tls = connect(server, ca, HTTP_1_1).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    tls.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn finish(server: Server) {
    server.stop.cancel();
    tokio::time::timeout(PATIENCE, server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn speaks_http2_and_http1() {
    let ca = authority();
    let server = start(&ca, ServerOptions::default()).await;
    assert_eq!(h2(&server, &ca, "/").await, "hello");
    assert!(h1(&server, &ca, "/").await.ends_with("hello"));
    finish(server).await;
}

#[tokio::test]
async fn a_changed_certificate_is_presented_from_the_next_handshake_on() {
    let (old, new) = (authority(), authority());
    let server = start(&old, ServerOptions::default()).await;
    assert_eq!(h2(&server, &old, "/").await, "hello");
    present(&server.resolver, &new);
    assert_eq!(h2(&server, &new, "/").await, "hello");
    assert!(connect(&server, &old, H2).await.is_err());
    finish(server).await;
}

#[tokio::test]
async fn shutdown_lets_open_requests_finish_and_accepts_no_more() {
    let ca = authority();
    for protocol in [Protocol::H1, Protocol::H2] {
        let server = start(&ca, ServerOptions::default()).await;
        let request = async {
            match protocol {
                Protocol::H1 => h1(&server, &ca, "/slow").await,
                Protocol::H2 => h2(&server, &ca, "/slow").await,
            }
        };
        let control = async {
            server.arrived.notified().await;
            server.stop.cancel();
            // The listener closes once the loop has noticed.
            while TcpStream::connect(server.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
            assert!(!server.task.is_finished());
            server.go.notify_one();
        };
        let (answer, ()) = tokio::join!(request, control);
        assert!(answer.ends_with("done"), "{protocol:?}: {answer}");
        finish(server).await;
    }
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_off_after_the_drain_time() {
    let ca = authority();
    let options = ServerOptions {
        drain: Duration::from_millis(50),
        ..ServerOptions::default()
    };
    let server = start(&ca, options).await;
    let mut tls = connect(&server, &ca, HTTP_1_1).await.unwrap();
    tls.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    server.arrived.notified().await;
    finish(server).await;
}

#[tokio::test]
async fn silent_connections_are_closed() {
    let ca = authority();
    let quick = Duration::from_millis(50);
    let options = ServerOptions {
        handshake_timeout: quick,
        ..ServerOptions::default()
    };
    let server = start(&ca, options).await;
    let mut tcp = TcpStream::connect(server.address).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, tcp.read(&mut [0; 1]))
        .await
        .unwrap();
    assert!(!matches!(closed, Ok(1..)), "no TLS handshake");
    finish(server).await;

    let options = ServerOptions {
        header_timeout: quick,
        idle_timeout: quick,
        ..ServerOptions::default()
    };
    let server = start(&ca, options).await;
    for said in [&b""[..], b"GET / HTTP/1.1\r\nhost:"] {
        let mut tls = connect(&server, &ca, HTTP_1_1).await.unwrap();
        tls.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        // Whether it ends with a TLS goodbye or not, it ends, and without an answer from a route.
        let _ = tokio::time::timeout(PATIENCE, tls.read_to_end(&mut heard))
            .await
            .unwrap();
        assert!(!heard.ends_with(b"hello"));
    }
    finish(server).await;
}

/// Sends a request on a connection, and reads on until it was answered or the connection ends.
async fn again(tls: &mut TlsStream<TcpStream>) -> String {
    tls.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"hello") {
        let mut some = [0; 512];
        let n = tls.read(&mut some).await.unwrap();
        assert!(n > 0, "closed after {:?}", String::from_utf8_lossy(&heard));
        heard.extend_from_slice(&some[..n]);
    }
    String::from_utf8(heard).unwrap().to_lowercase()
}

#[tokio::test]
async fn a_server_that_is_leaving_answers_and_lets_go() {
    let ca = authority();
    let resolver = LeafResolver::default();
    present(&resolver, &ca);
    let leaving = CancellationToken::new();
    let router = Router::new().route("/", get(|| async { "hello" }));
    let listener = listen(ANYWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(
        listener,
        parting(router, leaving.clone()),
        Arc::new(resolver.clone()),
        ServerOptions::default(),
        stop.clone(),
    ));
    let (go, arrived) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let server = Server {
        address,
        resolver,
        go,
        arrived,
        stop,
        task,
    };
    let mut tls = connect(&server, &ca, HTTP_1_1).await.unwrap();
    assert!(!again(&mut tls).await.contains("connection: close"));
    leaving.cancel();
    assert!(again(&mut tls).await.contains("connection: close"));
    let ended = tokio::time::timeout(PATIENCE, tls.read(&mut [0; 1])).await;
    assert_eq!(ended.unwrap().unwrap(), 0);
    // Whoever still comes is served, in either protocol.
    assert_eq!(h2(&server, &ca, "/").await, "hello");
    finish(server).await;
}

/// API servers keep connections, and do not repeat a request that met one that was just closed.
#[tokio::test]
async fn an_idle_connection_is_kept_and_a_slow_head_on_it_is_not() {
    let ca = authority();
    let quick = Duration::from_millis(50);
    let options = ServerOptions {
        header_timeout: quick,
        ..ServerOptions::default()
    };
    let server = start(&ca, options).await;
    let mut tls = connect(&server, &ca, HTTP_1_1).await.unwrap();
    // Before the first as well as between two.
    for _ in 0..3 {
        tokio::time::sleep(4 * quick).await;
        again(&mut tls).await;
    }
    tls.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, tls.read_to_end(&mut heard))
        .await
        .unwrap();
    assert!(!heard.ends_with(b"hello"));
    finish(server).await;

    let options = ServerOptions {
        idle_timeout: quick,
        ..ServerOptions::default()
    };
    let server = start(&ca, options).await;
    let mut tls = connect(&server, &ca, HTTP_1_1).await.unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, tls.read_to_end(&mut heard))
        .await
        .unwrap();
    assert!(heard.ends_with(b"hello"));
    finish(server).await;
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_their_turn() {
    let ca = authority();
    let options = ServerOptions {
        max_connections: 1,
        ..ServerOptions::default()
    };
    let server = start(&ca, options).await;
    let first = connect(&server, &ca, H2).await.unwrap();
    {
        let second = connect(&server, &ca, H2);
        tokio::pin!(second);
        // The one wait for nothing to happen: it can only ever let a broken cap pass, not fail a working one.
        let early = tokio::time::timeout(Duration::from_millis(100), second.as_mut()).await;
        assert!(early.is_err(), "served beyond the cap");
        drop(first);
        tokio::time::timeout(PATIENCE, second)
            .await
            .unwrap()
            .unwrap();
    }
    finish(server).await;
}

/// Who is told to be connected and is forgotten by the kernel, and then says nothing, waits for ever.
#[tokio::test]
async fn who_comes_in_a_crowd_waits_in_the_queue() {
    const CROWD: usize = 300;
    let listener = listen(ANYWHERE).unwrap();
    let address = listener.local_addr().unwrap();
    let crowd = futures::future::try_join_all((0..CROWD).map(|_| TcpStream::connect(address)));
    let _crowd = tokio::time::timeout(PATIENCE, crowd)
        .await
        .unwrap()
        .unwrap();
    for _ in 0..CROWD {
        let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await;
        accepted.unwrap().unwrap();
    }
}
