//! What is added to a Pod: one volume with everything, its mount, annotations that become files, variables.
//!
//! Every field that the API server would fill in is written down, so that what was added is recognized when it comes
//! back.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ClusterTrustBundleProjection, DownwardAPIProjection, DownwardAPIVolumeFile, EnvVar, KeyToPath,
    ObjectFieldSelector, PodCertificateProjection, ProjectedVolumeSource, SecretProjection, Volume,
    VolumeMount, VolumeProjection,
};
use sdm_api::inject::{
    ANNOTATION_JAVA, ANNOTATION_LIBRDKAFKA, FILE_AUTHORITIES, FILE_CERTIFICATE, FILE_JAVA,
    FILE_KEY, FILE_KEYSTORE, FILE_LIBRDKAFKA, MOUNT_PATH, VOLUME, secret, signer, trust_bundle,
};

use super::ask::{Asked, Source};
use crate::render::properties;
use crate::user::ListenerChoice;

/// The kind of key that kubelets make: what every certificate of a cluster has.
const KEY_TYPE: &str = "ECDSAP256";
/// Readable and nothing else. Where a Pod has an owner for its files, kubelets give the key to nobody but it.
const MODE: i32 = 0o444;

/// Everything that is added.
pub(super) struct Added {
    pub volume: Volume,
    pub mount: VolumeMount,
    pub annotations: BTreeMap<&'static str, String>,
    pub label: &'static str,
    pub env: Vec<EnvVar>,
}

impl Added {
    pub fn new(asked: &Asked, account: &str, source: Source, listener: &ListenerChoice) -> Self {
        Self {
            volume: volume(match source {
                Source::PodCertificate => by_pod_certificate(asked),
                Source::Secret => vec![by_secret(asked, account)],
            }),
            label: source.as_str(),
            mount: VolumeMount {
                name: VOLUME.to_owned(),
                mount_path: MOUNT_PATH.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            },
            annotations: BTreeMap::from([
                (ANNOTATION_JAVA, java(listener)),
                (ANNOTATION_LIBRDKAFKA, librdkafka(listener)),
            ]),
            env: env(listener),
        }
    }
}

/// The key, the certificate and the authorities, as the kubelet gets them by itself.
fn by_pod_certificate(asked: &Asked) -> Vec<VolumeProjection> {
    let certificate = PodCertificateProjection {
        signer_name: signer(&asked.namespace, &asked.cluster),
        key_type: KEY_TYPE.to_owned(),
        max_expiration_seconds: i32::try_from(asked.lifetime).ok(),
        credential_bundle_path: Some(FILE_KEYSTORE.to_owned()),
        key_path: Some(FILE_KEY.to_owned()),
        certificate_chain_path: Some(FILE_CERTIFICATE.to_owned()),
        user_annotations: None,
    };
    let authorities = ClusterTrustBundleProjection {
        name: Some(trust_bundle(&asked.namespace, &asked.cluster)),
        path: FILE_AUTHORITIES.to_owned(),
        // The Pod waits for it.
        optional: Some(false),
        ..ClusterTrustBundleProjection::default()
    };
    vec![
        VolumeProjection {
            pod_certificate: Some(certificate),
            ..VolumeProjection::default()
        },
        VolumeProjection {
            cluster_trust_bundle: Some(authorities),
            ..VolumeProjection::default()
        },
    ]
}

/// The same from the Secret of the service account. The Pod waits for it.
fn by_secret(asked: &Asked, account: &str) -> VolumeProjection {
    let item = |file: &str| KeyToPath {
        key: file.to_owned(),
        path: file.to_owned(),
        mode: None,
    };
    let files = [FILE_KEYSTORE, FILE_KEY, FILE_CERTIFICATE, FILE_AUTHORITIES];
    let projection = SecretProjection {
        name: secret(&asked.namespace, &asked.cluster, account),
        items: Some(files.map(item).into()),
        optional: Some(false),
    };
    VolumeProjection {
        secret: Some(projection),
        ..VolumeProjection::default()
    }
}

fn volume(mut sources: Vec<VolumeProjection>) -> Volume {
    // Configuration comes from annotations of the Pod itself: there is no object beside it that could be missing,
    // outlive it or be somebody else's.
    let file = |path: &str, annotation: &str| DownwardAPIVolumeFile {
        path: path.to_owned(),
        field_ref: Some(ObjectFieldSelector {
            api_version: Some("v1".to_owned()),
            field_path: format!("metadata.annotations['{annotation}']"),
        }),
        ..DownwardAPIVolumeFile::default()
    };
    let configuration = DownwardAPIProjection {
        items: Some(vec![
            file(FILE_JAVA, ANNOTATION_JAVA),
            file(FILE_LIBRDKAFKA, ANNOTATION_LIBRDKAFKA),
        ]),
    };
    sources.push(VolumeProjection {
        downward_api: Some(configuration),
        ..VolumeProjection::default()
    });
    Volume {
        name: VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}

fn at(file: &str) -> String {
    format!("{MOUNT_PATH}/{file}")
}

/// Files, not contents: what is read is as new as the moment at which it is read.
fn java(listener: &ListenerChoice) -> String {
    let owned = |(key, value): (&str, String)| (key.to_owned(), value);
    let all = [
        ("bootstrap.servers", listener.bootstrap_servers.clone()),
        ("security.protocol", listener.protocol.as_str().to_owned()),
        ("ssl.keystore.location", at(FILE_KEYSTORE)),
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.truststore.location", at(FILE_AUTHORITIES)),
        ("ssl.truststore.type", "PEM".to_owned()),
    ];
    properties::text(&all.map(owned).into())
}

fn librdkafka(listener: &ListenerChoice) -> String {
    let all = [
        ("bootstrap.servers", listener.bootstrap_servers.clone()),
        (
            "security.protocol",
            listener.protocol.as_str().to_lowercase(),
        ),
        ("ssl.ca.location", at(FILE_AUTHORITIES)),
        ("ssl.certificate.location", at(FILE_CERTIFICATE)),
        ("ssl.key.location", at(FILE_KEY)),
    ];
    all.iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect()
}

/// As in `client.env` of a `KafkaUser`'s Secret.
fn env(listener: &ListenerChoice) -> Vec<EnvVar> {
    let all = [
        (
            "KAFKA_BOOTSTRAP_SERVERS",
            listener.bootstrap_servers.clone(),
        ),
        (
            "KAFKA_SECURITY_PROTOCOL",
            listener.protocol.as_str().to_owned(),
        ),
        ("KAFKA_SSL_CA_LOCATION", at(FILE_AUTHORITIES)),
        ("KAFKA_SSL_CERTIFICATE_LOCATION", at(FILE_CERTIFICATE)),
        ("KAFKA_SSL_KEY_LOCATION", at(FILE_KEY)),
    ];
    let variable = |(name, value): (&str, String)| EnvVar {
        name: name.to_owned(),
        value: Some(value),
        ..EnvVar::default()
    };
    all.map(variable).into()
}
