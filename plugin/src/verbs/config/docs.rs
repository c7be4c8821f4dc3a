//! Kafka's own words on each key, written by `deploy/config-catalog`: the first paragraph, without its markup.

use sdm_core::config_catalog::{Line, Scope};

/// What Kafka's documentation says of a key, if it says anything.
pub(super) fn of(line: Line, scope: Scope, key: &str) -> Option<&'static str> {
    let table = match (line, scope) {
        (Line::V4_2, Scope::Broker) => include_str!("data/4.2-brokers.tsv"),
        (Line::V4_2, Scope::Topic) => include_str!("data/4.2-topics.tsv"),
        (Line::V4_3, Scope::Broker) => include_str!("data/4.3-brokers.tsv"),
        (Line::V4_3, Scope::Topic) => include_str!("data/4.3-topics.tsv"),
    };
    let mut lines = table.lines().filter_map(|line| line.split_once('\t'));
    let found = lines.find(|(name, _)| *name == key);
    found.map(|(_, text)| text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both are written at once; one that was left behind would say nothing, or something else.
    #[test]
    fn every_key_is_documented_and_nothing_else() {
        for line in Line::ALL {
            for scope in [Scope::Broker, Scope::Topic] {
                for key in line.keys(scope).filter(|key| !key.internal) {
                    let text = of(line, scope, key.name).unwrap_or_default();
                    assert!(
                        text.len() > 10 && text.len() <= 700 && !text.contains("<code>"),
                        "{}: {text}",
                        key.name
                    );
                }
            }
        }
        for other in ["nonsense", "log.roll", ""] {
            assert_eq!(of(Line::NEWEST, Scope::Broker, other), None, "{other}");
        }
    }
}
