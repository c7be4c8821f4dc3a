//! What is wrong with a value, and whether two values mean the same, as `ConfigDef.parseType` and its validators see it.
//!
//! Where Kafka takes what nobody means (`NaN`, a class that is not one), it is refused here. Whether a class can be
//! loaded is the broker's to find out.

use std::collections::BTreeSet;

use super::{Key, Kind, Valid};

/// What is wrong with `value`, as the end of a sentence that begins with it.
#[must_use]
pub fn problem(key: &Key, value: &str) -> Option<String> {
    let text = value.trim();
    let wrong = match key.kind {
        Kind::Boolean => flag(text)
            .is_none()
            .then(|| "neither true nor false".to_owned()),
        Kind::Short => whole(key, text, i16::MIN.into(), i16::MAX.into()),
        Kind::Int => whole(key, text, i32::MIN.into(), i32::MAX.into()),
        Kind::Long => whole(key, text, i64::MIN, i64::MAX),
        Kind::Double => number(key, text),
        Kind::List => words(key, text),
        Kind::Class => (!is_class(text)).then(|| "no name of a Java class".to_owned()),
        Kind::String => one(key, text),
        // Anything can be a secret, and none is repeated.
        Kind::Password => return None,
    };
    wrong.map(|wrong| format!("{value:?} is {wrong}"))
}

/// Whether two values mean the same to `key`; to one that nobody knows, if there is none.
#[must_use]
pub fn same(key: Option<&Key>, one: &str, other: &str) -> bool {
    let (one, other) = (one.trim(), other.trim());
    if one == other {
        return true;
    }
    let flags = || flag(one).is_some() && flag(one) == flag(other);
    let numbers = || equal(one.parse::<f64>(), other.parse());
    match key.map(|key| (key.kind, key.valid)) {
        Some((Kind::Boolean, _)) => flags(),
        // Not as fractions: large ones would be the same.
        Some((Kind::Short | Kind::Int | Kind::Long, _)) => equal(one.parse::<i64>(), other.parse()),
        Some((Kind::Double, _)) => numbers(),
        Some((Kind::List, Valid::List { words, .. })) if !words.is_empty() => {
            list(one).collect::<BTreeSet<_>>() == list(other).collect()
        }
        Some((Kind::List, _)) => list(one).eq(list(other)),
        Some((Kind::String | Kind::Class | Kind::Password, _)) => false,
        None => numbers() || flags() || list(one).eq(list(other)),
    }
}

fn equal<T: PartialEq, E>(one: Result<T, E>, other: Result<T, E>) -> bool {
    matches!((one, other), (Ok(one), Ok(other)) if one == other)
}

/// What a flag says, if it is one.
pub(super) fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
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

/// A whole number of a size, in a range.
fn whole(key: &Key, text: &str, least: i64, most: i64) -> Option<String> {
    let (min, max, also) = match key.valid {
        Valid::Range { min, max, also } => (min, max, also),
        _ => (None, None, None),
    };
    // Bounds are small enough to be whole numbers, too.
    #[allow(clippy::cast_possible_truncation)]
    let whole = |bound: f64| bound as i64;
    let (low, high) = (min.map_or(least, whole), max.map_or(most, whole));
    let parsed = text.parse::<i64>();
    if let Ok(n) = parsed
        && ((low..=high).contains(&n) || also == Some(n))
    {
        return None;
    }
    // The bounds of the type are named only to who went beyond them.
    let too_much = high < i64::MAX
        && match parsed {
            Ok(n) => n > high,
            Err(_) => text.len() > 9 && text.bytes().all(|b| b.is_ascii_digit()),
        };
    let range = match (low > least, max.is_some() || too_much) {
        (_, true) if low == least => format!(" of at most {high}"),
        (_, true) => format!(" from {low} to {high}"),
        (true, false) => format!(" of at least {low}"),
        (false, false) => String::new(),
    };
    let also = also.map(|n| format!(", or {n}")).unwrap_or_default();
    let (unit, hint) = unit(key.name, text, (low, high));
    Some(format!("no whole number{range}{also}{unit}{hint}"))
}

