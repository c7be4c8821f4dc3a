//! What is wrong with a policy itself, said when it is written: a limit that nothing can keep, a rule that does not
//! compile or can only fail, a default that the policy's own limits forbid.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sdm_api::KafkaPolicy;
use sdm_api::policy::{
    ConfigBound, DurationRange, IntRange, KafkaPolicySpec, PolicyKind, QuantityRange,
};
use serde_json::{Value, json};

use super::cel::{self, Wanted};
use super::compile::Compiled;
use super::limits::range;
use super::subject::{Asked, Totals};
use crate::quantity;
use crate::user::parse_duration;
use crate::violation::Review;

/// The limits, as exceptions name them.
const LIMITS: [&str; 28] = [
    "brokers.versions",
    "brokers.images",
    "brokers.forbiddenConfig",
    "brokers.config",
    "brokers.requireTls",
    "brokers.cpu",
    "brokers.memory",
    "brokers.volumeSize",
    "brokers.storageClasses",
    "brokers.minBrokers",
    "topics.names",
    "topics.partitions",
    "topics.replicas",
    "topics.retention",
    "topics.forbiddenConfig",
    "topics.config",
    "topics.perNamespace",
    "users.mechanisms",
    "users.quotas",
    "users.certificateValidity",
    "acls.forbidWildcards",
    "acls.forbiddenOperations",
    "acls.hosts",
    "acls.principals",
    "injection.clusters",
    "injection.forbiddenServiceAccounts",
    "injection.lifetime",
    "injection.forbidSecrets",
];

/// What the definition lets be: rules, exceptions, and what one of those excepts from.
const MOST: (usize, usize, usize) = (32, 64, 32);

/// What there is to say about `new`. What was there before makes no difference.
#[must_use]
pub fn validate(new: &KafkaPolicy, _old: Option<&KafkaPolicy>) -> Review {
    let mut review = Review::default();
    let spec = &new.spec;
    too_many(spec, &mut review);
    // To compile thousands takes seconds, and API servers let nobody have them.
    if !review.violations.is_empty() {
        return review;
    }
    parts(spec, &mut review);
    ranges(spec, &mut review);
    rules(spec, &mut review);
    exceptions(spec, &mut review);
    if review.violations.is_empty() {
        own_defaults(new, &mut review);
    }
    review
}

fn too_many(spec: &KafkaPolicySpec, review: &mut Review) {
    let excepted = spec.exceptions.iter().map(|e| e.rules.len()).max();
    for (path, what, count, most) in [
        ("spec.cel", "rules", spec.cel.len(), MOST.0),
        (
            "spec.exceptions",
            "exceptions",
            spec.exceptions.len(),
            MOST.1,
        ),
        (
            "spec.exceptions",
            "rules in one exception",
            excepted.unwrap_or_default(),
            MOST.2,
        ),
    ] {
        if count > most {
            review.invalid(
                path,
                format!("{count} {what} are too many: use at most {most}"),
            );
        }
    }
}

/// The kinds that a policy speaks of.
fn kinds(spec: &KafkaPolicySpec) -> Vec<PolicyKind> {
    if spec.match_.kinds.is_empty() {
        PolicyKind::ALL.to_vec()
    } else {
        spec.match_.kinds.clone()
    }
}

/// Parts that speak of kinds which the policy does not.
fn parts(spec: &KafkaPolicySpec, review: &mut Review) {
    let kinds = kinds(spec);
    let defaults = spec.defaults.as_ref();
    use PolicyKind::{KafkaACL, KafkaCluster, KafkaRole, KafkaTopic, KafkaUser};
    let parts: [(&str, bool, &[PolicyKind]); 7] = [
        ("spec.brokers", spec.brokers.is_some(), &[KafkaCluster]),
        ("spec.topics", spec.topics.is_some(), &[KafkaTopic]),
        ("spec.users", spec.users.is_some(), &[KafkaUser]),
        ("spec.acls", spec.acls.is_some(), &[KafkaACL, KafkaRole]),
        (
            "spec.defaults.brokers",
            defaults.is_some_and(|d| d.brokers.is_some()),
            &[KafkaCluster],
        ),
        (
            "spec.defaults.topics",
            defaults.is_some_and(|d| d.topics.is_some()),
            &[KafkaTopic],
        ),
        (
            "spec.defaults.users",
            defaults.is_some_and(|d| d.users.is_some()),
            &[KafkaUser],
        ),
    ];
    for (path, given, of) in parts {
        if given && !of.iter().any(|kind| kinds.contains(kind)) {
            let names: Vec<&str> = of.iter().map(|k| k.as_str()).collect();
            review.invalid(
                path,
                format!(
                    "it would never be asked: spec.match.kinds leaves out {}",
                    names.join(" and ")
                ),
            );
        }
    }
    let limits = spec.brokers.is_some()
        || spec.topics.is_some()
        || spec.users.is_some()
        || spec.acls.is_some()
        || spec.injection.is_some();
    if !limits && defaults.is_none() && spec.cel.is_empty() {
        review.warn(
            "spec",
            "the policy says nothing: give limits, defaults or cel rules",
        );
    }
    if spec.enforcement == sdm_api::Enforcement::Audit && defaults.is_some() {
        review.warn(
            "spec.defaults",
            "with enforcement: Audit nothing is filled in",
        );
    }
}

