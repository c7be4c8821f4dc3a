//! What there is to say of a key and a value that somebody wants: whether it can be, and whether it is wise.

use super::judge::flag;
use super::{Found, Key, Line, Scope, Update, look_up, newest, problem};

/// What is said of a key and its value, each a sentence, as violations and warnings have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opinion {
    /// Why it cannot be.
    pub wrong: Option<String>,
    /// What is legal and unwise.
    pub unwise: Vec<String>,
}

/// What hurts sooner or later: the key, the value that does, and how.
const UNWISE: [(&str, bool, &str); 7] = [
    (
        "auto.create.topics.enable",
        true,
        "a typing error of any client makes a topic that no KafkaTopic declares",
    ),
    (
        "controlled.shutdown.enable",
        false,
        "a broker that stops does not hand over first: its partitions have no leader until that is noticed",
    ),
    (
        "delete.topic.enable",
        false,
        "no topic can be deleted, and a deleted KafkaTopic would wait for ever",
    ),
    (
        "log.cleaner.enable",
        false,
        "compacted topics grow without end, those of consumers' offsets and transactions among them",
    ),
    (
        "unclean.leader.election.enable",
        true,
        "a replica that lags may become leader, and records that were acknowledged are lost",
    ),
    (
        "unstable.api.versions.enable",
        true,
        "what is not released yet may be another thing in the next version",
    ),
    (
        "unstable.feature.versions.enable",
        true,
        "what is not released yet may make the next version impossible to upgrade to",
    ),
];

/// What Kafka of `line` would do with a key and its value; of no line in particular, if the cluster is not known.
#[must_use]
pub fn opinion(line: Option<Line>, scope: Scope, name: &str, value: &str) -> Opinion {
    let (line, any) = (line.unwrap_or(Line::NEWEST), line.is_none());
    let kafka = line.name();
    let wrong = |wrong: String| Opinion {
        wrong: Some(wrong),
        unwise: Vec::new(),
    };
    match look_up(line, scope, name) {
        Found::Known(key) => {
            let mut said = of_key(&key, scope, value);
            let lacks = |line: &Line| line.key(scope, name).is_none();
            if any && let Some(without) = Line::ALL.iter().find(|line| lacks(line)) {
                let without = without.name();
                said.unwise.push(format!(
                    "Kafka {without} does not have it, where it is refused"
                ));
            }
            said
        }
        Found::OfListener { key, .. } => of_key(&key, scope, value),
        Found::PassedOn => Opinion::default(),
        Found::Removed(gone) => wrong(format!("{name} is gone: {}", gone.instead)),
        Found::OfLine(other) if any => {
            let mut said =
                newest(scope, name).map_or_else(Opinion::default, |key| of_key(&key, scope, value));
            said.unwise.push(format!(
                "only Kafka {} has it, it is refused elsewhere",
                other.name()
            ));
            said
        }
        Found::OfLine(other) if other > line => wrong(format!(
            "Kafka {kafka} does not have {name}, which comes with {}: remove it until then",
            other.name()
        )),
        Found::OfLine(other) => wrong(format!(
            "Kafka {kafka} does not have {name}, which was in {}: remove it",
            other.name()
        )),
        Found::OfScope { here, .. } => wrong(elsewhere(scope, name, here)),
        Found::Misspelt(meant) => {
            let whose = match scope {
                Scope::Broker => format!("Kafka {kafka}"),
                Scope::Topic => "topics".to_owned(),
            };
            wrong(format!(
                "{name} is no configuration of {whose}; did you mean {meant}?"
            ))
        }
        Found::Unknown if scope == Scope::Topic => wrong(format!(
            "{name} is no configuration of topics: see `kubectl kafka config list --topic` for those there are"
        )),
        // Brokers hand their whole configuration to every plug-in: authorizers, reporters, policies.
        Found::Unknown => Opinion {
            wrong: None,
            unwise: vec![format!(
                "Kafka {kafka} has no such key: it has no effect unless a plug-in in the image reads it"
            )],
        },
    }
}

fn elsewhere(scope: Scope, name: &str, here: Option<&str>) -> String {
    match (scope, here) {
        (Scope::Broker, Some(here)) => {
            format!("{name} is a configuration of topics; for all of them, set {here}")
        }
        (Scope::Broker, None) => {
            format!("{name} is a configuration of topics: set it in a KafkaTopic")
        }
        (Scope::Topic, Some(here)) => {
            format!("{name} is no configuration of topics; did you mean {here}?")
        }
        (Scope::Topic, None) => {
            format!(
                "{name} is no configuration of topics but one of brokers: remove it, or set it in the KafkaCluster"
            )
        }
    }
}

fn of_key(key: &Key, scope: Scope, value: &str) -> Opinion {
    if key.update == Update::LiveOnly {
        return Opinion {
            wrong: Some(format!(
                "{} has no effect here: brokers take it only while they run; remove it, and set it with kafka-configs.sh",
                key.name
            )),
            unwise: Vec::new(),
        };
    }
    // What a provider gives in its place cannot be judged.
    let indirect = scope == Scope::Broker && value.contains("${") && value.contains('}');
    let mut said = Opinion {
        wrong: if indirect { None } else { problem(key, value) },
        unwise: Vec::new(),
    };
    if let Some(sentence) = key.deprecated {
        let sentence = sentence.trim_end_matches('.');
        said.unwise.push(format!("Kafka says: {sentence}"));
    }
    if key.internal {
        said.unwise.push(
            "Kafka does not document it: any version may do something else with it".to_owned(),
        );
    }
    let value = flag(value.trim());
    said.unwise.extend(
        UNWISE
            .iter()
            .filter(|(name, hurts, _)| *name == key.name && value == Some(*hurts))
            .map(|(_, _, how)| (*how).to_owned()),
    );
    said
}
