//! Access: what the objects of all namespaces stand for, computed as a whole, and the few ACLs by which Kafka differs.
//!
//! Owns what is known of Kafka's ACLs between two looks, and the order of record and call. What is granted, and in
//! which order it changes, is `sdm_core::access`'s.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use sdm_api::KafkaUser;
use sdm_api::condition::Reports;
use sdm_core::access::{
    Acl, Claims, Expansion, ObjectKey, Refusal, Stopped, UserIdentity, Verdict, World, acl_status,
    changes, expand, grant_status, validate_grant,
};
use sdm_core::outcome::may_pass;
use sdm_core::user::{ANNOTATION_CREDENTIAL, Credential, logins_in_use, principal};
use sdm_kafka::{AclBinding, AclFilter, Client};

use super::calls::{ITEMS, acl, binding, refusal};
use super::gate::{Closed, Open};
use super::hub::Kind;
use super::status;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

/// Questions at the same time.
const FEW: usize = 8;

/// What Kafka was seen to have; forgotten now and then, so that changes by hand are seen.
#[derive(Default)]
pub struct Known {
    /// ACLs.
    pub acls: Option<BTreeSet<Acl>>,
    /// SCRAM credentials by user name.
    pub scram: Option<HashMap<String, Vec<(sdm_kafka::ScramMechanism, i32)>>>,
    /// Quotas by user name.
    pub quotas: Option<HashMap<String, BTreeMap<String, f64>>>,
}

impl Known {
    /// Ask Kafka again.
    pub fn expire(&mut self) {
        self.acls = None;
        self.scram = None;
        self.quotas = None;
    }
}

impl Worker {
    /// Makes Kafka's ACLs what the objects say, if something changed.
    pub(super) async fn access(&mut self, open: &Open, client: &Client) -> Result<(), Error> {
        if !std::mem::take(&mut self.state.access) {
            return Ok(());
        }
        let result = self.access_now(open, client).await;
        if result.is_err() {
            self.state.access = true;
        }
        result
    }

    async fn access_now(&mut self, open: &Open, client: &Client) -> Result<(), Error> {
        let recorded = self
            .ledger
            .as_ref()
            .is_some_and(|l| !l.acls().is_empty() || !l.claims().is_empty());
        if self.state.acls.is_empty() && self.state.grants.is_empty() && !recorded {
            return Ok(());
        }
        if self.known.acls.is_none() {
            let found = client.describe_acls(&AclFilter::any()).await?;
            self.context.metrics.polls.inc();
            self.known.acls = Some(found.iter().filter_map(acl).collect());
        }
        let mut expansion = self.expand(open);
        // Whether repeating it may help.
        let mut failed: HashMap<Key, bool> = HashMap::new();
        for (acl, refusal) in self.apply_acls(client, &expansion).await? {
            for object in expansion.wanted.get(&acl).into_iter().flatten() {
                if let Some(verdict) = expansion.verdicts.get_mut(object) {
                    verdict.refused.push(refusal.clone());
                }
                let key = Key {
                    namespace: object.namespace.clone(),
                    name: object.name.clone(),
                };
                *failed.entry(key).or_insert(true) &= refusal.waits;
            }
        }
        let timers = &mut self.state.timers;
        timers.forget_but(Kind::Acl, |key| failed.contains_key(key));
        for (key, waits) in &failed {
            self.again(Kind::Acl, key, !waits);
        }
        self.tell_access(open, &expansion.verdicts, &failed).await
    }

    fn expand(&self, open: &Open) -> Expansion {
        let none_held = Claims::new();
        let topics = self.owned_topics();
        let namespaces = self.shared.namespaces.state();
        let none = BTreeMap::new();
        let roles = self.shared.roles.state();
        let users = self.identities(open);
        let foreign_users = self.shared.users_elsewhere(&self.key);
        let world = World {
            cluster: ObjectKey {
                namespace: self.key.namespace.clone(),
                name: self.key.name.clone(),
            },
            allowed: open
                .cluster
                .spec
                .tenancy
                .as_ref()
                .and_then(|t| t.allowed_namespaces.as_ref()),
            namespaces: namespaces
                .iter()
                .filter_map(|n| {
                    Some((
                        n.metadata.name.as_deref()?,
                        n.metadata.labels.as_ref().unwrap_or(&none),
                    ))
                })
                .collect(),
            topics: &topics,
            users,
            foreign_users,
            roles: roles
                .iter()
                .filter_map(|r| {
                    let role = r.0.as_ref().ok()?;
                    let key = ObjectKey {
                        namespace: role.namespace()?,
                        name: role.name_any(),
                    };
                    role.metadata
                        .deletion_timestamp
                        .is_none()
                        .then_some((key, &role.spec))
                })
                .collect(),
            acls: self
                .state
                .acls
                .values()
                .filter(|a| a.metadata.deletion_timestamp.is_none())
                .map(|a| &**a)
                .collect(),
            grants: self
                .state
                .grants
                .values()
                .filter(|g| g.metadata.deletion_timestamp.is_none())
                .map(|g| &**g)
                .collect(),
            held: self.ledger.as_ref().map_or(&none_held, |l| l.claims()),
        };
        expand(&world)
    }

