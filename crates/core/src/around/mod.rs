//! What the other objects tell of one: whether its cluster is there and lets its namespace in, who has a topic, what was
//! granted, whether a role exists. Kept by whoever watches, or filled from files.
//!
//! Owns the index and what it tells each kind. The rules are those that the controller acts by: tenancy and expansion of
//! `access`, the validators of topics and users. Nothing is known here of Kafka, and nothing of what ACLs of others claim.

mod access;
mod index;

pub(crate) use access::check as check_acl;
pub use index::Around;

use sdm_api::{ClusterRef, KafkaCluster};

use crate::outcome::Refusal;
use crate::topic::Place;
use crate::violation::{Review, Violation};

/// The field that names the cluster.
const CLUSTER_REF: &str = "spec.clusterRef";

/// How an object stands to the cluster that it refers to.
#[derive(Debug)]
pub enum Relation<'a> {
    /// Nothing is known of the cluster.
    Unknown,
    /// There is no such cluster.
    Missing(String),
    /// The cluster does not let the object's namespace in.
    Out(Refusal),
    /// It may use the cluster, which may be one that cannot be read.
    In(Option<&'a Known>),
}

/// What is known of a cluster.
#[derive(Clone, Debug)]
pub struct Known {
    /// The cluster, without its pools and configuration.
    pub cluster: KafkaCluster,
    /// What a topic in it may be; none while its spec is invalid.
    pub place: Option<Place>,
}

impl Relation<'_> {
    /// Says it in a review: what may not be used is forbidden, what does not exist is unwise.
    pub fn tell(&self, review: &mut Review) {
        match self {
            Self::Missing(cluster) => review.warn(
                CLUSTER_REF,
                format_args!("there is no KafkaCluster {cluster}: this waits until there is one"),
            ),
            Self::Out(refusal) if refusal.waits => review.warn(CLUSTER_REF, &refusal.message),
            Self::Out(refusal) => review.violations.push(out(refusal)),
            Self::Unknown | Self::In(_) => {}
        }
    }

    /// What a topic in it may be, if that is known.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::In(Some(known)) => known.place.as_ref(),
            _ => None,
        }
    }
}

/// That a namespace may not use a cluster, as a violation.
#[must_use]
pub fn out(refusal: &Refusal) -> Violation {
    Violation::forbidden(CLUSTER_REF, &refusal.message)
}

impl Around {
    /// How an object in `namespace` stands to the cluster it refers to.
    #[must_use]
    pub fn relation(&self, namespace: &str, to: &ClusterRef) -> Relation<'_> {
        let of = to.namespace_from(namespace);
        let Some(found) = self.cluster(of, &to.name) else {
            return match self.is_complete() {
                true => Relation::Missing(format!("{of}/{}", to.name)),
                false => Relation::Unknown,
            };
        };
        let Some(known) = found else {
            return Relation::In(None);
        };
        let tenancy = known.cluster.spec.tenancy.as_ref();
        let allowed = tenancy.and_then(|t| t.allowed_namespaces.as_ref());
        let labels = self.labels(namespace);
        match crate::access::namespace_allowed(of, allowed, namespace, labels) {
            Ok(()) => Relation::In(Some(known)),
            Err(refusal) => Relation::Out(refusal),
        }
    }
}
