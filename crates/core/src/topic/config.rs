//! A topic's configuration: what differs, what is set and what is reset.
//!
//! Only keys that the object lists, or has set before, are looked at: nobody else's are touched.

use std::collections::BTreeMap;

use super::Observed;
use crate::config_catalog::{Scope, newest, same};

/// What there is to do about configuration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changes {
    /// Keys to set.
    pub(super) set: Vec<(String, String)>,
    /// Keys to reset.
    pub(super) reset: Vec<String>,
    /// What differs in effect, a sentence each.
    pub(super) differences: Vec<String>,
}

/// What there is to do for `wanted`, when `managed` keys were set before.
pub(super) fn changes(
    wanted: &BTreeMap<String, String>,
    managed: &[String],
    observed: &Observed,
) -> Changes {
    let mut changes = Changes::default();
    for (key, value) in wanted {
        let definition = newest(Scope::Topic, key);
        let is = |there: &String| same(definition.as_ref(), value, there);
        let (own, effective) = (observed.config.get(key), observed.effective.get(key));
        if own.is_some_and(is) {
            continue;
        }
        if own.is_none() && effective.is_some_and(is) {
            // In effect, but by somebody's default: written once, so that it outlives a change of the default, and never
            // again, since Kafka does not keep every value that equals one.
            if !managed.contains(key) {
                changes.set.push((key.clone(), value.clone()));
            }
            continue;
        }
        changes.set.push((key.clone(), value.clone()));
        changes.differences.push(match own.or(effective) {
            Some(there) => format!("{key} is {} instead of {}", shown(there), shown(value)),
            None => format!("{key} is not {}", shown(value)),
        });
    }
    let mut managed: Vec<_> = managed.iter().collect();
    managed.sort_unstable();
    managed.dedup();
    for key in managed {
        if let Some(there) = observed.config.get(key)
            && !wanted.contains_key(key)
        {
            changes.reset.push(key.clone());
            changes.differences.push(format!(
                "{key} is {}, and not wanted any more",
                shown(there)
            ));
        }
    }
    changes
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "empty" } else { value }
}
