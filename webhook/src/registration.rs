//! How API servers learn of the webhook: its `ValidatingWebhookConfiguration` and `MutatingWebhookConfiguration`, and
//! keeping them as they should be.
//!
//! Owns the objects' content and writes it only when it differs. When to write, and which certificates go into it, is
//! `sdm_runtime::webhook_ca`'s business.

use std::collections::BTreeSet;
use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::{
    ByteString,
    api::admissionregistration::v1::{
        MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations,
        ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration, WebhookClientConfig,
    },
};
use kube::{Api, Client, Resource, api::ObjectMeta};
use sdm_api::names::OPERATOR_NAMESPACE;
use sdm_api::policy::PolicyKind;
use sdm_runtime::{apply, health::CheckHandle, webhook_ca};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use crate::{decide, evict, inject, server};

/// Name of both objects, and field manager of what is written into them.
pub const NAME: &str = "sdm-webhook";
/// Name of the webhook that refuses, as users read it in refusals.
pub const WEBHOOK: &str = "validate.kafka.sdm.dev";
/// Name of the webhook that judges evictions, as users read it in refusals.
pub const EVICTIONS: &str = "evict.kafka.sdm.dev";
/// Name of the webhook that fills in.
pub const DEFAULTS: &str = "default.kafka.sdm.dev";

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

impl Endpoint {
    /// All namespaces but those that Kubernetes and the operator live by: no Kafka and no client is there, and what runs
    /// in them never waits for us.
    pub(crate) fn elsewhere(&self) -> LabelSelector {
        let own = match self {
            Self::Service { namespace } => namespace.clone(),
            Self::Url(_) => OPERATOR_NAMESPACE.to_owned(),
        };
        LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: "kubernetes.io/metadata.name".to_owned(),
                operator: "NotIn".to_owned(),
                values: Some(vec!["kube-system".to_owned(), own]),
            }]),
            ..LabelSelector::default()
        }
    }

    pub(crate) fn client_config(&self, path: &str) -> WebhookClientConfig {
        match self {
            Self::Service { namespace } => WebhookClientConfig {
                service: Some(ServiceReference {
                    name: "sdm-webhook".to_owned(),
                    namespace: namespace.clone(),
                    path: Some(path.to_owned()),
                    port: Some(443),
                }),
                ..WebhookClientConfig::default()
            },
            Self::Url(url) => WebhookClientConfig {
                url: Some(format!("{}{path}", url.trim_end_matches('/'))),
                ..WebhookClientConfig::default()
            },
        }
    }
}

/// No subresources: a status says what is, which nobody can refuse. No DELETE: nothing here blocks a deletion.
fn rule<'r>(
    resources: impl Iterator<Item = &'r str>,
    operations: &[&str],
) -> Vec<RuleWithOperations> {
    let one = |word: &str| Some(vec![word.to_owned()]);
    vec![RuleWithOperations {
        api_groups: one(sdm_api::GROUP),
        api_versions: one(sdm_api::VERSION),
        resources: Some(resources.map(str::to_owned).collect()),
        operations: Some(operations.iter().map(|&o| o.to_owned()).collect()),
        scope: Some("*".to_owned()),
    }]
}

fn metadata() -> ObjectMeta {
    let labels = [
        ("app.kubernetes.io/name", "sdm"),
        ("app.kubernetes.io/component", "sdm-webhook"),
    ];
    ObjectMeta {
        name: Some(NAME.to_owned()),
        labels: Some(
            labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
        ),
        ..ObjectMeta::default()
    }
}

/// What refuses, as it should be but for the certificates to trust.
#[must_use]
pub fn desired(endpoint: &Endpoint) -> ValidatingWebhookConfiguration {
    let webhook = ValidatingWebhook {
        name: WEBHOOK.to_owned(),
        client_config: endpoint.client_config(server::PATH),
        rules: Some(rule(decide::resources(), &["CREATE", "UPDATE"])),
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
    ValidatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![webhook, evictions(endpoint)]),
    }
}

