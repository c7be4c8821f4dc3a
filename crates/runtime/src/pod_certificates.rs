//! Whether this Kubernetes serves certificates for Pods (KEP-4317) and trust bundles (KEP-3257).

use std::time::Duration;

use kube::Client;

/// Where both are.
const GROUP_VERSION: &str = "certificates.k8s.io/v1beta1";
/// What has to be there.
const RESOURCES: [&str; 3] = [
    "podcertificaterequests",
    "podcertificaterequests/status",
    "clustertrustbundles",
];
/// Between two looks: it takes a restart of the API server to change.
pub const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Asks the API server.
///
/// # Errors
/// When it cannot be asked.
pub async fn served(client: &Client) -> Result<bool, kube::Error> {
    match client.list_api_group_resources(GROUP_VERSION).await {
        Ok(list) => {
            let has = |name: &&str| list.resources.iter().any(|r| r.name == **name);
            Ok(RESOURCES.iter().all(has))
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}
