//! The server side of the wire, for tests: a frame loop with optional mutual TLS, ApiVersions, and one handler trait.
//!
//! Behind the cargo feature `testing`; never part of a shipped program. It keeps no Kafka state: a scripted broker or a
//! simulated cluster is a [`Handler`] that a test brings. Requests of a connection are handled side by side, so a handler
//! can hold one answer back, send others first, stay silent or hang up.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, ApiVersionsResponse, RequestHeader, ResponseHeader,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::dial::{Dialer, Stream};
use crate::error::code::UNSUPPORTED_VERSION;
use crate::model::ApiRange;
use crate::wire::conn::DEFAULT_MAX_FRAME;
use crate::wire::frame;
use crate::wire::rpc::{self, Rpc};

/// The codec's string type, for answers.
pub use kafka_protocol::protocol::StrBytes as Text;

/// A topic's name as the codec has it.
pub fn topic(name: &str) -> kafka_protocol::messages::TopicName {
    kafka_protocol::messages::TopicName(name.to_owned().into())
}

/// A directory id as Kafka prints it (URL-safe base64 of 16 bytes), as the codec has it.
pub fn directory_id(text: &str) -> Option<uuid::Uuid> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .ok()?;
    uuid::Uuid::from_slice(&bytes).ok()
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// Kafka's API key.
    pub api_key: i16,
    /// Version of body and answer.
    pub api_version: i16,
    /// Goes back in the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<String>,
    /// The client's leaf certificate (DER), where it gave one.
    pub certificate: Option<Bytes>,
    body: Bytes,
}

impl Request {
    /// Whether this is a request of `R`.
    pub fn is<R: Rpc>(&self) -> bool {
        self.api_key == R::KEY
    }

    /// The body, if this is a request of `R` and its bytes are all used up.
    pub fn read<R: Rpc + Decodable>(&self) -> Option<R> {
        // Another request's bytes, read as this one's, may ask for any amount of memory.
        if !self.is::<R>() {
            return None;
        }
        let mut body = self.body.clone();
        let request = R::decode(&mut body, self.api_version).ok()?;
        body.is_empty().then_some(request)
    }

    /// The answer of `R` to this request.
    pub fn answer<R: Rpc<Response: Encodable>>(&self, response: &R::Response) -> Reply {
        match self.encode::<R>(response, self.api_version) {
            Ok(bytes) => Reply::Answer(bytes),
            Err(e) => {
                tracing::error!(api = R::NAME, version = self.api_version, error = %e, "the answer cannot be encoded");
                Reply::HangUp
            }
        }
    }

    fn encode<R: Rpc<Response: Encodable>>(
        &self,
        response: &R::Response,
        version: i16,
    ) -> Result<Bytes, String> {
        let mut out = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(self.correlation_id);
        header
            .encode(&mut out, R::Response::header_version(version))
            .and_then(|()| response.encode(&mut out, version))
            .map_err(|e| e.to_string())?;
        Ok(out.freeze())
    }
}

/// What the server does about a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Sends these bytes as one frame.
    Answer(Bytes),
    /// Sends these bytes as they are, length included: for damaged frames.
    Raw(Bytes),
    /// Never answers.
    Silence,
    /// Closes the connection.
    HangUp,
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Handles one request; ApiVersions does not come here.
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply>;

    /// What ApiVersions tells: unless overridden, all that the client speaks.
    fn api_versions(&self) -> Vec<ApiRange> {
        rpc::ranges()
    }
}

impl<F: Fn(&Request) -> Reply + Send + Sync + 'static> Handler for F {
    fn handle<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Reply> {
        Box::pin(async move { self(request) })
    }
}

/// PEM material of a server.
#[derive(Clone)]
pub struct ServerTls {
    /// Leaf first.
    pub cert_chain_pem: Vec<u8>,
    /// Its key.
    pub key_pem: Vec<u8>,
    /// CA whose client certificates are demanded; `None` asks for none.
    pub client_ca_pem: Option<Vec<u8>>,
}

impl ServerTls {
    fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match &self.client_ca_pem {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add_parsable_certificates(certificates(pem)?);
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    Arc::new(roots),
                    provider,
                )
                .build()
                .map_err(io::Error::other)?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(&self.key_pem).map_err(io::Error::other)?;
        let config = builder
            .with_single_cert(certificates(&self.cert_chain_pem)?, key)
            .map_err(io::Error::other)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}

/// A listening server on a loopback port. Dropping it ends its connections.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<(i16, i16)>>>,
    // Holds the accept loop, which holds the connections.
    _tasks: JoinSet<()>,
}

