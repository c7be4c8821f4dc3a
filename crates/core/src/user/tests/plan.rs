use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_api::{KafkaUser, KafkaUserStatus, PreviousCredential, SaslMechanism};
use serde_json::json;

use super::{annotated, scram, user};
use crate::outcome::Refusal;
use crate::user::CredentialAction::{self, IssueCertificate, Keep, NewPassword, RevokePrevious};
use crate::user::{CertificateFacts, Credential, Login, Previous, SecretView, plan_credential};

pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const DAY: i64 = 86_400;

/// The Secret as it was delivered: a password under the first name, or a certificate that is a day old.
pub(super) fn delivered(user: &KafkaUser) -> SecretView {
    let scram = user.spec.authentication.is_scram();
    let certificate = CertificateFacts {
        not_before: NOW - DAY,
        not_after: NOW + 89 * DAY,
        authority: "x".to_owned(),
    };
    let (from, to) = (certificate.not_before, certificate.not_after);
    SecretView {
        exists: true,
        owned: true,
        intact: true,
        shape_is_current: true,
        not_before: (!scram).then_some(from),
        not_after: (!scram).then_some(to),
        issued_by_current_ca: !scram,
        credential: Some(Credential {
            authentication: user.spec.authentication.as_str().to_owned(),
            iterations: scram.then_some(8192),
            hash: scram.then(|| "hash".to_owned()),
            certificate: (!scram).then_some(certificate),
            ..Credential::default()
        }),
        ..SecretView::default()
    }
}

pub(super) fn with(mut view: SecretView, change: impl FnOnce(&mut Credential)) -> SecretView {
    change(view.credential.as_mut().unwrap());
    view
}

/// In the middle of a rotation: the second password is delivered, the first is valid for an hour.
pub(super) fn rotating(user: &KafkaUser) -> SecretView {
    with(delivered(user), |c| {
        c.second = true;
        c.previous = Some(Previous {
            second: false,
            until: NOW + 3600,
        });
    })
}

pub(super) fn in_kafka(view: SecretView, logins: &[bool]) -> SecretView {
    let login = |second: &bool| Login {
        second: *second,
        mechanism: SaslMechanism::ScramSha512,
        iterations: 8192,
    };
    SecretView {
        logins: Some(logins.iter().map(login).collect()),
        ..view
    }
}

fn action(user: &KafkaUser, view: &SecretView) -> CredentialAction {
    plan_credential(user, view, NOW).action
}

pub(super) fn issue(reason: &'static str) -> CredentialAction {
    IssueCertificate {
        reason,
        keep_previous: None,
    }
}

fn password(second: bool, keep: Option<bool>, reason: &'static str) -> CredentialAction {
    let keep_previous = keep.map(|second| Previous {
        second,
        until: NOW + DAY,
    });
    NewPassword {
        second,
        keep_previous,
        reason,
    }
}

