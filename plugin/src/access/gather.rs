//! Reading what access depends on, and putting it together.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use sdm_api::{
    Authentication, KafkaACL, KafkaAccessGrant, KafkaCluster, KafkaRole, KafkaTopic, KafkaUser,
};
use sdm_core::access::{Expansion, ObjectKey, UserIdentity, World, expand};
use sdm_core::user;
use sdm_kafka::{AclBinding, AclFilter};

use crate::exit::{Code, Failure, Result};
use crate::kafka::Kafka;
use crate::objects::{self, Found, Target};
use crate::session::Session;
use crate::verbs::topic::Claims;

/// Every object that access to a cluster depends on.
pub struct Objects {
    target: Target,
    cluster: Option<KafkaCluster>,
    /// Labels by namespace; none where they may not be read.
    namespaces: Option<BTreeMap<String, BTreeMap<String, String>>>,
    topics: Vec<KafkaTopic>,
    /// Of all clusters.
    users: Vec<KafkaUser>,
    roles: Vec<KafkaRole>,
    grants: Vec<KafkaAccessGrant>,
    /// ACL objects of the cluster.
    pub acls: Vec<KafkaACL>,
    /// What could not be read, in words; none where all was.
    pub partial: Option<String>,
}

/// Names with a SCRAM credential in Kafka.
pub type Logins = BTreeSet<String>;

/// Reads all of it.
///
/// # Errors
/// When a kind can be listed nowhere.
pub async fn gather(session: &Session, target: &Target) -> Result<Objects> {
    let cluster = async {
        match &target.read {
            Some(cluster) => Ok(Some(cluster.clone())),
            None => match session.cluster(Some(&target.name)).await {
                Ok(cluster) => Ok(Some(cluster)),
                Err(failure) if failure.code == Code::Denied => Ok(None),
                Err(failure) => Err(failure),
            },
        }
    };
    let namespaces: Api<Namespace> = Api::all(session.client.clone());
    let every = ListParams::default();
    let (cluster, topics, users, roles, grants, acls, namespaces) = tokio::join!(
        cluster,
        objects::referring::<KafkaTopic>(session, target),
        objects::everywhere::<KafkaUser>(session),
        objects::everywhere::<KafkaRole>(session),
        objects::referring::<KafkaAccessGrant>(session, target),
        objects::referring::<KafkaACL>(session, target),
        namespaces.list_metadata(&every),
    );
    let cluster = cluster?;
    let (topics, users, roles) = (seen(topics)?, seen(users)?, seen(roles)?);
    let (grants, acls) = (seen(grants)?, seen(acls)?);
    let everywhere = topics.everywhere
        && users.everywhere
        && roles.everywhere
        && grants.everywhere
        && acls.everywhere;
    let partial = (!everywhere).then(|| {
        format!(
            "you may list objects of namespace {} only; what comes from other namespaces is not known",
            session.namespace
        )
    });
    let labels = |list: kube::core::ObjectList<kube::core::PartialObjectMeta<Namespace>>| {
        let each = list
            .items
            .into_iter()
            .filter_map(|n| Some((n.metadata.name?, n.metadata.labels.unwrap_or_default())));
        each.collect()
    };
    Ok(Objects {
        target: target.clone(),
        cluster,
        namespaces: namespaces.ok().map(labels),
        topics: living(topics),
        users: users.items.into_iter().filter(is_living).collect(),
        roles: living(roles),
        grants: living(grants),
        acls: living(acls),
        partial,
    })
}

/// A kind that one may not list at all is not known.
fn seen<K>(found: Result<Found<K>>) -> Result<Found<K>> {
    match found {
        Err(failure) if failure.code == Code::Denied => Ok(Found {
            items: Vec::new(),
            everywhere: false,
        }),
        other => other,
    }
}

fn living<K: Resource>(found: Found<K>) -> Vec<K> {
    found.items.into_iter().filter(is_living).collect()
}

/// What is being deleted stands for nothing.
fn is_living<K: Resource>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_none()
}

impl Objects {
    /// What the objects stand for. `logins` are the names with a SCRAM credential in Kafka, where that is known.
    pub fn expansion(&self, logins: Option<&Logins>) -> Expansion {
        let claims = Claims::new(&self.topics);
        let topics: BTreeMap<String, String> = claims
            .topics()
            .filter_map(|topic| {
                let owner = claims.owner(topic)?;
                Some((topic.to_owned(), owner.namespace().unwrap_or_default()))
            })
            .collect();
        let (ours, foreign): (Vec<_>, Vec<_>) =
            self.users.iter().partition(|u| self.target.is_of(*u));
        let tenancy = self.cluster.as_ref().and_then(|c| c.spec.tenancy.as_ref());
        // Where namespaces are not known, whoever refers to the cluster is taken to be let in.
        let anybody = LabelSelector::default();
        let allowed = match (&self.cluster, &self.namespaces) {
            (Some(_), Some(_)) => tenancy.and_then(|t| t.allowed_namespaces.as_ref()),
            _ => Some(&anybody),
        };
        let namespaces = self.namespaces.iter().flatten();
        let world = World {
            cluster: ObjectKey::new(&self.target.namespace, &self.target.name),
            allowed,
            namespaces: namespaces
                .map(|(name, labels)| (name.as_str(), labels))
                .collect(),
            topics: &topics,
            users: ours
                .iter()
                .map(|user| {
                    let principals = principals(user, logins);
                    (ObjectKey::of(*user), UserIdentity { principals })
                })
                .collect(),
            foreign_users: foreign.iter().map(|user| ObjectKey::of(*user)).collect(),
            roles: self
                .roles
                .iter()
                .map(|role| (ObjectKey::of(role), &role.spec))
                .collect(),
            acls: self.acls.iter().collect(),
            grants: self.grants.iter().collect(),
            ..World::default()
        };
        expand(&world)
    }

