//! What differs between a topic as an object says it and the topic in Kafka: the operator's own plan, for people.

use sdm_api::{DriftPolicy, KafkaTopic};
use sdm_core::topic::{self, Broker, Observed, Situation, Step};
use serde::Serialize;

use super::actual::Actual;

/// One thing that differs.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `partitions`, `replicas`, or `config.KEY`.
    pub path: String,
    /// In Kafka; none where there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// As declared; none where it would be reset to what is beneath it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<String>,
}

/// All that differs.
#[derive(Serialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Whether the topic is not there at all.
    pub missing: bool,
    /// What the operator would change, in its order.
    pub changes: Vec<Change>,
    /// What it would refuse to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// What goes on already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_none(&self) -> bool {
        self.changes.is_empty() && self.refused.is_none()
    }

    /// Lines as `diff` writes them: `-` is in Kafka, `+` is declared.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for change in &self.changes {
            lines.extend(
                change
                    .actual
                    .iter()
                    .map(|v| format!("-{}: {v}", change.path)),
            );
            lines.extend(
                change
                    .declared
                    .iter()
                    .map(|v| format!("+{}: {v}", change.path)),
            );
        }
        lines.extend(self.refused.iter().map(|why| format!("!{why}")));
        lines.extend(self.waits.iter().map(|what| format!("#{what}")));
        lines
    }
}

/// Compares. `owned`: the object has the topic already; otherwise it also has to be taken over.
pub fn compare(
    object: &KafkaTopic,
    actual: Option<&Actual>,
    owned: bool,
    brokers: &[Broker],
) -> Difference {
    let observed = actual.map(|a| a.observed(&topic::keys_of_interest(object)));
    let situation = |topic, owned| Situation {
        topic,
        observed: Ok(observed.as_ref()),
        owned,
        adoptable: Ok(()),
        managed_keys: object
            .status
            .as_ref()
            .map(|s| s.config_keys.as_slice())
            .unwrap_or_default(),
        brokers,
        throttled: false,
    };
    // What is only reported differs all the same.
    let mut corrected = object.clone();
    corrected.spec.drift_policy = DriftPolicy::Correct;
    let plan = topic::plan(&situation(&corrected, true));
    let takeover = (!owned)
        .then(|| topic::plan(&situation(object, false)).refusal)
        .flatten();
    let review = topic::validate(object, None);
    let invalid = review
        .violations
        .first()
        .map(|v| format!("{v} (InvalidSpec)"));
    Difference {
        missing: observed.is_none(),
        changes: plan
            .steps
            .iter()
            .flat_map(|step| changes(step, object, observed.as_ref()))
            .collect(),
        refused: invalid.or_else(|| {
            let refusal = takeover.or(plan.refusal)?;
            Some(format!("{} ({})", refusal.message, refusal.reason))
        }),
        waits: plan
            .waits
            .filter(|_| observed.as_ref().is_some_and(|o| o.reassigning)),
    }
}

