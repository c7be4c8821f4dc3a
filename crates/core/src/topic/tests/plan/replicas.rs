use serde_json::json;

use super::super::strings;
use super::{World, set, there};
use crate::outcome::Refusal;
use crate::topic::{Step, TopicPlan};

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