    /// A user of the cluster.
    pub fn user(&self, key: &ObjectKey) -> Option<&KafkaUser> {
        self.users
            .iter()
            .find(|user| self.target.is_of(*user) && ObjectKey::of(*user) == *key)
    }

    /// The namespace that declares a topic.
    pub fn owner_of(&self, topic: &str) -> Option<String> {
        Claims::new(&self.topics)
            .owner(topic)
            .and_then(ResourceExt::namespace)
    }
}

/// Every principal that a user logs in as.
pub fn principals(user: &KafkaUser, logins: Option<&Logins>) -> Vec<String> {
    let mut names = Vec::new();
    if user.spec.authentication == Authentication::External || !user.spec.authentication.is_scram()
    {
        names.push(user::principal(user));
    } else {
        let both = [user::login(user, false), user::login(user, true)];
        match logins {
            Some(logins) => names.extend(both.into_iter().filter(|name| logins.contains(name))),
            None => names.extend(both),
        }
    }
    let previous = user.status.as_ref().and_then(|s| s.previous.as_ref());
    names.extend(previous.map(|p| p.username.clone()));
    if names.is_empty() {
        names.push(user::principal(user));
    }
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| format!("User:{name}"))
        .collect()
}

/// The ACLs in Kafka.
///
/// # Errors
/// What Kafka answers.
pub async fn live(kafka: &Kafka, filter: &AclFilter) -> Result<Vec<AclBinding>> {
    kafka
        .client
        .describe_acls(filter)
        .await
        .map_err(|e| kafka.failed("list ACLs", e))
}

/// Names with a SCRAM credential in Kafka; none where that may not be read.
pub async fn logins(kafka: &Kafka) -> Option<Logins> {
    let found = kafka.client.describe_scram(None).await.ok()?;
    let with_any = found
        .into_iter()
        .filter(|(_, found)| found.as_ref().is_ok_and(|c| !c.is_empty()));
    Some(with_any.map(|(name, _)| name).collect())
}

/// Where ACLs come from, as far as it is known; a note says what is not.
///
/// # Errors
/// Those of [`gather`], where objects exist but cannot be read.
pub async fn sources(
    session: &Session,
    target: &Target,
    kafka: &Kafka,
) -> Result<(Option<Objects>, Expansion, Option<Logins>)> {
    let (objects, logins) = tokio::join!(gather(session, target), logins(kafka));
    match objects {
        Ok(objects) => {
            if let Some(partial) = &objects.partial {
                session.output.note(partial);
            }
            let expansion = objects.expansion(logins.as_ref());
            Ok((Some(objects), expansion, logins))
        }
        Err(failure) if is_no_kind(&failure) => {
            session
                .output
                .note(format!("where ACLs come from is not known: {failure}"));
            Ok((None, Expansion::default(), logins))
        }
        Err(failure) => Err(failure),
    }
}

/// What the objects that one may read stand for, where Kafka cannot be asked: a note says so.
///
/// # Errors
/// `unasked`, why Kafka cannot be asked, where there are no objects to answer from.
pub async fn without_kafka(
    session: &Session,
    target: &Target,
    unasked: Failure,
) -> Result<(Objects, Expansion)> {
    let Ok(objects) = gather(session, target).await else {
        return Err(unasked);
    };
    session.output.note(format!(
        "answered from the objects that you may read, since Kafka cannot be asked: {}",
        target.why(&unasked)
    ));
    if let Some(partial) = &objects.partial {
        session.output.note(partial);
    }
    let expansion = objects.expansion(Some(&Logins::new()));
    Ok((objects, expansion))
}

/// Not installed, or not for one's eyes.
fn is_no_kind(failure: &Failure) -> bool {
    matches!(failure.code, Code::NotFound | Code::Denied)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(authentication: &str, previous: Option<&str>) -> KafkaUser {
        let previous = previous
            .map(|name| serde_json::json!({"username": name, "until": "2026-01-01T00:00:00Z"}));
        serde_json::from_value(serde_json::json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaUser",
            "metadata": {"name": "app", "namespace": "team"},
            "spec": {"clusterRef": {"name": "c"}, "authentication": authentication},
            "status": {"conditions": [], "previous": previous},
        }))
        .unwrap()
    }

    #[test]
    fn a_user_is_every_name_that_it_can_log_in_with() {
        let logins = BTreeSet::from(["team/user/app/2".to_owned()]);
        let (first, second) = ("User:team/user/app", "User:team/user/app/2");
        assert_eq!(principals(&user("tls", None), None), [first]);
        assert_eq!(
            principals(&user("scram-sha-512", None), Some(&logins)),
            [second]
        );
        assert_eq!(
            principals(&user("scram-sha-512", None), Some(&BTreeSet::new())),
            [first]
        );
        assert_eq!(
            principals(&user("scram-sha-512", Some("team/user/app")), Some(&logins)),
            [first, second]
        );
        assert_eq!(
            principals(&user("tls", Some("team/user/app/2")), None),
            [first, second]
        );
    }
}