    /// Every user that may be spoken of, with all the names it logs in with.
    fn identities(&self, open: &Open) -> BTreeMap<ObjectKey, UserIdentity> {
        let mut users = BTreeMap::new();
        for (key, user) in &self.state.users {
            if user.metadata.deletion_timestamp.is_some()
                || self.allowed(open, &key.namespace).is_err()
            {
                continue;
            }
            let logins = if self.has_one_login(user) {
                vec![principal(user)]
            } else {
                let (view, plan) = self.credential_plan(open, user);
                logins_in_use(user, &view, &plan.action)
            };
            let identity = UserIdentity {
                principals: logins.into_iter().map(|l| format!("User:{l}")).collect(),
            };
            users.insert(
                ObjectKey {
                    namespace: key.namespace.clone(),
                    name: key.name.clone(),
                },
                identity,
            );
        }
        users
    }

    /// Whether a user certainly logs in under one name only, which is the case of nearly all.
    fn has_one_login(&self, user: &KafkaUser) -> bool {
        let credential = self.secret_of(user).and_then(|secret| {
            let annotation = secret.annotations().get(ANNOTATION_CREDENTIAL).cloned();
            Credential::parse(annotation.as_deref())
        });
        !user.spec.authentication.is_scram() && credential.is_none_or(|c| c.previous.is_none())
    }

    /// Carries out the difference. What Kafka refused comes back with the reason.
    async fn apply_acls(
        &mut self,
        client: &Client,
        expansion: &Expansion,
    ) -> Result<Vec<(Acl, Refusal)>, Error> {
        let had = match std::mem::take(&mut self.salvage) {
            true => self.had(expansion),
            false => Vec::new(),
        };
        let (Some(ledger), Some(present)) = (&mut self.ledger, &mut self.known.acls) else {
            return Ok(Vec::new());
        };
        ledger.begin();
        ledger.add_acls(had.into_iter().filter(|acl| present.contains(*acl)));
        // Who was given a name keeps it, and another process knows.
        ledger.set_claims(&expansion.claims);
        let mut steps = changes(&expansion.wanted, present, ledger.acls());
        if steps.create.iter().any(|some| !some.is_empty()) {
            // What somebody made since the last look is not ours, and would be taken for it.
            let found = made_meanwhile(client, steps.create.iter().flatten()).await?;
            present.extend(found);
            steps = changes(&expansion.wanted, present, ledger.acls());
        }
        ledger.add_acls(steps.create.iter().flatten());
        ledger.commit(&self.context.client).await?;
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        let mut stopped = Stopped::default();
        let mut failed = Vec::new();
        for step in steps.create {
            let (go, wait) = stopped.divide(step);
            failed.extend(wait);
            for part in go.chunks(ITEMS) {
                let bindings: Vec<AclBinding> = part.iter().map(binding).collect();
                let verdicts = match client.create_acls(&bindings).await {
                    Ok(verdicts) => verdicts,
                    Err(error) => {
                        // Some may have been made: look again before anything else.
                        self.known.acls = None;
                        return Err(error.into());
                    }
                };
                for (acl, verdict) in part.iter().zip(verdicts) {
                    let Err(error) = verdict else {
                        present.insert(acl.clone());
                        continue;
                    };
                    tracing::warn!(cluster = %self.key, ?acl, %error, "ACL not created");
                    self.context.metrics.error(error.reason());
                    let refusal = refusal(&error);
                    stopped.note(acl, &refusal);
                    failed.push((acl.clone(), refusal));
                }
            }
        }
        ledger.remove_acls(failed.iter().map(|(acl, _)| acl));
        let mut left = None;
        for step in steps.delete {
            let (go, wait) = stopped.divide(step);
            left = left.or(wait.into_iter().next().map(|(_, why)| why));
            for part in go.chunks(ITEMS) {
                let bindings: Vec<AclBinding> = part.iter().map(binding).collect();
                let verdicts = match client.delete_acls(&bindings).await {
                    Ok(verdicts) => verdicts,
                    Err(error) => {
                        self.known.acls = None;
                        return Err(error.into());
                    }
                };
                for (acl, verdict) in part.iter().zip(verdicts) {
                    let Err(error) = verdict else {
                        present.remove(acl);
                        ledger.remove_acls([acl]);
                        continue;
                    };
                    tracing::warn!(cluster = %self.key, ?acl, %error, "ACL not deleted, will be repeated");
                    self.context.metrics.error(error.reason());
                    let refusal = refusal(&error);
                    stopped.note(acl, &refusal);
                    left = left.or(Some(refusal));
                }
            }
        }
        ledger.commit(&self.context.client).await?;
        if self.state.left_acls.went(left.is_some())
            && let Some(why) = left
        {
            let note = format!(
                "ACLs that nobody asks for any more are left behind in Kafka: {}; they are taken away when Kafka allows it",
                why.message
            );
            self.tell_left("AclsLeftBehind", note).await;
        }
        Ok(failed)
    }

