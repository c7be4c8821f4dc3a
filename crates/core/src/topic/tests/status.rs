use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sdm_api::{KafkaTopic, KafkaTopicStatus};
use serde_json::json;

use super::{strings, topic};
use crate::outcome::Refusal;
use crate::topic::{
    Answer, Facts, Observed, Outcome, Step, TopicPlan, broker_behind, is_told, outcome, reason,
    said_to_be_had, status,
};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn facts() -> Facts {
    Facts {
        id: Some("id".to_owned()),
        partitions: Some(3),
        replicas: Some(2),
        config_keys: strings(&["retention.ms"]),
        drift: vec![],
    }
}

fn waiting(facts: Option<Facts>) -> Outcome {
    Outcome::Held(Refusal::waits("Reassigning", "why"), facts)
}

fn failed(permanent: bool) -> Outcome {
    Outcome::Failed(Refusal {
        reason: "PolicyViolation",
        message: "no".to_owned(),
        waits: !permanent,
    })
}

/// The topic after an outcome.
fn after(topic: &KafkaTopic, outcome: &Outcome, second: i64) -> KafkaTopic {
    let status = Some(status(topic, outcome, &at(second)));
    KafkaTopic {
        status,
        ..topic.clone()
    }
}

/// `Ready`, and what else is true, as `type=status reason: message`.
fn conditions(status: &KafkaTopicStatus) -> Vec<String> {
    let conditions = status.conditions.iter();
    conditions
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect()
}

#[test]
fn a_moments_failure_of_what_is_ready_is_told_when_it_stays() {
    let ready = Outcome::Ready(facts());
    let new = topic(json!({}));
    let settled = after(&new, &ready, 1);
    let behind = Outcome::Held(broker_behind("a"), None);
    for (outcome, is_settled, failures, told) in [
        (behind.clone(), true, 99, false),
        (behind, false, 1, true),
        (failed(false), true, 1, false),
        (failed(false), true, 6, false),
        (failed(false), true, 7, true),
        (failed(false), false, 1, true),
        (failed(true), true, 1, true),
        (waiting(None), true, 1, true),
        (ready.clone(), true, 0, true),
        (ready, false, 0, true),
    ] {
        assert_eq!(
            is_told(if is_settled { &settled } else { &new }, &outcome, failures),
            told,
            "{outcome:?} {is_settled} {failures}"
        );
    }
}

#[test]
fn what_is_told() {
    let new = topic(json!({}));
    let drifted = Facts {
        drift: strings(&["a", "b"]),
        ..facts()
    };
    let refused = |waits| {
        let refusal = Refusal {
            reason: "Why",
            message: "because".to_owned(),
            waits,
        };
        Outcome::Held(refusal, None)
    };
    for (outcome, wanted) in [
        (Outcome::Ready(facts()), vec!["Ready=True Ready: "]),
        (
            Outcome::Ready(drifted),
            vec!["Ready=True Ready: changed in Kafka, and left: a; b"],
        ),
        (
            waiting(Some(facts())),
            vec![
                "Ready=False Reassigning: why",
                "Reconciling=True Reassigning: why",
            ],
        ),
        (
            failed(false),
            vec![
                "Ready=False PolicyViolation: no",
                "Reconciling=True PolicyViolation: no",
            ],
        ),
        (
            failed(true),
            vec![
                "Ready=False PolicyViolation: no",
                "Stalled=True PolicyViolation: no",
            ],
        ),
        (
            refused(true),
            vec!["Ready=False Why: because", "Reconciling=True Why: because"],
        ),
        (
            refused(false),
            vec!["Ready=False Why: because", "Stalled=True Why: because"],
        ),
    ] {
        let told = status(&new, &outcome, &at(1));
        assert_eq!(conditions(&told), wanted);
        assert_eq!(told.topic_name.as_deref(), Some("orders"));
        // An unchanged world gives the same status, whatever the time is.
        let once = after(&new, &outcome, 1);
        assert_eq!(after(&once, &outcome, 99), once);
    }
}

#[test]
fn what_was_learnt_stays_when_nothing_is() {
    let ready = after(&topic(json!({})), &Outcome::Ready(facts()), 1);
    let told = status(&ready, &failed(false), &at(2));
    assert_eq!(told.topic_id.as_deref(), Some("id"));
    assert_eq!((told.partitions, told.replicas), (Some(3), Some(2)));
    assert_eq!(told.config_keys, ["retention.ms"]);
    assert_eq!(told.conditions[0].last_transition_time, at(2));
    let drift = vec!["x".repeat(2000); 40];
    let told = status(&ready, &Outcome::Ready(Facts { drift, ..facts() }), &at(2));
    assert_eq!(
        (told.drift.len(), told.drift[0].len()),
        (32, 1024),
        "bounds of the definition"
    );
    assert_eq!(told.conditions[0].last_transition_time, at(1));
}

