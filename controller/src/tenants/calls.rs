//! Between `sdm-core`'s words and `sdm-kafka`'s, neither of which knows the other; and how large a request may be.

use sdm_api::{Operation, Pattern, Permission, ResourceType};
use sdm_core::access::Acl;
use sdm_core::outcome::Refusal;
use sdm_kafka::{
    AclBinding, AclOperation, AclPatternType, AclPermission, AclResourceType, ItemError, KafkaError,
};

/// Kafka's controller refuses requests that make more than 10,000 records (`MAX_RECORDS_PER_USER_OP`).
pub const ITEMS: usize = 1000;
/// Partitions created in one request; each is a record.
pub const PARTITIONS: i32 = 4000;

/// As the client has it.
pub fn binding(acl: &Acl) -> AclBinding {
    AclBinding {
        resource_type: match acl.resource {
            ResourceType::Topic => AclResourceType::Topic,
            ResourceType::Group => AclResourceType::Group,
            ResourceType::TransactionalId => AclResourceType::TransactionalId,
            ResourceType::Cluster => AclResourceType::Cluster,
            ResourceType::DelegationToken => AclResourceType::DelegationToken,
        },
        resource_name: acl.name.clone(),
        pattern_type: match acl.pattern {
            Pattern::Literal => AclPatternType::Literal,
            Pattern::Prefixed => AclPatternType::Prefixed,
        },
        principal: acl.principal.clone(),
        host: acl.host.clone(),
        operation: match acl.operation {
            Operation::All => AclOperation::All,
            Operation::Read => AclOperation::Read,
            Operation::Write => AclOperation::Write,
            Operation::Create => AclOperation::Create,
            Operation::Delete => AclOperation::Delete,
            Operation::Alter => AclOperation::Alter,
            Operation::Describe => AclOperation::Describe,
            Operation::ClusterAction => AclOperation::ClusterAction,
            Operation::DescribeConfigs => AclOperation::DescribeConfigs,
            Operation::AlterConfigs => AclOperation::AlterConfigs,
            Operation::IdempotentWrite => AclOperation::IdempotentWrite,
        },
        permission: match acl.permission {
            Permission::Allow => AclPermission::Allow,
            Permission::Deny => AclPermission::Deny,
        },
    }
}

/// As `sdm-core` has it; `None` for what we never make, which therefore is not ours.
pub fn acl(binding: &AclBinding) -> Option<Acl> {
    Some(Acl {
        resource: match binding.resource_type {
            AclResourceType::Topic => ResourceType::Topic,
            AclResourceType::Group => ResourceType::Group,
            AclResourceType::TransactionalId => ResourceType::TransactionalId,
            AclResourceType::Cluster => ResourceType::Cluster,
            AclResourceType::DelegationToken => ResourceType::DelegationToken,
            _ => return None,
        },
        pattern: match binding.pattern_type {
            AclPatternType::Literal => Pattern::Literal,
            AclPatternType::Prefixed => Pattern::Prefixed,
            AclPatternType::Unknown(_) => return None,
        },
        name: binding.resource_name.clone(),
        principal: binding.principal.clone(),
        host: binding.host.clone(),
        operation: match binding.operation {
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
            _ => return None,
        },
        permission: match binding.permission {
            AclPermission::Allow => Permission::Allow,
            AclPermission::Deny => Permission::Deny,
            AclPermission::Unknown(_) => return None,
        },
    })
}

/// What Kafka said of a whole call, as its verdict on an item of it.
///
/// # Errors
/// It said nothing.
pub fn verdict(error: KafkaError) -> Result<ItemError, KafkaError> {
    match error {
        KafkaError::Broker {
            code,
            name,
            message,
            ..
        } => Ok(ItemError {
            code,
            name,
            message,
        }),
        silence => Err(silence),
    }
}

/// Kafka's verdict on an item, as it is told. It is tried again either way: what `waits` says is whether that may help.
pub fn refusal(error: &ItemError) -> Refusal {
    Refusal {
        reason: error.reason(),
        message: error.to_string(),
        waits: error.is_retriable(),
    }
}
