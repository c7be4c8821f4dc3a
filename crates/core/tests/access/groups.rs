//! Groups and transactional ids of tenants.

use serde_json::json;

use super::store::{HOME, Store, acl, check, one, simple, told};

fn at(store: &mut Store, second: &str, namespace: &str, name: &str, resource: &str) {
    let role = if resource.starts_with("group") {
        "viewer"
    } else {
        "producer"
    };
    let mut object = acl(namespace, name, simple(role, resource));
    object.metadata.creation_timestamp =
        serde_json::from_value(json!(format!("2026-01-01T00:00:{second}Z"))).ok();
    store.acls.push(object);
}

const MINE: &str = r#"Allow Describe on group "shared" to User:x"#;

#[test]
fn a_name_may_say_whose_it_is() {
    let store = Store::new();
    let ask = |namespace: &str, resource: &str| one(&store, namespace, simple("viewer", resource));
    check(vec![
        (
            "its own by name",
            ask("a", "group a.app"),
            &[r#"Allow Describe on group "a.app" to User:x"#],
        ),
        (
            "its own by prefix",
            ask("a", "group a.app*"),
            &[r#"Allow Describe on group everything that begins with "a.app" to User:x"#],
        ),
        (
            "all its own",
            ask("a", "group a.*"),
            &[r#"Allow Describe on group everything that begins with "a." to User:x"#],
        ),
        (
            "free by name",
            ask("a", "group app"),
            &[r#"Allow Describe on group "app" to User:x"#],
        ),
        (
            "free, with a dot",
            ask("a", "group no.such"),
            &[r#"Allow Describe on group "no.such" to User:x"#],
        ),
        (
            "a prefix without the dot",
            ask("a", "group a*"),
            &[
                r#"! GroupNotOwned: group prefix "a" may be anybody's: namespace "a" may name single groups, and prefixes that begin with "a.""#,
            ],
        ),
        (
            "any other prefix",
            ask("a", "group app*"),
            &[
                r#"! GroupNotOwned: group prefix "app" may be anybody's: namespace "a" may name single groups, and prefixes that begin with "a.""#,
            ],
        ),
        (
            "a star",
            ask("a", "group *"),
            &[
                r#"! GroupNotOwned: group "*" may be anybody's: namespace "a" may name single groups, and prefixes that begin with "a.""#,
            ],
        ),
        (
            "another's by name",
            ask("a", "group b.app"),
            &[
                r#"! GroupNotOwned: group "b.app" belongs to namespace "b", with which its name begins: use one that begins with "a.""#,
            ],
        ),
        (
            "another's by prefix",
            ask("a", "group b.*"),
            &[
                r#"! GroupNotOwned: group prefix "b." may be anybody's: namespace "a" may name single groups, and prefixes that begin with "a.""#,
            ],
        ),
        (
            "the cluster's",
            ask("a", "group streaming.app"),
            &[
                r#"! GroupNotOwned: group "streaming.app" belongs to namespace "streaming", with which its name begins: use one that begins with "a.""#,
            ],
        ),
        (
            "the same for transactional ids",
            ask("a", "transactionalId b.app"),
            &[
                r#"! TransactionalIdNotOwned: transactional id "b.app" belongs to namespace "b", with which its name begins: use one that begins with "a.""#,
            ],
        ),
        (
            "a star of them",
            ask("a", "transactionalId *"),
            &[
                r#"! TransactionalIdNotOwned: transactional id "*" may be anybody's: namespace "a" may name single transactional ids, and prefixes that begin with "a.""#,
            ],
        ),
        (
            "the cluster's namespace may name any",
            ask(HOME, "group b.app"),
            &[r#"Allow Describe on group "b.app" to User:x"#],
        ),
    ]);
}

#[test]
fn any_other_name_is_whose_object_is_the_oldest() {
    let mut store = Store::new();
    at(&mut store, "02", "a", "late", "group shared");
    at(&mut store, "01", "b", "early", "group shared");
    at(&mut store, "03", "b", "again", "group shared");
    at(&mut store, "01", "c", "same", "transactionalId t");
    at(&mut store, "01", "b", "same", "transactionalId t");
    at(&mut store, "01", "a", "group-of-that-name", "group t");
    let mut unborn = acl("a", "unborn", simple("viewer", "group x"));
    unborn.metadata.creation_timestamp = None;
    store.acls.push(unborn);
    at(&mut store, "09", "b", "born", "group x");
    at(&mut store, "00", HOME, "home", "group shared");
    let expansion = store.expand();
    let told = |namespace: &str, name: &str| told(&expansion, namespace, name);
    check(vec![
        (
            "later",
            told("a", "late"),
            &[
                r#"! GroupNotOwned: group "shared" belongs to namespace "streaming", whose KafkaACL home named it first: use one that begins with "a.""#,
            ],
        ),
        ("the cluster's, being older", told(HOME, "home"), &[MINE]),
        (
            "the same second, by namespace",
            told("b", "same"),
            &[
                r#"Allow Write on transactional id "t" to User:x"#,
                r#"Allow Describe on transactional id "t" to User:x"#,
            ],
        ),
        (
            "the same second, the other",
            told("c", "same"),
            &[
                r#"! TransactionalIdNotOwned: transactional id "t" belongs to namespace "b", whose KafkaACL same named it first: use one that begins with "c.""#,
            ],
        ),
        (
            "a group is no transactional id",
            told("a", "group-of-that-name"),
            &[r#"Allow Describe on group "t" to User:x"#],
        ),
        (
            "an object without an age is the youngest",
            told("a", "unborn"),
            &[
                r#"! GroupNotOwned: group "x" belongs to namespace "b", whose KafkaACL born named it first: use one that begins with "a.""#,
            ],
        ),
    ]);
    store
        .acls
        .retain(|a| a.metadata.namespace.as_deref() != Some(HOME));
    let without = store.expand();
    assert_eq!(super::store::told(&without, "b", "early"), [MINE]);
    assert_eq!(super::store::told(&without, "b", "again"), [MINE]);
}

/// An object of old to which a name is added later must not take the name from whoever has it.
#[test]
fn who_holds_a_name_keeps_it() {
    let mut store = Store::new();
    at(&mut store, "05", "b", "holder", "group shared");
    at(&mut store, "01", "a", "old", "group harmless");
    store.held = store.expand().claims;
    store.acls[1].spec.resources[0].name = Some("shared".to_owned());
    let expansion = store.expand();
    assert_eq!(told(&expansion, "b", "holder"), [MINE]);
    assert!(told(&expansion, "a", "old")[0].starts_with("! GroupNotOwned"));
    store.held = expansion.claims;
    // The holder may change the object, and when it lets go, the next one has it.
    at(&mut store, "09", "b", "new", "group shared");
    store.acls.remove(0);
    let expansion = store.expand();
    assert_eq!(told(&expansion, "b", "new"), [MINE]);
    store.held = expansion.claims;
    store.acls.pop();
    assert_eq!(told(&store.expand(), "a", "old"), [MINE]);
}
