//! The client: one handle for a cluster, its connections, what it knows of the brokers, and how calls are retried.
//!
//! Owns routing (any broker, a given broker, a controller listener) and the retry rule: a read is repeated on anything
//! retriable until its deadline; a write only when it certainly was not sent, or a broker said that it did nothing.
//! What the calls say is in `admin/`; records are in `data/`.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rand::Rng;
use rand::seq::SliceRandom;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dial::Dialer;
use crate::error::{KafkaError, Result, code};
use crate::model::NodeInfo;
use crate::sasl::SaslConfig;
use crate::tls::TlsConfig;
use crate::wire::conn::{ConnectOptions, Connection, DEFAULT_MAX_FRAME};
use crate::wire::pool::{Address, Pool};
use crate::wire::rpc::Rpc;

/// A second address is tried when the first has not answered for this long.
const STAGGER: Duration = Duration::from_millis(300);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How to reach a cluster, on one listener.
#[derive(Clone)]
pub struct ClientConfig {
    /// Addresses of brokers, or of controllers when the client is to speak with a controller listener. Those with a
    /// connection come first, else they are tried in random order, racing; the first that answers serves.
    pub bootstrap: Vec<(String, u16)>,
    /// `None` speaks plaintext.
    pub tls: Option<TlsConfig>,
    /// `None` does not log in: the certificate says who we are, or nobody does.
    pub sasl: Option<SaslConfig>,
    /// Opens the streams.
    pub dialer: Arc<dyn Dialer>,
    /// Shown in the brokers' request logs and quotas.
    pub client_id: String,
    /// Deadline of every call that does not name its own, dialing and retries included.
    pub timeout: Duration,
}

/// A cluster's client. Cheap to clone; clones share connections. Nothing is dialed before the first call.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    bootstrap: Vec<Address>,
    timeout: Duration,
    pool: Pool,
    brokers: RwLock<HashMap<i32, Address>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("bootstrap", &self.inner.bootstrap)
            .finish_non_exhaustive()
    }
}

/// How often a call may be put on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Changes nothing: repeat on anything retriable.
    Read,
    /// Changes something: repeat only what was certainly not carried out.
    Write,
}

impl Repeat {
    /// Whether a call that failed like this may be tried again.
    pub(crate) fn allows(self, error: &KafkaError) -> bool {
        // A certificate does not get better while we wait; who asked wants to know now.
        let hopeless = matches!(error, KafkaError::Tls { .. });
        error.is_retriable() && !hopeless && (self == Self::Read || !error.was_sent())
    }
}

impl Client {
    /// A client for the cluster behind `config.bootstrap`.
    pub fn new(config: ClientConfig) -> Self {
        let options = ConnectOptions {
            dialer: config.dialer,
            tls: config.tls,
            sasl: config.sasl,
            client_id: config.client_id,
            max_frame: DEFAULT_MAX_FRAME,
        };
        Self {
            inner: Arc::new(Inner {
                bootstrap: config.bootstrap,
                timeout: config.timeout,
                pool: Pool::new(options),
                brokers: RwLock::default(),
            }),
        }
    }

    /// Closes idle connections, so that the next calls dial anew (with reloaded TLS material, for one).
    pub fn close_connections(&self) {
        self.inner.pool.clear();
    }

    /// A connection to exactly this address, within the client's timeout: for calls without a method of their own.
    pub async fn connect_to(&self, host: &str, port: u16) -> Result<Connection> {
        self.inner
            .pool
            .get(&(host.to_owned(), port), self.deadline())
            .await
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.timeout
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    pub(crate) fn bootstrap(&self) -> &[Address] {
        &self.inner.bootstrap
    }

    pub(crate) async fn connect_address(
        &self,
        address: &Address,
        deadline: Instant,
    ) -> Result<Connection> {
        self.inner.pool.get(address, deadline).await
    }

    /// Remembers where brokers listen.
    pub(crate) fn learn(&self, nodes: &[NodeInfo]) {
        let mut brokers = self
            .inner
            .brokers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        brokers.extend(
            nodes
                .iter()
                .map(|node| (node.id, (node.host.clone(), node.port))),
        );
    }

    fn known(&self, broker: i32) -> Option<Address> {
        self.inner
            .brokers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&broker)
            .cloned()
    }

    /// A connection to a broker by id; asks the cluster where it listens if that is not known.
    pub(crate) async fn broker(&self, broker: i32, deadline: Instant) -> Result<Connection> {
        if let Some(address) = self.known(broker) {
            match self.inner.pool.get(&address, deadline).await {
                Ok(conn) => return Ok(conn),
                // It may have moved: look again below, but only once.
                Err(e) if Instant::now() >= deadline => return Err(e),
                Err(_) => {}
            }
        }
        self.metadata_by(Some(&[]), deadline).await?;
        match self.known(broker) {
            Some(address) => self.inner.pool.get(&address, deadline).await,
            // A broker that is gone may stay so: an answer, not something to wait for until the deadline.
            None => Err(KafkaError::Broker {
                code: code::BROKER_NOT_AVAILABLE,
                name: "BROKER_NOT_AVAILABLE",
                message: Some(format!(
                    "the cluster does not list broker {broker} among its live brokers"
                )),
                api: "Metadata",
            }),
        }
    }

