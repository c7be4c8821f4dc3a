//! Users that are gone: what was made for them is taken away, and nothing else.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt};
use sdm_api::Authentication;
use sdm_core::user;
use sdm_kafka::{Client, ItemError, QuotaChange, QuotaEntity, ScramDeletion};
use sdm_runtime::apply;

use super::calls::ITEMS;
use super::credentials::mechanism;
use super::hub::Kind;
use super::ledger::UserEntry;
use super::secrets;
use super::status::CONCURRENCY;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

impl Worker {
    /// Takes away what was made for users that are gone: logins, quotas, Secrets. Their ACLs go with the next look at
    /// access. Returns those of whom Kafka keeps something, and what it says.
    pub(super) async fn take_away_users(
        &mut self,
        client: &Client,
    ) -> Result<Vec<(Key, ItemError)>, Error> {
        self.take_away_secrets().await;
        let Some(ledger) = &mut self.ledger else {
            return Ok(Vec::new());
        };
        let state = &self.state;
        let gone: Vec<(Key, UserEntry)> = ledger
            .users()
            .iter()
            .filter(|(key, entry)| {
                state
                    .users
                    .get(*key)
                    .is_none_or(|u| u.metadata.uid.as_deref() != Some(&entry.uid))
                    && !state.unreadable.contains(&(Kind::User, (*key).clone()))
            })
            .map(|(key, entry)| (key.clone(), entry.clone()))
            .collect();
        if gone.is_empty() {
            return Ok(Vec::new());
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
        let mut refused: HashMap<String, ItemError> = HashMap::new();
        for (login, verdict) in delete_scram(client, &deletions).await? {
            match verdict {
                Ok(()) => {
                    if let Some(known) = &mut self.known.scram {
                        known.remove(&login);
                    }
                }
                Err(error) => drop(refused.insert(login, error)),
            }
        }
        for part in changes.chunks(ITEMS) {
            for (entity, verdict) in client.alter_client_quotas(part, false).await? {
                let login = entity.as_user().flatten().unwrap_or_default();
                match verdict {
                    Ok(()) => {
                        if let Some(known) = &mut self.known.quotas {
                            known.remove(login);
                        }
                    }
                    Err(error) => drop(refused.insert(login.to_owned(), error)),
                }
            }
        }
        let mut left = Vec::new();
        for (key, entry) in gone {
            let mut logins = entry.scram.iter().map(|(login, _)| login);
            let mut limited = entry.quotas.keys();
            let kept = logins.find_map(|login| refused.get(login));
            match kept.or_else(|| limited.find_map(|login| refused.get(login))) {
                None => ledger.set_user(&key, None),
                Some(error) => {
                    tracing::warn!(user = %key, %error, "not taken away, will be repeated");
                    self.context.metrics.error(error.reason());
                    left.push((key, error.clone()));
                }
            }
        }
        ledger.commit(&self.context.client).await?;
        Ok(left)
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
                    // The one before goes when the one of now is there.
                    let there = self.secret_of(u);
                    there.is_some_and(|there| there.name_any() == secret.name_any())
                        && user::is_owned(u, &secret)
                        && u.spec.authentication != Authentication::External
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

/// Takes away logins; one that is gone already is a success.
pub(super) async fn delete_scram(
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