#[test]
fn certificates_are_issued_when_one_is_missing_or_due() {
    let user = user(json!({}));
    let there = delivered(&user);
    let asked = annotated(user.clone(), ANNOTATION_ROTATE, "1");
    let mut known = user.clone();
    known.status = Some(KafkaUserStatus {
        secret: Some("orders".to_owned()),
        ..Default::default()
    });
    let until = |from, to| SecretView {
        not_before: Some(NOW + from),
        not_after: Some(NOW + to),
        ..there.clone()
    };
    let mut short = user.clone();
    short.spec.certificate = Some(serde_json::from_value(json!({"validity": "24h"})).unwrap());
    for (what, user, view, wanted) in [
        (
            "first",
            &user,
            SecretView::default(),
            issue("FirstCredential"),
        ),
        (
            "deleted",
            &known,
            SecretView::default(),
            issue("SecretDeleted"),
        ),
        (
            "changed",
            &user,
            SecretView {
                intact: false,
                ..there.clone()
            },
            issue("SecretChanged"),
        ),
        (
            "unreadable",
            &user,
            SecretView {
                credential: None,
                ..there.clone()
            },
            issue("SecretChanged"),
        ),
        ("as it is", &user, there.clone(), Keep),
        ("a second early", &user, until(-2 * DAY + 1, DAY + 1), Keep),
        ("due", &user, until(-2 * DAY, DAY), issue("RenewalDue")),
        ("over", &user, until(-9 * DAY, -DAY), issue("RenewalDue")),
        ("shorter now", &short, there.clone(), issue("RenewalDue")),
        (
            "another authority",
            &user,
            SecretView {
                issued_by_current_ca: false,
                ..there.clone()
            },
            issue("AuthorityChanged"),
        ),
        ("asked", &asked, there.clone(), issue("RotationRequested")),
        (
            "asked and done",
            &asked,
            with(there.clone(), |c| c.handled = Some("1".to_owned())),
            Keep,
        ),
        (
            "asked with nothing",
            &annotated(user.clone(), ANNOTATION_ROTATE, ""),
            there.clone(),
            Keep,
        ),
        (
            "another form",
            &user,
            SecretView {
                shape_is_current: false,
                ..there.clone()
            },
            CredentialAction::Redeliver,
        ),
    ] {
        assert_eq!(action(user, &view), wanted, "{what}");
    }
    let plan = plan_credential(&user, &there, NOW);
    assert_eq!(plan.next_check, Some(NOW - DAY + 60 * DAY));
    let five = annotated(short, "x", "y");
    let minutes = SecretView {
        not_before: Some(NOW),
        not_after: Some(NOW + 300),
        ..there
    };
    assert_eq!(
        plan_credential(&five, &minutes, NOW).next_check,
        Some(NOW + 200)
    );
}

#[test]
fn passwords_go_from_one_name_to_the_other() {
    let user = scram(json!(null));
    let asked = annotated(user.clone(), ANNOTATION_ROTATE, "1");
    let mut overlap = asked.clone();
    overlap.spec.password = Some(serde_json::from_value(json!({"overlap": "1h"})).unwrap());
    let there = delivered(&user);
    let second = with(there.clone(), |c| c.second = true);
    let brief = NewPassword {
        second: true,
        keep_previous: Some(Previous {
            second: false,
            until: NOW + 3600,
        }),
        reason: "RotationRequested",
    };
    for (what, user, view, wanted) in [
        (
            "first",
            &user,
            SecretView::default(),
            password(false, None, "FirstCredential"),
        ),
        ("as it is", &user, in_kafka(there.clone(), &[false]), Keep),
        (
            "asked",
            &asked,
            there.clone(),
            password(true, Some(false), "RotationRequested"),
        ),
        (
            "asked again",
            &asked,
            second.clone(),
            password(false, Some(true), "RotationRequested"),
        ),
        ("asked, with an overlap", &overlap, there.clone(), brief),
        (
            "changed",
            &user,
            SecretView {
                intact: false,
                ..there.clone()
            },
            password(true, Some(false), "SecretChanged"),
        ),
        (
            "lost in Kafka",
            &user,
            in_kafka(there.clone(), &[]),
            CredentialAction::Restore,
        ),
        ("not known in Kafka", &user, there.clone(), Keep),
        (
            "left over",
            &user,
            in_kafka(there.clone(), &[false, true]),
            RevokePrevious { second: true },
        ),
        (
            "left over",
            &user,
            in_kafka(second, &[false, true]),
            RevokePrevious { second: false },
        ),
    ] {
        assert_eq!(action(user, &view), wanted, "{what}");
    }
    let other = |mechanism, iterations| {
        let logins = vec![Login {
            second: false,
            mechanism,
            iterations,
        }];
        SecretView {
            logins: Some(logins),
            ..there.clone()
        }
    };
    assert_eq!(
        action(&user, &other(SaslMechanism::ScramSha256, 8192)),
        CredentialAction::Restore
    );
    assert_eq!(
        action(&user, &other(SaslMechanism::ScramSha512, 4096)),
        CredentialAction::Restore
    );
    let more = scram(json!({"iterations": 16384}));
    assert_eq!(
        action(&more, &in_kafka(there, &[false])),
        CredentialAction::Restore
    );
}