fn ranges(spec: &KafkaPolicySpec, review: &mut Review) {
    if let Some(brokers) = &spec.brokers {
        quantities("spec.brokers.cpu", brokers.cpu.as_ref(), review);
        quantities("spec.brokers.memory", brokers.memory.as_ref(), review);
        quantities(
            "spec.brokers.volumeSize",
            brokers.volume_size.as_ref(),
            review,
        );
        settings(
            "spec.brokers.config",
            &brokers.config,
            &brokers.forbidden_config,
            review,
        );
    }
    if let Some(topics) = &spec.topics {
        numbers("spec.topics.partitions", topics.partitions.as_ref(), review);
        numbers("spec.topics.replicas", topics.replicas.as_ref(), review);
        durations("spec.topics.retention", topics.retention.as_ref(), review);
        settings(
            "spec.topics.config",
            &topics.config,
            &topics.forbidden_config,
            review,
        );
    }
    if let Some(users) = &spec.users {
        durations(
            "spec.users.certificateValidity",
            users.certificate_validity.as_ref(),
            review,
        );
    }
    if let Some(injection) = &spec.injection {
        let lifetime = injection.lifetime.as_ref();
        durations("spec.injection.lifetime", lifetime, review);
    }
    for (i, host) in spec.acls.iter().flat_map(|a| a.hosts.iter().enumerate()) {
        if range(host).is_none() {
            review.invalid(
                format!("spec.acls.hosts[{i}]"),
                format!("{host:?} is no address and no range: write 10.1.2.3 or 10.0.0.0/8"),
            );
        }
    }
}

fn nothing_between(path: &str, min: &str, max: &str, review: &mut Review) {
    review.invalid(path, format!("nothing is at least {min} and at most {max}"));
}

fn numbers(path: &str, range: Option<&IntRange>, review: &mut Review) {
    if let Some(IntRange {
        min: Some(min),
        max: Some(max),
    }) = range
        && min > max
    {
        nothing_between(path, &min.to_string(), &max.to_string(), review);
    }
}

fn quantities(path: &str, range: Option<&QuantityRange>, review: &mut Review) {
    let Some(QuantityRange { min, max }) = range else {
        return;
    };
    let mut read = |name: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let value = quantity::nanos(text);
        if value.is_none() {
            let path = format!("{path}.{name}");
            review.invalid(
                path,
                format!("{text:?} is no quantity: write 500m, 2 or 8Gi"),
            );
        }
        value
    };
    if let (Some(low), Some(high)) = (read("min", min), read("max", max))
        && low > high
    {
        let named = |text: &Option<String>| text.clone().unwrap_or_default();
        nothing_between(path, &named(min), &named(max), review);
    }
}

fn durations(path: &str, range: Option<&DurationRange>, review: &mut Review) {
    let Some(DurationRange { min, max }) = range else {
        return;
    };
    let mut read = |name: &str, text: &Option<String>| match parse_duration(text.as_deref()?) {
        Ok(seconds) => Some(seconds),
        Err(why) => {
            review.invalid(format!("{path}.{name}"), why);
            None
        }
    };
    if let (Some(low), Some(high)) = (read("min", min), read("max", max))
        && low > high
    {
        let named = |text: &Option<String>| text.clone().unwrap_or_default();
        nothing_between(path, &named(min), &named(max), review);
    }
}

fn settings(
    path: &str,
    bounds: &BTreeMap<String, ConfigBound>,
    forbidden: &[String],
    review: &mut Review,
) {
    for (key, bound) in bounds {
        let path = format!("{path}[{key}]");
        if bound == &ConfigBound::default() {
            review.invalid(
                path.as_str(),
                "it bounds nothing: give min, max, oneOf or required",
            );
        }
        let range = IntRange {
            min: bound.min,
            max: bound.max,
        };
        numbers(&path, Some(&range), review);
        if bound.required && forbidden.iter().any(|p| super::glob::matches(p, key)) {
            review.invalid(path, format!("{key} is required and forbidden at once"));
        }
    }
}

