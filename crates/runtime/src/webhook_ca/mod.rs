//! The webhook's certificates: one authority shared by all replicas in a Secret, one leaf in memory per process.
//!
//! Owns the Secret's life (made and rotated by any replica, optimistic concurrency, no leader), the leaf's, and that
//! the registration trusts both. `decide` says what to do, this module does it. Serving is `tls_server`'s business.
//!
//! Start-up order: [`WebhookCa::ready`], then bind and serve with [`WebhookCa::resolver`], then [`WebhookCa::maintain`]
//! with the registration: API servers must not be sent to a server that is not there.

mod decide;
mod leaf;
mod registration;
mod secret;

use std::{sync::LazyLock, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};
use prometheus_client::{metrics::gauge::Gauge, registry::Registry};
use tokio_util::sync::CancellationToken;

pub use decide::{Action, SETTLE, Stored, decide, leaf_due};
pub use leaf::LeafResolver;
pub use registration::Registration;

use crate::pki::{CertInfo, LeafRequest, PkiError, Usage, certificates};
use secret::Material;

/// End of validity of the leaf in memory, in seconds since 1970.
pub const METRIC_LEAF_NOT_AFTER: &str = "sdm_webhook_leaf_not_after_timestamp_seconds";

static LEAF_NOT_AFTER: LazyLock<Gauge> = LazyLock::new(Gauge::default);

/// Leaves live a week and are replaced after two thirds of it.
const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Between two looks at Secret, registration and clock.
const TICK: Duration = Duration::from_secs(60);
/// Between two attempts when something failed.
const RETRY: Duration = Duration::from_secs(2);
/// A rotation has fewer steps than this; more means that two writers do not agree.
const STEPS: usize = 8;

/// Makes the metrics of the webhook's certificates part of `registry`.
pub fn register_metrics(registry: &mut Registry) {
    registry.register(
        METRIC_LEAF_NOT_AFTER,
        "End of validity of the webhook's certificate",
        LEAF_NOT_AFTER.clone(),
    );
}

/// Whose certificates, and where they are kept.
#[derive(Clone, Debug)]
pub struct CaConfig {
    /// Namespace of Secret and Service.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the Service that API servers dial.
    pub service: String,
    /// The cluster's DNS domain.
    pub domain: String,
    /// A further host name or IP address that callers use, where the webhook runs outside the cluster.
    pub host: Option<String>,
}

impl CaConfig {
    /// Secret `sdm-webhook-ca` and Service `sdm-webhook`, in a cluster called `cluster.local`.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            secret: "sdm-webhook-ca".to_owned(),
            service: "sdm-webhook".to_owned(),
            domain: "cluster.local".to_owned(),
            host: None,
        }
    }

    /// What the leaf is issued for.
    fn name(&self, mut leaf: LeafRequest) -> LeafRequest {
        let short = format!("{}.{}.svc", self.service, self.namespace);
        let long = format!("{short}.{}", self.domain);
        leaf.dns.extend([short, long]);
        match self.host.as_deref().map(|host| (host, host.parse())) {
            Some((_, Ok(ip))) => leaf.ips.push(ip),
            Some((host, Err(_))) => leaf.dns.push(host.to_owned()),
            None => {}
        }
        leaf
    }
}

/// Why certificates could not be looked after.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// The API server could not be asked, or refused.
    #[error(transparent)]
    Api(#[from] kube::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// Several writers kept overwriting each other.
    #[error("the webhook's Secret keeps changing")]
    Unsettled,
}

/// The shared authority, seen from one replica.
pub struct WebhookCa {
    secrets: Api<Secret>,
    config: CaConfig,
    leaf: LeafResolver,
}

impl WebhookCa {
    /// Nothing is read or written yet, and there is no leaf.
    #[must_use]
    pub fn new(client: Client, config: CaConfig) -> Self {
        let secrets = Api::namespaced(client, &config.namespace);
        Self {
            secrets,
            config,
            leaf: LeafResolver::default(),
        }
    }

    /// The certificate to serve with; replaced as time goes by. Clones share it.
    #[must_use]
    pub fn resolver(&self) -> LeafResolver {
        self.leaf.clone()
    }

    /// Returns once there is an authority and a leaf signed by it. Tries until it succeeds; `false` when `shutdown` came
    /// first.
    pub async fn ready(&self, shutdown: &CancellationToken) -> bool {
        let tried = shutdown.run_until_cancelled(async {
            while let Err(error) = self.tend(Timestamp::now(), None::<&Unregistered>).await {
                tracing::warn!(%error, "no certificate to serve with yet");
                tokio::time::sleep(RETRY).await;
            }
        });
        tried.await.is_some()
    }

