//! Users: one batch of objects; credentials and quotas are written to Kafka for all of them at once, then delivered.
//!
//! Owns the order: ACLs for a new login before the login, the login before the Secret that tells of it, and the record
//! before everything. What is to be done about one user is `sdm_core::user`'s.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use sdm_api::KafkaUser;
use sdm_api::condition::STALLED;
use sdm_core::outcome::{Refusal, admit};
use sdm_core::user::{
    self, CredentialAction, CredentialPlan, Delivery, Facts, ListenerChoice, Outcome, SecretView,
    choose_listener, plan_credential, shape_hash, validate,
};
use sdm_kafka::{Client, QuotaFilter, ScramMechanism};
use tokio::time::Instant;

use super::credentials::{Delivered, Failed, Workshop, fault, given_password};
use super::gate::Open;
use super::hub::Kind;
use super::secrets;
use super::status::{self, CONCURRENCY};
use super::worker::{BATCH, Worker};
use crate::error::Error;
use crate::store::{Key, version};

/// A user in a batch.
pub(super) struct Item {
    pub key: Key,
    pub user: Arc<KafkaUser>,
    pub view: SecretView,
    pub plan: CredentialPlan,
    pub listener: Option<ListenerChoice>,
}

impl Worker {
    /// One batch of users: those that changed first, then some of the sweep.
    pub(super) async fn users(&mut self, open: &Open, client: &Client) -> Result<(), Error> {
        let writes = &self.writes;
        let changed = self
            .state
            .dirty_users
            .take(BATCH, |key| writes.has(Kind::User, key));
        let swept = if changed.is_empty()
            && !self.state.sweep_users.is_empty()
            && self.sweep.may(&self.state)
        {
            self.state
                .sweep_users
                .take(BATCH, |key| writes.has(Kind::User, key))
        } else {
            Vec::new()
        };
        if changed.is_empty() && swept.is_empty() {
            return Ok(());
        }
        let batch: Vec<Key> = changed.iter().chain(&swept).cloned().collect();
        let result = self.user_batch(open, client, &batch).await;
        if result.is_err() {
            changed
                .into_iter()
                .for_each(|key| self.state.dirty_users.push(key));
            swept
                .into_iter()
                .for_each(|key| self.state.sweep_users.push(key));
        }
        result
    }

    async fn user_batch(
        &mut self,
        open: &Open,
        client: &Client,
        batch: &[Key],
    ) -> Result<(), Error> {
        self.forget_heard();
        self.know_users(client, batch).await?;
        let mut failed = Failed::new();
        self.know_given(batch, &mut failed).await;
        let mut outcomes = Vec::new();
        let mut items = Vec::new();
        for key in batch.iter().filter(|key| !failed.contains_key(*key)) {
            let Some(user) = self.state.users.get(key).cloned() else {
                continue;
            };
            if user.metadata.deletion_timestamp.is_some() {
                continue;
            }
            match self.admit_user(open, key, &user) {
                Ok(listener) => {
                    let (view, plan) = self.credential_plan(open, &user);
                    let item = Item {
                        key: key.clone(),
                        user,
                        view,
                        plan,
                        listener,
                    };
                    match &item.plan.action {
                        CredentialAction::Refuse(refusal) => {
                            outcomes.push((key.clone(), Outcome::Held(refusal.clone(), None)));
                        }
                        _ => items.push(item),
                    }
                }
                Err(refusal) => outcomes.push((key.clone(), Outcome::Held(refusal, None))),
            }
        }
        // A second login must be allowed what the first is, before anybody is told of it.
        if items
            .iter()
            .any(|i| i.view.credential.is_some() && makes_login(&i.plan.action))
        {
            self.state.access = true;
            self.access(open, client).await?;
        }
        let workshop = Workshop::open(&self.context, open, &items).await;
        let mut made = workshop.make(&self.context, items, &mut failed).await;
        self.record_users(&made).await?;
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        self.write_logins(client, &mut made, &mut failed).await?;
        self.write_quotas(client, &made, &mut failed).await?;
        self.revoke(client, &made, &mut failed).await?;
        let delivered = self.deliver(&mut made, &mut failed).await;
        if let Some(ledger) = &mut self.ledger {
            ledger.commit(&self.context.client).await?;
        }
        for item in &made {
            let key = &item.item.key;
            if failed.contains_key(key) {
                continue;
            }
            let facts = facts(item, delivered.get(key));
            outcomes.push((key.clone(), user::outcome(&item.item.plan, facts)));
            self.arrange(&item.item);
        }
        let failed = failed.into_iter();
        outcomes.extend(failed.map(|(key, fault)| (key, Outcome::Failed(fault))));
        self.conclude_users(outcomes).await
    }

