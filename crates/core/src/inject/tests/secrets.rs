//! Secrets of service accounts: which Pods get one, whose it is, and when it is written anew.

use k8s_openapi::api::core::v1::Secret;
use sdm_api::inject::MIN_SECRET_LIFETIME;

use super::super::secret::{
    Case, Delivered, Holder, Material, Step, name_taken, needs, plan, render,
};
use super::*;

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;
/// The end of the authority.
const END: i64 = NOW + 365 * DAY;

fn holder() -> Holder {
    Holder {
        namespace: "shop".to_owned(),
        account: "orders".to_owned(),
        cluster_namespace: "streaming".to_owned(),
        cluster: "events".to_owned(),
    }
}

#[test]
fn keys_come_from_where_the_cluster_says_and_kubernetes_can() {
    use InjectionMode::{Auto, PodCertificates, Secret};
    for (mode, served, label) in [
        (Auto, true, "pod-certificate"),
        (Auto, false, "secret"),
        (PodCertificates, true, "pod-certificate"),
        (Secret, true, "secret"),
        (Secret, false, "secret"),
    ] {
        let (pod, ..) = injected_by(&pod(), &in_mode(mode), served);
        assert_eq!(pod["metadata"]["labels"]["kafka.sdm.dev/injected"], label);
        assert_eq!(pod["metadata"]["labels"]["app"], "shop");
    }
}

#[test]
fn only_the_volume_and_the_label_tell_them_apart() {
    let cluster = in_mode(InjectionMode::Secret);
    let (mut by_secret, ..) = injected_by(&pod(), &cluster, true);
    assert_eq!(
        injected_by(&by_secret, &cluster, true).1,
        [],
        "nothing is left to add"
    );
    let (by_certificate, ..) = injected(&pod());
    let sources = by_secret["spec"]["volumes"][1]["projected"]["sources"].take();
    let item = |file: &str| json!({"key": file, "path": file});
    assert_eq!(
        sources[0],
        json!({"secret": {
            "name": "kafka-client.streaming.events.orders", "optional": false,
            "items": [item("keystore.pem"), item("tls.key"), item("tls.crt"), item("ca.crt")]
        }})
    );
    let other = &by_certificate["spec"]["volumes"][1]["projected"]["sources"];
    assert_eq!(sources[1], other[2], "the configuration");
    by_secret["spec"]["volumes"][1]["projected"]["sources"] = other.clone();
    by_secret["metadata"]["labels"] = by_certificate["metadata"]["labels"].clone();
    assert_eq!(by_secret, by_certificate);
}

#[test]
fn lifetimes_are_bounded_by_what_gives_the_key() {
    let labels = BTreeMap::new();
    for (lifetime, by_secret, by_certificate) in [
        ("4m59s", false, false),
        ("5m", true, false),
        ("1h", true, true),
        ("2184h", true, true),
        ("2185h", false, false),
    ] {
        let mut pod = pod();
        pod["metadata"]["annotations"]["kafka.sdm.dev/inject-lifetime"] = json!(lifetime);
        for (served, may) in [(false, by_secret), (true, by_certificate)] {
            let world = World {
                served,
                cluster: Some(&open()),
                labels: Some(&labels),
            };
            match injection(&pod, &world) {
                Some(Injection::Patch { .. }) => assert!(may, "{lifetime} {served}"),
                Some(Injection::Refused(why)) => {
                    assert!(!may, "{why:?}");
                    assert!(why[0].message.contains("is out of bounds"), "{why:?}");
                }
                None => panic!("it asked"),
            }
        }
    }
}

/// What somebody makes of a Pod.
type Change = fn(&mut Value);

/// A Pod as it is stored, in Secret mode.
fn stored() -> Value {
    injected_by(&pod(), &open(), false).0
}

fn needed(pod: &Value) -> Option<(Holder, i64)> {
    needs(&serde_json::from_value::<Pod>(pod.clone()).unwrap())
}

