//! Why something is not given: reasons of conditions, in one place.

/// The cluster's `spec.tenancy` does not let the namespace in.
pub const NAMESPACE_NOT_ALLOWED: &str = "NamespaceNotAllowed";
/// The object is invalid in itself: it stands for nothing.
pub const INVALID_SPEC: &str = "InvalidSpec";
/// It says what its namespace may not say.
pub const FORBIDDEN: &str = "Forbidden";
/// One object stands for too many ACLs.
pub const TOO_MANY_ACLS: &str = "TooManyAcls";
/// A topic is neither the namespace's own nor granted.
pub const TOPIC_NOT_OWNED: &str = "TopicNotOwned";
/// A topic is granted for other operations only.
pub const OPERATION_NOT_GRANTED: &str = "OperationNotGranted";
/// A guest on a topic denies it to somebody else.
pub const DENY_NOT_OWNED: &str = "DenyNotOwned";
/// A group is another namespace's, or a pattern of groups may be anybody's.
pub const GROUP_NOT_OWNED: &str = "GroupNotOwned";
/// The same of transactional ids.
pub const TRANSACTIONAL_ID_NOT_OWNED: &str = "TransactionalIdNotOwned";
/// The cluster and delegation tokens are the cluster's own namespace's to give.
pub const CLUSTER_RIGHTS_NOT_ALLOWED: &str = "ClusterRightsNotAllowed";
/// A `KafkaUser` does not exist.
pub const SUBJECT_NOT_FOUND: &str = "SubjectNotFound";
/// A `KafkaUser` has no principal yet.
pub const SUBJECT_NOT_READY: &str = "SubjectNotReady";
/// A `KafkaUser` belongs to another cluster.
pub const SUBJECT_OF_ANOTHER_CLUSTER: &str = "SubjectOfAnotherCluster";
/// A tenant speaks of everybody.
pub const WILDCARD_PRINCIPAL: &str = "WildcardPrincipal";
/// A denial of a principal of the operator's.
pub const OPERATOR_PRINCIPAL: &str = "OperatorPrincipal";
/// A role is neither built in nor there.
pub const ROLE_NOT_FOUND: &str = "RoleNotFound";
/// A role is invalid in itself.
pub const INVALID_ROLE: &str = "InvalidRole";
/// A topic that belongs to nobody is not the namespace's to take over.
pub const ADOPTION_NOT_GRANTED: &str = "AdoptionNotGranted";
/// Of an ACL object: Kafka has all of it.
pub const GRANTED: &str = "Granted";
/// Of a role or a grant: it is valid.
pub const VALID: &str = "Valid";
