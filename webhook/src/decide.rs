//! From a question to a verdict: pure, and the same for every kind.
//!
//! Owns dispatch by kind and what is never refused (deletions, objects on their way out, what did not change). What is
//! wrong with an object is `sdm-core`'s to say; how it is put into words for the API server is `verdict`'s.

use sdm_api::{
    KafkaACL, KafkaAccessGrant, KafkaCluster, KafkaPolicy, KafkaRole, KafkaTopic, KafkaUser,
};
use sdm_core::{Review, Violation, access, policy, topic, user};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::review::Request;

/// What is to be answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused; empty when it is not.
    pub violations: Vec<Violation>,
    /// What is legal and unwise.
    pub warnings: Vec<String>,
}

impl From<Review> for Verdict {
    fn from(
        Review {
            violations,
            warnings,
        }: Review,
    ) -> Self {
        Self {
            violations,
            warnings,
        }
    }
}

/// Says what is wrong with a new object, given the old one if there is one.
type Validate<K> = fn(&K, Option<&K>) -> Review;

/// A kind that is validated here.
struct Known {
    kind: &'static str,
    plural: &'static str,
    judge: fn(&RawValue, Option<&RawValue>) -> Verdict,
}

/// Every kind that is validated here.
const KINDS: &[Known] = &[
    Known {
        kind: "KafkaCluster",
        plural: "kafkaclusters",
        judge: |new, old| {
            judge::<KafkaCluster>(new, old, sdm_core::validate, |a, b| a.spec == b.spec)
        },
    },
    Known {
        kind: "KafkaTopic",
        plural: "kafkatopics",
        judge: |new, old| judge::<KafkaTopic>(new, old, topic::validate, |a, b| a.spec == b.spec),
    },
    Known {
        kind: "KafkaUser",
        plural: "kafkausers",
        judge: |new, old| judge::<KafkaUser>(new, old, user::validate, |a, b| a.spec == b.spec),
    },
    Known {
        kind: "KafkaRole",
        plural: "kafkaroles",
        judge: |new, old| {
            judge::<KafkaRole>(new, old, access::validate_role, |a, b| a.spec == b.spec)
        },
    },
    Known {
        kind: "KafkaACL",
        plural: "kafkaacls",
        judge: |new, old| {
            judge::<KafkaACL>(new, old, access::validate_acl, |a, b| a.spec == b.spec)
        },
    },
    Known {
        kind: "KafkaAccessGrant",
        plural: "kafkaaccessgrants",
        judge: |new, old| {
            judge::<KafkaAccessGrant>(new, old, access::validate_grant, |a, b| a.spec == b.spec)
        },
    },
    Known {
        kind: "KafkaPolicy",
        plural: "kafkapolicies",
        judge: |new, old| {
            judge::<KafkaPolicy>(new, old, policy::validate, |a, b| a.spec == b.spec)
        },
    },
];

/// The plural resource names of all kinds, for the registration.
pub fn resources() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|known| known.plural)
}

/// The kind's name if it is one of ours, else `other`: a metric label must not be the caller's to choose.
#[must_use]
pub fn kind_label(request: &Request<'_>) -> &'static str {
    find(request).map_or("other", |known| known.kind)
}

/// Decides.
#[must_use]
pub fn decide(request: &Request<'_>) -> Verdict {
    if !matches!(request.operation.as_str(), "CREATE" | "UPDATE")
        || request
            .sub_resource
            .as_deref()
            .is_some_and(|sub| !sub.is_empty())
    {
        return Verdict::default();
    }
    let Some(known) = find(request) else {
        // A registration newer than this process, in the middle of an upgrade. The controller validates as well.
        let kind = &request.kind.kind;
        return Verdict {
            warnings: vec![format!("not validated: this webhook does not know {kind}")],
            ..Verdict::default()
        };
    };
    let Some(object) = request.object else {
        return Verdict {
            violations: vec![Violation::invalid("", "the review carries no object")],
            ..Verdict::default()
        };
    };
    if is_going(object) {
        return Verdict::default();
    }
    let old = request.old_object.filter(|_| request.operation == "UPDATE");
    (known.judge)(object, old)
}

fn find(request: &Request<'_>) -> Option<&'static Known> {
    KINDS
        .iter()
        .find(|known| request.kind.group == sdm_api::GROUP && request.kind.kind == known.kind)
}

/// Whether the object is being deleted: then nothing may keep its finalizers from being removed.
fn is_going(object: &RawValue) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        deletion_timestamp: Option<String>,
    }
    #[derive(Deserialize)]
    struct Head {
        metadata: Metadata,
    }
    serde_json::from_str::<Head>(object.get())
        .is_ok_and(|head| head.metadata.deletion_timestamp.is_some())
}

/// Validates an object of kind `K`. `same` says whether two objects ask for the same thing.
fn judge<K: DeserializeOwned>(
    new: &RawValue,
    old: Option<&RawValue>,
    validate: Validate<K>,
    same: fn(&K, &K) -> bool,
) -> Verdict {
    let new: K = match parse(new) {
        Ok(new) => new,
        Err(violation) => {
            return Verdict {
                violations: vec![violation],
                ..Verdict::default()
            };
        }
    };
    // An old object that does not parse was stored by another version; what replaces it may only be better.
    let old: Option<K> = old.and_then(|old| parse(old).ok());
    let mut verdict = Verdict::from(validate(&new, old.as_ref()));
    if old.is_some_and(|old| same(&old, &new)) {
        // Stored under older rules, and only labels or the like change: refusing that would leave no way out.
        let stored = verdict
            .violations
            .drain(..)
            .map(|violation| format!("stored, but invalid: {violation}"));
        verdict.warnings.splice(0..0, stored.collect::<Vec<_>>());
    }
    verdict
}

fn parse<K: DeserializeOwned>(object: &RawValue) -> Result<K, Violation> {
    let mut json = serde_json::Deserializer::from_str(object.get());
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let path = if path == "." { String::new() } else { path };
        // Line and column mean nothing to whoever wrote YAML.
        let text = error.into_inner().to_string();
        let text = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(text, _)| text);
        Violation::invalid(path, format!("does not fit the schema: {text}"))
    })
}
