//! One reconcile of one cluster: observe, resolve, plan, act, report.
//!
//! Owns what has to be remembered between two looks at the same cluster, none of which a decision
//! depends on: when a failed step is tried again, and how soon to look. What Kafka says comes from `listen`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::core::object::HasStatus;
use rand::Rng;
use sdm_api::KafkaCluster;
use sdm_core::plan::{Action, Plan, Step, plan};
use sdm_core::status::{self, status};
use sdm_core::{Failure, Resolved, Review, Snapshot, against_observed, resolve};
use tokio::time::Instant;

use crate::act::Hands;
use crate::context::Context;
use crate::error::Error;
use crate::listen::Ear;
use crate::observe;
use crate::report;
use crate::store::Key;

/// While something is to be done or awaited, the world is looked at this often.
const FAST: Duration = Duration::from_millis(500);
/// When nothing moved for `PATIENCE`.
const SLOW: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(120);
/// When everything is as it should be.
const STEADY: Duration = Duration::from_secs(10);
/// An object that cannot be acted on: only a change of it helps, and changes wake us.
const REFUSED: Duration = Duration::from_secs(300);
/// When a step found the world changed under it: what we know of it must catch up first.
const OVERTAKEN: Duration = Duration::from_millis(100);
/// Status is written no more often than this while steps are being carried out.
const STATUS: Duration = Duration::from_secs(1);

/// What to do after a reconcile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Look again at once.
    Now,
    /// Look again after this, or when woken.
    After(Duration),
    /// The cluster is gone.
    Gone,
}

/// What is remembered of one cluster.
pub struct Cluster {
    context: Arc<Context>,
    key: Key,
    uid: String,
    ear: Ear,
    retries: HashMap<String, Retry>,
    moved: (String, Instant),
    reported_at: Option<Instant>,
}

/// What came of a plan.
#[derive(Default)]
struct Deeds {
    /// Something was done.
    done: bool,
    /// Something was not, since the world had changed.
    overtaken: bool,
}

/// A step that failed.
struct Retry {
    failure: Failure,
    attempts: u32,
    at: Instant,
    generation: Option<i64>,
}

impl Cluster {
    /// Nothing is known yet.
    pub fn new(context: Arc<Context>, key: Key) -> Self {
        Self {
            context,
            key,
            uid: String::new(),
            ear: Ear::default(),
            retries: HashMap::new(),
            moved: (String::new(), Instant::now()),
            reported_at: None,
        }
    }

    /// Looks once, does what may be done now, and says when to look again.
    pub async fn reconcile(&mut self) -> Result<Next, Error> {
        let Some(found) = self.context.stores.cluster(&self.key) else {
            return Ok(Next::Gone);
        };
        let cluster = match &found.0 {
            Ok(cluster) => cluster.clone(),
            Err(invalid) => {
                self.count("invalid");
                report::unreadable(&self.context, &self.key, &invalid.metadata, &invalid.error)
                    .await?;
                return Ok(Next::After(REFUSED));
            }
        };
        self.forget_if_another(&cluster);
        if cluster.metadata.deletion_timestamp.is_some() {
            // The garbage collector does the rest.
            return Ok(Next::After(REFUSED));
        }
        let resolved = match resolve(&cluster, None) {
            Ok((resolved, _)) => resolved,
            Err(review) => {
                self.count("invalid");
                let wanted = status::refused(&cluster, Timestamp::now().as_second(), &review);
                report::write(&self.context, &self.key, &cluster, wanted).await?;
                return Ok(Next::After(REFUSED));
            }
        };
        let mut snapshot = self.observe(&cluster, &resolved, false).await?;
        let state = match observe::state(&snapshot, &self.key) {
            Ok(state) => state,
            Err(error) => {
                self.count("stalled");
                let reason = sdm_core::StateError::REASON;
                let wanted = status::blocked(&cluster, snapshot.now, reason, &error.to_string());
                report::write(&self.context, &self.key, &cluster, wanted).await?;
                return Ok(Next::After(REFUSED));
            }
        };
        let review = Review {
            violations: state.as_ref().map_or_else(Vec::new, |state| {
                against_observed(&resolved, state, &snapshot.objects.claims)
            }),
            ..Review::default()
        };
        if !review.violations.is_empty() {
            self.count("invalid");
            let wanted = status::refused(&cluster, snapshot.now, &review);
            report::write(&self.context, &self.key, &cluster, wanted).await?;
            return Ok(Next::After(REFUSED));
        }
        let planned = plan(&snapshot, &resolved, state.as_ref());
        let Deeds { done, overtaken } = self.act(&cluster, &resolved, &planned).await?;
        let failures = self.failures(&planned);
        let busy = done && failures.is_empty();
        if !(busy && self.reported_at.is_some_and(|at| at.elapsed() < STATUS)) {
            // Report the world after the steps, not before them.
            let (planned, state) = if done {
                snapshot = self.observe(&cluster, &resolved, false).await?;
                let state = observe::state(&snapshot, &self.key).unwrap_or(state);
                (plan(&snapshot, &resolved, state.as_ref()), state)
            } else {
                (planned, state)
            };
            let wanted = status(&snapshot, &resolved, state.as_ref(), &planned, &failures);
            self.reported_at = Some(Instant::now());
            report::write(&self.context, &self.key, &cluster, wanted).await?;
            return Ok(self.pace(&planned, &snapshot, &failures, done, overtaken));
        }
        self.count("working");
        Ok(Next::Now)
    }

