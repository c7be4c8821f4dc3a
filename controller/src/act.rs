//! Carrying out one step of a plan. Every step can be repeated, and none overwrites what must not
//! be overwritten: the decisions on record and the cluster's authority.

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::KafkaCluster;
use sdm_api::names::{GATE_SERVING, LABEL_CLUSTER, MANAGER, STATUS_MANAGER, ca_secret};
use sdm_core::eviction::{self, Answer};
use sdm_core::plan::{Action, Kind, Object};
use sdm_core::{KubeObject, Resolved};
use sdm_runtime::apply::{self, count_write};
use serde::Serialize;
use serde_json::json;

use crate::authority;
use crate::error::Error;
use crate::store::{Key, Stored, Stores};

/// What a step needs.
pub struct Hands<'a> {
    /// The API server.
    pub client: &'a Client,
    /// To wait until a write is seen.
    pub stores: &'a Stores,
    /// Whose step it is.
    pub key: &'a Key,
    /// The object itself.
    pub cluster: &'a KafkaCluster,
    /// What is meant.
    pub resolved: &'a Resolved,
}

impl Hands<'_> {
    /// Carries out `action`; returns when our own memory shows the result.
    pub async fn carry_out(&self, action: &Action) -> Result<(), Error> {
        match action {
            Action::CreateState(config_map) => self.create(&**config_map).await,
            Action::UpdateState {
                config_map,
                resource_version,
            } => self.update_state(config_map, resource_version).await,
            Action::CreateAuthority { days } => self.create_authority(*days).await,
            Action::Issue(wanted) => {
                let secret = authority::issue(&self.api(), self.resolved, wanted).await?;
                self.apply(&secret).await
            }
            Action::Apply(object) => match &**object {
                Object::ConfigMap(o) => self.apply(o).await,
                Object::Claim(o) => self.apply(o).await,
                Object::Shared(KubeObject::Service(o)) => self.apply(&**o).await,
                Object::Shared(KubeObject::ServiceAccount(o)) => self.apply(&**o).await,
                Object::Shared(KubeObject::PodDisruptionBudget(o)) => self.apply(&**o).await,
            },
            Action::CreatePod(pod) => self.create(&**pod).await,
            Action::Delete {
                kind, name, uid, ..
            } => match kind {
                Kind::Pod => self.delete::<Pod>(name, uid).await,
                Kind::ConfigMap => self.delete::<ConfigMap>(name, uid).await,
                Kind::Secret => self.delete::<Secret>(name, uid).await,
                Kind::PersistentVolumeClaim => {
                    self.delete::<PersistentVolumeClaim>(name, uid).await
                }
            },
            Action::Adopt { kind, name, uid } => match kind {
                Kind::Pod => self.adopt::<Pod>(name, uid).await,
                Kind::ConfigMap => self.adopt::<ConfigMap>(name, uid).await,
                Kind::Secret => self.adopt::<Secret>(name, uid).await,
                Kind::PersistentVolumeClaim => self.adopt::<PersistentVolumeClaim>(name, uid).await,
            },
            Action::AnswerEviction { pod, uid, answer } => {
                self.answer_eviction(pod, uid, answer).await
            }
            Action::SetServing {
                pod,
                uid,
                serving,
                why,
            } => self.set_serving(pod, uid, *serving, why).await,
            Action::Wait => Ok(()),
        }
    }

    fn api<K: Stored + Resource<Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.key.namespace)
    }

    /// Whether an object that was found under one of our names is this cluster's.
    fn mine<K: Stored>(&self, found: &K) -> Result<(), Error> {
        if found.labels().get(LABEL_CLUSTER) == Some(&self.key.name) {
            return Ok(());
        }
        Err(Error::NameTaken {
            kind: K::kind(&()).into_owned(),
            name: found.name_any(),
        })
    }

    async fn seen<K: Stored>(&self, object: &K) {
        self.stores
            .seen::<K>(
                self.key,
                &object.name_any(),
                object.meta().resource_version.as_deref(),
            )
            .await;
    }

    async fn apply<K>(&self, object: &K) -> Result<(), Error>
    where
        K: Stored + Resource<Scope = NamespaceResourceScope> + Serialize,
    {
        // What we do not remember may be somebody else's, without our labels: that is never taken over.
        let name = object.name_any();
        if !self.stores.has::<K>(self.key, &name)
            && let Some(found) = self.api::<K>().get_opt(&name).await?
        {
            self.mine(&found)?;
        }
        let stored = apply::apply(&self.api::<K>(), MANAGER, object).await?;
        self.seen(&stored).await;
        Ok(())
    }

    /// Creates an object; one that is there already is left as it is.
    async fn create<K>(&self, object: &K) -> Result<(), Error>
    where
        K: Stored + Resource<Scope = NamespaceResourceScope> + Serialize,
    {
        let api = self.api::<K>();
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let result = api.create(&params, object).await;
        count_write(&K::kind(&()), "create", &result);
        match result {
            Ok(stored) => self.seen(&stored).await,
            Err(kube::Error::Api(status)) if status.is_already_exists() => {
                let found = api.get(&object.name_any()).await?;
                self.mine(&found)?;
                self.seen(&found).await;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn create_authority(&self, days: i32) -> Result<(), Error> {
        let api = self.api::<Secret>();
        match authority::create(&api, self.resolved, days).await {
            Ok(stored) => self.seen(&stored).await,
            Err(Error::Api(kube::Error::Api(status))) if status.is_already_exists() => {
                let found = api.get(&ca_secret(&self.key.name)).await?;
                self.mine(&found)?;
                self.seen(&found).await;
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A decision is changed only on the ground of the version it was read from.
    async fn update_state(
        &self,
        config_map: &ConfigMap,
        resource_version: &str,
    ) -> Result<(), Error> {
        let mut wanted = config_map.clone();
        wanted.metadata.resource_version = Some(resource_version.to_owned());
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let result = self
            .api::<ConfigMap>()
            .replace(&wanted.name_any(), &params, &wanted)
            .await;
        count_write("ConfigMap", "update", &result);
        self.seen(&result?).await;
        Ok(())
    }

    async fn delete<K>(&self, name: &str, uid: &str) -> Result<(), Error>
    where
        K: Stored + Resource<Scope = NamespaceResourceScope>,
    {
        apply::delete(&self.api::<K>(), name, Some(uid)).await?;
        self.stores.seen::<K>(self.key, name, None).await;
        Ok(())
    }

    async fn adopt<K>(&self, name: &str, uid: &str) -> Result<(), Error>
    where
        K: Stored + Resource<Scope = NamespaceResourceScope>,
    {
        // With the uid in it the patch is refused when the object is another one by now.
        let owner = self.cluster.controller_owner_ref(&());
        let patch = json!({ "metadata": { "uid": uid, "ownerReferences": [owner] } });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let result = self
            .api::<K>()
            .patch(name, &params, &Patch::Merge(&patch))
            .await;
        count_write(&K::kind(&()), "patch", &result);
        self.seen(&result?).await;
        Ok(())
    }

    async fn answer_eviction(&self, pod: &str, uid: &str, answer: &Answer) -> Result<(), Error> {
        // Neither can fail: both are plain text and numbers.
        let text = serde_json::to_string(answer).unwrap_or_default();
        let patch = json!({
            "metadata": { "uid": uid, "annotations": { eviction::ANNOTATION: text } },
        });
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let result = self
            .api::<Pod>()
            .patch(pod, &params, &Patch::Merge(&patch))
            .await;
        count_write("Pod", "patch", &result);
        self.seen(&result?).await;
        Ok(())
    }

    async fn set_serving(
        &self,
        pod: &str,
        uid: &str,
        serving: bool,
        why: &str,
    ) -> Result<(), Error> {
        let patch = json!({
            "metadata": { "uid": uid },
            "status": { "conditions": [{
                "type": GATE_SERVING,
                "status": if serving { "True" } else { "False" },
                "reason": if serving { "Serving" } else { "NotServing" },
                "message": why,
                "lastTransitionTime": Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            }] },
        });
        let params = PatchParams {
            field_manager: Some(STATUS_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let result = self
            .api::<Pod>()
            .patch_status(pod, &params, &Patch::Strategic(&patch))
            .await;
        count_write("Pod", "patch-status", &result);
        self.seen(&result?).await;
        Ok(())
    }
}
