//! An API server that takes no statuses for a while: what could not be said is said once it can be.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource};
use sdm_api::condition::Reports;
use sdm_api::{KafkaACL, KafkaAccessGrant, KafkaRole, KafkaTopic, KafkaUser};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::simulated::{Simulated, object, ready, topic};

/// The name of everything here.
const NAME: &str = "unsaid";

/// What refuses all statuses of what namespaces declare.
fn refusal() -> Result<(ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding)> {
    let policy = json!({
        "metadata": {"name": NAME},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["kafka.sdm.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": [
                    "kafkatopics/status", "kafkausers/status", "kafkaroles/status", "kafkaacls/status",
                    "kafkaaccessgrants/status",
                ],
            }]},
            "validations": [{"expression": "false", "message": "not now"}],
        },
    });
    let binding = json!({
        "metadata": {"name": NAME}, "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    });
    Ok((
        serde_json::from_value(policy)?,
        serde_json::from_value(binding)?,
    ))
}

/// Creates one, and waits until its status was refused.
async fn unsaid<K>(simulated: &Simulated, spec: &Value) -> Result<()>
where
    K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
{
    let one = object::<K>(NAME, spec)?;
    let api: Api<K> = simulated.api();
    api.create(&PostParams::default(), &one).await?;
    let kind = K::kind(&());
    simulated
        .until("its status to be refused", || async {
            let refused =
                |line: &Value| line["message"] == "status not written" && line["kind"] == *kind;
            ensure!(simulated.log()?.iter().any(refused), "{kind}");
            Ok(Some(()))
        })
        .await
}

async fn said<K>(simulated: &Simulated) -> Result<()>
where
    K: Reports
        + Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let api: Api<K> = simulated.api();
    simulated
        .until("it to be Ready", || async {
            let (ready, _) = ready(&api, NAME).await?;
            let (kind, reason) = (K::kind(&()), ready.reason);
            ensure!(ready.status == "True", "{kind}: {reason}");
            Ok(Some(()))
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_said_is_said_once_it_can_be() -> Result<()> {
    let simulated = Simulated::start("statuses").await?;
    simulated.create(vec![topic("probe", "Correct")?]).await?;
    let (policy, binding) = refusal()?;
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(simulated.client().clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(simulated.client().clone());
    policies.create(&PostParams::default(), &policy).await?;
    bindings.create(&PostParams::default(), &binding).await?;
    let trial = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let probe = Patch::Merge(json!({"status": {"drift": ["none"]}}));
    simulated
        .until("statuses to be refused", || async {
            let tried = simulated.topics.patch_status("probe", &trial, &probe).await;
            Ok(tried.is_err().then_some(()))
        })
        .await?;

    let cluster = json!({"name": "case"});
    let rules = json!({"rules": [{"resource": "topic", "operations": ["Read"]}]});
    unsaid::<KafkaRole>(&simulated, &rules).await?;
    let partitions = json!({"clusterRef": cluster, "partitions": 1});
    unsaid::<KafkaTopic>(&simulated, &partitions).await?;
    let user = json!({"clusterRef": cluster, "authentication": "external", "principal": NAME});
    unsaid::<KafkaUser>(&simulated, &user).await?;
    let acl = json!({
        "clusterRef": cluster, "roles": [NAME], "subjects": [{"kind": "KafkaUser", "name": NAME}],
        "resources": [{"type": "topic", "name": NAME}],
    });
    unsaid::<KafkaACL>(&simulated, &acl).await?;
    let grant = json!({"clusterRef": cluster, "namespaces": ["other"], "topics": [{"name": NAME}]});
    unsaid::<KafkaAccessGrant>(&simulated, &grant).await?;

    bindings.delete(NAME, &DeleteParams::default()).await?;
    said::<KafkaRole>(&simulated).await?;
    said::<KafkaTopic>(&simulated).await?;
    said::<KafkaUser>(&simulated).await?;
    said::<KafkaACL>(&simulated).await?;
    said::<KafkaAccessGrant>(&simulated).await?;
    simulated.finish()
}
