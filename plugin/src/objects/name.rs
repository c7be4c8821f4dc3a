//! Names of objects for things in Kafka, whose names may hold more than Kubernetes takes.

/// The name of an object that stands for `name`: the same where Kubernetes takes it, else one that reads alike, with a
/// hash of the original, so that it is always the same and nobody else's.
pub fn object_name(name: &str) -> String {
    if is_object_name(name) {
        return name.to_owned();
    }
    let mut text: String = name
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '.') => c,
            _ => '-',
        })
        .take(200)
        .collect();
    while text.contains("..") || text.contains(".-") || text.contains("-.") {
        text = text
            .replace("..", ".")
            .replace(".-", ".")
            .replace("-.", ".");
    }
    let text = text.trim_matches(['-', '.']);
    let hash = fnv(name);
    if text.is_empty() {
        format!("x-{hash:08x}")
    } else {
        format!("{text}-{hash:08x}")
    }
}

/// A DNS subdomain (RFC 1123), as the API server checks it.
fn is_object_name(name: &str) -> bool {
    let label = |label: &str| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(word)
            && label.ends_with(word)
            && label.chars().all(|c| word(c) || c == '-')
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// FNV-1a: short, and the same in every version.
pub fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash: u32, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_kubernetes_takes_are_kept() {
        for name in ["orders", "team-a.orders", "0", "a.b-c.d"] {
            assert_eq!(object_name(name), name);
        }
    }

    #[test]
    fn others_become_names_that_it_takes_and_stay_apart() {
        let names = [
            "Orders",
            "orders_x",
            "_orders",
            "a..b",
            "-",
            "__consumer_offsets",
            "a._b",
            "User:*",
            "ORDERS",
            "a/b",
        ];
        let mut made: Vec<String> = names.iter().map(|n| object_name(n)).collect();
        for name in &made {
            assert!(is_object_name(name), "{name}");
        }
        assert!(made[1].starts_with("orders-x-"), "{}", made[1]);
        assert!(is_object_name(&object_name(&"X".repeat(249))));
        made.sort();
        made.dedup();
        assert_eq!(made.len(), names.len());
    }
}