impl Server {
    /// Listens on a free loopback port.
    pub async fn start(handler: Arc<dyn Handler>, tls: Option<ServerTls>) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), handler, tls).await
    }

    /// Listens on `address`, for clients that expect a broker just there.
    pub async fn start_at(
        address: SocketAddr,
        handler: Arc<dyn Handler>,
        tls: Option<ServerTls>,
    ) -> io::Result<Self> {
        let acceptor = tls.map(|tls| tls.acceptor()).transpose()?;
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, handler, acceptor, Arc::clone(&seen)));
        Ok(Self {
            address,
            seen,
            _tasks: tasks,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// API key and version of every request so far, ApiVersions included, in order of arrival.
    pub fn seen(&self) -> Vec<(i16, i16)> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn accept(
    listener: TcpListener,
    handler: Arc<dyn Handler>,
    tls: Option<TlsAcceptor>,
    seen: Arc<Mutex<Vec<(i16, i16)>>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (handler, tls, seen) = (Arc::clone(&handler), tls.clone(), Arc::clone(&seen));
        connections.spawn(async move {
            let outcome = match tls {
                None => serve(stream, handler, None, seen).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => {
                        let leaf = stream
                            .get_ref()
                            .1
                            .peer_certificates()
                            .and_then(|chain| chain.first());
                        let leaf = leaf.map(|der| Bytes::copy_from_slice(der));
                        serve(stream, handler, leaf, seen).await
                    }
                    Err(e) => Err(e),
                },
            };
            tracing::debug!(?outcome, "connection ended");
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Serves one established stream until it ends.
async fn serve<S: AsyncRead + AsyncWrite + Send>(
    stream: S,
    handler: Arc<dyn Handler>,
    certificate: Option<Bytes>,
    seen: Arc<Mutex<Vec<(i16, i16)>>>,
) -> io::Result<()> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (replies, mut to_write) = mpsc::channel(64);
    let read = async {
        let mut running = JoinSet::new();
        while let Some(bytes) = frame::read(&mut reader, DEFAULT_MAX_FRAME).await? {
            let mut request =
                parse(bytes).ok_or_else(|| io::Error::other("malformed request header"))?;
            request.certificate.clone_from(&certificate);
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((request.api_key, request.api_version));
            let (handler, replies) = (Arc::clone(&handler), replies.clone());
            running.spawn(async move {
                let reply = match request.is::<ApiVersionsRequest>() {
                    true => hello(&request, &handler.api_versions()),
                    false => handler.handle(&request).await,
                };
                let _ = replies.send(reply).await;
            });
        }
        Ok(())
    };
    let write = async {
        while let Some(reply) = to_write.recv().await {
            let bytes = match reply {
                Reply::Answer(body) => {
                    let len = u32::try_from(body.len()).map_err(io::Error::other)?;
                    [&len.to_be_bytes()[..], &body].concat().into()
                }
                Reply::Raw(bytes) => bytes,
                Reply::Silence => continue,
                Reply::HangUp => return Ok(()),
            };
            writer.write_all(&bytes).await?;
            writer.flush().await?;
        }
        Ok(())
    };
    tokio::select! {
        done = read => done,
        done = write => done,
    }
}

fn parse(mut bytes: Bytes) -> Option<Request> {
    let api_key = i16::from_be_bytes(*bytes.first_chunk::<2>()?);
    let api_version = i16::from_be_bytes(*bytes.get(2..)?.first_chunk::<2>()?);
    let version = ApiKey::try_from(api_key)
        .ok()?
        .request_header_version(api_version);
    let header = RequestHeader::decode(&mut bytes, version).ok()?;
    Some(Request {
        api_key,
        api_version,
        correlation_id: header.correlation_id,
        client_id: header.client_id.map(|id| id.to_string()),
        certificate: None,
        body: bytes,
    })
}

/// As a broker does: a version it does not know is answered in version 0, with the ranges it does know.
fn hello(request: &Request, ranges: &[ApiRange]) -> Reply {
    let known = ranges.iter().find(|r| r.key == ApiVersionsRequest::KEY);
    let supported = known.is_some_and(|r| (r.min..=r.max).contains(&request.api_version));
    let keys = ranges
        .iter()
        .map(|r| {
            ApiVersion::default()
                .with_api_key(r.key)
                .with_min_version(r.min)
                .with_max_version(r.max)
        })
        .collect();
    let answer = ApiVersionsResponse::default().with_api_keys(keys);
    let (answer, version) = match supported {
        true => (answer, request.api_version),
        false => (answer.with_error_code(UNSUPPORTED_VERSION), 0),
    };
    request
        .encode::<ApiVersionsRequest>(&answer, version)
        .map_or(Reply::HangUp, Reply::Answer)
}

/// A dialer that leads given names to given addresses, and nowhere else.
#[derive(Debug, Default)]
pub struct Redirect {
    routes: Mutex<HashMap<(String, u16), SocketAddr>>,
}

impl Redirect {
    /// From now on `host:port` is at `address`.
    pub fn route(&self, host: &str, port: u16, address: SocketAddr) {
        self.routes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert((host.to_owned(), port), address);
    }
}

impl Dialer for Redirect {
    fn dial<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Box<dyn Stream>>> {
        let route = self
            .routes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(host.to_owned(), port))
            .copied();
        Box::pin(async move {
            let address = route.ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no route to {host}:{port}"),
                )
            })?;
            Ok(Box::new(TcpStream::connect(address).await?) as Box<dyn Stream>)
        })
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::MetadataRequest;

    use super::*;

    #[test]
    fn a_request_is_read_only_as_what_it_is() {
        let request = |body: &'static [u8], api: ApiKey| Request {
            api_key: api as i16,
            api_version: 7,
            correlation_id: 1,
            client_id: None,
            certificate: None,
            body: Bytes::from_static(body),
        };
        // As topics of a metadata request: two thousand million.
        let long = request(b"\x7f\xff\xff\xff", ApiKey::CreateTopics);
        assert!(long.read::<MetadataRequest>().is_none());
        // No topics, and none to be made by asking.
        assert!(
            request(b"\0\0\0\0\x01", ApiKey::Metadata)
                .read::<MetadataRequest>()
                .is_some()
        );
    }
}
