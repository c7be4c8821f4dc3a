//! The order of changes: no gap and no door, whatever the states are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sdm_api::{Operation, Pattern, Permission, ResourceType};
use sdm_core::access::{Acl, ObjectKey, Question, Refusal, Stopped, changes, explain};

fn acl(text: &str) -> Acl {
    let words: Vec<_> = text.split(' ').collect();
    let [permission, operation, name, principal] = words.as_slice() else {
        panic!("{text}")
    };
    let (name, pattern) = match name.strip_suffix('+') {
        Some(prefix) => (prefix, Pattern::Prefixed),
        None => (*name, Pattern::Literal),
    };
    Acl {
        resource: ResourceType::Topic,
        pattern,
        name: name.to_owned(),
        principal: format!("User:{principal}"),
        host: "*".to_owned(),
        operation: serde_json::from_value(serde_json::json!(operation)).unwrap(),
        permission: serde_json::from_value(serde_json::json!(permission)).unwrap(),
    }
}

fn acls(texts: &[&str]) -> BTreeSet<Acl> {
    texts.iter().map(|t| acl(t)).collect()
}

fn wanted(acls: &BTreeSet<Acl>) -> BTreeMap<Acl, Vec<ObjectKey>> {
    let object = vec![ObjectKey::new("a", "acl")];
    acls.iter().map(|a| (a.clone(), object.clone())).collect()
}

