//! Where offsets are reset to: reading it, and computing it within the bounds of each log. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::progress::{Offsets, Partition};
use crate::flags::duration;

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The first record there is.
    Earliest,
    /// After the last record there is.
    Latest,
    /// An offset.
    Offset(i64),
    /// The first record of that time or later, in milliseconds since the epoch.
    Time(i64),
    /// The first record that is not older than that.
    Ago(Duration),
}

impl To {
    /// The time that is asked for, seen at `now`.
    pub fn millis(self, now: Timestamp) -> Option<i64> {
        match self {
            Self::Time(millis) => Some(millis),
            Self::Ago(ago) => {
                let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                Some(now.as_millisecond().saturating_sub(ago).max(0))
            }
            Self::Earliest | Self::Latest | Self::Offset(_) => None,
        }
    }
}

/// Reads `earliest`, `latest`, `offset=7`, `timestamp=2026-01-01T00:00:00Z` or `duration=1h`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse(text: &str) -> Result<To, String> {
    let wrong = || {
        format!(
            "{text:?} is no place to go: write earliest, latest, offset=N, timestamp=2026-01-01T00:00:00Z or duration=1h"
        )
    };
    match text.split_once('=') {
        None if text == "earliest" => Ok(To::Earliest),
        None if text == "latest" => Ok(To::Latest),
        Some(("offset", n)) => match n.parse() {
            Ok(n) if n >= 0 => Ok(To::Offset(n)),
            _ => Err(wrong()),
        },
        Some(("timestamp", time)) => {
            let time: Timestamp = time.parse().map_err(|_| wrong())?;
            Ok(To::Time(time.as_millisecond().max(0)))
        }
        Some(("duration", ago)) => duration(ago).map(To::Ago),
        _ => Err(wrong()),
    }
}

/// Reads `orders` or `orders:0,2-5`.
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse_topic(text: &str) -> Result<(String, Vec<i32>), String> {
    let wrong = || format!("{text:?} names no partitions: write TOPIC, or TOPIC:0,2-5");
    let text = text.strip_prefix("topic/").unwrap_or(text);
    let Some((topic, list)) = text.split_once(':') else {
        return Ok((text.to_owned(), Vec::new()));
    };
    let mut partitions = Vec::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (i32, i32) = (
            first.parse().map_err(|_| wrong())?,
            last.parse().map_err(|_| wrong())?,
        );
        if first < 0 || last < first || last - first > 100_000 {
            return Err(wrong());
        }
        partitions.extend(first..=last);
    }
    if topic.is_empty() {
        return Err(wrong());
    }
    Ok((topic.to_owned(), partitions))
}

/// A partition's way from one offset to another.
#[derive(Serialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// The next offset it reads now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The next offset it would read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// What is worth knowing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Move {
    /// Whether anything changes.
    pub fn changes(&self) -> bool {
        self.to.is_some() && self.to != self.from
    }

    /// How many records are read again, or with a minus skipped.
    pub fn again(&self) -> Option<i64> {
        Some(self.from? - self.to?)
    }
}

/// Where each partition goes, never beyond its log. `found` are the offsets of the time that was asked for.
pub fn compute(
    to: To,
    begins: &Offsets,
    ends: &Offsets,
    found: &Offsets,
    committed: &BTreeMap<Partition, i64>,
) -> Vec<Move> {
    ends.iter()
        .map(|(partition, end)| {
            let begin = begins
                .get(partition)
                .cloned()
                .unwrap_or_else(|| Err("no answer".to_owned()));
            let (target, note) = match (begin, end) {
                (Ok(Some(begin)), Ok(Some(end))) => within(to, begin, *end, found.get(partition)),
                (Err(error), _) => (None, Some(format!("left alone: {error}"))),
                (_, Err(error)) => (None, Some(format!("left alone: {error}"))),
                _ => (
                    None,
                    Some("left alone: the bounds of its log are not known".to_owned()),
                ),
            };
            Move {
                topic: partition.0.clone(),
                partition: partition.1,
                from: committed.get(partition).copied(),
                to: target,
                note,
            }
        })
        .collect()
}