#[test]
fn a_pod_needs_the_secret_of_its_own_account_and_of_nobody_else() {
    assert_eq!(needed(&stored()), Some((holder(), 7 * DAY)));
    let no_account = {
        let mut pod = pod();
        pod["spec"]["serviceAccountName"] = json!(null);
        injected_by(&pod, &open(), false).0
    };
    assert_eq!(needed(&no_account).unwrap().0.account, "default");
    let changed = |change: fn(&mut Value)| {
        let mut pod = stored();
        change(&mut pod);
        needed(&pod)
    };
    let sources = |pod: &mut Value| pod["spec"]["volumes"][1]["projected"]["sources"].take();
    let nothing: [(&str, Change); 10] = [
        ("label", |p| p["metadata"]["labels"] = json!(null)),
        ("other label", |p| {
            p["metadata"]["labels"]["kafka.sdm.dev/injected"] = json!("pod-certificate");
        }),
        ("annotation", |p| p["metadata"]["annotations"] = json!({})),
        ("opted out", |p| {
            p["metadata"]["annotations"]["kafka.sdm.dev/inject"] = json!("false");
        }),
        ("another cluster, afterwards", |p| {
            p["metadata"]["annotations"]["kafka.sdm.dev/inject"] = json!("bank/ledger");
        }),
        ("another account's Secret", |p| {
            p["spec"]["volumes"][1]["projected"]["sources"][0]["secret"]["name"] =
                json!("kafka-client.streaming.events.payments");
        }),
        ("another account", |p| {
            p["spec"]["serviceAccountName"] = json!("payments");
        }),
        ("ended", |p| p["status"] = json!({"phase": "Succeeded"})),
        ("failed", |p| p["status"] = json!({"phase": "Failed"})),
        ("no volume", |p| p["spec"]["volumes"] = json!([])),
    ];
    for (what, change) in nothing {
        assert_eq!(changed(change), None, "{what}");
    }
    let mut bare = stored();
    assert!(sources(&mut bare).is_array());
    assert_eq!(needed(&bare), None);
    // Where a Pod is is what the API server says.
    let elsewhere = changed(|p| p["metadata"]["namespace"] = json!("bank"));
    assert_eq!(elsewhere.unwrap().0.namespace, "bank");
}

fn secret() -> Secret {
    let material = Material {
        chain: "chain\n",
        key: "key\n",
        authorities: "authorities\n",
    };
    render(&holder(), "uid-1", &material)
}

#[test]
fn the_secret_goes_with_the_account_and_is_known_again() {
    let secret = secret();
    assert_eq!(Holder::of(&secret), Some(holder()));
    let owner = &secret.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!(
        (&*owner.kind, &*owner.name, &*owner.uid),
        ("ServiceAccount", "orders", "uid-1")
    );
    let data = secret.data.as_ref().unwrap();
    let files: Vec<_> = data.keys().map(String::as_str).collect();
    assert_eq!(files, ["ca.crt", "keystore.pem", "tls.crt", "tls.key"]);
    assert_eq!(data["keystore.pem"].0, b"key\nchain\n");
    // Nothing of it would be lost if it were not ours.
    let changes: [fn(&mut Secret); 4] = [
        |s| s.metadata.owner_references = None,
        |s| s.metadata.labels = None,
        |s| s.metadata.name = Some("another".to_owned()),
        |s| {
            let labels = s.metadata.labels.as_mut().unwrap();
            labels.insert(
                "kafka.sdm.dev/service-account".to_owned(),
                "other".to_owned(),
            );
        },
    ];
    for change in changes {
        let mut other = secret.clone();
        change(&mut other);
        assert_eq!(Holder::of(&other), None);
    }
    let said = name_taken(&holder()).message;
    assert!(
        said.contains("kafka-client.streaming.events.orders exists"),
        "{said}"
    );
}

