//! Carries out what happens, and looks at everything when it has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH, LABEL_USER};
use sdm_api::{KafkaACL, KafkaACLStatus, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use sdm_core::access::{Acl, Claims, Expansion, ObjectKey, UserIdentity, acl_status};
use sdm_core::user::{ANNOTATION_CREDENTIAL, Credential, is_owned};
use sdm_kafka::{
    AclBinding, AclFilter, AclOperation, AclPatternType, AclPermission, AclResourceType, Client,
};
use sdm_tests::wait::until;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::objects::{Ledger, Objects, Owners, Principals, label, principal};
use super::ops::{Book, Kind, Name, Op};
use super::place::Place;
use super::window::{Acls, Probe, Seen, Window, probes};

/// The longest that anything may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(90);

/// What was found at rest.
struct Rest {
    expansion: Expansion,
    owners: Owners,
    principals: Principals,
    claims: Claims,
}

pub struct Run {
    pub place: Place,
    /// What was written down.
    pub book: Book,
    /// States of Kafka's that were judged.
    pub states: usize,
    /// What happened how often.
    pub counts: BTreeMap<String, usize>,
    foreign: Acls,
    rest: Rest,
    window: Window,
    /// Users whose principals may be others by now.
    stirred: Principals,
    /// Who may hold what: it depends on which changes the controller has seen one by one.
    held: Vec<Claims>,
    /// Claims that nobody gave up since the last rest.
    kept: Claims,
    /// The controller cannot know what was done by hand before it looks again.
    drifted: bool,
    /// Kafka cannot be asked: others wait with what they do.
    away: bool,
    watch: Watch,
    probes: Vec<Probe>,
    tokens: usize,
}

impl Run {
    pub async fn new(place: Place) -> Result<Self> {
        let watch = Watch::start(place.admin.clone(), place.kafka.metadata());
        let none = Objects::read(&place.plane.client).await?;
        let expansion = none.expand(&BTreeMap::new(), BTreeMap::new(), &Claims::new());
        Ok(Self {
            place,
            book: Book::new(),
            states: 0,
            counts: BTreeMap::new(),
            foreign: Acls::new(),
            rest: Rest {
                expansion,
                owners: Owners::new(),
                principals: Principals::new(),
                claims: Claims::new(),
            },
            window: Window::new(Acls::new(), Acls::new(), 0),
            stirred: Principals::new(),
            held: vec![Claims::new()],
            kept: Claims::new(),
            drifted: false,
            away: false,
            watch,
            probes: probes(),
            tokens: 0,
        })
    }

    /// All of it happens, then there is rest.
    pub async fn step(&mut self, ops: Vec<Op>) -> Result<()> {
        for op in ops {
            let said = format!("{op:?}");
            self.window.said.push(said.clone());
            let word = said.split(['(', ' ']).next().unwrap_or_default().to_owned();
            *self.counts.entry(word).or_default() += 1;
            self.happen(op).await.with_context(|| self.story())?;
        }
        self.come_to_rest().await.with_context(|| self.story())
    }

    /// Everything is deleted: what others made is left.
    pub async fn end(&mut self) -> Result<()> {
        let all = self.book.keys().cloned().map(Op::Delete).collect();
        self.step(all).await?;
        ensure!(
            self.rest.expansion.wanted.is_empty(),
            "nothing is wanted any more"
        );
        Ok(())
    }

    fn story(&self) -> String {
        let controller = self
            .place
            .controller
            .as_ref()
            .map_or_else(String::new, |c| c.tail());
        format!(
            "what happened:\n  {}\n\nthe controller said:\n{controller}\n",
            self.window.said.join("\n  ")
        )
    }

    async fn happen(&mut self, op: Op) -> Result<()> {
        let client = self.place.plane.client.clone();
        let from = self.place.log.end()?;
        match op {
            Op::Put(name, spec) => self.write(&name, Some(spec)).await?,
            Op::Delete(name) => self.write(&name, None).await?,
            Op::Together(all) => {
                let mut objects = Objects::read(&client).await?;
                for (name, spec) in &all {
                    objects.change(name, spec.as_ref())?;
                    self.expect(from, &objects);
                }
                for (name, spec) in all {
                    self.write(&name, spec).await?;
                }
            }
            Op::Forget(name) => {
                let nothing = Patch::Merge(json!({"status": null}));
                self.api(&name)
                    .patch_status(&name.2, &PatchParams::default(), &nothing)
                    .await?;
            }
            Op::Rotate(namespace, user) => {
                self.stir(namespace, &user, true);
                self.annotate(namespace, user, ANNOTATION_ROTATE).await?;
            }
            Op::Finish(namespace, user) => {
                self.stir(namespace, &user, false);
                self.annotate(namespace, user, ANNOTATION_ROTATE_FINISH)
                    .await?;
            }
            Op::DropSecret(namespace, user) => {
                self.stir(namespace, &user, true);
                let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
                gone_is_fine(
                    secrets
                        .delete(&user, &DeleteParams::default())
                        .await
                        .map(drop),
                )?;
            }
            Op::Allow(namespace, allowed) => {
                // What was asked of users meanwhile is done now.
                let users: Vec<_> = self
                    .rest
                    .principals
                    .keys()
                    .filter(|user| user.namespace == namespace)
                    .cloned()
                    .collect();
                users
                    .iter()
                    .for_each(|user| self.stir(namespace, &user.name, true));
                let namespaces: Api<Namespace> = Api::all(client.clone());
                namespaces
                    .patch(
                        namespace,
                        &PatchParams::default(),
                        &Patch::Merge(label(allowed)),
                    )
                    .await?;
            }
            Op::Make(acl) => return self.make(acl).await,
            Op::TakeAny { foreign: true } => {
                let some = self.foreign.iter().nth(self.foreign.len() / 2).cloned();
                return match some {
                    Some(acl) => self.take(acl).await,
                    None => Ok(()),
                };
            }
            Op::TakeAny { foreign: false } => {
                let clients = ["User:home/user/anchor", "User:alpha/user/guest", "User:*"];
                let wanted = self
                    .rest
                    .expansion
                    .wanted
                    .keys()
                    .filter(|acl| !clients.contains(&acl.principal.as_str()));
                let wanted: Vec<_> = wanted.cloned().collect();
                return match wanted.get(wanted.len() / 2) {
                    Some(acl) => self.take(acl.clone()).await,
                    None => Ok(()),
                };
            }
            Op::Twin(name, spec) => return self.twin(name, spec).await,
            Op::KillController => {
                self.place.controller = None;
                return Ok(());
            }
            Op::StartController => return self.place.control(),
            Op::Freeze(frozen) => {
                self.away = frozen;
                return self.place.kafka.freeze(frozen);
            }
            Op::FreezeWhenRecorded => {
                let before = Ledger::read(&client).await?.acls;
                for _ in 0..100 {
                    if !Ledger::read(&client).await?.acls.is_subset(&before) {
                        break;
                    }
                }
                self.away = true;
                return self.place.kafka.freeze(true);
            }
            Op::KillBroker => {
                self.away = true;
                self.place.kafka.kill();
                return Ok(());
            }
            Op::StartBroker => {
                self.away = false;
                return self.place.kafka.resume();
            }
            Op::Pause(milliseconds) => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                return Ok(());
            }
        }
        self.expect(from, &Objects::read(&client).await?);
        Ok(())
    }

    /// Creates, replaces or deletes an object.
    async fn write(&mut self, name: &Name, spec: Option<Value>) -> Result<()> {
        let api = self.api(name);
        let Some(spec) = spec else {
            if self.book.remove(name).is_some() {
                api.delete(&name.2, &DeleteParams::default()).await?;
            }
            return Ok(());
        };
        let before = self.book.insert(name.clone(), spec.clone());
        if name.0 == Kind::User
            && before.is_some_and(|b| b["authentication"] != spec["authentication"])
        {
            self.stir(name.1, &name.2, true);
        }
        let object = json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": resource(name.0).kind,
            "metadata": {"name": name.2, "namespace": name.1}, "spec": spec,
        });
        api.patch(
            &name.2,
            &PatchParams::apply("test").force(),
            &Patch::Apply(object),
        )
        .await?;
        Ok(())
    }

    /// From a place of the log on these objects count.
    fn expect(&mut self, from: u64, objects: &Objects) {
        let mut possible = Vec::new();
        let mut at = 0;
        while let Some(held) = self.held.get(at).cloned() {
            at += 1;
            for expansion in objects.possible(
                &self.rest.owners,
                &self.rest.principals,
                &self.stirred,
                &held,
            ) {
                for (resource, names) in &mut self.kept {
                    let now = expansion.claims.get(resource);
                    names.retain(|name, holder| now.and_then(|n| n.get(name)) == Some(holder));
                }
                if !self.held.contains(&expansion.claims) {
                    self.held.push(expansion.claims.clone());
                }
                possible.push(wanted(expansion));
            }
        }
        self.window.wanted(from, possible);
    }

    fn api(&self, name: &Name) -> Api<DynamicObject> {
        Api::namespaced_with(self.place.plane.client.clone(), name.1, &resource(name.0))
    }

    /// A user's principals may be others soon: one more, or the one before less.
    fn stir(&mut self, namespace: &str, user: &str, more: bool) {
        let key = ObjectKey::new(namespace, user);
        let Some((uid, known)) = self.rest.principals.get(&key) else {
            return;
        };
        let both = [false, true].map(|second| principal(&key, second));
        let other = match more {
            true => both.to_vec(),
            // Which of two is the one before is nobody's business here.
            false => Vec::new(),
        };
        if more || known.len() > 1 {
            self.stirred.insert(key, (uid.clone(), other));
        }
    }

    async fn annotate(&mut self, namespace: &'static str, user: String, key: &str) -> Result<()> {
        self.tokens += 1;
        let annotation = json!({"metadata": {"annotations": {key: self.tokens.to_string()}}});
        let name = (Kind::User, namespace, user);
        if self.book.contains_key(&name) {
            self.api(&name)
                .patch(&name.2, &PatchParams::default(), &Patch::Merge(annotation))
                .await?;
        }
        Ok(())
    }

    /// Kafka answers.
    async fn awake(&mut self) -> Result<()> {
        let admin = &self.place.admin;
        until("Kafka to answer", PATIENCE, || async {
            Ok(admin.describe_acls(&AclFilter::any()).await.map(Some)?)
        })
        .await
        .with_context(|| self.place.kafka.tail())?;
        Ok(())
    }

    /// Somebody else makes an ACL.
    async fn make(&mut self, acl: Acl) -> Result<()> {
        if self.away {
            return Ok(());
        }
        self.awake().await?;
        let from = self.place.log.end()?;
        self.watch.others.begun.fetch_add(1, Ordering::SeqCst);
        for verdict in self.place.admin.create_acls(&[binding(&acl)]).await? {
            verdict?;
        }
        self.until_there(&acl, true).await?;
        self.foreign.insert(acl);
        self.window
            .foreign(from, self.place.log.end()?, self.foreign.clone());
        self.watch.others.made.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Somebody takes an ACL away, another's or ours.
    async fn take(&mut self, acl: Acl) -> Result<()> {
        if self.away {
            return Ok(());
        }
        self.awake().await?;
        let from = self.place.log.end()?;
        self.window.by_hand(from, acl.clone());
        self.watch.others.begun.fetch_add(1, Ordering::SeqCst);
        for verdict in self.place.admin.delete_acls(&[binding(&acl)]).await? {
            verdict?;
        }
        self.until_there(&acl, false).await?;
        self.foreign.remove(&acl);
        self.window
            .foreign(from, self.place.log.end()?, self.foreign.clone());
        self.watch.others.made.fetch_add(1, Ordering::SeqCst);
        self.drifted = true;
        Ok(())
    }

    async fn until_there(&self, acl: &Acl, there: bool) -> Result<()> {
        let (admin, binding) = (&self.place.admin, binding(acl));
        until("Kafka to say so", PATIENCE, || async {
            let told = admin
                .describe_acls(&AclFilter::principal(&acl.principal))
                .await?;
            Ok((told.contains(&binding) == there).then_some(()))
        })
        .await
    }

    /// Somebody makes what an object is going to stand for.
    async fn twin(&mut self, name: Name, spec: Value) -> Result<()> {
        let mut objects = Objects::read(&self.place.plane.client).await?;
        objects.change(&name, Some(&spec))?;
        let then = objects.possible(
            &self.rest.owners,
            &self.rest.principals,
            &self.stirred,
            &self.rest.claims,
        );
        let new = then.into_iter().next().map(wanted).unwrap_or_default();
        let news = new.into_iter().filter(|acl| {
            !self.rest.expansion.wanted.contains_key(acl) && !self.foreign.contains(acl)
        });
        // A denial of everybody's would be one of the test's own clients.
        let news: Vec<_> = news.filter(|acl| acl.principal != "User:*").collect();
        match news.get(news.len() / 2) {
            Some(acl) => {
                self.window.said.push(format!("  made: {acl}"));
                self.make(acl.clone()).await
            }
            None => Ok(()),
        }
    }

    async fn come_to_rest(&mut self) -> Result<()> {
        if self.drifted {
            self.place.controller = None;
        }
        self.place.control()?;
        self.awake().await?;
        let mut found = until("rest", PATIENCE, || self.at_rest()).await?;
        loop {
            // Nothing follows.
            tokio::time::sleep(Duration::from_millis(150)).await;
            let again = until("rest again", PATIENCE, || self.at_rest()).await?;
            if again.expansion == found.expansion {
                break;
            }
            found = again;
        }
        let seen = self.seen().await?;
        self.states += seen.len();
        self.window.judge(&self.probes, &seen)?;
        let others = self.watch.others.made.load(Ordering::SeqCst);
        self.window = Window::new(
            wanted(found.expansion.clone()),
            self.foreign.clone(),
            others,
        );
        self.held = vec![found.claims.clone()];
        self.kept.clone_from(&found.claims);
        self.stirred.clear();
        self.drifted = false;
        self.rest = found;
        Ok(())
    }

    /// Every state since the last time, from the log and from Kafka's own answers.
    async fn seen(&mut self) -> Result<Vec<Seen>> {
        let log = self.place.log.read()?;
        let log = log.into_iter().map(|s| Seen {
            at: s.position,
            asked: None,
            acls: s.acls,
        });
        let mut all: Vec<Seen> = log.collect();
        all.extend(self.watch.take());
        Ok(all)
    }

    /// Compares everything with everything.
    async fn at_rest(&self) -> Result<Option<Rest>> {
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
                let status = object
                    .status
                    .as_ref()
                    .map(|s| (s.observed_generation, s.conditions.as_slice()));
                let name = ObjectKey::of(object).to_string();
                say(
                    stringify!($kind),
                    name,
                    status,
                    object.metadata.generation,
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

fn wanted(expansion: Expansion) -> Acls {
    expansion.wanted.into_keys().collect()
}

fn gone_is_fine(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => result,
    }
}

fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Role => ApiResource::erase::<KafkaRole>(&()),
        Kind::Acl => ApiResource::erase::<KafkaACL>(&()),
        Kind::User => ApiResource::erase::<KafkaUser>(&()),
        Kind::Topic => ApiResource::erase::<KafkaTopic>(&()),
        Kind::Grant => ApiResource::erase::<KafkaAccessGrant>(&()),
    }
}

