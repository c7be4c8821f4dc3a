//! Leader election on a Lease: at most one candidate acts at any time.
//!
//! Owns the lease's lifetime: acquire, renew, stop acting before it may expire, release. The rules are client-go's
//! (15 s / 10 s / 2 s), every write is guarded by `resourceVersion`, and expiry is judged by our own monotonic clock.
//! What a leader does is the program's business: it watches [`Leadership`] and stops when that turns false.

mod state;

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicI64, AtomicU64},
    },
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1;
use kube::{Api, Client, api::PostParams};
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

pub use state::{Action, Observed, State};

/// 1 while this process leads, else 0.
pub const METRIC_LEADER: &str = "sdm_leader";
/// How often this process became the leader (exposed with the suffix `_total`).
pub const METRIC_TRANSITIONS: &str = "sdm_lease_transitions";

static LEADER: LazyLock<Gauge<i64, AtomicI64>> = LazyLock::new(Gauge::default);
static TRANSITIONS: LazyLock<Counter<u64, AtomicU64>> = LazyLock::new(Counter::default);

/// Makes the metrics of leader election part of `registry`.
pub fn register_metrics(registry: &mut Registry) {
    registry.register(
        METRIC_LEADER,
        "Whether this process is the leader",
        LEADER.clone(),
    );
    registry.register(
        METRIC_TRANSITIONS,
        "How often this process became the leader",
        TRANSITIONS.clone(),
    );
}

/// Who is a candidate for what, and in what rhythm.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Unique per process, see [`candidate_id`]; a restarted container must not be taken for its former self.
    pub candidate: String,
    /// Others may take the lease when it was not renewed for this long.
    pub duration: Duration,
    /// We stop acting when it was not renewed for this long; less than `duration`.
    pub renew_deadline: Duration,
    /// Between two attempts, plus up to a fifth of jitter.
    pub retry: Duration,
}

impl Config {
    /// With client-go's proven durations: 15 s, 10 s, 2 s.
    #[must_use]
    pub fn new(namespace: &str, name: &str, candidate: String) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            candidate,
            duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// `<pod name>_<random suffix>`.
#[must_use]
pub fn candidate_id(pod_name: &str) -> String {
    format!("{pod_name}_{:08x}", rand::random::<u32>())
}

/// Why [`Lease::run`] ended while leading. The process should cancel its work and exit; its next life starts clean.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LostLease {
    /// It could not be renewed in time.
    #[error("the lease could not be renewed within {} s", .0.as_secs())]
    Deadline(Duration),
    /// Another candidate holds it, or it was deleted.
    #[error("the lease was taken away")]
    Taken,
}

/// Whether this process may act as the leader.
#[derive(Clone, Debug)]
pub struct Leadership {
    until: watch::Receiver<Option<Instant>>,
    leading: watch::Receiver<bool>,
}

impl Leadership {
    /// Turns true when the lease is acquired, and false before anybody else may acquire it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.leading.clone()
    }

    /// Whether the lease is ours right now, by the clock: false also when this process was stopped for so long that the
    /// renewal deadline passed before anything could notice. For a last check before a step that cannot be undone.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.until
            .borrow()
            .is_some_and(|until| Instant::now() < until)
    }

    /// Resolves once this process leads, and never when the election ended before.
    pub async fn acquired(&self) {
        if self
            .leading
            .clone()
            .wait_for(|leading| *leading)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }
}

/// One candidate's side of the election.
pub struct Lease {
    api: Api<v1::Lease>,
    config: Config,
    state: State,
    until: watch::Sender<Option<Instant>>,
    leading: watch::Sender<bool>,
}

impl Lease {
    /// A candidate that has not started yet, and the view on its leadership.
    #[must_use]
    pub fn new(client: Client, config: Config) -> (Self, Leadership) {
        let (until, until_seen) = watch::channel(None);
        let (leading, leading_seen) = watch::channel(false);
        let api = Api::namespaced(client, &config.namespace);
        let lease = Self {
            api,
            config,
            state: State::default(),
            until,
            leading,
        };
        (
            lease,
            Leadership {
                until: until_seen,
                leading: leading_seen,
            },
        )
    }

    /// Takes part in the election until `shutdown`, then releases the lease if it is held. Cancel `shutdown` only when
    /// the work of the leader is finished: until then the lease keeps being renewed.
    ///
    /// # Errors
    /// [`LostLease`] when leadership ended otherwise. By then [`Leadership`] is false; exit.
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<(), LostLease> {
        // Dropping the future in mid-request is safe: what was written is found again, or expires.
        let ended = shutdown.run_until_cancelled(self.campaign()).await;
        self.until.send_replace(None);
        self.leading.send_replace(false);
        LEADER.set(0);
        match ended {
            Some(lost) => Err(lost),
            None => {
                self.release().await;
                Ok(())
            }
        }
    }

