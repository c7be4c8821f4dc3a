//! Schemas with bounds that a derive cannot express.

use schemars::{Schema, SchemaGenerator, json_schema};

/// How many settings one map of configuration may have.
pub const CONFIG_KEYS: usize = 128;

/// A map of Kafka configuration: dotted keys, short values, none of them reserved.
#[must_use]
pub fn config_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": CONFIG_KEYS,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
        "x-kubernetes-validations": [
            {
                "rule": crate::config_keys::cel_rule(),
                "message": "a reserved key is set: the operator decides ids, listeners, directories, TLS and the quorum",
            },
            {
                "rule": "self.all(k, size(k) <= 256 && k.matches('^[A-Za-z0-9._-]+$'))",
                "message": "configuration keys are letters, digits, dots, dashes and underscores, at most 256 of them",
            },
        ],
    })
}

/// A map of topic configuration: dotted keys, short values.
#[must_use]
pub fn topic_config_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": CONFIG_KEYS,
        "additionalProperties": { "type": "string", "maxLength": 4096 },
        "x-kubernetes-validations": [{
            "rule": "self.all(k, size(k) <= 256 && k.matches('^[A-Za-z0-9._-]+$'))",
            "message": "configuration keys are letters, digits, dots, dashes and underscores, at most 256 of them",
        }],
    })
}

/// A map of resource names to Kubernetes quantities.
#[must_use]
pub fn quantities_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": { "type": "string", "maxLength": 32, "pattern": r"^[0-9]+([.][0-9]+)?(m|Ki|Mi|Gi|Ti|k|M|G|T)?$" },
    })
}