    /// A cluster created again under the same name shares nothing with the one before.
    fn forget_if_another(&mut self, cluster: &KafkaCluster) {
        let uid = cluster.metadata.uid.clone().unwrap_or_default();
        if self.uid != uid {
            *self = Self {
                uid,
                ..Self::new(Arc::clone(&self.context), self.key.clone())
            };
        }
    }

    async fn observe(
        &mut self,
        cluster: &KafkaCluster,
        resolved: &Resolved,
        fresh: bool,
    ) -> Result<Snapshot, Error> {
        let context = Arc::clone(&self.context);
        let mut snapshot = observe::snapshot(
            &context.client,
            &context.stores,
            &self.key,
            cluster.clone(),
            resolved,
        )
        .await?;
        if fresh {
            snapshot.objects.pods = observe::pods_now(&context.client, &self.key).await?;
        }
        self.ear
            .listen(&context, &self.key, resolved, &mut snapshot, fresh)
            .await;
        snapshot.now = Timestamp::now().as_second();
        Ok(snapshot)
    }

    /// Carries out every step that is ready and not waiting for a second attempt.
    async fn act(
        &mut self,
        cluster: &KafkaCluster,
        resolved: &Resolved,
        plan: &Plan,
    ) -> Result<Deeds, Error> {
        let generation = cluster.metadata.generation;
        let now = Instant::now();
        self.retries.retain(|name, r| {
            r.generation == generation && plan.steps.iter().any(|s| s.name == *name)
        });
        let mut deeds = Deeds::default();
        for step in plan.steps.iter().filter(|s| s.is_ready()) {
            if self.retries.get(&step.name).is_some_and(|r| r.at > now) {
                continue;
            }
            if !self.context.leadership.holds() {
                return Err(Error::NotLeader);
            }
            match self.carry_out(cluster, resolved, step).await {
                Ok(false) => {}
                Ok(true) => {
                    deeds.done = true;
                    self.retries.remove(&step.name);
                    self.context.metrics.step(&step.name);
                    tracing::info!(cluster = %self.key, step = step.name, reason = step.reason, "done");
                    report::step(&self.context, cluster, step).await;
                }
                // The world moved on: look again.
                Err(error) if error.is_race() => {
                    tracing::debug!(cluster = %self.key, step = step.name, %error, "overtaken");
                    deeds.overtaken = true;
                }
                Err(error) => self.failed(step, &error, generation),
            }
        }
        Ok(deeds)
    }

    /// A step that takes a node down is looked at once more, against the world as it is right now.
    async fn carry_out(
        &mut self,
        cluster: &KafkaCluster,
        resolved: &Resolved,
        step: &Step,
    ) -> Result<bool, Error> {
        if step.is_disruptive() && !self.still_right(cluster, resolved, step).await? {
            return Ok(false);
        }
        let context = Arc::clone(&self.context);
        let hands = Hands {
            client: &context.client,
            stores: &context.stores,
            key: &self.key,
            cluster,
            resolved,
        };
        hands.carry_out(&step.action).await.map(|()| true)
    }

