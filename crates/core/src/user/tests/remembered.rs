//! What is remembered of credentials, and which logins are in use.

use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use serde_json::json;

use super::plan::{NOW, delivered, in_kafka, issue, rotating, with};
use super::{annotated, scram, user};
use crate::user::CredentialAction::{IssueCertificate, Keep, NewPassword, RevokePrevious};
use crate::user::{
    CertificateFacts, Credential, CredentialAction, Issued, Previous, SecretView, credential_after,
    logins_in_use, plan_credential,
};

#[test]
fn what_is_remembered_after_an_action() {
    let user = annotated(scram(json!({"iterations": 10_000})), ANNOTATION_ROTATE, "1");
    let user = annotated(user, ANNOTATION_ROTATE_FINISH, "2");
    let view = rotating(&user);
    let before = view.credential.clone().unwrap();
    let keep = Previous {
        second: true,
        until: 7,
    };
    let after = |action: &CredentialAction, issued| {
        credential_after(&user, &view, action, issued, "new".to_owned())
    };
    let action = NewPassword {
        second: false,
        keep_previous: Some(keep),
        reason: "x",
    };
    let made = Credential {
        authentication: "scram-sha-512".to_owned(),
        second: false,
        hash: Some("h".to_owned()),
        iterations: Some(10_000),
        certificate: None,
        handled: Some("1".to_owned()),
        finished: Some("2".to_owned()),
        previous: Some(keep),
        shape: "new".to_owned(),
    };
    assert_eq!(after(&action, Issued::Password("h".to_owned())), made);
    // What was asked before there was an overlap does not end this one.
    let finish_is_old = SecretView {
        credential: Some(made),
        ..view.clone()
    };
    assert_eq!(plan_credential(&user, &finish_is_old, 6).action, Keep);

    let revoked = after(&RevokePrevious { second: false }, Issued::Same);
    let wanted = Credential {
        previous: None,
        finished: Some("2".to_owned()),
        ..before.clone()
    };
    assert_eq!(revoked, wanted);
    assert_eq!(
        after(&RevokePrevious { second: true }, Issued::Same).previous,
        before.previous
    );
    let restored = after(&CredentialAction::Restore, Issued::Same);
    assert_eq!(
        restored,
        Credential {
            iterations: Some(10_000),
            ..before.clone()
        }
    );
    let again = after(&CredentialAction::Redeliver, Issued::Same);
    assert_eq!(
        again,
        Credential {
            shape: "new".to_owned(),
            ..before.clone()
        }
    );
    assert_eq!(after(&Keep, Issued::Same), before);

    let facts = CertificateFacts {
        not_before: 1,
        not_after: 2,
        authority: "x".to_owned(),
    };
    let tls = super::user(json!({}));
    let issued = Issued::Certificate(facts.clone());
    let made = credential_after(
        &tls,
        &SecretView::default(),
        &issue("x"),
        issued,
        "s".to_owned(),
    );
    let wanted = Credential {
        authentication: "tls".to_owned(),
        certificate: Some(facts),
        shape: "s".to_owned(),
        ..Credential::default()
    };
    assert_eq!(made, wanted);
}

#[test]
fn logins_of_now_of_then_and_before_are_in_use() {
    let (tls, scram) = (user(json!({})), scram(json!(null)));
    let external = user(json!({"authentication": "external", "principal": "alice"}));
    let (first, second) = ("shop/user/orders", "shop/user/orders/2");
    let keep = Some(Previous {
        second: true,
        until: NOW,
    });
    let pending = NewPassword {
        second: true,
        keep_previous: Some(Previous {
            second: false,
            until: 0,
        }),
        reason: "x",
    };
    let to_tls = IssueCertificate {
        reason: "x",
        keep_previous: keep,
    };
    let on_second = with(delivered(&scram), |c| c.second = true);
    for (what, user, view, action, wanted) in [
        ("new", &tls, SecretView::default(), Keep, vec![first]),
        (
            "external",
            &external,
            on_second.clone(),
            Keep,
            vec!["alice"],
        ),
        (
            "a certificate",
            &tls,
            delivered(&tls),
            issue("x"),
            vec![first],
        ),
        ("a password", &scram, delivered(&scram), Keep, vec![first]),
        ("the second", &scram, on_second.clone(), Keep, vec![second]),
        (
            "pending",
            &scram,
            delivered(&scram),
            pending.clone(),
            vec![first, second],
        ),
        (
            "in an overlap",
            &scram,
            rotating(&scram),
            Keep,
            vec![first, second],
        ),
        (
            "to be revoked",
            &scram,
            rotating(&scram),
            RevokePrevious { second: false },
            vec![first, second],
        ),
        (
            "from a password to a certificate",
            &tls,
            on_second,
            to_tls,
            vec![first, second],
        ),
        (
            "the Secret is gone",
            &scram,
            in_kafka(SecretView::default(), &[true]),
            Keep,
            vec![second],
        ),
        (
            "the Secret is gone, and another pending",
            &scram,
            SecretView::default(),
            pending,
            vec![first, second],
        ),
    ] {
        assert_eq!(logins_in_use(user, &view, &action), wanted, "{what}");
    }
}
