//! The format of Java's `Properties`, as `java.util.Properties.load` reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One line a key, sorted, with what the format needs escaped.
pub(crate) fn text(properties: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in properties {
        text.push_str(&escape(key, true));
        text.push('=');
        text.push_str(&escape(value, false));
        text.push('\n');
    }
    text
}

fn escape(text: &str, key: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '=' | ':' | '#' | '!' | ' ' if key || (i == 0 && c == ' ') => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            // The file is read as Latin-1; UTF-16 units survive that.
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_java_would_read_otherwise_is_escaped() {
        let properties = [("a b=c", " x\\y\nz"), ("k", "v = w: é 🦀"), ("z", "")];
        let properties = properties.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(
            text(&properties),
            "a\\ b\\=c=\\ x\\\\y\\nz\nk=v = w: \\u00e9 \\ud83e\\udd80\nz=\n"
        );
    }
}
