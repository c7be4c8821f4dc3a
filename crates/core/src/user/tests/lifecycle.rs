use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_api::{KafkaUser, SaslMechanism};
use serde_json::json;

use super::{annotated, scram};
use crate::user::{
    Credential, CredentialAction, Facts, Issued, Login, Outcome, SecretView, credential_after,
    logins_in_use, overlap, plan_credential, status,
};

/// What happens to a user with a password.
#[derive(Clone, Copy, Debug)]
enum Event {
    Rotate,
    Finish,
    Hours(u8),
    DeleteSecret,
    ChangeSecret,
    ForgetInKafka(bool),
    DieBeforeDelivery,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Rotate),
        1 => Just(Event::Finish),
        4 => (1..30_u8).prop_map(Event::Hours),
        1 => Just(Event::DeleteSecret),
        1 => Just(Event::ChangeSecret),
        1 => any::<bool>().prop_map(Event::ForgetInKafka),
        1 => Just(Event::DieBeforeDelivery),
    ]
}

/// A password that was delivered: which it is, and when another took its place.
struct Delivered {
    password: u32,
    replaced: Option<i64>,
    /// Somebody wanted it to end, or made it impossible to keep.
    excused: bool,
}

struct World {
    user: KafkaUser,
    now: i64,
    token: u32,
    secret: Option<(Credential, u32)>,
    intact: bool,
    kafka: BTreeMap<bool, u32>,
    made: u32,
    delivered: Vec<Delivered>,
    dies: bool,
}

impl World {
    fn view(&self) -> SecretView {
        let login = |second: &bool| Login {
            second: *second,
            mechanism: SaslMechanism::ScramSha512,
            iterations: 8192,
        };
        SecretView {
            exists: self.secret.is_some(),
            owned: self.secret.is_some(),
            intact: self.intact,
            shape_is_current: true,
            credential: self
                .secret
                .as_ref()
                .map(|(credential, _)| credential.clone()),
            logins: Some(self.kafka.keys().map(login).collect()),
            ..SecretView::default()
        }
    }

    fn happen(&mut self, event: Event) {
        self.token += 1;
        let token = self.token.to_string();
        match event {
            Event::Rotate => self.user = annotated(self.user.clone(), ANNOTATION_ROTATE, &token),
            Event::Finish => {
                self.user = annotated(self.user.clone(), ANNOTATION_ROTATE_FINISH, &token);
                self.excuse(|d| d.replaced.is_some());
            }
            Event::Hours(hours) => self.now += i64::from(hours) * 3600,
            Event::DeleteSecret => {
                self.secret = None;
                self.excuse(|d| d.replaced.is_some());
            }
            Event::ChangeSecret => {
                self.intact = false;
                self.excuse(|d| d.replaced.is_some());
            }
            Event::ForgetInKafka(second) => {
                let gone = self.kafka.remove(&second);
                self.excuse(|d| Some(d.password) == gone && d.replaced.is_some());
            }
            Event::DieBeforeDelivery => {
                self.dies = true;
                if self.secret.is_none() {
                    self.excuse(|_| true);
                }
            }
        }
    }

    fn excuse(&mut self, which: impl Fn(&Delivered) -> bool) {
        let which = self.delivered.iter_mut().filter(|d| which(d));
        which.for_each(|d| d.excused = true);
    }

    /// One round of the controller; whether there was something to do.
    fn reconcile(&mut self) -> bool {
        let view = self.view();
        let action = plan_credential(&self.user, &view, self.now).action;
        let after = |issued| credential_after(&self.user, &view, &action, issued, String::new());
        match &action {
            CredentialAction::Keep => {
                self.tell();
                return false;
            }
            CredentialAction::NewPassword { second, .. } => {
                let allowed = logins_in_use(&self.user, &view, &action);
                assert!(allowed.contains(&super::super::login(&self.user, *second)));
                self.made += 1;
                let credential = after(Issued::Password(self.made.to_string()));
                self.kafka.insert(*second, self.made);
                if std::mem::take(&mut self.dies) {
                    // Which of two passwords the Secret had is known to nobody then.
                    if self.secret.is_none() {
                        self.excuse(|_| true);
                    }
                    return true;
                }
                for before in self.delivered.iter_mut().filter(|d| d.replaced.is_none()) {
                    before.replaced = Some(self.now);
                }
                self.secret = Some((credential, self.made));
                self.intact = true;
                let (password, replaced, excused) = (self.made, None, false);
                self.delivered.push(Delivered {
                    password,
                    replaced,
                    excused,
                });
            }
            CredentialAction::RevokePrevious { second } => {
                let credential = after(Issued::Same);
                self.kafka.remove(second);
                if let Some(secret) = &mut self.secret {
                    secret.0 = credential;
                }
            }
            CredentialAction::Restore => {
                let (credential, password) = self.secret.as_ref().unwrap();
                self.kafka.insert(credential.second, *password);
            }
            other => panic!("not for this user: {other:?}"),
        }
        true
    }

    /// Writes the status, as the controller does when all is done.
    fn tell(&mut self) {
        let (credential, _) = self.secret.as_ref().unwrap();
        let facts = Facts::of(&self.user, credential);
        let now = k8s_openapi::jiff::Timestamp::from_second(self.now).unwrap();
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now);
        let outcome = Outcome::Ready(facts);
        self.user.status = Some(status(&self.user, &outcome, &now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// Whatever happens: the password in the Secret is valid, one that was replaced stays valid through its overlap, none
    /// is valid for longer, and the controller comes to rest.
    #[test]
    fn no_client_is_cut_off(events in vec(event(), 1..20)) {
        let mut world = World {
            user: scram(json!(null)),
            now: 1_800_000_000,
            token: 0,
            secret: None,
            intact: false,
            kafka: BTreeMap::new(),
            made: 0,
            delivered: Vec::new(),
            dies: false,
        };
        let overlap = overlap(&world.user);
        for event in std::iter::once(Event::Hours(1)).chain(events) {
            world.happen(event);
            let rounds = (0..10).take_while(|_| world.reconcile()).count();
            prop_assert!(rounds < 10, "no rest");
            let (credential, password) = world.secret.as_ref().unwrap();
            prop_assert!(world.intact);
            prop_assert_eq!(world.kafka.get(&credential.second), Some(password), "the delivered one is valid");
            for (second, _) in world.kafka.iter().filter(|(second, _)| **second != credential.second) {
                let previous = credential.previous.filter(|p| p.second == *second && p.until > world.now);
                prop_assert!(previous.is_some(), "one is valid for ever");
            }
            for before in world.delivered.iter().filter(|d| !d.excused) {
                let valid = world.kafka.values().any(|p| *p == before.password);
                let due = before.replaced.is_none_or(|at| world.now < at + overlap);
                prop_assert!(valid || !due, "password {} was cut off", before.password);
            }
        }
    }
}
