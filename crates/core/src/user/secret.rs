//! The Secret that a credential is delivered in.

use k8s_openapi::api::core::v1::Secret;
use sdm_api::KafkaUser;

use super::{Credential, ListenerChoice, Pkcs12};

/// Label of delivered Secrets: the cluster's name.
pub const LABEL_CLUSTER_NAME: &str = "kafka.sdm.dev/cluster-name";
/// Label of delivered Secrets: the cluster's namespace.
pub const LABEL_CLUSTER_NAMESPACE: &str = "kafka.sdm.dev/cluster-namespace";

/// What the Secret of a user is made of, apart from the credential.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The user.
    pub user: &'a KafkaUser,
    /// The listener it is sent to.
    pub listener: &'a ListenerChoice,
    /// The authorities to trust, PEM, one after another.
    pub ca_pem: &'a str,
}

/// A credential.
#[derive(Clone, Copy)]
pub enum Material<'a> {
    /// A certificate and its key.
    Certificate {
        /// The certificate, followed by intermediate ones, PEM.
        cert_pem: &'a str,
        /// The key, PKCS#8 PEM.
        key_pem: &'a str,
    },
    /// A password.
    Password {
        /// The SCRAM user name.
        username: &'a str,
        /// The password.
        password: &'a str,
    },
}

/// Whether the user wants key stores in PKCS#12.
#[must_use]
pub fn wants_pkcs12(user: &KafkaUser) -> bool {
    let _ = user;
    false
}

/// The Secret.
#[must_use]
pub fn render(
    delivery: &Delivery<'_>,
    material: &Material<'_>,
    pkcs12: Option<&Pkcs12<'_>>,
    credential: &Credential,
) -> Secret {
    let _ = (delivery, material, pkcs12, credential);
    Secret::default()
}

/// What stands for the Secret apart from the credential: another one is a reason to render it again.
#[must_use]
pub fn shape_hash(delivery: &Delivery<'_>) -> String {
    let _ = delivery;
    String::new()
}

/// What stands for the content of a Secret as rendered; it is in the annotation `kafka.sdm.dev/applied-hash`. A Secret
/// whose annotation says otherwise is not [intact](super::SecretView::intact).
#[must_use]
pub fn fingerprint(secret: &Secret) -> String {
    let _ = secret;
    String::new()
}

/// Whether a Secret is this user's.
#[must_use]
pub fn is_owned(user: &KafkaUser, secret: &Secret) -> bool {
    let _ = (user, secret);
    false
}
