use k8s_openapi::api::admissionregistration::v1::{
    ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use kube::api::ObjectMeta;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::validating::ValidatingRegistration;
use super::*;
use crate::testing::{FakeApi, Fault};

const SECRET: &str = "/api/v1/namespaces/sdm-system/secrets/sdm-webhook-ca";
const REGISTRATION: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/sdm-webhook";
const DAY: SignedDuration = SignedDuration::from_hours(24);

fn day(day: i32) -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap() + DAY * day
}

fn ca(client: Client) -> WebhookCa {
    WebhookCa::new(client, CaConfig::new("sdm-system"))
}

fn registration(client: Client, managed: bool) -> ValidatingRegistration {
    let webhook = |name: &str| ValidatingWebhook {
        name: name.to_owned(),
        side_effects: "None".to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: WebhookClientConfig {
            service: Some(ServiceReference {
                name: "sdm-webhook".to_owned(),
                namespace: "sdm-system".to_owned(),
                ..ServiceReference::default()
            }),
            ..WebhookClientConfig::default()
        },
        ..ValidatingWebhook::default()
    };
    let desired = ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some("sdm-webhook".to_owned()),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![
            webhook("clusters.kafka.sdm.dev"),
            webhook("topics.kafka.sdm.dev"),
        ]),
    };
    ValidatingRegistration::new(client, desired, "sdm-webhook", managed)
}

fn material(api: &FakeApi) -> Material {
    Material::read(&serde_json::from_value(api.get(SECRET).unwrap()).unwrap())
}

/// What API servers trust: the bundle of the registration.
async fn trusted(api: &FakeApi) -> Vec<CertInfo> {
    common(
        &registration(api.client(), true)
            .observed()
            .await
            .unwrap()
            .unwrap_or_default(),
    )
}

/// Whether API servers accept the leaf that this process presents.
async fn accepted(api: &FakeApi, ca: &WebhookCa, now: Timestamp) -> bool {
    let leaf = ca.resolver().info().unwrap();
    let trusted = trusted(api).await;
    leaf.is_valid_at(now)
        && trusted
            .iter()
            .any(|ca| ca.is_valid_at(now) && leaf.issuer_matches(ca))
}

#[tokio::test]
async fn replicas_that_start_together_share_one_authority() {
    let api = FakeApi::default();
    let mut replicas = Vec::new();
    for _ in 0..4 {
        // Slow enough that all four find no Secret.
        let slow = Fault::Slow(Duration::from_millis(5), Duration::from_millis(5));
        replicas.push(ca(api.client_with(move |_, _| slow)));
    }
    let stop = CancellationToken::new();
    let ready =
        futures::future::join_all(replicas.iter().map(|replica| replica.ready(&stop))).await;
    assert_eq!(ready, [true; 4]);
    assert_eq!(api.writes(), [format!("POST {SECRET}")]);
    let shared = material(&api);
    for replica in &replicas {
        let leaf = replica.resolver().info().unwrap();
        assert!(leaf.issuer_matches(shared.active.as_ref().unwrap().info()));
        assert_eq!(
            leaf.dns,
            [
                "sdm-webhook.sdm-system.svc",
                "sdm-webhook.sdm-system.svc.cluster.local"
            ]
        );
    }
}

#[tokio::test]
async fn an_unchanged_world_is_not_written_to() {
    let api = FakeApi::default();
    let replica = ca(api.client());
    let registration = registration(api.client(), true);
    replica.register(day(0), &registration).await.unwrap();
    let writes = api.writes();
    assert_eq!(
        writes,
        [format!("POST {SECRET}"), format!("PATCH {REGISTRATION}")]
    );
    for hour in 0..100 {
        replica
            .tend(
                day(0) + SignedDuration::from_hours(hour),
                Some(&registration),
            )
            .await
            .unwrap();
    }
    assert_eq!(api.writes(), writes);
}

#[tokio::test]
async fn two_replicas_rotate_through_two_years_and_are_accepted_on_every_day() {
    let api = FakeApi::default();
    let replicas = [ca(api.client()), ca(api.client())];
    let registration = registration(api.client(), true);
    let mut authorities: Vec<CertInfo> = Vec::new();
    for hours in (0..2 * 365 * 24).step_by(48) {
        let now = day(0) + SignedDuration::from_hours(hours);
        for (i, replica) in replicas.iter().enumerate() {
            // The second replica looks an hour later, as rotation is under way.
            let now = now + SignedDuration::from_hours(i64::try_from(i).unwrap());
            replica.tend(now, Some(&registration)).await.unwrap();
            for replica in replicas
                .iter()
                .filter(|replica| replica.resolver().info().is_some())
            {
                assert!(accepted(&api, replica, now).await, "{now}");
            }
        }
        let active = material(&api).active.unwrap().info().clone();
        if authorities.last() != Some(&active) {
            authorities.push(active);
        }
        assert!(
            trusted(&api).await.len() <= 2,
            "what has expired is dropped"
        );
    }
    assert_eq!(authorities.len(), 3, "one every 244 days");
    assert!(api.writes().len() < 50, "{:?}", api.writes());
}

