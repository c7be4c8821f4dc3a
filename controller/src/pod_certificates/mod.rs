//! The signer of client certificates for Pods: one for each cluster, `kafka.sdm.dev/<namespace>.<cluster>`.
//!
//! `requests` answers what kubelets ask for Pods, `bundles` publishes what these Pods have to trust. Who gets what is
//! decided in `sdm_core::inject`; the keys never leave the nodes.

mod bundles;
mod requests;

use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::Store;
use sdm_runtime::pod_certificates::{LOOK_AGAIN, served};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::context::Context;

/// Namespaces with their labels.
pub type Namespaces = Store<PartialObjectMeta<Namespace>>;

/// Signs until `stop`, where the API server serves such certificates. `changed` is told of changes of clusters.
pub async fn run(
    context: &Context,
    namespaces: &Namespaces,
    changed: watch::Receiver<()>,
    stop: &CancellationToken,
) {
    let work = async {
        wait_until_served(context).await;
        // What is not known yet must not be taken for something that is not there.
        if namespaces.wait_until_ready().await.is_err() {
            return;
        }
        tokio::join!(
            requests::run(context, namespaces, changed.clone()),
            bundles::run(context, changed.clone()),
        );
    };
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
                tracing::info!("no pod certificates are served: Pods cannot be given an identity");
            }
            Err(error) => tracing::warn!(%error, "cannot tell whether pod certificates are served"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
