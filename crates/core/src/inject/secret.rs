//! The Secret of a service account that is a client of a cluster, where no kubelet makes keys: who needs one, when it is
//! written, and when it goes.
//!
//! Identity is what the API server has stored: the namespace of a Pod and its `spec.serviceAccountName`. Labels and
//! annotations, which anybody may change who may write to the Pod, choose among clusters that let this namespace in, and
//! no more; and a Pod gets a Secret written only if its volume, which cannot change, is the one that injection adds.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sdm_api::inject::{
    self, BY_SECRET, FILE_AUTHORITIES, FILE_CERTIFICATE, FILE_KEY, FILE_KEYSTORE, LABEL,
    LABEL_ACCOUNT, MAX_LIFETIME, VOLUME,
};
use sdm_api::{InjectionMode, KafkaCluster, names};

use super::ask::{account, asked, mode};
use super::decide::too_long;
use super::sign::{BACKDATE, Order};
use crate::access::namespace_allowed;
use crate::outcome::Refusal;
use crate::user::{LABEL_CLUSTER_NAME, LABEL_CLUSTER_NAMESPACE, fingerprint};

/// A service account as a client of a cluster: what a Secret is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holder {
    /// The account's namespace.
    pub namespace: String,
    /// The account.
    pub account: String,
    /// The cluster's namespace.
    pub cluster_namespace: String,
    /// The cluster.
    pub cluster: String,
}

impl Holder {
    /// The Secret's name.
    #[must_use]
    pub fn secret(&self) -> String {
        inject::secret(&self.cluster_namespace, &self.cluster, &self.account)
    }

    /// Whom a Secret of ours is for; none if it is not one of ours, whatever it is called.
    #[must_use]
    pub fn of(secret: &Secret) -> Option<Self> {
        let label = |key: &str| secret.metadata.labels.as_ref()?.get(key).cloned();
        let holder = Self {
            namespace: secret.metadata.namespace.clone()?,
            account: label(LABEL_ACCOUNT)?,
            cluster_namespace: label(LABEL_CLUSTER_NAMESPACE)?,
            cluster: label(LABEL_CLUSTER_NAME)?,
        };
        let owners = secret.metadata.owner_references.iter().flatten();
        let mut owners = owners.filter(|o| o.controller == Some(true));
        let owned = owners.any(|o| o.kind == "ServiceAccount" && o.name == holder.account);
        (owned && secret.metadata.name == Some(holder.secret())).then_some(holder)
    }
}

/// Whose Secret a Pod needs, and for how long certificates in it are to be valid. `None` for a Pod that has ended, and for
/// one that injection did not make what it is.
#[must_use]
pub fn needs(pod: &Pod) -> Option<(Holder, i64)> {
    let label = pod.metadata.labels.as_ref()?.get(LABEL)?;
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    if label != BY_SECRET || matches!(phase, Some("Succeeded" | "Failed")) {
        return None;
    }
    let namespace = pod.metadata.namespace.as_deref()?;
    let asked = asked(pod, namespace).ok().flatten()?;
    let holder = Holder {
        namespace: namespace.to_owned(),
        account: account(pod).to_owned(),
        cluster_namespace: asked.namespace,
        cluster: asked.cluster,
    };
    let mut volumes = pod.spec.as_ref()?.volumes.iter().flatten();
    let projected = volumes.find(|v| v.name == VOLUME)?.projected.as_ref()?;
    let mut sources = projected.sources.iter().flatten();
    let mounted = sources.find_map(|s| s.secret.as_ref())?;
    (mounted.name == holder.secret()).then_some((holder, asked.lifetime))
}

/// The certificate in a Secret of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Begin of its validity.
    pub not_before: i64,
    /// End of its validity.
    pub not_after: i64,
    /// The content is what was written, signed by the cluster's authority, along with all authorities there are now.
    pub intact: bool,
}

impl Delivered {
    fn issued_at(&self) -> i64 {
        self.not_before.saturating_add(BACKDATE)
    }

    /// After a third, as for pod certificates: clients read it once, when they start, and then live on what is left.
    fn renew_at(&self, lifetime: i64) -> i64 {
        let issued = self.issued_at();
        issued.saturating_add(self.not_after.saturating_sub(issued).min(lifetime) / 3)
    }
}

/// What is known of a holder.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who it is.
    pub holder: &'a Holder,
    /// The longest lifetime that a Pod asks for; none if no Pod needs the Secret.
    pub lifetime: Option<i64>,
    /// The cluster; none if there is none.
    pub cluster: Option<&'a KafkaCluster>,
    /// The labels of the holder's namespace; none while they are not known.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// Why policies forbid it, if they do.
    pub forbidden: Option<&'a Refusal>,
    /// The end of the authority's validity; none if there is no authority yet.
    pub authority_end: Option<i64>,
    /// The Secret, if there is one of ours.
    pub delivered: Option<Delivered>,
    /// The shortest lifetime there may be.
    pub least: i64,
    /// What time it is.
    pub now: i64,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until then.
    Keep(Option<i64>),
    /// A new certificate, in the Secret that is there or in a new one.
    Issue(Order),
    /// The Secret goes: nobody needs it any more.
    Remove,
    /// Nothing is written; what is there is left to its end.
    Refuse(Refusal),
}

