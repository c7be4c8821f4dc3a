//! What a key is: known, one listener's, passed on to a plug-in, gone, of another version, misspelt, or unknown.

use super::{Key, Line, Scope, newest, removed};

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'a> {
    /// Kafka has it.
    Known(Key),
    /// Kafka has it, and here it is meant for one listener alone, and there perhaps for one SASL mechanism.
    OfListener {
        /// What it is without the listener.
        key: Key,
        /// The listener, as it is written here: in lower case.
        listener: &'a str,
        /// The mechanism, or what stands in its place.
        mechanism: Option<&'a str>,
    },
    /// Kafka reads it for somebody else, and has no opinion on it.
    PassedOn,
    /// Older versions had it.
    Removed(Removed),
    /// Only other lines have it: the oldest of those that do.
    OfLine(Line),
    /// Kafka has it, but not there: a key of topics among those of brokers, or the other way round.
    OfScope {
        /// Where it belongs.
        scope: Scope,
        /// What the same is called here, if it is called anything.
        here: Option<&'static str>,
    },
    /// It is most likely this one.
    Misspelt(&'static str),
    /// Nobody knows it. Of topics it is refused by Kafka; of brokers it is offered to every plug-in, and lost without one.
    Unknown,
}

/// A key that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What there is instead, as the end of a sentence.
    pub instead: &'static str,
}

/// Beginnings of what Kafka gives to somebody else: sources of values, and tiered storage's two managers (by their
/// default prefixes).
const PASSED_ON: [&str; 4] = [
    "config.providers.",
    "metrics.jmx.",
    "rlmm.config.",
    "rsm.config.",
];

const LISTENER: &str = "listener.name.";

/// What `name` is to Kafka of that line.
#[must_use]
pub fn look_up(line: Line, scope: Scope, name: &str) -> Found<'_> {
    if let Some(key) = line.key(scope, name) {
        return Found::Known(key);
    }
    let brokers = scope == Scope::Broker;
    if brokers && let Some(found) = of_listener(line, name) {
        return found;
    }
    if brokers && PASSED_ON.iter().any(|prefix| name.starts_with(prefix)) {
        return Found::PassedOn;
    }
    if let Some(instead) = gone(scope, name) {
        return Found::Removed(Removed { instead });
    }
    let mut lines = Line::ALL.into_iter();
    if let Some(other) = lines.find(|other| other.key(scope, name).is_some()) {
        return Found::OfLine(other);
    }
    if let Some(found) = of_scope(line, scope, name) {
        return found;
    }
    misspelt(line, scope, name).map_or(Found::Unknown, Found::Misspelt)
}

/// `AbstractConfig.valuesWithPrefixOverride`: the key after the listener's name, or after one more word.
fn of_listener(line: Line, name: &str) -> Option<Found<'_>> {
    let (listener, rest) = name.strip_prefix(LISTENER)?.split_once('.')?;
    let known = |name| line.key(Scope::Broker, name);
    if let Some(key) = known(rest) {
        return Some(Found::OfListener {
            key,
            listener,
            mechanism: None,
        });
    }
    let (mechanism, rest) = rest.split_once('.')?;
    Some(Found::OfListener {
        key: known(rest)?,
        listener,
        mechanism: Some(mechanism),
    })
}

fn gone(scope: Scope, name: &str) -> Option<&'static str> {
    let names: &[(&str, &str)] = match scope {
        Scope::Broker => &removed::BROKERS,
        Scope::Topic => &removed::TOPICS,
    };
    let exact = names.iter().find(|(gone, _)| *gone == name);
    let brokers = scope == Scope::Broker;
    let begun = || {
        let mut beginnings = removed::BEGINNINGS.iter().filter(|_| brokers);
        beginnings.find(|(begin, _)| name.starts_with(begin))
    };
    exact.or_else(begun).map(|(_, instead)| *instead)
}

/// A key of the other scope, and its name in this one.
fn of_scope(line: Line, scope: Scope, name: &str) -> Option<Found<'static>> {
    let (other, here) = match scope {
        Scope::Broker => (Scope::Topic, newest(Scope::Topic, name)?.broker_key),
        Scope::Topic => {
            newest(Scope::Broker, name)?;
            let mut topics = line.keys(Scope::Topic);
            let same = topics.find(|key| key.broker_key == Some(name));
            (Scope::Broker, same.map(|key| key.name))
        }
    };
    Some(Found::OfScope { scope: other, here })
}

/// A key that is spelled alike. What may be a plug-in's must come very close to be held for a mistake: to a topic, where
/// there are no plug-ins, less is close enough.
fn misspelt(line: Line, scope: Scope, name: &str) -> Option<&'static str> {
    // Compared as they are read: there may be thousands of names, and each is compared with every key.
    let bare = |text: &'static str| {
        let letters = text.bytes().filter(u8::is_ascii_alphanumeric);
        letters.map(|b| b.to_ascii_lowercase())
    };
    // `num_partitions`, `NUM-PARTITIONS`, `numPartitions`, and as images of Kafka read it from their environment.
    let letters = name.bytes().filter(u8::is_ascii_alphanumeric);
    let letters: Vec<u8> = letters.map(|b| b.to_ascii_lowercase()).collect();
    let letters = letters.strip_prefix(b"kafka").unwrap_or(&letters);
    let public = || line.keys(scope).filter(|key| !key.internal);
    if let Some(key) = public().find(|key| bare(key.name).eq(letters.iter().copied())) {
        return Some(key.name);
    }
    let most = |key: &str| match scope {
        Scope::Broker => (key.len() / 6).min(3),
        Scope::Topic => key.len() / 4,
    };
    // Names of very different length are far apart: no need to look closer, and a name may be long.
    let near = |key: &&Key| key.name.len().abs_diff(name.len()) <= most(key.name);
    public()
        .filter(|key| near(&key))
        .map(|key| (strsim::damerau_levenshtein(name, key.name), key.name))
        .min()
        .filter(|(distance, key)| *distance <= most(key))
        .map(|(_, key)| key)
}
