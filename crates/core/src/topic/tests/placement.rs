use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::brokers;
use crate::topic::{Broker, place};

const ZONES: [(i32, &str); 6] = [(0, "a"), (1, "b"), (2, "c"), (3, "a"), (4, "b"), (5, "c")];

#[test]
fn what_is_placed_where() {
    let zones = brokers(&ZONES);
    let with = |changes: &[(usize, u64, bool)]| {
        let mut brokers = zones.clone();
        for (at, load, fenced) in changes {
            (brokers[*at].load, brokers[*at].fenced) = (*load, *fenced);
        }
        brokers
    };
    for (what, now, replicas, brokers, then) in [
        (
            "nothing to do",
            vec![vec![5, 2]],
            2,
            zones.clone(),
            vec![vec![5, 2]],
        ),
        (
            "another rack",
            vec![vec![3]],
            2,
            zones.clone(),
            vec![vec![3, 1]],
        ),
        (
            "the third rack",
            vec![vec![0, 4]],
            3,
            zones.clone(),
            vec![vec![0, 4, 2]],
        ),
        (
            "less load",
            vec![vec![0]],
            2,
            with(&[(1, 9, false), (2, 3, false), (5, 3, false)]),
            vec![vec![0, 4]],
        ),
        (
            "what the plan adds counts",
            vec![vec![0], vec![0], vec![0]],
            2,
            zones.clone(),
            vec![vec![0, 1], vec![0, 2], vec![0, 4]],
        ),
        (
            "never on a fenced broker",
            vec![vec![0]],
            3,
            with(&[(1, 0, true), (4, 0, true)]),
            vec![vec![0, 2, 3]],
        ),
        (
            "the crowded rack gives up, and the leader stays",
            vec![vec![0, 3, 1]],
            2,
            zones.clone(),
            vec![vec![0, 1]],
        ),
        (
            "the loaded broker gives up",
            vec![vec![0, 1, 2]],
            2,
            with(&[(1, 5, false)]),
            vec![vec![0, 2]],
        ),
        (
            "the fenced one gives up first",
            vec![vec![0, 1, 2]],
            2,
            with(&[(0, 0, true)]),
            vec![vec![1, 2]],
        ),
        (
            "one that is gone, too",
            vec![vec![9, 1, 2]],
            2,
            zones.clone(),
            vec![vec![1, 2]],
        ),
        (
            "an even partition stays beside one that is not",
            vec![vec![4, 1], vec![0]],
            2,
            zones.clone(),
            vec![vec![4, 1], vec![0, 1]],
        ),
        (
            "new partitions are led by different brokers",
            vec![vec![], vec![], vec![]],
            3,
            brokers(&[(0, ""), (1, ""), (2, "")]),
            vec![vec![0, 1, 2], vec![1, 0, 2], vec![2, 0, 1]],
        ),
        (
            "as many as there are",
            vec![vec![0]],
            3,
            brokers(&[(0, ""), (1, "")]),
            vec![vec![0, 1]],
        ),
    ] {
        assert_eq!(place(&now, replicas, &brokers), then, "{what}");
    }
}

fn cluster() -> impl Strategy<Value = Vec<Broker>> {
    let broker = (
        prop::option::weighted(0.9, 0..4_u8),
        0..50_u64,
        prop::bool::weighted(0.15),
    );
    vec(broker, 1..10).prop_map(|all| {
        (0..)
            .zip(all)
            .map(|(id, (rack, load, fenced))| Broker {
                id,
                rack: rack.map(|r| format!("rack-{r}")),
                load,
                fenced,
            })
            .collect()
    })
}

/// A cluster, replicas of partitions in it (some on a broker that is gone), and a number of replicas.
fn case() -> impl Strategy<Value = (Vec<Broker>, Vec<Vec<i32>>, usize)> {
    cluster().prop_flat_map(|brokers| {
        let mut ids: Vec<i32> = brokers.iter().map(|b| b.id).collect();
        ids.push(99);
        let most = ids.len().min(5);
        let partition = subsequence(ids, 0..=most).prop_shuffle();
        let live = brokers.iter().filter(|b| !b.fenced).count().max(1);
        (Just(brokers), vec(partition, 0..6), 1..=live)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_placement_is_exact_even_and_moves_no_more_than_it_must((brokers, now, replicas) in case()) {
        let then = place(&now, replicas, &brokers);
        let live: BTreeSet<i32> = brokers.iter().filter(|b| !b.fenced).map(|b| b.id).collect();
        let rack = |id: &i32| brokers.iter().find(|b| b.id == *id).map(|b| b.rack.as_deref());
        prop_assert_eq!(then.len(), now.len());
        for (now, then) in now.iter().zip(&then) {
            let distinct: BTreeSet<_> = then.iter().collect();
            prop_assert_eq!(distinct.len(), then.len());
            let kept = then.iter().filter(|id| now.contains(id)).count();
            let possible = live.iter().chain(now).collect::<BTreeSet<_>>().len();
            prop_assert_eq!(then.len(), replicas.min(possible));
            prop_assert_eq!(kept, now.len().min(replicas));
            let added: Vec<_> = then.iter().filter(|id| !now.contains(id)).collect();
            prop_assert!(added.iter().all(|id| live.contains(id)));
            if now.len() == replicas {
                prop_assert_eq!(then, now);
            }
            // The leader stays, unless it does not serve.
            if let Some(leader) = now.first().filter(|leader| live.contains(leader)) {
                prop_assert_eq!(then.first(), Some(leader));
            }
            // No replica that was chosen could be in a rack that has fewer, by more than one.
            let mut used: BTreeMap<_, usize> = BTreeMap::new();
            for id in then {
                *used.entry(rack(id)).or_default() += 1;
            }
            for id in &added {
                for other in live.iter().filter(|other| !then.contains(other)) {
                    let (own, free) = (used[&rack(id)], used.get(&rack(other)).copied().unwrap_or(0));
                    prop_assert!(rack(id) == rack(other) || own <= free + 1, "{} and not {} in {:?}", id, other, then);
                }
            }
            // What was given up does not serve, or was in a rack as crowded as any that stays.
            let gave_up_live = now.iter().filter(|id| !then.contains(id) && live.contains(id));
            for gone in gave_up_live {
                prop_assert!(then.iter().all(|id| live.contains(id)), "a fenced one stayed");
                let own = used.get(&rack(gone)).copied().unwrap_or(0) + 1;
                prop_assert!(then.iter().skip(1).all(|id| used[&rack(id)] <= own), "{} left {:?}", gone, then);
            }
        }
        prop_assert_eq!(place(&then, replicas, &brokers), then, "and again");
    }
}