    /// A connection to whichever bootstrap address or known broker answers first.
    pub(crate) async fn any(&self, deadline: Instant) -> Result<Connection> {
        let mut addresses = self.inner.bootstrap.clone();
        addresses.shuffle(&mut rand::rng());
        // Brokers learned later help when all bootstrap addresses are gone.
        let known: Vec<Address> = self
            .inner
            .brokers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect();
        addresses.extend(
            known
                .into_iter()
                .filter(|address| !self.inner.bootstrap.contains(address)),
        );
        if addresses.is_empty() {
            return Err(KafkaError::config("no bootstrap address was given"));
        }
        addresses.sort_by_key(|address| !self.inner.pool.is_live(address));

        let mut waiting = addresses.into_iter();
        let mut dials = FuturesUnordered::new();
        let mut last = None;
        loop {
            if let Some(address) = waiting.next() {
                dials.push(dial(Arc::clone(&self.inner), address, deadline));
            }
            let patience = Instant::now() + STAGGER;
            tokio::select! {
                Some(done) = dials.next() => match done {
                    Ok(conn) => return Ok(conn),
                    Err(e) => last = Some(worse(last, e)),
                },
                () = sleep_until(patience), if waiting.len() > 0 => {}
                else => break,
            }
            if dials.is_empty() && waiting.len() == 0 {
                break;
            }
        }
        Err(last.unwrap_or(KafkaError::Timeout {
            sent: false,
            api: "ApiVersions",
        }))
    }

    /// Calls any broker (or any controller, with controllers as bootstrap).
    pub(crate) async fn call_any<R: Rpc>(
        &self,
        request: &R,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<R::Response> {
        let mut retry = Retry::new(repeat, deadline);
        loop {
            let attempt = async { self.any(deadline).await?.call(request, deadline).await };
            match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(error) => retry.after(error).await?,
            }
        }
    }

    /// Calls one broker.
    pub(crate) async fn call_broker<R: Rpc>(
        &self,
        broker: i32,
        request: &R,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<R::Response> {
        let mut retry = Retry::new(repeat, deadline);
        loop {
            let attempt = async {
                self.broker(broker, deadline)
                    .await?
                    .call(request, deadline)
                    .await
            };
            match attempt.await {
                Ok(answer) => return Ok(answer),
                Err(error) => retry.after(error).await?,
            }
        }
    }
}

/// Decides after each failed attempt whether there is another one.
#[derive(Debug)]
pub(crate) struct Retry {
    repeat: Repeat,
    deadline: Instant,
    pause: Pause,
}

impl Retry {
    pub(crate) fn new(repeat: Repeat, deadline: Instant) -> Self {
        Self {
            repeat,
            deadline,
            pause: Pause::default(),
        }
    }

    /// Returns after a pause if the call may be tried again, else gives the error back.
    pub(crate) async fn after(&mut self, error: KafkaError) -> Result<()> {
        if !self.repeat.allows(&error) || !self.pause.before(self.deadline).await {
            return Err(error);
        }
        tracing::debug!(%error, "trying again");
        Ok(())
    }
}

async fn dial(inner: Arc<Inner>, address: Address, deadline: Instant) -> Result<Connection> {
    inner.pool.get(&address, deadline).await
}

/// The more telling of two failed dials: a refusal says more than an address that is not there.
fn worse(one: Option<KafkaError>, other: KafkaError) -> KafkaError {
    match one {
        Some(
            one @ (KafkaError::Tls { .. } | KafkaError::Auth { .. } | KafkaError::Protocol { .. }),
        ) => one,
        Some(one) if matches!(other, KafkaError::Timeout { .. }) => one,
        _ => other,
    }
}

/// Growing, jittered pauses between attempts.
#[derive(Debug)]
pub(crate) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pause {
    /// Sleeps; `false` at once if the deadline would pass meanwhile.
    pub(crate) async fn before(&mut self, deadline: Instant) -> bool {
        let length = self.next_length();
        if Instant::now() + length >= deadline {
            return false;
        }
        sleep(length).await;
        true
    }

    /// How long to pause next.
    pub(crate) fn next_length(&mut self) -> Duration {
        let length = self.0.mul_f64(rand::rng().random_range(0.5..1.0));
        self.0 = (self.0 * 2).min(LONGEST_PAUSE);
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Consumer, Producer};

    /// The futures of every call can be spawned; compiling is the test.
    #[allow(dead_code)]
    fn futures_are_send(
        client: &'static Client,
        producer: &'static Producer,
        consumer: &'static mut Consumer,
    ) {
        fn is_send(_: impl Send + 'static) {}
        is_send(client.describe_cluster(true));
        is_send(client.describe_controllers());
        is_send(client.describe_quorum());
        is_send(client.metadata(Some(&["a"])));
        is_send(client.list_topics());
        is_send(client.create_topics(&[], false));
        is_send(client.delete_topics(&["a"]));
        is_send(client.describe_configs(&[]));
        is_send(client.describe_log_dirs(&[1]));
        is_send(client.list_offsets("a", &[1], crate::OffsetSpec::Latest));
        is_send(client.connect_to("a", 1));
        is_send(client.incremental_alter_configs(&[], false));
        is_send(client.describe_config_keys(&[]));
        is_send(client.create_partitions(&[], false));
        is_send(client.create_acls(&[]));
        is_send(client.delete_acls(&[]));
        is_send(client.describe_scram(None));
        is_send(client.alter_scram(&[], &[]));
        is_send(client.alter_client_quotas(&[], false));
        is_send(client.alter_partition_reassignments(&[]));
        is_send(client.list_partition_reassignments(None));
        is_send(client.elect_preferred_leaders(None));
        is_send(client.list_groups());
        is_send(client.describe_groups(&["a"]));
        is_send(client.delete_groups(&["a"]));
        is_send(client.group_offsets("a"));
        is_send(client.commit_group_offsets("a", &[]));
        is_send(client.delete_group_offsets("a", &[]));
        is_send(producer.send_all("a", Vec::new()));
        is_send(consumer.next());
    }
}
