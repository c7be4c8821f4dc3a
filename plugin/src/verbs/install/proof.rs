//! The proof that an installation works: the API server takes a good KafkaCluster and the webhook refuses a bad one.
//!
//! Both are dry runs: nothing is ever stored. The bad one breaks a rule that the resource type itself cannot check, so
//! only the webhook can refuse it.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::Api;
use kube::api::PostParams;
use sdm_api::KafkaCluster;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::exit::{Code, Failure, Result, is_admission};
use crate::session::Session;

/// Name of the webhook's registration.
pub const REGISTRATION: &str = "sdm-webhook";
/// A namespace that always exists and that the webhook watches.
const NAMESPACE: &str = "default";
const PERIOD: Duration = Duration::from_millis(250);

/// Waits for the proof.
///
/// # Errors
/// When the time is up, with what is missing.
pub async fn wait(session: &Session, deadline: Instant) -> Result<()> {
    let mut told = String::new();
    loop {
        let missing = match attempt(session).await {
            Ok(()) => {
                session.output.progress(
                    "admission: a good KafkaCluster passes, a bad one is refused (dry run)",
                );
                return Ok(());
            }
            Err(missing) => missing,
        };
        if missing != told {
            session.output.progress(format!("admission: {missing}"));
            told.clone_from(&missing);
        }
        if Instant::now() >= deadline {
            return Err(Failure::new(
                Code::TimedOut,
                format!("admission does not work: {missing}"),
            )
            .at(&session.place)
            .hint("kubectl logs -n sdm-system deployment/sdm-webhook"));
        }
        sleep(PERIOD).await;
    }
}

/// One try; the error is the sentence about what is missing.
async fn attempt(session: &Session) -> Result<(), String> {
    let registrations: Api<ValidatingWebhookConfiguration> = Api::all(session.client.clone());
    match registrations.get_metadata_opt(REGISTRATION).await {
        Ok(Some(_)) => {}
        Ok(None) => return Err("the webhook has not registered itself yet".to_owned()),
        Err(e) => return Err(e.to_string()),
    }
    let good = cluster("sdm-install-proof", 0).ok_or("the sample cannot be made")?;
    let bad = cluster("sdm-install-proof", STRANGER).ok_or("the sample cannot be made")?;
    let api: Api<KafkaCluster> = Api::namespaced(session.client.clone(), NAMESPACE);
    let params = PostParams {
        dry_run: true,
        field_manager: Some(super::MANAGER.to_owned()),
    };
    let (good, bad) = tokio::join!(api.create(&params, &good), api.create(&params, &bad));
    match good {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(e) => {
            return Err(format!(
                "a good KafkaCluster is refused: {}",
                Failure::from(e)
            ));
        }
    }
    match bad {
        Err(kube::Error::Api(status)) if is_admission(&status.message) => Ok(()),
        Err(e) => Err(format!(
            "a bad KafkaCluster is refused, but not by the webhook: {}",
            Failure::from(e)
        )),
        Ok(_) => Err(
            "a bad KafkaCluster is not refused: the API server does not ask the webhook yet"
                .to_owned(),
        ),
    }
}

/// A node id that is in no pool.
const STRANGER: i32 = 99;

/// A cluster of three nodes, which no rule warns of, and an override for node `overridden`.
fn cluster(name: &str, overridden: i32) -> Option<KafkaCluster> {
    serde_json::from_value(json!({
        "apiVersion": "kafka.sdm.dev/v1beta1",
        "kind": "KafkaCluster",
        "metadata": {"name": name},
        "spec": {
            "pools": [{
                "name": "nodes",
                "roles": ["broker", "controller"],
                "nodeIds": [0, 1, 2],
                "storage": {"volumes": [{"name": "data", "size": "1Gi"}]}
            }],
            "overrides": [{"nodeIds": [overridden], "config": {"num.io.threads": "8"}}]
        }
    }))
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_webhooks_own_rules_take_one_sample_and_refuse_the_other() {
        let resolved = |overridden| {
            let mut cluster = cluster("a", overridden).unwrap();
            cluster.metadata.namespace = Some(NAMESPACE.to_owned());
            sdm_core::resolve(&cluster, None)
        };
        let (_, warnings) = resolved(0).unwrap();
        assert!(warnings.is_empty(), "a user would see them: {warnings:?}");
        let review = resolved(STRANGER).unwrap_err();
        assert!(
            review
                .violations
                .iter()
                .any(|v| v.path.contains("overrides")),
            "{review:?}"
        );
    }
}