fn within(
    to: To,
    begin: i64,
    end: i64,
    found: Option<&Result<Option<i64>, String>>,
) -> (Option<i64>, Option<String>) {
    match to {
        To::Earliest => (Some(begin), None),
        To::Latest => (Some(end), None),
        To::Offset(n) if n < begin => (
            Some(begin),
            Some(format!("{n} is gone already: its log begins at {begin}")),
        ),
        To::Offset(n) if n > end => (
            Some(end),
            Some(format!("{n} is not there yet: its log ends at {end}")),
        ),
        To::Offset(n) => (Some(n), None),
        To::Time(_) | To::Ago(_) => match found {
            Some(Ok(Some(n))) => (Some((*n).clamp(begin, end)), None),
            Some(Ok(None)) => (
                Some(end),
                Some("no record is that young: the end".to_owned()),
            ),
            Some(Err(error)) => (None, Some(format!("left alone: {error}"))),
            None => (None, Some("left alone: no answer".to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32) -> Partition {
        ("t".to_owned(), partition)
    }

    fn go(to: To, found: Result<Option<i64>, String>) -> (Option<i64>, Option<String>) {
        let moves = compute(
            to,
            &Offsets::from([(at(0), Ok(Some(100)))]),
            &Offsets::from([(at(0), Ok(Some(200)))]),
            &Offsets::from([(at(0), found)]),
            &BTreeMap::from([(at(0), 150)]),
        );
        assert_eq!((moves.len(), moves[0].from), (1, Some(150)));
        (moves[0].to, moves[0].note.clone())
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        for (text, to) in [
            ("earliest", To::Earliest),
            ("latest", To::Latest),
            ("offset=7", To::Offset(7)),
            ("timestamp=1970-01-01T00:00:01Z", To::Time(1000)),
            ("duration=1h", To::Ago(Duration::from_secs(3600))),
        ] {
            assert_eq!(parse(text).unwrap(), to, "{text}");
        }
        for text in [
            "",
            "now",
            "offset=-1",
            "offset=x",
            "timestamp=yesterday",
            "duration=x",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        let now = Timestamp::from_second(7200).unwrap();
        assert_eq!(
            To::Ago(Duration::from_secs(3600)).millis(now),
            Some(3_600_000)
        );
        assert_eq!(
            To::Ago(Duration::from_secs(u64::from(u32::MAX))).millis(now),
            Some(0)
        );
        assert_eq!(To::Earliest.millis(now), None);
    }

    #[test]
    fn partitions_are_read_as_they_are_written() {
        assert_eq!(parse_topic("a").unwrap(), ("a".to_owned(), vec![]));
        assert_eq!(
            parse_topic("topic/a:0,2-4").unwrap(),
            ("a".to_owned(), vec![0, 2, 3, 4])
        );
        for text in ["a:", "a:x", "a:3-1", ":1", "a:-1", "a:0-999999999"] {
            assert!(parse_topic(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_goes_beyond_its_log() {
        assert_eq!(go(To::Earliest, Ok(None)), (Some(100), None));
        assert_eq!(go(To::Latest, Ok(None)), (Some(200), None));
        assert_eq!(go(To::Offset(170), Ok(None)), (Some(170), None));
        let (to, note) = go(To::Offset(5), Ok(None));
        assert!(to == Some(100) && note.unwrap().contains("begins at 100"));
        let (to, note) = go(To::Offset(500), Ok(None));
        assert!(to == Some(200) && note.unwrap().contains("ends at 200"));
        assert_eq!(go(To::Time(1), Ok(Some(120))), (Some(120), None));
        assert_eq!(go(To::Time(1), Ok(Some(7))), (Some(100), None));
        let (to, note) = go(To::Time(1), Ok(None));
        assert!(to == Some(200) && note.is_some());
        let (to, note) = go(To::Time(1), Err("offline".to_owned()));
        assert!(to.is_none() && note.unwrap().contains("offline"));
    }

    #[test]
    fn a_log_whose_bounds_are_not_known_is_left_alone() {
        let moves = compute(
            To::Earliest,
            &Offsets::from([(at(0), Err("offline".to_owned()))]),
            &Offsets::from([(at(0), Ok(Some(1)))]),
            &Offsets::new(),
            &BTreeMap::new(),
        );
        assert!(!moves[0].changes() && moves[0].again().is_none());
    }
}
