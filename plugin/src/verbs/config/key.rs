//! A key as it is reported: for programs field by field, for people in words.

use sdm_api::config_keys;
use sdm_core::config_catalog::{Default, Key, Kind, Line, Scope, Update, Valid};
use sdm_core::topic;
use sdm_core::validate::reserved_because;
use serde::Serialize;
use serde_json::Number;

use super::docs;

/// A key, of kind `ConfigKeyList`.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    /// Its name, as it was asked for.
    pub(super) name: String,
    /// `broker` or `topic`.
    pub(super) scope: &'static str,
    /// The listener it is meant for alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) listener: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// Whether it has no default, and must be set.
    pub(super) required: bool,
    pub(super) default: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<Number>,
    /// A number that is taken beside the range.
    #[serde(skip_serializing_if = "Option::is_none")]
    also: Option<i64>,
    /// All the words that are taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<&'static str>,
    pub(super) importance: &'static str,
    /// As Kafka's documentation calls it.
    pub(super) update: &'static str,
    /// Whether a change takes effect without a restart.
    pub(super) live: bool,
    internal: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deprecated: Option<&'static str>,
    /// Of topics: the brokers' key that gives the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broker_key: Option<&'static str>,
    /// Why the operator sets it itself, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reserved: Option<&'static str>,
    /// The versions of Kafka that have it.
    pub(super) versions: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) documentation: Option<&'static str>,
    #[serde(skip)]
    pub(super) key: Key,
}

impl Shown {
    pub(super) fn new(line: Line, scope: Scope, key: Key) -> Self {
        let (min, max, also) = match key.valid {
            Valid::Range { min, max, also } => (min, max, also),
            _ => (None, None, None),
        };
        let words = match key.valid {
            Valid::One { words, .. } | Valid::List { words, .. } => words,
            _ => "",
        };
        let has = |line: &Line| line.key(scope, key.name).is_some();
        Self {
            name: key.name.to_owned(),
            scope: match scope {
                Scope::Broker => "broker",
                Scope::Topic => "topic",
            },
            listener: None,
            kind: key.kind.as_str(),
            required: key.default == Default::Required,
            default: match key.default {
                Default::Value(value) => Some(value),
                Default::Null | Default::Required => None,
            },
            min: min.and_then(number),
            max: max.and_then(number),
            also,
            values: words.split(',').filter(|word| !word.is_empty()).collect(),
            importance: key.importance,
            update: key.update.as_str(),
            live: key.update.is_live(),
            internal: key.internal,
            deprecated: key.deprecated,
            broker_key: key.broker_key,
            reserved: match scope {
                Scope::Broker => {
                    config_keys::is_reserved(key.name).then(|| reserved_because(key.name))
                }
                Scope::Topic => topic::RESERVED
                    .contains(&key.name)
                    .then_some("it says which replicas move"),
            },
            versions: Line::ALL
                .iter()
                .filter(|line| has(line))
                .map(|line| line.name())
                .collect(),
            documentation: docs::of(line, scope, key.name),
            key,
        }
    }

    /// What may stand there.
    pub(super) fn values(&self) -> String {
        let what = match self.key.kind {
            Kind::Boolean => return "true or false".to_owned(),
            Kind::Short | Kind::Int | Kind::Long => "a whole number",
            Kind::Double => "a number",
            Kind::List => "a list with commas between",
            Kind::Class => "the name of a Java class",
            Kind::String => "a text",
            Kind::Password => "a secret",
        };
        match self.key.valid {
            Valid::Any => what.to_owned(),
            Valid::NotEmpty => format!("{what} that is not empty"),
            Valid::Range { min, max, also } => {
                let also = also.map(|n| format!(", or {n}")).unwrap_or_default();
                match (min, max) {
                    (Some(min), Some(max)) => format!("{what} from {min} to {max}{also}"),
                    (Some(min), None) => format!("{what} of at least {min}{also}"),
                    (None, Some(max)) => format!("{what} of at most {max}{also}"),
                    (None, None) => what.to_owned(),
                }
            }
            Valid::One { any_case, .. } => {
                let case = if any_case { ", in any case" } else { "" };
                format!("one of {}{case}", self.values.join(", "))
            }
            Valid::List { empty, .. } => {
                let of = match self.values.as_slice() {
                    [] => String::new(),
                    values => format!(": of {}", values.join(", ")),
                };
                let least = if empty { "" } else { ", of one at least" };
                format!("{what}{of}, each at most once{least}")
            }
        }
    }

    /// What it is if nobody sets it.
    pub(super) fn default_in_words(&self) -> String {
        match self.key.default {
            Default::Required => "none: it must be set".to_owned(),
            Default::Null => "none".to_owned(),
            Default::Value("") => "empty".to_owned(),
            Default::Value(value) => value.to_owned(),
        }
    }

    /// What a change takes.
    pub(super) const fn change(&self) -> &'static str {
        match self.key.update {
            Update::ReadOnly => "with a restart of each node (read-only)",
            Update::PerBroker => "while brokers run, one by one (per-broker)",
            Update::ClusterWide => "while brokers run, for all of them at once (cluster-wide)",
            Update::LiveOnly => "while brokers run, and never in their files",
            Update::Topic => "at once, topic by topic",
        }
    }
}

/// A bound, without a fraction where it has none.
#[allow(clippy::cast_possible_truncation)]
fn number(bound: f64) -> Option<Number> {
    if bound.fract() == 0.0 {
        Some(Number::from(bound as i64))
    } else {
        Number::from_f64(bound)
    }
}
