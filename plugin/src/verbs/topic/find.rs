//! From a name on the command line to the object that declares the topic, or to the knowledge that none does.

use std::collections::BTreeMap;

use kube::ResourceExt;
use sdm_api::KafkaTopic;

use super::claims::{Claims, key};
use crate::exit::{Code, Failure, Result};
use crate::objects::{self, Target, object_name};
use crate::session::Session;

/// Who looks after a topic.
#[derive(Clone, Debug)]
pub enum Declared {
    /// An object of the session's namespace; whether it has the topic.
    Here(Box<KafkaTopic>, bool),
    /// No object does.
    Nowhere(String),
}

#[cfg(test)]
impl Declared {
    /// The topic's name in Kafka.
    fn topic(&self) -> &str {
        match self {
            Self::Here(object, _) => object.topic_name(),
            Self::Nowhere(name) => name,
        }
    }
}

/// Finds out who looks after topics, in the order given. What another namespace declares is that namespace's to change:
/// its failure is in its place.
///
/// # Errors
/// When objects cannot be listed.
pub async fn find(
    session: &Session,
    target: &Target,
    names: &[&str],
    verb: &str,
) -> Result<Vec<Result<Declared>>> {
    let api = session.namespaced::<KafkaTopic>();
    // What is declared here under its own name needs no list.
    let mut known = BTreeMap::new();
    for name in names {
        let found = api.get_opt(&object_name(name)).await;
        let found = found.map_err(|e| session.failed(&format!("get kafkatopic {name}"), e))?;
        let matches = |o: &KafkaTopic| target.is_of(o) && o.topic_name() == *name;
        let undecided = |o: &KafkaTopic| objects::Standing::of(o).ready.is_none();
        if let Some(object) = found.filter(|o| matches(o) && !undecided(o)) {
            known.insert(*name, object);
        }
    }
    let all = if known.len() == names.len() {
        Vec::new()
    } else {
        let found = objects::referring::<KafkaTopic>(session, target).await?;
        found.note(session);
        found.items
    };
    let claims = Claims::new(&all);
    Ok(names
        .iter()
        .map(|name| match known.remove(name) {
            Some(object) => {
                let one = [object];
                let owns = Claims::new(&one).owner(name).is_some();
                let [object] = one;
                Ok(Declared::Here(Box::new(object), owns))
            }
            None => judge(&claims, &session.namespace, target, name, verb),
        })
        .collect())
}

fn judge(
    claims: &Claims<'_>,
    namespace: &str,
    target: &Target,
    name: &str,
    verb: &str,
) -> Result<Declared> {
    let here = |object: &&KafkaTopic| object.namespace().as_deref() == Some(namespace);
    let owner = claims.owner(name);
    if let Some(object) = claims.of(name).iter().copied().find(here) {
        let owns = owner.is_some_and(|owner| owner.uid() == object.uid());
        return Ok(Declared::Here(Box::new(object.clone()), owns));
    }
    if let Some(object) = claims.of(name).first() {
        let other = object.namespace().unwrap_or_default();
        let what = format!("topic {name} is declared by KafkaTopic {}", key(object));
        return Err(Failure::new(Code::Conflict, what)
            .at(target.place())
            .hint(format!(
                "kubectl kafka topic {verb} {name} {}",
                target.flags_from(&other)
            )));
    }
    // The object's name, where the topic has another one.
    Ok(match claims.called(name, namespace) {
        Some(object) => {
            let owner = claims.owner(object.topic_name());
            let owns = owner.is_some_and(|owner| owner.uid() == object.uid());
            Declared::Here(Box::new(object.clone()), owns)
        }
        None => Declared::Nowhere(name.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::declared;
    use super::*;

    fn judged(objects: &[KafkaTopic], namespace: &str, name: &str) -> Result<Declared> {
        let target = Target {
            namespace: "streaming".to_owned(),
            name: "events".to_owned(),
            read: None,
        };
        judge(&Claims::new(objects), namespace, &target, name, "alter")
    }

    #[test]
    fn what_another_namespace_declares_is_its_own_to_change() {
        let objects = [declared("a", "orders", "Ready")];
        let failure = judged(&objects, "b", "orders").unwrap_err();
        assert_eq!(failure.code, Code::Conflict);
        assert_eq!(
            failure.hint.as_deref(),
            Some("kubectl kafka topic alter orders -n a -c streaming/events")
        );
        assert!(matches!(
            judged(&objects, "a", "orders"),
            Ok(Declared::Here(_, true))
        ));
        assert!(matches!(
            judged(&objects, "a", "other"),
            Ok(Declared::Nowhere(_))
        ));
    }

    #[test]
    fn an_object_is_found_by_its_topic_and_by_its_own_name() {
        let mut object = declared("a", "orders-1", "Ready");
        object.spec.topic_name = Some("Orders".to_owned());
        let objects = [object, declared("a", "x", "TopicNameConflict")];
        for name in ["Orders", "orders-1"] {
            let found = judged(&objects, "a", name).unwrap();
            assert_eq!(found.topic(), "Orders", "{name}");
        }
        assert!(matches!(
            judged(&objects, "a", "x"),
            Ok(Declared::Here(_, false))
        ));
    }
}
