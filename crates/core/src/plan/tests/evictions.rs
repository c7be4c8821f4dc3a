//! Who may be evicted, and what the others wait for meanwhile.

use super::world::{World, cluster};
use crate::eviction::{Answer, PERMISSION_S, Question, Verdict, judge};
use crate::plan::Plan;
use crate::snapshot::Short;

fn settled() -> World {
    let mut world = World::new(cluster("4"));
    world.settle().unwrap();
    world
}

fn ask(world: &mut World, id: i32) {
    let question = Question {
        id: format!("question-{}", world.writes),
        at: world.now,
    };
    world.evictions.insert(format!("a-{id}"), question);
}

fn answer(world: &World, id: i32) -> Option<Answer> {
    Answer::on(&world.objects.pods[&format!("a-{id}")])
}

/// What a node's eviction waits for; nothing if it may go.
fn asked(world: &mut World, id: i32) -> Option<String> {
    ask(world, id);
    let plan = world.plan();
    world.go(&plan, usize::MAX);
    let answer = answer(world, id).unwrap_or_else(|| panic!("no answer: {plan:#?}"));
    assert_eq!(answer.id, world.evictions[&format!("a-{id}")].id);
    assert_eq!(answer.until.is_some(), answer.waits_for.is_none());
    answer.waits_for
}

#[test]
fn one_may_go_and_then_no_other_until_that_is_over() {
    let mut world = settled();
    assert_eq!(asked(&mut world, 1), None);
    assert_eq!(world.plan(), Plan::default(), "it is answered once");
    assert_eq!(
        asked(&mut world, 2).as_deref(),
        Some("node 1 to be evicted, as it may be for a moment")
    );
    world.now += PERMISSION_S;
    assert_eq!(judge(&world.objects.pods["a-1"], world.now), Verdict::Ask);
    assert_eq!(asked(&mut world, 2), None);
}

#[test]
fn a_permission_holds_restarts_up() {
    let mut world = settled();
    assert_eq!(asked(&mut world, 0), None);
    world.cluster = Some(cluster("5"));
    let wait = |world: &mut World| {
        let plan = world.plan();
        world.go(&plan, usize::MAX);
        let plan = world.plan();
        let step = plan.steps.iter().find(|s| s.name == "RestartNode/1");
        step.unwrap().waits_for.clone()
    };
    assert_eq!(
        wait(&mut world).as_deref(),
        Some("node 0 to be evicted, as it may be for a moment")
    );
    assert_eq!(world.objects.pods.len(), 3);
    world.now += PERMISSION_S;
    world.settle().unwrap();
}

#[test]
fn it_waits_for_whatever_kafka_cannot_do_without() {
    let mut world = settled();
    world.mishaps.insert(2, 9);
    let wait = asked(&mut world, 1).unwrap();
    assert!(wait.contains("node 2"), "{wait}");

    let mut world = settled();
    let short = Short {
        count: 7,
        examples: vec!["orders-0".to_owned()],
    };
    world.short.insert(1, short);
    let wait = asked(&mut world, 1).unwrap();
    assert!(
        wait.starts_with("7 partitions to have more replicas in sync") && wait.contains("orders-0"),
        "{wait}"
    );
    assert_eq!(asked(&mut world, 2), None);

    let mut world = settled();
    world.reachable = false;
    assert_eq!(
        asked(&mut world, 1).as_deref(),
        Some("an answer from Kafka")
    );
}

#[test]
fn what_is_old_or_about_nobody_is_not_answered() {
    let mut world = settled();
    ask(&mut world, 1);
    world.evictions.get_mut("a-1").unwrap().at -= 61;
    ask(&mut world, 9);
    assert_eq!(world.plan(), Plan::default());
}
