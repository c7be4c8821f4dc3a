//! How many values there are in a piece of JSON, told without reading it into memory.
//!
//! Three bytes of text (`{},`) can become a kilobyte once they are read into a type: eight MiB of them would be more than
//! a Pod may have. So what is to be read is counted first.

use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// More than the largest object of ours has, a cluster of a thousand brokers with overrides for each.
pub const OBJECT: usize = 20_000;
/// More than any Pod has.
pub const POD: usize = 10_000;
/// More than anybody is in.
const GROUPS: usize = 4096;

/// Whether `text`, which is valid JSON, has more than `limit` values; those that open something may count twice.
#[must_use]
pub fn exceeds(text: &str, limit: usize) -> bool {
    let (mut count, mut quoted, mut escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            // Each begins one, the first in a list or object included.
            b',' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
        if count > limit {
            return true;
        }
    }
    false
}

/// Reads a list that may not be longer than the groups somebody is in.
pub fn few<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    struct Few<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Few<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "at most {GROUPS} groups")
        }
        fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = list.next_element()? {
                if all.len() == GROUPS {
                    return Err(Error::invalid_length(GROUPS + 1, &self));
                }
                all.push(one);
            }
            Ok(all)
        }
    }
    from.deserialize_any(Few(PhantomData))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn values(value: &Value) -> usize {
        1 + match value {
            Value::Array(items) => items.iter().map(values).sum(),
            Value::Object(fields) => fields.values().map(values).sum(),
            _ => 0,
        }
    }

    #[test]
    fn values_are_counted_and_what_stands_in_quotes_is_none() {
        for value in [
            json!({"a": [1, 2, {"b": null}], "c": "d"}),
            json!(["[,{", "\\", "\"", "\\\",,,,,,,,,,", [[[]]]]),
            json!({"x": vec![json!({}); 500]}),
            json!(7),
        ] {
            // One in a list may count twice: as what follows a comma, and as what opens.
            let (text, count) = (value.to_string(), values(&value));
            assert!(!exceeds(&text, 2 * count), "{text}");
            assert!(value == 7 || exceeds(&text, count / 2), "{text}");
        }
    }
}
