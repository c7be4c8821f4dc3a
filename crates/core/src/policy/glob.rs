//! Names with a `*` in them. The only language of patterns in policies: it cannot be written so that it takes long, and
//! nobody has to remember what is escaped.

/// What stands for the object's namespace.
pub(super) const NAMESPACE: &str = "{namespace}";

/// Whether `text` is what `pattern` says, where `*` stands for any characters.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    // Greedy with one step back: a later star never has to give way to an earlier one.
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// Whether any of `patterns` says `text`; true if there are none.
pub(super) fn any(patterns: &[String], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|p| matches(p, text))
}

/// As [`matches`], with `{namespace}` for the object's namespace.
pub(super) fn matches_in(pattern: &str, namespace: &str, text: &str) -> bool {
    if pattern.contains(NAMESPACE) {
        matches(&pattern.replace(NAMESPACE, namespace), text)
    } else {
        matches(pattern, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, want) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything/at.all", true),
            ("a*", "a", true),
            ("a*c", "abbc", true),
            ("a*c", "abbcd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*ab", "aab", true),
            ("a**b", "ab", true),
            ("4.3.*", "4.3.1", true),
            ("4.3.*", "4.30", false),
            ("é*", "été", true),
            ("e*", "été", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern:?} {text:?}");
        }
        assert!(matches_in("{namespace}.*", "pay", "pay.orders"));
        assert!(!matches_in("{namespace}.*", "pay", "payments.orders"));
    }

    #[test]
    fn many_stars_do_not_take_long() {
        assert!(!matches(
            &"*a".repeat(120),
            &"a".repeat(100_000).replace("aa", "ab")[..249]
                .to_owned()
                .replace('a', "b")
        ));
        assert!(!matches(
            &format!("{}b", "*a".repeat(100)),
            &"a".repeat(249)
        ));
    }
}
