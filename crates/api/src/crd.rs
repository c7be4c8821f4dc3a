//! The CustomResourceDefinitions as they are installed: derived from the types,
//! then bounded.
//!
//! Kubernetes' own types that a Pod template embeds come without bounds and with
//! kilobytes of text. Here every list, map and string that has no bound gets one,
//! and the text of embedded types is dropped, so that a definition fits into a
//! client-side `kubectl apply`.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Map, Value, json};

use crate::access::{KafkaACL, KafkaAccessGrant, KafkaRole};
use crate::cluster::KafkaCluster;
use crate::policy::KafkaPolicy;
use crate::topic::KafkaTopic;
use crate::user::KafkaUser;

/// Every definition of the product, in the order they are installed.
///
/// # Errors
/// Only if a derived schema cannot be turned into JSON and back, which a test excludes.
pub fn all() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    [
        KafkaCluster::crd(),
        KafkaTopic::crd(),
        KafkaUser::crd(),
        KafkaRole::crd(),
        KafkaACL::crd(),
        KafkaAccessGrant::crd(),
        KafkaPolicy::crd(),
    ]
    .into_iter()
    .map(bounded)
    .collect()
}

/// The fields of every kind, as [`fields`] makes them of the definitions: committed, since making them takes the schemas
/// of everything that a Pod template embeds, which is megabytes of program.
pub const FIELDS: &str = include_str!("fields.json");

/// What the objects of each kind look like, by kind: fields as an object, a list as a list of its item, `"text"`,
/// `"number"`, `"truth"`, and null for a map, or what a definition leaves open.
#[must_use]
pub fn fields(definitions: &[CustomResourceDefinition]) -> Value {
    let kinds = definitions.iter().map(|definition| {
        let version = definition.spec.versions.first();
        let schema = version.and_then(|v| v.schema.as_ref()?.open_api_v3_schema.as_ref());
        let schema = schema.and_then(|schema| serde_json::to_value(schema).ok());
        (
            definition.spec.names.kind.clone(),
            outline(&schema.unwrap_or_default()),
        )
    });
    Value::Object(kinds.collect())
}

fn outline(schema: &Value) -> Value {
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => match schema.get("properties").and_then(Value::as_object) {
            Some(fields) => fields
                .iter()
                .map(|(name, schema)| (name.clone(), outline(schema)))
                .collect(),
            None => Value::Null,
        },
        Some("array") => json!([outline(schema.get("items").unwrap_or(&Value::Null))]),
        Some("string") => json!("text"),
        Some("integer" | "number") => json!("number"),
        Some("boolean") => json!("truth"),
        _ => Value::Null,
    }
}

/// Fields of a Pod template whose schema is Kubernetes' own.
const EMBEDDED: [&str; 9] = [
    "affinity",
    "tolerations",
    "env",
    "volumes",
    "volumeMounts",
    "containers",
    "conditions",
    "allowedNamespaces",
    "namespaceSelector",
];

fn bounded(crd: CustomResourceDefinition) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut value = serde_json::to_value(crd)?;
    if let Some(versions) = value
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
    {
        for version in versions {
            if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
                bound(schema, false);
            }
        }
    }
    serde_json::from_value(value)
}

fn bound(schema: &mut Value, embedded: bool) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if embedded {
        object.remove("description");
    }
    match object.get("type").and_then(Value::as_str) {
        Some("array") => set_default(object, "maxItems", 64),
        Some("object") if object.contains_key("additionalProperties") => {
            set_default(object, "maxProperties", 64);
        }
        Some("string") if !object.contains_key("enum") && !object.contains_key("format") => {
            set_default(object, "maxLength", 32768);
        }
        _ => {}
    }
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties.iter_mut() {
            // `volumes` is also ours (storage); ours carries bounds and keeps its text.
            let foreign = EMBEDDED.contains(&name.as_str()) && !is_storage(property);
            if foreign && !embedded {
                let text = property.get("description").cloned();
                bound(property, true);
                if let (Some(text), Some(property)) = (text, property.as_object_mut()) {
                    property.insert("description".to_owned(), text);
                }
            } else {
                bound(property, embedded);
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            bound(inner, embedded);
        }
    }
}

fn is_storage(property: &Value) -> bool {
    property
        .pointer("/items/properties/deletionPolicy")
        .is_some()
}

fn set_default(object: &mut Map<String, Value>, key: &str, value: u64) {
    object.entry(key).or_insert(json!(value));
}
