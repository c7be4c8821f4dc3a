//! One cluster's worker: hears, takes a batch, has it carried out, and waits.
//!
//! Owns the order of things and the pace: what went is taken away before what came is created, topics come before
//! users and both before ACLs, sweeps are spread over time, and a Kafka that does not answer is asked less and less.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sdm_kafka::KafkaError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::abreast::Newest;
use super::drift::Sweep;
use super::gate::{self, Closed, Open};
use super::hub::{Hub, Inbox, Kind};
use super::ledger::Ledger;
use super::pace::{GATHER, Pace};
use super::parts::{Part, Pauses};
use super::state::State;
use super::watch::Shared;
use super::writes::Writes;
use crate::context::Context;
use crate::error::Error;
use crate::link::Link;
use crate::reconcile::backoff;
use crate::store::Key;

/// Objects in one batch.
pub const BATCH: usize = 250;
/// One call to Kafka, thousands of items in it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nothing to do: the gate is looked at this often all the same.
const IDLE: Duration = Duration::from_secs(30);

/// Whether nobody answered, as against somebody who refused.
fn is_silence(error: &Error) -> bool {
    match error {
        Error::NotLeader => true,
        Error::Kafka(error) => !matches!(error, KafkaError::Broker { .. }) || error.is_retriable(),
        _ => false,
    }
}

/// The worker of one cluster.
pub struct Worker {
    pub(super) context: Arc<Context>,
    pub(super) hub: Arc<Hub>,
    pub(super) shared: Shared,
    pub(super) key: Key,
    pub(super) state: State,
    /// How far the watches had told when it heard last.
    pub(super) told: Newest,
    pub(super) ledger: Option<Ledger>,
    /// Nothing was on record: ACLs that are there and were granted before are to be put on it.
    pub(super) salvage: bool,
    /// Topics that are gone, whatever a broker that lags behind tells.
    pub(super) deleted: super::deleted::Deleted,
    pub(super) known: super::access::Known,
    pub(super) sweep: Sweep,
    /// Statuses on their way.
    pub(super) writes: Writes,
    /// Secrets as last written, until they are heard of.
    pub(super) written: HashMap<Key, Arc<k8s_openapi::api::core::v1::Secret>>,
    /// Users with a password of their own: whether it is the one delivered.
    pub(super) given: HashMap<Key, bool>,
    inbox: Arc<Inbox>,
    link: Link,
    failures: u32,
    not_before: Option<Instant>,
    pauses: Pauses,
    closed: Option<Closed>,
    generation: Option<(String, i64)>,
    pace: Pace,
}

impl Worker {
    /// Nothing is known yet.
    pub fn new(context: Arc<Context>, hub: Arc<Hub>, shared: Shared, inbox: Arc<Inbox>) -> Self {
        Self {
            context,
            hub,
            shared,
            key: inbox.key.clone(),
            state: State::default(),
            told: Newest::default(),
            ledger: None,
            salvage: false,
            deleted: super::deleted::Deleted::default(),
            known: super::access::Known::default(),
            sweep: Sweep::default(),
            writes: Writes::default(),
            written: HashMap::new(),
            given: HashMap::new(),
            inbox,
            link: Link::new(PATIENCE),
            failures: 0,
            not_before: None,
            pauses: Pauses::default(),
            closed: None,
            generation: None,
            pace: Pace::default(),
        }
    }

