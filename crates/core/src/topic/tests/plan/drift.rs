use serde_json::{Value, json};

use super::super::{strings, topic};
use super::{World, there};
use crate::outcome::Refusal;
use crate::topic::{Situation, Step, TopicPlan, keys_of_interest, plan};

#[test]
fn what_cannot_be_seen_now_is_left_as_it_is() {
    let spec = json!({"partitions": 3, "replicas": 2, "config": {"retention.ms": "1000"}});
    let world = World::new(spec, None)
        .managed(&["retention.ms"])
        .throttled();
    for owned in [true, false] {
        let doubt = Refusal::waits("BrokerBehind", "why");
        let plan = plan(&Situation {
            observed: Err(doubt.clone()),
            owned,
            ..world.situation()
        });
        assert_eq!(
            plan,
            TopicPlan {
                refusal: Some(doubt),
                config_keys: strings(&["retention.ms"]),
                ..TopicPlan::default()
            }
        );
    }
}

#[test]
fn a_topic_that_is_nobodys_is_taken_over_as_its_object_says() {
    let same = json!({"partitions": 3, "replicas": 2, "config": {"retention.ms": "604800000"}});
    let other = json!({"partitions": 4, "replicas": 1, "config": {"retention.ms": "1000"}});
    let with = |spec: &Value, adoption: &str| {
        let mut spec = spec.clone();
        spec["adoption"] = json!(adoption);
        World::new(spec, Some(there(&[]))).unowned()
    };
    let taken = with(&same, "IfIdentical").plan();
    assert_eq!(
        (taken.steps, taken.refusal),
        (vec![], None),
        "nothing is written"
    );
    assert_eq!(taken.config_keys, strings(&["retention.ms"]));

    let refused = |world: World| {
        let plan = world.plan();
        assert_eq!((plan.steps, plan.config_keys), (vec![], vec![]));
        plan.refusal.unwrap()
    };
    assert_eq!(
        refused(with(&other, "IfIdentical")),
        Refusal::stands(
            "TopicExists",
            "topic orders exists already, belongs to no object, and is not as this one says: retention.ms is 604800000 instead of 1000; 3 partitions instead of 4; 3 of 3 partitions with 2 instead of 1 replica each; say here what is there, or set adoption to Always"
        )
    );
    for spec in [&same, &other] {
        assert_eq!(
            refused(with(spec, "Never")),
            Refusal::stands(
                "TopicExists",
                "topic orders exists already and belongs to no object, and adoption is Never: choose another topicName, or set adoption to IfIdentical or Always"
            )
        );
        let stranger = |adoption| World {
            adoptable: Err(Refusal::stands("AdoptionNotGranted", "why")),
            ..with(spec, adoption)
        };
        for adoption in ["IfIdentical", "Always"] {
            assert_eq!(
                refused(stranger(adoption)),
                Refusal::stands("AdoptionNotGranted", "why")
            );
        }
        // Who may not take a topic over does not learn what is in it.
        assert_eq!(refused(stranger("Never")).reason, "TopicExists");
    }
    let plan = with(&other, "Always").plan();
    assert_eq!(plan.steps.len(), 3, "{plan:?}");
}

#[test]
fn drift_is_reported_where_that_is_wanted_and_nothing_was_asked_for() {
    let spec = json!({"partitions": 2, "replicas": 1, "config": {"retention.ms": "1000", "cleanup.policy": "delete"}});
    let managed = ["cleanup.policy", "retention.ms"];
    let world =
        || World::new(spec.clone(), Some(there(&[("retention.ms", "7")]))).managed(&managed);
    let reported = world().settled_and_reporting().plan();
    assert_eq!(
        reported.drift,
        [
            "retention.ms is 7 instead of 1000",
            "3 partitions instead of 2",
            "3 of 3 partitions with 2 instead of 1 replica each",
        ]
    );
    let TopicPlan {
        steps,
        refusal,
        waits,
        config_keys,
        ..
    } = reported;
    assert_eq!(
        (steps, refusal, waits, config_keys),
        (vec![], None, None, strings(&managed))
    );

    let steps = |world: World| world.plan().steps.len();
    assert_eq!(steps(world()), 2, "Correct");
    let mut asked = world().settled_and_reporting();
    asked.topic.metadata.generation = Some(4);
    assert_eq!(steps(asked), 2, "asked anew");
    let mut never = world().settled_and_reporting();
    never.topic.status = None;
    assert_eq!(steps(never), 2, "never done");
    assert_eq!(
        steps(world().settled_and_reporting().stalled("PolicyViolation")),
        2,
        "failed"
    );
    assert_eq!(
        world().settled_and_reporting().throttled().plan().steps,
        [Step::LiftThrottle],
        "ours"
    );
    let refused = world()
        .settled_and_reporting()
        .stalled("PartitionsCannotShrink")
        .plan();
    assert_eq!(
        (refused.steps, refused.refusal.unwrap().reason),
        (vec![], "PartitionsCannotShrink")
    );
    assert!(
        World::new(json!({}), Some(there(&[("retention.ms", "7")])))
            .plan()
            .drift
            .is_empty()
    );
}

#[test]
fn a_topic_deleted_by_hand_is_created_again_unless_that_is_to_be_reported() {
    let gone = |spec: Value| World::new(spec, None);
    assert_eq!(
        gone(json!({}))
            .settled_and_reporting()
            .unowned()
            .plan()
            .steps
            .len(),
        1
    );
    let plan = gone(json!({}))
        .settled_and_reporting()
        .stalled("TopicMissing")
        .plan();
    let message = "topic orders is not there any more, and driftPolicy is Report: set it to Correct to create the topic again, or delete this object";
    assert_eq!(plan.refusal, Some(Refusal::stands("TopicMissing", message)));
    assert!(plan.steps.is_empty());
    assert_eq!(gone(json!({})).plan().steps.len(), 1, "Correct");
}

#[test]
fn wanted_and_managed_keys_are_asked_for() {
    let mut topic = topic(json!({"config": {"retention.ms": "1", "cleanup.policy": "delete"}}));
    topic.status.get_or_insert_default().config_keys = strings(&["segment.ms", "retention.ms"]);
    assert_eq!(
        keys_of_interest(&topic),
        ["cleanup.policy", "retention.ms", "segment.ms"]
    );
}