/// `observedGeneration` says up to where the spec was carried out, or refused: what differs after that was changed by
/// hand.
#[test]
fn a_generation_is_observed_when_it_is_settled() {
    let observed = |topic: &KafkaTopic| topic.status.as_ref().unwrap().observed_generation;
    let mut now = topic(json!({}));
    for (generation, outcome, wanted) in [
        (3, waiting(Some(facts())), None),
        (3, Outcome::Ready(facts()), Some(3)),
        // An outage does not undo it.
        (3, waiting(None), Some(3)),
        (3, failed(false), Some(3)),
        (4, failed(false), Some(3)),
        (4, waiting(None), Some(3)),
        (4, failed(true), Some(4)),
        // The failure was settled by nothing: what was asked for is still to be done.
        (4, waiting(None), None),
        (4, Outcome::Ready(facts()), Some(4)),
    ] {
        now.metadata.generation = Some(generation);
        now = after(&now, &outcome, 1);
        assert_eq!(observed(&now), wanted, "{outcome:?}");
    }
}

#[test]
fn facts_are_what_is_and_not_what_is_to_be() {
    let observed = Observed {
        id: Some("id".to_owned()),
        replicas: vec![vec![0, 1], vec![0]],
        ..Observed::default()
    };
    let plan = TopicPlan {
        steps: vec![Step::Reassign {
            partitions: vec![(1, vec![0, 1])],
        }],
        config_keys: strings(&["a"]),
        drift: strings(&["b"]),
        ..TopicPlan::default()
    };
    let found = Facts::of(Some(&observed), &plan);
    assert_eq!(
        (found.partitions, found.replicas),
        (Some(2), Some(1)),
        "the second one has yet to move"
    );
    assert_eq!(
        (found.id, found.config_keys, found.drift),
        (observed.id, plan.config_keys.clone(), plan.drift.clone())
    );
    let unknown = Facts::of(None, &plan);
    assert_eq!(
        (unknown.id, unknown.partitions, unknown.replicas),
        (None, None, None)
    );
}

#[test]
fn what_comes_of_a_plan() {
    let plan = |refusal: Option<Refusal>, waits: Option<&str>| TopicPlan {
        refusal,
        waits: waits.map(str::to_owned),
        ..TopicPlan::default()
    };
    assert_eq!(outcome(&plan(None, None), facts()), Outcome::Ready(facts()));
    assert_eq!(
        outcome(&plan(None, Some("why")), facts()),
        waiting(Some(facts()))
    );
    let refusal = Refusal::stands("Why", "because");
    let behind = outcome(&plan(Some(broker_behind("a")), None), facts());
    assert_eq!(behind, Outcome::Held(broker_behind("a"), None));
    let told = outcome(&plan(Some(refusal.clone()), Some("why")), facts());
    assert_eq!(told, Outcome::Held(refusal, Some(facts())));
}

/// What Kafka says no to is not asked for again and again, unless it may say otherwise the next time.
#[test]
fn what_comes_of_an_answer() {
    for (name, retriable, asked, waits) in [
        ("POLICY_VIOLATION", false, false, false),
        ("NOT_CONTROLLER", true, false, true),
        ("TOPIC_ALREADY_EXISTS", false, false, true),
        ("CLUSTER_AUTHORIZATION_FAILED", false, true, true),
    ] {
        let answer = Answer {
            name,
            reason: "Why",
            message: "because".to_owned(),
            retriable,
            asked,
        };
        let fault = Refusal {
            reason: "Why",
            message: "because".to_owned(),
            waits,
        };
        assert_eq!(
            crate::topic::failed(answer),
            Outcome::Failed(fault),
            "{name}"
        );
    }
}

/// What is left to go by when the record of owners is gone: a topic that was looked at and refused is nobody's.
#[test]
fn a_status_vouches_for_a_topic_that_was_had() {
    let plain = topic(json!({}));
    assert_eq!(said_to_be_had(&plain), None);
    let ready = after(&plain, &Outcome::Ready(facts()), 1);
    assert_eq!(said_to_be_had(&ready), facts().id.as_deref());
    for (reason, had) in [
        (reason::PARTITIONS_CANNOT_SHRINK, true),
        (reason::TOPIC_EXISTS, false),
        (reason::ADOPTION_NOT_GRANTED, false),
        (reason::TOPIC_NAME_CONFLICT, false),
    ] {
        let refusal = Refusal::stands(reason, "");
        let refused = after(&plain, &Outcome::Held(refusal, Some(facts())), 1);
        assert_eq!(said_to_be_had(&refused).is_some(), had, "{reason}");
    }
    let moving = after(&plain, &waiting(Some(facts())), 1);
    assert_eq!(said_to_be_had(&moving), facts().id.as_deref());
}