/// What the number counts, and the number that was probably meant.
fn unit(name: &str, text: &str, (low, high): (i64, i64)) -> (&'static str, String) {
    let (shown, of_time): (_, Option<i64>) = match name.rsplit('.').next() {
        Some("ms") => (" (milliseconds)", Some(1)),
        Some("seconds") => ("", Some(1_000)),
        Some("minutes") => ("", Some(60_000)),
        Some("hours") => ("", Some(3_600_000)),
        Some("bytes") => (" (bytes)", None),
        _ => return ("", String::new()),
    };
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let written = digits.map(|at| text.split_at(at));
    let meant = written.and_then(|(number, suffix)| {
        let number: i64 = number.parse().ok()?;
        let one: i64 = match (of_time, suffix.trim()) {
            (Some(_), "ms") => 1,
            (Some(_), "s") => 1_000,
            (Some(_), "m" | "min") => 60_000,
            (Some(_), "h") => 3_600_000,
            (Some(_), "d") => 86_400_000,
            (None, "k" | "K" | "Ki" | "KiB") => 1 << 10,
            (None, "M" | "Mi" | "MiB") => 1 << 20,
            (None, "G" | "Gi" | "GiB") => 1 << 30,
            (None, "T" | "Ti" | "TiB") => 1 << 40,
            _ => return None,
        };
        let all = number.checked_mul(one)?;
        let per = of_time.unwrap_or(1);
        (all % per == 0 && (low..=high).contains(&(all / per))).then_some(all / per)
    });
    let hint = meant.map(|n| format!(": write {n}")).unwrap_or_default();
    (shown, hint)
}

fn number(key: &Key, text: &str) -> Option<String> {
    let (min, max) = match key.valid {
        Valid::Range { min, max, .. } => (min, max),
        _ => (None, None),
    };
    let fits =
        |n: f64| n.is_finite() && min.is_none_or(|min| min <= n) && max.is_none_or(|max| n <= max);
    if text.parse().is_ok_and(fits) {
        return None;
    }
    Some(match (min, max) {
        (Some(min), Some(max)) => format!("no number from {min} to {max}"),
        (Some(min), None) => format!("no number of at least {min}"),
        (None, Some(max)) => format!("no number of at most {max}"),
        (None, None) => "no number".to_owned(),
    })
}

/// A list whose words all differ.
fn words(key: &Key, text: &str) -> Option<String> {
    let Valid::List {
        words: known,
        empty,
    } = key.valid
    else {
        return None;
    };
    if text.is_empty() {
        return (!empty).then(|| "empty: list at least one".to_owned());
    }
    let mut seen = BTreeSet::new();
    let fits = |word: &str| {
        !word.is_empty() && (known.is_empty() || known.split(',').any(|one| one == word))
    };
    let all = text
        .split(',')
        .map(str::trim)
        .all(|word| fits(word) && seen.insert(word));
    (!all).then(|| match known {
        "" => "no list with commas between, each word at most once".to_owned(),
        known => format!("no list of {}, each at most once", shown(known)),
    })
}

fn one(key: &Key, text: &str) -> Option<String> {
    match key.valid {
        Valid::One { words, any_case } => {
            let fits = |word: &str| word == text || any_case && word.eq_ignore_ascii_case(text);
            (!words.split(',').any(fits)).then(|| format!("none of {}", shown(words)))
        }
        Valid::NotEmpty => text.is_empty().then(|| "empty".to_owned()),
        _ => None,
    }
}

fn shown(words: &str) -> String {
    words.replace(',', ", ")
}

/// A name with its package: `org.example.Policy`, `org.example.Outer$Inner`.
fn is_class(text: &str) -> bool {
    let part = |part: &str| {
        !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
    };
    text.split('.').all(part)
}