    /// Registers, then looks at Secret, registration and wall clock every minute, and when the registration changed, and
    /// does what is due, until `shutdown`.
    pub async fn maintain<R: Registration>(
        &self,
        mut registration: R,
        shutdown: CancellationToken,
    ) {
        let forever = async {
            let mut registered = false;
            loop {
                let now = Timestamp::now();
                let result = match registered {
                    true => self.tend(now, Some(&registration)).await,
                    // The registration's other fields may be those of an earlier version: write it once per life.
                    false => self.register(now, &registration).await,
                };
                registered |= result.is_ok();
                if let Err(error) = &result {
                    tracing::warn!(%error, "webhook certificates not up to date");
                }
                // Replicas that started together do not stay in step.
                let pause = if result.is_ok() { TICK } else { RETRY };
                let pause = tokio::time::sleep(pause.mul_f64(0.9 + 0.2 * rand::random::<f64>()));
                tokio::select! {
                    () = pause => {}
                    () = registration.changed(), if result.is_ok() => {}
                }
            }
        };
        shutdown.run_until_cancelled(forever).await;
    }

    async fn register<R: Registration>(
        &self,
        now: Timestamp,
        registration: &R,
    ) -> Result<(), CaError> {
        self.tend(now, None::<&R>).await?;
        let Some(secret) = self.secrets.get_opt(&self.config.secret).await? else {
            return Err(CaError::Unsettled);
        };
        Ok(registration
            .publish(&Material::read(&secret).bundle_pem())
            .await?)
    }

    /// Does what is due now. Without a registration to look at, only what the Secret and the leaf need.
    async fn tend<R: Registration>(
        &self,
        now: Timestamp,
        registration: Option<&R>,
    ) -> Result<(), CaError> {
        for _ in 0..STEPS {
            let secret = self.secrets.get_opt(&self.config.secret).await?;
            let material = secret.as_ref().map(Material::read);
            let registered = match registration {
                Some(registration) => registration
                    .observed()
                    .await?
                    .map(|bundles| common(&bundles)),
                None => None,
            };
            match decide(
                now,
                material.as_ref().map(Material::stored).as_ref(),
                registered.as_deref(),
            ) {
                Action::Nothing => return self.tend_leaf(now, material.as_ref()),
                Action::Publish => {
                    self.tend_leaf(now, material.as_ref())?;
                    // What follows, if anything does, waits for the next tick: API servers need a moment to see it.
                    if let (Some(registration), Some(material)) = (registration, &material) {
                        tracing::info!(
                            "writing the trusted certificates into the webhook's registration"
                        );
                        registration.publish(&material.bundle_pem()).await?;
                    }
                    return Ok(());
                }
                action => self.write(action, secret, now).await?,
            }
        }
        Err(CaError::Unsettled)
    }

    /// One step of the Secret. Losing a race is fine: the caller looks again.
    async fn write(
        &self,
        action: Action,
        secret: Option<Secret>,
        now: Timestamp,
    ) -> Result<(), CaError> {
        let params = PostParams::default();
        let known = secret.is_some();
        let secret =
            secret.unwrap_or_else(|| secret::empty(&self.config.namespace, &self.config.secret));
        let desired = secret::after(action, secret, now, || secret::new_authority(now))?;
        let (verb, result) = if known {
            (
                "update",
                self.secrets
                    .replace(&self.config.secret, &params, &desired)
                    .await,
            )
        } else {
            ("create", self.secrets.create(&params, &desired).await)
        };
        crate::apply::count_write("Secret", verb, &result);
        match result {
            Ok(_) => {
                tracing::info!(?action, secret = %self.config.secret, "webhook authority changed");
                Ok(())
            }
            Err(kube::Error::Api(status))
                if status.code == 409 || (known && status.is_not_found()) =>
            {
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    fn tend_leaf(&self, now: Timestamp, material: Option<&Material>) -> Result<(), CaError> {
        let Some(active) = material.and_then(|material| material.active.as_ref()) else {
            return Ok(());
        };
        if leaf_due(now, self.leaf.info().as_ref(), active.info()) {
            let request =
                LeafRequest::valid_for(&self.config.service, Usage::Server, now, LEAF_LIFETIME);
            let request = self.config.name(request);
            self.leaf.set(&active.issue(&request)?)?;
            let until = self.leaf.info().map(|info| info.not_after);
            LEAF_NOT_AFTER.set(until.map_or(0, Timestamp::as_second));
            tracing::info!(
                until = until.map(tracing::field::display),
                "serving with a new certificate"
            );
        }
        Ok(())
    }
}

/// What all of these bundles trust.
fn common(bundles: &[String]) -> Vec<CertInfo> {
    let mut bundles = bundles.iter().map(|bundle| certificates(bundle));
    let mut common = bundles.next().unwrap_or_default();
    for bundle in bundles {
        common.retain(|ca| bundle.contains(ca));
    }
    common
}

/// Stands for "no registration" where one has to be named.
struct Unregistered;

impl Registration for Unregistered {
    async fn observed(&self) -> Result<Option<Vec<String>>, kube::Error> {
        Ok(None)
    }

    async fn publish(&self, _bundle: &str) -> Result<(), kube::Error> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod validating;
