//! Users: one batch of objects; credentials and quotas are written to Kafka for all of them at once, then delivered.
//!
//! Owns the order: ACLs for a new login before the login, the login before the Secret that tells of it, and the record
//! before everything. What is to be done about one user is `sdm_core::user`'s.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use sdm_api::KafkaUser;
use sdm_api::condition::STALLED;
use sdm_core::outcome::Refusal;
use sdm_core::user::{
    self, CredentialAction, CredentialPlan, Delivery, Facts, ListenerChoice, Outcome, SecretView,
    choose_listener, logins_in_use, plan_credential, quota_changes, quota_wanted, shape_hash,
    validate,
};
use sdm_kafka::{
    Client, ItemError, QuotaChange, QuotaEntity, QuotaFilter, ScramDeletion, ScramMechanism,
};
use sdm_runtime::apply;
use tokio::time::Instant;

use super::calls::ITEMS;
use super::credentials::{Delivered, Workshop, given_password, mechanism};
use super::gate::Open;
use super::hub::Kind;
use super::ledger::UserEntry;
use super::secrets;
use super::status;
use super::worker::{BATCH, Worker};
use crate::error::Error;
use crate::store::Key;

/// Writes at the same time.
const CONCURRENCY: usize = 16;

/// A user in a batch.
pub(super) struct Item {
    pub key: Key,
    pub user: Arc<KafkaUser>,
    pub view: SecretView,
    pub plan: CredentialPlan,
    pub listener: Option<ListenerChoice>,
}

/// What went wrong with a user.
type Failed = HashMap<Key, (String, String, bool)>;