    async fn tell_access(
        &mut self,
        open: &Open,
        verdicts: &BTreeMap<ObjectKey, Verdict>,
        failed: &HashMap<Key, bool>,
    ) -> Result<(), Error> {
        let now = status::now();
        while self.writes.has_any(Kind::Acl) || self.writes.has_any(Kind::Grant) {
            self.writes.next(&mut self.state).await?;
        }
        let acls: Vec<_> = self
            .state
            .acls
            .iter()
            .filter(|(key, acl)| {
                let failures = self.state.timers.failures(Kind::Acl, key);
                failed.get(*key) != Some(&true) || !may_pass(&***acl, failures)
            })
            .filter_map(|(key, acl)| {
                let verdict = verdicts.get(&ObjectKey {
                    namespace: key.namespace.clone(),
                    name: key.name.clone(),
                })?;
                let before = acl.status.clone().unwrap_or_default();
                Some((
                    Arc::clone(acl),
                    acl_status(&before, verdict, acl.metadata.generation, &now),
                ))
            })
            .collect();
        self.writes.acls(&self.context, acls);
        let grants: Vec<_> = self
            .state
            .grants
            .iter()
            .map(|(key, grant)| {
                let review = validate_grant(grant, None);
                let refusal = self.allowed(open, &key.namespace).err();
                let before = grant.status.clone().unwrap_or_default();
                (
                    Arc::clone(grant),
                    grant_status(
                        &before,
                        &review,
                        refusal.as_ref(),
                        grant.metadata.generation,
                        &now,
                    ),
                )
            })
            .collect();
        self.writes.grants(&self.context, grants);
        Ok(())
    }

    /// Tells those who wait for Kafka that they do.
    pub(super) fn tell_closed_access(&mut self, closed: &Closed, now: &Time) {
        let verdict = Verdict {
            refused: vec![closed.refusal()],
            ..Verdict::default()
        };
        let acls: Vec<_> = self
            .state
            .acls
            .values()
            .filter(|a| !a.is_settled())
            .map(|acl| {
                let before = acl.status.clone().unwrap_or_default();
                (
                    Arc::clone(acl),
                    acl_status(&before, &verdict, acl.metadata.generation, now),
                )
            })
            .collect();
        self.writes.acls(&self.context, acls);
    }
}

/// Those of the ACLs that Kafka has by now: asked by principal while these are few.
async fn made_meanwhile<'a>(
    client: &Client,
    acls: impl Iterator<Item = &'a Acl>,
) -> Result<Vec<Acl>, Error> {
    let asked: BTreeSet<&Acl> = acls.collect();
    let principals: BTreeSet<&str> = asked.iter().map(|a| a.principal.as_str()).collect();
    let filters: Vec<AclFilter> = match principals.len() {
        ..=FEW => principals.into_iter().map(AclFilter::principal).collect(),
        _ => vec![AclFilter::any()],
    };
    let answers = filters.iter().map(|filter| client.describe_acls(filter));
    let answers = futures::future::try_join_all(answers).await?;
    let found = answers.iter().flatten().filter_map(acl);
    Ok(found.filter(|acl| asked.contains(acl)).collect())
}
