use std::collections::BTreeMap;

use sdm_api::KafkaTopic;
use serde_json::{Value, json};

use super::{brokers, strings, topic};
use crate::outcome::Refusal;
use crate::topic::{Broker, Observed, Situation, Step, TopicPlan, keys_of_interest, plan};

/// A topic of three partitions with two replicas each, and what brokers have by default.
fn there(config: &[(&str, &str)]) -> Observed {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let mut effective = map(&[
        ("cleanup.policy", "delete"),
        ("min.insync.replicas", "1"),
        ("retention.ms", "604800000"),
    ]);
    effective.extend(map(config));
    Observed {
        id: Some("id".to_owned()),
        replicas: vec![vec![0, 1], vec![1, 2], vec![2, 0]],
        config: map(config),
        effective,
        reassigning: false,
    }
}

struct World {
    topic: KafkaTopic,
    observed: Option<Observed>,
    owned: bool,
    adoptable: Result<(), Refusal>,
    managed: Vec<String>,
    brokers: Vec<Broker>,
    throttled: bool,
}

impl World {
    /// Three brokers, and the topic is owned.
    fn new(spec: Value, observed: Option<Observed>) -> Self {
        Self {
            topic: topic(spec),
            observed,
            owned: true,
            adoptable: Ok(()),
            managed: Vec::new(),
            brokers: brokers(&[(0, "a"), (1, "b"), (2, "c")]),
            throttled: false,
        }
    }
    fn unowned(self) -> Self {
        Self {
            owned: false,
            ..self
        }
    }
    fn managed(self, keys: &[&str]) -> Self {
        Self {
            managed: strings(keys),
            ..self
        }
    }
    fn throttled(self) -> Self {
        Self {
            throttled: true,
            ..self
        }
    }
    fn moving(mut self) -> Self {
        self.observed.as_mut().unwrap().reassigning = true;
        self
    }
    /// All that the spec asks for was done once, and the topic says `Report`.
    fn settled_and_reporting(mut self) -> Self {
        self.topic.spec.drift_policy = sdm_api::DriftPolicy::Report;
        let generation = self.topic.metadata.generation;
        self.topic
            .status
            .get_or_insert_default()
            .observed_generation = generation;
        self
    }
    fn stalled(mut self, reason: &str) -> Self {
        let condition = json!({"type": "Stalled", "status": "True", "reason": reason, "message": "",
                               "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let status = self.topic.status.get_or_insert_default();
        status.conditions = vec![serde_json::from_value(condition).unwrap()];
        self
    }
    fn plan(&self) -> TopicPlan {
        plan(&self.situation())
    }
    fn situation(&self) -> Situation<'_> {
        Situation {
            topic: &self.topic,
            observed: Ok(self.observed.as_ref()),
            owned: self.owned,
            adoptable: self.adoptable.clone(),
            managed_keys: &self.managed,
            brokers: &self.brokers,
            throttled: self.throttled,
        }
    }
}

fn set(pairs: &[(&str, &str)], reset: &[&str]) -> Step {
    Step::Configure {
        set: pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        reset: strings(reset),
    }
}

#[test]
fn a_topic_that_is_not_there_is_created() {
    let create = |partitions, replicas, config: &[(&str, &str)]| Step::Create {
        partitions,
        replicas,
        config: config
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    };
    let spec = json!({"partitions": 6, "replicas": 3, "config": {"retention.ms": "1000"}});
    for owned in [true, false] {
        let world = World {
            owned,
            ..World::new(spec.clone(), None)
        };
        let plan = world.plan();
        assert_eq!(
            plan.steps,
            [create(Some(6), Some(3), &[("retention.ms", "1000")])]
        );
        assert_eq!(
            (plan.config_keys, plan.refusal),
            (strings(&["retention.ms"]), None)
        );
    }
    assert_eq!(
        World::new(json!({}), None).plan().steps,
        [create(None, None, &[])]
    );

    let plan = World::new(json!({"replicas": 4}), None).plan();
    let message = "4 replicas need 4 brokers, and 3 serve: add brokers, or lower replicas";
    assert_eq!(
        plan.refusal,
        Some(Refusal::waits("NotEnoughBrokers", message))
    );
    assert!(plan.steps.is_empty());
}

#[test]
fn only_keys_that_differ_are_written() {
    for (what, wanted, on_topic, managed, step) in [
        (
            "equal",
            json!({"retention.ms": "1000"}),
            vec![("retention.ms", "1000")],
            vec![],
            None,
        ),
        (
            "another value",
            json!({"retention.ms": "2000"}),
            vec![("retention.ms", "1000")],
            vec![],
            Some(set(&[("retention.ms", "2000")], &[])),
        ),
        (
            "not there",
            json!({"retention.ms": "2000"}),
            vec![],
            vec![],
            Some(set(&[("retention.ms", "2000")], &[])),
        ),
        (
            "lost by hand",
            json!({"retention.ms": "2000"}),
            vec![],
            vec!["retention.ms"],
            Some(set(&[("retention.ms", "2000")], &[])),
        ),
        (
            "in effect by default, new",
            json!({"min.insync.replicas": "1"}),
            vec![],
            vec![],
            Some(set(&[("min.insync.replicas", "1")], &[])),
        ),
        (
            "in effect by default, once written",
            json!({"min.insync.replicas": "1"}),
            vec![],
            vec!["min.insync.replicas"],
            None,
        ),
        (
            "a number written otherwise",
            json!({"retention.ms": " 01000"}),
            vec![("retention.ms", "1000")],
            vec![],
            None,
        ),
        (
            "a boolean",
            json!({"preallocate": "True"}),
            vec![("preallocate", "true")],
            vec![],
            None,
        ),
        (
            "a ratio",
            json!({"min.cleanable.dirty.ratio": "0.50"}),
            vec![("min.cleanable.dirty.ratio", "0.5")],
            vec![],
            None,
        ),
        (
            "a list",
            json!({"cleanup.policy": "compact, delete"}),
            vec![("cleanup.policy", "delete,compact")],
            vec![],
            None,
        ),
        (
            "a shorter list",
            json!({"cleanup.policy": "compact"}),
            vec![("cleanup.policy", "delete,compact")],
            vec![],
            Some(set(&[("cleanup.policy", "compact")], &[])),
        ),
        (
            "a word",
            json!({"compression.type": "zstd"}),
            vec![("compression.type", "ZSTD")],
            vec![],
            Some(set(&[("compression.type", "zstd")], &[])),
        ),
        (
            "a key of a Kafka to come",
            json!({"new.key": "a, b"}),
            vec![("new.key", "a,b")],
            vec![],
            None,
        ),
        (
            "taken out, and still set",
            json!({}),
            vec![("retention.ms", "1000")],
            vec!["retention.ms"],
            Some(set(&[], &["retention.ms"])),
        ),
        (
            "taken out, and not set",
            json!({}),
            vec![],
            vec!["retention.ms"],
            None,
        ),
        (
            "somebody else's",
            json!({}),
            vec![("retention.ms", "1000")],
            vec![],
            None,
        ),
    ] {
        let keys: Vec<String> = wanted.as_object().unwrap().keys().cloned().collect();
        let plan = World::new(json!({"config": wanted}), Some(there(&on_topic)))
            .managed(&managed)
            .plan();
        assert_eq!(plan.steps, step.into_iter().collect::<Vec<_>>(), "{what}");
        assert_eq!(
            (plan.config_keys, plan.refusal, plan.waits, plan.drift),
            (keys, None, None, vec![]),
            "{what}"
        );
    }
}

#[test]
fn partitions_grow_and_do_not_shrink() {
    let plan = World::new(json!({"partitions": 5}), Some(there(&[]))).plan();
    assert_eq!(plan.steps, [Step::Grow { total: 5 }]);
    let spec = json!({"partitions": 2, "config": {"retention.ms": "1000"}});
    let plan = World::new(spec, Some(there(&[]))).plan();
    let message =
        "there are 3 partitions and Kafka cannot take any away: set partitions to 3 or more";
    assert_eq!(
        plan.refusal,
        Some(Refusal::stands("PartitionsCannotShrink", message))
    );
    assert_eq!(
        plan.steps,
        [set(&[("retention.ms", "1000")], &[])],
        "the rest goes on"
    );
}

#[test]
fn replicas_move_throttled_and_one_move_at_a_time() {
    let more = json!({"replicas": 3});
    let all = Step::Reassign {
        partitions: vec![(0, vec![0, 1, 2]), (1, vec![1, 2, 0]), (2, vec![2, 0, 1])],
    };
    let plan = World::new(more.clone(), Some(there(&[]))).plan();
    assert_eq!(plan.steps, std::slice::from_ref(&all));
    assert_eq!(
        plan.waits.unwrap(),
        "reassignment of 3 partitions to 3 replicas is under way"
    );
    let plan = World::new(json!({"replicas": 1}), Some(there(&[]))).plan();
    let fewer = [(0, vec![0]), (1, vec![1]), (2, vec![2])];
    assert_eq!(
        plan.steps,
        [Step::Reassign {
            partitions: fewer.into()
        }]
    );
    assert_eq!(
        plan.waits.unwrap(),
        "reassignment of 3 partitions to 1 replica is under way"
    );

    let mut uneven = there(&[]);
    uneven.replicas[1].push(0);
    let plan = World::new(more.clone(), Some(uneven)).plan();
    assert_eq!(
        plan.waits.unwrap(),
        "reassignment of 2 partitions to 3 replicas is under way"
    );

    // A move under way is waited for, whoever began it; one that ends where it should is nobody's business.
    let plan = World::new(more, Some(there(&[]))).moving().plan();
    assert_eq!(
        (plan.steps, plan.waits.unwrap().as_str()),
        (vec![], "a reassignment to 3 replicas is under way")
    );
    let ours = World::new(json!({"replicas": 2}), Some(there(&[])))
        .moving()
        .throttled();
    assert_eq!(
        ours.plan().waits.unwrap(),
        "a reassignment to 2 replicas is under way"
    );
    assert!(ours.plan().steps.is_empty());
    let foreign = World::new(json!({"replicas": 2}), Some(there(&[])))
        .moving()
        .plan();
    assert_eq!(foreign, TopicPlan::default());
    let over = World::new(json!({"replicas": 2}), Some(there(&[])))
        .throttled()
        .plan();
    assert_eq!((over.steps, over.waits), (vec![Step::LiftThrottle], None));
    // One that goes on keeps the throttle.
    let again = World::new(json!({"replicas": 3}), Some(there(&[])))
        .throttled()
        .plan();
    assert_eq!(again.steps, [all]);
}

#[test]
fn replicas_need_brokers() {
    let spec = json!({"replicas": 3, "partitions": 4, "config": {"retention.ms": "1000"}});
    let mut world = World::new(spec, Some(there(&[]))).throttled();
    world.brokers[2].fenced = true;
    let plan = world.plan();
    let message = "3 replicas need 3 brokers, and 2 serve: add brokers, or lower replicas";
    assert_eq!(
        plan.refusal,
        Some(Refusal::waits("NotEnoughBrokers", message))
    );
    let rest = [
        Step::LiftThrottle,
        set(&[("retention.ms", "1000")], &[]),
        Step::Grow { total: 4 },
    ];
    assert_eq!(plan.steps, rest, "the rest goes on");
}

#[test]
fn new_partitions_have_as_many_replicas_as_the_others() {
    let plan = World::new(json!({"partitions": 4, "replicas": 3}), Some(there(&[]))).plan();
    let partitions = vec![
        (0, vec![0, 1, 2]),
        (1, vec![1, 2, 0]),
        (2, vec![2, 0, 1]),
        (3, vec![0, 1, 2]),
    ];
    assert_eq!(
        plan.steps,
        [Step::Grow { total: 4 }, Step::Reassign { partitions }]
    );
    // The first partition says how many Kafka gives to new ones, and that may be passing.
    let plan = World::new(json!({"partitions": 4}), Some(there(&[])))
        .moving()
        .plan();
    assert_eq!(
        (plan.steps, plan.waits.unwrap().as_str()),
        (vec![], "more partitions wait for the end of a reassignment")
    );
    let plan = World::new(json!({"partitions": 4, "replicas": 2}), Some(there(&[])))
        .moving()
        .plan();
    assert_eq!(plan.steps, [Step::Grow { total: 4 }]);
}

#[test]
fn more_confirmations_wait_for_the_copies_and_fewer_do_not() {
    let spec =
        json!({"replicas": 3, "config": {"min.insync.replicas": "2", "retention.ms": "1000"}});
    let others = set(&[("retention.ms", "1000")], &[]);
    let before = World::new(spec.clone(), Some(there(&[]))).plan();
    assert_eq!((&before.steps[0], before.steps.len()), (&others, 2));
    assert_eq!(before.config_keys, strings(&["retention.ms"]));
    let during = World::new(spec.clone(), Some(there(&[("retention.ms", "1000")])))
        .moving()
        .plan();
    assert!(during.steps.is_empty());

    let mut whole = there(&[("retention.ms", "1000")]);
    whole.replicas = vec![vec![0, 1, 2]; 3];
    let after = World::new(spec, Some(whole)).throttled().plan();
    assert_eq!(
        after.steps,
        [
            Step::LiftThrottle,
            set(&[("min.insync.replicas", "2")], &[])
        ]
    );
    assert_eq!(
        after.config_keys,
        strings(&["min.insync.replicas", "retention.ms"])
    );

    let fewer = json!({"replicas": 1, "config": {"min.insync.replicas": "1"}});
    let plan = World::new(fewer, Some(there(&[("min.insync.replicas", "2")]))).plan();
    assert_eq!(
        plan.steps[0],
        set(&[("min.insync.replicas", "1")], &[]),
        "before copies go"
    );
    let alone = json!({"config": {"min.insync.replicas": "2"}});
    let plan = World::new(alone, Some(there(&[]))).plan();
    assert_eq!(plan.steps, [set(&[("min.insync.replicas", "2")], &[])]);
}

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
