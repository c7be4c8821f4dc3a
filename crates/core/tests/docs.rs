//! The manifests in the guide for tenants are ones that would be accepted.

#![allow(clippy::unwrap_used)]

use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaTopic, KafkaUser};
use sdm_core::{Review, access, topic, user};
use serde::de::DeserializeOwned;

fn judge<K: DeserializeOwned>(text: &str, validate: fn(&K, Option<&K>) -> Review) -> Review {
    validate(&serde_saphyr::from_str(text).unwrap(), None)
}

#[test]
fn every_manifest_of_the_guide_is_valid() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tenants.md");
    let page = std::fs::read_to_string(path).unwrap();
    let mut seen = 0;
    for block in page.split("```yaml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let Some(kind) = text.lines().find_map(|l| l.strip_prefix("kind: ")) else {
            continue;
        };
        let review = match kind.split_whitespace().next().unwrap() {
            "KafkaTopic" => judge::<KafkaTopic>(text, topic::validate),
            "KafkaUser" => judge::<KafkaUser>(text, user::validate),
            "KafkaACL" => judge::<KafkaACL>(text, access::validate_acl),
            "KafkaAccessGrant" => judge::<KafkaAccessGrant>(text, access::validate_grant),
            other => panic!("what is a {other}?"),
        };
        assert_eq!(review.violations, [], "{text}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}
