//! One connection to one address: handshake, version negotiation, login, pipelined calls.
//!
//! Owns the distinction this crate exists for: a request is *not sent* until the writer claims it, and from then on its
//! outcome is *unknown* until an answer arrives. The tasks that move bytes are in `inflight.rs`; routing, retries and
//! re-use are others' business.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use bytes::Bytes;
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::dial::Dialer;
use crate::error::{KafkaError, Result, code};
use crate::model::ApiRange;
use crate::sasl::{SaslConfig, SaslMechanism};
use crate::tls::{self, TlsConfig};
use crate::wire::inflight::{
    Broken, BrokenKind, Claim, Outgoing, State, Ticket, read_loop, write_loop,
};
use crate::wire::rpc::{self, Rpc};

/// Requests waiting for the socket; more callers than this wait for room, within their deadlines.
const QUEUE: usize = 64;
/// Largest answer accepted unless told otherwise.
pub const DEFAULT_MAX_FRAME: usize = 100 * 1024 * 1024;

/// What a connection needs besides its address.
#[derive(Clone)]
pub struct ConnectOptions {
    /// Opens the stream.
    pub dialer: Arc<dyn Dialer>,
    /// `None` speaks plaintext.
    pub tls: Option<TlsConfig>,
    /// `None` does not log in: the certificate says who we are, or nobody does.
    pub sasl: Option<SaslConfig>,
    /// Shown in the broker's request log and quotas.
    pub client_id: String,
    /// Largest answer accepted, in bytes.
    pub max_frame: usize,
}

/// A negotiated connection. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
}

