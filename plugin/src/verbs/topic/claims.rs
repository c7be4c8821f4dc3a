//! Which objects declare which topic, and which of them has it.

use std::collections::BTreeMap;

use kube::ResourceExt;
use sdm_api::KafkaTopic;
use sdm_core::topic::{Claim, reason};

use crate::objects::{Standing, created};

/// Objects by the topic they declare.
pub struct Claims<'a>(BTreeMap<&'a str, Vec<&'a KafkaTopic>>);

impl<'a> Claims<'a> {
    /// Of all objects of a cluster.
    pub fn new(objects: &'a [KafkaTopic]) -> Self {
        let mut claims: BTreeMap<&str, Vec<&KafkaTopic>> = BTreeMap::new();
        for object in objects {
            claims.entry(object.topic_name()).or_default().push(object);
        }
        for objects in claims.values_mut() {
            objects.sort_by_cached_key(|object| (lost(object), seniority(object)));
        }
        Self(claims)
    }

    /// Topics that somebody declares.
    pub fn topics(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    /// Everybody who declares a topic: who has it comes first.
    pub fn of(&self, topic: &str) -> &[&'a KafkaTopic] {
        self.0.get(topic).map(Vec::as_slice).unwrap_or_default()
    }

    /// The object of a namespace that is called `name` and declares a topic of another name; none where somebody declares
    /// a topic of this name.
    pub fn called(&self, name: &str, namespace: &str) -> Option<&'a KafkaTopic> {
        let is =
            |o: &&KafkaTopic| o.name_any() == name && o.namespace().as_deref() == Some(namespace);
        match self.of(name) {
            [] => self.0.values().flatten().copied().find(is),
            _ => None,
        }
    }

    /// Who has a topic.
    pub fn owner(&self, topic: &str) -> Option<&'a KafkaTopic> {
        self.of(topic).first().copied().filter(|object| has(object))
    }
}

/// The older object has the topic, unless the operator has decided already.
fn lost(object: &KafkaTopic) -> bool {
    Standing::of(object).reason == reason::TOPIC_NAME_CONFLICT
}

/// Whether the operator has refused to give it the topic.
fn has(object: &KafkaTopic) -> bool {
    ![
        reason::TOPIC_NAME_CONFLICT,
        reason::TOPIC_EXISTS,
        reason::ADOPTION_NOT_GRANTED,
        "NamespaceNotAllowed",
    ]
    .contains(&Standing::of(object).reason.as_str())
}

fn seniority(object: &KafkaTopic) -> Claim {
    Claim {
        created: created(object).map_or(i64::MAX, |t| t.as_second()),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
    }
}

/// `namespace/name` of an object.
pub fn key(object: &KafkaTopic) -> String {
    format!(
        "{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}

#[cfg(test)]
mod tests {
    use super::super::declared;
    use super::*;

    #[test]
    fn the_older_one_has_the_topic_unless_the_operator_said_otherwise() {
        let mut objects = [
            declared("b", "orders", "Ready"),
            declared("a", "orders", "NotObserved"),
        ];
        let owner = |objects: &[KafkaTopic]| Claims::new(objects).owner("orders").map(key);
        assert_eq!(owner(&objects).as_deref(), Some("a/orders"));
        objects[1] = declared("a", "orders", reason::TOPIC_NAME_CONFLICT);
        assert_eq!(owner(&objects).as_deref(), Some("b/orders"));
        assert_eq!(owner(&objects[1..]), None);
        assert_eq!(
            owner(&[declared("a", "orders", reason::TOPIC_EXISTS)]),
            None
        );
    }

    #[test]
    fn an_object_is_known_by_its_own_name_too_unless_a_topic_has_it() {
        let mut objects = [declared("a", "orders", "Ready")];
        objects[0].spec.topic_name = Some("a.orders".to_owned());
        let called = |objects: &[KafkaTopic], namespace| {
            let claims = Claims::new(objects);
            claims.called("orders", namespace).map(key)
        };
        assert_eq!(called(&objects, "a").as_deref(), Some("a/orders"));
        assert_eq!(called(&objects, "b"), None, "of another namespace");
        let both = [objects[0].clone(), declared("b", "orders", "Ready")];
        assert_eq!(called(&both, "a"), None, "a topic is called so");
    }
}
