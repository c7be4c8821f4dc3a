//! A registration for tests: what is there is trusted, and only the bundle is written.

use k8s_openapi::{ByteString, api::admissionregistration::v1::ValidatingWebhookConfiguration};
use kube::{Api, Client};

use super::Registration;

/// One `ValidatingWebhookConfiguration`, all of whose webhooks are ours.
pub struct ValidatingRegistration {
    api: Api<ValidatingWebhookConfiguration>,
    desired: ValidatingWebhookConfiguration,
    manager: String,
    managed: bool,
}

impl ValidatingRegistration {
    /// `desired` is the object without `caBundle`; it is applied by `manager` with the bundle filled in. With `managed`
    /// false it is only ever read: somebody else (GitOps, a certificate injector) writes it.
    #[must_use]
    pub fn new(
        client: Client,
        desired: ValidatingWebhookConfiguration,
        manager: &str,
        managed: bool,
    ) -> Self {
        Self {
            api: Api::all(client),
            desired,
            manager: manager.to_owned(),
            managed,
        }
    }

    fn name(&self) -> &str {
        self.desired.metadata.name.as_deref().unwrap_or_default()
    }
}

impl Registration for ValidatingRegistration {
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        let Some(observed) = self.api.get_opt(self.name()).await? else {
            return Ok(None);
        };
        let observed = observed.webhooks.unwrap_or_default();
        let desired = self.desired.webhooks.iter().flatten();
        Ok(Some(
            desired
                .map(|want| {
                    let found = observed.iter().find(|webhook| webhook.name == want.name);
                    let bundle = found.and_then(|webhook| webhook.client_config.ca_bundle.as_ref());
                    bundle
                        .map(|bundle| String::from_utf8_lossy(&bundle.0).into_owned())
                        .unwrap_or_default()
                })
                .collect(),
        ))
    }

    async fn publish(&self, bundle: &str) -> Result<(), kube::Error> {
        if !self.managed {
            tracing::warn!(
                object = self.name(),
                "the webhook's registration does not trust its certificates yet"
            );
            return Ok(());
        }
        let mut object = self.desired.clone();
        for webhook in object.webhooks.iter_mut().flatten() {
            webhook.client_config.ca_bundle = Some(ByteString(bundle.as_bytes().to_vec()));
        }
        crate::apply::apply(&self.api, &self.manager, &object)
            .await
            .map(drop)
    }
}
