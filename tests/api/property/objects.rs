//! What the API server has, and what it stands for by the test's own reading of it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use sdm_api::{
    Authentication, KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser, names,
};
use sdm_core::access::{
    Acl, Claims, Expansion, ObjectKey, UserIdentity, World, expand, namespace_allowed,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ops::{Kind, Name};
use super::place::{CLUSTER, HOME, LABEL, NAMESPACES};

/// Owners of topics, by topic: namespace and uid of the object.
pub type Owners = BTreeMap<String, (String, String)>;
/// Names that users log in with, by user: uid and principals.
pub type Principals = BTreeMap<ObjectKey, (String, Vec<String>)>;

/// Everything that was written down.
pub struct Objects {
    pub acls: Vec<KafkaACL>,
    pub grants: Vec<KafkaAccessGrant>,
    pub roles: Vec<KafkaRole>,
    pub users: Vec<KafkaUser>,
    pub topics: Vec<KafkaTopic>,
    pub labels: BTreeMap<String, BTreeMap<String, String>>,
}

async fn all<K>(client: &Client) -> Result<Vec<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    Ok(Api::<K>::all(client.clone())
        .list(&ListParams::default())
        .await?
        .items)
}

impl Objects {
    pub async fn read(client: &Client) -> Result<Self> {
        let (acls, grants, roles, users, topics, namespaces) = tokio::try_join!(
            all(client),
            all(client),
            all(client),
            all(client),
            all(client),
            all::<Namespace>(client),
        )?;
        let labels = namespaces
            .into_iter()
            .map(|n| (n.name_any(), n.metadata.labels.unwrap_or_default()));
        Ok(Self {
            acls,
            grants,
            roles,
            users,
            topics,
            labels: labels.collect(),
        })
    }

    /// Whether a namespace may use the cluster.
    pub fn allowed(&self, namespace: &str) -> bool {
        namespace_allowed(
            HOME,
            Some(&selector()),
            namespace,
            self.labels.get(namespace),
        )
        .is_ok()
    }

    /// Users of the cluster.
    pub fn ours(&self) -> impl Iterator<Item = &KafkaUser> {
        self.users
            .iter()
            .filter(|u| u.spec.cluster_ref.name == CLUSTER)
    }

    /// Users of the cluster that may be spoken of.
    pub fn tenants(&self) -> impl Iterator<Item = &KafkaUser> {
        self.ours()
            .filter(|u| self.allowed(&u.namespace().unwrap_or_default()))
    }

    /// What all of it stands for, if topics and principals are whose they are said to be.
    pub fn expand(
        &self,
        owners: &BTreeMap<String, String>,
        users: BTreeMap<ObjectKey, UserIdentity>,
        held: &Claims,
    ) -> Expansion {
        let selector = selector();
        let roles = self.roles.iter().map(|r| (ObjectKey::of(r), &r.spec));
        let foreign = self
            .users
            .iter()
            .filter(|u| u.spec.cluster_ref.name != CLUSTER);
        expand(&World {
            cluster: ObjectKey::new(HOME, CLUSTER),
            allowed: Some(&selector),
            namespaces: self
                .labels
                .iter()
                .map(|(name, labels)| (name.as_str(), labels))
                .collect(),
            topics: owners,
            users,
            foreign_users: foreign.map(ObjectKey::of).collect(),
            roles: roles.collect(),
            acls: self.acls.iter().collect(),
            grants: self.grants.iter().collect(),
            held,
        })
    }

    /// As if that had been written, deleted with `None`: what the API server makes of it is not known yet.
    pub fn change(&mut self, name: &Name, spec: Option<&Value>) -> Result<()> {
        fn one<K>(list: &mut Vec<K>, name: &Name, spec: Option<&Value>) -> Result<()>
        where
            K: kube::Resource + serde::Serialize + DeserializeOwned,
        {
            let is = |object: &K| {
                object.meta().namespace.as_deref() == Some(name.1)
                    && object.meta().name.as_ref() == Some(&name.2)
            };
            let before = list.iter().position(is).map(|at| list.remove(at));
            if let Some(spec) = spec {
                let mut object = match before {
                    Some(object) => serde_json::to_value(object)?,
                    None => json!({"metadata": {"name": name.2, "namespace": name.1}}),
                };
                object["spec"] = spec.clone();
                list.push(serde_json::from_value(object)?);
            }
            Ok(())
        }
        match name.0 {
            Kind::Role => one(&mut self.roles, name, spec),
            Kind::Acl => one(&mut self.acls, name, spec),
            Kind::User => one(&mut self.users, name, spec),
            Kind::Topic => one(&mut self.topics, name, spec),
            Kind::Grant => one(&mut self.grants, name, spec),
        }
    }

    /// Everything that it may stand for while topics and users are on their way, at least as an extreme of each; the
    /// first is where it leads to if every topic goes to its first claimant. `stirred`: users whose principals change.
    pub fn possible(
        &self,
        owners: &Owners,
        known: &Principals,
        stirred: &Principals,
        held: &Claims,
    ) -> Vec<Expansion> {
        let mut found = Vec::new();
        for owners in self.possible_owners(owners) {
            for users in self.possible_users(known, stirred) {
                found.push(self.expand(&owners, users, held));
            }
        }
        found
    }

