//! What there is at rest, and whether it is what there should be.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use sdm_api::condition::Reports;
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH, LABEL_USER};
use sdm_api::{KafkaACL, KafkaACLStatus, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use sdm_core::access::{Acl, Claims, Expansion, ObjectKey, UserIdentity, acl_status};
use sdm_core::user::{ANNOTATION_CREDENTIAL, Credential, is_owned};
use sdm_kafka::AclFilter;

use super::objects::{Ledger, Objects, Owners, Principals};
use super::run::Run;
use super::watch::acl;
use super::window::Acls;

/// What was found at rest.
pub(super) struct Rest {
    pub(super) expansion: Expansion,
    pub(super) owners: Owners,
    pub(super) principals: Principals,
    pub(super) claims: Claims,
}

impl Run {
    /// Compares everything with everything.
    pub(super) async fn at_rest(&self) -> Result<Option<Rest>> {
        let client = &self.place.plane.client;
        let objects = Objects::read(client).await?;
        settled(&objects)?;
        delivered(client, &objects).await?;
        let ledger = Ledger::read(client).await?;
        let mut logins = BTreeSet::new();
        for (login, found) in self.place.admin.describe_scram(None).await? {
            if found.is_ok_and(|f| !f.is_empty()) {
                logins.insert(login);
            }
        }
        let there = |uid: &str| {
            objects
                .topics
                .iter()
                .any(|t| t.uid().as_deref() == Some(uid))
        };
        let owners: Owners = ledger
            .topics
            .clone()
            .into_iter()
            .filter(|(_, (_, uid))| there(uid))
            .collect();
        for topic in objects
            .topics
            .iter()
            .filter(|t| is(t.status.as_ref().map(|s| s.conditions.as_slice()), "Ready"))
        {
            let owner = owners.get(topic.topic_name()).map(|(_, uid)| uid.as_str());
            ensure!(
                owner == topic.uid().as_deref(),
                "{} is Ready and not the owner",
                topic.name_any()
            );
        }
        let principals = objects.principals(&logins);
        let names = owners
            .iter()
            .map(|(topic, (namespace, _))| (topic.clone(), namespace.clone()))
            .collect();
        let users = principals
            .iter()
            .filter(|(user, _)| objects.allowed(&user.namespace));
        let users = users.map(|(user, (_, p))| {
            (
                user.clone(),
                UserIdentity {
                    principals: p.clone(),
                },
            )
        });
        let expansion = objects.expand(&names, users.collect(), &ledger.claims);
        let kept = |(resource, names): (_, &BTreeMap<String, String>)| {
            let now = expansion.claims.get(resource);
            let lost = names
                .iter()
                .find(|(name, holder)| now.and_then(|n| n.get(*name)) != Some(*holder));
            lost.map(|(name, holder)| {
                format!(
                    "{name} was {holder}'s all the time, and is {:?}'s now",
                    now.and_then(|n| n.get(name))
                )
            })
        };
        let lost: Vec<_> = self.kept.iter().filter_map(kept).collect();
        ensure!(lost.is_empty(), "{lost:?}");
        ensure!(
            expansion.claims == ledger.claims,
            "{:?} is on record of {:?}",
            ledger.claims,
            expansion.claims
        );

        let wanted = wanted(expansion.clone());
        let told = self.place.admin.describe_acls(&AclFilter::any()).await?;
        let told: Acls = told.iter().map(acl).collect::<Result<_>>()?;
        differ(
            "Kafka",
            &told,
            &wanted.union(&self.foreign).cloned().collect(),
        )?;
        differ(
            "the record",
            &ledger.acls,
            &wanted.difference(&self.foreign).cloned().collect(),
        )?;
        for object in &objects.acls {
            let key = ObjectKey::of(object);
            let verdict = expansion
                .verdicts
                .get(&key)
                .with_context(|| format!("no verdict on {key}"))?;
            let now = Time(sdm_core_time());
            let should = acl_status(
                &KafkaACLStatus::default(),
                verdict,
                object.metadata.generation,
                &now,
            );
            let is = object.status.clone().unwrap_or_default();
            let what = |s: &KafkaACLStatus| {
                (
                    s.observed_generation,
                    conditions(&s.conditions),
                    s.acls,
                    s.refused.clone(),
                )
            };
            ensure!(
                what(&is) == what(&should),
                "KafkaACL {key} says\n{:?}\nand should\n{:?}",
                what(&is),
                what(&should)
            );
        }
        Ok(Some(Rest {
            expansion,
            owners,
            principals,
            claims: ledger.claims,
        }))
    }
}

fn sdm_core_time() -> k8s_openapi::jiff::Timestamp {
    k8s_openapi::jiff::Timestamp::UNIX_EPOCH
}

/// Conditions without their times.
fn conditions(all: &[Condition]) -> BTreeSet<(String, String, String, String, Option<i64>)> {
    let words = |c: &Condition| {
        (
            c.type_.clone(),
            c.status.clone(),
            c.reason.clone(),
            c.message.clone(),
            c.observed_generation,
        )
    };
    all.iter().map(words).collect()
}

fn is(conditions: Option<&[Condition]>, kind: &str) -> bool {
    conditions.is_some_and(|all| all.iter().any(|c| c.type_ == kind && c.status == "True"))
}

/// Everything says something about itself as it is now; topics and users say that they are Ready, or why they never are.
fn settled(objects: &Objects) -> Result<()> {
    let say = |kind: &str,
               name: String,
               status: Option<(Option<i64>, &[Condition])>,
               generation: Option<i64>,
               last: bool| {
        let conditions = status.map(|(_, conditions)| conditions);
        let current = status.is_some_and(|(observed, c)| observed == generation && !c.is_empty());
        let done = !last || is(conditions, "Ready") || is(conditions, "Stalled");
        ensure!(
            current && done,
            "{kind} {name} of generation {generation:?} says {status:?}"
        );
        Ok(())
    };
    macro_rules! all {
        ($list:expr, $kind:ty, $last:expr) => {
            for object in &$list {
                let object: &$kind = object;
                let (name, generation) = (ObjectKey::of(object), object.metadata.generation);
                say(
                    stringify!($kind),
                    name.to_string(),
                    object.report(),
                    generation,
                    $last,
                )?;
            }
        };
    }
    all!(objects.roles, KafkaRole, true);
    all!(objects.grants, KafkaAccessGrant, true);
    all!(objects.acls, KafkaACL, false);
    all!(objects.topics, KafkaTopic, true);
    let ours: Vec<KafkaUser> = objects.ours().cloned().collect();
    all!(ours, KafkaUser, true);
    Ok(())
}

/// Every user has what it was last asked for: annotations do not count as generations.
async fn delivered(client: &kube::Client, objects: &Objects) -> Result<()> {
    let secrets = Api::<Secret>::all(client.clone())
        .list(&ListParams::default().labels(LABEL_USER))
        .await?;
    for user in objects.tenants() {
        let key = ObjectKey::of(user);
        let secret = secrets
            .iter()
            .find(|s| s.name_any() == key.name && s.namespace().as_ref() == Some(&key.namespace));
        let secret = secret
            .filter(|s| is_owned(user, s))
            .with_context(|| format!("{key} has no Secret"))?;
        let credential = secret
            .annotations()
            .get(ANNOTATION_CREDENTIAL)
            .map(String::as_str);
        let credential =
            Credential::parse(credential).with_context(|| format!("{key}: {credential:?}"))?;
        let asked = |key: &str| user.annotations().get(key);
        let overlaps = credential.previous.is_some();
        let rotated = overlaps || asked(ANNOTATION_ROTATE) == credential.handled.as_ref();
        let finished = !overlaps || asked(ANNOTATION_ROTATE_FINISH) == credential.finished.as_ref();
        ensure!(
            rotated && finished,
            "{key} was asked for another credential: {:?}",
            user.annotations()
        );
    }
    Ok(())
}

fn differ(who: &str, has: &Acls, should: &Acls) -> Result<()> {
    let told = |acls: Vec<&Acl>| {
        acls.into_iter()
            .take(5)
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let more: Vec<_> = has.difference(should).collect();
    let less: Vec<_> = should.difference(has).collect();
    if more.is_empty() && less.is_empty() {
        return Ok(());
    }
    let (m, l) = (more.len(), less.len());
    bail!(
        "{who} has {m} too many: {:#?}, and lacks {l}: {:#?}",
        told(more),
        told(less)
    )
}

pub(super) fn wanted(expansion: Expansion) -> Acls {
    expansion.wanted.into_keys().collect()
}
