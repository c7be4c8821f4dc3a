//! The Secret that a credential is delivered in.
//!
//! It has neither the label `kafka.sdm.dev/cluster` nor `app.kubernetes.io/managed-by: sdm`: those are of what a cluster
//! itself consists of.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource as _;
use sdm_api::user::LABEL_USER;
use sdm_api::{KafkaUser, SecretFormat, names};
use serde_json::json;

use super::{ANNOTATION_CREDENTIAL, Credential, ListenerChoice, Pkcs12, formats};
use crate::drift::hash;

/// Label of delivered Secrets: the cluster's name.
pub const LABEL_CLUSTER_NAME: &str = "kafka.sdm.dev/cluster-name";
/// Label of delivered Secrets: the cluster's namespace.
pub const LABEL_CLUSTER_NAMESPACE: &str = "kafka.sdm.dev/cluster-namespace";

/// Raised when the forms themselves change, so that all Secrets are rendered again.
const REVISION: u32 = 1;

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
    formats::wanted(user).contains(&SecretFormat::Pkcs12)
}

/// The type of the Secret. It cannot change on one that exists: then the Secret is deleted and created again.
#[must_use]
pub fn secret_type(user: &KafkaUser) -> &'static str {
    match formats::wanted(user).contains(&SecretFormat::Servicebinding) {
        true => "servicebinding.io/kafka",
        false => "Opaque",
    }
}

/// The Secret. `pkcs12` is given where the user [wants it](wants_pkcs12).
#[must_use]
pub fn render(
    delivery: &Delivery<'_>,
    material: &Material<'_>,
    pkcs12: Option<&Pkcs12<'_>>,
    credential: &Credential,
) -> Secret {
    let user = delivery.user;
    let mut data = formats::data(delivery, material);
    if let Some(pkcs12) = pkcs12.filter(|_| wants_pkcs12(user)) {
        pkcs12.add(&mut data);
    }
    let data = data.into_iter().map(|(k, v)| (k, ByteString(v))).collect();
    let mut secret = Secret {
        metadata: metadata(user),
        data: Some(data),
        type_: Some(secret_type(user).to_owned()),
        ..Secret::default()
    };
    let mut annotations = given(user, |secret| &secret.annotations);
    annotations.insert(ANNOTATION_CREDENTIAL.to_owned(), credential.to_annotation());
    annotations.insert(names::ANNOTATION_APPLIED.to_owned(), fingerprint(&secret));
    secret.metadata.annotations = Some(annotations);
    secret
}

/// What stands for the Secret apart from the credential: another one is a reason to render it again.
#[must_use]
pub fn shape_hash(delivery: &Delivery<'_>) -> String {
    let Delivery {
        user,
        listener,
        ca_pem,
    } = delivery;
    let mount_path = user
        .spec
        .secret
        .as_ref()
        .and_then(|s| s.mount_path.as_ref());
    let shape = json!({
        "revision": REVISION,
        "metadata": metadata(user),
        "annotations": given(user, |secret| &secret.annotations),
        "formats": formats::wanted(user),
        "mountPath": mount_path,
        "listener": [listener.bootstrap_servers, listener.protocol.as_str()],
        "mechanism": listener.mechanism.map(sdm_api::SaslMechanism::as_str),
        "authorities": ca_pem,
    });
    hash([shape.to_string().as_bytes()])
}

/// What stands for the content of a Secret; as rendered, it is in the annotation `kafka.sdm.dev/applied-hash`.
#[must_use]
pub fn fingerprint(secret: &Secret) -> String {
    let data = secret.data.iter().flatten();
    hash(data.flat_map(|(key, value)| [key.as_bytes(), value.0.as_slice()]))
}

/// Whether a Secret is this user's.
#[must_use]
pub fn is_owned(user: &KafkaUser, secret: &Secret) -> bool {
    let uid = user.metadata.uid.as_deref();
    let owners = secret.metadata.owner_references.iter().flatten();
    let mut controllers = owners.filter(|owner| owner.controller == Some(true));
    uid.is_some() && controllers.any(|owner| Some(owner.uid.as_str()) == uid)
}

/// The Secret that the credential lies in, where the user names another one since: it moves with what it holds.
#[must_use]
pub fn secret_before(user: &KafkaUser) -> Option<&str> {
    let before = user.status.as_ref()?.secret.as_deref();
    before.filter(|name| *name != user.secret_name())
}

/// Whether the labels and annotations that were rendered are still there.
pub(super) fn is_labelled(user: &KafkaUser, secret: &Secret) -> bool {
    let has = |there: &Option<BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
        let there = |(key, value)| there.as_ref().and_then(|t| t.get(key)) == Some(value);
        wanted.iter().all(there)
    };
    has(&secret.metadata.labels, &labels(user))
        && has(
            &secret.metadata.annotations,
            &given(user, |secret| &secret.annotations),
        )
}

fn metadata(user: &KafkaUser) -> ObjectMeta {
    let owner = OwnerReference {
        api_version: KafkaUser::api_version(&()).into_owned(),
        kind: KafkaUser::kind(&()).into_owned(),
        name: super::name(user).to_owned(),
        uid: user.metadata.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    };
    ObjectMeta {
        name: Some(user.secret_name().to_owned()),
        namespace: user.metadata.namespace.clone(),
        labels: Some(labels(user)),
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    }
}

fn labels(user: &KafkaUser) -> BTreeMap<String, String> {
    let cluster = &user.spec.cluster_ref;
    let mut labels = given(user, |secret| &secret.labels);
    for (key, value) in [
        (LABEL_USER, super::name(user)),
        (LABEL_CLUSTER_NAME, &cluster.name),
        (
            LABEL_CLUSTER_NAMESPACE,
            cluster.namespace_from(super::namespace(user)),
        ),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}

fn given(
    user: &KafkaUser,
    part: impl Fn(&sdm_api::SecretTemplate) -> &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let secret = user.spec.secret.as_ref();
    secret.map(|s| part(s).clone()).unwrap_or_default()
}