fn changes(step: &Step, object: &KafkaTopic, observed: Option<&Observed>) -> Vec<Change> {
    let change = |path: &str, actual: Option<String>, declared: Option<String>| Change {
        path: path.to_owned(),
        actual,
        declared,
    };
    let text = |n: i32| n.to_string();
    let number_of = |f: fn(&Observed) -> usize| observed.map(|o| f(o).to_string());
    match step {
        Step::LiftThrottle => Vec::new(),
        Step::Create {
            partitions,
            replicas,
            config,
        } => {
            let or_default =
                |n: Option<String>| Some(n.unwrap_or_else(|| "<the brokers' default>".to_owned()));
            let mut all = vec![
                change("partitions", None, or_default(partitions.map(text))),
                change(
                    "replicas",
                    None,
                    or_default(replicas.map(|n| n.to_string())),
                ),
            ];
            all.extend(
                config
                    .iter()
                    .map(|(k, v)| change(&format!("config.{k}"), None, Some(v.clone()))),
            );
            all
        }
        Step::Configure { set, reset } => {
            let now = |key: &String| observed.and_then(|o| o.effective.get(key).cloned());
            let set = set
                .iter()
                .map(|(k, v)| change(&format!("config.{k}"), now(k), Some(v.clone())));
            let reset = reset
                .iter()
                .map(|k| change(&format!("config.{k}"), now(k), None));
            set.chain(reset).collect()
        }
        Step::Grow { total } => {
            vec![change(
                "partitions",
                number_of(|o| o.replicas.len()),
                Some(text(*total)),
            )]
        }
        Step::Reassign { .. } => {
            let now = number_of(|o| o.replicas.iter().map(Vec::len).min().unwrap_or_default());
            vec![change("replicas", now, object.spec.replicas.map(text))]
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sdm_kafka::{ConfigEntry, ConfigSource};

    use super::super::{declared, sample};
    use super::*;

    fn brokers() -> Vec<Broker> {
        (0..3)
            .map(|id| Broker {
                id,
                rack: None,
                load: 0,
                fenced: false,
            })
            .collect()
    }

    fn actual(config: &[(&str, &str)]) -> Actual {
        let entry = |(name, value): &(&str, &str)| ConfigEntry {
            name: (*name).to_owned(),
            value: Some((*value).to_owned()),
            source: ConfigSource::Topic,
            read_only: false,
            sensitive: false,
        };
        Actual {
            metadata: sample(
                "orders",
                &[(Some(0), &[0, 1], &[0, 1]), (Some(1), &[1, 0], &[1, 0])],
            ),
            config: config.iter().map(entry).collect(),
            unreadable: None,
            moving: BTreeMap::new(),
        }
    }

    fn object(
        partitions: i32,
        replicas: i32,
        config: &[(&str, &str)],
        managed: &[&str],
    ) -> KafkaTopic {
        let mut object = declared("a", "orders", "Ready");
        object.spec.partitions = Some(partitions);
        object.spec.replicas = Some(replicas);
        object.spec.config = config
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        object.status.as_mut().unwrap().config_keys =
            managed.iter().map(|k| (*k).to_owned()).collect();
        object
    }

    fn lines(object: &KafkaTopic, actual: Option<&Actual>, owned: bool) -> Vec<String> {
        compare(object, actual, owned, &brokers()).lines()
    }

    #[test]
    fn what_is_alike_does_not_differ() {
        let seen = actual(&[("retention.ms", "1000"), ("segment.ms", "5")]);
        assert!(
            lines(
                &object(2, 2, &[("retention.ms", "1000")], &[]),
                Some(&seen),
                true
            )
            .is_empty()
        );
    }

    #[test]
    fn what_differs_is_shown_as_diff_does() {
        let seen = actual(&[("retention.ms", "1000"), ("segment.ms", "50000")]);
        let object = object(
            6,
            3,
            &[("retention.ms", "2000")],
            &["retention.ms", "segment.ms"],
        );
        assert_eq!(
            lines(&object, Some(&seen), true),
            [
                "-config.retention.ms: 1000",
                "+config.retention.ms: 2000",
                "-config.segment.ms: 50000",
                "-partitions: 2",
                "+partitions: 6",
                "-replicas: 2",
                "+replicas: 3",
            ]
        );
    }

    #[test]
    fn what_cannot_be_done_says_why() {
        let shrink = lines(&object(1, 2, &[], &[]), Some(&actual(&[])), true);
        assert!(
            shrink.len() == 1 && shrink[0].contains("(PartitionsCannotShrink)"),
            "{shrink:?}"
        );
        let adopt = lines(
            &object(2, 2, &[("retention.ms", "1")], &[]),
            Some(&actual(&[])),
            false,
        );
        assert!(adopt.last().unwrap().contains("(TopicExists)"), "{adopt:?}");
    }

    #[test]
    fn what_is_invalid_is_refused() {
        let invalid = lines(
            &object(2, 2, &[("retention", "1")], &[]),
            Some(&actual(&[])),
            true,
        );
        assert!(
            invalid.last().unwrap().ends_with("(InvalidSpec)"),
            "{invalid:?}"
        );
    }

    #[test]
    fn a_topic_that_is_not_there_is_all_new() {
        assert_eq!(
            lines(&object(2, 3, &[("segment.ms", "1000")], &[]), None, false),
            ["+partitions: 2", "+replicas: 3", "+config.segment.ms: 1000"]
        );
    }
}