#[test]
fn denials_come_first_and_go_last() {
    let present = acls(&[
        "Allow Read old x",
        "Deny Read old y",
        "Allow Read kept x",
        "Allow Read foreign x",
    ]);
    let owned = acls(&[
        "Allow Read old x",
        "Deny Read old y",
        "Allow Read kept x",
        "Allow Read vanished x",
        "Allow Read lost x",
    ]);
    let after = acls(&[
        "Allow Read kept x",
        "Allow Read new x",
        "Deny Read new y",
        "Allow Read lost x",
        "Allow Read foreign x",
    ]);
    let found = changes(&wanted(&after), &present, &owned);
    let told = |acls: &[Acl]| acls.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        told(&found.create[0]),
        [r#"Deny Read on topic "new" to User:y"#]
    );
    assert_eq!(
        told(&found.create[1]),
        [
            r#"Allow Read on topic "lost" to User:x"#,
            r#"Allow Read on topic "new" to User:x"#
        ]
    );
    assert_eq!(
        told(&found.delete[0]),
        [
            r#"Allow Read on topic "old" to User:x"#,
            // Not seen, and perhaps on its way.
            r#"Allow Read on topic "vanished" to User:x"#
        ]
    );
    assert_eq!(
        told(&found.delete[1]),
        [r#"Deny Read on topic "old" to User:y"#]
    );
    assert!(!found.is_empty());
}

#[test]
fn nothing_is_done_about_what_is_right() {
    let there = acls(&["Allow Read a x", "Deny Read a y"]);
    let found = changes(&wanted(&there), &there, &there);
    assert!(found.is_empty());
    let foreign = changes(&BTreeMap::new(), &there, &BTreeSet::new());
    assert!(foreign.is_empty());
}

fn refusal() -> Refusal {
    Refusal::waits("Refused", "refused")
}

#[test]
fn who_is_refused_waits_and_nobody_else() {
    let mut stopped = Stopped::default();
    let step = |texts: &[&str]| texts.iter().map(|t| acl(t)).collect::<Vec<_>>();
    let divide = |stopped: &mut Stopped, texts: &[&str]| stopped.divide(step(texts));
    assert!(divide(&mut stopped, &["Allow Read a x"]).1.is_empty());
    stopped.note(&acl("Deny Read a x"), &refusal());
    let (go, wait) = divide(&mut stopped, &["Allow Read b x", "Allow Read a y"]);
    assert_eq!(go, step(&["Allow Read a y"]));
    let [(waiting, why)] = wait.as_slice() else {
        panic!("{wait:?}")
    };
    assert_eq!(*waiting, acl("Allow Read b x"));
    assert_eq!((why.reason, why.waits), ("Refused", true));
    assert_eq!(
        why.message,
        "waits for another ACL of the principal, or of everybody, that Kafka refused: refused"
    );
    // What is everybody's is that principal's too, and then all others'.
    let (go, others) = divide(&mut stopped, &["Allow Read a *", "Allow Read b y"]);
    assert_eq!(go, step(&["Allow Read b y"]));
    assert_eq!(
        (others.len(), &others[0].1),
        (1, why),
        "said once, and not of itself"
    );
    assert!(divide(&mut stopped, &["Allow Read a y"]).0.is_empty());
}

fn any_acl() -> impl Strategy<Value = Acl> {
    let permission = select(vec!["Allow", "Allow", "Deny"]);
    let operation = select(vec!["All", "Read", "Describe", "Alter"]);
    let name = select(vec!["a", "ab", "a+", "ab+", "*"]);
    let principal = select(vec!["x", "y", "*"]);
    (permission, operation, name, principal)
        .prop_map(|(p, o, n, u)| acl(&format!("{p} {o} {n} {u}")))
}

/// Everything that can be asked in the small world of [`any_acl`], answered.
fn answers(acls: &BTreeSet<Acl>) -> Vec<bool> {
    let none = BTreeMap::new();
    let mut all = Vec::new();
    for principal in ["User:x", "User:y", "User:z"] {
        for name in ["a", "ab", "abc", "b"] {
            for operation in [Operation::Read, Operation::Describe, Operation::Alter] {
                let question = Question {
                    principal,
                    host: "10.0.0.1",
                    operation,
                    resource: ResourceType::Topic,
                    name,
                };
                all.push(explain(&question, acls.iter(), &[], &none).allowed);
            }
        }
    }
    all
}

/// What Kafka has, what was created here, what is wanted: all drawn from few ACLs, so that they overlap.
fn states() -> impl Strategy<Value = [BTreeSet<Acl>; 3]> {
    proptest::collection::btree_set(any_acl(), 1..12).prop_flat_map(|pool| {
        let pool: Vec<_> = pool.into_iter().collect();
        let some = || {
            let size = 0..=pool.len();
            subsequence(pool.clone(), size).prop_map(BTreeSet::from_iter)
        };
        [some(), some(), some()]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_gap_and_no_door([present, owned, goal] in states()) {
        let steps = changes(&wanted(&goal), &present, &owned);
        let foreign: BTreeSet<_> = present.difference(&owned).cloned().collect();
        let end: BTreeSet<_> = goal.union(&foreign).cloned().collect();
        let (before, after) = (answers(&present), answers(&end));
        let mut now = present.clone();
        let check = |now: &BTreeSet<Acl>, step: &Acl| {
            for (i, answer) in answers(now).into_iter().enumerate() {
                if before[i] == after[i] {
                    prop_assert_eq!(answer, before[i], "question {} after {}", i, step);
                }
            }
            Ok(())
        };
        for acl in steps.create.iter().flatten() {
            prop_assert!(now.insert(acl.clone()), "created twice");
            check(&now, acl)?;
        }
        for acl in steps.delete.iter().flatten() {
            prop_assert!(owned.contains(acl), "not ours");
            prop_assert_eq!(now.remove(acl), present.contains(acl), "deleted twice");
            check(&now, acl)?;
        }
        prop_assert_eq!(&now, &end);
        // What is remembered afterwards is what is there and ours, and a second look finds nothing to do.
        let created = steps.create.iter().flatten();
        let mut remembered: BTreeSet<_> = owned.iter().chain(created).cloned().collect();
        for acl in steps.delete.iter().flatten() {
            remembered.remove(acl);
        }
        prop_assert!(remembered.is_subset(&goal));
        let again = changes(&wanted(&goal), &now, &remembered);
        prop_assert!(again.is_empty());
    }

    /// Kafka refuses some, at random: still nobody is let in or kept out who should not, at the next looks neither, and
    /// when it refuses no more all is as it should be.
    #[test]
    fn no_gap_and_no_door_when_some_are_refused(
        [present, owned, goal] in states(),
        refused in proptest::collection::vec(proptest::collection::btree_set(any_acl(), 0..6), 1..3),
    ) {
        let foreign: BTreeSet<_> = present.difference(&owned).cloned().collect();
        let end: BTreeSet<_> = goal.union(&foreign).cloned().collect();
        let (before, after) = (answers(&present), answers(&end));
        let (mut now, mut ours) = (present, owned);
        for refused in refused.iter().chain([&BTreeSet::new()]) {
            let steps = changes(&wanted(&goal), &now, &ours);
            let mut stopped = Stopped::default();
            let creates = steps.create.into_iter().map(|step| (true, step));
            for (creates, step) in creates.chain(steps.delete.into_iter().map(|step| (false, step))) {
                let (go, wait) = stopped.divide(step);
                prop_assert!(wait.is_empty() || !refused.is_empty(), "somebody waits for nothing");
                for acl in go {
                    if refused.contains(&acl) {
                        stopped.note(&acl, &refusal());
                        continue;
                    }
                    let set = |acls: &mut BTreeSet<Acl>| match creates {
                        true => acls.insert(acl.clone()),
                        false => acls.remove(&acl),
                    };
                    set(&mut now);
                    set(&mut ours);
                    for (i, answer) in answers(&now).into_iter().enumerate() {
                        if before[i] == after[i] {
                            prop_assert_eq!(answer, before[i], "question {} after {}", i, acl);
                        }
                    }
                }
            }
        }
        prop_assert_eq!(now, end);
    }

    #[test]
    fn permission_is_never_mistaken([present, owned, goal] in states()) {
        let steps = changes(&wanted(&goal), &present, &owned);
        let all = |acls: &[Acl], permission| acls.iter().all(|a| a.permission == permission);
        prop_assert!(all(&steps.create[0], Permission::Deny) && all(&steps.create[1], Permission::Allow));
        prop_assert!(all(&steps.delete[0], Permission::Allow) && all(&steps.delete[1], Permission::Deny));
    }
}
