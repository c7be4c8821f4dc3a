use std::fmt::Write as _;
use std::process::Command;

use k8s_openapi::api::core::v1::Secret;
use sdm_api::KafkaUser;
use serde_json::{Value, json};

use super::{listener, scram, user};
use crate::user::{
    Credential, Delivery, Material, Pkcs12, Protocol, SecretView, authority_hash, fingerprint,
    is_owned, render, secret_before, secret_type, shape_hash, wants_pkcs12,
};

const ALL: [&str; 7] = [
    "pem",
    "pkcs12",
    "java",
    "librdkafka",
    "spring",
    "env",
    "servicebinding",
];
const CERTIFICATE: Material<'static> = Material::Certificate {
    cert_pem: "-----BEGIN CERTIFICATE-----\nleaf+/=\n-----END CERTIFICATE-----\n",
    key_pem: "-----BEGIN PRIVATE KEY-----\nkey+/=\n-----END PRIVATE KEY-----\n",
};
const PASSWORD: Material<'static> = Material::Password {
    username: "shop/user/orders/2",
    password: r#"it's "a\b" $HOME # =!"#,
};
const CA: &str = "-----BEGIN CERTIFICATE-----\nca+/=\n-----END CERTIFICATE-----\n";
const STORES: Pkcs12<'static> = Pkcs12 {
    user: Some(b"user store"),
    ca: b"ca store",
    password: "store password",
};

fn with(mut user: KafkaUser, secret: Value) -> KafkaUser {
    user.spec.secret = Some(serde_json::from_value(secret).unwrap());
    user
}

fn rendered(
    user: &KafkaUser,
    protocol: Protocol,
    material: &Material<'_>,
    stores: Option<&Pkcs12<'_>>,
) -> Secret {
    let listener = listener(protocol);
    let delivery = Delivery {
        user,
        listener: &listener,
        ca_pem: CA,
    };
    let credential = Credential {
        authentication: user.spec.authentication.as_str().to_owned(),
        shape: shape_hash(&delivery),
        ..Credential::default()
    };
    render(&delivery, material, stores, &credential)
}

/// The Secret as text: its metadata, and every key with its content.
fn text(secret: &Secret) -> String {
    let metadata = serde_saphyr::to_string(&secret.metadata).unwrap();
    let mut text = format!("type: {}\n{metadata}", secret.type_.as_deref().unwrap());
    for (key, value) in secret.data.iter().flatten() {
        let content = String::from_utf8(value.0.clone()).unwrap();
        write!(text, "\n=== {key}\n{content}").unwrap();
    }
    text
}

fn value(secret: &Secret, key: &str) -> String {
    let value = &secret.data.as_ref().unwrap()[key];
    String::from_utf8(value.0.clone()).unwrap()
}

