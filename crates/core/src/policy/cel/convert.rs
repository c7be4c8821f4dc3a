//! From JSON to the library's values.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as Cel;
use cel::objects::{Key, Map};
use serde_json::Value;

/// `value` for the library, and how many values it is made of. Whole numbers are signed, as Kubernetes' are.
pub(super) fn convert(value: &Value, count: &mut u64) -> Cel {
    *count = count.saturating_add(1);
    match value {
        Value::Null => Cel::Null,
        Value::Bool(b) => Cel::Bool(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Cel::Int(n),
            (None, Some(n)) => Cel::UInt(n),
            (None, None) => Cel::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(s) => Cel::String(Arc::new(s.clone())),
        Value::Array(items) => {
            let items = items.iter().map(|item| convert(item, count)).collect();
            Cel::List(Arc::new(items))
        }
        Value::Object(fields) => {
            let fields: HashMap<Key, Cel> = fields
                .iter()
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), convert(value, count)))
                .collect();
            Cel::Map(Map {
                map: Arc::new(fields),
            })
        }
    }
}

/// The keys of a map, in their order: what a loop goes over. The library's maps have another order each time.
pub(super) fn keys(fields: &serde_json::Map<String, Value>, count: &mut u64) -> Cel {
    let mut keys: Vec<&String> = fields.keys().collect();
    keys.sort();
    *count = count.saturating_add(keys.len() as u64 + 1);
    let keys = keys
        .into_iter()
        .map(|key| Cel::String(Arc::new(key.clone())));
    Cel::List(Arc::new(keys.collect()))
}
