//! What a policy says of topics.

use sdm_api::KafkaTopic;
use sdm_api::policy::{DurationRange, NamespaceTotals, TopicLimits};

use super::super::glob;
use super::super::subject::Totals;
use super::{Found, bounds};
use crate::user::parse_duration;

const RETENTION: &str = "retention.ms";

pub(super) fn check(limits: &TopicLimits, topic: &KafkaTopic, found: &mut Found<'_>) {
    let spec = &topic.spec;
    name(limits, topic, found);
    let numbers = [
        (
            "topics.partitions",
            "spec.partitions",
            limits.partitions,
            spec.partitions,
        ),
        (
            "topics.replicas",
            "spec.replicas",
            limits.replicas,
            spec.replicas,
        ),
    ];
    for (rule, path, range, value) in numbers {
        if let (Some(range), Some(value)) = (range, value)
            && let Some(wrong) = bounds::number(&range, i64::from(value))
        {
            found.add(rule, path, wrong);
        }
    }
    if let (Some(range), Some(value)) = (&limits.retention, spec.config.get(RETENTION))
        && let Some(wrong) = retention(range, value)
    {
        found.add("topics.retention", path(RETENTION), wrong);
    }
    bounds::config(
        "topics",
        &limits.forbidden_config,
        &limits.config,
        &spec.config,
        path,
        found,
    );
    if let (Some(most), Some(others)) = (&limits.per_namespace, found.asked.others) {
        totals(most, others, topic, found);
    }
}

fn path(key: &str) -> String {
    format!("spec.config[{key}]")
}

fn name(limits: &TopicLimits, topic: &KafkaTopic, found: &mut Found<'_>) {
    let (name, namespace) = (topic.topic_name(), found.asked.namespace);
    if limits.names.is_empty()
        || limits
            .names
            .iter()
            .any(|pattern| glob::matches_in(pattern, namespace, name))
    {
        return;
    }
    let path = match topic.spec.topic_name {
        Some(_) => "spec.topicName",
        None => "metadata.name",
    };
    let patterns: Vec<String> = limits
        .names
        .iter()
        .map(|p| p.replace("{namespace}", namespace))
        .collect();
    found.add(
        "topics.names",
        path,
        format!(
            "{name:?} is no name for a topic here: use {}",
            patterns.join(" or ")
        ),
    );
}

/// What is wrong with `retention.ms`. What is no number is refused as invalid by others.
fn retention(range: &DurationRange, value: &str) -> Option<String> {
    let value: i64 = value.trim().parse().ok()?;
    let millis = |text: &Option<String>| {
        let seconds = parse_duration(text.as_deref()?).ok()?;
        seconds.checked_mul(1000)
    };
    let (min, max) = (millis(&range.min), millis(&range.max));
    let named = |text: &Option<String>| text.clone().unwrap_or_default();
    if value < 0 {
        let max = max?;
        return Some(format!(
            "records may not be kept for ever: use at most {max} ({})",
            named(&range.max)
        ));
    }
    if let Some(min) = min.filter(|min| value < *min) {
        return Some(format!(
            "{value} is too short: use at least {min} ({})",
            named(&range.min)
        ));
    }
    let max = max.filter(|max| value > *max)?;
    Some(format!(
        "{value} is too long: use at most {max} ({})",
        named(&range.max)
    ))
}

fn totals(most: &NamespaceTotals, mut all: Totals, topic: &KafkaTopic, found: &mut Found<'_>) {
    all.add(topic.spec.partitions);
    let (namespace, mut over) = (found.asked.namespace, Vec::new());
    let mut compare = |most: Option<i64>, are: i64, path, what: &str| {
        if let Some(most) = most.filter(|most| are > *most) {
            let message = format!(
                "namespace {namespace:?} would have {are} {what} and may have {most}: delete some, or ask for more"
            );
            over.push((path, message));
        }
    };
    compare(most.topics, all.topics, "metadata.namespace", "topics");
    compare(
        most.partitions,
        all.partitions,
        "spec.partitions",
        "partitions",
    );
    for (path, message) in over {
        found.add("topics.perNamespace", path, message);
    }
}
