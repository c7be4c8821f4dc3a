use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use sdm_api::{KafkaUser, PreviousCredential};
use serde_json::json;

use super::user;
use crate::outcome::Refusal;
use crate::user::{
    CertificateFacts, Credential, CredentialAction, CredentialPlan, Facts, Outcome, Previous,
    outcome, status,
};

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn facts() -> Facts {
    let facts = CertificateFacts {
        not_after: 1_800_000_000,
        ..CertificateFacts::default()
    };
    let credential = Credential {
        certificate: Some(facts),
        previous: Some(Previous {
            second: true,
            until: 1_700_000_000,
        }),
        ..Credential::default()
    };
    Facts::of(&user(json!({})), &credential)
}

fn failed(permanent: bool) -> Outcome {
    Outcome::Failed(Refusal {
        reason: "Timeout",
        message: "no answer".to_owned(),
        waits: !permanent,
    })
}

fn told(user: &KafkaUser, outcome: &Outcome) -> Vec<String> {
    let conditions = status(user, outcome, &at(1)).conditions;
    conditions
        .iter()
        .map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message))
        .collect()
}

#[test]
fn what_is_told() {
    let new = user(json!({}));
    let ready = |waits| Outcome::Ready(Facts { waits, ..facts() });
    for (outcome, wanted) in [
        (ready(None), vec!["Ready=True Ready: "]),
        (
            ready(Some(Refusal::waits("RotationInProgress", "later"))),
            vec!["Ready=True RotationInProgress: later"],
        ),
        (
            failed(false),
            vec![
                "Ready=False Timeout: no answer",
                "Reconciling=True Timeout: no answer",
            ],
        ),
        (
            failed(true),
            vec![
                "Ready=False Timeout: no answer",
                "Stalled=True Timeout: no answer",
            ],
        ),
        (
            Outcome::Held(Refusal::waits("NoListener", "add"), None),
            vec![
                "Ready=False NoListener: add",
                "Reconciling=True NoListener: add",
            ],
        ),
        (
            Outcome::Held(Refusal::stands("SecretTaken", "x"), None),
            vec!["Ready=False SecretTaken: x", "Stalled=True SecretTaken: x"],
        ),
    ] {
        assert_eq!(told(&new, &outcome), wanted);
        let once = KafkaUser {
            status: Some(status(&new, &outcome, &at(1))),
            ..new.clone()
        };
        assert_eq!(
            Some(status(&once, &outcome, &at(99))),
            once.status,
            "unchanged"
        );
        // What is known of the credential outlives an outage.
        let mut before = new.clone();
        before.status = Some(status(&new, &ready(None), &at(1)));
        let after = status(&before, &outcome, &at(2));
        assert_eq!(after.observed_generation, Some(3));
        assert_eq!(after.principal.as_deref(), Some("User:shop/user/orders"));
        assert_eq!(after.secret.as_deref(), Some("orders"));
        assert_eq!(
            after.certificate_not_after.as_deref(),
            Some("2027-01-15T08:00:00Z")
        );
        let previous = PreviousCredential {
            username: "shop/user/orders/2".to_owned(),
            until: "2023-11-14T22:13:20Z".to_owned(),
        };
        assert_eq!(after.previous, Some(previous));
    }
}

#[test]
fn a_moments_failure_of_who_is_ready_is_told_when_it_stays() {
    let new = user(json!({}));
    let ready = KafkaUser {
        status: Some(status(&new, &Outcome::Ready(facts()), &at(1))),
        ..new.clone()
    };
    for (user, permanent, failures, told) in [
        (&ready, false, 6, false),
        (&ready, false, 7, true),
        (&ready, true, 1, true),
        (&new, false, 1, true),
    ] {
        let told_now = failed(permanent).is_told(user, failures);
        assert_eq!(told_now, told, "{permanent} {failures}");
    }
}

#[test]
fn what_comes_of_a_plan() {
    let waits = Some(Refusal::waits("RotationInProgress", "later"));
    let plan = |action| CredentialPlan {
        action,
        next_check: None,
        waits: waits.clone(),
    };
    assert_eq!(
        outcome(&plan(CredentialAction::Keep), facts()),
        Outcome::Ready(Facts {
            waits: waits.clone(),
            ..facts()
        })
    );
    let refusal = Refusal::stands("SecretTaken", "x");
    assert_eq!(
        outcome(&plan(CredentialAction::Refuse(refusal.clone())), facts()),
        Outcome::Held(refusal, None)
    );
}
