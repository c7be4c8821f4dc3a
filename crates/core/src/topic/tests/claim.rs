use crate::topic::{Claim, winner};

fn claim(created: i64, namespace: &str, name: &str, uid: &str) -> Claim {
    let [namespace, name, uid] = [namespace, name, uid].map(str::to_owned);
    Claim {
        created,
        namespace,
        name,
        uid,
    }
}

#[test]
fn the_older_object_has_the_name_and_the_recorded_one_keeps_it() {
    let old = claim(10, "b", "x", "1");
    let young = claim(11, "a", "x", "2");
    let twin = claim(10, "a", "x", "3");
    for (claims, recorded, wins) in [
        (vec![&young, &old], None, Some(&old)),
        (vec![&old, &young], None, Some(&old)),
        (vec![&young, &old, &twin], None, Some(&twin)),
        (vec![&old, &young], Some("2"), Some(&young)),
        // Its object is gone, or claims another name now.
        (vec![&old, &young], Some("9"), Some(&old)),
        (vec![], Some("2"), None),
    ] {
        assert_eq!(
            winner(claims.clone().into_iter(), recorded),
            wins,
            "{claims:?} {recorded:?}"
        );
    }
}
