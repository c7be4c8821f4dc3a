//! Deleting a cluster keeps its volumes, and one of the same name goes on with
//! its records.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use sdm_api::names;
use sdm_tests::ledger::Load;
use sdm_tests::wait::until;

use crate::{CLUSTER, NAMESPACE, PATIENCE, events, example};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_created_again_goes_on_with_its_records() -> Result<()> {
    let node = events().await?;
    let topic = format!("kept-{}", rand::random::<u32>());
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    let load = Load::start(client, &topic).await?;
    load.progress(200).await?;
    let ledger = load.finish().await?;
    let cluster_id = node
        .clusters(NAMESPACE)
        .get(CLUSTER)
        .await?
        .status
        .and_then(|s| s.cluster_id);

    node.clusters(NAMESPACE)
        .delete(CLUSTER, &DeleteParams::default())
        .await?;
    let ours = ListParams::default().labels(&format!("{}={CLUSTER}", names::LABEL_CLUSTER));
    let pods = node.pods(NAMESPACE);
    until("the Pods to go", PATIENCE, || async {
        Ok(pods.list(&ours).await?.items.is_empty().then_some(()))
    })
    .await?;
    let secrets: Api<Secret> = Api::namespaced(node.client.clone(), NAMESPACE);
    until("the Secrets to go", PATIENCE, || async {
        Ok(secrets.list(&ours).await?.items.is_empty().then_some(()))
    })
    .await?;
    let services: Api<Service> = Api::namespaced(node.client.clone(), NAMESPACE);
    until("the Services to go", PATIENCE, || async {
        Ok(services.list(&ours).await?.items.is_empty().then_some(()))
    })
    .await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(node.client.clone(), NAMESPACE);
    ensure!(
        claims.list(&ours).await?.items.len() == 3,
        "the volumes are kept"
    );
    let configs: Api<ConfigMap> = Api::namespaced(node.client.clone(), NAMESPACE);
    ensure!(
        configs
            .get_opt(&names::state_config_map(CLUSTER))
            .await?
            .is_some(),
        "what was decided is kept"
    );

    node.apply(&example("events.yaml")?)?;
    let again = node.ready(NAMESPACE, CLUSTER, PATIENCE).await?;
    ensure!(
        again.status.and_then(|s| s.cluster_id) == cluster_id,
        "another cluster id"
    );
    let client = node.kafka(NAMESPACE, CLUSTER).await?;
    ledger.verify(client.clone(), &topic).await?;
    client.delete_topics(&[&topic]).await?;
    Ok(())
}
