//! What workloads were given to be clients of clusters that go with their resource type: keys of service accounts, and
//! the authorities that Pods trust. Neither has an owner that goes with the cluster, and nobody is left to tidy up.

use std::fmt::Debug;

use k8s_openapi::api::certificates::v1beta1::ClusterTrustBundle;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ListParams, ObjectMeta, Preconditions};
use kube::{Api, Resource};
use sdm_api::{inject, names};
use sdm_core::inject::secret::Holder;
use sdm_core::user::{LABEL_CLUSTER_NAME, LABEL_CLUSTER_NAMESPACE};
use serde::de::DeserializeOwned;

use super::{Removing, there};
use crate::exit::{Failure, Result};
use crate::flags::DryRun;

/// Objects read at a time.
const PAGE: u32 = 500;

impl Removing<'_> {
    /// Deletes both.
    pub(super) async fn clients(&mut self) -> Result<()> {
        let client = &self.session.client;
        let secrets: Api<Secret> = Api::all(client.clone());
        for metadata in self.listed(&secrets, inject::LABEL_ACCOUNT).await? {
            let secret = Secret {
                metadata,
                ..Secret::default()
            };
            if let Some(holder) = Holder::of(&secret) {
                let label = format!("secret/{}/{}", holder.namespace, holder.secret());
                let api: Api<Secret> = Api::namespaced(client.clone(), &holder.namespace);
                self.given(&api, &holder.secret(), label, &secret.metadata)
                    .await?;
            }
        }
        let bundles: Api<ClusterTrustBundle> = Api::all(client.clone());
        let ours = format!("{}={}", names::LABEL_MANAGED_BY, names::MANAGED_BY);
        for metadata in self.listed(&bundles, &ours).await? {
            let label = |key: &str| metadata.labels.as_ref()?.get(key).map(String::as_str);
            let of = label(LABEL_CLUSTER_NAMESPACE).zip(label(LABEL_CLUSTER_NAME));
            let Some(name) = of.map(|(namespace, name)| inject::trust_bundle(namespace, name))
            else {
                continue;
            };
            if metadata.name.as_ref() == Some(&name) {
                let label = format!("clustertrustbundle/{name}");
                self.given(&bundles, &name, label, &metadata).await?;
            }
        }
        Ok(())
    }

    /// Everything of a kind with a label, without what is in it. Nothing where there is no such kind.
    async fn listed<K>(&self, api: &Api<K>, selector: &str) -> Result<Vec<ObjectMeta>>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let (mut all, mut page) = (
            Vec::new(),
            ListParams::default().labels(selector).limit(PAGE),
        );
        loop {
            let list = match api.list_metadata(&page).await {
                Ok(list) => list,
                Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(all),
                Err(e) => {
                    return Err(Failure::from(e)
                        .doing(format!("list {}", K::plural(&())))
                        .at(&self.session.place));
                }
            };
            all.extend(list.items.into_iter().map(|object| object.metadata));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    /// Deletes this very object.
    async fn given<K>(
        &mut self,
        api: &Api<K>,
        name: &str,
        label: String,
        metadata: &ObjectMeta,
    ) -> Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
    {
        let mut params = self.params();
        params.preconditions = Some(Preconditions {
            uid: metadata.uid.clone(),
            resource_version: None,
        });
        let found = match self.dry {
            DryRun::Client => Ok(true),
            _ => there(api.delete(name, &params).await.map(|_| ())),
        };
        self.note(label, found)
    }
}