#[tokio::test]
async fn a_rotation_that_is_asked_for_happens_once_and_in_two_phases() {
    let api = FakeApi::default();
    let replicas = [ca(api.client()), ca(api.client())];
    let registration = registration(api.client(), true);
    for replica in &replicas {
        replica.register(day(0), &registration).await.unwrap();
    }
    let first = material(&api).active.unwrap().info().clone();
    let mut secret = api.get(SECRET).unwrap();
    secret["metadata"]["annotations"] = serde_json::json!({"kafka.sdm.dev/rotate": ""});
    api.set(SECRET, Some(secret));
    for minute in 0..5 {
        let now = day(1) + SignedDuration::from_mins(minute);
        for replica in &replicas {
            replica.tend(now, Some(&registration)).await.unwrap();
            assert!(accepted(&api, replica, now).await, "{now}");
            let by_first = replica.resolver().info().unwrap().issuer_matches(&first);
            assert_eq!(by_first, now < day(1) + SETTLE, "{now}");
        }
    }
    assert_eq!(trusted(&api).await.len(), 2, "one rotation, not two");
    assert!(material(&api).next.is_none());
}

#[tokio::test]
async fn leaves_do_not_switch_before_the_registration_trusts_the_new_authority() {
    let api = FakeApi::default();
    let replica = ca(api.client());
    replica
        .register(day(0), &registration(api.client(), true))
        .await
        .unwrap();
    let first = material(&api).active.unwrap().info().clone();
    // From here on somebody else manages the registration, and takes their time.
    let theirs = registration(api.client(), false);
    for day_ in [245, 260, 300] {
        replica.tend(day(day_), Some(&theirs)).await.unwrap();
        assert!(replica.resolver().info().unwrap().issuer_matches(&first));
        assert!(accepted(&api, &replica, day(day_)).await);
    }
    assert!(material(&api).next.is_some());
    registration(api.client(), true)
        .publish(&material(&api).bundle_pem())
        .await
        .unwrap();
    replica.tend(day(301), Some(&theirs)).await.unwrap();
    assert!(!replica.resolver().info().unwrap().issuer_matches(&first));
    assert!(accepted(&api, &replica, day(301)).await);
}

#[tokio::test]
async fn a_registration_or_secret_that_was_damaged_or_deleted_heals() {
    let api = FakeApi::default();
    let replica = ca(api.client());
    let registration = registration(api.client(), true);
    replica.register(day(0), &registration).await.unwrap();
    api.set(REGISTRATION, None);
    replica.tend(day(1), Some(&registration)).await.unwrap();
    assert!(accepted(&api, &replica, day(1)).await);
    let mut broken = api.get(SECRET).unwrap();
    broken["data"]["tls.key"] = serde_json::json!("anVuaw==");
    for damage in [Some(broken), None] {
        api.set(SECRET, damage);
        replica.tend(day(2), Some(&registration)).await.unwrap();
        assert!(accepted(&api, &replica, day(2)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn starting_waits_for_the_api_server_and_stops_when_told() {
    let api = FakeApi::default();
    let mut refusals = 3;
    let replica = ca(api.client_with(move |_, _| {
        refusals -= 1;
        if refusals >= 0 {
            Fault::Refused(403)
        } else {
            Fault::None
        }
    }));
    assert!(replica.ready(&CancellationToken::new()).await);
    let down = ca(api.client_with(|_, _| Fault::Lost));
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(!down.ready(&stop).await);
}

/// Another registration is to be written when it rings.
struct Changing {
    bell: Arc<Notify>,
    written: mpsc::UnboundedSender<Instant>,
}

impl Registration for Changing {
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        Ok(None)
    }

    async fn publish(&self, _bundle: &str) -> Result<(), kube::Error> {
        self.written.send(Instant::now()).unwrap();
        Ok(())
    }

    async fn changed(&mut self) {
        self.bell.notified().await;
    }
}

/// On a clock that only goes on when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_registration_that_changes_is_written_at_once_and_else_every_minute() {
    let api = FakeApi::default();
    let replica = ca(api.client());
    let (bell, (written, mut seen)) = (Arc::new(Notify::new()), mpsc::unbounded_channel());
    let registration = Changing {
        bell: Arc::clone(&bell),
        written,
    };
    let stop = CancellationToken::new();
    let watch = async {
        let first = seen.recv().await.unwrap();
        bell.notify_one();
        let second = seen.recv().await.unwrap();
        let third = seen.recv().await.unwrap();
        stop.cancel();
        (second - first, third - second)
    };
    let (_, (rung, by_itself)) = tokio::join!(replica.maintain(registration, stop.clone()), watch);
    assert!(rung < RETRY, "{rung:?}");
    assert!(by_itself > TICK / 2, "{by_itself:?}");
}
