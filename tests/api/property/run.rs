//! Carries out what happens, and looks at everything when it has come to rest.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use sdm_api::user::{ANNOTATION_ROTATE, ANNOTATION_ROTATE_FINISH};
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use sdm_core::access::{Acl, Claims, ObjectKey};
use sdm_kafka::AclFilter;
use sdm_tests::wait::until;
use serde_json::{Value, json};

use super::objects::{Ledger, Objects, Owners, Principals, label, principal};
use super::ops::{Book, Kind, LATEST, Name, Op};
use super::place::Place;
use super::rest::{Rest, wanted};
use super::watch::{Watch, binding};
use super::window::{Acls, Probe, Seen, Window, probes};

/// The longest that anything may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Run {
    pub place: Place,
    /// What was written down.
    pub book: Book,
    /// States of Kafka's that were judged.
    pub states: usize,
    /// What happened how often.
    pub counts: BTreeMap<String, usize>,
    pub(super) foreign: Acls,
    rest: Rest,
    window: Window,
    /// Users whose principals may be others by now.
    stirred: Principals,
    /// Who may hold what: it depends on which changes the controller has seen one by one.
    held: Vec<Claims>,
    /// Claims that nobody gave up since the last rest.
    pub(super) kept: Claims,
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
            Op::Late(plural, milliseconds) => {
                let delay = Duration::from_millis(milliseconds);
                self.place.watches.delays.set(plural, delay);
                return Ok(());
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
            // Nothing follows, however late it is heard.
            tokio::time::sleep(Duration::from_millis(150 + LATEST)).await;
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
