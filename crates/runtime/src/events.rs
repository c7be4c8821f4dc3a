//! Kubernetes events about objects, so that `kubectl describe` tells the story.
//!
//! Owns when an event is *not* sent: the same event about the same object within six minutes, and an event that the
//! API server refuses (a terminating namespace does) is dropped, since no reconcile may hang on it. Reasons are the
//! callers': stable CamelCase words, the same as in conditions.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::time::Instant;

/// An event repeated within this time is not sent again.
pub const AGGREGATION: Duration = Duration::from_secs(6 * 60);

/// The API server refuses longer notes (1 KiB).
const NOTE_LIMIT: usize = 1024;

/// Sends events. Cheap to clone; clones share what was sent.
#[derive(Clone)]
pub struct Events {
    client: Client,
    reporter: Reporter,
    sent: Arc<Mutex<HashMap<u64, Instant>>>,
}

impl Events {
    /// `controller` names the reporting program, `instance` this replica of it (the pod's name).
    #[must_use]
    pub fn new(client: Client, controller: &str, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance,
        };
        Self {
            client,
            reporter,
            sent: Arc::default(),
        }
    }

    /// Something happened as intended.
    pub async fn normal(
        &self,
        about: &ObjectReference,
        reason: &str,
        action: &str,
        note: impl Into<String>,
    ) {
        self.publish(EventType::Normal, about, reason, action, note.into())
            .await;
    }

    /// Something needs eyes.
    pub async fn warning(
        &self,
        about: &ObjectReference,
        reason: &str,
        action: &str,
        note: impl Into<String>,
    ) {
        self.publish(EventType::Warning, about, reason, action, note.into())
            .await;
    }

    async fn publish(
        &self,
        type_: EventType,
        about: &ObjectReference,
        reason: &str,
        action: &str,
        note: String,
    ) {
        if !self.is_new(type_, about, reason, &note) {
            return;
        }
        let note = Some(shorten(note));
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note,
            action: action.to_owned(),
            secondary: None,
        };
        // A new recorder each time: a recorder's own aggregation keeps the first note of a series and loses the rest.
        let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
        let result = recorder.publish(&event, about).await;
        crate::apply::count_write("Event", "create", &result);
        if let Err(error) = result {
            tracing::debug!(%error, reason, "event not recorded");
        }
    }

    fn is_new(&self, type_: EventType, about: &ObjectReference, reason: &str, note: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (
            type_,
            &about.uid,
            &about.kind,
            &about.namespace,
            &about.name,
            reason,
            note,
        )
            .hash(&mut hasher);
        let now = Instant::now();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.retain(|_, at| now.duration_since(*at) < AGGREGATION);
        match sent.entry(hasher.finish()) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(now);
                true
            }
        }
    }
}

fn shorten(mut note: String) -> String {
    if note.len() > NOTE_LIMIT {
        let end = (0..=NOTE_LIMIT - '…'.len_utf8())
            .rev()
            .find(|at| note.is_char_boundary(*at))
            .unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    note
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    fn events(status: u16) -> (Events, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        let service = tower::service_fn(move |_: Request<Body>| {
            seen.fetch_add(1, Ordering::Relaxed);
            let body = Body::from(b"{\"metadata\":{}}".to_vec());
            let response = Response::builder()
                .status(status)
                .body(body)
                .map_err(std::io::Error::other);
            async move { response }
        });
        (
            Events::new(Client::new(service, "default"), "sdm-controller", None),
            count,
        )
    }

    fn cluster(name: &str) -> ObjectReference {
        ObjectReference {
            name: Some(name.into()),
            namespace: Some("ns".into()),
            ..Default::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_event_is_sent_once_per_aggregation() {
        let (events, count) = events(201);
        for _ in 0..3 {
            events
                .normal(&cluster("a"), "Created", "Create", "pod a-0")
                .await;
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
        events
            .normal(&cluster("a"), "Created", "Create", "pod a-1")
            .await;
        events
            .normal(&cluster("b"), "Created", "Create", "pod a-0")
            .await;
        assert_eq!(count.load(Ordering::Relaxed), 3);
        tokio::time::advance(AGGREGATION + Duration::from_secs(1)).await;
        events
            .normal(&cluster("a"), "Created", "Create", "pod a-0")
            .await;
        assert_eq!(count.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn a_refusal_is_ignored() {
        let (events, count) = events(403);
        events
            .warning(&cluster("a"), "Stalled", "Validate", "no")
            .await;
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn long_notes_are_cut_on_a_character() {
        let short = shorten("é".repeat(2000));
        assert!(
            short.len() <= NOTE_LIMIT && short.ends_with('…'),
            "{}",
            short.len()
        );
    }
}