    fn possible_owners(&self, owners: &Owners) -> Vec<BTreeMap<String, String>> {
        let mut settled = BTreeMap::new();
        let mut open: BTreeMap<&str, Vec<Option<String>>> = BTreeMap::new();
        for topic in &self.topics {
            let owner = owners.get(topic.topic_name());
            let there = |(_, uid): &&(String, String)| {
                self.topics.iter().any(|t| t.uid().as_ref() == Some(uid))
            };
            match owner.filter(there) {
                Some((namespace, _)) => {
                    drop(settled.insert(topic.topic_name().to_owned(), namespace.clone()))
                }
                None => open
                    .entry(topic.topic_name())
                    .or_default()
                    .push(topic.namespace()),
            }
        }
        let most = open.values().map(Vec::len).max().unwrap_or(0);
        let nth = |n: usize| {
            let chosen = open.iter().filter_map(|(topic, claimants)| {
                let choice = claimants.get(n.min(claimants.len().saturating_sub(1)))?;
                Some(((*topic).to_owned(), choice.clone()?))
            });
            settled.clone().into_iter().chain(chosen).collect()
        };
        let mut all: Vec<BTreeMap<_, _>> = (0..most).map(nth).collect();
        all.push(settled.clone());
        all
    }

    fn possible_users(
        &self,
        known: &Principals,
        stirred: &Principals,
    ) -> Vec<BTreeMap<ObjectKey, UserIdentity>> {
        let mut ways = [BTreeMap::new(), BTreeMap::new()];
        let mut same = true;
        for user in self.tenants() {
            let key = ObjectKey::of(user);
            let of = |list: &Principals| {
                let found = list
                    .get(&key)
                    .filter(|(uid, _)| Some(uid) == user.uid().as_ref());
                found.map(|(_, principals)| UserIdentity {
                    principals: principals.clone(),
                })
            };
            let settled = of(known).unwrap_or_else(|| UserIdentity {
                principals: vec![principal(&key, false)],
            });
            let other = of(stirred).or_else(|| of(known));
            same &= other.as_ref() == Some(&settled);
            ways[0].insert(key.clone(), settled);
            if let Some(other) = other {
                ways[1].insert(key, other);
            }
        }
        let [first, second] = ways;
        if same {
            vec![first]
        } else {
            vec![first, second]
        }
    }

    /// The names users log in with, by what Kafka has of passwords.
    pub fn principals(&self, logins: &BTreeSet<String>) -> Principals {
        let of = |user: &KafkaUser| {
            let key = ObjectKey::of(user);
            let both = [false, true].map(|second| principal(&key, second));
            let mut found: Vec<_> = both
                .iter()
                .filter(|p| logins.contains(p.trim_start_matches("User:")))
                .cloned()
                .collect();
            if user.spec.authentication == Authentication::Tls || found.is_empty() {
                found.insert(0, both[0].clone());
                found.dedup();
            }
            (key, (user.uid().unwrap_or_default(), found))
        };
        self.ours().map(of).collect()
    }
}

fn selector() -> LabelSelector {
    LabelSelector {
        match_labels: Some([(LABEL.0.to_owned(), LABEL.1.to_owned())].into()),
        ..LabelSelector::default()
    }
}

/// A user's principal, or that of its second password.
pub fn principal(user: &ObjectKey, second: bool) -> String {
    format!(
        "User:{}",
        names::scram_username(&user.namespace, &user.name, second)
    )
}

/// What the controller has on record of the cluster.
#[derive(Debug, Default)]
pub struct Ledger {
    pub topics: Owners,
    pub acls: BTreeSet<Acl>,
    pub claims: Claims,
}

impl Ledger {
    pub async fn read(client: &Client) -> Result<Self> {
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), HOME);
        let ours = ListParams::default().labels(&format!("kafka.sdm.dev/ledger={CLUSTER}"));
        let mut ledger = Self::default();
        for map in api.list(&ours).await? {
            let data = map.data.unwrap_or_default();
            let part = |key: &str| data.get(key).map_or("null", String::as_str);
            let topics: Option<BTreeMap<String, Value>> = serde_json::from_str(part("topics"))?;
            for (topic, entry) in topics.unwrap_or_default() {
                let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
                ledger
                    .topics
                    .insert(topic, (text("namespace"), text("uid")));
            }
            let acls: Option<Vec<Acl>> = serde_json::from_str(part("acls"))?;
            ledger.acls.extend(acls.unwrap_or_default());
            let claims: Option<Claims> = serde_json::from_str(part("claims"))?;
            for (resource, names) in claims.unwrap_or_default() {
                ledger.claims.entry(resource).or_default().extend(names);
            }
        }
        Ok(ledger)
    }
}

/// The label that lets a namespace in, or takes it out.
pub fn label(allowed: bool) -> Value {
    json!({"metadata": {"labels": {LABEL.0: allowed.then_some(LABEL.1)}}})
}

/// Every principal there can be one of.
pub fn everybody() -> Vec<String> {
    let mut all = vec![
        "User:lit".to_owned(),
        "User:CN=x,O=y".to_owned(),
        "User:nobody".to_owned(),
    ];
    for namespace in NAMESPACES {
        for user in ["u1", "u2"] {
            let key = ObjectKey::new(namespace, user);
            all.extend([false, true].map(|second| principal(&key, second)));
        }
        all.extend(["app", "fenced"].map(|account| format!("User:{namespace}/{account}")));
    }
    all.push(principal(&ObjectKey::new(HOME, "anchor"), false));
    all.push(principal(&ObjectKey::new("alpha", "guest"), false));
    all
}
