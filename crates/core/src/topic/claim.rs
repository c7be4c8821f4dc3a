//! Two objects for one topic: who has it.

/// Somebody's claim on a topic's name. The order is that of seniority: the older first; namespace, name and uid decide
/// between objects of the same second.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// When the object was created, in seconds.
    pub created: i64,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// The claim that has the name: the one on record while it still claims it, else the oldest.
pub fn winner<'a>(
    claims: impl Iterator<Item = &'a Claim>,
    recorded_uid: Option<&str>,
) -> Option<&'a Claim> {
    claims.min_by_key(|claim| (recorded_uid != Some(claim.uid.as_str()), *claim))
}