    /// Works until `stop`, or until there is neither a cluster nor anything that refers to it.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.hear();
            self.pace.look(self.state.heard, Instant::now());
            if self.state.is_empty()
                && self.context.stores.cluster(&self.key).is_none()
                && self.hub.retire(&self.inbox)
            {
                return;
            }
            let settled = self.writes.settle(&mut self.state).await;
            let again = match settled {
                Ok(()) => self.pass().await,
                Err(error) => Err(error),
            };
            let again = match again {
                Ok(again) => {
                    if self.failures > 0 && self.not_before.is_none() {
                        self.failures = 0;
                    }
                    again
                }
                Err(Error::NotLeader) => return,
                Err(error) => {
                    self.failed(&error);
                    false
                }
            };
            if again {
                continue;
            }
            let next = self.next();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(next) => {}
                () = self.inbox.rung() => tokio::time::sleep(GATHER).await,
                arrived = self.writes.next(&mut self.state), if !self.writes.is_empty() => match arrived {
                    Ok(()) => {}
                    Err(Error::NotLeader) => return,
                    Err(error) => self.failed(&error),
                },
            }
            let pace = self.pace;
            let hear = || {
                self.hear();
                self.state.heard
            };
            pace.gather(BATCH, hear).await;
        }
        // What is on its way arrives.
        let _ = self.writes.drain(&mut self.state).await;
    }

    pub(super) fn hear(&mut self) {
        self.told = self.shared.told.newest();
        let pending = self.inbox.take();
        if pending.cluster {
            // What was waited for may have come.
            self.not_before = None;
            self.pauses.clear();
        }
        self.written.retain(|_, s| {
            !s.metadata
                .uid
                .as_ref()
                .is_some_and(|uid| pending.secrets_gone.contains(uid))
        });
        self.state.hear(pending, &self.writes);
        let now = Instant::now();
        for (kind, key) in self.state.timers.take(now) {
            match kind {
                Kind::Topic => self.state.dirty_topics.push(key),
                Kind::User => self.state.dirty_users.push(key),
                Kind::Acl | Kind::Grant => self.state.access = true,
            }
        }
        self.state.gone |= self.state.left.take(now);
        self.state.access |= self.state.left_acls.take(now);
    }

    /// When there may be something to do without being told.
    fn next(&self) -> Instant {
        let idle = Instant::now() + IDLE;
        if let Some(not_before) = self.not_before {
            return not_before.min(idle);
        }
        let pause = self.pauses.next();
        // What is to be swept may be of a part that pauses.
        let sweep = self.sweep.next(&self.state);
        let sweep = sweep.map(|at| pause.map_or(at, |pause| at.max(pause)));
        [
            Some(idle),
            self.state.timers.next(),
            self.state.left.next(),
            self.state.left_acls.next(),
            pause,
            sweep,
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(idle)
    }

    /// Kafka, or the API server, does not answer: ask less and less, and let those who wait know.
    fn failed(&mut self, error: &Error) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + backoff(self.failures));
        // Another process may have written: read it again.
        if error.is_race() {
            self.ledger = None;
        }
        self.context.metrics.error(error.reason());
        tracing::warn!(cluster = %self.key, reason = error.reason(), %error, "tenants are not served, will be repeated");
    }

    /// Does what can be done now, a batch of each. `true`: there is more.
    async fn pass(&mut self) -> Result<bool, Error> {
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        let open = match gate::check(&self.context, &self.key) {
            Ok(open) => open,
            Err(closed) => {
                self.pauses.clear();
                self.tell_closed(&closed, Part::ALL).await?;
                self.tell_kept(&closed).await;
                self.closed = Some(closed);
                return Ok(false);
            }
        };
        if self.not_before.is_some_and(|at| at > Instant::now()) {
            return Ok(false);
        }
        self.not_before = None;
        let client = match self.kafka(&open).await {
            Ok(client) => client,
            Err(error) => return Err(self.unreachable(error).await?),
        };
        if self.closed.is_some() {
            self.state.look_beyond();
        }
        self.notice_tenancy(&open);
        self.sweep.begin(&mut self.state, &mut self.known);
        let worked = self.work(&open, &client).await;
        match worked {
            Ok(()) => {}
            Err(Error::NotLeader) => return Err(Error::NotLeader),
            Err(error) if is_silence(&error) => return Err(self.unreachable(error).await?),
            Err(error) => return Err(error),
        }
        self.closed = None;
        let (state, now) = (&self.state, Instant::now());
        let topics = state
            .dirty_topics
            .has_free(|key| self.writes.has(Kind::Topic, key));
        let users = state
            .dirty_users
            .has_free(|key| self.writes.has(Kind::User, key));
        let parts = [
            (Part::Topics, topics),
            (Part::Users, users),
            (Part::Access, state.access),
        ];
        let more = |(part, waits): (Part, bool)| waits && !self.pauses.holds(part, now);
        Ok(state.gone || parts.into_iter().any(more))
    }

    async fn work(&mut self, open: &Open, client: &sdm_kafka::Client) -> Result<(), Error> {
        if self.ledger.is_none() {
            let outlives = open.resolved.retains_volumes();
            let ledger =
                Ledger::load(&self.context.client, &self.key, &open.cluster, outlives).await?;
            let lost = ledger.is_lost();
            self.ledger = Some(ledger);
            self.salvage = lost;
            if lost && let Err(error) = self.salvage_topics(open, client).await {
                self.ledger = None;
                return Err(error);
            }
            self.state.gone = true;
            self.state.look_beyond();
        }
        if std::mem::take(&mut self.state.gone)
            && let Err(error) = self.take_away(client).await
        {
            self.state.gone = true;
            return Err(error);
        }
        // What fails for one kind holds up no other, unless nobody answers at all.
        let mut race = None;
        for part in Part::ALL.iter().copied() {
            if self.pauses.holds(part, Instant::now()) {
                continue;
            }
            let result = match part {
                Part::Topics => self.topics(open, client).await,
                Part::Users => self.users(open, client).await,
                Part::Access => self.access(open, client).await,
            };
            match result {
                Err(error) if is_silence(&error) => return Err(error),
                Err(error) if error.is_race() => race = race.or(Some(error)),
                Err(error) => self.part_failed(part, &error).await?,
                Ok(()) => drop(self.pauses.went(part, false)),
            }
        }
        race.map_or(Ok(()), Err)
    }

    /// A part failed as a whole, and not for one object's sake: it is tried again later and later, and those who wait for it
    /// are told if it stays so.
    async fn part_failed(&mut self, part: Part, error: &Error) -> Result<(), Error> {
        let subject = part.subject();
        self.context.metrics.error(error.reason());
        tracing::warn!(cluster = %self.key, reason = error.reason(), %error, subject, "not served, will be repeated");
        if self.pauses.went(part, true) {
            let message = format!(
                "{subject} of KafkaCluster {} cannot be served: {error}; it is tried again, less and less often",
                self.key
            );
            let closed = Closed {
                reason: error.reason(),
                message,
            };
            self.tell_closed(&closed, &[part]).await?;
        }
        Ok(())
    }

    async fn kafka(&mut self, open: &Open) -> Result<sdm_kafka::Client, Error> {
        let context = Arc::clone(&self.context);
        let pods = context.stores.pods(&self.key);
        let kafka = self
            .link
            .kafka(
                &context,
                &self.key,
                &open.resolved,
                &pods,
                &open.authority_hash,
            )
            .await?;
        Ok(kafka.brokers().clone())
    }

    /// Tells those who wait for Kafka that they do.
    async fn unreachable(&mut self, error: Error) -> Result<Error, Error> {
        let closed = Closed {
            reason: "KafkaUnreachable",
            message: format!(
                "Kafka of KafkaCluster {} does not answer: {error}",
                self.key
            ),
        };
        // A moment's silence is nothing to tell of.
        if self.failures >= 1 {
            self.tell_closed(&closed, Part::ALL).await?;
            self.tell_kept(&closed).await;
        }
        self.closed = Some(closed);
        Ok(error)
    }

    /// Who is let in may have changed with the cluster.
    fn notice_tenancy(&mut self, open: &Open) {
        let meta = &open.cluster.metadata;
        let now = (
            meta.uid.clone().unwrap_or_default(),
            meta.generation.unwrap_or_default(),
        );
        if self.generation.as_ref() != Some(&now) {
            let first = self.generation.is_none();
            let other = self
                .generation
                .as_ref()
                .is_some_and(|(uid, _)| *uid != now.0);
            self.generation = Some(now);
            self.state.look_beyond();
            if other {
                self.ledger = None;
                self.known = super::access::Known::default();
            }
            if !first {
                self.state.sweep();
            }
        }
    }
}