/// What is to be done for a holder.
///
/// A Secret that no Pod needs is kept until it would be renewed, for the next run of a Job, and removed then: so nothing has
/// to be remembered of when it was needed last.
#[must_use]
pub fn plan(case: &Case<'_>) -> Step {
    let Some(asked) = case.lifetime else {
        let due = case.delivered.map(|d| d.renew_at(i64::MAX));
        return match due {
            Some(due) if due <= case.now => Step::Remove,
            due => Step::Keep(due),
        };
    };
    // The annotation may have been changed since the Pod was let in.
    let lifetime = asked.clamp(case.least, MAX_LIFETIME.max(case.least));
    let end = match admit(case) {
        Ok(end) => end,
        Err(refusal) => return Step::Refuse(refusal),
    };
    if let Some(there) = case.delivered.filter(|d| d.intact) {
        let due = there.renew_at(lifetime);
        let enough = there.not_after >= there.issued_at().saturating_add(lifetime).min(end);
        if enough && case.now < due {
            return Step::Keep(Some(due));
        }
    }
    let not_after = case.now.saturating_add(lifetime).min(end);
    if not_after.saturating_sub(case.now) < case.least {
        let message = "the cluster's authority ends before the shortest certificate would";
        return Step::Refuse(Refusal::stands("AuthorityEnds", message));
    }
    Step::Issue(Order {
        common_name: names::service_account_principal(&case.holder.namespace, &case.holder.account),
        not_before: case.now - BACKDATE,
        not_after,
        refresh_at: case.now.saturating_add((not_after - case.now) / 3),
    })
}

/// Whether the holder may be a client, as the webhook asked it too, and when the authority ends.
fn admit(case: &Case<'_>) -> Result<i64, Refusal> {
    let holder = case.holder;
    let (of, name) = (&holder.cluster_namespace, &holder.cluster);
    let cluster = case.cluster.ok_or_else(|| {
        let message = format!("there is no KafkaCluster {of}/{name}");
        Refusal::waits("ClusterNotFound", message)
    })?;
    let tenancy = cluster.spec.tenancy.as_ref();
    let allowed = tenancy.and_then(|t| t.allowed_namespaces.as_ref());
    namespace_allowed(of, allowed, &holder.namespace, case.labels)?;
    if mode(cluster) == InjectionMode::PodCertificates {
        let message = format!(
            "KafkaCluster {of}/{name} gives identities by pod certificates only (spec.injection.mode): create the Pod anew"
        );
        return Err(Refusal::stands("PodCertificatesOnly", message));
    }
    if let Some(message) = too_long(&holder.namespace, &holder.account) {
        return Err(Refusal::stands("PrincipalTooLong", message));
    }
    if let Some(refusal) = case.forbidden {
        return Err(refusal.clone());
    }
    case.authority_end.ok_or_else(|| {
        let message = format!("KafkaCluster {of}/{name} has no authority yet: it is being set up");
        Refusal::waits("ClusterNotReady", message)
    })
}

/// A Secret of that name exists and is none of ours.
#[must_use]
pub fn name_taken(holder: &Holder) -> Refusal {
    let message = format!(
        "Secret {} exists and was not written for service account {}: it is left as it is, so delete it or rename it",
        holder.secret(),
        holder.account
    );
    Refusal::stands("SecretTaken", message)
}

/// What is written into a Secret, PEM.
#[derive(Clone, Copy)]
pub struct Material<'a> {
    /// The certificate, with intermediate ones.
    pub chain: &'a str,
    /// The key, PKCS#8.
    pub key: &'a str,
    /// The authorities to trust.
    pub authorities: &'a str,
}

/// The Secret. It goes with the service account, whose `uid` this is.
#[must_use]
pub fn render(holder: &Holder, uid: &str, material: &Material<'_>) -> Secret {
    let labels = [
        (LABEL_ACCOUNT, &holder.account),
        (LABEL_CLUSTER_NAMESPACE, &holder.cluster_namespace),
        (LABEL_CLUSTER_NAME, &holder.cluster),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.clone()));
    // Nothing has to wait for the Secret to go, so it does not block: that would take a right to the account's finalizers.
    let owner = OwnerReference {
        api_version: "v1".to_owned(),
        kind: "ServiceAccount".to_owned(),
        name: holder.account.clone(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let keystore = format!("{}\n{}", material.key.trim_end(), material.chain);
    let data = [
        (FILE_KEYSTORE, keystore.as_str()),
        (FILE_KEY, material.key),
        (FILE_CERTIFICATE, material.chain),
        (FILE_AUTHORITIES, material.authorities),
    ];
    let data = data.map(|(file, text)| (file.to_owned(), ByteString(text.as_bytes().to_vec())));
    let mut secret = Secret {
        metadata: ObjectMeta {
            name: Some(holder.secret()),
            namespace: Some(holder.namespace.clone()),
            labels: Some(BTreeMap::from(labels)),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from(data)),
        type_: Some("Opaque".to_owned()),
        ..Secret::default()
    };
    let hash = fingerprint(&secret);
    secret.metadata.annotations = Some(BTreeMap::from([(
        names::ANNOTATION_APPLIED.to_owned(),
        hash,
    )]));
    secret
}
