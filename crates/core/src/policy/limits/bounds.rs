//! Numbers, quantities, durations and configuration values within bounds.

use std::collections::BTreeMap;
use std::fmt::Display;

use sdm_api::policy::{ConfigBound, IntRange, QuantityRange};

use super::super::glob;
use super::Found;
use crate::quantity;

/// Keys of which Kafka takes `-1` for no limit.
const ENDLESS: [&str; 6] = [
    "retention.ms",
    "retention.bytes",
    "log.retention.ms",
    "log.retention.hours",
    "log.retention.minutes",
    "log.retention.bytes",
];

/// What is wrong with a number.
pub(super) fn number(range: &IntRange, value: i64) -> Option<String> {
    outside(
        value,
        range.min,
        range.max,
        |value, min| format!("{value} is too low: use at least {min}"),
        |value, max| format!("{value} is too high: use at most {max}"),
    )
}

fn outside<T: PartialOrd + Display + Copy>(
    value: T,
    min: Option<T>,
    max: Option<T>,
    low: impl Fn(T, T) -> String,
    high: impl Fn(T, T) -> String,
) -> Option<String> {
    match (min, max) {
        (Some(min), _) if value < min => Some(low(value, min)),
        (_, Some(max)) if value > max => Some(high(value, max)),
        _ => None,
    }
}

/// Whether the quantity `a` is less than `b`; what is none is not.
pub(super) fn less(a: &str, b: &str) -> bool {
    matches!((quantity::nanos(a), quantity::nanos(b)), (Some(a), Some(b)) if a < b)
}

/// What is wrong with a quantity.
pub(super) fn amount(range: &QuantityRange, value: &str) -> Option<String> {
    if let Some(min) = range.min.as_deref().filter(|min| less(value, min)) {
        return Some(format!("{value} is too little: use at least {min}"));
    }
    let max = range.max.as_deref().filter(|max| less(max, value))?;
    Some(format!("{value} is too much: use at most {max}"))
}

/// What is wrong with a configuration value.
pub(super) fn setting(bound: &ConfigBound, key: &str, value: &str) -> Option<String> {
    let value = value.trim();
    if !bound.one_of.is_empty() {
        let other = value
            .split(',')
            .map(str::trim)
            .find(|item| !bound.one_of.iter().any(|one| one == item));
        if let Some(other) = other {
            return Some(format!(
                "{other:?} may not be: use {}",
                bound.one_of.join(" or ")
            ));
        }
    }
    if bound.min.is_none() && bound.max.is_none() {
        return None;
    }
    let Ok(number) = value.parse::<i64>() else {
        return Some(format!(
            "{value:?} is no whole number, and {key} is bounded"
        ));
    };
    if number == -1 && ENDLESS.contains(&key) {
        let max = bound.max?;
        return Some(format!("-1 is no limit at all: use at most {max}"));
    }
    self::number(
        &IntRange {
            min: bound.min,
            max: bound.max,
        },
        number,
    )
}

/// Configuration keys that may not be set, or not to that. `all` is every key with
/// its value, `path` where a key stands.
pub(super) fn config(
    part: &str,
    forbidden: &[String],
    bounds: &BTreeMap<String, ConfigBound>,
    all: &BTreeMap<String, String>,
    path: impl Fn(&str) -> String,
    found: &mut Found<'_>,
) {
    if !forbidden.is_empty() {
        for key in all.keys() {
            if forbidden.iter().any(|pattern| glob::matches(pattern, key)) {
                let rule = format!("{part}.forbiddenConfig");
                found.add(&rule, path(key), format!("{key} may not be set: remove it"));
            }
        }
    }
    for (key, bound) in bounds {
        let wrong = match all.get(key) {
            Some(value) => setting(bound, key, value),
            None if bound.required => Some(format!("{key} must be set{}", hint(bound))),
            None => None,
        };
        if let Some(wrong) = wrong {
            found.add(&format!("{part}.config"), path(key), wrong);
        }
    }
}

fn hint(bound: &ConfigBound) -> String {
    if !bound.one_of.is_empty() {
        return format!(": use {}", bound.one_of.join(" or "));
    }
    match (bound.min, bound.max) {
        (Some(min), Some(max)) => format!(": use {min} to {max}"),
        (Some(min), None) => format!(": use at least {min}"),
        (None, Some(max)) => format!(": use at most {max}"),
        (None, None) => String::new(),
    }
}
