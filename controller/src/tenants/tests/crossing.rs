//! Statuses on their way, and what is heard meanwhile.

use std::sync::Arc;

use sdm_api::{KafkaTopic, KafkaTopicStatus};

use super::super::hub::{Change, Hub, Inbox, Kind, Object};
use super::super::state::State;
use super::super::writes::{Writes, Written};
use super::{key, topic};

/// A topic whose status is written, at a place where it is heard of.
struct Crossing {
    state: State,
    hub: Hub,
    inbox: Arc<Inbox>,
    writes: Writes,
}

/// What a topic's status says.
fn said(ready: bool) -> KafkaTopicStatus {
    let conditions = serde_json::json!([{
        "type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "Ready", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    KafkaTopicStatus {
        conditions: serde_json::from_value(conditions).unwrap(),
        observed_generation: Some(1),
        ..KafkaTopicStatus::default()
    }
}

impl Crossing {
    /// A topic was told of, looked at, and its status is on its way.
    fn new() -> Self {
        let hub = Hub::default();
        tell(&hub, topic("orders", 5, 1));
        let inbox = futures::FutureExt::now_or_never(hub.unattended()).unwrap();
        let mut crossing = Self {
            state: State::default(),
            hub,
            inbox,
            writes: Writes::default(),
        };
        crossing.state.hear(crossing.inbox.take(), &crossing.writes);
        assert!(crossing.is_looked_at());
        let wanted = vec![(topic("orders", 5, 1), said(true))];
        assert_eq!(crossing.writes.begin(Kind::Topic, wanted).len(), 1);
        crossing
    }

    /// The watch tells of the topic as it is with a status, or with none.
    fn hear(&mut self, version: u64, generation: i64, status: Option<KafkaTopicStatus>) {
        let mut heard = Arc::unwrap_or_clone(topic("orders", version, generation));
        heard.status = status;
        tell(&self.hub, Arc::new(heard));
        self.state.hear(self.inbox.take(), &self.writes);
    }

    /// The write, which was to say that it is Ready, returns with what is stored.
    fn arrive(&mut self, version: u64, generation: i64, status: KafkaTopicStatus) {
        let mut stored = Arc::unwrap_or_clone(topic("orders", version, generation));
        stored.status = Some(status);
        self.writes.end(Kind::Topic, &[key("orders")].into());
        self.state.absorb_topics(vec![Written {
            key: key("orders"),
            stored: Arc::new(stored),
            status: said(true),
        }]);
    }

    /// Whether the topic waits to be looked at; it is then.
    fn is_looked_at(&mut self) -> bool {
        !self.state.dirty_topics.take(9, |_| false).is_empty()
    }

    fn known(&self) -> &KafkaTopic {
        &self.state.topics[&key("orders")]
    }
}

fn tell(hub: &Hub, topic: Arc<KafkaTopic>) {
    let change = Change::Is {
        object: Object::Topic(topic),
        fresh: true,
    };
    hub.tell(&key("events"), Kind::Topic, key("orders"), change);
}

#[test]
fn our_own_status_is_no_news() {
    let mut after = Crossing::new();
    after.arrive(6, 1, said(true));
    after.hear(6, 1, Some(said(true)));
    let mut before = Crossing::new();
    before.hear(6, 1, Some(said(true)));
    before.arrive(6, 1, said(true));
    assert!(!after.is_looked_at() && !before.is_looked_at());
    assert!(after.known().status.is_some() && before.known().status.is_some());
}

/// A change of the spec that the API server stored between our reading and our status write is in what the write
/// returns, and nowhere newer on the watch.
#[test]
fn a_change_that_crosses_our_own_write_is_not_lost() {
    let mut before = Crossing::new();
    before.arrive(9, 2, said(true));
    before.hear(8, 2, None);
    assert!(before.is_looked_at());
    assert!(before.known().status.is_some(), "the newest is remembered");
    let mut after = Crossing::new();
    after.hear(12, 2, Some(said(true)));
    after.arrive(11, 1, said(true));
    assert!(after.is_looked_at());
    assert_eq!(after.known().metadata.generation, Some(2));
}

/// Who empties a status, or writes another, may do so just before our write, and then only what we changed is in it; or
/// just after, which is heard of while our write has not returned.
#[test]
fn a_status_of_somebody_elses_that_crosses_our_own_is_mended() {
    let mut before = Crossing::new();
    before.hear(6, 1, None);
    before.arrive(7, 1, said(false));
    assert!(before.is_looked_at());
    let mut unheard = Crossing::new();
    unheard.arrive(7, 1, KafkaTopicStatus::default());
    unheard.hear(6, 1, None);
    assert!(unheard.is_looked_at());
    let mut after = Crossing::new();
    after.hear(7, 1, None);
    assert!(!after.is_looked_at(), "what is on its way comes first");
    after.arrive(6, 1, said(true));
    assert!(after.is_looked_at());
    assert_eq!(after.known().status, None);
}

/// An older definition may not have all fields that we write: that is no reason to write them again and again.
#[test]
fn what_the_api_server_drops_of_a_status_is_no_news() {
    let mut crossing = Crossing::new();
    let status = KafkaTopicStatus {
        topic_id: Some("of another time".to_owned()),
        ..said(true)
    };
    crossing.arrive(6, 1, status);
    assert!(!crossing.is_looked_at());
}

/// A topic that was looked at and is as its status says is not waited for.
#[test]
fn a_status_that_somebody_empties_is_told_again() {
    let mut crossing = Crossing::new();
    crossing.arrive(6, 1, said(true));
    let as_it_is = vec![(Arc::new(crossing.known().clone()), said(true))];
    assert!(crossing.writes.begin(Kind::Topic, as_it_is).is_empty());
    crossing.hear(7, 1, None);
    assert!(crossing.is_looked_at());
}
