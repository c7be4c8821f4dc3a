//! Between `sdm_core`'s words, `sdm_kafka`'s and those of the command line.

use sdm_api::{Operation, Pattern, Permission, ResourceType};
use sdm_core::access::Acl;
use sdm_kafka::{AclBinding, AclOperation, AclPatternType, AclPermission, AclResourceType};

/// An ACL of Kafka in `sdm_core`'s words; `None` for what no object can stand for.
pub fn acl_of(binding: &AclBinding) -> Option<Acl> {
    Some(Acl {
        resource: match binding.resource_type {
            AclResourceType::Topic => ResourceType::Topic,
            AclResourceType::Group => ResourceType::Group,
            AclResourceType::TransactionalId => ResourceType::TransactionalId,
            AclResourceType::Cluster => ResourceType::Cluster,
            AclResourceType::DelegationToken => ResourceType::DelegationToken,
            AclResourceType::User | AclResourceType::Unknown(_) => return None,
        },
        pattern: match binding.pattern_type {
            AclPatternType::Literal => Pattern::Literal,
            AclPatternType::Prefixed => Pattern::Prefixed,
            AclPatternType::Unknown(_) => return None,
        },
        name: binding.resource_name.clone(),
        principal: binding.principal.clone(),
        host: binding.host.clone(),
        operation: operation(binding.operation)?,
        permission: match binding.permission {
            AclPermission::Allow => Permission::Allow,
            AclPermission::Deny => Permission::Deny,
            AclPermission::Unknown(_) => return None,
        },
    })
}

fn operation(operation: AclOperation) -> Option<Operation> {
    Some(match operation {
        AclOperation::All => Operation::All,
        AclOperation::Read => Operation::Read,
        AclOperation::Write => Operation::Write,
        AclOperation::Create => Operation::Create,
        AclOperation::Delete => Operation::Delete,
        AclOperation::Alter => Operation::Alter,
        AclOperation::Describe => Operation::Describe,
        AclOperation::ClusterAction => Operation::ClusterAction,
        AclOperation::DescribeConfigs => Operation::DescribeConfigs,
        AclOperation::AlterConfigs => Operation::AlterConfigs,
        AclOperation::IdempotentWrite => Operation::IdempotentWrite,
        AclOperation::CreateTokens
        | AclOperation::DescribeTokens
        | AclOperation::TwoPhaseCommit
        | AclOperation::Unknown(_) => return None,
    })
}

const TYPES: [(ResourceType, &str); 5] = [
    (ResourceType::Topic, "topic"),
    (ResourceType::Group, "group"),
    (ResourceType::TransactionalId, "transactionalId"),
    (ResourceType::Cluster, "cluster"),
    (ResourceType::DelegationToken, "delegationToken"),
];

const OPERATIONS: [Operation; 11] = [
    Operation::All,
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::ClusterAction,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
    Operation::IdempotentWrite,
];

/// A type of resource as it is written in YAML.
pub fn resource_word(resource: ResourceType) -> &'static str {
    TYPES
        .iter()
        .find(|(known, _)| *known == resource)
        .map_or("", |(_, word)| word)
}

/// Letters alone: `transactional-id`, `TRANSACTIONAL_ID` and `transactionalId` are one word.
fn letters(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Reads an operation, in any of the spellings that Kafka's tools use.
///
/// # Errors
/// A sentence that says what there is.
pub fn parse_operation(text: &str) -> Result<Operation, String> {
    let wanted = letters(text);
    let name = |o: &Operation| format!("{o:?}");
    OPERATIONS
        .into_iter()
        .find(|o| letters(&name(o)) == wanted)
        .ok_or_else(|| {
            let all: Vec<String> = OPERATIONS.iter().map(name).collect();
            format!("{text:?} is no operation: one of {}", all.join(", "))
        })
}

/// Reads a type of resource.
///
/// # Errors
/// A sentence that says what there is.
pub fn parse_type(text: &str) -> Result<ResourceType, String> {
    let wanted = letters(text);
    TYPES
        .into_iter()
        .find(|(_, word)| letters(word) == wanted)
        .map(|(resource, _)| resource)
        .ok_or_else(|| {
            let all = TYPES.map(|(_, word)| word).join(", ");
            format!("{text:?} is no type of resource: one of {all}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_every_spelling() {
        for text in ["DescribeConfigs", "describe-configs", "DESCRIBE_CONFIGS"] {
            assert_eq!(parse_operation(text).unwrap(), Operation::DescribeConfigs);
        }
        assert_eq!(
            parse_type("transactional-id").unwrap(),
            ResourceType::TransactionalId
        );
        assert!(
            parse_operation("fly")
                .unwrap_err()
                .ends_with("IdempotentWrite")
        );
        assert!(parse_type("broker").is_err());
        for (resource, word) in TYPES {
            assert_eq!(serde_json::to_value(resource).unwrap(), word);
            assert_eq!(resource_word(resource), word);
        }
    }

    #[test]
    fn what_no_object_can_stand_for_is_left_out() {
        let mut binding = AclBinding {
            resource_type: AclResourceType::Topic,
            resource_name: "a".to_owned(),
            pattern_type: AclPatternType::Literal,
            principal: "User:a".to_owned(),
            host: "*".to_owned(),
            operation: AclOperation::Read,
            permission: AclPermission::Allow,
        };
        assert_eq!(acl_of(&binding).unwrap().operation, Operation::Read);
        binding.operation = AclOperation::TwoPhaseCommit;
        assert_eq!(acl_of(&binding), None);
        for known in OPERATIONS {
            let found = AclOperation::ALL.iter().filter_map(|o| operation(*o));
            assert_eq!(found.filter(|o| *o == known).count(), 1, "{known:?}");
        }
    }
}