fn planned(change: impl FnOnce(&mut Case<'_>)) -> Step {
    let (cluster, labels, holder) = (open(), BTreeMap::new(), holder());
    let mut case = Case {
        holder: &holder,
        lifetime: Some(3000),
        cluster: Some(&cluster),
        labels: Some(&labels),
        forbidden: None,
        authority_end: Some(END),
        delivered: None,
        least: MIN_SECRET_LIFETIME,
        now: NOW,
    };
    change(&mut case);
    plan(&case)
}

/// A Secret with a certificate that was issued so long ago, for so long.
fn issued(ago: i64, lifetime: i64) -> Option<Delivered> {
    Some(Delivered {
        not_before: NOW - ago - 120,
        not_after: NOW - ago + lifetime,
        intact: true,
    })
}

/// Seconds of the certificate that is issued.
fn lifetime(step: &Step) -> Option<i64> {
    match step {
        Step::Issue(order) => {
            assert_eq!(order.common_name, "shop/orders");
            assert_eq!(order.not_before, NOW - 120);
            assert_eq!(order.refresh_at - NOW, (order.not_after - NOW) / 3);
            Some(order.not_after - NOW)
        }
        _ => None,
    }
}

#[test]
fn a_certificate_is_issued_when_there_is_none_that_will_do() {
    let step = planned(|_| {});
    assert_eq!(lifetime(&step), Some(3000));
    for (delivered, want) in [
        // A third of it, and not before.
        (issued(999, 3000), None),
        (issued(1000, 3000), Some(3000)),
        // Somebody wants less than it is valid: as if it were valid no longer.
        (issued(999, DAY), None),
        (issued(1000, DAY), Some(3000)),
        // Somebody wants more.
        (issued(10, 2000), Some(3000)),
        (issued(9000, 3000), Some(3000)),
    ] {
        let step = planned(|case| case.delivered = delivered);
        assert_eq!(lifetime(&step), want, "{delivered:?}");
        if want.is_none() {
            assert_eq!(step, Step::Keep(Some(NOW + 1)));
        }
    }
    let touched = issued(0, 3000).map(|d| Delivered { intact: false, ..d });
    assert!(lifetime(&planned(|case| case.delivered = touched)).is_some());
}

#[test]
fn lifetimes_are_kept_within_bounds_whatever_became_of_the_annotation() {
    let of = |asked| lifetime(&planned(|case| case.lifetime = Some(asked)));
    assert_eq!(of(1), Some(300));
    assert_eq!(of(i64::MAX), Some(91 * DAY));
    // Nothing outlives the authority, and it is not issued again for that.
    let short = |case: &mut Case<'_>| case.authority_end = Some(NOW + 1000);
    assert_eq!(lifetime(&planned(short)), Some(1000));
    let step = planned(|case| {
        short(case);
        case.delivered = issued(0, 1000);
    });
    assert_eq!(step, Step::Keep(Some(NOW + 333)));
    let step = planned(|case| case.authority_end = Some(NOW + 299));
    assert!(
        matches!(&step, Step::Refuse(r) if r.reason == "AuthorityEnds"),
        "{step:?}"
    );
}

#[test]
fn what_nobody_needs_stays_until_it_would_be_renewed() {
    for (delivered, want) in [
        (None, Step::Keep(None)),
        (issued(999, 3000), Step::Keep(Some(NOW + 1))),
        (issued(1000, 3000), Step::Remove),
        (issued(9999, 3000), Step::Remove),
    ] {
        let step = planned(|case| {
            case.lifetime = None;
            // Even of a cluster that is gone.
            case.cluster = None;
            case.delivered = delivered;
        });
        assert_eq!(step, want, "{delivered:?}");
    }
}

#[test]
fn who_may_not_gets_nothing_and_is_told_why() {
    let nobody = cluster(json!(null));
    let others = cluster(json!({"allowedNamespaces": {"matchLabels": {"team": "fleet"}}}));
    let strict = in_mode(InjectionMode::PodCertificates);
    let long = Holder {
        account: "a".repeat(60),
        ..holder()
    };
    let (all, labels, orders) = (open(), BTreeMap::new(), holder());
    let case = Case {
        holder: &orders,
        lifetime: Some(3000),
        cluster: Some(&all),
        labels: Some(&labels),
        forbidden: None,
        authority_end: Some(END),
        delivered: None,
        least: MIN_SECRET_LIFETIME,
        now: NOW,
    };
    let policy = crate::outcome::Refusal::stands("ForbiddenByPolicy", "");
    #[rustfmt::skip]
    let cases = [
        ("ClusterNotFound", Case { cluster: None, ..case }),
        ("NamespaceNotAllowed", Case { cluster: Some(&nobody), ..case }),
        ("NamespaceNotAllowed", Case { cluster: Some(&others), ..case }),
        ("NamespaceNotAllowed", Case { cluster: Some(&others), labels: None, ..case }),
        ("PodCertificatesOnly", Case { cluster: Some(&strict), ..case }),
        ("PrincipalTooLong", Case { holder: &long, ..case }),
        ("ForbiddenByPolicy", Case { forbidden: Some(&policy), ..case }),
        ("ClusterNotReady", Case { authority_end: None, ..case }),
    ];
    for (reason, case) in cases {
        // Nor is what is there renewed.
        for delivered in [None, issued(0, 3000), issued(2000, 3000)] {
            let step = plan(&Case { delivered, ..case });
            assert!(
                matches!(&step, Step::Refuse(r) if r.reason == reason),
                "{reason}: {step:?}"
            );
        }
    }
}
