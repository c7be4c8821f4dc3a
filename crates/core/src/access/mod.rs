//! Access: which Kafka ACLs the objects of all namespaces stand for, in which order they change, and why something is
//! allowed.
//!
//! Owns the rule of tenancy, and nothing else does: the controller writes what [`expand`] says, the webhook refuses with
//! [`validate_acl`] and its siblings, the plugin prints [`explain`]. Reading Kafka, remembering what was created there
//! and writing statuses is the controller's. Who owns a topic name and which principals a user has are inputs: the
//! modules of topics and users decide that.
//!
//! # Principals
//!
//! A `KafkaUser` is `User:<namespace>/user/<name>`; one with a password may log in under a second name for the time of a
//! rotation, and every name in use gets the ACL. A service account is `User:<namespace>/<name>`. A literal principal, and
//! that of an `external` user, is what was written.
//!
//! # The cluster's own namespace
//!
//! It holds the key of the cluster's authority, so a rule against it would be pretence. Its ACLs may name any topic,
//! group and transactional id, the cluster itself and delegation tokens; a prefix and `*` become Kafka's own.
//!
//! # Every other namespace is a tenant
//!
//! - It must be selected by the cluster's `spec.tenancy.allowedNamespaces`; otherwise all of it is refused
//!   (`NamespaceNotAllowed`).
//! - **Topics**: it reaches those it owns and those granted to it. A `KafkaAccessGrant` reaches only topics that its own
//!   namespace owns; one in the cluster's namespace also those that nobody has declared (Kafka's own, `__...`, only where
//!   it says so). It gives the operations it lists, `Read`, `Write`, `Describe` and `DescribeConfigs` by default, `All`
//!   everything, and what they imply. What goes beyond is refused (`TopicNotOwned`, `OperationNotGranted`) and the rest
//!   given. A prefix or `*` becomes literal ACLs for exactly the reachable topics that match: never a prefix in Kafka,
//!   which would reach what another namespace creates under it tomorrow.
//! - **Groups and transactional ids**: what begins with `<namespace>.` is that namespace's, literal or prefixed. Any
//!   other literal name belongs to the namespace whose `KafkaACL` named it first, by the age of objects, and stays with
//!   it while it names it ([`World::held`]); any other prefix, and `*`, to nobody (`GroupNotOwned`,
//!   `TransactionalIdNotOwned`).
//! - **The cluster and delegation tokens** are not a tenant's to give (`ClusterRightsNotAllowed`). Rules for them in a
//!   role apply to nothing else, so a tenant may use every role.
//! - **Subjects** may be anybody but everybody (`User:*`: `WildcardPrincipal`). A denial on a topic that is only granted
//!   may name subjects of the own namespace only (`DenyNotOwned`): a guest locks nobody out of the owner's house.
//!
//! # Everywhere
//!
//! A user that does not exist (`SubjectNotFound`), has no principal yet (`SubjectNotReady`) or is another cluster's
//! (`SubjectOfAnotherCluster`) gets nothing. A denial of a principal of the operator's is refused
//! (`OperatorPrincipal`): super users are beyond ACLs. Names of built-in roles are reserved; a role that is missing
//! (`RoleNotFound`) or invalid (`InvalidRole`) gives nothing. An object that is invalid in itself stands for nothing
//! (`InvalidSpec`), and so does one that stands for too much (`TooManyAcls`).

mod claims;
mod expand;
mod explain;
mod gather;
mod order;
mod reach;
pub mod reason;
mod roles;
mod rule;
mod status;
mod subjects;
mod suggest;
mod targets;
mod tenancy;
mod validate;
mod world;

pub use claims::Claims;
pub use expand::expand;
pub use explain::{Because, Explanation, Miss, Near, Question, explain};
pub use order::{AclChanges, Stopped, changes};
pub use roles::{BUILT_IN_ROLES, built_in};
pub use rule::{Acl, ObjectKey, kafka_host, operations_of, resource_name};
pub use status::{acl_status, grant_status, role_status};
pub use suggest::suggestion;
pub use tenancy::{may_adopt, namespace_allowed, selects};
pub use validate::{review_acl, review_grant, validate_acl, validate_grant, validate_role};
pub use world::{Expansion, UserIdentity, Verdict, World};

pub use crate::outcome::Refusal;
