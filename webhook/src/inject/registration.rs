//! How API servers learn of injection: a `MutatingWebhookConfiguration` of its own. It never blocks a Pod: one that asks
//! while no webhook answers starts without what it asked for.

use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement},
};
use kube::{Api, Client, api::ObjectMeta};
use sdm_api::inject::{ANNOTATION, OPT_OUT};
use sdm_runtime::{apply, health::CheckHandle, webhook_ca};

use crate::registration::{self, Endpoint};

/// Name of the object.
pub const NAME: &str = "sdm-webhook-inject";
/// Name of the one webhook in it, as users read it in refusals.
pub const WEBHOOK: &str = "inject.kafka.sdm.dev";

/// The object as it should be, but for the certificates to trust. `own` is our own namespace, whose Pods must start
/// without us.
#[must_use]
pub fn desired(endpoint: &Endpoint, own: &str) -> MutatingWebhookConfiguration {
    let one = |word: &str| Some(vec![word.to_owned()]);
    let rule = RuleWithOperations {
        api_groups: one(""),
        api_versions: one("v1"),
        resources: one("pods"),
        operations: one("CREATE"),
        scope: Some("Namespaced".to_owned()),
    };
    let elsewhere = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(vec!["kube-system".to_owned(), own.to_owned()]),
    };
    let annotations = "object.metadata.annotations";
    let webhook = MutatingWebhook {
        name: WEBHOOK.to_owned(),
        client_config: endpoint.client_config(super::PATH),
        rules: Some(vec![rule]),
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        // Others may add containers after us.
        reinvocation_policy: Some("IfNeeded".to_owned()),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(3),
        admission_review_versions: vec!["v1".to_owned()],
        namespace_selector: Some(LabelSelector {
            match_expressions: Some(vec![elsewhere]),
            ..LabelSelector::default()
        }),
        // Whoever does not ask never waits for us.
        match_conditions: Some(vec![MatchCondition {
            name: "asks".to_owned(),
            expression: format!(
                "has({annotations}) && '{ANNOTATION}' in {annotations} && {annotations}['{ANNOTATION}'] != '{OPT_OUT}'"
            ),
        }]),
        ..MutatingWebhook::default()
    };
    let labels = [
        ("app.kubernetes.io/name", "sdm"),
        ("app.kubernetes.io/component", "sdm-webhook"),
    ];
    MutatingWebhookConfiguration {
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
pub struct Mutating {
    api: Api<MutatingWebhookConfiguration>,
    desired: MutatingWebhookConfiguration,
    managed: bool,
    seen: CheckHandle,
}

impl Mutating {
    /// With `managed` false the object is only ever read: somebody else writes it, or does without. `seen` passes once API
    /// servers can know of us, or at once if that is not ours to bring about.
    #[must_use]
    pub fn new(
        client: Client,
        desired: MutatingWebhookConfiguration,
        managed: bool,
        seen: CheckHandle,
    ) -> Self {
        match managed {
            true => seen.set_ready(
                false,
                format!("MutatingWebhookConfiguration {NAME} not written yet"),
            ),
            false => seen.set_ready(true, ""),
        }
        Self {
            api: Api::all(client),
            desired,
            managed,
            seen,
        }
    }

    /// Whether `observed` says all that it should, certificates aside.
    fn is_current(&self, observed: &MutatingWebhookConfiguration) -> bool {
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

fn bundles(configuration: &MutatingWebhookConfiguration) -> Vec<String> {
    let bundle = |webhook: &MutatingWebhook| {
        let bundle = webhook.client_config.ca_bundle.as_ref();
        bundle
            .map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned())
            .unwrap_or_default()
    };
    let webhooks = configuration.webhooks.iter().flatten();
    webhooks.map(bundle).collect()
}

impl webhook_ca::Registration for Mutating {
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        match self.api.get_opt(NAME).await? {
            Some(observed) if !self.managed || self.is_current(&observed) => {
                self.seen.set_ready(true, "");
                Ok(Some(bundles(&observed)))
            }
            // One that is not ours to write may be missing: then nobody is sent to us, and nobody has to trust us.
            None if !self.managed => Ok(Some(Vec::new())),
            _ => Ok(None),
        }
    }

    async fn publish(&self, pem: &str) -> Result<(), kube::Error> {
        if !self.managed {
            return Ok(());
        }
        let observed = self.api.get_opt(NAME).await?;
        let current = observed.is_some_and(|observed| {
            self.is_current(&observed) && bundles(&observed).iter().all(|bundle| bundle == pem)
        });
        if !current {
            let mut object = self.desired.clone();
            for webhook in object.webhooks.iter_mut().flatten() {
                webhook.client_config.ca_bundle = Some(ByteString(pem.as_bytes().to_vec()));
            }
            apply::apply(&self.api, registration::NAME, &object).await?;
            tracing::info!(object = NAME, "registered");
        }
        self.seen.set_ready(true, "");
        Ok(())
    }
}

/// Two registrations that carry the same certificates.
pub struct Both<A, B>(pub A, pub B);

impl<A: webhook_ca::Registration, B: webhook_ca::Registration> webhook_ca::Registration
    for Both<A, B>
{
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        let (one, other) = (self.0.observed().await?, self.1.observed().await?);
        Ok(one.zip(other).map(|(mut one, other)| {
            one.extend(other);
            one
        }))
    }

    async fn publish(&self, bundle: &str) -> Result<(), kube::Error> {
        self.0.publish(bundle).await?;
        self.1.publish(bundle).await
    }
}
