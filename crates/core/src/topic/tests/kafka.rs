//! As much of Kafka as plans for topics touch.

use std::collections::BTreeMap;

use crate::topic::{Broker, Observed, Step};

/// A cluster with one topic.
#[derive(Clone, Debug)]
pub(super) struct Kafka {
    pub(super) observed: Option<Observed>,
    /// What brokers have for keys that the topic has not.
    pub(super) defaults: BTreeMap<String, String>,
    pub(super) brokers: Vec<Broker>,
    pub(super) throttled: bool,
}

impl Kafka {
    /// Carries out steps, as the controller and Kafka do.
    pub(super) fn apply(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Create {
                    partitions,
                    replicas,
                    config,
                } => {
                    let factor = usize::try_from(replicas.unwrap_or(1)).unwrap();
                    let live = self.brokers.iter().filter(|b| !b.fenced).map(|b| b.id);
                    let on: Vec<i32> = live.take(factor).collect();
                    assert_eq!(on.len(), factor, "Kafka refuses to create it");
                    let observed = Observed {
                        replicas: vec![on; usize::try_from(partitions.unwrap_or(2)).unwrap()],
                        config: config.iter().cloned().collect(),
                        ..Observed::default()
                    };
                    assert!(
                        self.observed.replace(observed).is_none(),
                        "it is there already"
                    );
                }
                Step::LiftThrottle => {
                    assert!(std::mem::take(&mut self.throttled), "nothing to lift");
                }
                Step::Configure { set, reset } => {
                    let config = &mut self.observed.as_mut().unwrap().config;
                    config.extend(set.iter().cloned());
                    config.retain(|key, _| !reset.contains(key));
                }
                Step::Grow { total } => {
                    let total = usize::try_from(*total).unwrap();
                    let replicas = &mut self.observed.as_mut().unwrap().replicas;
                    assert!(replicas.len() < total, "Kafka refuses to shrink it");
                    let first = replicas[0].clone();
                    replicas.resize(total, first);
                }
                Step::Reassign { partitions } => {
                    let observed = self.observed.as_mut().unwrap();
                    assert!(!observed.reassigning && !partitions.is_empty());
                    for (partition, to) in partitions {
                        let live = |id: &i32| self.brokers.iter().any(|b| b.id == *id && !b.fenced);
                        let now = &mut observed.replicas[usize::try_from(*partition).unwrap()];
                        assert!(
                            to.iter().all(|id| live(id) || now.contains(id)),
                            "to a fenced broker"
                        );
                        assert_ne!(now, to, "nothing to move");
                        now.clone_from(to);
                    }
                    observed.reassigning = true;
                    self.throttled = true;
                }
            }
        }
        if let Some(observed) = &mut self.observed {
            observed.effective = self.defaults.clone();
            observed.effective.extend(observed.config.clone());
        }
    }

    /// Lets replicas arrive.
    pub(super) fn settle(&mut self) {
        if let Some(observed) = &mut self.observed {
            observed.reassigning = false;
        }
    }
}
