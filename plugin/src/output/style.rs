//! Four colours, and nothing that only a colour says: the words stand without them.
//!
//! Whether colour reaches the terminal is decided by the stream (`anstream`): `--color`, `NO_COLOR`, `TERM=dumb`.

/// Good news.
pub fn good(text: &str) -> String {
    paint("32", text)
}
/// Worth a look.
pub fn warn(text: &str) -> String {
    paint("33", text)
}
/// Bad news.
pub fn bad(text: &str) -> String {
    paint("31;1", text)
}
/// A heading.
pub fn bold(text: &str) -> String {
    paint("1", text)
}

fn paint(code: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Text from elsewhere, made safe to print: control characters would let it move the cursor.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
