//! What is done about a topic, situation by situation.

mod config;
mod drift;
mod replicas;

use std::collections::BTreeMap;

use sdm_api::KafkaTopic;
use serde_json::{Value, json};

use super::{brokers, strings, topic};
use crate::outcome::Refusal;
use crate::topic::{Broker, Observed, Situation, Step, TopicPlan, plan};

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