/// Evictions of Pods, ours or not: what a review of one says about the Pod is its name.
fn evictions(endpoint: &Endpoint) -> ValidatingWebhook {
    let one = |word: &str| Some(vec![word.to_owned()]);
    ValidatingWebhook {
        name: EVICTIONS.to_owned(),
        client_config: endpoint.client_config(evict::PATH),
        rules: Some(vec![RuleWithOperations {
            api_groups: one(""),
            api_versions: one("v1"),
            resources: one("pods/eviction"),
            operations: one("CREATE"),
            scope: Some("Namespaced".to_owned()),
        }]),
        // Without it disruption budgets still hold, and no drain hangs on us.
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(endpoint.elsewhere()),
        // A question to the controller.
        side_effects: "NoneOnDryRun".to_owned(),
        timeout_seconds: Some(3),
        admission_review_versions: vec!["v1".to_owned()],
        ..ValidatingWebhook::default()
    }
}

/// What fills in and what gives Pods an identity, as it should be but for the certificates to trust. Only the kinds that
/// policies fill something in for are `filled_in`: no other is sent here to come back as it was.
#[must_use]
pub fn desired_mutating(
    endpoint: &Endpoint,
    filled_in: &BTreeSet<PolicyKind>,
) -> MutatingWebhookConfiguration {
    let webhook = MutatingWebhook {
        name: DEFAULTS.to_owned(),
        client_config: endpoint.client_config(server::DEFAULTS_PATH),
        rules: Some(match filled_in.is_empty() {
            true => Vec::new(),
            false => rule(decide::plurals(filled_in), &["CREATE"]),
        }),
        // An object without defaults is refused afterwards, if that matters to anybody.
        failure_policy: Some("Ignore".to_owned()),
        match_policy: Some("Equivalent".to_owned()),
        reinvocation_policy: Some("IfNeeded".to_owned()),
        side_effects: "None".to_owned(),
        timeout_seconds: Some(3),
        admission_review_versions: vec!["v1".to_owned()],
        ..MutatingWebhook::default()
    };
    MutatingWebhookConfiguration {
        metadata: metadata(),
        webhooks: Some(vec![webhook, inject::registration::webhook(endpoint)]),
    }
}

/// The kinds of which API servers are told to send new ones for defaults.
pub async fn served(client: &Client) -> Result<BTreeSet<PolicyKind>, kube::Error> {
    let api: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let observed = api.get_opt(NAME).await?;
    Ok(observed.as_ref().map(sent).unwrap_or_default())
}

fn sent(observed: &MutatingWebhookConfiguration) -> BTreeSet<PolicyKind> {
    let webhooks = observed.webhooks.iter().flatten();
    let rules = webhooks
        .filter(|webhook| webhook.name == DEFAULTS)
        .flat_map(|webhook| webhook.rules.iter().flatten());
    let resources: BTreeSet<&str> = rules
        .flat_map(|rule| rule.resources.iter().flatten().map(String::as_str))
        .collect();
    let is_sent = |kind: &PolicyKind| {
        let only = BTreeSet::from([*kind]);
        resources.contains("*") || decide::plurals(&only).any(|plural| resources.contains(plural))
    };
    PolicyKind::ALL.into_iter().filter(is_sent).collect()
}

/// An object that registers one webhook.
trait Configuration:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The names of the webhooks in it, and how API servers reach each.
    fn clients(&mut self) -> Vec<(&str, &mut WebhookClientConfig)>;
}

impl Configuration for ValidatingWebhookConfiguration {
    fn clients(&mut self) -> Vec<(&str, &mut WebhookClientConfig)> {
        let webhooks = self.webhooks.iter_mut().flatten();
        webhooks
            .map(|w| (w.name.as_str(), &mut w.client_config))
            .collect()
    }
}

impl Configuration for MutatingWebhookConfiguration {
    fn clients(&mut self) -> Vec<(&str, &mut WebhookClientConfig)> {
        let webhooks = self.webhooks.iter_mut().flatten();
        webhooks
            .map(|w| (w.name.as_str(), &mut w.client_config))
            .collect()
    }
}

/// One of the objects at the API server.
struct Object<K> {
    api: Api<K>,
    desired: K,
    /// The webhook in it that is ours.
    webhook: &'static str,
}

impl<K: Configuration> Object<K> {
    fn new(client: Client, desired: K, webhook: &'static str) -> Self {
        Self {
            api: Api::all(client),
            desired,
            webhook,
        }
    }

    /// Whether `observed` says all that it should, certificates aside.
    fn is_current(&self, observed: &K) -> bool {
        // Neither can fail: both are plain data.
        match (
            serde_json::to_value(&self.desired),
            serde_json::to_value(observed),
        ) {
            (Ok(desired), Ok(observed)) => sdm_core::covers(&desired, &observed),
            _ => false,
        }
    }

