//! The configuration of topics in Kafka 4.3, as `org.apache.kafka.storage.internals.log.LogConfig` defines it: which
//! keys there are, and what may stand there. `LogConfig.main` prints it.

use std::collections::BTreeSet;

/// What may stand in a configuration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// A whole number in a range, or one number beside it.
    Number(i64, i64, Option<i64>),
    /// A number from 0 to 1.
    Ratio,
    /// `true` or `false`.
    Flag,
    /// Some of these words, separated by commas.
    Words(&'static [&'static str]),
    /// One of these words.
    Word(&'static [&'static str]),
}

use Kind::{Flag, Number, Ratio, Word, Words};

const INT: i64 = i32::MAX as i64;
const LONG: i64 = i64::MAX;

/// The key on topics, the key that gives brokers' default where it is another one, and what may stand there.
#[rustfmt::skip]
pub(super) const KEYS: [(&str, &str, Kind); 31] = [
    ("cleanup.policy", "log.cleanup.policy", Words(&["compact", "delete"])),
    ("compression.gzip.level", "", Number(1, 9, Some(-1))),
    ("compression.lz4.level", "", Number(1, 17, None)),
    ("compression.type", "", Word(&["producer", "uncompressed", "gzip", "lz4", "snappy", "zstd"])),
    ("compression.zstd.level", "", Number(-131_072, 22, None)),
    ("delete.retention.ms", "log.cleaner.delete.retention.ms", Number(0, LONG, None)),
    ("file.delete.delay.ms", "log.segment.delete.delay.ms", Number(0, LONG, None)),
    ("flush.messages", "log.flush.interval.messages", Number(1, LONG, None)),
    ("flush.ms", "log.flush.interval.ms", Number(0, LONG, None)),
    ("index.interval.bytes", "log.index.interval.bytes", Number(0, INT, None)),
    ("local.retention.bytes", "log.local.retention.bytes", Number(-2, LONG, None)),
    ("local.retention.ms", "log.local.retention.ms", Number(-2, LONG, None)),
    ("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", Number(1, LONG, None)),
    ("max.message.bytes", "message.max.bytes", Number(0, INT, None)),
    ("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms", Number(0, LONG, None)),
    ("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms", Number(0, LONG, None)),
    ("message.timestamp.type", "log.message.timestamp.type", Word(&["CreateTime", "LogAppendTime"])),
    ("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio", Ratio),
    ("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms", Number(0, LONG, None)),
    (MIN_ISR, "", Number(1, INT, None)),
    ("preallocate", "log.preallocate", Flag),
    ("remote.log.copy.disable", "", Flag),
    ("remote.log.delete.on.disable", "", Flag),
    ("remote.storage.enable", "", Flag),
    ("retention.bytes", "log.retention.bytes", Number(i64::MIN, LONG, None)),
    ("retention.ms", "log.retention.ms", Number(-1, LONG, None)),
    ("segment.bytes", "log.segment.bytes", Number(1_048_576, INT, None)),
    ("segment.index.bytes", "log.index.size.max.bytes", Number(4, INT, None)),
    ("segment.jitter.ms", "log.roll.jitter.ms", Number(0, LONG, None)),
    ("segment.ms", "log.roll.ms", Number(1, LONG, None)),
    ("unclean.leader.election.enable", "", Flag),
];

/// How many replicas must confirm a write.
pub(super) const MIN_ISR: &str = "min.insync.replicas";
/// Keys that the operator sets itself while it moves replicas.
pub(super) const RESERVED: [&str; 2] = [
    "follower.replication.throttled.replicas",
    "leader.replication.throttled.replicas",
];
/// Keys that Kafka 4 does not have any more, and what to do instead.
pub(super) const REMOVED: [(&str, &str); 3] = [
    (
        "message.downconversion.enable",
        "Kafka 4 converts for no client: remove it",
    ),
    (
        "message.format.version",
        "Kafka 4 has one format of records: remove it",
    ),
    (
        "message.timestamp.difference.max.ms",
        "Kafka 4 has message.timestamp.before.max.ms and message.timestamp.after.max.ms instead",
    ),
];

/// What may stand in `key`, if there is such a key.
pub(super) fn kind(key: &str) -> Option<Kind> {
    let found = KEYS.iter().find(|(name, ..)| *name == key);
    found.map(|(_, _, kind)| *kind)
}

/// The key that was probably meant: the one that brokers call so, or one that is spelled alike.
pub(super) fn meant(key: &str) -> Option<&'static str> {
    let broker = KEYS.iter().find(|(_, broker, _)| *broker == key);
    let close = || {
        KEYS.iter()
            .map(|(name, ..)| (strsim::damerau_levenshtein(key, name), *name))
            .min()
            .filter(|(distance, name)| *distance <= name.len() / 4)
    };
    match broker {
        Some((name, ..)) => Some(name),
        None => close().map(|(_, name)| name),
    }
}

/// What is wrong with a value.
pub(super) fn problem(key: &str, kind: Kind, value: &str) -> Option<String> {
    let wrong = match kind {
        Number(low, high, also) => {
            let fits = |n: i64| (low..=high).contains(&n) || also == Some(n);
            let fit = value.trim().parse().is_ok_and(fits);
            (!fit).then(|| range(key, low, high, also))
        }
        Ratio => match value.trim().parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => None,
            _ => Some("no number from 0 to 1".to_owned()),
        },
        Flag => flag(value)
            .is_none()
            .then(|| "neither true nor false".to_owned()),
        Word(words) => {
            (!words.contains(&value.trim())).then(|| format!("none of {}", words.join(", ")))
        }
        Words(words) => {
            let mut seen = BTreeSet::new();
            let fit = list(value).all(|word| words.contains(&word) && seen.insert(word));
            (!fit).then(|| format!("no list of {}, each at most once", words.join(", ")))
        }
    };
    wrong.map(|wrong| format!("{value:?} is {wrong}"))
}

fn range(key: &str, low: i64, high: i64, also: Option<i64>) -> String {
    let range = match (low, high) {
        (i64::MIN, LONG) => String::new(),
        (low, LONG) => format!(" of at least {low}"),
        (low, high) => format!(" from {low} to {high}"),
    };
    let also = also.map(|n| format!(", or {n}")).unwrap_or_default();
    let unit = match key.rsplit('.').next() {
        Some("ms") => " (milliseconds)",
        Some("bytes") => " (bytes)",
        _ => "",
    };
    format!("no whole number{range}{also}{unit}")
}

/// Whether two values mean the same.
pub(super) fn same(key: &str, one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    match kind(key) {
        Some(Number(..)) => equal(one.parse::<i64>(), other.parse()),
        Some(Ratio) => equal(one.parse::<f64>(), other.parse()),
        Some(Flag) => flag(one).is_some() && flag(one) == flag(other),
        Some(Words(_)) => sorted(one) == sorted(other),
        Some(Word(_)) => false,
        // A key that this table does not know: of another version of Kafka.
        None => {
            equal(one.parse::<f64>(), other.parse())
                || (flag(one).is_some() && flag(one) == flag(other))
                || list(one).eq(list(other))
        }
    }
}

fn equal<T: PartialEq, E>(one: Result<T, E>, other: Result<T, E>) -> bool {
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

fn flag(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn sorted(value: &str) -> BTreeSet<&str> {
    list(value).collect()
}