    async fn still_right(
        &mut self,
        cluster: &KafkaCluster,
        resolved: &Resolved,
        step: &Step,
    ) -> Result<bool, Error> {
        let snapshot = self.observe(cluster, resolved, true).await?;
        let Ok(state) = observe::state(&snapshot, &self.key) else {
            return Ok(false);
        };
        let again = plan(&snapshot, resolved, state.as_ref());
        let same = |s: &&Step| {
            s.name == step.name && s.is_ready() && target(&s.action) == target(&step.action)
        };
        Ok(again.steps.iter().find(same).is_some() && self.context.leadership.holds())
    }

    fn failed(&mut self, step: &Step, error: &Error, generation: Option<i64>) {
        let failure = error.failure(&step.name);
        tracing::warn!(cluster = %self.key, step = step.name, reason = failure.reason, %error, "step failed");
        self.context.metrics.error(&failure.reason);
        let attempts = self
            .retries
            .get(&step.name)
            .map_or(1, |r| r.attempts.saturating_add(1));
        // Haste does not help where somebody has to change something first.
        let at = Instant::now()
            + backoff(if error.is_permanent() {
                attempts + 4
            } else {
                attempts
            });
        self.retries.insert(
            step.name.clone(),
            Retry {
                failure,
                attempts,
                at,
                generation,
            },
        );
    }

    fn failures(&self, plan: &Plan) -> Vec<Failure> {
        plan.steps
            .iter()
            .filter_map(|s| self.retries.get(&s.name))
            .map(|r| r.failure.clone())
            .collect()
    }

    /// When to look again.
    fn pace(
        &mut self,
        plan: &Plan,
        snapshot: &Snapshot,
        failures: &[Failure],
        done: bool,
        overtaken: bool,
    ) -> Next {
        let ready = |c: &KafkaCluster| {
            c.status().is_some_and(|s| {
                s.conditions
                    .iter()
                    .any(|c| c.type_ == "Ready" && c.status == "True")
            })
        };
        if done && failures.is_empty() {
            self.count("working");
            return Next::Now;
        }
        if overtaken {
            self.count("working");
            return Next::After(OVERTAKEN);
        }
        if plan.is_empty() && ready(&snapshot.cluster) {
            self.count("settled");
            return Next::After(STEADY);
        }
        let stalled = plan.stall.is_some() || failures.iter().any(|f| f.permanent);
        self.count(if stalled { "stalled" } else { "working" });
        // Nothing moves: a cluster that waits for its owner must not cost much.
        let picture = format!(
            "{:?}",
            plan.steps
                .iter()
                .map(|s| (&s.name, &s.waits_for))
                .collect::<Vec<_>>()
        );
        if self.moved.0 != picture {
            self.moved = (picture, Instant::now());
        }
        let pause = if self.moved.1.elapsed() > PATIENCE {
            SLOW
        } else {
            FAST
        };
        let retry = self
            .retries
            .values()
            .map(|r| r.at.saturating_duration_since(Instant::now()))
            .min();
        Next::After(retry.map_or(pause, |r| r.clamp(Duration::from_millis(50), pause)))
    }

    fn count(&self, result: &'static str) {
        self.context.metrics.result(result);
    }
}

/// What a deletion or a permission is aimed at.
fn target(action: &Action) -> Option<(&str, &str)> {
    match action {
        Action::Delete { name, uid, .. } => Some((name, uid)),
        // A permission is not carried out where a fresh look says no.
        Action::AnswerEviction { uid, answer, .. } if answer.until.is_some() => {
            Some((&answer.id, uid))
        }
        _ => None,
    }
}

/// Growing pauses with jitter, a minute at most.
pub fn backoff(attempts: u32) -> Duration {
    let base = Duration::from_millis(500).saturating_mul(1 << attempts.saturating_sub(1).min(7));
    base.min(Duration::from_secs(60))
        .mul_f64(rand::rng().random_range(0.8..1.2))
}
