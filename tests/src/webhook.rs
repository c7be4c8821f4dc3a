//! The webhook's own process beside a control plane, and connections to it as an API server has them: over TLS, trusting
//! what its registration says, kept.
//!
//! What is asked is the caller's; so is whatever nobody should send.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::{Api, Client};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::control_plane::{ControlPlane, free_ports};
use crate::paths;
use crate::process::{Process, Spawn};
use crate::wait::until;

/// Where the webhook keeps its certificate authority and asks about evictions.
pub const NAMESPACE: &str = "default";
const PATIENCE: Duration = Duration::from_secs(40);

/// A webhook that API servers know of.
pub struct Webhook {
    /// Its process.
    pub process: Process,
    /// Where it serves reviews.
    pub address: SocketAddr,
    health: SocketAddr,
    roots: RootCertStore,
}

impl Webhook {
    /// Starts it, and waits until it is ready and registered.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let [port, health] = free_ports()?;
        let process = Spawn::new(
            &paths::program("sdm-webhook"),
            [
                format!("--address=127.0.0.1:{port}"),
                format!("--health-address=127.0.0.1:{health}"),
                format!("--url=https://127.0.0.1:{port}"),
            ],
            plane.dir.join("webhook.log"),
        )
        .env("KUBECONFIG", &plane.kubeconfig)
        .env("POD_NAMESPACE", NAMESPACE)
        // As in its Deployment.
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_MMAP_THRESHOLD_", "65536")
        .env("MALLOC_TRIM_THRESHOLD_", "65536")
        .env("MALLOC_TOP_PAD_", "16384")
        .start()?;
        let health = SocketAddr::from(([127, 0, 0, 1], health));
        let roots = until("the webhook to be ready", PATIENCE, || async {
            let (status, why) = get(health, "/readyz").await?;
            if status != StatusCode::OK {
                bail!("{status}: {why}");
            }
            trusted(&plane.client).await.map(Some)
        })
        .await
        .with_context(|| process.tail())?;
        Ok(Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            health,
            roots,
        })
    }

    /// What is under `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let (status, text) = get(self.health, "/metrics").await?;
        anyhow::ensure!(status == StatusCode::OK, "{status}: {text}");
        Ok(text)
    }

    /// Open file descriptors of the process, connections among them.
    pub fn open_files(&self) -> Result<usize> {
        let path = format!("/proc/{}/fd", self.process.pid());
        Ok(std::fs::read_dir(path)?.count())
    }

    /// A connection with TLS that speaks `protocol`: `h2` or `http/1.1`.
    pub async fn dial(&self, protocol: &str) -> Result<TlsStream<TcpStream>> {
        let mut config = ClientConfig::builder()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connector = TlsConnector::from(Arc::new(config));
        Ok(connector.connect(name, tcp).await?)
    }

    /// A kept connection over HTTP/2, as API servers have one.
    pub async fn connect(&self) -> Result<Connection> {
        let io = TokioIo::new(self.dial("h2").await?);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Connection::H2(sender))
    }

    /// A kept connection over HTTP/1.1.
    pub async fn connect_h1(&self) -> Result<Connection> {
        let io = TokioIo::new(self.dial("http/1.1").await?);
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Connection::H1(sender))
    }
}

/// A connection that takes one question after the other; over HTTP/2, its clones at the same time.
pub enum Connection {
    /// HTTP/1.1
    H1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2
    H2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    /// Another handle of the same connection, for a question at the same time; only HTTP/2 has that.
    pub fn share(&self) -> Result<Self> {
        match self {
            Self::H1(_) => bail!("HTTP/1.1 answers one after the other"),
            Self::H2(sender) => Ok(Self::H2(sender.clone())),
        }
    }

    /// Sends a review to `path`, and reads the answer.
    pub async fn ask(&mut self, path: &str, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let request = Request::post(format!("https://127.0.0.1{path}?timeout=5s"))
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .body(Full::new(body))?;
        let response = match self {
            Self::H1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Self::H2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

/// What API servers trust to be the webhook.
async fn trusted(client: &Client) -> Result<RootCertStore> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let webhooks = api.get("sdm-webhook").await?.webhooks.unwrap_or_default();
    let bundle = webhooks.into_iter().find_map(|w| w.client_config.ca_bundle);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle.context("a bundle")?.0) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

/// A page in plain HTTP.
async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, String)> {
    let io = TokioIo::new(TcpStream::connect(address).await?);
    let (mut sender, connection) = http1::handshake(io).await?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header("host", "localhost")
        .body(Full::<Bytes>::default())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
