use kube::ResourceExt;
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
    let read = |flag| cluster::named(flag, "ns").into_inner();
    assert_eq!(read(Some("events")), Some(ObjectKey::new("ns", "events")));
    assert_eq!(read(Some("a/events")), Some(ObjectKey::new("a", "events")));
    assert_eq!(read(Some("/events")), Some(ObjectKey::new("ns", "events")));
    assert_eq!(
        [read(Some("")), read(Some("a/")), read(None)],
        [None, None, None]
    );
}

/// A session of a tenant whose topics and users refer to these clusters. It may not look at clusters, nor at ACLs.
fn tenant(topics: &'static [&'static str], users: &'static [&'static str]) -> Session {
    let answer = move |asked: &scripted::Asked| {
        let object = |reference: &&str| {
            let (namespace, name) = reference.split_once('/').unwrap();
            let reference = json!({"namespace": namespace, "name": name});
            let spec = json!({"clusterRef": reference, "authentication": "tls"});
            json!({"metadata": {"name": "x", "namespace": "ns"}, "spec": spec})
        };
        let objects = |of: &[&str]| scripted::list(&of.iter().map(object).collect::<Vec<_>>());
        match asked.path.rsplit_once('/').unwrap().1 {
            "kafkatopics" => objects(topics),
            "kafkausers" => objects(users),
            other => scripted::refused(403, "Forbidden", &format!("{other} is forbidden")),
        }
    };
    scripted::session(None, answer).0
}

#[tokio::test]
async fn a_tenants_cluster_is_the_only_one_that_its_objects_refer_to() {
    let session = tenant(&["a/events", "a/events"], &["a/events"]);
    let (key, read) = session.settle().await.unwrap();
    assert_eq!((key, read), (&ObjectKey::new("a", "events"), None));
    assert_eq!(session.cluster_namespace(), "a");
    assert_eq!(session.flags("events"), "-n ns -c a/events");

    let several = tenant(&["a/events"], &["b/events"])
        .settle()
        .await
        .map(|_| ());
    let several = several.unwrap_err();
    assert_eq!(several.code, Code::Usage);
    assert!(
        several.what.ends_with("name one of: a/events, b/events"),
        "{several}"
    );
    let nothing = tenant(&[], &[]).settle().await.map(|_| ()).unwrap_err();
    assert_eq!(nothing.code, Code::Denied, "{nothing}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_comes_with_the_choices() {
    let failure = session(&["a", "b"], None)
        .cluster(Some("x"))
        .await
        .unwrap_err();
    assert_eq!(failure.hint.as_deref(), Some("this namespace has: a, b"));
}
