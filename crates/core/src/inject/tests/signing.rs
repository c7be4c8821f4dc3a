//! What is signed, and for whom.

use k8s_openapi::api::certificates::v1beta1::PodCertificateRequestSpec;

use super::*;

const NOW: i64 = 1_800_000_000;
const YEAR: i64 = 365 * 86_400;

fn request(signer: &str, account: &str, seconds: i32) -> PodCertificateRequestSpec {
    PodCertificateRequestSpec {
        signer_name: signer.to_owned(),
        service_account_name: account.to_owned(),
        max_expiration_seconds: Some(seconds),
        ..PodCertificateRequestSpec::default()
    }
}

fn judged(
    namespace: &str,
    request: &PodCertificateRequestSpec,
    cluster: Option<&KafkaCluster>,
    end: i64,
) -> Judgement {
    judge(
        namespace,
        request,
        cluster,
        Some(&BTreeMap::new()),
        end,
        NOW,
    )
}

#[test]
fn the_subject_is_the_service_account_and_the_times_are_what_the_api_server_accepts() {
    let request = request("kafka.sdm.dev/streaming.events", "orders", 3600);
    let Judgement::Issue(order) = judged("shop", &request, Some(&open()), NOW + YEAR) else {
        panic!("not issued")
    };
    assert_eq!(order.common_name, "shop/orders");
    assert!(NOW - order.not_before < 300, "the API server's bound");
    assert_eq!(order.not_after - order.not_before, 3600);
    assert!(
        order.refresh_at >= order.not_before + 600 && order.refresh_at <= order.not_after - 600
    );
    assert_eq!(order.refresh_at - order.not_before, 1200);
}

#[test]
fn nothing_outlives_the_authority() {
    let week = request("kafka.sdm.dev/streaming.events", "orders", 7 * 86_400);
    let Judgement::Issue(order) = judged("shop", &week, Some(&open()), NOW + 86_400) else {
        panic!("not issued")
    };
    assert_eq!(order.not_after, NOW + 86_400);
    let judgement = judged("shop", &week, Some(&open()), NOW + 3000);
    assert!(
        matches!(&judgement, Judgement::Deny(r) if r.reason == "AuthorityEnds"),
        "{judgement:?}"
    );
}

#[test]
fn denials_say_why() {
    let signer = "kafka.sdm.dev/streaming.events";
    let mut annotated = request(signer, "orders", 3600);
    annotated.unverified_user_annotations = Some(BTreeMap::from([(
        "a.b/user".to_owned(),
        "admin".to_owned(),
    )]));
    let (everybody, nobody) = (open(), cluster(json!(null)));
    for (request, cluster, reason, words) in [
        (
            request("example.com/a.b", "orders", 3600),
            Some(&everybody),
            "UnknownSigner",
            "is no signer of a cluster's",
        ),
        (
            request(signer, "orders", 3600),
            None,
            "ClusterNotFound",
            "belongs to no KafkaCluster",
        ),
        (
            request(signer, "orders", 3600),
            Some(&nobody),
            "NamespaceNotAllowed",
            "allowedNamespaces",
        ),
        (
            annotated,
            Some(&everybody),
            "UnknownAnnotations",
            "mean nothing",
        ),
        (
            request(signer, &"a".repeat(60), 3600),
            Some(&everybody),
            "PrincipalTooLong",
            "65 characters",
        ),
    ] {
        match judged("shop", &request, cluster, NOW + YEAR) {
            Judgement::Deny(refusal) => {
                assert_eq!(refusal.reason, reason);
                assert!(refusal.message.contains(words), "{}", refusal.message);
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[test]
fn nothing_is_denied_for_good_while_labels_are_not_known() {
    let request = request("kafka.sdm.dev/streaming.events", "orders", 3600);
    let cluster = cluster(json!({"allowedNamespaces": {"matchLabels": {"team": "shop"}}}));
    let judgement = judge("shop", &request, Some(&cluster), None, NOW + YEAR, NOW);
    assert!(matches!(judgement, Judgement::Wait(_)), "{judgement:?}");
}
