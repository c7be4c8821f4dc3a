//! ACLs: who may, or may not, do what to which resources, from where (KIP-140, KIP-290).
//!
//! A number this client does not know becomes `Unknown`, which can be shown and compared but never be sent: in a filter
//! Kafka's "any" is a number too, and would delete what nobody named.

use std::fmt;

use serde::Serialize;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $code:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "camelCase")]
        pub enum $name {
            $($(#[$word_doc])* $word,)*
            /// A number newer than this client.
            Unknown(i8),
        }

        impl $name {
            /// Every word this client knows.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            pub(crate) fn of(code: i8) -> Self {
                match code {
                    $($code => Self::$word,)*
                    other => Self::Unknown(other),
                }
            }

            /// Kafka's number, if this is a word that may be sent.
            pub(crate) fn code(self) -> Option<i8> {
                match self {
                    $(Self::$word => Some($code),)*
                    Self::Unknown(_) => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$word => f.write_str(stringify!($word)),)*
                    Self::Unknown(code) => write!(f, "Unknown({code})"),
                }
            }
        }
    };
}

words! {
    /// What an ACL is about (`org.apache.kafka.common.resource.ResourceType`).
    AclResourceType {
        /// Topics.
        Topic = 2,
        /// Groups.
        Group = 3,
        /// The cluster; its only name is `kafka-cluster`.
        Cluster = 4,
        /// Transactional ids.
        TransactionalId = 5,
        /// Delegation tokens.
        DelegationToken = 6,
        /// Users, as owners of delegation tokens; the name is a principal.
        User = 7,
    }
}

words! {
    /// How the resource's name is meant (`org.apache.kafka.common.resource.PatternType`).
    AclPatternType {
        /// Exactly this name, or all resources of the type if it is `*`.
        Literal = 3,
        /// Every name that begins with it.
        Prefixed = 4,
    }
}

words! {
    /// What is done (`org.apache.kafka.common.acl.AclOperation`).
    AclOperation {
        /// Everything.
        All = 2,
        /// Read.
        Read = 3,
        /// Write.
        Write = 4,
        /// Create.
        Create = 5,
        /// Delete.
        Delete = 6,
        /// Alter.
        Alter = 7,
        /// Describe; comes with Read, Write, Delete and Alter.
        Describe = 8,
        /// What brokers do among themselves.
        ClusterAction = 9,
        /// Read configurations; comes with AlterConfigs.
        DescribeConfigs = 10,
        /// Change configurations.
        AlterConfigs = 11,
        /// Write without duplicates; since Kafka 2.8 Write on a topic is enough.
        IdempotentWrite = 12,
        /// Create delegation tokens for others.
        CreateTokens = 13,
        /// Look at delegation tokens of others.
        DescribeTokens = 14,
        /// Take part in two-phase commits (KIP-939).
        TwoPhaseCommit = 15,
    }
}

words! {
    /// Whether it may be done (`org.apache.kafka.common.acl.AclPermissionType`). Deny wins.
    AclPermission {
        /// It may not.
        Deny = 2,
        /// It may.
        Allow = 3,
    }
}

/// One ACL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AclBinding {
    /// What it is about.
    pub resource_type: AclResourceType,
    /// Name or prefix of the resource; `*` with a literal pattern means all.
    pub resource_name: String,
    /// How the name is meant.
    pub pattern_type: AclPatternType,
    /// Who, e.g. `User:team/app`; `User:*` means everybody.
    pub principal: String,
    /// From which IP address; `*` means from anywhere.
    pub host: String,
    /// What is done.
    pub operation: AclOperation,
    /// Whether it may be done.
    pub permission: AclPermission,
}

/// Which ACLs to describe: those that agree with every part that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AclFilter {
    /// `None`: any.
    pub resource_type: Option<AclResourceType>,
    /// `None`: any.
    pub resource_name: Option<String>,
    /// How the name is compared.
    pub pattern: AclPatternFilter,
    /// `None`: any. A principal is compared as it is: `User:*` finds only ACLs written for `User:*`.
    pub principal: Option<String>,
    /// `None`: any.
    pub host: Option<String>,
    /// `None`: any.
    pub operation: Option<AclOperation>,
    /// `None`: any.
    pub permission: Option<AclPermission>,
}

/// How an [`AclFilter`] compares resource names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AclPatternFilter {
    /// ACLs written for exactly this name, literal or prefixed.
    #[default]
    Any,
    /// ACLs that affect the resource of this name: literal ones, prefixes of it, and `*`.
    Match,
    /// ACLs written for exactly this name with this type of pattern.
    Exactly(AclPatternType),
}

impl AclFilter {
    /// All ACLs.
    pub fn any() -> Self {
        Self::default()
    }

    /// Those of one principal, e.g. `User:team/app`.
    pub fn principal(principal: impl Into<String>) -> Self {
        Self {
            principal: Some(principal.into()),
            ..Self::default()
        }
    }

    /// Those written for one resource name, literal or prefixed.
    pub fn resource(resource_type: AclResourceType, name: impl Into<String>) -> Self {
        Self {
            resource_type: Some(resource_type),
            resource_name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Those that affect one resource, whatever pattern they were written with.
    pub fn affecting(resource_type: AclResourceType, name: impl Into<String>) -> Self {
        Self {
            pattern: AclPatternFilter::Match,
            ..Self::resource(resource_type, name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_never_sent() {
        // 0 and 1 are Kafka's "unknown" and "any".
        for code in (i8::MIN..2).chain(16..=i8::MAX) {
            assert_eq!(AclResourceType::of(code).code(), None);
            assert_eq!(AclOperation::of(code).code(), None);
            assert_eq!(AclPermission::of(code).code(), None);
        }
        assert_eq!(AclPatternType::of(2), AclPatternType::Unknown(2));
        for operation in AclOperation::ALL {
            assert_eq!(
                operation.code().map(AclOperation::of).as_ref(),
                Some(operation)
            );
        }
        assert_eq!(AclOperation::of(99).to_string(), "Unknown(99)");
        assert_eq!(
            AclResourceType::TransactionalId.to_string(),
            "TransactionalId"
        );
    }
}
