//! Carrying out what users need: the record first, then logins and quotas in Kafka, then the Secrets.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use sdm_core::user::{self, CredentialAction, logins_in_use, quota_changes, quota_wanted};
use sdm_kafka::{Client, ItemError, QuotaChange, QuotaEntity, ScramDeletion};

use super::calls::{ITEMS, refusal};
use super::credentials::{Delivered, Failed, fault};
use super::departures::delete_scram;
use super::ledger::UserEntry;
use super::secrets;
use super::status::CONCURRENCY;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

impl Worker {
    pub(super) async fn record_users(&mut self, made: &[Delivered]) -> Result<(), Error> {
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
            // What Kafka has under the user's own names is the user's, also if the record was lost.
            for login in item.view.logins.iter().flatten() {
                let name = user::login(&item.user, login.second);
                let mechanism = login.mechanism.as_str().to_owned();
                entry.scram.insert((name, mechanism));
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

    pub(super) async fn write_logins(
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

    pub(super) async fn write_quotas(
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
    pub(super) async fn deliver(
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
                    // One under another name may be left.
                    self.state.gone = true;
                    delivered.insert(key, stored);
                }
                Err(error) => {
                    tracing::warn!(user = %key, reason = error.reason(), %error, "Secret not written");
                    failed.insert(key, fault(&error));
                }
            }
        }
        delivered
    }

    /// Takes away logins whose overlap is over.
    pub(super) async fn revoke(
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
        self.state.gone = true;
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
}

fn fail(failed: &mut Failed, key: &Key, error: &ItemError) {
    tracing::warn!(user = %key, %error, "refused by Kafka");
    failed.insert(key.clone(), refusal(error));
}
