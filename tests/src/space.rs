//! A tenant as tests are one: a namespace, objects applied in it, what they say of themselves, and what was delivered.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use serde_json::{Value, json};

use crate::node::Node;
use crate::wait::until;

/// The longest that anything said here may take: Kafka answers in milliseconds, two busy cores may not.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of tenants' objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "as they are called")]
pub enum Kind {
    Topic,
    User,
    Acl,
    Role,
    Grant,
}

impl Kind {
    fn resource(self) -> ApiResource {
        match self {
            Self::Topic => ApiResource::erase::<KafkaTopic>(&()),
            Self::User => ApiResource::erase::<KafkaUser>(&()),
            Self::Acl => ApiResource::erase::<KafkaACL>(&()),
            Self::Role => ApiResource::erase::<KafkaRole>(&()),
            Self::Grant => ApiResource::erase::<KafkaAccessGrant>(&()),
        }
    }
}

/// What an object says of itself in the condition `Ready`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Says {
    /// Whether it is ready.
    pub ready: bool,
    /// In a word.
    pub reason: String,
    /// In a sentence.
    pub message: String,
}

/// A namespace that uses one cluster.
#[derive(Clone)]
pub struct Space {
    /// The Kubernetes it is in.
    pub node: Node,
    /// Its name.
    pub name: String,
    /// The cluster's namespace.
    pub cluster_namespace: String,
    /// The cluster's name.
    pub cluster: String,
}