    /// Reads what Kafka has of users, unless it is known.
    async fn know_users(&mut self, client: &Client, batch: &[Key]) -> Result<(), Error> {
        let recorded = |key: &Key| self.ledger.as_ref().and_then(|l| l.users().get(key));
        let of = |key: &&Key| self.state.users.get(*key);
        let scram = batch.iter().any(|key| {
            of(&key).is_some_and(|u| u.spec.authentication.is_scram())
                || recorded(key).is_some_and(|r| !r.scram.is_empty())
        });
        let quotas = batch.iter().any(|key| {
            of(&key).is_some_and(|u| u.spec.quotas.is_some())
                || recorded(key).is_some_and(|r| !r.quotas.is_empty())
        });
        if scram && self.known.scram.is_none() {
            self.context.metrics.polls.inc();
            let mut known = HashMap::new();
            for (user, found) in client.describe_scram(None).await? {
                known.insert(user, found.unwrap_or_default());
            }
            self.known.scram = Some(known);
        }
        if quotas && self.known.quotas.is_none() {
            self.context.metrics.polls.inc();
            let mut known = HashMap::new();
            for (entity, values) in client.describe_client_quotas(&QuotaFilter::Users).await? {
                if let Some(Some(user)) = entity.as_user() {
                    known.insert(user.to_owned(), values);
                }
            }
            self.known.quotas = Some(known);
        }
        Ok(())
    }

