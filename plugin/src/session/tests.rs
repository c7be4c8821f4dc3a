use serde_json::json;

use super::*;
use crate::scripted;

/// A session whose API server knows these clusters, in namespace `ns`.
fn session(names: &'static [&'static str], flag: Option<&str>) -> Session {
    let answer = move |asked: &scripted::Asked| {
        let spec = json!({"pools": []});
        let cluster = |name: &str| json!({"metadata": {"name": name}, "spec": spec});
        let under = "/apis/kafka.sdm.dev/v1beta1/namespaces/ns/kafkaclusters";
        match asked.path.strip_prefix(under) {
            Some("") => scripted::list(&names.iter().map(|n| cluster(n)).collect::<Vec<_>>()),
            Some(name) if names.contains(&name.trim_start_matches('/')) => {
                (200, vec![cluster(name.trim_start_matches('/'))])
            }
            _ => scripted::refused(404, "NotFound", &asked.path),
        }
    };
    scripted::session(flag, answer).0
}

#[tokio::test]
async fn the_cluster_is_the_one_named_or_the_only_one() {
    let chosen = async |names, flag, named| {
        session(names, flag)
            .cluster(named)
            .await
            .map(|c| c.name_any())
            .map_err(|f| (f.code, f.what))
    };
    assert_eq!(chosen(&["a"], None, None).await.unwrap(), "a");
    assert_eq!(chosen(&["a", "b"], Some("b"), None).await.unwrap(), "b");
    assert_eq!(
        chosen(&["a", "b"], Some("b"), Some("a")).await.unwrap(),
        "a"
    );
    let (code, what) = chosen(&["a", "b"], None, None).await.unwrap_err();
    assert_eq!(
        (code, what.ends_with("name one of: a, b")),
        (Code::Usage, true),
        "{what}"
    );
    assert_eq!(chosen(&[], None, None).await.unwrap_err().0, Code::NotFound);
    assert_eq!(
        chosen(&["a"], Some("x"), None).await.unwrap_err().0,
        Code::NotFound
    );
}

#[test]
fn a_cluster_may_be_in_another_namespace() {
    let read = |text| cluster_name(Some(text));
    let owned = |text: &str| Some(text.to_owned());
    assert_eq!(read("events"), (None, owned("events")));
    assert_eq!(read("a/events"), (owned("a"), owned("events")));
    assert_eq!((read(""), cluster_name(None)), ((None, None), (None, None)));
}

#[tokio::test]
async fn a_cluster_that_is_not_there_comes_with_the_choices() {
    let failure = session(&["a", "b"], None)
        .cluster(Some("x"))
        .await
        .unwrap_err();
    assert_eq!(failure.hint.as_deref(), Some("this namespace has: a, b"));
}
