//! The shapes of names: DNS labels, label keys, image references.

/// What Kubernetes calls a DNS label: names of namespaces are.
#[must_use]
pub fn dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// What Kubernetes calls a DNS subdomain: names of most objects are.
#[must_use]
pub fn dns_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(dns_label)
}

/// A DNS label that starts with a letter, as names of Services must.
pub(super) fn dns_label_with_letter(text: &str) -> bool {
    dns_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// A key of labels and annotations: a name, or a DNS name, a slash and a name.
pub(crate) fn label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    !name.is_empty() && label_value(name) && prefix.is_none_or(dns_name)
}

/// A value of a label.
pub(crate) fn label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    text.len() <= 63
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && edge(bytes.first())
        && edge(bytes.last())
}

/// A reference of a container image: `[host[:port]/]path[:tag][@digest]`.
pub(super) fn image(text: &str) -> bool {
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (text, None),
    };
    let slash = rest.rfind('/').map_or(0, |i| i + 1);
    let (name, tag) = match rest[slash..].split_once(':') {
        Some((last, tag)) => (&rest[..slash + last.len()], Some(tag)),
        None => (rest, None),
    };
    let is_tag = |tag: &str| {
        (1..=128).contains(&tag.len())
            && tag
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
            && !tag.starts_with(['.', '-'])
    };
    let is_digest = |digest: &str| {
        digest.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64
                && hex
                    .bytes()
                    .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    let mut parts = name.split('/').peekable();
    let host = name.contains('/').then(|| parts.next()).flatten();
    // The first part is a host if it looks like one, else it is a part of the path.
    let (host, first) = match host {
        Some(part) if part.contains(['.', ':']) || part == "localhost" => (Some(part), None),
        other => (None, other),
    };
    host.is_none_or(is_host)
        && first.is_none_or(is_path_part)
        && parts.all(is_path_part)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

fn is_host(text: &str) -> bool {
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(h, p)| (h, Some(p)));
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    host.split('.').all(label) && port.is_none_or(|p| p.parse::<u16>().is_ok())
}

fn is_path_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    text.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'))
        && edge(text.chars().next())
        && edge(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images() {
        let digest = format!("a/b@sha256:{}", "0f".repeat(32));
        for good in [
            "apache/kafka:4.3.1",
            "kafka",
            "localhost:5000/kafka",
            "r.example.com/a/b_c-d:v1.0-x",
            "host.io:443/a",
            &digest,
        ] {
            assert!(image(good), "{good}");
        }
        for bad in [
            "",
            "Apache/Kafka",
            "apache/kafka:",
            "a b",
            "/kafka",
            "kafka/",
            "a//b",
            "k:a:b",
            "a@sha256:00",
            "-a/b",
            "k:.x",
        ] {
            assert!(!image(bad), "{bad}");
        }
    }

    #[test]
    fn labels() {
        for good in ["a", "example.com/a_B.c", "A"] {
            assert!(label_key(good), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "-a", "Upper.com/x", "a b"] {
            assert!(!label_key(bad), "{bad}");
        }
    }
}