fn keys(secret: &Secret) -> Vec<&str> {
    secret
        .data
        .as_ref()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn everything_for_a_certificate() {
    let template = json!({"formats": ALL, "name": "orders-kafka", "labels": {"team": "a"},
                          "annotations": {"note": "b"}, "mountPath": "/run/kafka/"});
    let secret = rendered(
        &with(user(json!({})), template),
        Protocol::Ssl,
        &CERTIFICATE,
        Some(&STORES),
    );
    insta::assert_snapshot!(text(&secret));
}

#[test]
fn everything_for_a_password() {
    let stores = Pkcs12 {
        user: None,
        ..STORES
    };
    let secret = rendered(
        &with(scram(json!(null)), json!({"formats": ALL})),
        Protocol::SaslSsl,
        &PASSWORD,
        Some(&stores),
    );
    insta::assert_snapshot!(text(&secret));
}

#[test]
fn what_is_delivered_unless_told_otherwise() {
    let tls = rendered(&user(json!({})), Protocol::Ssl, &CERTIFICATE, None);
    assert_eq!(
        keys(&tls),
        [
            "ca.crt",
            "client.properties",
            "librdkafka.properties",
            "tls.crt",
            "tls.key"
        ]
    );
    assert_eq!(tls.type_.as_deref(), Some("Opaque"));
    let password = rendered(&scram(json!(null)), Protocol::SaslSsl, &PASSWORD, None);
    assert_eq!(
        keys(&password),
        [
            "ca.crt",
            "client.properties",
            "librdkafka.properties",
            "password",
            "sasl.jaas.config",
            "username"
        ]
    );
    let pem = with(user(json!({})), json!({"formats": ["pem"]}));
    assert_eq!(
        keys(&rendered(&pem, Protocol::Ssl, &CERTIFICATE, None)),
        ["ca.crt", "tls.crt", "tls.key"]
    );
    // Nobody is to think that plaintext is verified.
    let open = rendered(
        &scram(json!(null)),
        Protocol::SaslPlaintext,
        &PASSWORD,
        None,
    );
    assert!(
        !keys(&open).contains(&"ca.crt")
            && !text(&open).contains("truststore")
            && !text(&open).contains("ssl.")
    );
    assert!(value(&open, "client.properties").contains("security.protocol=SASL_PLAINTEXT\n"));
}

#[test]
fn key_stores_are_delivered_to_those_who_want_them() {
    assert!(!wants_pkcs12(&user(json!({}))));
    let wanting = with(user(json!({})), json!({"formats": ["pkcs12"]}));
    assert!(wants_pkcs12(&wanting));
    let secret = rendered(&wanting, Protocol::Ssl, &CERTIFICATE, Some(&STORES));
    assert_eq!(
        keys(&secret),
        [
            "ca.crt",
            "ca.p12",
            "p12.password",
            "tls.crt",
            "tls.key",
            "user.p12"
        ]
    );
    let other = rendered(&user(json!({})), Protocol::Ssl, &CERTIFICATE, Some(&STORES));
    assert!(!keys(&other).contains(&"ca.p12"));
}

/// What a shell makes of `client.env`, whatever the password is.
#[test]
fn variables_survive_a_shell() {
    let user = with(scram(json!(null)), json!({"formats": ["env"]}));
    let Material::Password { username, password } = PASSWORD else {
        unreachable!()
    };
    for password in [
        password, "plain", "a b", "$(id)", "`id`", "'", "''\"", "\\", "!x", "~",
    ] {
        let secret = rendered(
            &user,
            Protocol::SaslSsl,
            &Material::Password { username, password },
            None,
        );
        let script = format!(
            "{}printf '%s\\n' \"$KAFKA_SASL_USERNAME\" \"$KAFKA_SASL_PASSWORD\"",
            value(&secret, "client.env")
        );
        let output = Command::new("sh").args(["-euc", &script]).output().unwrap();
        let wanted = format!("{username}\n{password}\n");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), wanted);
    }
}

#[test]
fn the_owner_is_known_by_uid() {
    let owner = user(json!({}));
    let secret = rendered(&owner, Protocol::Ssl, &CERTIFICATE, None);
    assert!(is_owned(&owner, &secret));
    let mut again = owner.clone();
    again.metadata.uid = Some("2".to_owned());
    assert!(
        !is_owned(&again, &secret),
        "created again under the same name"
    );
    again.metadata.uid = None;
    assert!(!is_owned(&again, &secret));
    let mut mentioned = secret.clone();
    mentioned.metadata.owner_references.as_mut().unwrap()[0].controller = None;
    assert!(!is_owned(&owner, &mentioned) && !is_owned(&owner, &Secret::default()));
}