#[test]
fn when_the_secret_is_gone_the_password_in_use_stays_valid() {
    let new = scram(json!(null));
    let mut known = new.clone();
    known.status = Some(KafkaUserStatus {
        secret: Some("orders".to_owned()),
        ..Default::default()
    });
    let fading = |username: &str| {
        let mut user = known.clone();
        let previous = PreviousCredential {
            username: username.to_owned(),
            until: String::new(),
        };
        user.status.as_mut().unwrap().previous = Some(previous);
        user
    };
    let gone = |logins: &[bool]| in_kafka(SecretView::default(), logins);
    for (user, view, wanted) in [
        (&known, gone(&[]), password(false, None, "SecretDeleted")),
        (
            &known,
            gone(&[false]),
            password(true, Some(false), "SecretDeleted"),
        ),
        (
            &known,
            gone(&[true]),
            password(false, Some(true), "SecretDeleted"),
        ),
        (
            &new,
            gone(&[false]),
            password(true, Some(false), "FirstCredential"),
        ),
        (
            &fading("shop/user/orders"),
            gone(&[false, true]),
            password(false, Some(true), "SecretDeleted"),
        ),
        (
            &fading("shop/user/orders/2"),
            gone(&[false, true]),
            password(true, Some(false), "SecretDeleted"),
        ),
        (
            &known,
            gone(&[false, true]),
            password(true, Some(false), "SecretDeleted"),
        ),
    ] {
        assert_eq!(action(user, &view), wanted);
    }
    let message = "the Secret is gone, and Kafka has not said yet which password is in use";
    assert_eq!(
        action(&known, &SecretView::default()),
        CredentialAction::Refuse(Refusal::waits("LoginsUnknown", message))
    );
    // Somebody wrote into it: what it says of itself is believed.
    let changed = SecretView {
        intact: false,
        ..with(delivered(&new), |c| c.second = true)
    };
    assert_eq!(
        action(&known, &changed),
        password(false, Some(true), "SecretChanged")
    );
}

#[test]
fn an_overlap_ends_in_its_time_or_when_it_is_told_to_and_not_for_another_rotation() {
    let user = scram(json!(null));
    let asked = annotated(user.clone(), ANNOTATION_ROTATE, "2");
    let view = rotating(&user);
    let over = with(view.clone(), |c| {
        c.previous = Some(Previous {
            second: false,
            until: NOW,
        })
    });
    let finish = annotated(user.clone(), ANNOTATION_ROTATE_FINISH, "1");
    let finished = with(view.clone(), |c| c.finished = Some("1".to_owned()));
    let revoke = RevokePrevious { second: false };
    for (what, user, view, wanted) in [
        ("goes on", &user, view.clone(), Keep),
        ("over", &user, over.clone(), revoke.clone()),
        ("over, and asked", &asked, over, revoke.clone()),
        ("told to end", &finish, view.clone(), revoke.clone()),
        ("told before", &finish, finished, Keep),
        (
            "gone in Kafka",
            &user,
            in_kafka(view.clone(), &[true]),
            revoke,
        ),
        (
            "asked again",
            &asked,
            in_kafka(view.clone(), &[false, true]),
            Keep,
        ),
        (
            "lost in Kafka",
            &asked,
            in_kafka(view.clone(), &[false]),
            CredentialAction::Restore,
        ),
    ] {
        assert_eq!(action(user, &view), wanted, "{what}");
    }
    let plan = plan_credential(&asked, &view, NOW);
    let message = "another credential waits: the one before stays valid until 2027-01-15T09:00:00Z; a new value of annotation kafka.sdm.dev/rotate-finish ends that now";
    assert_eq!(
        plan.waits,
        Some(Refusal::waits("RotationInProgress", message))
    );
    assert_eq!(plan.next_check, Some(NOW + 3600));
    assert_eq!(plan_credential(&user, &view, NOW).waits, None);
}