impl Space {
    /// Creates a namespace whose name begins with `prefix`, for a cluster given by namespace and name.
    pub async fn create(
        node: &Node,
        (cluster_namespace, cluster): (&str, &str),
        prefix: &str,
    ) -> Result<Self> {
        let name = format!("{prefix}-{:08x}", rand::random::<u32>());
        let namespace: Namespace = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
        }))?;
        Api::all(node.client.clone())
            .create(&PostParams::default(), &namespace)
            .await?;
        Ok(Self::of(node, (cluster_namespace, cluster), &name))
    }

    /// A namespace that is there.
    pub fn of(node: &Node, (cluster_namespace, cluster): (&str, &str), name: &str) -> Self {
        Self {
            node: node.clone(),
            name: name.to_owned(),
            cluster_namespace: cluster_namespace.to_owned(),
            cluster: cluster.to_owned(),
        }
    }

    /// Puts a label on the namespace.
    pub async fn label(&self, key: &str) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.node.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": {key: "true"}}}));
        api.patch(&self.name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Its objects of a kind.
    pub fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.node.client.clone(), &self.name, &kind.resource())
    }

    /// Its Secrets.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.node.client.clone(), &self.name)
    }

    /// Creates an object; the reference to the cluster is added to `spec`.
    pub async fn make(&self, kind: Kind, name: &str, mut spec: Value) -> Result<()> {
        if kind != Kind::Role {
            spec["clusterRef"] = json!({"name": self.cluster, "namespace": self.cluster_namespace});
        }
        let resource = kind.resource();
        let object = DynamicObject::new(name, &resource)
            .within(&self.name)
            .data(json!({ "spec": spec }));
        self.api(kind)
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("creating {} {}/{name}", resource.kind, self.name))?;
        Ok(())
    }

    /// Declares the topic `<namespace>.<name>` and waits until it is Ready; its name in Kafka comes back.
    pub async fn topic(&self, name: &str, mut spec: Value) -> Result<String> {
        let topic = self.topic_name(name);
        spec["topicName"] = json!(topic);
        self.make(Kind::Topic, name, spec).await?;
        self.ready(Kind::Topic, name).await?;
        Ok(topic)
    }

    /// What topics of this namespace are called here: names of topics are the whole cluster's.
    pub fn topic_name(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    /// Merges into an object's spec; `null` takes a field away.
    pub async fn change(&self, kind: Kind, name: &str, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api(kind)
            .patch(name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Puts an annotation on an object.
    pub async fn annotate(&self, kind: Kind, name: &str, key: &str, value: &str) -> Result<()> {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        self.api(kind)
            .patch(name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Deletes an object, which is gone then: nothing of ours holds it up.
    pub async fn remove(&self, kind: Kind, name: &str) -> Result<()> {
        self.api(kind)
            .delete(name, &DeleteParams::default())
            .await?;
        ensure!(
            self.api(kind).get_opt(name).await?.is_none(),
            "{kind:?} {name} does not go: it has a finalizer"
        );
        Ok(())
    }

    /// What an object says of the spec it has now; nothing if it says nothing yet.
    pub async fn says(&self, kind: Kind, name: &str) -> Result<Option<Says>> {
        Ok(says(&self.api(kind).get(name).await?))
    }

    /// Waits until an object is Ready as it is written, and returns it.
    pub async fn ready(&self, kind: Kind, name: &str) -> Result<DynamicObject> {
        let api = self.api(kind);
        let what = format!("{kind:?} {}/{name} to be Ready", self.name);
        until(&what, PATIENCE, || async {
            let object = api.get(name).await?;
            match says(&object) {
                Some(said) if said.ready => Ok(Some(object)),
                said => bail!("{said:?}"),
            }
        })
        .await
    }

    /// Waits until an object gives `reason` for not being Ready, and returns the sentence, which names `remedy`.
    pub async fn refused(
        &self,
        kind: Kind,
        name: &str,
        reason: &str,
        remedy: &str,
    ) -> Result<String> {
        let what = format!("{kind:?} {}/{name} to say {reason}", self.name);
        let api = self.api(kind);
        let said = until(&what, PATIENCE, || async {
            match says(&api.get(name).await?) {
                Some(said) if !said.ready && said.reason == reason => Ok(Some(said)),
                said => bail!("{said:?}"),
            }
        })
        .await?;
        println!("{kind:?} {}/{name}: {reason}: {}", self.name, said.message);
        ensure!(
            said.message.contains(remedy),
            "{kind:?} {name} does not name {remedy:?}: {}",
            said.message
        );
        Ok(said.message)
    }

    /// Asks for what may not be had. What can be told at once is refused at apply, where the webhook is installed; else the
    /// object says `reason` in its status. Both name `remedy`.
    pub async fn kept_out(
        &self,
        kind: Kind,
        name: &str,
        spec: Value,
        reason: &str,
        remedy: &str,
    ) -> Result<()> {
        match self.make(kind, name, spec).await {
            Ok(()) => drop(self.refused(kind, name, reason, remedy).await?),
            Err(error) => {
                let said = match error.downcast_ref::<kube::Error>() {
                    Some(kube::Error::Api(status)) => status.message.clone(),
                    _ => return Err(error),
                };
                println!("{kind:?} {}/{name}: {said}", self.name);
                ensure!(
                    said.contains("denied the request") && said.contains(remedy),
                    "{kind:?} {name} does not name {remedy:?}: {said}"
                );
            }
        }
        Ok(())
    }

    /// Takes an object's whole status away.
    pub async fn forget(&self, kind: Kind, name: &str) -> Result<()> {
        let nothing = Patch::Merge(json!({ "status": null }));
        self.api(kind)
            .patch_status(name, &PatchParams::default(), &nothing)
            .await?;
        Ok(())
    }

    /// A field of an object's status, `null` if it is not there.
    pub async fn status(&self, kind: Kind, name: &str, field: &str) -> Result<Value> {
        let object = self.api(kind).get(name).await?;
        Ok(object.data["status"][field].clone())
    }

    /// A value of a delivered Secret.
    pub async fn delivered(&self, secret: &str, key: &str) -> Result<String> {
        let data = self.secrets().get(secret).await?.data.unwrap_or_default();
        let value = data
            .get(key)
            .with_context(|| format!("Secret {secret} has no {key}"))?;
        Ok(String::from_utf8(value.0.clone())?)
    }

    /// Begins to delete the namespace, without waiting for it.
    pub async fn close(self) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.node.client.clone());
        api.delete(&self.name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// Waits until the namespace is gone, and returns how long that took.
    pub async fn closed(self, limit: Duration) -> Result<Duration> {
        let began = std::time::Instant::now();
        let api: Api<Namespace> = Api::all(self.node.client.clone());
        let name = self.name.clone();
        self.close().await?;
        until("the namespace to go", limit, || async {
            match api.get_opt(&name).await? {
                None => Ok(Some(began.elapsed())),
                Some(left) => bail!("{:?}", left.status.and_then(|s| s.conditions)),
            }
        })
        .await
    }
}

fn says(object: &DynamicObject) -> Option<Says> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|c| c["type"] == "Ready")?;
    let current = ready["observedGeneration"].as_i64() == object.meta().generation;
    let text = |key: &str| ready[key].as_str().unwrap_or_default().to_owned();
    current.then(|| Says {
        ready: ready["status"] == "True",
        reason: text("reason"),
        message: text("message"),
    })
}
