use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::kafka::Kafka;
use super::topic;
use crate::config_catalog::{Scope, newest, same};
use crate::topic::{Broker, Observed, Situation, plan};

const VALUES: [(&str, [&str; 3]); 4] = [
    ("cleanup.policy", ["delete", "compact", "compact, delete"]),
    ("min.insync.replicas", ["1", "2", "3"]),
    ("retention.ms", ["1000", "01000", "-1"]),
    ("unclean.leader.election.enable", ["true", "False", "FALSE"]),
];

fn config() -> impl Strategy<Value = BTreeMap<String, String>> {
    let entry =
        select(VALUES.to_vec()).prop_flat_map(|(key, values)| (Just(key), select(values.to_vec())));
    vec(entry, 0..5).prop_map(|all| {
        all.into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    })
}

fn kafka() -> impl Strategy<Value = Kafka> {
    let broker = (0..3_u8, 0..9_u64, prop::bool::weighted(0.1));
    vec(broker, 2..6).prop_flat_map(|all| {
        let brokers: Vec<Broker> = (0..)
            .zip(all)
            .map(|(id, (rack, load, fenced))| Broker {
                id,
                rack: Some(rack.to_string()),
                load,
                fenced: fenced && id > 0,
            })
            .collect();
        let ids: Vec<i32> = brokers.iter().map(|b| b.id).collect();
        let most = ids.len();
        let partitions = vec(subsequence(ids, 1..=most).prop_shuffle(), 1..5);
        let observed = (partitions, config(), any::<bool>());
        let there = prop::option::weighted(0.9, observed);
        (Just(brokers), there, config(), any::<bool>()).prop_map(
            |(brokers, there, defaults, throttled)| {
                let observed = there.map(|(replicas, mut config, reassigning)| {
                    config.insert("foreign".to_owned(), "theirs".to_owned());
                    Observed {
                        replicas,
                        config,
                        reassigning,
                        ..Observed::default()
                    }
                });
                let throttled = throttled && observed.is_some();
                let mut kafka = Kafka {
                    observed,
                    defaults,
                    brokers,
                    throttled,
                };
                kafka.apply(&[]);
                kafka
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever is there and whatever is wanted: after a few rounds nothing is left to do, Kafka has what can be had, and
    /// keys of others are as they were.
    #[test]
    fn plans_come_to_rest(
        mut kafka in kafka(),
        wanted in config(),
        partitions in prop::option::of(1..6),
        replicas in prop::option::of(1..5_usize),
        managed in btree_map(select(VALUES.map(|(key, _)| key.to_owned()).to_vec()), Just(()), 0..3),
    ) {
        let topic = topic(json!({"partitions": partitions, "replicas": replicas, "config": wanted}));
        let mut keys: Vec<String> = managed.into_keys().collect();
        let before = kafka.observed.clone();
        let mut rounds = 0;
        let last = loop {
            let plan = plan(&Situation {
                topic: &topic,
                observed: Ok(kafka.observed.as_ref()),
                owned: true,
                adoptable: Ok(()),
                managed_keys: &keys,
                brokers: &kafka.brokers,
                throttled: kafka.throttled,
            });
            if plan.steps.is_empty() && plan.waits.is_none() {
                break plan;
            }
            kafka.apply(&plan.steps);
            keys.clone_from(&plan.config_keys);
            // Replicas arrive every other round.
            if rounds % 2 == 1 {
                kafka.settle();
            }
            rounds += 1;
            prop_assert!(rounds < 8, "no rest: {:?}", plan);
        };
        let Some(observed) = &kafka.observed else {
            prop_assert_eq!(last.refusal.unwrap().reason, "NotEnoughBrokers");
            return Ok(());
        };
        prop_assert!(!kafka.throttled || observed.reassigning);
        let refused = last.refusal.as_ref().map(|r| r.reason);
        let there = i32::try_from(observed.replicas.len()).unwrap();
        prop_assert!(partitions.is_none_or(|n| n == there || refused == Some("PartitionsCannotShrink")));
        let live = kafka.brokers.iter().filter(|b| !b.fenced).count();
        for replicas_there in &observed.replicas {
            let exact = replicas.is_none_or(|n| n == replicas_there.len());
            prop_assert!(exact || replicas.unwrap() > live);
        }
        for (key, value) in &wanted {
            let has = observed.effective.get(key).is_some_and(|v| same(newest(Scope::Topic, key).as_ref(), value, v));
            // Confirmations wait for copies that do not come.
            let waits = key == "min.insync.replicas" && refused == Some("NotEnoughBrokers")
                || refused == Some("PartitionsCannotShrink") && replicas.is_some_and(|n| n > live);
            prop_assert!(has || waits, "{} is not {}", key, value);
        }
        if let Some(before) = before {
            prop_assert_eq!(observed.config.get("foreign"), before.config.get("foreign"));
        }
    }
}