struct Shared {
    peer: String,
    client_id: String,
    versions: Vec<ApiRange>,
    queue: mpsc::Sender<Outgoing>,
    state: Arc<State>,
    /// When the login runs out.
    expires: Option<Instant>,
    next_id: AtomicI32,
    tasks: [AbortHandle; 2],
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Connection {
    /// Dials `host:port`, completes TLS, learns which versions the peer offers and logs in, all before `deadline`.
    pub async fn connect(
        options: &ConnectOptions,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Self> {
        let peer = format!("{host}:{port}");
        match timeout_at(
            deadline,
            Self::open(options, host, port, peer.clone(), deadline),
        )
        .await
        {
            Ok(done) => done,
            Err(_) => Err(not_sent("ApiVersions", &peer, "connecting took too long")),
        }
    }

    async fn open(
        options: &ConnectOptions,
        host: &str,
        port: u16,
        peer: String,
        deadline: Instant,
    ) -> Result<Self> {
        let is_plain = |sasl: &SaslConfig| sasl.mechanism == SaslMechanism::Plain;
        if options.tls.is_none() && options.sasl.as_ref().is_some_and(is_plain) {
            return Err(KafkaError::config(
                "PLAIN shows the password to whoever listens: it needs TLS",
            ));
        }
        let stream = options
            .dialer
            .dial(host, port)
            .await
            .map_err(|e| not_sent("ApiVersions", &peer, format!("cannot connect: {e}")))?;
        let conn = match &options.tls {
            None => Self::start(options, peer, stream),
            Some(tls) => {
                let stream =
                    tls.connect(host, stream)
                        .await
                        .map_err(|e| match tls::describe(&e) {
                            Some(detail) => KafkaError::Tls {
                                peer: peer.clone(),
                                detail,
                            },
                            None if e.kind() == io::ErrorKind::UnexpectedEof
                                || e.kind() == io::ErrorKind::ConnectionReset =>
                            {
                                KafkaError::Tls {
                                    peer: peer.clone(),
                                    detail: format!(
                                        "the peer closed the connection during the handshake: {e}"
                                    ),
                                }
                            }
                            None => not_sent("ApiVersions", &peer, format!("TLS handshake: {e}")),
                        })?;
                Self::start(options, peer, stream)
            }
        };
        let mut conn = conn.negotiate(deadline).await?;
        if let Some(sasl) = &options.sasl {
            let expires = conn.log_in(sasl, deadline).await.map_err(before_any_call)?;
            conn.unshared()?.expires = expires;
        }
        Ok(conn)
    }

    /// What may still be changed while the connection is being made.
    fn unshared(&mut self) -> Result<&mut Shared> {
        // Never fails: nobody else can hold a connection that was never handed out.
        Arc::get_mut(&mut self.shared)
            .ok_or_else(|| KafkaError::config("connection shared before it was made"))
    }

    fn start<S: AsyncRead + AsyncWrite + Send + 'static>(
        options: &ConnectOptions,
        peer: String,
        stream: S,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let (queue, outgoing) = mpsc::channel(QUEUE);
        let state = Arc::<State>::default();
        let tasks = [
            tokio::spawn(write_loop(writer, outgoing, Arc::clone(&state))).abort_handle(),
            tokio::spawn(read_loop(reader, options.max_frame, Arc::clone(&state))).abort_handle(),
        ];
        let shared = Shared {
            peer,
            client_id: options.client_id.clone(),
            versions: Vec::new(),
            queue,
            state,
            expires: None,
            next_id: AtomicI32::new(0),
            tasks,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// KIP-511: ask with the newest version we speak; a peer that does not know it says so in version 0.
    async fn negotiate(mut self, deadline: Instant) -> Result<Self> {
        let hello = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("sdm-kafka"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let mut version = ApiVersionsRequest::MAX;
        let ranges = loop {
            let answer = self
                .exchange(&hello, version, deadline)
                .await
                .map_err(before_any_call)?;
            // The error code stands first in every version, after the correlation id.
            let error = answer
                .get(4..6)
                .map_or(0, |b| i16::from_be_bytes([b[0], b[1]]));
            if error == code::UNSUPPORTED_VERSION && version > ApiVersionsRequest::MIN {
                version -= 1;
                continue;
            }
            if let Some(error) = crate::error::ItemError::from_code(error, None) {
                return Err(error.into_error(ApiVersionsRequest::NAME));
            }
            let answer = self.read_answer::<ApiVersionsRequest>(answer, version)?;
            break answer
                .api_keys
                .iter()
                .map(|a| ApiRange {
                    key: a.api_key,
                    min: a.min_version,
                    max: a.max_version,
                })
                .collect();
        };
        self.unshared()?.versions = ranges;
        Ok(self)
    }

    /// Sends `request` in the highest common version and waits for its answer until `deadline`.
    ///
    /// The low-level door: it speaks the codec's types, reaches exactly this peer and never retries. Error codes inside
    /// the answer are the caller's to read.
    pub async fn call<R: Rpc>(&self, request: &R, deadline: Instant) -> Result<R::Response> {
        let version = self.version_of::<R>()?;
        let answer = self.exchange(request, version, deadline).await?;
        self.read_answer::<R>(answer, version)
    }

    /// As [`Connection::call`], but the answer undecoded, header included.
    pub(crate) async fn call_raw<R: Rpc>(&self, request: &R, deadline: Instant) -> Result<Bytes> {
        let version = self.version_of::<R>()?;
        self.exchange(request, version, deadline).await
    }

    /// The version [`Connection::call`] would use: fields that came later must be left at their defaults.
    pub fn version_of<R: Rpc>(&self) -> Result<i16> {
        rpc::negotiate::<R>(&self.shared.versions).map_err(|detail| self.protocol(detail))
    }

    fn read_answer<R: Rpc>(&self, answer: Bytes, version: i16) -> Result<R::Response> {
        rpc::decode::<R>(answer, version).map_err(|detail| self.protocol(detail))
    }

    pub(crate) fn protocol(&self, detail: String) -> KafkaError {
        KafkaError::Protocol {
            peer: self.shared.peer.clone(),
            detail,
        }
    }

    async fn exchange<R: Rpc>(
        &self,
        request: &R,
        version: i16,
        deadline: Instant,
    ) -> Result<Bytes> {
        let shared = &*self.shared;
        let id = shared.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame =
            rpc::encode(request, version, id, &shared.client_id).map_err(KafkaError::config)?;
        let (answer_to, answer) = oneshot::channel();
        {
            let mut pending = shared.state.pending();
            if let Some(cause) = &pending.ended {
                return Err(self.broken::<R>(cause.clone(), false));
            }
            pending.waiting.insert(id, answer_to);
        }
        let claim = Arc::new(Claim::default());
        let ticket = Ticket {
            state: &shared.state,
            id,
            claim: Arc::clone(&claim),
        };

        let exchange = async {
            if shared
                .queue
                .send(Outgoing {
                    id,
                    frame,
                    claim: Arc::clone(&claim),
                })
                .await
                .is_err()
            {
                // The writer is gone; the waiter has been told why, or is about to be.
                tracing::trace!(peer = %shared.peer, "writer gone");
            }
            answer.await
        };
        match timeout_at(deadline, exchange).await {
            Ok(Ok(Ok(bytes))) => Ok(bytes),
            Ok(Ok(Err(cause))) => Err(self.broken::<R>(cause, claim.is_sent())),
            Ok(Err(_)) => {
                let cause = Broken {
                    detail: "the connection was closed".to_owned(),
                    kind: BrokenKind::Closed,
                };
                Err(self.broken::<R>(cause, claim.is_sent()))
            }
            Err(_) => {
                // Whoever wins this race decides whether the request counts as sent.
                let unsent = ticket.claim.take(Claim::CANCELLED);
                // A peer that does not answer one call may answer no other: let the next caller dial anew.
                self.retire();
                Err(KafkaError::Timeout {
                    sent: !unsent,
                    api: R::NAME,
                })
            }
        }
    }

    fn broken<R: Rpc>(&self, cause: Broken, sent: bool) -> KafkaError {
        let peer = self.shared.peer.clone();
        match (cause.kind, sent) {
            // TLS 1.3: a refused client certificate shows only on the first read after the handshake, which is the
            // answer to ApiVersions. Later on a TLS failure is a lost connection like any other.
            (BrokenKind::Tls, _) if self.shared.versions.is_empty() => KafkaError::Tls {
                peer,
                detail: cause.detail,
            },
            (BrokenKind::Protocol, true) => KafkaError::Protocol {
                peer,
                detail: cause.detail,
            },
            (_, true) => KafkaError::OutcomeUnknown {
                api: R::NAME,
                peer,
                detail: cause.detail,
            },
            (_, false) => KafkaError::NotSent {
                api: R::NAME,
                peer,
                detail: cause.detail,
            },
        }
    }

    /// `host:port` of the peer.
    pub fn peer(&self) -> &str {
        &self.shared.peer
    }

    /// What the peer offers, as it said when the connection was made.
    pub fn api_versions(&self) -> &[ApiRange] {
        &self.shared.versions
    }

    /// Takes no new calls from the pool; running ones go on.
    pub(crate) fn retire(&self) {
        self.shared.state.retired.store(true, Ordering::Release);
    }

    pub(crate) fn is_usable(&self) -> bool {
        !self.shared.state.retired.load(Ordering::Acquire)
            && self.shared.expires.is_none_or(|at| Instant::now() < at)
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.shared.peer)
            .field("usable", &self.is_usable())
            .finish_non_exhaustive()
    }
}

fn not_sent(api: &'static str, peer: &str, detail: impl Into<String>) -> KafkaError {
    KafkaError::NotSent {
        api,
        peer: peer.to_owned(),
        detail: detail.into(),
    }
}

/// While a connection is being made only ApiVersions and the login travel, so the caller's request has certainly not been sent.
fn before_any_call(error: KafkaError) -> KafkaError {
    match error {
        KafkaError::OutcomeUnknown { api, peer, detail } => {
            KafkaError::NotSent { api, peer, detail }
        }
        KafkaError::Timeout { api, .. } => KafkaError::Timeout { sent: false, api },
        other => other,
    }
}
