//! Access: what the objects of all namespaces stand for, computed as a whole, and the few ACLs by which Kafka differs.
//!
//! Owns what is known of Kafka's ACLs between two looks. What is granted is `sdm_core::access`'s, carrying it out
//! `acl_steps`'.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use sdm_api::KafkaUser;
use sdm_api::condition::Reports;
use sdm_core::access::{
    Acl, Claims, Expansion, ObjectKey, UserIdentity, Verdict, World, acl_status, expand,
    grant_status, validate_grant,
};
use sdm_core::outcome::may_pass;
use sdm_core::user::{ANNOTATION_CREDENTIAL, Credential, logins_in_use, principal};
use sdm_kafka::{AclFilter, Client};

use super::calls::acl;
use super::gate::{Closed, Open};
use super::hub::Kind;
use super::status;
use super::worker::Worker;
use crate::error::Error;
use crate::store::Key;

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
        match &result {
            Ok(()) => self.state.saw_access(),
            Err(_) => self.state.access = true,
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
        let mut expansion = self.expand_abreast(open).await?;
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

    pub(super) fn expand(&self, open: &Open) -> Expansion {
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