#[test]
fn a_given_password_is_adopted_when_it_changes() {
    let given = json!({"secretRef": {"name": "mine", "key": "pw"}});
    let user = scram(given);
    let asked = annotated(user.clone(), ANNOTATION_ROTATE, "1");
    let view = |same| SecretView {
        given_is_delivered: same,
        ..delivered(&user)
    };
    let adopt = |second, keep: Option<bool>, reason| CredentialAction::AdoptPassword {
        second,
        keep_previous: keep.map(|second| Previous {
            second,
            until: NOW + DAY,
        }),
        reason,
    };
    for (user, view, wanted) in [
        (
            &user,
            SecretView::default(),
            adopt(false, None, "FirstCredential"),
        ),
        (&user, view(Some(true)), Keep),
        (&user, view(None), Keep),
        (
            &user,
            view(Some(false)),
            adopt(true, Some(false), "PasswordChanged"),
        ),
        (
            &user,
            SecretView {
                given_is_delivered: Some(false),
                ..rotating(&user)
            },
            Keep,
        ),
        (&asked, view(Some(true)), Keep),
    ] {
        assert_eq!(action(user, &view), wanted);
    }
    let waits = |user, view: &SecretView| plan_credential(user, view, NOW).waits;
    let message = "a rotation was asked for, and the password is a given one: change it in key pw of Secret mine";
    assert_eq!(
        waits(&asked, &view(Some(true))),
        Some(Refusal::waits("PasswordGiven", message))
    );
    assert_eq!(waits(&user, &view(Some(true))), None);
    let changed = SecretView {
        given_is_delivered: Some(false),
        ..rotating(&user)
    };
    assert_eq!(waits(&user, &changed).unwrap().reason, "RotationInProgress");
}

#[test]
fn a_change_of_authentication_keeps_the_login_before() {
    let (tls, scram) = (user(json!({})), scram(json!(null)));
    let kept = Previous {
        second: true,
        until: NOW + DAY,
    };
    let second = with(delivered(&scram), |c| c.second = true);
    let to_tls = IssueCertificate {
        reason: "AuthenticationChanged",
        keep_previous: Some(kept),
    };
    assert_eq!(action(&tls, &second), to_tls);
    // A certificate stays valid by itself.
    assert_eq!(
        action(&scram, &delivered(&tls)),
        password(false, None, "AuthenticationChanged")
    );
    let mut weaker = scram.clone();
    weaker.spec.authentication = sdm_api::Authentication::ScramSha256;
    assert_eq!(
        action(&weaker, &second),
        password(false, Some(true), "AuthenticationChanged")
    );
    // Two logins are in use: a third has to wait.
    let plan = plan_credential(&tls, &in_kafka(rotating(&scram), &[false, true]), NOW);
    assert_eq!(
        (plan.action, plan.waits.unwrap().reason),
        (Keep, "RotationInProgress")
    );
    // To and fro: the login before is still the one that stays.
    let back = with(delivered(&tls), |c| c.previous = Some(kept));
    let wanted = NewPassword {
        second: false,
        keep_previous: Some(kept),
        reason: "AuthenticationChanged",
    };
    assert_eq!(action(&scram, &back), wanted);
    let renewed = SecretView {
        issued_by_current_ca: false,
        ..back.clone()
    };
    let wanted = IssueCertificate {
        reason: "AuthorityChanged",
        keep_previous: Some(kept),
    };
    assert_eq!(action(&tls, &renewed), wanted);
    let over = with(back, |c| {
        c.previous = Some(Previous {
            second: true,
            until: NOW - 1,
        })
    });
    assert_eq!(action(&tls, &over), RevokePrevious { second: true });
    assert_eq!(
        action(&tls, &in_kafka(delivered(&tls), &[true])),
        RevokePrevious { second: true }
    );
}

#[test]
fn nobody_elses_secret_is_touched_and_external_users_get_none() {
    let tls = user(json!({}));
    let foreign = SecretView {
        owned: false,
        ..delivered(&tls)
    };
    let message = "Secret orders exists and is not this user's: delete it, or give another name in spec.secret.name";
    assert_eq!(
        action(&tls, &foreign),
        CredentialAction::Refuse(Refusal::stands("SecretTaken", message))
    );
    let external = user(json!({"authentication": "external", "principal": "alice"}));
    for (view, wanted) in [
        (SecretView::default(), Keep),
        (in_kafka(SecretView::default(), &[]), Keep),
        (foreign, Keep),
        (delivered(&tls), CredentialAction::Withdraw),
        (
            in_kafka(SecretView::default(), &[true]),
            CredentialAction::Withdraw,
        ),
    ] {
        assert_eq!(action(&external, &view), wanted);
    }
}
