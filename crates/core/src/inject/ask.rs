//! What a Pod asks for.

use k8s_openapi::api::core::v1::Pod;
use sdm_api::inject::{
    ANNOTATION, ANNOTATION_LIFETIME, DEFAULT_LIFETIME, MAX_LIFETIME, MIN_LIFETIME, OPT_OUT,
};

use crate::user::parse_duration;
use crate::violation::Violation;

/// Annotation of Pods that a kubelet runs from a file and only mirrors to the API server.
const MIRROR: &str = "kubernetes.io/config.mirror";

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
    if !is_label(of) || !is_label(cluster) {
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
    let seconds = parse_duration(given).map_err(wrong)?;
    if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&seconds) {
        let bounds = format!(
            "{given} is out of bounds: Kubernetes allows certificates of Pods from 1h to {}h",
            MAX_LIFETIME / 3600
        );
        return Err(wrong(bounds));
    }
    Ok(seconds)
}

/// Whether `text` is a DNS label: names of namespaces and clusters are.
fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
