//! Every refusal: where, of which kind, and in which words.

use super::*;
use crate::violation::ViolationKind::{self, Forbidden, Invalid};

/// What a changed Pod is refused for, in a world that lets it in.
fn refused(change: impl FnOnce(&mut Value)) -> (String, ViolationKind, String) {
    let (cluster, labels) = (open(), BTreeMap::new());
    let world = World {
        served: true,
        cluster: Some(&cluster),
        labels: Some(&labels),
    };
    let mut pod = pod();
    change(&mut pod);
    first(injection(&pod, &world))
}

fn first(injection: Option<Injection>) -> (String, ViolationKind, String) {
    match injection {
        Some(Injection::Refused(violations)) => {
            let first = violations[0].clone();
            (first.path, first.kind, first.message)
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn annotated(key: &'static str, value: &str) -> impl FnOnce(&mut Value) {
    let value = json!(value);
    move |pod| pod["metadata"]["annotations"][key] = value
}

#[test]
fn an_annotation_that_means_nothing_is_refused() {
    for wrong in [
        "",
        "/",
        "a/",
        "/a",
        "a/b/c",
        "Events",
        "a.b",
        "-a",
        "no such",
        &"a".repeat(64),
    ] {
        let (path, kind, message) = refused(annotated("kafka.sdm.dev/inject", wrong));
        assert_eq!(path, "metadata.annotations[kafka.sdm.dev/inject]");
        assert_eq!(kind, Invalid);
        assert_eq!(
            message,
            format!(
                "{wrong:?} is no cluster: write <cluster> or <namespace>/<cluster>, or \"false\" for none"
            )
        );
    }
    for (wrong, why) in [
        ("a week", "is no duration"),
        (
            "59m",
            "59m is out of bounds: Kubernetes allows certificates of Pods from 1h to 2184h",
        ),
        ("2185h", "2185h is out of bounds"),
    ] {
        let (path, _, message) = refused(annotated("kafka.sdm.dev/inject-lifetime", wrong));
        assert_eq!(path, "metadata.annotations[kafka.sdm.dev/inject-lifetime]");
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn who_may_not_or_cannot_is_told_why() {
    let labels = BTreeMap::from([("team".to_owned(), "shop".to_owned())]);
    let nobody = cluster(json!(null));
    let others = cluster(json!({"allowedNamespaces": {"matchLabels": {"team": "fleet"}}}));
    let strict = in_mode(InjectionMode::PodCertificates);
    let mut passwords = open();
    passwords.spec.listeners[0].tls = sdm_api::ListenerTls::Server;
    for (served, cluster, labels, kind, want) in [
        (
            false,
            Some(&strict),
            Some(&labels),
            Invalid,
            "gives identities by pod certificates only (spec.injection.mode), and this Kubernetes serves none",
        ),
        (
            false,
            Some(&nobody),
            Some(&labels),
            Forbidden,
            "spec.tenancy.allowedNamespaces of the cluster is not set",
        ),
        (
            true,
            None,
            Some(&labels),
            Invalid,
            "there is no KafkaCluster streaming/events: create it, correct the annotation, or remove it",
        ),
        (
            true,
            Some(&nobody),
            Some(&labels),
            Forbidden,
            "namespace \"shop\" may not use this cluster: spec.tenancy.allowedNamespaces of the cluster is not set",
        ),
        (
            true,
            Some(&others),
            Some(&labels),
            Forbidden,
            "does not select its labels",
        ),
        (
            true,
            Some(&others),
            None,
            Forbidden,
            "are not known yet; try again",
        ),
        (
            true,
            Some(&passwords),
            Some(&labels),
            Invalid,
            "no listener of cluster streaming/events asks for certificates: add one with `tls: mtls`",
        ),
    ] {
        let world = World {
            served,
            cluster,
            labels,
        };
        let (path, is, message) = first(injection(&pod(), &world));
        assert_eq!(path, "metadata.annotations[kafka.sdm.dev/inject]");
        assert_eq!(is, kind, "{message}");
        assert!(message.contains(want), "{message}");
    }
}

#[test]
fn a_principal_that_fits_into_no_certificate_is_refused() {
    let account = "a".repeat(60);
    let (path, kind, message) = refused(|pod| pod["spec"]["serviceAccountName"] = json!(account));
    assert_eq!((path.as_str(), kind), ("spec.serviceAccountName", Invalid));
    assert!(
        message.contains("has 65 characters, and the common name of a certificate 64 at most"),
        "{message}"
    );
    // One less is the most there may be.
    let mut pod = pod();
    pod["spec"]["serviceAccountName"] = json!("a".repeat(59));
    injected(&pod);
}

#[test]
fn what_bears_our_names_and_is_not_ours_is_neither_overwritten_nor_trusted() {
    let volume = json!({"name": VOLUME, "secret": {"secretName": "forged"}});
    let (path, _, message) = refused(|pod| pod["spec"]["volumes"] = json!([volume]));
    assert_eq!(path, format!("spec.volumes[{VOLUME}]"));
    assert!(
        message.ends_with("this one is not it: rename it"),
        "{message}"
    );

    let (path, _, message) = refused(|pod| {
        pod["metadata"]["labels"]["kafka.sdm.dev/injected"] = json!("secret");
    });
    assert_eq!(path, "metadata.labels[kafka.sdm.dev/injected]");
    assert!(
        message.contains("as \"pod-certificate\", and this one says something else: remove it"),
        "{message}"
    );

    // Ours, but for another signer.
    let (mut other, ..) = injected(&pod());
    other["spec"]["volumes"][1]["projected"]["sources"][0]["podCertificate"]["signerName"] =
        json!("kafka.sdm.dev/bank.ledger");
    let (path, ..) = refused(|pod| *pod = other);
    assert_eq!(path, format!("spec.volumes[{VOLUME}]"));

    let (path, _, message) = refused(annotated(
        "kafka.sdm.dev/client.properties",
        "bootstrap.servers=mine",
    ));
    assert_eq!(
        path,
        "metadata.annotations[kafka.sdm.dev/client.properties]"
    );
    assert!(
        message.ends_with("says something else: remove it"),
        "{message}"
    );

    for (name, at) in [
        ("tmp", "/etc/kafka-client"),
        ("tmp", "/etc/kafka-client/"),
        ("tmp", "//etc/./x/../kafka-client/ca.crt"),
        (VOLUME, "/elsewhere"),
    ] {
        let mount = json!([{"name": name, "mountPath": at}]);
        for list in ["containers", "initContainers"] {
            let mount = mount.clone();
            let (path, kind, message) = refused(|pod| pod["spec"][list][0]["volumeMounts"] = mount);
            assert!(
                path.starts_with(&format!("spec.{list}["))
                    && path.ends_with(&format!("volumeMounts[{at}]")),
                "{path}"
            );
            assert_eq!(kind, Invalid);
            assert!(
                message.contains("mount another volume elsewhere"),
                "{message}"
            );
        }
    }
    // What only looks like it is nobody's business.
    let mut pod = pod();
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "tmp", "mountPath": "/etc/kafka-clients"}]);
    injected(&pod);
}
