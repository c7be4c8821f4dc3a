//! What can happen, and chance that makes it happen.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::StdRng;
use sdm_core::access::Acl;
use serde_json::{Value, json};

use super::place::{CLUSTER, HOME, NAMESPACES};
use super::specs::{any_acl, any_grant, any_role, any_user, odd, one, resource};

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Role,
    Acl,
    User,
    Topic,
    Grant,
}

/// An object's kind, namespace and name.
pub type Name = (Kind, &'static str, String);

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Op {
    /// Created, or replaced.
    Put(Name, Value),
    Delete(Name),
    /// Created, replaced and deleted, one close upon the other.
    Together(Vec<(Name, Option<Value>)>),
    /// The status is emptied.
    Forget(Name),
    /// A password or a certificate is to be replaced.
    Rotate(&'static str, String),
    /// The credential before is to end.
    Finish(&'static str, String),
    /// The delivered Secret is deleted.
    DropSecret(&'static str, String),
    /// The namespace may use the cluster, or not.
    Allow(&'static str, bool),
    /// Somebody else creates an ACL in Kafka.
    Make(Acl),
    /// One that will be wanted if this object is written down, made by somebody else before.
    Twin(Name, Value),
    /// Any of those that somebody else made, or that are ours.
    TakeAny {
        foreign: bool,
    },
    /// The watches of a kind tell what they tell later by so many milliseconds.
    Late(&'static str, u64),
    /// SIGKILL.
    KillController,
    StartController,
    Freeze(bool),
    /// As soon as something new is on record: Kafka is about to be asked for it.
    FreezeWhenRecorded,
    KillBroker,
    StartBroker,
    Pause(u64),
}

/// What was written down, by the test's own book.
pub type Book = BTreeMap<Name, Value>;

pub(super) const TOPICS: [&str; 4] = ["t1", "t2", "a.x", "a.y"];
pub(super) const BUILT_IN: [&str; 6] = [
    "producer", "consumer", "admin", "viewer", "connect", "streams",
];

pub fn cluster_ref() -> Value {
    json!({"name": CLUSTER, "namespace": HOME})
}

/// The forms in which the test's own clients are allowed what they do.
pub struct Anchors {
    /// Which of two objects stands for it now: the ACL at home, the grant for the guest.
    acl: bool,
    grant: bool,
    roles: usize,
}

fn acl_name(which: bool) -> Name {
    (
        Kind::Acl,
        HOME,
        if which { "anchor-a" } else { "anchor-b" }.to_owned(),
    )
}

fn grant_name(which: bool) -> Name {
    (
        Kind::Grant,
        HOME,
        if which { "lend-a" } else { "lend-b" }.to_owned(),
    )
}

impl Anchors {
    /// What has to be there from the beginning.
    pub fn begin() -> (Self, Vec<Op>) {
        let anchors = Self {
            acl: true,
            grant: true,
            roles: 0,
        };
        let user = |authentication: &str| json!({"clusterRef": cluster_ref(), "authentication": authentication});
        let guest = json!({
            "clusterRef": cluster_ref(), "subjects": [{"name": "guest"}], "roles": ["producer"],
            "resources": [{"type": "topic", "name": "anchor"}],
        });
        let stranger = json!({"clusterRef": {"name": "elsewhere"}, "authentication": "tls"});
        let ops = vec![
            Op::Put(
                (Kind::Topic, HOME, "anchor".to_owned()),
                json!({"clusterRef": cluster_ref(), "partitions": 1, "replicas": 1}),
            ),
            Op::Put((Kind::User, HOME, "anchor".to_owned()), user("tls")),
            Op::Put((Kind::User, HOME, "stranger".to_owned()), stranger),
            Op::Put(
                (Kind::User, "alpha", "guest".to_owned()),
                user("scram-sha-512"),
            ),
            Op::Put(acl_name(true), acl_form(0, "")),
            Op::Put(grant_name(true), grant_form(0)),
            Op::Put((Kind::Acl, "alpha", "guest".to_owned()), guest),
        ];
        (anchors, ops)
    }

    /// The same is said in another way.
    fn change(&mut self, random: &mut StdRng) -> Vec<Op> {
        let form = random.random_range(0..7);
        match random.random_range(0..7) {
            // In place.
            0 | 1 => vec![Op::Put(acl_name(self.acl), acl_form(form, ""))],
            // By another object.
            2 => {
                let old = acl_name(self.acl);
                self.acl = !self.acl;
                vec![Op::Together(vec![
                    (acl_name(self.acl), Some(acl_form(form, ""))),
                    (old, None),
                ])]
            }
            // By another role, which is new; the one before goes at once.
            3 => {
                let role = |n: usize| (Kind::Role, HOME, format!("w{n}"));
                self.roles += 1;
                let rules = json!({"rules": [{"resource": "topic", "operations": ["Write"]}]});
                let new = format!("w{}", self.roles);
                let before = role(self.roles - 1);
                let acl = (acl_name(self.acl), Some(acl_form(7, &new)));
                vec![Op::Together(vec![
                    (role(self.roles), Some(rules)),
                    acl,
                    (before, None),
                ])]
            }
            4 => vec![Op::Put(grant_name(self.grant), grant_form(form))],
            5 => {
                let old = grant_name(self.grant);
                self.grant = !self.grant;
                vec![Op::Together(vec![
                    (grant_name(self.grant), Some(grant_form(form))),
                    (old, None),
                ])]
            }
            _ => {
                let (roles, resource) = match form {
                    0 | 1 => ("producer", resource("topic", "anchor")),
                    2 | 3 => ("producer", resource("topic", "anch+")),
                    4 => ("admin", resource("topic", "anchor")),
                    _ => ("streams", resource("topic", "*")),
                };
                let acl = json!({
                    "clusterRef": cluster_ref(), "subjects": [{"name": "guest"}], "roles": [roles], "resources": [resource],
                });
                vec![Op::Put((Kind::Acl, "alpha", "guest".to_owned()), acl)]
            }
        }
    }
}

fn acl_form(form: usize, role: &str) -> Value {
    let subject = json!({"name": "anchor"});
    let (subject, role, topic, hosts) = match form {
        0 => (subject, "producer", "anchor", json!([])),
        1 => (subject, "admin", "anch+", json!([])),
        2 => (subject, "producer", "*", json!([])),
        3 => (
            json!({"kind": "Principal", "name": "User:home/user/anchor"}),
            "streams",
            "anchor",
            json!([]),
        ),
        4 => (
            subject,
            "connect",
            "anchor",
            json!(["10.0.0.1", "127.0.0.1"]),
        ),
        5 => (
            json!({"kind": "Principal", "name": "User:*"}),
            "producer",
            "anchor",
            json!(["127.0.0.1"]),
        ),
        6 => (subject, "producer", "a+", json!(["127.0.0.1", "*"])),
        _ => (subject, role, "anchor", json!([])),
    };
    json!({
        "clusterRef": cluster_ref(), "subjects": [subject], "roles": [role], "resources": [resource("topic", topic)],
        "hosts": hosts,
    })
}

fn grant_form(form: usize) -> Value {
    let (topic, operations) = match form {
        0 => (json!({"name": "anchor"}), json!([])),
        1 => (
            json!({"name": "anch", "pattern": "prefixed"}),
            json!(["Write"]),
        ),
        2 => (json!({"name": "*"}), json!(["All"])),
        3 => (json!({"name": "anchor"}), json!(["Write", "Describe"])),
        _ => (json!({"name": "a", "pattern": "prefixed"}), json!([])),
    };
    json!({"clusterRef": cluster_ref(), "namespaces": ["alpha"], "topics": [topic], "operations": operations})
}

/// Milliseconds that a watch is late at most.
pub const LATEST: u64 = 250;
/// What the controller watches, each by itself.
const WATCHED: [&str; 5] = [
    "kafkaroles",
    "kafkaacls",
    "kafkaaccessgrants",
    "kafkausers",
    "kafkatopics",
];

/// What happens until the next rest: changes, close to each other or not, and now and then a fault in between.
pub fn chance(random: &mut StdRng, anchors: &mut Anchors, book: &Book) -> Vec<Op> {
    let mut ops: Vec<Op> = WATCHED
        .map(|plural| Op::Late(plural, one(random, &[0, 0, 0, 20, 100, LATEST])))
        .into();
    let mut book = book.clone();
    match random.random_range(0..10) {
        0 => ops.push(Op::TakeAny { foreign: true }),
        1 => ops.push(Op::TakeAny { foreign: false }),
        // What was asked of Kafka last is carried out when nobody wants it any more.
        4 => ops.extend(late(random, &book)),
        2 | 3 => {
            let (name, acl) = (any_name(random, Kind::Acl), any_acl(random));
            ops.push(Op::Twin(name.clone(), acl.clone()));
            if random.random_bool(0.7) {
                book.insert(name.clone(), acl.clone());
                ops.push(Op::Put(name, acl));
            }
        }
        _ => {}
    }
    let fault = random.random_range(0..10);
    let changes = random.random_range(2..=7);
    let moment = random.random_range(0..changes);
    let mut after = Vec::new();
    for n in 0..changes {
        if n == moment {
            let (begin, end) = match fault {
                0..=2 => (vec![Op::KillController], vec![Op::StartController]),
                3 => (vec![Op::Freeze(true)], vec![Op::Freeze(false)]),
                // Killed while it waits for an answer.
                4 => (
                    vec![Op::Freeze(true)],
                    vec![Op::KillController, Op::StartController, Op::Freeze(false)],
                ),
                5 => (vec![Op::KillBroker], vec![Op::StartBroker]),
                6 => (vec![Op::KillController, Op::StartController], vec![]),
                _ => (vec![], vec![]),
            };
            ops.extend(begin);
            after = end;
        }
        ops.extend(change(random, anchors, &mut book));
        if random.random_bool(0.6) {
            ops.push(Op::Pause(random.random_range(1..150)));
        }
        if !after.is_empty() && random.random_bool(0.4) {
            ops.append(&mut after);
        }
    }
    ops.extend(after);
    ops
}

/// An object is gone, and the controller too, before Kafka does what it was asked for the object.
fn late(random: &mut StdRng, book: &Book) -> Vec<Op> {
    let name = any_name(random, Kind::Acl);
    let before = book.get(&name).cloned();
    let after = before.map_or_else(
        || Op::Delete(name.clone()),
        |spec| Op::Put(name.clone(), spec),
    );
    vec![
        Op::Put(name, any_acl(random)),
        Op::FreezeWhenRecorded,
        Op::KillController,
        after,
        Op::StartController,
        Op::Pause(random.random_range(1..400)),
        Op::Freeze(false),
    ]
}

/// What is told of before chance has its say.
pub fn stories() -> Vec<(&'static str, Vec<Op>)> {
    let acl = |namespace, name: &str| (Kind::Acl, namespace, name.to_owned());
    let says = |resources: Value| {
        json!({
            "clusterRef": cluster_ref(), "subjects": [{"kind": "Principal", "name": "User:lit"}], "roles": ["reader"],
            "resources": resources,
        })
    };
    let group = |name: &str| says(json!([resource("group", name)]));
    let reader = json!({"rules": [
        {"resource": "group", "operations": ["Read"]},
        {"resource": "topic", "operations": ["Read"]},
    ]});
    let role = |namespace| Op::Put((Kind::Role, namespace, "reader".to_owned()), reader.clone());
    let before = Acl {
        resource: sdm_api::ResourceType::Topic,
        pattern: sdm_api::Pattern::Literal,
        name: "wild".to_owned(),
        principal: "User:lit".to_owned(),
        host: "*".to_owned(),
        operation: sdm_api::Operation::Read,
        permission: sdm_api::Permission::Allow,
    };
    let wild = says(json!([resource("topic", "wild")]));
    vec![
        (
            "all that is wanted was there before",
            vec![role(HOME), Op::Make(before), Op::Put(acl(HOME, "a1"), wild)],
        ),
        (
            "a process that has made nothing is followed by another",
            vec![Op::KillController, Op::StartController],
        ),
        (
            "what was there before stays",
            vec![Op::Delete(acl(HOME, "a1"))],
        ),
        (
            "the older object names no group, the younger one does",
            vec![
                role("alpha"),
                role("beta"),
                Op::Put(acl("beta", "a1"), group("beta.g")),
                // Objects are as old as their second.
                Op::Pause(1100),
                Op::Put(acl("alpha", "a1"), group("pool")),
            ],
        ),
        (
            "the older one names it too, when nobody looks",
            vec![
                Op::KillController,
                Op::Put(acl("beta", "a1"), group("pool")),
                Op::StartController,
            ],
        ),
        (
            "who held it gives it up",
            vec![Op::Put(acl("alpha", "a1"), group("alpha.g"))],
        ),
        (
            "and wants it back",
            vec![Op::Put(acl("alpha", "a1"), group("pool"))],
        ),
        (
            "all go",
            vec![
                Op::Delete(acl("alpha", "a1")),
                Op::Delete(acl("beta", "a1")),
            ],
        ),
    ]
}

/// What is allowed and denied together, and then neither: nobody ever gets in.
fn fence(random: &mut StdRng, book: &Book) -> Op {
    let namespace = one(random, &NAMESPACES);
    let name = |word: &str| (Kind::Acl, namespace, format!("fence-{word}"));
    if book.contains_key(&name("allow")) {
        return Op::Together(vec![(name("allow"), None), (name("deny"), None)]);
    }
    let acl = |role: &str, permission: &str| {
        json!({
            "clusterRef": cluster_ref(), "permission": permission, "roles": [role],
            "subjects": [{"kind": "ServiceAccount", "name": "fenced"}],
            "resources": [resource("group", &format!("{namespace}.g")), resource("topic", "t1")],
        })
    };
    let role = one(random, &["consumer", "admin"]);
    Op::Together(vec![
        (name("deny"), Some(acl(role, "Deny"))),
        (name("allow"), Some(acl("consumer", "Allow"))),
    ])
}

fn any_name(random: &mut StdRng, kind: Kind) -> Name {
    let namespace = one(random, &NAMESPACES);
    let name = match kind {
        Kind::Role => one(random, &["r1", "r2"]),
        Kind::Acl => one(random, &["a1", "a2", "a3"]),
        Kind::User => one(random, &["u1", "u2"]),
        Kind::Topic => one(random, &["t-1", "t-2", "t-3"]),
        Kind::Grant => one(random, &["g1", "g2"]),
    };
    (kind, namespace, name.to_owned())
}

fn change(random: &mut StdRng, anchors: &mut Anchors, book: &mut Book) -> Vec<Op> {
    let kinds = [
        Kind::Acl,
        Kind::Acl,
        Kind::Acl,
        Kind::Role,
        Kind::User,
        Kind::Topic,
        Kind::Grant,
    ];
    let kind = one(random, &kinds);
    let name = any_name(random, kind);
    let there = book.contains_key(&name);
    let ops = match random.random_range(0..22) {
        0..=3 => anchors.change(random),
        4 => vec![Op::Make(odd(random))],
        5 => vec![Op::Forget(name.clone())]
            .into_iter()
            .filter(|_| there)
            .collect(),
        6 => vec![Op::Allow("beta", random.random_bool(0.5))],
        7 => {
            let user = (
                one(random, &NAMESPACES),
                one(random, &["u1", "u2"]).to_owned(),
            );
            let scram = book.get(&(Kind::User, user.0, user.1.clone()));
            let scram = scram.is_some_and(|u| u["authentication"] != "tls");
            match random.random_range(0..3) {
                _ if !scram => vec![],
                0 => vec![Op::DropSecret(user.0, user.1)],
                1 => vec![Op::Finish(user.0, user.1)],
                _ => vec![Op::Rotate(user.0, user.1)],
            }
        }
        8 | 9 => vec![fence(random, book)],
        10..=12 if there => vec![Op::Delete(name)],
        _ => match name.0 {
            Kind::Role => vec![Op::Put(name, any_role(random))],
            Kind::Acl => vec![Op::Put(name, any_acl(random))],
            Kind::User => vec![Op::Put(name, any_user(random))],
            Kind::Grant => vec![Op::Put(name, any_grant(random))],
            // A topic's name cannot change.
            Kind::Topic if there => vec![Op::Delete(name)],
            Kind::Topic => {
                let topic = json!({"clusterRef": cluster_ref(), "topicName": one(random, &TOPICS), "partitions": 1, "replicas": 1});
                vec![Op::Put(name, topic)]
            }
        },
    };
    for op in &ops {
        match op {
            Op::Put(name, spec) => drop(book.insert(name.clone(), spec.clone())),
            Op::Delete(name) => drop(book.remove(name)),
            Op::Together(all) => {
                for (name, spec) in all {
                    match spec {
                        Some(spec) => drop(book.insert(name.clone(), spec.clone())),
                        None => drop(book.remove(name)),
                    }
                }
            }
            _ => {}
        }
    }
    ops
}
