use serde_json::json;

use super::{scram, user};
use crate::user::{
    CertificateFacts, Credential, Previous, check_password, parse_duration, password_hash,
    password_matches, principal, random_password, renew_at,
};

#[test]
fn durations() {
    for (text, seconds) in [
        ("2160h", 7_776_000),
        ("1h30m", 5400),
        ("90s", 90),
        ("30m", 1800),
        ("0s", 0),
        ("1m1m", 120),
    ] {
        assert_eq!(parse_duration(text), Ok(seconds), "{text}");
    }
    for text in [
        "",
        "1",
        "h",
        "1d",
        "-1h",
        "1h30",
        "1.5h",
        "1 h",
        "99999999999999999999h",
        "9223372036854775807h",
    ] {
        let why = parse_duration(text).unwrap_err();
        assert_eq!(
            why,
            format!(
                "{text:?} is no duration: write hours, minutes and seconds, such as 2160h or 1h30m"
            )
        );
    }
}

#[test]
fn a_certificate_is_renewed_at_two_thirds() {
    for (from, to, at) in [
        (0, 300, 200),
        (100, 101, 100),
        (1_800_000_000, 1_807_776_000, 1_805_184_000),
        (5, 5, 5),
        (0, i64::MAX, 6_148_914_691_236_517_204),
    ] {
        assert_eq!(renew_at(from, to), at);
    }
}

#[test]
fn a_password_is_known_by_its_hash() {
    let hash = password_hash(b"salt", b"secret");
    // printf saltsecret | openssl dgst -sha256 -binary | base64
    assert_eq!(
        hash,
        "c2FsdA==$vt6QOG1FDOqLd7gi+IhwZeTlq/Eywvncz8x/vUy6XjU="
    );
    assert!(password_matches(&hash, b"secret") && !password_matches(&hash, b"Secret"));
    assert_ne!(password_hash(b"other", b"secret"), hash);
    for junk in ["", "$", "c2FsdA==", "c2FsdA==$", "%$%", "c2FsdA==$c2FsdA=="] {
        assert!(!password_matches(junk, b"secret"), "{junk}");
    }
}

#[test]
fn a_random_password_has_all_the_randomness_and_nothing_to_quote() {
    let mut random = [0xa5; 32];
    random[31] = 7;
    let password = random_password(&random);
    assert_eq!((password.len(), &password[60..]), (64, "a507"));
    assert!(check_password(&scram(json!(null)), password.as_bytes()).is_ok());
}

#[test]
fn a_chosen_password_must_be_one_that_every_client_can_send() {
    let given = json!({"secretRef": {"name": "mine", "key": "pw"}});
    let wrong = |why: &str| Some(format!("the password in key pw of Secret mine {why}"));
    let odd = "has characters that not every client can send: use printable ASCII, and no space at either end";
    for (password, wanted) in [
        (&b"correct horse \"battery\" $staple\\"[..], None),
        (b"${x}", None),
        (b"", wrong("is empty")),
        (
            b"secret\n",
            wrong(
                "ends with a line break: write it without one, as `kubectl create secret generic --from-literal` does",
            ),
        ),
        (b"sec\nret", wrong(odd)),
        (b" secret", wrong(odd)),
        (b"\xff\xfe", wrong(odd)),
        ("pässword".as_bytes(), wrong(odd)),
        (
            &[b'x'; 1025],
            wrong("is too long: use at most 1024 characters"),
        ),
    ] {
        let found = check_password(&scram(given.clone()), password).map(drop);
        assert_eq!(found.map_err(|r| r.message).err(), wanted, "{password:?}");
    }
    let mut spring = scram(given);
    spring.spec.secret = Some(serde_json::from_value(json!({"formats": ["spring"]})).unwrap());
    let refusal = check_password(&spring, b"${x}").unwrap_err();
    assert_eq!((refusal.reason, refusal.waits), ("PasswordUnusable", false));
    assert_eq!(
        Some(refusal.message),
        wrong(
            "contains `${`, which Spring takes for the beginning of a placeholder: choose another, or leave out the format `spring`"
        )
    );
}

#[test]
fn what_is_remembered_survives_the_annotation() {
    let all = Credential {
        authentication: "scram-sha-512".to_owned(),
        second: true,
        hash: Some("a$b".to_owned()),
        iterations: Some(8192),
        certificate: Some(CertificateFacts {
            not_before: 1,
            not_after: 2,
            authority: "x".to_owned(),
        }),
        handled: Some("t".to_owned()),
        finished: Some("f".to_owned()),
        previous: Some(Previous {
            second: false,
            until: 9,
        }),
        shape: "s".to_owned(),
    };
    for credential in [
        all,
        Credential {
            authentication: "tls".to_owned(),
            ..Credential::default()
        },
    ] {
        let text = credential.to_annotation();
        assert_eq!(Credential::parse(Some(&text)), Some(credential));
    }
    assert_eq!(Credential::parse(Some("{")), None);
    assert_eq!(Credential::parse(None), None);
    assert!(Credential::parse(Some(r#"{"authentication":"tls","ofLater":1}"#)).is_some());
}

#[test]
fn principals() {
    assert_eq!(principal(&user(json!({}))), "shop/user/orders");
    let external = json!({"authentication": "external", "principal": "CN=alice"});
    assert_eq!(principal(&user(external)), "CN=alice");
}