    fn bundle(&self, mut observed: K) -> String {
        let clients = observed.clients();
        let ours = clients.iter().find(|(name, _)| *name == self.webhook);
        let bundle = ours.and_then(|(_, client)| client.ca_bundle.as_ref());
        // One that trusts something else is as good as nothing: all are written anew.
        let agree = clients
            .iter()
            .all(|(_, client)| client.ca_bundle.as_ref() == bundle);
        bundle
            .filter(|_| agree)
            .map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned())
            .unwrap_or_default()
    }

    /// The certificates it trusts; none if it is not there, or not as it should be although it is ours to write: that is
    /// as good as none, for it is written anew. During an upgrade both versions do so for a minute, and the newer one
    /// stays.
    async fn observed(&self, managed: bool) -> Result<Option<String>, kube::Error> {
        let observed = self.api.get_opt(NAME).await?;
        let current = observed.filter(|observed| !managed || self.is_current(observed));
        Ok(current.map(|observed| self.bundle(observed)))
    }

    /// Writes it where that is needed.
    async fn publish(&self, pem: &str, managed: bool) -> Result<(), kube::Error> {
        let observed = self.api.get_opt(NAME).await?;
        let there = observed.is_some();
        let current = observed
            .is_some_and(|observed| self.is_current(&observed) && self.bundle(observed) == pem);
        if current {
            return Ok(());
        }
        let kind = K::kind(&());
        if !managed {
            if there {
                tracing::warn!(
                    object = NAME,
                    %kind,
                    "the registration does not trust the webhook's certificates yet"
                );
            }
            return Ok(());
        }
        let mut object = self.desired.clone();
        for (_, client) in object.clients() {
            client.ca_bundle = Some(ByteString(pem.as_bytes().to_vec()));
        }
        apply::apply(&self.api, NAME, &object).await?;
        tracing::info!(object = NAME, %kind, "registered");
        Ok(())
    }
}

/// The objects at the API server.
pub struct Registration {
    client: Client,
    endpoint: Endpoint,
    filled_in: watch::Receiver<BTreeSet<PolicyKind>>,
    managed: bool,
    seen: CheckHandle,
}

impl Registration {
    /// With `managed` false the objects are only ever read: somebody else (GitOps, a certificate injector) writes them,
    /// or leaves the defaults away. `filled_in` says which kinds policies fill something in for. `seen` passes once API
    /// servers can know of us, or at once if that is not ours to bring about.
    #[must_use]
    pub fn new(
        client: Client,
        endpoint: Endpoint,
        filled_in: watch::Receiver<BTreeSet<PolicyKind>>,
        managed: bool,
        seen: CheckHandle,
    ) -> Self {
        if managed {
            seen.set_ready(
                false,
                format!("ValidatingWebhookConfiguration {NAME} not written yet"),
            );
        } else {
            seen.set_ready(true, "");
        }
        Self {
            client,
            endpoint,
            filled_in,
            managed,
            seen,
        }
    }

    fn validating(&self) -> Object<ValidatingWebhookConfiguration> {
        Object::new(self.client.clone(), desired(&self.endpoint), WEBHOOK)
    }

    fn mutating(&self) -> Object<MutatingWebhookConfiguration> {
        let desired = desired_mutating(&self.endpoint, &self.filled_in.borrow());
        Object::new(self.client.clone(), desired, DEFAULTS)
    }
}

impl webhook_ca::Registration for Registration {
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        let validating = self.validating().observed(self.managed).await?;
        let mutating = self.mutating().observed(self.managed).await?;
        Ok(match (validating, mutating) {
            (Some(validating), Some(mutating)) => {
                self.seen.set_ready(true, "");
                Some(vec![validating, mutating])
            }
            (Some(validating), None) if !self.managed => Some(vec![validating]),
            _ => None,
        })
    }

    async fn publish(&self, pem: &str) -> Result<(), kube::Error> {
        self.validating().publish(pem, self.managed).await?;
        self.mutating().publish(pem, self.managed).await?;
        self.seen.set_ready(true, "");
        Ok(())
    }

    async fn changed(&mut self) {
        if self.filled_in.changed().await.is_err() {
            std::future::pending().await
        }
    }
}
