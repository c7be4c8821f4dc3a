//! Whatever happens in between, the end is the same.

use proptest::prelude::*;

use crate::eviction::{PERMISSION_S, Question};

use super::world::{World, cluster, cluster_of, pool};

/// What happens between two moments.
#[derive(Clone, Debug)]
enum Event {
    /// The controller looks and carries out this many steps, then dies.
    Work(usize),
    /// Steps of a plan made this long ago are carried out: it looked, and was slow.
    WorkLate(usize),
    Tick,
    /// A broker is fenced for a while, or a mere controller falls behind.
    Mishap(i32, u32),
    /// A Pod is deleted by somebody else.
    Evict(i32),
    /// The eviction of a node is asked for, as by `kubectl drain`.
    Ask(i32),
    /// It is tried: the Pod goes if that is permitted.
    Drain(i32),
    /// The configuration changes.
    Change(u8),
    /// Kafka cannot be asked, or can again.
    Reach(bool),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0usize..6).prop_map(Event::Work),
        2 => (0usize..6).prop_map(Event::WorkLate),
        6 => Just(Event::Tick),
        1 => (0i32..6, 1u32..5).prop_map(|(id, n)| Event::Mishap(id, n)),
        1 => (0i32..6).prop_map(Event::Evict),
        2 => (0i32..6).prop_map(Event::Ask),
        2 => (0i32..6).prop_map(Event::Drain),
        1 => (0u8..3).prop_map(Event::Change),
        1 => any::<bool>().prop_map(Event::Reach),
    ]
}

fn variant(dedicated: bool, config: u8) -> sdm_api::KafkaCluster {
    let config = (4 + config).to_string();
    if dedicated {
        let pools = serde_json::json!([
            pool("controllers", &["controller"], &[0, 1, 2]),
            pool("brokers", &["broker"], &[3, 4, 5])
        ]);
        cluster_of(&config, pools)
    } else {
        cluster(&config)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn any_interleaving_converges_and_takes_one_node_down_at_a_time(
        dedicated in any::<bool>(),
        events in prop::collection::vec(event(), 0..90),
    ) {
        let mut world = World::new(variant(dedicated, 0));
        if dedicated {
            world.hosted.retain(|id, _| *id > 2);
        }
        let mut earlier = None;
        let mut config = 0;
        for event in events {
            match event {
                Event::Work(most) => {
                    let plan = world.plan();
                    world.go(&plan, most);
                    earlier = Some(plan);
                }
                Event::WorkLate(most) => if let Some(plan) = &earlier {
                    world.go(&plan.clone(), most);
                },
                Event::Tick => world.tick(),
                Event::Mishap(id, ticks) => { world.mishaps.insert(id, ticks); },
                Event::Evict(id) => {
                    let pod = world.objects.pods.remove(&format!("a-{id}"));
                    if let Some(uid) = pod.and_then(|p| p.metadata.uid) {
                        world.age.remove(&uid);
                    }
                }
                Event::Ask(id) => {
                    let question = Question { id: format!("q{}", world.writes), at: world.now };
                    world.evictions.insert(format!("a-{id}"), question);
                }
                Event::Drain(id) => world.drain(id),
                Event::Change(to) => {
                    config = to;
                    world.cluster = Some(variant(dedicated, to));
                    // A plan for another spec is never carried out: its object is gone from memory.
                    earlier = None;
                }
                Event::Reach(reachable) => world.reachable = reachable,
            }
        }
        world.reachable = true;
        world.mishaps.clear();
        world.now += PERMISSION_S;
        prop_assert!(world.settle().is_ok(), "{}", world.settle().unwrap_err());
        prop_assert!(world.broken.is_empty(), "{:?}", world.broken);
        prop_assert!(world.state().unwrap().bootstrapped);

        let mut undisturbed = World::new(variant(dedicated, config));
        undisturbed.hosted = world.hosted.clone();
        undisturbed.settle().unwrap();
        prop_assert_eq!(world.outcome(), undisturbed.outcome());

        // And then nothing more is done.
        let writes = world.writes;
        world.tick();
        let plan = world.plan();
        prop_assert!(plan.is_empty(), "{plan:?}");
        prop_assert_eq!(world.writes, writes);
    }
}
