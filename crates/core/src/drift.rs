//! Whether the world already is as wanted, so that nothing is written when nothing changed.

use serde_json::Value;

/// Whether every field of `desired` is in `observed` with the same meaning: maps by key, lists by
/// position and length, quantities by value. What only `observed` has (defaults, status, other
/// managers' fields) does not count.
#[must_use]
pub fn covers(desired: &Value, observed: &Value) -> bool {
    let _ = (desired, observed);
    false
}

/// The hash of what is wanted, for the annotation `kafka.sdm.dev/applied-hash`.
#[must_use]
pub fn applied_hash(desired: &Value) -> String {
    let _ = desired;
    String::new()
}