    /// Whether the passwords that users bring are the ones delivered. One that cannot be read fails its user alone.
    async fn know_given(&mut self, batch: &[Key], failed: &mut Failed) {
        let mut bring = Vec::new();
        for key in batch {
            let user = self.state.users.get(key).filter(|user| {
                let password = user.spec.password.as_ref();
                password.is_some_and(|p| p.secret_ref.is_some())
            });
            let Some(user) = user else {
                self.given.remove(key);
                continue;
            };
            let delivered = self.secret_of(user).and_then(|secret| {
                let annotation = secret.annotations().get(user::ANNOTATION_CREDENTIAL);
                user::Credential::parse(annotation.map(String::as_str))?.hash
            });
            bring.push((key.clone(), Arc::clone(user), delivered));
        }
        let client = &self.context.client;
        let read: Vec<_> = stream::iter(bring)
            .map(|(key, user, delivered)| async move {
                let api = Api::namespaced(client.clone(), &key.namespace);
                (key, given_password(&api, &user).await, delivered)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        for (key, given, delivered) in read {
            let same = match (given, delivered) {
                (Ok(given), Some(hash)) => user::password_matches(&hash, &given),
                // The reason is told when it is to be delivered.
                (Err(Error::Refused(..)), _) | (Ok(_), None) => false,
                (Err(error), _) => {
                    tracing::warn!(user = %key, reason = error.reason(), %error, "password not read");
                    failed.insert(key, fault(&error));
                    continue;
                }
            };
            self.given.insert(key, same);
        }
    }

    fn admit_user(
        &self,
        open: &Open,
        key: &Key,
        user: &KafkaUser,
    ) -> Result<Option<ListenerChoice>, Refusal> {
        admit(
            self.allowed(open, &key.namespace).err(),
            &validate(user, None),
        )?;
        let authentication = user.spec.authentication;
        if authentication == sdm_api::Authentication::External {
            return Ok(choose_listener(&open.cluster, authentication).ok());
        }
        choose_listener(&open.cluster, authentication).map(Some)
    }

    /// What is to be done about a user's credential now.
    pub(super) fn credential_plan(
        &self,
        open: &Open,
        user: &KafkaUser,
    ) -> (SecretView, CredentialPlan) {
        let secret = self.secret_of(user);
        let listener = choose_listener(&open.cluster, user.spec.authentication).ok();
        let ca_pem = open.ca_pem();
        let shape = listener.map_or_else(String::new, |listener| {
            shape_hash(&Delivery {
                user,
                listener: &listener,
                ca_pem: &ca_pem,
            })
        });
        let mut view = SecretView::of(user, secret.as_deref(), &open.authority_hash, &shape);
        if let Some(secret) = &secret {
            view.intact = secrets::is_intact(secret);
        }
        view.logins = self.known.scram.as_ref().map(|known| {
            let mut logins = Vec::new();
            for second in [false, true] {
                for (mechanism, iterations) in
                    known.get(&user::login(user, second)).into_iter().flatten()
                {
                    let mechanism = match mechanism {
                        ScramMechanism::Sha256 => sdm_api::SaslMechanism::ScramSha256,
                        ScramMechanism::Sha512 => sdm_api::SaslMechanism::ScramSha512,
                    };
                    logins.push(user::Login {
                        second,
                        mechanism,
                        iterations: *iterations,
                    });
                }
            }
            logins
        });
        view.given_is_delivered = self
            .given
            .get(&Key {
                namespace: user.namespace().unwrap_or_default(),
                name: user.name_any(),
            })
            .copied();
        let plan = plan_credential(user, &view, Timestamp::now().as_second());
        (view, plan)
    }

    /// What was written and has been heard of since is not remembered twice.
    fn forget_heard(&mut self) {
        let heard = &self.shared.secrets;
        self.written.retain(|key, written| {
            let reference = ObjectRef::new(&key.name).within(&key.namespace);
            heard
                .get(&reference)
                .is_none_or(|h| version(&*h) < version(&**written))
        });
    }

    /// The Secret that a user's credential is in: the one it names, or the one before until that one is there.
    pub(super) fn secret_of(&self, user: &KafkaUser) -> Option<Arc<Secret>> {
        let namespace = user.namespace().unwrap_or_default();
        self.secret(&namespace, user.secret_name()).or_else(|| {
            let before = self.secret(&namespace, user::secret_before(user)?);
            before.filter(|secret| user::is_owned(user, secret))
        })
    }

    /// A Secret as last written or heard of, whichever is newer.
    pub(super) fn secret(&self, namespace: &str, name: &str) -> Option<Arc<Secret>> {
        let heard = self
            .shared
            .secrets
            .get(&ObjectRef::new(name).within(namespace));
        let key = Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        match (self.written.get(&key), heard) {
            (Some(written), Some(heard)) if version(&*heard) >= version(&**written) => Some(heard),
            (Some(written), _) => Some(Arc::clone(written)),
            (None, heard) => heard,
        }
    }

    /// When the user is to be looked at again.
    fn arrange(&mut self, item: &Item) {
        self.state.timers.clear(Kind::User, &item.key);
        if item.plan.action != CredentialAction::Keep {
            // What comes next is found out by looking at what was done.
            self.state.dirty_users.push(item.key.clone());
            return;
        }
        if let Some(at) = item.plan.next_check {
            let seconds = u64::try_from(at - Timestamp::now().as_second()).unwrap_or(0);
            // Far-off moments are left to the sweep.
            let pause = Duration::from_secs(seconds.clamp(1, 86_400));
            self.state
                .timers
                .at(Kind::User, &item.key, Instant::now() + pause);
        }
    }

    async fn conclude_users(&mut self, outcomes: Vec<(Key, Outcome)>) -> Result<(), Error> {
        let now = status::now();
        let mut wanted = Vec::new();
        for (key, outcome) in outcomes {
            let Some(user) = self.state.users.get(&key).cloned() else {
                continue;
            };
            match &outcome {
                Outcome::Held(refusal, _) if refusal.waits => self.again(Kind::User, &key, false),
                Outcome::Ready(_) | Outcome::Held(..) => {}
                Outcome::Failed(fault) => {
                    self.context.metrics.error(fault.reason);
                    self.state.dirty_users.remove(&key);
                    self.again(Kind::User, &key, !fault.waits);
                }
            }
            let failures = self.state.timers.failures(Kind::User, &key);
            if !outcome.is_told(&*user, failures) {
                continue;
            }
            let status = user::status(&user, &outcome, &now);
            wanted.push((user, status));
        }
        let told = stream::iter(&wanted);
        told.for_each_concurrent(CONCURRENCY, |(user, status)| self.tell_user(user, status))
            .await;
        self.writes.users(&self.context, wanted);
        Ok(())
    }

    async fn tell_user(&self, user: &KafkaUser, status: &sdm_api::KafkaUserStatus) {
        let stalled = |c: &&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            c.type_ == STALLED && c.status == "True"
        };
        let Some(now) = status.conditions.iter().find(stalled) else {
            return;
        };
        let before = user
            .status
            .as_ref()
            .and_then(|s| s.conditions.iter().find(stalled));
        if before.is_some_and(|b| b.reason == now.reason) {
            return;
        }
        let about = user.object_ref(&());
        self.context
            .events
            .warning(&about, &now.reason, "Reconcile", now.message.clone())
            .await;
    }
}

fn makes_login(action: &CredentialAction) -> bool {
    matches!(
        action,
        CredentialAction::NewPassword { .. } | CredentialAction::AdoptPassword { .. }
    )
}

fn facts(item: &Delivered, delivered: Option<&Arc<Secret>>) -> Facts {
    let after = delivered
        .and_then(|s| s.annotations().get(user::ANNOTATION_CREDENTIAL).cloned())
        .and_then(|text| user::Credential::parse(Some(&text)))
        .or_else(|| item.item.view.credential.clone());
    let has_secret = delivered.is_some() || item.item.view.exists;
    Facts {
        secret: has_secret.then(|| item.item.user.secret_name().to_owned()),
        not_after: after
            .as_ref()
            .and_then(|c| c.certificate.as_ref())
            .map(|c| c.not_after),
        previous: after.and_then(|c| c.previous),
        waits: None,
    }
}