    /// Acquires and renews; returns only when leadership was lost.
    async fn campaign(&mut self) -> LostLease {
        let mut known: Option<Observed> = None;
        loop {
            // One lost request leaves time for another; and while leading, nothing may outlast the moment at which we
            // must have stopped acting.
            let deadline = *self.until.borrow();
            let patience = Instant::now() + self.config.renew_deadline / 2;
            let limit = deadline.map_or(patience, |deadline| patience.min(deadline));
            let turn = timeout_at(limit, self.turn(known.take())).await;
            // A write that was confirmed in this turn has moved the deadline.
            if self
                .until
                .borrow()
                .is_some_and(|until| Instant::now() >= until)
            {
                return LostLease::Deadline(self.config.renew_deadline);
            }
            let pause = match turn {
                Ok(Ok(Next::Renew(lease))) => {
                    known = Some(Observed::Present(lease));
                    self.jittered()
                }
                Ok(Ok(Next::Wait(left))) => self.jittered().min(left),
                Ok(Ok(Next::ReadAgain)) => self.jittered() / 10,
                Ok(Ok(Next::Lost)) => return LostLease::Taken,
                Ok(Err(error)) => {
                    tracing::warn!(%error, lease = %self.config.name, "lease not reachable");
                    self.jittered()
                }
                Err(_elapsed) => self.jittered() / 4,
            };
            let wake = Instant::now() + pause;
            let until = *self.until.borrow();
            sleep_until(until.map_or(wake, |until| wake.min(until))).await;
        }
    }

    /// One look and at most one write.
    async fn turn(&mut self, known: Option<Observed>) -> Result<Next, kube::Error> {
        let observed = match known {
            Some(observed) => observed,
            None => match self.api.get_opt(&self.config.name).await? {
                Some(lease) => Observed::Present(Box::new(lease)),
                None => Observed::Absent,
            },
        };
        // Taken before the request goes out: the others count from when they see it, which is later.
        let now = Instant::now();
        let params = PostParams::default();
        let written = match self
            .state
            .step(&self.config, &observed, now, Timestamp::now())
        {
            Action::Wait(left) => return Ok(Next::Wait(left)),
            Action::Lost => return Ok(Next::Lost),
            Action::Create(lease) => self.api.create(&params, &lease).await,
            Action::Replace(lease) => {
                match self.api.replace(&self.config.name, &params, &lease).await {
                    Err(kube::Error::Api(status)) if status.is_not_found() => {
                        return Ok(Next::ReadAgain);
                    }
                    written => written,
                }
            }
        };
        match written {
            Ok(lease) => {
                self.state.written(&lease, now);
                self.until
                    .send_replace(Some(now + self.config.renew_deadline));
                // The answer may have come too late to act on; then it is for the next turn to renew.
                if Instant::now() < now + self.config.renew_deadline
                    && !self.leading.send_replace(true)
                {
                    tracing::info!(lease = %self.config.name, candidate = %self.config.candidate, "leading");
                    LEADER.set(1);
                    TRANSITIONS.inc();
                }
                Ok(Next::Renew(Box::new(lease)))
            }
            // Somebody was faster: look again. The look decides whether we have lost.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Next::ReadAgain),
            Err(error) => Err(error),
        }
    }

    /// Best effort: the others wait out the duration if this fails. Reads first, since a renewal may have been cut off
    /// with its outcome unknown.
    async fn release(&self) {
        let attempt = async {
            let Some(lease) = self.api.get_opt(&self.config.name).await? else {
                return Ok(false);
            };
            let holder = lease
                .spec
                .as_ref()
                .and_then(|spec| spec.holder_identity.as_deref());
            if holder != Some(self.config.candidate.as_str()) {
                return Ok(false);
            }
            let released = Config::released(&lease, Timestamp::now());
            self.api
                .replace(&self.config.name, &PostParams::default(), &released)
                .await?;
            Ok::<_, kube::Error>(true)
        };
        match timeout_at(Instant::now() + self.config.retry, attempt).await {
            Ok(Ok(true)) => tracing::info!(lease = %self.config.name, "lease released"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "lease not released"),
            Err(_elapsed) => tracing::warn!("lease not released in time"),
        }
    }

    fn jittered(&self) -> Duration {
        self.config.retry.mul_f64(1.0 + 0.2 * rand::random::<f64>())
    }
}

enum Next {
    /// Ours; renew this version of it after a pause.
    Renew(Box<v1::Lease>),
    /// Not ours, for at most this long.
    Wait(Duration),
    ReadAgain,
    Lost,
}

#[cfg(test)]
mod tests;
