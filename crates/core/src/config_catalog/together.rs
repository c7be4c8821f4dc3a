//! What keeps a broker from starting although each value is fine: numbers that do not go together, and some that Kafka's
//! own definition lets through (`KafkaConfig.validateValues`, `GroupCoordinatorConfig.validate`, `ShareGroupConfig`).
//!
//! A broker that does not start stops a rolling change at the first node.

use std::collections::BTreeMap;

use super::{Default, Line, Scope, problem};

/// Why no broker would start with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// A key that stands in the configuration and is part of it.
    pub key: String,
    /// What does not go together, and what to do.
    pub message: String,
}

/// Numbers with bounds that are configuration, too: `group.A.B` is between `group.A.min.B` and `group.A.max.B`.
const BOUNDED: [(&str, &str); 12] = [
    ("consumer", "assignment.interval.ms"),
    ("consumer", "heartbeat.interval.ms"),
    ("consumer", "session.timeout.ms"),
    ("share", "assignment.interval.ms"),
    ("share", "delivery.count.limit"),
    ("share", "heartbeat.interval.ms"),
    ("share", "partition.max.record.locks"),
    ("share", "record.lock.duration.ms"),
    ("share", "session.timeout.ms"),
    ("streams", "assignment.interval.ms"),
    ("streams", "heartbeat.interval.ms"),
    ("streams", "session.timeout.ms"),
];

/// The first is less than the second, or may also be as much.
const ORDERED: [(&str, bool, &str); 8] = [
    (
        "connection.failed.authentication.delay.ms",
        false,
        "connections.max.idle.ms",
    ),
    (
        "group.consumer.heartbeat.interval.ms",
        false,
        "group.consumer.session.timeout.ms",
    ),
    (
        "group.share.heartbeat.interval.ms",
        false,
        "group.share.session.timeout.ms",
    ),
    (
        "group.share.max.size",
        true,
        "group.share.max.share.sessions",
    ),
    (
        "group.streams.heartbeat.interval.ms",
        false,
        "group.streams.session.timeout.ms",
    ),
    (
        "group.streams.num.standby.replicas",
        true,
        "group.streams.max.standby.replicas",
    ),
    ("replica.fetch.wait.max.ms", true, "replica.lag.time.max.ms"),
    (
        "replica.fetch.wait.max.ms",
        true,
        "replica.socket.timeout.ms",
    ),
];

/// Bounds that Kafka's definition does not have.
const ALONE: [(&str, i64, i64); 6] = [
    ("log.cleaner.threads", 1, i64::MAX),
    ("log.roll.jitter.ms", 0, i64::MAX),
    ("log.roll.ms", 1, i64::MAX),
    ("offsets.topic.compression.codec", 0, 4),
    // In 4.2.
    (
        "share.coordinator.snapshot.update.records.per.snapshot",
        0,
        500,
    ),
    ("share.coordinator.state.topic.compression.codec", 0, 4),
];

/// Everything in `config`, of a broker, that keeps it from starting. What is no number is somebody else's to refuse.
#[must_use]
pub fn conflicts(line: Line, config: &BTreeMap<String, String>) -> Vec<Conflict> {
    let mut found = Found {
        line,
        config,
        conflicts: Vec::new(),
    };
    for (key, least, most) in ALONE {
        found.alone(key, least, most);
    }
    let groups = config.keys().any(|key| key.starts_with("group."));
    for (whose, what) in BOUNDED.into_iter().filter(|_| groups) {
        let [is, min, max] =
            ["", "min.", "max."].map(|bound| format!("group.{whose}.{bound}{what}"));
        for (less, more) in [(&min, &max), (&min, &is), (&is, &max)] {
            found.ordered(less, true, more);
        }
    }
    for (less, or_equal, more) in ORDERED {
        found.ordered(less, or_equal, more);
    }
    found.special();
    found.conflicts
}

struct Found<'a> {
    line: Line,
    config: &'a BTreeMap<String, String>,
    conflicts: Vec<Conflict>,
}

