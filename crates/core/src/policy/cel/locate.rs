//! Where in an expression a name stands. The parser tells places of what it cannot read only, so names are looked for in
//! the text; strings and comments are passed over.

use super::CelError;

/// How deep brackets may stand in brackets: the parser needs ten steps of its stack for each.
const BRACKETS: usize = 12;
/// How many signs there may be in a row.
const ROW: usize = 64;

/// A word or sign of the text, and the byte it begins at.
struct Token<'s> {
    at: usize,
    text: &'s str,
    string: bool,
}

/// An error where `name` stands first, as a word or else as a string; at the beginning if nowhere.
pub(super) fn error(source: &str, name: &str, message: String) -> CelError {
    let tokens = tokens(source);
    let word = tokens.iter().find(|t| !t.string && t.text == name);
    let place = word.or_else(|| {
        tokens
            .iter()
            .find(|t| t.string && t.text.contains(name) && !name.is_empty())
    });
    let (line, column) = position(source, place.map_or(0, |t| t.at));
    CelError {
        line,
        column,
        message,
    }
}

/// Line and column of a byte, from 1, in characters.
fn position(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default();
    (line, column.chars().count() + 1)
}

/// Refuses what the parser would go too deep for: brackets in brackets, and long chains of signs.
pub(super) fn nesting(source: &str) -> Result<(), Vec<CelError>> {
    let (mut open, mut row) = (0_usize, 0_usize);
    for token in tokens(source) {
        match token.text {
            _ if token.string => {}
            "(" | "[" | "{" | "?" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            _ => {}
        }
        // `a.b.c` and `a + b + c` are as deep as they are long; `&&` and `||` start anew, since they are balanced.
        match token.text {
            "&" | "|" | "," | ":" => row = 0,
            "." | "+" | "-" | "*" | "/" | "%" | "=" | "<" | ">" | "!" if !token.string => row += 1,
            _ => {}
        }
        if open > BRACKETS || row > ROW {
            let (line, column) = position(source, token.at);
            return Err(vec![CelError {
                line,
                column,
                message: "it goes too deep from here on: write two rules".to_owned(),
            }]);
        }
    }
    Ok(())
}

fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let at = source.len() - rest.len();
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if matches!(c, '"' | '\'') {
            let length = string(rest, c);
            tokens.push(Token {
                at,
                text: &rest[..length],
                string: true,
            });
            length
        } else {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
            let length = length.max(c.len_utf8());
            if !c.is_whitespace() {
                tokens.push(Token {
                    at,
                    text: &rest[..length],
                    string: false,
                });
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of the string that `text` begins with.
fn string(text: &str, quote: char) -> usize {
    let triple = [quote; 3].iter().collect::<String>();
    if let Some(inner) = text.strip_prefix(&triple) {
        return inner.find(&triple).map_or(text.len(), |end| end + 6);
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_outside_strings_and_comments() {
        let source = "// partitons\n'partitons' == 'x' &&\n  object.spec.partitons > 1";
        let error = error(source, "partitons", String::new());
        assert_eq!((error.line, error.column), (3, 15));
    }

    #[test]
    fn what_is_only_in_a_string_is_found_there() {
        let error = error("object.spec['partitons'] > 1", "partitons", String::new());
        assert_eq!((error.line, error.column), (1, 13));
    }
}
