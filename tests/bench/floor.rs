//! What the same costs without a controller: the writes to the API server that a lifecycle cannot do without, to objects of
//! the same schema that no controller watches and no webhook is asked about, and one batch to Kafka for each change.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{
    DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::core::ApiResource;
use sdm_kafka::{
    AclBinding, AclFilter, AclOperation, AclPatternType, AclPermission, AclResourceType, Client,
    ConfigChange, ConfigOp, ConfigResource, NewTopic, QuotaChange, QuotaEntity,
};
use sdm_tests::node::Node;
use sdm_tests::wait::until;
use sdm_tests::{bulk, paths};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{CLUSTER, NAMESPACE, PATIENCE, topics, users};

/// How the names of all that is made here begin.
const FLOOR: &str = "floor";
/// A group that nobody watches.
const GROUP: &str = "bench.sdm.dev";

/// Objects of a kind, sixteen requests at a time.
struct Objects {
    resource: ApiResource,
    api: Api<DynamicObject>,
    names: Vec<String>,
}

impl Objects {
    /// Of a kind of ours, in a group of its own.
    fn unattended(node: &Node, kind: &str, names: &[String]) -> Result<Self> {
        let plural = format!("{}s", kind.to_lowercase());
        let path = paths::repository().join(format!("deploy/crds/{plural}.kafka.sdm.dev.yaml"));
        let definition = std::fs::read_to_string(path)?.replace("kafka.sdm.dev", GROUP);
        let mut definition: Value = serde_saphyr::from_str(&definition)?;
        // Those are taken by the real one.
        let own = definition["spec"]["names"].as_object_mut();
        own.context("names")?
            .retain(|key, _| key != "shortNames" && key != "categories");
        node.apply(&definition.to_string())?;
        let name = format!("crd/{plural}.{GROUP}");
        node.kubectl(&[
            "wait",
            "--for=condition=Established",
            &name,
            "--timeout=30s",
        ])?;
        let kind = GroupVersionKind::gvk(GROUP, "v1beta1", kind);
        Ok(Self::of(node, &ApiResource::from_gvk(&kind), names))
    }

    fn of(node: &Node, resource: &ApiResource, names: &[String]) -> Self {
        Self {
            resource: resource.clone(),
            api: Api::namespaced_with(node.client.clone(), NAMESPACE, resource),
            names: names.to_vec(),
        }
    }

    async fn each<F, T>(&self, act: impl Fn(String) -> F) -> Result<()>
    where
        F: Future<Output = kube::Result<T>>,
    {
        let all = stream::iter(self.names.iter().cloned()).map(act);
        let all = all.buffer_unordered(bulk::CONNECTIONS);
        Ok(all.try_for_each(|_| async { Ok(()) }).await?)
    }

    /// Creates them, with what these have besides their names.
    async fn create<K: Serialize>(&self, like: &K) -> Result<()> {
        let mut like = serde_json::to_value(like)?;
        if let Some(like) = like.as_object_mut() {
            like.retain(|key, _| !["apiVersion", "kind", "metadata"].contains(&key.as_str()));
        }
        let like = &like;
        self.each(|name| async move {
            let object = DynamicObject::new(&name, &self.resource).data(like.clone());
            self.api.create(&PostParams::default(), &object).await
        })
        .await
    }

    async fn patch(&self, patch: Value) -> Result<()> {
        let (params, patch) = (&PatchParams::default(), &Patch::Merge(patch));
        self.each(|name| async move { self.api.patch(&name, params, patch).await })
            .await
    }

