use sdm_api::KafkaUser;
use serde_json::{Value, json};

use super::{scram, user};
use crate::user::validate;

fn violations(user: &KafkaUser) -> Vec<String> {
    let review = validate(user, None);
    review.violations.iter().map(ToString::to_string).collect()
}

fn named(name: &str, spec: Value) -> KafkaUser {
    let mut user = user(spec);
    user.metadata.name = Some(name.to_owned());
    user
}

fn external(principal: &str) -> KafkaUser {
    user(json!({"authentication": "external", "principal": principal}))
}

fn secret(secret: Value) -> KafkaUser {
    user(json!({"secret": secret}))
}

#[test]
fn what_is_refused_and_in_which_words() {
    let x = |n: usize| "x".repeat(n);
    let certificate = |validity: &str| user(json!({"certificate": {"validity": validity}}));
    let overlap = |overlap: &str| scram(json!({"overlap": overlap}));
    let quotas = |quotas: Value| user(json!({"quotas": quotas}));
    let issued = "are issued here, to users and service accounts of that namespace";
    for (user, wanted) in [
        // "shop/user/" takes ten characters.
        (named(&x(55), json!({})), format!("metadata.name: the name in the certificate, \"shop/user/{}\", would have 65 characters and may have 64: shorten the user's name by 1, or use authentication scram-sha-512", x(55))),
        (named(&x(64), json!({"authentication": "scram-sha-512"})), "metadata.name: 64 characters are too long: the name becomes a label, so use at most 63".to_owned()),
        (user(json!({"authentication": "external"})), "spec.principal: authentication is external: say which principal Kafka makes of the credential".to_owned()),
        (user(json!({"principal": "alice"})), "spec.principal: the principal is given with authentication external, and only then: remove it".to_owned()),
        (external(""), "spec.principal: a principal has no line breaks and no control characters, and is not empty".to_owned()),
        (external("a\nb"), "spec.principal: a principal has no line breaks and no control characters, and is not empty".to_owned()),
        (external("User:alice"), "spec.principal: write the principal without the `User:` before it".to_owned()),
        (external("*"), "spec.principal: \"*\" is everybody, and no single user".to_owned()),
        (external("ANONYMOUS"), "spec.principal: \"ANONYMOUS\" is everybody, and no single user".to_owned()),
        (external("sdm:operator"), "spec.principal: principals that begin with `sdm:` are the operator's and the brokers'".to_owned()),
        (external("shop/user/orders"), format!("spec.principal: principals that begin with a namespace and a slash, such as `shop/`, {issued}")),
        (external("other/account"), format!("spec.principal: principals that begin with a namespace and a slash, such as `other/`, {issued}")),
        (certificate("4m59s"), "spec.certificate.validity: a certificate is valid for at least 5 minutes: there must be time to renew it".to_owned()),
        (certificate("87601h"), "spec.certificate.validity: a certificate is valid for at most 10 years, which are 87600h".to_owned()),
        (certificate("90d"), "spec.certificate.validity: \"90d\" is no duration: write hours, minutes and seconds, such as 2160h or 1h30m".to_owned()),
        (overlap("721h"), "spec.password.overlap: two passwords are valid for at most 30 days, which are 720h".to_owned()),
        (overlap("soon"), "spec.password.overlap: \"soon\" is no duration: write hours, minutes and seconds, such as 2160h or 1h30m".to_owned()),
        (scram(json!({"iterations": 4096})), "spec.password.iterations: 4096 is out of range: use 8192 to 16384".to_owned()),
        (scram(json!({"secretRef": {"name": "orders", "key": "pw"}})), "spec.password.secretRef.name: Secret orders is the one that the credential is delivered in: give another name in spec.secret.name".to_owned()),
        (user(json!({"password": {}})), "spec.password: a password is given with authentication scram-sha-512 or scram-sha-256, and this is tls: remove it".to_owned()),
        (user(json!({"authentication": "scram-sha-256", "certificate": {}})), "spec.certificate: a certificate is given with authentication tls, and this is scram-sha-256: remove it".to_owned()),
        (quotas(json!({"producerByteRate": 0})), "spec.quotas.producerByteRate: 0 would stop the user: use at least 1, or leave it out for no limit".to_owned()),
        (quotas(json!({"consumerByteRate": -5})), "spec.quotas.consumerByteRate: -5 would stop the user: use at least 1, or leave it out for no limit".to_owned()),
        (quotas(json!({"requestPercentage": 0.0})), "spec.quotas.requestPercentage: 0 is out of range: use 0.01 to 100000, or leave it out for no limit".to_owned()),
        (quotas(json!({"controllerMutationRate": 1_000_001.0})), "spec.quotas.controllerMutationRate: 1000001 is out of range: use 0.01 to 1000000, or leave it out for no limit".to_owned()),
        (secret(json!({"name": "Upper"})), "spec.secret.name: \"Upper\" is no name of a Secret: use lower-case letters, digits, dashes and dots".to_owned()),
        (secret(json!({"labels": {"a b": "c"}})), "spec.secret.labels[a b]: \"a b\" is no key of labels and annotations: use a name such as `team` or `example.com/team`".to_owned()),
        (secret(json!({"labels": {"a": "c d"}})), "spec.secret.labels[a]: \"c d\" is no value of a label: use up to 63 letters, digits, dashes, dots and underscores, and a letter or digit at both ends".to_owned()),
        (secret(json!({"labels": {"kafka.sdm.dev/cluster": "events"}})), "spec.secret.labels[kafka.sdm.dev/cluster]: keys under kafka.sdm.dev/ are the operator's: choose another".to_owned()),
        (secret(json!({"labels": {"app.kubernetes.io/managed-by": "sdm"}})), "spec.secret.labels[app.kubernetes.io/managed-by]: \"sdm\" marks what a cluster consists of: give another value".to_owned()),
        (secret(json!({"annotations": {"kafka.sdm.dev/credential": "{}"}})), "spec.secret.annotations[kafka.sdm.dev/credential]: keys under kafka.sdm.dev/ are the operator's: choose another".to_owned()),
        (secret(json!({"formats": ["java", "env", "java"]})), "spec.secret.formats: \"java\" is listed twice: list it once".to_owned()),
        (secret(json!({"mountPath": "etc"})), "spec.secret.mountPath: \"etc\" is no absolute path of letters, digits, dots, dashes and underscores".to_owned()),
        (secret(json!({"mountPath": "/a b"})), "spec.secret.mountPath: \"/a b\" is no absolute path of letters, digits, dots, dashes and underscores".to_owned()),
    ] {
        assert_eq!(violations(&user), [wanted]);
    }
}

