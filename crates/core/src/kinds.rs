//! Every kind by its name, and its validator: whoever has an object and not its type reviews it here. The webhook does,
//! and the plugin with what is in files, so that both say the same.

use sdm_api::{
    KafkaACL, KafkaAccessGrant, KafkaCluster, KafkaPolicy, KafkaRole, KafkaTopic, KafkaUser,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::around::Around;
use crate::violation::{Review, Violation};
use crate::{access, policy, topic, user};

/// A kind.
#[derive(Debug)]
pub struct Kind {
    /// As objects name it.
    pub name: &'static str,
    /// As the API names its resource.
    pub plural: &'static str,
    review: fn(&Value, Option<&Value>, &Around) -> Review,
}

/// Every kind there is.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "KafkaCluster",
        plural: "kafkaclusters",
        review: |new, old, around| {
            let validate =
                |new: &_, old: Option<&_>| crate::validate::validate_in(new, old, around);
            review::<KafkaCluster>(new, old, validate, |a, b| a.spec == b.spec)
        },
    },
    Kind {
        name: "KafkaTopic",
        plural: "kafkatopics",
        review: |new, old, around| {
            let validate = |new: &_, old: Option<&_>| topic::review(new, old, around);
            review::<KafkaTopic>(new, old, validate, |a, b| a.spec == b.spec)
        },
    },
    Kind {
        name: "KafkaUser",
        plural: "kafkausers",
        review: |new, old, around| {
            let validate = |new: &_, old: Option<&_>| user::review(new, old, around);
            review::<KafkaUser>(new, old, validate, |a, b| a.spec == b.spec)
        },
    },
    Kind {
        name: "KafkaRole",
        plural: "kafkaroles",
        review: |new, old, _| {
            review::<KafkaRole>(new, old, access::validate_role, |a, b| a.spec == b.spec)
        },
    },
    Kind {
        name: "KafkaACL",
        plural: "kafkaacls",
        review: |new, old, around| {
            let validate = |new: &_, old: Option<&_>| access::review_acl(new, old, around);
            review::<KafkaACL>(new, old, validate, |a, b| a.spec == b.spec)
        },
    },
    Kind {
        name: "KafkaAccessGrant",
        plural: "kafkaaccessgrants",
        review: |new, old, around| {
            let validate = |new: &_, old: Option<&_>| access::review_grant(new, old, around);
            review::<KafkaAccessGrant>(new, old, validate, |a, b| a.spec == b.spec)
        },
    },
    Kind {
        name: "KafkaPolicy",
        plural: "kafkapolicies",
        review: |new, old, _| {
            review::<KafkaPolicy>(new, old, policy::validate, |a, b| a.spec == b.spec)
        },
    },
];

/// The kind of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

impl Kind {
    /// What there is to say about `new`; `old` is the object before the change, where there is one, and `around` what is
    /// known of others.
    #[must_use]
    pub fn review(&self, new: &Value, old: Option<&Value>, around: &Around) -> Review {
        (self.review)(new, old, around)
    }
}

/// Reviews an object of type `K`. `same` says whether two objects ask for the same thing.
fn review<K: DeserializeOwned>(
    new: &Value,
    old: Option<&Value>,
    validate: impl FnOnce(&K, Option<&K>) -> Review,
    same: fn(&K, &K) -> bool,
) -> Review {
    let new: K = match parse(new) {
        Ok(new) => new,
        Err(violation) => {
            return Review {
                violations: vec![violation],
                ..Review::default()
            };
        }
    };
    // An old object that does not parse was stored by another version; what replaces it may only be better.
    let old: Option<K> = old.and_then(|old| parse(old).ok());
    let mut review = validate(&new, old.as_ref());
    if old.is_some_and(|old| same(&old, &new)) {
        // Stored under older rules, and only labels or the like change: refusing that would leave no way out.
        let stored = review
            .violations
            .drain(..)
            .map(|violation| format!("stored, but invalid: {violation}"));
        review.warnings.splice(0..0, stored.collect::<Vec<_>>());
    }
    review
}

/// An object as its type. This is the one way from JSON to a type: each further one would add a megabyte of program, for
/// what a Pod template embeds.
///
/// # Errors
/// What does not fit, and where.
pub fn parse<K: DeserializeOwned>(object: &Value) -> Result<K, Violation> {
    serde_path_to_error::deserialize(object).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        Violation::invalid(path, format!("does not fit the schema: {}", error.inner()))
    })
}

/// An object as the API server makes it of what was written: with the defaults of its definition. One that does not fit
/// its definition stays as it is.
#[must_use]
pub fn completed(object: &Value) -> Value {
    match object.get("kind").and_then(Value::as_str) {
        Some("KafkaCluster") => complete::<KafkaCluster>(object),
        Some("KafkaTopic") => complete::<KafkaTopic>(object),
        Some("KafkaUser") => complete::<KafkaUser>(object),
        Some("KafkaRole") => complete::<KafkaRole>(object),
        Some("KafkaACL") => complete::<KafkaACL>(object),
        Some("KafkaAccessGrant") => complete::<KafkaAccessGrant>(object),
        Some("KafkaPolicy") => complete::<KafkaPolicy>(object),
        _ => object.clone(),
    }
}

/// Types fill in just what definitions do: these are derived from them.
fn complete<K: DeserializeOwned + Serialize>(object: &Value) -> Value {
    let filled = parse::<K>(object)
        .ok()
        .and_then(|k| serde_json::to_value(k).ok());
    match filled {
        Some(mut filled) => {
            lay(&mut filled, object);
            filled
        }
        None => object.clone(),
    }
}

/// Lays what was written over what was filled in.
fn lay(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                match below.get_mut(name) {
                    Some(below) => lay(below, value),
                    None => {
                        below.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Value::Array(below), Value::Array(above)) if below.len() == above.len() => {
            below.iter_mut().zip(above).for_each(|(b, a)| lay(b, a));
        }
        (below, above) => *below = above.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_stays_and_defaults_are_filled_in() {
        let written = json!({
            "apiVersion": "kafka.sdm.dev/v1beta1", "kind": "KafkaCluster", "metadata": {"name": "c"},
            "spec": {
                "unknown": 1,
                "pools": [{"name": "p", "nodeIds": [0], "storage": {"volumes": [{"name": "d", "size": "1Gi"}]}}],
            },
        });
        let completed = completed(&written);
        assert_eq!(completed["spec"]["unknown"], 1);
        assert_eq!(completed["spec"]["version"], sdm_api::DEFAULT_VERSION);
        assert_eq!(
            completed["spec"]["pools"][0]["roles"],
            json!(["broker", "controller"])
        );
        assert_eq!(completed["spec"]["pools"][0]["nodeIds"], json!([0]));
        assert_eq!(super::completed(&completed), completed);
        let wrong = json!({"kind": "KafkaTopic", "spec": 3});
        assert_eq!(super::completed(&wrong), wrong);
    }
}
