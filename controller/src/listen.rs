//! Listening to one cluster's Kafka: connections, the operator's certificate, and what was said last.
//!
//! Owns how often Kafka is asked and how old an answer may be to be told at all. How fresh an answer must be for a
//! decision is decided in `sdm-core`.

use std::time::Duration;

use sdm_api::names;
use sdm_core::{KafkaView, Resolved, Snapshot};
use tokio::time::Instant;

use crate::context::Context;
use crate::error::Error;
use crate::kafka::PATIENCE;
use crate::link::Link;
use crate::store::Key;

/// Kafka is not asked more often than this.
const POLL: Duration = Duration::from_millis(400);
/// An answer older than this counts for nothing, not even for the status.
const STALE: Duration = Duration::from_secs(15);

/// What is remembered between two looks.
pub struct Ear {
    link: Link,
    heard: Option<(KafkaView, Instant)>,
    error: Option<String>,
    asked_at: Option<Instant>,
}

impl Default for Ear {
    fn default() -> Self {
        Self {
            link: Link::new(PATIENCE),
            heard: None,
            error: None,
            asked_at: None,
        }
    }
}

impl Ear {
    /// Tells `snapshot` what Kafka says; asks, unless that was done a moment ago. With `fresh` it asks in any case, and
    /// no earlier answer stands in for one that does not come.
    pub async fn listen(
        &mut self,
        context: &Context,
        key: &Key,
        resolved: &Resolved,
        snapshot: &mut Snapshot,
        fresh: bool,
    ) {
        let lacks = !snapshot.evictions.is_empty()
            && (self.heard.as_ref()).is_none_or(|(view, _)| view.short_without.is_none());
        if fresh || lacks || self.asked_at.is_none_or(|at| at.elapsed() >= POLL) {
            match self.ask(context, key, resolved, snapshot).await {
                Ok(Some(view)) => {
                    self.heard = Some((view, Instant::now()));
                    self.error = None;
                }
                Ok(None) => self.error = None,
                Err(error) => self.error = Some(error.to_string()),
            }
            self.asked_at = Some(Instant::now());
        }
        self.heard.take_if(|(_, at)| at.elapsed() >= STALE);
        snapshot.kafka_error.clone_from(&self.error);
        snapshot.kafka = self.heard.as_ref().map(|(view, _)| view.clone());
        snapshot.kafka_age = match &self.heard {
            Some(_) if fresh && self.error.is_some() => i64::MAX,
            Some((_, at)) => i64::try_from(at.elapsed().as_secs()).unwrap_or(i64::MAX),
            None => 0,
        };
    }

    /// `Ok(None)`: there is nobody to ask yet.
    async fn ask(
        &mut self,
        context: &Context,
        key: &Key,
        resolved: &Resolved,
        snapshot: &Snapshot,
    ) -> Result<Option<KafkaView>, Error> {
        let pods = &snapshot.objects.pods;
        let authority = snapshot.certificates.get(&names::ca_secret(&key.name));
        let (Some(authority), false) = (authority, pods.is_empty()) else {
            return Ok(None);
        };
        let kafka = self
            .link
            .kafka(context, key, resolved, pods, &authority.hash)
            .await?;
        context.metrics.polls.inc();
        let minimums = !snapshot.evictions.is_empty();
        Ok(kafka.look(resolved, pods, minimums).await?)
    }
}
