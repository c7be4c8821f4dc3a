//! What a Pod asks for.

use k8s_openapi::api::core::v1::Pod;
use sdm_api::inject::{
    ANNOTATION, ANNOTATION_LIFETIME, BY_POD_CERTIFICATE, BY_SECRET, DEFAULT_LIFETIME, MAX_LIFETIME,
    MIN_LIFETIME, MIN_SECRET_LIFETIME, OPT_OUT,
};
use sdm_api::{InjectionMode, KafkaCluster};

use crate::user::parse_duration;
use crate::validate::dns_label;
use crate::violation::Violation;

/// Annotation of Pods that a kubelet runs from a file and only mirrors to the API server.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whose identity a Pod has that names no service account.
const DEFAULT_ACCOUNT: &str = "default";

/// Where a Pod's key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The kubelet makes it, and asks for a certificate.
    PodCertificate,
    /// It is in the Secret of the service account.
    Secret,
}

impl Source {
    /// Where keys of a cluster's clients come from; none if it wants pod certificates and they are not `served`.
    pub(super) fn of(cluster: &KafkaCluster, served: bool) -> Option<Self> {
        match (mode(cluster), served) {
            (InjectionMode::Secret, _) | (InjectionMode::Auto, false) => Some(Self::Secret),
            (_, true) => Some(Self::PodCertificate),
            (InjectionMode::PodCertificates, false) => None,
        }
    }

    /// Where the key of a Pod comes from that has this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::PodCertificate, Self::Secret]
            .into_iter()
            .find(|source| source.as_str() == label)
    }

    /// As the label of Pods has it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::PodCertificate => BY_POD_CERTIFICATE,
            Self::Secret => BY_SECRET,
        }
    }
}

/// How the cluster's clients get their keys.
pub(super) fn mode(cluster: &KafkaCluster) -> InjectionMode {
    let injection = cluster.spec.injection.as_ref();
    injection.map(|i| i.mode).unwrap_or_default()
}

/// The service account whose identity a Pod has.
#[must_use]
pub fn account(pod: &Pod) -> &str {
    let spec = pod.spec.as_ref();
    let named = spec.and_then(|s| s.service_account_name.as_deref());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or(DEFAULT_ACCOUNT)
}

/// What a Pod asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The cluster's namespace.
    pub namespace: String,
    /// The cluster's name.
    pub cluster: String,
    /// How long a certificate may be valid, in seconds.
    pub lifetime: i64,
}

/// What a Pod in `namespace` asks for; none if it asks for nothing.
///
/// # Errors
/// What is wrong with its annotations.
pub fn asked(pod: &Pod, namespace: &str) -> Result<Option<Asked>, Violation> {
    let annotation = |key: &str| {
        let annotations = pod.metadata.annotations.as_ref();
        annotations.and_then(|a| a.get(key)).map(String::as_str)
    };
    let Some(wanted) = annotation(ANNOTATION).filter(|value| *value != OPT_OUT) else {
        return Ok(None);
    };
    // Its volumes are the file's: what is added here would never be mounted.
    if annotation(MIRROR).is_some() {
        return Ok(None);
    }
    let (of, cluster) = wanted.split_once('/').unwrap_or((namespace, wanted));
    if !dns_label(of) || !dns_label(cluster) {
        return Err(Violation::invalid(
            path(ANNOTATION),
            format!(
                "{wanted:?} is no cluster: write <cluster> or <namespace>/<cluster>, or {OPT_OUT:?} for none"
            ),
        ));
    }
    Ok(Some(Asked {
        namespace: of.to_owned(),
        cluster: cluster.to_owned(),
        lifetime: lifetime(annotation(ANNOTATION_LIFETIME))?,
    }))
}

/// The path of an annotation, as violations have it.
pub(super) fn path(annotation: &str) -> String {
    format!("metadata.annotations[{annotation}]")
}

fn lifetime(given: Option<&str>) -> Result<i64, Violation> {
    let Some(given) = given else {
        return Ok(DEFAULT_LIFETIME);
    };
    let wrong = |message: String| Violation::invalid(path(ANNOTATION_LIFETIME), message);
    parse_duration(given).map_err(wrong)
}

/// Whether certificates from this source may be valid for so long.
pub(super) fn check_lifetime(seconds: i64, source: Source) -> Result<(), Violation> {
    let hours = MAX_LIFETIME / 3600;
    let (least, bounds) = match source {
        Source::PodCertificate => (
            MIN_LIFETIME,
            format!("Kubernetes allows certificates of Pods from 1h to {hours}h"),
        ),
        Source::Secret => (
            MIN_SECRET_LIFETIME,
            format!(
                "certificates in Secrets are valid from {}m to {hours}h, so that kubelets mount each in time",
                MIN_SECRET_LIFETIME / 60
            ),
        ),
    };
    if (least..=MAX_LIFETIME).contains(&seconds) {
        return Ok(());
    }
    let message = format!("{} is out of bounds: {bounds}", written(seconds));
    Err(Violation::invalid(path(ANNOTATION_LIFETIME), message))
}

/// Seconds as a person would write them.
pub(crate) fn written(seconds: i64) -> String {
    match seconds {
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
