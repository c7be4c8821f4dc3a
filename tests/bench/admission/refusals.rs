//! One topic too large, refused: by a policy of ours in the webhook, and by the same rule in CEL as a
//! ValidatingAdmissionPolicy, which the API server evaluates itself. From the client's side, in turns.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use sdm_api::{KafkaPolicy, KafkaTopic};
use sdm_tests::control_plane::ControlPlane;
use sdm_tests::wait::until;
use serde_json::json;

use crate::{Figures, PATIENCE, median};

const TURNS: usize = 100;
const NAMESPACE: &str = "default";

/// The figures.
pub async fn measure(plane: &ControlPlane, figures: &mut Figures) -> Result<()> {
    let client = plane.client.clone();
    let topics: Api<KafkaTopic> = Api::namespaced(client.clone(), NAMESPACE);
    for name in ["topic-by-webhook", "topic-by-vap"] {
        let topic = super::topic(NAMESPACE, name, json!({"partitions": 1, "replicas": 3}));
        topics
            .create(&PostParams::default(), &serde_json::from_value(topic)?)
            .await?;
    }
    let ours: KafkaPolicy = serde_json::from_value(json!({
        "metadata": {"name": "bench-ours"},
        "spec": {"match": {"namespaces": [NAMESPACE], "kinds": ["KafkaTopic"]},
            "cel": [{"name": "few", "rule": "object.spec.partitions <= 90", "message": "too many for the bench"}]},
    }))?;
    Api::all(client.clone())
        .create(&PostParams::default(), &ours)
        .await?;
    let theirs: ValidatingAdmissionPolicy = serde_json::from_value(json!({
        "metadata": {"name": "bench-theirs"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": ["kafka.sdm.dev"], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["kafkatopics"], "resourceNames": ["topic-by-vap"]}]},
            "validations": [{"expression": "object.spec.partitions <= 90", "message": "too many for the bench"}],
        },
    }))?;
    Api::all(client.clone())
        .create(&PostParams::default(), &theirs)
        .await?;
    let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
        "metadata": {"name": "bench-theirs"},
        "spec": {"policyName": "bench-theirs", "validationActions": ["Deny"]},
    }))?;
    Api::all(client)
        .create(&PostParams::default(), &binding)
        .await?;

    for (name, by) in [
        ("topic-by-webhook", "policy bench-ours"),
        ("topic-by-vap", "ValidatingAdmissionPolicy"),
    ] {
        until("both to refuse", PATIENCE, || async {
            let (said, _) = refused(&topics, name).await?;
            ensure!(said.contains(by), "{said}");
            Ok(Some(()))
        })
        .await?;
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(refused(&topics, "topic-by-webhook").await?.1.as_secs_f64() * 1e3);
        theirs.push(refused(&topics, "topic-by-vap").await?.1.as_secs_f64() * 1e3);
    }
    figures.insert("refusal_by_webhook_ms", median(ours));
    figures.insert("refusal_by_vap_ms", median(theirs));
    Ok(())
}

async fn refused(topics: &Api<KafkaTopic>, name: &str) -> Result<(String, Duration)> {
    let patch = Patch::Merge(json!({"spec": {"partitions": 99}}));
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let began = Instant::now();
    let said = topics.patch(name, &params, &patch).await;
    let took = began.elapsed();
    Ok((said.err().context("it was let through")?.to_string(), took))
}