#[test]
fn what_is_accepted() {
    for user in [
        named(&"x".repeat(54), json!({})),
        named(&"x".repeat(63), json!({"authentication": "scram-sha-256"})),
        external("CN=alice,O=example/unit"),
        external("alice"),
        user(
            json!({"certificate": {"validity": "5m"}, "quotas": {"producerByteRate": 1, "requestPercentage": 0.01}}),
        ),
        user(json!({"certificate": {"validity": "87600h"}})),
        scram(
            json!({"iterations": 16384, "overlap": "720h", "secretRef": {"name": "mine", "key": "pw"}}),
        ),
        secret(
            json!({"name": "a.b-c", "labels": {"example.com/team": "a"}, "annotations": {"note": "any: text\n"}, "formats": ["pem", "pkcs12"], "mountPath": "/etc/kafka"}),
        ),
    ] {
        assert_eq!(validate(&user, None), Default::default(), "{:?}", user.spec);
    }
}

#[test]
fn what_is_warned_of_and_what_cannot_change() {
    let warnings = |user: &KafkaUser| validate(user, None).warnings;
    assert_eq!(
        warnings(&scram(json!({"overlap": "0s"}))),
        [
            "spec.password.overlap: no overlap: a rotation cuts off clients that have not read the new password"
        ]
    );
    let delivered = user(json!({"authentication": "external", "principal": "alice", "secret": {}}));
    assert_eq!(
        warnings(&delivered),
        ["spec.secret: nothing is delivered: somebody else provides the credential"]
    );
    let moved = user(json!({"clusterRef": {"name": "other"}}));
    let review = validate(&moved, Some(&user(json!({}))));
    assert_eq!(
        review.violations[0].to_string(),
        "spec.clusterRef: clusterRef cannot change: create another object for the other cluster"
    );
    assert_eq!(validate(&moved, Some(&moved)), Default::default());
}