/// Words of `sdm-core`'s and of the client's, by their names.
fn binding(acl: &Acl) -> AclBinding {
    fn word<T: Copy + std::fmt::Display>(all: &[T], name: String) -> T {
        *all.iter()
            .find(|w| w.to_string() == name)
            .unwrap_or_else(|| unreachable!("{name}"))
    }
    AclBinding {
        resource_type: word(AclResourceType::ALL, format!("{:?}", acl.resource)),
        resource_name: acl.name.clone(),
        pattern_type: word(AclPatternType::ALL, format!("{:?}", acl.pattern)),
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: word(AclOperation::ALL, format!("{:?}", acl.operation)),
        permission: word(AclPermission::ALL, format!("{:?}", acl.permission)),
    }
}

fn acl(binding: &AclBinding) -> Result<Acl> {
    let lower = |text: String| text[..1].to_lowercase() + &text[1..];
    Ok(serde_json::from_value(json!({
        "resource": lower(binding.resource_type.to_string()), "pattern": binding.pattern_type.to_string().to_lowercase(),
        "name": binding.resource_name, "principal": binding.principal, "host": binding.host,
        "operation": binding.operation.to_string(), "permission": binding.permission.to_string(),
    }))?)
}

/// Asks Kafka again and again.
struct Watch {
    seen: Arc<Mutex<Vec<Seen>>>,
    others: Arc<Others>,
    task: JoinHandle<()>,
}

/// How many changes others have begun to make, and made.
#[derive(Default)]
struct Others {
    begun: AtomicUsize,
    made: AtomicUsize,
}

impl Watch {
    fn start(admin: Client, log: PathBuf) -> Self {
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let others: Arc<Others> = Arc::default();
        let (tell, count) = (Arc::clone(&seen), Arc::clone(&others));
        let task = tokio::spawn(async move {
            loop {
                let made = count.made.load(Ordering::SeqCst);
                if let Ok(told) = admin.describe_acls(&AclFilter::any()).await
                    && let Ok(acls) = told.iter().map(acl).collect()
                {
                    let at = std::fs::metadata(&log).map_or(0, |m| m.len());
                    let asked = Some((made, count.begun.load(Ordering::SeqCst)));
                    tell.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(Seen { at, asked, acls });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { seen, others, task }
    }

    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
