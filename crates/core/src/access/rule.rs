//! A Kafka ACL and the words it is made of: operations by type of resource, what implies what, how addresses are
//! written.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use sdm_api::{Operation, Pattern, Permission, ResourceType};
use serde::{Deserialize, Serialize};

/// Every name, every address.
pub(super) const ANY: &str = "*";
/// Everybody who logs in.
pub(super) const EVERYBODY: &str = "User:*";
/// How the principals of nodes, the operator and the administrator begin.
pub(super) const OPERATORS: &str = "User:sdm:";
/// The one resource of type cluster (`org.apache.kafka.common.resource.Resource.CLUSTER_NAME`).
pub(super) const CLUSTER: &str = "kafka-cluster";

/// One ACL, as Kafka has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acl {
    /// The type of resource.
    pub resource: ResourceType,
    /// How the resource's name is meant.
    pub pattern: Pattern,
    /// The resource's name, or what it begins with.
    pub name: String,
    /// Who, `User:...`.
    pub principal: String,
    /// The address, as Java writes it, or `*`.
    pub host: String,
    /// The operation.
    pub operation: Operation,
    /// Allowed or denied.
    pub permission: Permission,
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            permission,
            operation,
            principal,
            ..
        } = self;
        let on = match self.pattern {
            Pattern::Literal => "",
            Pattern::Prefixed => "everything that begins with ",
        };
        write!(
            f,
            "{permission:?} {operation:?} on {} {on}{:?} to {principal}",
            resource_name(self.resource),
            self.name
        )?;
        if self.host == ANY {
            return Ok(());
        }
        write!(f, " from {}", self.host)
    }
}

/// An object's namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ObjectKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl ObjectKey {
    /// A key.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The key of an object.
    pub fn of<K: kube::Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A type of resource in a sentence.
#[must_use]
pub fn resource_name(resource: ResourceType) -> &'static str {
    match resource {
        ResourceType::Topic => "topic",
        ResourceType::Group => "group",
        ResourceType::TransactionalId => "transactional id",
        ResourceType::Cluster => "cluster",
        ResourceType::DelegationToken => "delegation token",
    }
}

/// The operations that Kafka asks for on a type of resource, `All` aside
/// (`org.apache.kafka.security.authorizer.AclEntry.supportedOperations`).
#[must_use]
pub fn operations_of(resource: ResourceType) -> &'static [Operation] {
    use Operation::{
        Alter, AlterConfigs, ClusterAction, Create, Delete, Describe, DescribeConfigs,
        IdempotentWrite, Read, Write,
    };
    match resource {
        ResourceType::Topic => &[
            Read,
            Write,
            Create,
            Delete,
            Alter,
            Describe,
            DescribeConfigs,
            AlterConfigs,
        ],
        ResourceType::Group => &[Read, Delete, Describe, DescribeConfigs, AlterConfigs],
        ResourceType::TransactionalId => &[Write, Describe],
        ResourceType::Cluster => &[
            Create,
            Alter,
            Describe,
            ClusterAction,
            DescribeConfigs,
            AlterConfigs,
            IdempotentWrite,
        ],
        ResourceType::DelegationToken => &[Describe],
    }
}

/// All operations, in order.
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

/// Operations that an allowance of `operation` brings along (`StandardAuthorizerData.findResult`). A denial brings none.
pub(super) fn implied(operation: Operation) -> Option<Operation> {
    match operation {
        Operation::Read | Operation::Write | Operation::Delete | Operation::Alter => {
            Some(Operation::Describe)
        }
        Operation::AlterConfigs => Some(Operation::DescribeConfigs),
        _ => None,
    }
}

/// A set of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Ops(u16);

impl Ops {
    pub(super) const EVERYTHING: Self = Self(u16::MAX);

    fn bit(operation: Operation) -> u16 {
        1 << operation as u16
    }

    /// Those that exist for `resource`, `All` aside.
    pub(super) fn of(resource: ResourceType) -> Self {
        operations_of(resource).iter().copied().collect()
    }

    /// With what they bring along; `All` is everything.
    pub(super) fn with_implied(self) -> Self {
        if self.contains(Operation::All) {
            return Self::EVERYTHING;
        }
        let implied: Self = self.iter().filter_map(implied).collect();
        self.union(implied)
    }

    pub(super) fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// In the order of operations.
    pub(super) fn iter(self) -> impl Iterator<Item = Operation> {
        OPERATIONS.into_iter().filter(move |o| self.contains(*o))
    }
}

impl FromIterator<Operation> for Ops {
    fn from_iter<I: IntoIterator<Item = Operation>>(operations: I) -> Self {
        let bits = operations.into_iter().map(Self::bit);
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

/// Operations in a sentence.
pub(super) fn list(operations: impl IntoIterator<Item = Operation>) -> String {
    let words: Vec<_> = operations.into_iter().map(|o| format!("{o:?}")).collect();
    words.join(", ")
}

/// An address as brokers compare it: as text, in the form of Java's `InetAddress.getHostAddress`, which writes all eight
/// groups of an IPv6 address and turns one that stands for an IPv4 address into that. `None` if it is neither an address
/// nor `*`.
#[must_use]
pub fn kafka_host(text: &str) -> Option<String> {
    if text == ANY {
        return Some(text.to_owned());
    }
    Some(match text.parse().ok()? {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => groups(v6),
        },
    })
}

fn groups(address: Ipv6Addr) -> String {
    address.segments().map(|s| format!("{s:x}")).join(":")
}
