//! Acceptance: bad specs are refused with the field's path and a sentence, and
//! nothing else is disturbed.

use anyhow::Result;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::{Api, Client};
use sdm_api::KafkaCluster;
use sdm_tests::control_plane::ControlPlane;
use serde_json::Value;

use crate::cases::{BY_SCHEMA, Case, good};

/// Clusters as the API server sees them, whatever is in them.
pub fn clusters(client: Client) -> Api<DynamicObject> {
    Api::namespaced_with(
        client,
        "default",
        &kube::core::ApiResource::erase::<KafkaCluster>(&()),
    )
}

/// Applies a case and returns what the API server said.
pub async fn refusal(api: &Api<DynamicObject>, case: &Case) -> Result<String> {
    let mut object = good("case");
    if let Some(before) = case.before {
        before(&mut object);
        api.create(
            &PostParams::default(),
            &serde_json::from_value(object.clone())?,
        )
        .await?;
    }
    (case.change)(&mut object);
    let answer = if case.before.is_some() {
        let current = api.get("case").await?;
        object["metadata"]["resourceVersion"] =
            Value::from(current.metadata.resource_version.unwrap_or_default());
        let answer = api
            .replace(
                "case",
                &PostParams::default(),
                &serde_json::from_value(object)?,
            )
            .await;
        api.delete("case", &DeleteParams::default()).await?;
        answer
    } else {
        api.create(
            &PostParams {
                dry_run: true,
                ..Default::default()
            },
            &serde_json::from_value(object)?,
        )
        .await
    };
    match answer {
        Ok(_) => anyhow::bail!("accepted"),
        Err(kube::Error::Api(status)) => Ok(status.message),
        Err(other) => Err(other.into()),
    }
}

#[tokio::test]
async fn the_api_server_alone_refuses_what_one_object_can_say_about_itself() -> Result<()> {
    let plane = ControlPlane::start("bad-specs").await?;
    let api = clusters(plane.client.clone());
    api.create(
        &PostParams::default(),
        &serde_json::from_value(good("innocent"))?,
    )
    .await?;
    let before = api.get("innocent").await?;
    let mut wrong = Vec::new();
    for case in BY_SCHEMA {
        match refusal(&api, case).await {
            Ok(message) if message.contains(case.path) && message.contains(case.sentence) => {}
            Ok(message) => wrong.push(format!("{}: {message}", case.name)),
            Err(error) => wrong.push(format!("{}: {error:#}", case.name)),
        }
    }
    assert!(
        wrong.is_empty(),
        "of {} cases:\n{}",
        BY_SCHEMA.len(),
        wrong.join("\n")
    );
    assert_eq!(
        before.metadata.resource_version,
        api.get("innocent").await?.metadata.resource_version
    );
    Ok(())
}

#[tokio::test]
async fn defaults_are_visible_in_the_stored_object() -> Result<()> {
    let plane = ControlPlane::start("defaults").await?;
    let api = clusters(plane.client.clone());
    let stored = api
        .create(
            &PostParams::default(),
            &serde_json::from_value(good("plain"))?,
        )
        .await?;
    let at = |path: &str| stored.data.pointer(path).cloned();
    assert_eq!(at("/spec/listeners/0/name"), Some("clients".into()));
    assert_eq!(at("/spec/listeners/0/tls"), Some("mtls".into()));
    assert_eq!(at("/spec/deletionPolicy"), Some("Retain".into()));
    assert_eq!(
        at("/spec/rackAwareness/topologyKey"),
        Some("topology.kubernetes.io/zone".into())
    );
    Ok(())
}
