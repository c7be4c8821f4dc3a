//! Client certificates for Pods that ask for them.
//!
//! Where Kubernetes serves pod certificates there is a signer for each cluster, `kafka.sdm.dev/<namespace>.<cluster>`:
//! `requests` answers what kubelets ask for Pods, `bundles` publishes what these Pods have to trust, and the keys never
//! leave the nodes. Elsewhere, or where a cluster says so, `secrets` writes a Secret for each service account. `rules` is
//! what both go by; who gets what is decided in `sdm_core::inject` and `sdm_core::policy`.

mod bundles;
mod requests;
mod rules;
mod secrets;

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use sdm_api::names;
use sdm_runtime::pki::{CertInfo, certificates, inspect, to_pem};
use sdm_runtime::pod_certificates::{LOOK_AGAIN, served};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::store::Key;
use rules::Rules;

/// Namespaces with their labels.
pub type Namespaces = Store<PartialObjectMeta<Namespace>>;

/// Issues until `stop`. `changed` is told of changes of clusters; `least` is the shortest lifetime of a certificate in a
/// Secret, in seconds.
pub async fn run(
    context: &Context,
    namespaces: &Namespaces,
    changed: watch::Receiver<()>,
    least: i64,
    stop: &CancellationToken,
) {
    let (rules, following) = Rules::follow(&context.client, namespaces);
    let work = async {
        if !rules.ready().await {
            return;
        }
        let signer = async {
            wait_until_served(context).await;
            tokio::join!(
                requests::run(context, &rules, changed.clone()),
                bundles::run(context, changed.clone()),
            );
        };
        tokio::join!(
            signer,
            secrets::run(context, &rules, changed.clone(), least),
        );
    };
    let work = async { tokio::join!(work, following) };
    stop.run_until_cancelled(work).await;
}

async fn wait_until_served(context: &Context) {
    let mut told = false;
    loop {
        match served(&context.client).await {
            Ok(true) => return,
            Ok(false) if told => {}
            Ok(false) => {
                told = true;
                tracing::info!(
                    "no pod certificates are served: Pods are given an identity by Secrets"
                );
            }
            Err(error) => tracing::warn!(%error, "cannot tell whether pod certificates are served"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// The certificates in the Secret of a cluster's authority.
fn pem_of(context: &Context, key: &Key) -> Option<String> {
    let secret = context.stores.secret(key, &names::ca_secret(&key.name))?;
    let pem = secret.data.as_ref()?.get("tls.crt")?;
    Some(String::from_utf8_lossy(&pem.0).into_owned())
}

/// The authority that signs for a cluster.
fn authority_of(context: &Context, key: &Key) -> Option<CertInfo> {
    inspect(&pem_of(context, key)?).ok()
}

/// The authorities of a cluster, as the API server takes them: certificates of authorities only, each once.
fn authorities_of(context: &Context, key: &Key) -> Option<String> {
    let mut all: Vec<CertInfo> = Vec::new();
    for certificate in certificates(&pem_of(context, key)?) {
        if certificate.is_ca && !all.contains(&certificate) {
            all.push(certificate);
        }
    }
    let all: Vec<_> = all.iter().map(CertInfo::der).collect();
    (!all.is_empty()).then(|| to_pem(&all))
}
