//! The tables, as `deploy/config-catalog` writes them: a key a line, sorted, columns between tabs.

use super::{Default, Key, Kind, Scope, Update, Valid};

/// The line that begins with `name`, by halving: the lines are sorted as bytes are.
pub(super) fn find(table: &'static str, name: &str) -> Option<&'static str> {
    let (mut from, mut to) = (0, table.len());
    while from < to {
        let middle = from + (to - from) / 2;
        // A position within a character is no matter: what is cut out begins after one line's end and stops at another's.
        let bytes = table.as_bytes();
        let start = bytes[from..middle]
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(from, |at| from + at + 1);
        let end = bytes[middle..to]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(to, |at| middle + at);
        let line = table.get(start..end)?;
        let key = line.split_once('\t').map_or(line, |(key, _)| key);
        match name.cmp(key) {
            std::cmp::Ordering::Equal => return Some(line),
            std::cmp::Ordering::Less => to = start,
            std::cmp::Ordering::Greater => from = end + 1,
        }
    }
    None
}

/// A line as a key. One that cannot be read is none, and a test says that all can.
pub(super) fn key(scope: Scope, line: &'static str) -> Option<Key> {
    let mut columns = line.split('\t');
    let mut next = || columns.next().unwrap_or_default();
    let (name, kind, default, valid) = (next(), next(), next(), next());
    let (importance, internal, last, deprecated) = (next(), next(), next(), next());
    let some = |text: &'static str| (!text.is_empty()).then_some(text);
    let (update, broker_key) = match scope {
        Scope::Broker => (update(last)?, None),
        Scope::Topic => (Update::Topic, some(last)),
    };
    Some(Key {
        name,
        kind: kind_of(kind)?,
        default: match default {
            "" => Default::Required,
            "null" => Default::Null,
            value => Default::Value(value.strip_prefix('=')?),
        },
        valid: valid_of(valid)?,
        importance,
        internal: internal == "internal",
        update,
        deprecated: some(deprecated),
        broker_key,
    })
}

fn kind_of(text: &str) -> Option<Kind> {
    const KINDS: [Kind; 9] = [
        Kind::Boolean,
        Kind::String,
        Kind::Short,
        Kind::Int,
        Kind::Long,
        Kind::Double,
        Kind::List,
        Kind::Class,
        Kind::Password,
    ];
    KINDS.into_iter().find(|kind| kind.as_str() == text)
}

fn update(text: &str) -> Option<Update> {
    const UPDATES: [Update; 4] = [
        Update::ReadOnly,
        Update::PerBroker,
        Update::ClusterWide,
        Update::LiveOnly,
    ];
    UPDATES.into_iter().find(|update| update.as_str() == text)
}

fn valid_of(text: &'static str) -> Option<Valid> {
    let Some((how, what)) = text.split_once(':') else {
        return match text {
            "" => Some(Valid::Any),
            "not-empty" => Some(Valid::NotEmpty),
            _ => None,
        };
    };
    Some(match how {
        "range" => {
            let (range, also) = match what.split_once('|') {
                Some((range, also)) => (range, Some(also.parse().ok()?)),
                None => (what, None),
            };
            let (min, max) = range.split_once("..")?;
            let bound = |text: &str| match text {
                "" => Some(None),
                number => number.parse().ok().map(Some),
            };
            Valid::Range {
                min: bound(min)?,
                max: bound(max)?,
                also,
            }
        }
        "one" | "one-any-case" => Valid::One {
            words: what,
            any_case: how == "one-any-case",
        },
        "list" | "list-not-empty" => Valid::List {
            words: what,
            empty: how == "list",
        },
        _ => return None,
    })
}