#[test]
fn what_is_seen_of_a_secret() {
    let user = with(
        user(json!({})),
        json!({"labels": {"team": "a"}, "annotations": {"note": "b"}}),
    );
    let secret = rendered(&user, Protocol::Ssl, &CERTIFICATE, None);
    let listener = listener(Protocol::Ssl);
    let shape = shape_hash(&Delivery {
        user: &user,
        listener: &listener,
        ca_pem: CA,
    });
    let seen = |secret: &Secret| {
        let view = SecretView::of(&user, Some(secret), "x", &shape);
        (view.owned, view.intact, view.shape_is_current)
    };
    assert_eq!(
        SecretView::of(&user, None, "x", &shape),
        SecretView::default()
    );
    assert_eq!(seen(&secret), (true, true, true));
    let changed = |change: fn(&mut Secret)| {
        let mut secret = secret.clone();
        change(&mut secret);
        seen(&secret)
    };
    let data = |secret: &mut Secret| drop(secret.data.as_mut().unwrap().remove("tls.key"));
    let added = |secret: &mut Secret| {
        drop(
            secret
                .data
                .as_mut()
                .unwrap()
                .insert("x".to_owned(), Default::default()),
        )
    };
    let label = |secret: &mut Secret| drop(secret.metadata.labels.as_mut().unwrap().remove("team"));
    let note =
        |secret: &mut Secret| drop(secret.metadata.annotations.as_mut().unwrap().remove("note"));
    let kind = |secret: &mut Secret| secret.type_ = Some("servicebinding.io/kafka".to_owned());
    let more = |secret: &mut Secret| {
        drop(
            secret
                .metadata
                .labels
                .as_mut()
                .unwrap()
                .insert("theirs".to_owned(), String::new()),
        )
    };
    let nobody = |secret: &mut Secret| secret.metadata.owner_references = None;
    for (change, wanted) in [
        (changed(data), (true, false, true)),
        (changed(added), (true, false, true)),
        (changed(label), (true, true, false)),
        (changed(note), (true, true, false)),
        (changed(kind), (true, true, false)),
        (changed(more), (true, true, true)),
        (changed(nobody), (false, true, true)),
    ] {
        assert_eq!(change, wanted);
    }
    assert!(!SecretView::of(&user, Some(&secret), "x", "another").shape_is_current);
    let named = Credential {
        certificate: Some(crate::user::CertificateFacts {
            not_before: 1,
            not_after: 2,
            authority: authority_hash(CA),
        }),
        ..Credential::default()
    };
    let secret = render(
        &Delivery {
            user: &user,
            listener: &listener,
            ca_pem: CA,
        },
        &CERTIFICATE,
        None,
        &named,
    );
    let view = |authority: &str| SecretView::of(&user, Some(&secret), authority, &shape);
    let same = view(&authority_hash(&format!("\n{CA}")));
    assert_eq!(
        (same.not_before, same.not_after, same.issued_by_current_ca),
        (Some(1), Some(2), true)
    );
    assert!(!view(&authority_hash("another")).issued_by_current_ca);
}

#[test]
fn the_shape_is_of_all_that_is_rendered_but_the_credential() {
    let base = with(user(json!({})), json!({"labels": {"a": "b"}}));
    let shape = |user: &KafkaUser, protocol, ca_pem| {
        shape_hash(&Delivery {
            user,
            listener: &listener(protocol),
            ca_pem,
        })
    };
    let first = shape(&base, Protocol::Ssl, CA);
    for template in [
        json!({}),
        json!({"labels": {"a": "c"}}),
        json!({"labels": {"a": "b"}, "annotations": {"a": "b"}}),
        json!({"labels": {"a": "b"}, "formats": ["java"]}),
        json!({"labels": {"a": "b"}, "mountPath": "/x"}),
        json!({"labels": {"a": "b"}, "name": "x"}),
    ] {
        assert_ne!(
            shape(&with(base.clone(), template), Protocol::Ssl, CA),
            first
        );
    }
    assert_ne!(shape(&base, Protocol::SaslSsl, CA), first);
    assert_ne!(shape(&base, Protocol::Ssl, "another"), first);
    let mut same = base.clone();
    same.spec.quotas = Some(Default::default());
    same.metadata.generation = Some(9);
    assert_eq!(
        shape(&same, Protocol::Ssl, CA),
        first,
        "what is not rendered does not count"
    );
    assert_eq!(
        secret_type(&with(base, json!({"formats": ["servicebinding"]}))),
        "servicebinding.io/kafka"
    );
}

#[test]
fn keys_and_contents_are_told_apart_by_a_fingerprint() {
    let secret = |pairs: &[(&str, &str)]| Secret {
        data: Some(
            pairs
                .iter()
                .map(|(k, v)| {
                    (
                        (*k).to_owned(),
                        k8s_openapi::ByteString(v.as_bytes().to_vec()),
                    )
                })
                .collect(),
        ),
        ..Secret::default()
    };
    let all = [
        secret(&[]),
        secret(&[("a", "bc")]),
        secret(&[("ab", "c")]),
        secret(&[("a", "b"), ("c", "")]),
    ];
    let prints: std::collections::BTreeSet<_> = all.iter().map(fingerprint).collect();
    assert_eq!(prints.len(), all.len());
}

#[test]
fn under_another_name_it_is_delivered_again_from_where_it_was() {
    let mut user = scram(json!({}));
    user.status.get_or_insert_default().secret = Some("orders".to_owned());
    assert_eq!(secret_before(&user), None);
    let shape = |user: &KafkaUser| {
        let listener = listener(Protocol::SaslSsl);
        shape_hash(&Delivery {
            user,
            listener: &listener,
            ca_pem: CA,
        })
    };
    let before = shape(&user);
    let user = with(user, json!({"name": "other"}));
    assert_eq!(secret_before(&user), Some("orders"));
    assert_ne!(shape(&user), before);
}
