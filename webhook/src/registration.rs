//! How API servers learn of the webhook: its `ValidatingWebhookConfiguration`, and keeping it as it should be.
//!
//! Owns the object's content and writes it only when it differs. When to write, and which certificates go into it, is
//! `sdm_runtime::webhook_ca`'s business.

use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MatchCondition, RuleWithOperations, ServiceReference, ValidatingWebhook,
        ValidatingWebhookConfiguration, WebhookClientConfig,
    },
};
use kube::{Api, Client, api::ObjectMeta};
use sdm_runtime::{apply, health::CheckHandle, webhook_ca};

use crate::{decide, server};

/// Name of the object, and field manager of what is written into it.
pub const NAME: &str = "sdm-webhook";
/// Name of the one webhook in it, as users read it in refusals.
pub const WEBHOOK: &str = "validate.kafka.sdm.dev";

/// Where API servers reach the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The Service `sdm-webhook` of this namespace.
    Service {
        /// The namespace.
        namespace: String,
    },
    /// `https://host:port`: for a webhook that runs outside the cluster.
    Url(String),
}

/// The object as it should be, but for the certificates to trust.
#[must_use]
pub fn desired(endpoint: &Endpoint) -> ValidatingWebhookConfiguration {
    let client_config = match endpoint {
        Endpoint::Service { namespace } => WebhookClientConfig {
            service: Some(ServiceReference {
                name: "sdm-webhook".to_owned(),
                namespace: namespace.clone(),
                path: Some(server::PATH.to_owned()),
                port: Some(443),
            }),
            ..WebhookClientConfig::default()
        },
        Endpoint::Url(url) => WebhookClientConfig {
            url: Some(format!("{}{}", url.trim_end_matches('/'), server::PATH)),
            ..WebhookClientConfig::default()
        },
    };
    let one = |word: &str| Some(vec![word.to_owned()]);
    let rule = RuleWithOperations {
        api_groups: one(sdm_api::GROUP),
        api_versions: one(sdm_api::VERSION),
        // No subresources: a status says what is, which nobody can refuse. No DELETE: nothing here blocks a deletion.
        resources: Some(decide::resources().map(str::to_owned).collect()),
        operations: Some(vec!["CREATE".to_owned(), "UPDATE".to_owned()]),
        scope: Some("*".to_owned()),
    };
    let webhook = ValidatingWebhook {
        name: WEBHOOK.to_owned(),
        client_config,
        rules: Some(vec![rule]),
        // Only our own kinds ever wait for us, so a webhook that is down stops nothing else.
        failure_policy: Some("Fail".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(5),
        admission_review_versions: vec!["v1".to_owned()],
        // What is on its way out is not reviewed at all: a webhook that is down must not keep finalizers in place.
        match_conditions: Some(vec![MatchCondition {
            name: "not-being-deleted".to_owned(),
            expression: "!has(object.metadata.deletionTimestamp)".to_owned(),
        }]),
        ..ValidatingWebhook::default()
    };
    let labels = [
        ("app.kubernetes.io/name", "sdm"),
        ("app.kubernetes.io/component", "sdm-webhook"),
    ];
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(
                labels
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![webhook]),
    }
}

/// The object at the API server.
pub struct Registration {
    api: Api<ValidatingWebhookConfiguration>,
    desired: ValidatingWebhookConfiguration,
    managed: bool,
    seen: CheckHandle,
}

impl Registration {
    /// With `managed` false the object is only ever read: somebody else (GitOps, a certificate injector) writes it.
    /// `seen` passes once API servers can know of us, or at once if that is not ours to bring about.
    #[must_use]
    pub fn new(client: Client, endpoint: &Endpoint, managed: bool, seen: CheckHandle) -> Self {
        if managed {
            seen.set_ready(
                false,
                format!("ValidatingWebhookConfiguration {NAME} not written yet"),
            );
        } else {
            seen.set_ready(true, "");
        }
        Self {
            api: Api::all(client),
            desired: desired(endpoint),
            managed,
            seen,
        }
    }

    /// Whether `observed` says all that it should, certificates aside.
    fn is_current(&self, observed: &ValidatingWebhookConfiguration) -> bool {
        // Neither can fail: both are plain data.
        match (
            serde_json::to_value(&self.desired),
            serde_json::to_value(observed),
        ) {
            (Ok(desired), Ok(observed)) => sdm_core::covers(&desired, &observed),
            _ => false,
        }
    }
}

fn bundle(configuration: &ValidatingWebhookConfiguration) -> String {
    let webhook = configuration
        .webhooks
        .iter()
        .flatten()
        .find(|webhook| webhook.name == WEBHOOK);
    let bundle = webhook.and_then(|webhook| webhook.client_config.ca_bundle.as_ref());
    bundle
        .map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned())
        .unwrap_or_default()
}

impl webhook_ca::Registration for Registration {
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        let Some(observed) = self.api.get_opt(NAME).await? else {
            return Ok(None);
        };
        if self.managed && !self.is_current(&observed) {
            // As good as none: it is written anew. During an upgrade both versions do so for a minute, and the newer
            // one stays.
            return Ok(None);
        }
        self.seen.set_ready(true, "");
        Ok(Some(vec![bundle(&observed)]))
    }

    async fn publish(&self, pem: &str) -> Result<(), kube::Error> {
        let observed = self.api.get_opt(NAME).await?;
        let current =
            observed.is_some_and(|observed| self.is_current(&observed) && bundle(&observed) == pem);
        if !current && !self.managed {
            tracing::warn!(
                object = NAME,
                "the registration does not trust the webhook's certificates yet"
            );
        } else if !current {
            let mut object = self.desired.clone();
            for webhook in object.webhooks.iter_mut().flatten() {
                webhook.client_config.ca_bundle = Some(ByteString(pem.as_bytes().to_vec()));
            }
            apply::apply(&self.api, NAME, &object).await?;
            tracing::info!(object = NAME, "registered");
        }
        self.seen.set_ready(true, "");
        Ok(())
    }
}
