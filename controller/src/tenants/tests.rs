//! What a worker remembers, and what is on record: without an API server and without Kafka.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use sdm_api::{KafkaAccessGrant, KafkaAccessGrantSpec, KafkaCluster, KafkaTopic};
use sdm_core::access::{Acl, Claims};
use tokio::time::Instant;

use super::hub::{Change, Hub, Kind, Object};
use super::lanes::{Queue, Timers};
use super::ledger::{Ledger, TopicEntry, UserEntry};
use super::state::State;
use super::writes::Writes;
use crate::store::Key;

mod crossing;

fn key(name: &str) -> Key {
    Key {
        namespace: "ns".to_owned(),
        name: name.to_owned(),
    }
}

fn topic(name: &str, version: u64, generation: i64) -> Arc<KafkaTopic> {
    let mut topic = KafkaTopic::new(name, Default::default());
    topic.metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some("ns".to_owned()),
        uid: Some(format!("uid-{name}")),
        resource_version: Some(version.to_string()),
        generation: Some(generation),
        ..ObjectMeta::default()
    };
    Arc::new(topic)
}

#[test]
fn a_queue_is_fair_and_the_busy_keep_their_place() {
    let mut queue = Queue::default();
    for item in [1, 2, 3, 2, 4] {
        queue.push(item);
    }
    assert_eq!(queue.take(2, |item| *item == 1), [2, 3]);
    queue.push(2);
    queue.remove(&4);
    assert!(queue.has_free(|item| *item == 1));
    assert_eq!(queue.take(9, |_| false), [1, 2]);
    assert!(queue.is_empty());
}

#[test]
fn the_latest_state_of_an_object_is_heard_once() {
    let hub = Hub::default();
    let cluster = key("events");
    for version in [1, 2, 3] {
        let object = Object::Topic(topic("orders", version, 1));
        let fresh = version == 2;
        hub.tell(
            &cluster,
            Kind::Topic,
            key("orders"),
            Change::Is { object, fresh },
        );
    }
    let inbox = futures::FutureExt::now_or_never(hub.unattended()).unwrap();
    let pending = inbox.take();
    assert_eq!(pending.changes.len(), 1);
    // That one of them was a change, and not a list, is not forgotten.
    let change = pending.changes.values().next().unwrap();
    assert!(
        matches!(change, Change::Is { object: Object::Topic(t), fresh: true } if t.metadata.resource_version.as_deref() == Some("3"))
    );
    assert!(hub.retire(&inbox), "nothing has come meanwhile");
}

