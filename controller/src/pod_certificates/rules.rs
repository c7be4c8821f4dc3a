//! What certificates are judged by, besides their cluster: labels of namespaces, and the administrator's policies. The
//! webhook asked the same of the Pod; but it may have been down, and a Pod need not have asked it.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt, watcher as watch, watcher};
use kube::{Api, Client as KubeClient, ResourceExt};
use sdm_api::KafkaPolicy;
use sdm_core::inject::Source;
use sdm_core::outcome::Refusal;
use sdm_core::policy::{self, Client};

use super::Namespaces;
use crate::store::Key;

type Guarded = DeserializeGuard<KafkaPolicy>;

/// What is known.
pub struct Rules<'a> {
    namespaces: &'a Namespaces,
    policies: Store<Guarded>,
}

/// Who is to be certified.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The namespace of the service account.
    pub namespace: &'a str,
    /// The labels of that; none while they are not known.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// The service account.
    pub account: &'a str,
    /// The cluster.
    pub cluster: &'a Key,
    /// For how long, in seconds.
    pub lifetime: i64,
    /// Where the key comes from.
    pub source: Source,
}

impl<'a> Rules<'a> {
    /// Nothing is known of policies until the future has been polled for a while; it never ends.
    pub fn follow(
        client: &KubeClient,
        namespaces: &'a Namespaces,
    ) -> (Self, impl Future<Output = ()>) {
        let (policies, writer) = store();
        let api = Api::<Guarded>::all(client.clone());
        let stream = watch(api, watcher::Config::default())
            .default_backoff()
            .modify(|o| o.managed_fields_mut().clear())
            .reflect(writer)
            .map_err(|error| tracing::warn!(%error, "watch interrupted, will be resumed"));
        let rules = Self {
            namespaces,
            policies,
        };
        (rules, stream.for_each(|_| std::future::ready(())))
    }

    /// Resolves once everything was seen: what is not known yet must not be taken for something that is not there.
    pub async fn ready(&self) -> bool {
        self.namespaces.wait_until_ready().await.is_ok()
            && self.policies.wait_until_ready().await.is_ok()
    }

    /// The labels of a namespace.
    pub fn labels(&self, namespace: &str) -> Option<BTreeMap<String, String>> {
        let found = self.namespaces.get(&ObjectRef::new(namespace))?;
        Some(found.metadata.labels.clone().unwrap_or_default())
    }

    /// Why a policy forbids it, if one does.
    pub fn forbidden(&self, subject: &Subject<'_>) -> Option<Refusal> {
        let policies = self.policies.state();
        forbidden(policies.iter().map(|policy| &**policy), subject)
    }
}

/// The same by policies as they are now.
pub async fn forbidden_now(
    client: &KubeClient,
    subject: &Subject<'_>,
) -> Result<Option<Refusal>, kube::Error> {
    let policies = Api::<Guarded>::all(client.clone());
    let policies = policies.list(&ListParams::default()).await?;
    Ok(forbidden(policies.iter(), subject))
}

fn forbidden<'p>(
    policies: impl Iterator<Item = &'p Guarded>,
    subject: &Subject<'_>,
) -> Option<Refusal> {
    let now = Time(Timestamp::now());
    // One that is being deleted does not hold any more.
    let policies = policies
        .filter_map(|guarded| guarded.0.as_ref().ok())
        .filter(|policy| policy.metadata.deletion_timestamp.is_none())
        .map(|policy| {
            let name = policy.metadata.name.as_deref();
            (name.unwrap_or_default(), &policy.spec)
        });
    let client = Client {
        namespace: subject.namespace,
        namespace_labels: subject.labels,
        // Whoever wrote the Pod chose them, so policies that go by them forbid nothing.
        labels: None,
        account: subject.account,
        cluster: (&subject.cluster.namespace, &subject.cluster.name),
        lifetime: subject.lifetime,
        source: subject.source,
        now: &now,
    };
    policy::forbidden(policies, &client)
}
