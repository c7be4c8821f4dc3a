//! Acceptance: what one object cannot say about itself is refused by the webhook,
//! with every violation; and with no webhook it ends in `Stalled` with the same
//! sentence, while the others go on.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kube::{Api, Client};
use sdm_api::KafkaCluster;
use sdm_tests::control_plane::{ControlPlane, free_ports};
use sdm_tests::process::{Process, Spawn};
use sdm_tests::wait::until;

use crate::bad_specs::{clusters, refusal};
use crate::cases::{BY_VALIDATION, good};

/// The webhook on this machine.
pub fn spawn_webhook(plane: &ControlPlane, further: &[String]) -> Result<Process> {
    let [port, health] = free_ports()?;
    let arguments = [
        format!("--address=127.0.0.1:{port}"),
        format!("--health-address=127.0.0.1:{health}"),
        format!("--url=https://127.0.0.1:{port}"),
    ];
    Spawn::new(
        &sdm_tests::paths::program("sdm-webhook"),
        arguments.into_iter().chain(further.iter().cloned()),
        plane.dir.join("webhook.log"),
    )
    .env("KUBECONFIG", &plane.kubeconfig)
    .env("POD_NAMESPACE", "default")
    .start()
}

/// The webhook on this machine, registered by address.
pub async fn start_webhook(plane: &ControlPlane) -> Result<Process> {
    let process = spawn_webhook(plane, &[])?;
    let api = clusters(plane.client.clone());
    until("the webhook to refuse", Duration::from_secs(30), || async {
        let message = refusal(&api, &BY_VALIDATION[0]).await?;
        Ok(message.contains(BY_VALIDATION[0].sentence).then_some(()))
    })
    .await?;
    Ok(process)
}

/// Nobody is asked any more.
pub async fn unregister(client: &Client) -> Result<()> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    api.delete("sdm-webhook", &DeleteParams::default()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_webhook_refuses_and_without_it_the_controller_stalls() -> Result<()> {
    let plane = ControlPlane::start("admission").await?;
    let api = clusters(plane.client.clone());
    let mut webhook = start_webhook(&plane).await?;
    api.create(
        &PostParams::default(),
        &serde_json::from_value(good("innocent"))?,
    )
    .await?;
    let mut wrong = Vec::new();
    for case in BY_VALIDATION {
        match refusal(&api, case).await {
            Ok(message) if message.contains(case.path) && message.contains(case.sentence) => {}
            Ok(message) => wrong.push(format!("{}: {message}", case.name)),
            Err(error) => wrong.push(format!("{}: {error:#}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "at admission:\n{}", wrong.join("\n"));

    // A webhook that is down refuses our kind and holds up no deletion.
    webhook.kill();
    ensure!(
        refusal(&api, &BY_VALIDATION[0])
            .await?
            .contains("validate.kafka.sdm.dev"),
        "refused while the webhook is down"
    );
    api.delete("innocent", &DeleteParams::default()).await?;
    unregister(&plane.client).await?;

    let controller = crate::convergence::start_controller(&plane)?;
    let typed: Api<KafkaCluster> = Api::namespaced(plane.client.clone(), "default");
    for (n, case) in BY_VALIDATION
        .iter()
        .enumerate()
        .filter(|(_, c)| c.before.is_none())
    {
        let name = format!("slipped-{n}");
        let mut object = good(&name);
        (case.change)(&mut object);
        api.create(
            &PostParams::default(),
            &serde_json::from_value::<DynamicObject>(object)?,
        )
        .await?;
        let said = until(
            &format!("'{}' to be Stalled", case.name),
            Duration::from_secs(20),
            || async {
                let conditions = typed
                    .get(&name)
                    .await?
                    .status
                    .map(|s| s.conditions)
                    .unwrap_or_default();
                Ok(conditions
                    .into_iter()
                    .find(|c| c.type_ == "Stalled" && c.status == "True")
                    .map(|c| c.message))
            },
        )
        .await
        .map_err(|e| e.context(controller.tail()))?;
        ensure!(
            said.contains(case.path) && said.contains(case.sentence),
            "{}: {said}",
            case.name
        );
    }
    // Nobody else is held up: a good one is worked on.
    api.create(
        &PostParams::default(),
        &serde_json::from_value(good("good"))?,
    )
    .await?;
    until(
        "the good one to be worked on",
        Duration::from_secs(20),
        || async {
            let status = typed.get("good").await?.status.unwrap_or_default();
            Ok(status.cluster_id.map(drop))
        },
    )
    .await
}

/// A Secret of a user's that happens to have one of our names is neither overwritten nor given an owner that would
/// take it along; the cluster says so, and goes on once it is out of the way.
#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_somebody_elses_is_never_taken_over() -> Result<()> {
    let plane = ControlPlane::start("foreign").await?;
    let secrets: Api<Secret> = Api::namespaced(plane.client.clone(), "default");
    let theirs = Secret {
        metadata: ObjectMeta {
            name: Some("case-admin".into()),
            ..ObjectMeta::default()
        },
        string_data: Some([("password".into(), "theirs".into())].into()),
        ..Secret::default()
    };
    let before = secrets.create(&PostParams::default(), &theirs).await?;
    let controller = crate::convergence::start_controller(&plane)?;
    clusters(plane.client.clone())
        .create(
            &PostParams::default(),
            &serde_json::from_value(good("case"))?,
        )
        .await?;
    let typed: Api<KafkaCluster> = Api::namespaced(plane.client.clone(), "default");
    let said = until(
        "the cluster to be Stalled",
        Duration::from_secs(20),
        || async {
            let status = typed.get("case").await?.status.unwrap_or_default();
            let stalled = status.conditions.into_iter().find(|c| c.type_ == "Stalled");
            Ok(stalled.filter(|c| c.status == "True").map(|c| c.message))
        },
    )
    .await
    .map_err(|e| e.context(controller.tail()))?;
    ensure!(
        said.contains("Secret case-admin exists and does not belong to this cluster"),
        "{said}"
    );
    let after = secrets.get("case-admin").await?;
    ensure!(
        after.metadata.resource_version == before.metadata.resource_version,
        "it was written to"
    );

    secrets
        .delete("case-admin", &DeleteParams::default())
        .await?;
    until("our own to be there", Duration::from_secs(90), || async {
        let found = secrets.get_opt("case-admin").await?;
        Ok(found
            .and_then(|s| s.data)
            .filter(|d| d.contains_key("client.properties"))
            .map(drop))
    })
    .await
    .map_err(|e| e.context(controller.tail()))
}