#[test]
fn what_a_grant_says_is_heard_and_what_else_is_in_it_is_not() {
    let mut state = State::default();
    let (hub, mut inbox) = (Hub::default(), None);
    let mut heard = |version: u32, generation: i64| {
        let mut grant = KafkaAccessGrant::new("orders", KafkaAccessGrantSpec::default());
        grant.metadata.resource_version = Some(version.to_string());
        grant.metadata.generation = Some(generation);
        let change = Change::Is {
            object: Object::Grant(Arc::new(grant)),
            fresh: true,
        };
        hub.tell(&key("events"), Kind::Grant, key("orders"), change);
        let inbox = inbox
            .get_or_insert_with(|| futures::FutureExt::now_or_never(hub.unattended()).unwrap());
        state.hear(inbox.take(), &Writes::default());
        state.heard
    };
    assert_eq!([heard(1, 1), heard(2, 1), heard(3, 2)], [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_repeated_later_and_later() {
    let mut timers = Timers::default();
    let mut pauses = Vec::new();
    for _ in 0..6 {
        timers.retry(Kind::Topic, &key("orders"), 0);
        let at = timers.next().unwrap();
        pauses.push(at - Instant::now());
        tokio::time::sleep_until(at).await;
        assert_eq!(timers.take(Instant::now()), [(Kind::Topic, key("orders"))]);
    }
    assert!(pauses.windows(2).all(|p| p[1] > p[0]), "{pauses:?}");
    timers.clear(Kind::Topic, &key("orders"));
    timers.retry(Kind::Topic, &key("orders"), 0);
    assert!(
        timers.next().unwrap() - Instant::now() < pauses[1],
        "success is a new beginning"
    );
}

fn acl(name: &str) -> Acl {
    serde_json::from_value(serde_json::json!({
        "resource": "topic", "pattern": "literal", "name": name, "principal": "User:ns/user/app",
        "host": "*", "operation": "Read", "permission": "Allow",
    }))
    .unwrap()
}

fn entry(uid: &str) -> TopicEntry {
    TopicEntry {
        namespace: "ns".to_owned(),
        name: "orders".to_owned(),
        uid: uid.to_owned(),
        delete: true,
        throttled: false,
    }
}

/// What is written is read back, in as few ConfigMaps as hold it, none of them over the limit of the API server.
#[test]
fn the_record_is_read_as_it_was_written() {
    let cluster = KafkaCluster::new(
        "events",
        serde_json::from_value(serde_json::json!({"pools": []})).unwrap(),
    );
    let mut ledger = Ledger::empty(&key("events"), &cluster, false);
    assert!(ledger.is_lost());
    for n in 0..1200 {
        ledger.set_topic(&format!("topic-{n}"), Some(entry("u")));
        ledger.add_acls([&acl(&format!("topic-{n}"))]);
    }
    let user = UserEntry {
        uid: "u".to_owned(),
        scram: BTreeSet::from([("ns/user/app".to_owned(), "SCRAM-SHA-512".to_owned())]),
        ..UserEntry::default()
    };
    ledger.set_user(&key("app"), Some(user.clone()));
    ledger.set_user(&key("nothing"), Some(UserEntry::default()));
    let maps: Vec<ConfigMap> = ledger.dirty_maps();
    assert_eq!(maps.len(), 5, "2,401 entries, 500 in each");
    for map in &maps {
        assert!(serde_json::to_vec(map).unwrap().len() < 200_000);
    }
    let mut again = Ledger::empty(&key("events"), &cluster, false);
    for map in &maps {
        again.read(map).unwrap();
    }
    assert_eq!(again.topics(), ledger.topics());
    assert_eq!(again.acls(), ledger.acls());
    assert_eq!(again.users().get(&key("app")), Some(&user));
    assert_eq!(again.users().len(), 1, "nothing is not put on record");
    // One entry changes: one ConfigMap is written.
    assert!(
        again.dirty_maps().is_empty(),
        "what was read is not written again"
    );
    again.set_topic("topic-7", Some(entry("u")));
    assert!(again.dirty_maps().is_empty(), "nor is what stays the same");
    again.set_topic("topic-7", None);
    again.set_topic("topic-new", Some(entry("v")));
    assert_eq!(
        again.dirty_maps().len(),
        1,
        "the room that one leaves is taken by the next"
    );
}

/// Who holds a name holds it for another process, too; and that nothing was made is on record as well.
#[test]
fn claims_are_on_record_and_so_is_nothing() {
    let cluster = KafkaCluster::new(
        "events",
        serde_json::from_value(serde_json::json!({"pools": []})).unwrap(),
    );
    let claims = |text: &str| serde_json::from_str::<Claims>(text).unwrap();
    let read = |maps: &[ConfigMap]| {
        let mut ledger = Ledger::empty(&key("events"), &cluster, false);
        maps.iter().for_each(|map| ledger.read(map).unwrap());
        ledger
    };
    let mut ledger = read(&[]);
    ledger.begin();
    assert_eq!(ledger.dirty_maps().len(), 1, "a record without an entry");
    let held = claims(r#"{"group":{"jobs":"a","pool":"b"},"transactionalId":{"pool":"c"}}"#);
    ledger.set_claims(&held);
    let mut again = read(&ledger.dirty_maps());
    assert_eq!(again.claims(), &held);
    again.begin();
    again.set_claims(&held);
    assert!(again.dirty_maps().is_empty(), "what stays is not written");
    let later = claims(r#"{"group":{"jobs":"b"}}"#);
    again.set_claims(&later);
    assert_eq!(read(&again.dirty_maps()).claims(), &later);
    again.set_claims(&Claims::new());
    assert_eq!(read(&again.dirty_maps()).claims(), &Claims::new());
}

#[test]
fn a_damaged_record_is_an_error_and_not_an_empty_one() {
    let cluster = KafkaCluster::new(
        "events",
        serde_json::from_value(serde_json::json!({"pools": []})).unwrap(),
    );
    let mut ledger = Ledger::empty(&key("events"), &cluster, false);
    ledger.set_topic("orders", Some(entry("u")));
    let mut map = ledger.dirty_maps().remove(0);
    map.data
        .as_mut()
        .unwrap()
        .insert("topics".to_owned(), "{".to_owned());
    let error = Ledger::empty(&key("events"), &cluster, false)
        .read(&map)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("ConfigMap events-ledger-0: key topics: "),
        "{error}"
    );
    assert_eq!(error.reason(), "LedgerUnreadable");
}

/// Somebody deletes a part of the record: all of it is written again, from memory.
#[test]
fn a_record_that_is_deleted_is_written_again() {
    let cluster = KafkaCluster::new(
        "events",
        serde_json::from_value(serde_json::json!({"pools": []})).unwrap(),
    );
    let mut ledger = Ledger::empty(&key("events"), &cluster, false);
    for n in 0..600 {
        ledger.set_topic(&format!("topic-{n}"), Some(entry("u")));
    }
    let version = |n: u32| Ok(Some(n.to_string()));
    ledger.note(vec![(0, version(1)), (1, version(2))]).unwrap();
    assert!(ledger.dirty_maps().is_empty());

    ledger.set_topic("topic-0", None);
    let gone = kube::core::Status::failure("gone", "NotFound").with_code(404);
    let failed = ledger.note(vec![(0, Err(kube::Error::Api(Box::new(gone))))]);
    assert!(failed.is_err());
    let versions: Vec<_> = ledger
        .dirty_maps()
        .into_iter()
        .map(|m| m.metadata.resource_version)
        .collect();
    assert_eq!(versions, [None, Some("2".to_owned())]);
}