    /// Writes a status, and that it is `Ready`.
    async fn say(&self, generation: i64, mut status: Value) -> Result<()> {
        status["observedGeneration"] = json!(generation);
        status["conditions"] = json!([{
            "type": "Ready", "status": "True", "reason": "Ready", "message": "",
            "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]);
        let patch = &Patch::Merge(json!({"status": status}));
        let params = &PatchParams::default();
        self.each(|name| async move { self.api.patch_status(&name, params, patch).await })
            .await
    }

    async fn delete(&self) -> Result<()> {
        let params = &DeleteParams::default();
        self.each(|name| async move { self.api.delete(&name, params).await })
            .await
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{FLOOR}-{n}")).collect()
}

/// What a run that was stopped has left.
pub async fn clear(node: &Node) -> Result<()> {
    let all = ListParams::default();
    for kind in ["KafkaTopic", "KafkaUser", "KafkaACL"] {
        let api = Objects::unattended(node, kind, &[])?.api;
        let params = DeleteParams::default();
        api.delete_collection(&params, &all).await?;
        until("the floor's objects to be gone", PATIENCE, || async {
            Ok(api.list(&all).await?.items.is_empty().then_some(()))
        })
        .await?;
    }
    let mut secrets = Objects::of(node, &ApiResource::erase::<Secret>(&()), &[]);
    let found = secrets.api.list_metadata(&all).await?.items.into_iter();
    let found = found.filter_map(|secret| secret.metadata.name);
    secrets.names = found.filter(|name| name.starts_with(FLOOR)).collect();
    secrets.delete().await?;
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let topics = kafka.list_topics().await?;
    let names = topics.iter().map(|t| t.name.as_str());
    let left: Vec<&str> = names.filter(|name| name.starts_with(FLOOR)).collect();
    if !left.is_empty() {
        kafka.delete_topics(&left).await?;
    }
    Ok(())
}

async fn create(kafka: &Client, names: &[String]) -> Result<()> {
    let new = names.iter().map(|n| NewTopic {
        name: n.clone(),
        partitions: Some(1),
        replication_factor: Some(3),
        ..NewTopic::default()
    });
    kafka.create_topics(&new.collect::<Vec<_>>(), false).await?;
    Ok(())
}

async fn alter(kafka: &Client, names: &[String]) -> Result<()> {
    let changes = names.iter().map(|n| ConfigChange {
        resource: ConfigResource::Topic(n.clone()),
        ops: vec![ConfigOp::Set {
            key: "retention.ms".to_owned(),
            value: "7200000".to_owned(),
        }],
    });
    let changes: Vec<_> = changes.collect();
    kafka.incremental_alter_configs(&changes, false).await?;
    Ok(())
}

async fn delete(kafka: &Client, names: &[String]) -> Result<()> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    kafka.delete_topics(&names).await?;
    Ok(())
}

/// Kafka's part of lifecycles, again and again, and nobody else's.
pub async fn topics_in_kafka_alone(node: &Node, count: usize, lifecycles: usize) -> Result<()> {
    let names = names(count);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let key = || vec!["retention.ms".to_owned()];
    let keys = names
        .iter()
        .map(|n| (ConfigResource::Topic(n.clone()), key()));
    let keys: Vec<_> = keys.collect();
    for _ in 0..lifecycles {
        create(&kafka, &names).await?;
        until("the topics to be seen", PATIENCE, || async {
            let found = kafka.describe_config_keys(&keys).await?;
            Ok(found
                .iter()
                .all(|(_, entries)| entries.is_ok())
                .then_some(()))
        })
        .await?;
        alter(&kafka, &names).await?;
        delete(&kafka, &names).await?;
        topics::until_none(&kafka, FLOOR).await?;
    }
    Ok(())
}

/// A lifecycle of topics, in seconds.
pub async fn topics(node: &Node, count: usize) -> Result<f64> {
    let names = names(count);
    let objects = Objects::unattended(node, "KafkaTopic", &names)?;
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let like = topics::topics(FLOOR, 1).pop().context("a topic")?;
    let status = json!({
        "topicName": "floor", "topicId": "4L6g3nShT-eMCtK--X86sw", "partitions": 1, "replicas": 3,
        "configKeys": ["retention.ms"],
    });
    let mut steps = Steps::begin();
    objects.create(&like).await?;
    steps.done("create");
    create(&kafka, &names).await?;
    steps.done("kafka");
    objects.say(1, status.clone()).await?;
    steps.done("status");
    objects
        .patch(json!({"spec": {"config": {"retention.ms": "7200000"}}}))
        .await?;
    steps.done("patch");
    alter(&kafka, &names).await?;
    steps.done("kafka");
    objects.say(2, status).await?;
    steps.done("status");
    objects.delete().await?;
    steps.done("delete");
    delete(&kafka, &names).await?;
    steps.done("kafka");
    Ok(steps.end())
}

/// What users need in Kafka: a quota and two ACLs each.
struct InKafka<'a> {
    names: &'a [String],
    acls: Vec<AclBinding>,
}

impl<'a> InKafka<'a> {
    fn of(names: &'a [String]) -> Self {
        let operations = [AclOperation::Read, AclOperation::Describe];
        let acls = names.iter().flat_map(|n| {
            operations.map(|operation| AclBinding {
                resource_type: AclResourceType::Topic,
                resource_name: FLOOR.to_owned(),
                pattern_type: AclPatternType::Literal,
                principal: format!("User:{n}"),
                host: "*".to_owned(),
                operation,
                permission: AclPermission::Allow,
            })
        });
        Self {
            names,
            acls: acls.collect(),
        }
    }

    fn quotas(&self, rate: Option<f64>) -> Vec<QuotaChange> {
        let quota = |n: &String| QuotaChange {
            entity: QuotaEntity::user(Some(n)),
            ops: vec![("producer_byte_rate".to_owned(), rate)],
        };
        self.names.iter().map(quota).collect()
    }

    async fn make(&self, kafka: &Client) -> Result<()> {
        let quotas = self.quotas(Some(1_000_000.0));
        kafka.alter_client_quotas(&quotas, false).await?;
        kafka.create_acls(&self.acls).await?;
        Ok(())
    }

    async fn take_away(&self, kafka: &Client) -> Result<()> {
        kafka.alter_client_quotas(&self.quotas(None), false).await?;
        kafka.delete_acls(&self.acls).await?;
        Ok(())
    }
}

/// Kafka's part of users' lifecycles, again and again, and nobody else's.
pub async fn users_in_kafka_alone(node: &Node, count: usize, lifecycles: usize) -> Result<()> {
    let names = names(count);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let in_kafka = InKafka::of(&names);
    for _ in 0..lifecycles {
        in_kafka.make(&kafka).await?;
        kafka.describe_acls(&AclFilter::any()).await?;
        in_kafka.take_away(&kafka).await?;
    }
    Ok(())
}

/// Users with a Secret, a quota and two ACLs each: until they are Ready, and until they are gone, in seconds. Nothing is
/// signed.
pub async fn users(node: &Node, count: usize) -> Result<(f64, f64)> {
    let names = names(count);
    let users = Objects::unattended(node, "KafkaUser", &names)?;
    let acls = Objects::unattended(node, "KafkaACL", &names)?;
    let secrets = Objects::of(node, &ApiResource::erase::<Secret>(&()), &names);
    let kafka = node.kafka(NAMESPACE, CLUSTER).await?;
    let user = users::users(FLOOR, 1).pop().context("a user")?;
    let acl = users::acls(FLOOR, 1).pop().context("an ACL")?;
    // As large as a certificate, its key and its authority are.
    let secret = json!({"stringData": {"tls.crt": "x".repeat(1500), "tls.key": "x".repeat(240), "ca.crt": "x".repeat(750)}});
    let in_kafka = InKafka::of(&names);
    let mut steps = Steps::begin();
    users.create(&user).await?;
    acls.create(&acl).await?;
    steps.done("create");
    secrets.create(&secret).await?;
    steps.done("secrets");
    in_kafka.make(&kafka).await?;
    steps.done("kafka");
    users.say(1, json!({"secret": FLOOR})).await?;
    acls.say(1, json!({})).await?;
    steps.done("status");
    let ready = steps.end();
    let mut steps = Steps::begin();
    users.delete().await?;
    acls.delete().await?;
    secrets.delete().await?;
    steps.done("delete");
    in_kafka.take_away(&kafka).await?;
    steps.done("kafka");
    Ok((ready, steps.end()))
}

/// When each step was done.
struct Steps(Instant, Vec<(&'static str, Duration)>);

impl Steps {
    fn begin() -> Self {
        Self(Instant::now(), Vec::new())
    }

    fn done(&mut self, step: &'static str) {
        self.1.push((step, self.0.elapsed()));
    }

    fn end(self) -> f64 {
        println!("floor, each step until: {:.2?}", self.1);
        self.1.last().map_or(0.0, |(_, took)| took.as_secs_f64())
    }
}
