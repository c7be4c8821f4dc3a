//! Delivered Secrets as they are remembered: what they say of themselves, whether they are intact, and the certificate.
//!
//! Passwords and keys are cut off as a Secret arrives.

use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use sdm_api::names::{self, ANNOTATION_APPLIED};
use sdm_api::user::LABEL_USER;
use sdm_core::user::{LABEL_CLUSTER_NAME, LABEL_CLUSTER_NAMESPACE, fingerprint, secret_taken};
use sdm_runtime::apply::{self, count_write};

use crate::error::Error;
use crate::store::Key;

/// On remembered Secrets only: the content is what was written.
const INTACT: &str = "kafka.sdm.dev/intact";

/// Cuts off what is secret, after noting whether the content is what was written.
pub fn prune(secret: &mut Secret) {
    secret.managed_fields_mut().clear();
    let intact = secret.annotations().get(ANNOTATION_APPLIED) == Some(&fingerprint(secret));
    secret
        .annotations_mut()
        .insert(INTACT.to_owned(), intact.to_string());
    if let Some(data) = &mut secret.data {
        data.retain(|key, _| key == "tls.crt");
    }
}

/// Whether the content of a remembered Secret is what was written.
pub fn is_intact(secret: &Secret) -> bool {
    secret
        .annotations()
        .get(INTACT)
        .is_some_and(|v| v == "true")
}

/// The user a Secret was delivered for.
pub fn user_of(secret: &Secret) -> Option<Key> {
    Some(Key {
        namespace: secret.namespace()?,
        name: secret.labels().get(LABEL_USER)?.clone(),
    })
}

/// Whether a Secret was delivered for a user of this cluster.
pub fn is_of_cluster(secret: &Secret, cluster: &Key) -> bool {
    let labels = secret.labels();
    labels.get(LABEL_CLUSTER_NAME) == Some(&cluster.name)
        && labels.get(LABEL_CLUSTER_NAMESPACE) == Some(&cluster.namespace)
}

/// Writes a Secret. One that is not known to be there is created, so that nobody else's is ever taken over; one that is
/// keeps what others have added to its metadata. `before` may be one of another name: it stays for now.
pub async fn write(
    api: &Api<Secret>,
    mut secret: Secret,
    before: Option<&Secret>,
) -> Result<Secret, Error> {
    let name = secret.name_any();
    let before = before.filter(|before| before.name_any() == name);
    let params = PostParams {
        field_manager: Some(names::MANAGER.to_owned()),
        ..PostParams::default()
    };
    let same_type = before.is_some_and(|b| b.type_ == secret.type_);
    if let (Some(before), false) = (before, same_type) {
        // A Secret's type cannot change.
        apply::delete(api, &name, before.metadata.uid.as_deref()).await?;
    }
    let Some(before) = before.filter(|_| same_type) else {
        let result = api.create(&params, &secret).await;
        count_write("Secret", "create", &result);
        return match result {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let refusal = secret_taken(&name);
                Err(Error::Refused(refusal.reason, refusal.message))
            }
            result => Ok(result?),
        };
    };
    let mut labels = before.labels().clone();
    labels.append(secret.labels_mut());
    let mut annotations = before.annotations().clone();
    annotations.remove(INTACT);
    annotations.append(secret.annotations_mut());
    secret.metadata.labels = Some(labels);
    secret.metadata.annotations = Some(annotations);
    secret
        .metadata
        .finalizers
        .clone_from(&before.metadata.finalizers);
    secret.metadata.uid.clone_from(&before.metadata.uid);
    secret
        .metadata
        .resource_version
        .clone_from(&before.metadata.resource_version);
    let result = api.replace(&name, &params, &secret).await;
    count_write("Secret", "update", &result);
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    #[test]
    fn nothing_secret_is_remembered_and_a_change_is_noticed() {
        let data = ["tls.crt", "tls.key", "password"]
            .map(|k| (k.to_owned(), ByteString(b"content".to_vec())));
        let mut secret = Secret {
            data: Some(data.into()),
            ..Secret::default()
        };
        let hash = fingerprint(&secret);
        secret
            .annotations_mut()
            .insert(ANNOTATION_APPLIED.to_owned(), hash);
        let mut changed = secret.clone();
        changed
            .data
            .as_mut()
            .unwrap()
            .insert("password".to_owned(), ByteString(b"other".to_vec()));
        prune(&mut secret);
        prune(&mut changed);
        assert!(is_intact(&secret) && !is_intact(&changed));
        assert_eq!(secret.data.unwrap().keys().collect::<Vec<_>>(), ["tls.crt"]);
    }
}
