//! Ten thousand objects are no burden. Bounds are generous, since tests run without optimization and beside others:
//! what they catch is a loop within a loop.

use std::time::Instant;

use serde_json::json;

use super::store::{Store, resource_of};

const MANY: usize = 10_000;

/// Each namespace has a hundred topics; each object is about one topic and one group.
fn big() -> Store {
    let mut store = Store::new();
    for i in 0..MANY {
        let namespace = format!("team-{}", i / 100);
        store.namespaces.entry(namespace.clone()).or_default();
        store.topic(&format!("{namespace}.topic-{i}"), &namespace);
        store.user(
            &namespace,
            &format!("user-{i}"),
            &[&format!("User:{namespace}/user/user-{i}")],
        );
        store.acl(
            &namespace,
            &format!("acl-{i}"),
            json!({
                "subjects": [{"name": format!("user-{i}")}],
                "roles": ["consumer"],
                "resources": [resource_of(&format!("topic {namespace}.topic-{i}")), resource_of(&format!("group group-{i}"))],
            }),
        );
    }
    store
}

fn seconds(store: &Store) -> (f64, usize) {
    let world = store.world();
    let began = Instant::now();
    let expansion = sdm_core::access::expand(&world);
    let took = began.elapsed().as_secs_f64();
    eprintln!("{} ACLs in {:.1} ms", expansion.wanted.len(), took * 1e3);
    (took, expansion.wanted.len())
}

#[test]
fn ten_thousand_objects_and_topics() {
    let mut store = big();
    let (took, acls) = seconds(&store);
    assert_eq!(acls, 4 * MANY);
    assert!(took < 3.0, "{took} s");
    // The next time, with claims.
    store.held = store.expand().claims;
    assert_eq!(store.held.values().map(|h| h.len()).sum::<usize>(), MANY);
    let (took, _) = seconds(&store);
    assert!(took < 3.0, "{took} s");
}

/// One namespace owns everything, grants it to another one, and everybody names prefixes that match little.
#[test]
fn prefixes_and_grants_cost_what_they_match() {
    let mut store = Store::new();
    for i in 0..MANY {
        store.topic(&format!("t-{i:05}"), "a");
        store.grant("a", json!({"namespaces": ["b"], "topics": [{"name": format!("t-{i:05}")}], "operations": ["Read"]}));
    }
    for i in 0..MANY {
        let namespace = if i % 2 == 0 { "a" } else { "b" };
        let prefix = format!("topic t-{i:05}*");
        let subjects = json!([{"kind": "ServiceAccount", "name": "app"}]);
        store.acl(namespace, &format!("acl-{i}"), json!({"subjects": subjects, "roles": ["consumer"], "resources": [resource_of(&prefix)]}));
    }
    let (took, acls) = seconds(&store);
    assert_eq!(acls, 2 * MANY);
    assert!(took < 3.0, "{took} s");
}