impl Found<'_> {
    fn set(&self, key: &str) -> Option<i64> {
        self.config.get(key)?.trim().parse().ok()
    }

    /// What it is, by default or not, if this version has it.
    fn value(&self, key: &str) -> Option<i64> {
        if self.config.contains_key(key) {
            return self.set(key);
        }
        match self.line.key(Scope::Broker, key)?.default {
            Default::Value(value) => value.parse().ok(),
            Default::Null | Default::Required => None,
        }
    }

    fn say(&mut self, key: &str, message: String) {
        self.conflicts.push(Conflict {
            key: key.to_owned(),
            message,
        });
    }

    fn alone(&mut self, key: &str, least: i64, most: i64) {
        let Some(definition) = self.line.key(Scope::Broker, key) else {
            return;
        };
        // What the definition refuses has been said.
        let taken = |n: &i64| problem(&definition, &n.to_string()).is_none();
        let beyond = |n: &i64| !(least..=most).contains(n);
        if let Some(n) = self.set(key).filter(taken).filter(beyond) {
            let range = if most == i64::MAX {
                format!("{least} or more")
            } else {
                format!("{least} to {most}")
            };
            self.say(
                key,
                format!("{n} is out of range, no broker would start with it: use {range}"),
            );
        }
    }

    fn ordered(&mut self, less: &str, or_equal: bool, more: &str) {
        let by_default = |key: &str| {
            if self.config.contains_key(key) {
                ""
            } else {
                " by default"
            }
        };
        let key = match (by_default(less), by_default(more)) {
            ("", _) => less,
            (_, "") => more,
            // Nobody has said anything.
            _ => return,
        };
        let (Some(low), Some(high)) = (self.value(less), self.value(more)) else {
            return;
        };
        // To close no idle connection is no bound.
        let unbound = more == "connections.max.idle.ms" && high < 0;
        if low < high || or_equal && low == high || unbound {
            return;
        }
        let how = if or_equal { "at most" } else { "less than" };
        let message = if key == less {
            let default = by_default(more);
            format!(
                "{low} is not {how} {more}, which is {high}{default}, no broker would start with that: lower it, or raise that"
            )
        } else {
            format!(
                "{less} is {low} by default and not {how} {high}, no broker would start with that: raise it, or lower that"
            )
        };
        self.say(key, message);
    }

    fn special(&mut self) {
        for key in [
            "log.retention.ms",
            "log.retention.minutes",
            "log.retention.hours",
        ] {
            if self.set(key) == Some(0) {
                self.say(
                    key,
                    "0 is out of range, no broker would start with it: use 1 or more, or -1 to keep everything"
                        .to_owned(),
                );
            }
        }
        let (buffer, threads) = ("log.cleaner.dedupe.buffer.size", "log.cleaner.threads");
        let either = [buffer, threads]
            .into_iter()
            .find(|key| self.set(key).is_some());
        if let (Some(key), Some(bytes), Some(n)) = (either, self.value(buffer), self.value(threads))
            && n > 0
            && bytes / n <= 1 << 20
        {
            self.say(
                key,
                format!(
                    "{bytes} bytes in {buffer} are not more than a megabyte for each of {n} {threads}, no broker would start \
                     with that: raise the first, or lower the other"
                ),
            );
        }
        let (queue, request) = ("queued.max.request.bytes", "socket.request.max.bytes");
        if let Some(bytes) = self.set(queue).filter(|bytes| *bytes > 0)
            && let Some(most) = self.value(request).filter(|most| bytes < *most)
        {
            self.say(
                queue,
                format!(
                    "{bytes} is less than {request}, which is {most}, no broker would start with that: raise it, or set -1"
                ),
            );
        }
        self.exceptions();
        let protocols = "group.coordinator.rebalance.protocols";
        if let Some(list) = self.config.get(protocols)
            && !list.trim().is_empty()
            && !list.split(',').any(|word| word.trim() == "classic")
        {
            self.say(
                protocols,
                "without classic no broker would start: add it".to_owned(),
            );
        }
    }

    /// Bounds by address, and what stands in their place.
    fn exceptions(&mut self) {
        let (per_ip, overrides) = ("max.connections.per.ip", "max.connections.per.ip.overrides");
        let list = self.config.get(overrides).map_or("", |list| list.trim());
        if self.set(per_ip) == Some(0) && list.is_empty() {
            self.say(
                per_ip,
                format!("0 lets nobody in, and no broker would start with it: list exceptions in {overrides}, or raise it"),
            );
        }
        // `Utils.validHostPattern`
        let of_host = |c: char| c.is_ascii_alphanumeric() || "-%._:".contains(c);
        let pair = |pair: &str| {
            let (host, number) = pair.trim().rsplit_once(':')?;
            number.trim().parse::<i32>().ok()?;
            host.chars().all(of_host).then_some(())
        };
        let mut all = list.split(',').filter(|one| !one.is_empty());
        if let Some(wrong) = all.find(|one| pair(one).is_none()) {
            let message = format!(
                "{wrong:?} is no address, a colon and a number, no broker would start with it: write 10.0.0.1:100"
            );
            self.say(overrides, message);
        }
    }
}