fn rules(spec: &KafkaPolicySpec, review: &mut Review) {
    let kinds = kinds(spec);
    let mut names = BTreeSet::new();
    for rule in &spec.cel {
        let path = format!("spec.cel[{}]", rule.name);
        if !names.insert(&rule.name) {
            review.invalid(path.as_str(), "another rule has this name already");
        }
        for error in cel::check(&rule.rule, &kinds, Wanted::Truth) {
            review.invalid(format!("{path}.rule"), error.to_string());
        }
        if let Some(message) = &rule.message_expression {
            for error in cel::check(message, &kinds, Wanted::Text) {
                review.invalid(format!("{path}.messageExpression"), error.to_string());
            }
        }
    }
}

fn exceptions(spec: &KafkaPolicySpec, review: &mut Review) {
    for (i, exception) in spec.exceptions.iter().enumerate() {
        for rule in &exception.rules {
            let known = LIMITS.contains(&rule.as_str())
                || spec
                    .cel
                    .iter()
                    .any(|r| rule.strip_prefix("cel/") == Some(&r.name));
            if !known {
                let limits = LIMITS.iter().map(|l| (*l).to_owned());
                let ours = spec.cel.iter().map(|r| format!("cel/{}", r.name));
                let near = limits
                    .chain(ours)
                    .max_by(|a, b| strsim::jaro(a, rule).total_cmp(&strsim::jaro(b, rule)));
                review.invalid(
                    format!("spec.exceptions[{i}].rules"),
                    format!(
                        "{rule:?} is no part of the policy; did you mean {}?",
                        near.unwrap_or_default()
                    ),
                );
            }
        }
    }
}

/// An object that says nothing but what the policy fills in must keep the policy's own limits.
fn own_defaults(policy: &KafkaPolicy, review: &mut Review) {
    let Some(defaults) = &policy.spec.defaults else {
        return;
    };
    // Only the limits: rules and other conditions may speak of what an object does say.
    let alone = KafkaPolicy::new(
        "",
        KafkaPolicySpec {
            brokers: policy.spec.brokers.clone(),
            topics: policy.spec.topics.clone(),
            users: policy.spec.users.clone(),
            ..KafkaPolicySpec::default()
        },
    );
    let limits = Compiled::new([&alone]);
    let reference = json!({"name": "any"});
    let objects = [
        (
            PolicyKind::KafkaTopic,
            serde_json::to_value(&defaults.topics),
            "topics",
        ),
        (
            PolicyKind::KafkaUser,
            serde_json::to_value(&defaults.users),
            "users",
        ),
        (
            PolicyKind::KafkaCluster,
            serde_json::to_value(&defaults.brokers),
            "brokers",
        ),
    ];
    for (kind, spec, part) in objects {
        let Ok(Value::Object(mut spec)) = spec else {
            continue;
        };
        let given: BTreeSet<String> = leaves(&spec);
        match kind {
            PolicyKind::KafkaCluster => {
                let pool = json!({"name": "p", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}});
                spec.insert("pools".to_owned(), json!([pool]));
            }
            _ => {
                spec.insert("clusterRef".to_owned(), reference.clone());
            }
        }
        let object = json!({"apiVersion": "kafka.sdm.dev/v1beta1", "kind": kind.as_str(), "metadata": {"name": "any"}, "spec": spec});
        let asked = Asked {
            kind,
            namespace: "any",
            name: "any",
            object: &object,
            old: None,
            request: None,
            namespace_object: None,
            cluster: None,
            others: Some(Totals::default()),
            now: &Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        };
        for finding in limits.judge(&asked).0 {
            // What is filled in is at fault only where it is what is found.
            if let Some(place) = finding.path.strip_prefix("spec.")
                && given.contains(place)
            {
                review.invalid(
                    format!("spec.defaults.{part}.{place}"),
                    format!("the policy itself forbids it: {}", finding.message),
                );
            }
        }
    }
}

/// The places in a spec that say something, as findings name them.
fn leaves(spec: &serde_json::Map<String, Value>) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for (name, value) in spec {
        match value {
            Value::Object(inner) => {
                for key in inner.keys() {
                    places.insert(if name == "config" {
                        format!("config[{key}]")
                    } else {
                        format!("{name}.{key}")
                    });
                }
            }
            _ => {
                places.insert(name.clone());
            }
        }
    }
    places
}