impl Worker {
    /// One batch of users: those that changed first, then some of the sweep.
    pub(super) async fn users(&mut self, open: &Open, client: &Client) -> Result<(), Error> {
        let changed = self.state.dirty_users.take(BATCH);
        let swept = if changed.is_empty() && self.sweep.may(&self.state) {
            self.state.sweep_users.take(BATCH)
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
        self.know_users(client, batch).await?;
        let mut outcomes = Vec::new();
        let mut items = Vec::new();
        for key in batch {
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
                            outcomes.push((key.clone(), Outcome::refused(refusal.clone(), None)));
                        }
                        _ => items.push(item),
                    }
                }
                Err(refusal) => outcomes.push((key.clone(), Outcome::refused(refusal, None))),
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
        let mut failed = Failed::new();
        let workshop = Workshop::open(&self.context, open, &items).await?;
        let mut made = workshop.make(&self.context, items, &mut failed).await?;
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
            let outcome = match failed.remove(&item.item.key) {
                Some((reason, message, permanent)) => Outcome::Failed {
                    reason,
                    message,
                    permanent,
                    facts: None,
                },
                None => Outcome::Ready {
                    facts: facts(item, delivered.get(&item.item.key)),
                    waits: item.item.plan.waits.clone(),
                },
            };
            outcomes.push((item.item.key.clone(), outcome));
            self.arrange(&item.item);
        }
        for (key, (reason, message, permanent)) in failed {
            outcomes.push((
                key,
                Outcome::Failed {
                    reason,
                    message,
                    permanent,
                    facts: None,
                },
            ));
        }
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
        self.know_given(batch).await
    }

    /// Whether the passwords that users bring are the ones delivered.
    async fn know_given(&mut self, batch: &[Key]) -> Result<(), Error> {
        for key in batch {
            let Some(user) = self.state.users.get(key).cloned() else {
                self.given.remove(key);
                continue;
            };
            if user
                .spec
                .password
                .as_ref()
                .is_none_or(|p| p.secret_ref.is_none())
            {
                self.given.remove(key);
                continue;
            }
            let api = Api::namespaced(self.context.client.clone(), &key.namespace);
            let delivered = self
                .secret_of(&user)
                .and_then(|s| {
                    user::Credential::parse(
                        s.annotations()
                            .get(user::ANNOTATION_CREDENTIAL)
                            .map(String::as_str),
                    )
                })
                .and_then(|c| c.hash);
            let same = match (given_password(&api, &user).await, delivered) {
                (Ok(given), Some(hash)) => user::password_matches(&hash, &given),
                // The reason is told when it is to be delivered.
                (Err(Error::Refused(..)), _) | (Ok(_), None) => false,
                (Err(error), _) => return Err(error),
            };
            self.given.insert(key.clone(), same);
        }
        Ok(())
    }

    fn admit_user(
        &self,
        open: &Open,
        key: &Key,
        user: &KafkaUser,
    ) -> Result<Option<ListenerChoice>, Refusal> {
        self.allowed(open, &key.namespace)?;
        let review = validate(user, None);
        if !review.violations.is_empty() {
            let all: Vec<_> = review.violations.iter().map(ToString::to_string).collect();
            return Err(Refusal::stands("InvalidSpec", all.join("; ")));
        }
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

    /// The Secret as last written or heard of, whichever is newer.
    fn secret_of(&self, user: &KafkaUser) -> Option<Arc<Secret>> {
        let namespace = user.namespace().unwrap_or_default();
        let name = user.secret_name();
        let heard = self
            .shared
            .secrets
            .get(&ObjectRef::new(name).within(&namespace));
        let key = Key {
            namespace,
            name: name.to_owned(),
        };
        let version = |s: &Secret| s.resource_version().and_then(|v| v.parse::<u64>().ok());
        match (self.written.get(&key), heard) {
            (Some(written), Some(heard)) if version(&heard) >= version(written) => Some(heard),
            (Some(written), _) => Some(Arc::clone(written)),
            (None, heard) => heard,
        }
    }

    async fn record_users(&mut self, made: &[Delivered]) -> Result<(), Error> {
        let Some(ledger) = &mut self.ledger else {
            return Ok(());
        };
        for delivered in made {
            let item = &delivered.item;
            let before = ledger.users().get(&item.key).cloned();
            let mut entry = UserEntry {
                uid: item.user.uid().unwrap_or_default(),
                ..before.unwrap_or_default()
            };
            if let Some(upsertion) = &delivered.upsertion {
                entry.scram.insert((
                    upsertion.user.clone(),
                    upsertion.mechanism.name().to_owned(),
                ));
            }
            for key in quota_wanted(&item.user).into_keys() {
                for login in logins_in_use(&item.user, &item.view, &item.plan.action) {
                    entry
                        .quotas
                        .entry(login)
                        .or_default()
                        .insert(key.to_owned());
                }
            }
            ledger.set_user(&item.key, Some(entry));
        }
        ledger.commit(&self.context.client).await
    }

    async fn write_logins(
        &mut self,
        client: &Client,
        made: &mut [Delivered],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let mut upsertions = Vec::new();
        let mut of = HashMap::new();
        for delivered in made.iter_mut() {
            if let Some(upsertion) = delivered.upsertion.take() {
                of.insert(
                    upsertion.user.clone(),
                    (
                        delivered.item.key.clone(),
                        upsertion.mechanism,
                        upsertion.iterations,
                    ),
                );
                upsertions.push(upsertion);
            }
        }
        for part in upsertions.chunks(ITEMS) {
            for (login, verdict) in client.alter_scram(&[], part).await? {
                let Some((key, mechanism, iterations)) = of.remove(&login) else {
                    continue;
                };
                match verdict {
                    Ok(()) => {
                        let known = self
                            .known
                            .scram
                            .get_or_insert_default()
                            .entry(login)
                            .or_default();
                        known.retain(|(m, _)| *m != mechanism);
                        known.push((mechanism, iterations));
                    }
                    Err(error) => fail(failed, &key, &error),
                }
            }
        }
        Ok(())
    }

    async fn write_quotas(
        &mut self,
        client: &Client,
        made: &[Delivered],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let none = BTreeMap::new();
        let mut changes = Vec::new();
        let mut of = HashMap::new();
        for Delivered { item, .. } in made {
            let recorded = self.ledger.as_ref().and_then(|l| l.users().get(&item.key));
            let Some(recorded) = recorded else {
                continue;
            };
            let in_use: BTreeSet<String> = logins_in_use(&item.user, &item.view, &item.plan.action)
                .into_iter()
                .collect();
            for login in in_use
                .iter()
                .chain(recorded.quotas.keys().filter(|l| !in_use.contains(*l)))
            {
                let wanted = if in_use.contains(login) {
                    quota_wanted(&item.user)
                } else {
                    BTreeMap::new()
                };
                let owned: Vec<String> = recorded
                    .quotas
                    .get(login)
                    .into_iter()
                    .flatten()
                    .cloned()
                    .collect();
                let observed = self
                    .known
                    .quotas
                    .as_ref()
                    .and_then(|q| q.get(login))
                    .unwrap_or(&none);
                let ops = quota_changes(&wanted, &owned, observed);
                if !ops.is_empty() {
                    of.insert(login.clone(), (item.key.clone(), ops.clone()));
                    changes.push(QuotaChange {
                        entity: QuotaEntity::user(Some(login)),
                        ops,
                    });
                }
            }
        }
        for part in changes.chunks(ITEMS) {
            for (entity, verdict) in client.alter_client_quotas(part, false).await? {
                let Some((key, ops)) = entity
                    .as_user()
                    .flatten()
                    .and_then(|login| of.remove(login))
                else {
                    continue;
                };
                match verdict {
                    Ok(()) => {
                        let login = entity.as_user().flatten().unwrap_or_default().to_owned();
                        let known = self
                            .known
                            .quotas
                            .get_or_insert_default()
                            .entry(login)
                            .or_default();
                        for (quota, value) in ops {
                            match value {
                                Some(value) => known.insert(quota, value),
                                None => known.remove(&quota),
                            };
                        }
                    }
                    Err(error) => fail(failed, &key, &error),
                }
            }
        }
        // What is not set any more is not on record any more.
        if let Some(ledger) = &mut self.ledger {
            for Delivered { item, .. } in made.iter().filter(|d| !failed.contains_key(&d.item.key))
            {
                if let Some(mut entry) = ledger.users().get(&item.key).cloned() {
                    let wanted = quota_wanted(&item.user);
                    let in_use = logins_in_use(&item.user, &item.view, &item.plan.action);
                    entry.quotas.retain(|login, keys| {
                        keys.retain(|key| wanted.contains_key(key.as_str()));
                        in_use.contains(login) && !keys.is_empty()
                    });
                    ledger.set_user(&item.key, Some(entry));
                }
            }
        }
        Ok(())
    }

    /// Writes the Secrets.
    async fn deliver(
        &mut self,
        made: &mut [Delivered],
        failed: &mut Failed,
    ) -> HashMap<Key, Arc<Secret>> {
        let wanted: Vec<(Key, Secret, Option<Arc<Secret>>)> = made
            .iter_mut()
            .filter(|d| !failed.contains_key(&d.item.key))
            .filter_map(|d| {
                Some((
                    d.item.key.clone(),
                    d.secret.take()?,
                    self.secret_of(&d.item.user),
                ))
            })
            .collect();
        let client = &self.context.client;
        let results: Vec<(Key, Result<Secret, Error>)> = stream::iter(wanted)
            .map(|(key, secret, before)| async move {
                let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
                (key, secrets::write(&api, secret, before.as_deref()).await)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        let mut delivered = HashMap::new();
        for (key, result) in results {
            match result {
                Ok(mut stored) => {
                    secrets::prune(&mut stored);
                    let stored = Arc::new(stored);
                    let name = Key {
                        namespace: key.namespace.clone(),
                        name: stored.name_any(),
                    };
                    self.written.insert(name, Arc::clone(&stored));
                    delivered.insert(key, stored);
                }
                Err(error) => {
                    tracing::warn!(user = %key, reason = error.reason(), %error, "Secret not written");
                    failed.insert(
                        key,
                        (
                            error.reason().to_owned(),
                            error.to_string(),
                            error.is_permanent(),
                        ),
                    );
                }
            }
        }
        delivered
    }

    /// Takes away logins whose overlap is over.
    async fn revoke(
        &mut self,
        client: &Client,
        made: &[Delivered],
        failed: &mut Failed,
    ) -> Result<(), Error> {
        let mut deletions = Vec::new();
        let mut of: HashMap<String, Key> = HashMap::new();
        for Delivered { item, .. } in made.iter().filter(|d| !failed.contains_key(&d.item.key)) {
            let login = |second: bool| user::login(&item.user, second);
            let gone: Vec<String> = match item.plan.action {
                CredentialAction::RevokePrevious { second } => vec![login(second)],
                CredentialAction::Withdraw => vec![login(false), login(true)],
                // What an earlier process had begun to take away.
                CredentialAction::Keep => {
                    let in_use = logins_in_use(&item.user, &item.view, &item.plan.action);
                    let recorded = self.ledger.as_ref().and_then(|l| l.users().get(&item.key));
                    let recorded = recorded
                        .into_iter()
                        .flat_map(|r| &r.scram)
                        .map(|(login, _)| login.clone());
                    recorded.filter(|l| !in_use.contains(l)).collect()
                }
                _ => continue,
            };
            let Some(known) = &self.known.scram else {
                continue;
            };
            for login in gone {
                of.insert(login.clone(), item.key.clone());
                for (mechanism, _) in known.get(&login).into_iter().flatten() {
                    deletions.push(ScramDeletion {
                        user: login.clone(),
                        mechanism: *mechanism,
                    });
                }
            }
        }
        if of.is_empty() {
            return Ok(());
        }
        self.state.access = true;
        let mut refused = HashSet::new();
        for (login, verdict) in delete_scram(client, &deletions).await? {
            match verdict {
                Ok(()) => {
                    if let Some(known) = &mut self.known.scram {
                        known.remove(&login);
                    }
                }
                Err(error) => {
                    if let Some(key) = of.get(&login) {
                        fail(failed, key, &error);
                    }
                    refused.insert(login);
                }
            }
        }
        if let Some(ledger) = &mut self.ledger {
            for (login, key) in of.iter().filter(|(l, _)| !refused.contains(*l)) {
                if let Some(mut entry) = ledger.users().get(key).cloned() {
                    entry.scram.retain(|(l, _)| l != login);
                    ledger.set_user(key, Some(entry));
                }
            }
        }
        Ok(())
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
                Outcome::Ready { .. } | Outcome::Refused { .. } => {}
                Outcome::Waiting { .. } => self.again(Kind::User, &key, false),
                Outcome::Failed {
                    permanent, reason, ..
                } => {
                    self.context.metrics.error(reason);
                    self.state.dirty_users.remove(&key);
                    self.again(Kind::User, &key, *permanent);
                }
            }
            let status = user::status(&user, &outcome, &now);
            self.tell_user(&user, &status).await;
            wanted.push((user, status));
        }
        let stored = status::write(&self.context, wanted).await?;
        self.state.absorb_users(stored);
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

    /// Takes away what was made for users that are gone: logins, quotas, Secrets. Their ACLs go with the next look at
    /// access.
    pub(super) async fn take_away_users(&mut self, client: &Client) -> Result<(), Error> {
        self.take_away_secrets().await;
        let Some(ledger) = &mut self.ledger else {
            return Ok(());
        };
        let state = &self.state;
        let gone: Vec<(Key, UserEntry)> = ledger
            .users()
            .iter()
            .filter(|(key, entry)| {
                !state
                    .users
                    .get(*key)
                    .is_some_and(|u| u.metadata.uid.as_deref() == Some(&entry.uid))
                    && !state.unreadable.contains(&(Kind::User, (*key).clone()))
            })
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        self.state.access = true;
        let deletions: Vec<ScramDeletion> = gone
            .iter()
            .flat_map(|(_, entry)| &entry.scram)
            .filter_map(|(login, name)| {
                Some(ScramDeletion {
                    user: login.clone(),
                    mechanism: mechanism(name)?,
                })
            })
            .collect();
        let changes: Vec<QuotaChange> = gone
            .iter()
            .flat_map(|(_, entry)| &entry.quotas)
            .filter(|(_, keys)| !keys.is_empty())
            .map(|(login, keys)| QuotaChange {
                entity: QuotaEntity::user(Some(login)),
                ops: keys.iter().map(|key| (key.clone(), None)).collect(),
            })
            .collect();
        let mut refused: Option<ItemError> = None;
        for (login, verdict) in delete_scram(client, &deletions).await? {
            match verdict {
                Ok(()) => {
                    if let Some(known) = &mut self.known.scram {
                        known.remove(&login);
                    }
                }
                Err(error) => refused = Some(error),
            }
        }
        for part in changes.chunks(ITEMS) {
            for (entity, verdict) in client.alter_client_quotas(part, false).await? {
                match verdict {
                    Ok(()) => {
                        if let (Some(known), Some(login)) =
                            (&mut self.known.quotas, entity.as_user().flatten())
                        {
                            known.remove(login);
                        }
                    }
                    Err(error) => refused = Some(error),
                }
            }
        }
        if let Some(error) = refused {
            return Err(error.into_error("AlterUserScramCredentials").into());
        }
        for (key, _) in &gone {
            ledger.set_user(key, None);
        }
        ledger.commit(&self.context.client).await
    }

    /// Deletes Secrets of this cluster's users that are gone, or that are delivered under another name now.
    async fn take_away_secrets(&mut self) {
        let state = &self.state;
        let written = self.written.values().cloned();
        let mut stale: HashMap<Key, String> = HashMap::new();
        for secret in self.shared.secrets.state().into_iter().chain(written) {
            let (Some(of), true) = (
                secrets::user_of(&secret),
                secrets::is_of_cluster(&secret, &self.key),
            ) else {
                continue;
            };
            let wanted = state.unreadable.contains(&(Kind::User, of.clone()))
                || state.users.get(&of).is_some_and(|u| {
                    u.secret_name() == secret.name_any() && user::is_owned(u, &secret)
                });
            if let (false, Some(uid)) = (wanted, secret.uid()) {
                stale.insert(
                    Key {
                        namespace: of.namespace,
                        name: secret.name_any(),
                    },
                    uid,
                );
            }
        }
        let client = &self.context.client;
        let gone: Vec<Option<Key>> = stream::iter(stale)
            .map(|(key, uid)| async move {
                let api: Api<Secret> = Api::namespaced(client.clone(), &key.namespace);
                match apply::delete(&api, &key.name, Some(&uid)).await {
                    Ok(_) => Some(key),
                    Err(error) => {
                        tracing::warn!(secret = %key, %error, "Secret not deleted; the garbage collector will");
                        None
                    }
                }
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        for key in gone.into_iter().flatten() {
            self.written.remove(&key);
        }
    }
}

fn makes_login(action: &CredentialAction) -> bool {
    matches!(
        action,
        CredentialAction::NewPassword { .. } | CredentialAction::AdoptPassword { .. }
    )
}

async fn delete_scram(
    client: &Client,
    deletions: &[ScramDeletion],
) -> Result<Vec<(String, Result<(), ItemError>)>, Error> {
    let mut verdicts = Vec::new();
    for part in deletions.chunks(ITEMS) {
        for (login, verdict) in client.alter_scram(part, &[]).await? {
            // It is gone already.
            let verdict = match verdict {
                Err(error) if error.name == "RESOURCE_NOT_FOUND" => Ok(()),
                verdict => verdict,
            };
            verdicts.push((login, verdict));
        }
    }
    Ok(verdicts)
}

fn fail(failed: &mut Failed, key: &Key, error: &ItemError) {
    tracing::warn!(user = %key, %error, "refused by Kafka");
    failed.insert(
        key.clone(),
        (
            error.reason().to_owned(),
            error.to_string(),
            !error.is_retriable(),
        ),
    );
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
    }
}
