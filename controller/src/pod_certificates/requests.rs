//! Answering requests for certificates, as they come and in batches: the authority's key is read once for each cluster
//! of a batch, and forgotten after it.
//!
//! A denial is final for a Pod, and a kubelet never asks again; so nothing is denied on what the watches say alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::certificates::v1beta1::{PodCertificateRequest, PodCertificateRequestStatus};
use k8s_openapi::api::core::v1::{Namespace, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, ResourceExt};
use sdm_api::inject::{DEFAULT_LIFETIME, cluster_of_signer};
use sdm_api::{KafkaCluster, names};
use sdm_core::inject::{Judgement, Order, Source, denied, issued, judge};
use sdm_core::outcome::Refusal;
use sdm_runtime::apply;
use sdm_runtime::pki::{CertificateAuthority, LeafRequest, PkiError, Usage, inspect};
use tokio::sync::watch as flag;
use tokio::time::{Instant, sleep_until};

use super::authority_of;
use super::rules::{Rules, Subject, forbidden_now};
use crate::authority;
use crate::context::Context;
use crate::error::Error;
use crate::metrics::ResultLabel;
use crate::store::{Guarded, Key};

/// Requests come in bursts, one a Pod.
const GATHER: Duration = Duration::from_millis(20);
/// What could not be answered is looked at again after so long, or when a cluster changes.
const RETRY: Duration = Duration::from_secs(5);

/// Answers requests as long as it is polled.
pub async fn run(context: &Context, rules: &Rules<'_>, mut changed: flag::Receiver<()>) {
    let api: Api<PodCertificateRequest> = Api::all(context.client.clone());
    let stream = watch(api, watcher::Config::default())
        .default_backoff()
        .modify(|o| o.managed_fields_mut().clear());
    let mut stream = std::pin::pin!(stream);
    let mut open: HashMap<Key, PodCertificateRequest> = HashMap::new();
    let mut due = Instant::now();
    loop {
        tokio::select! {
            event = stream.next() => {
                let Some(event) = event else { return };
                if take(&mut open, event) {
                    due = due.min(Instant::now() + GATHER);
                }
            }
            Ok(()) = changed.changed(), if !open.is_empty() => due = due.min(Instant::now() + GATHER),
            () = sleep_until(due), if !open.is_empty() => {
                answer(context, rules, &mut open).await;
                due = Instant::now() + RETRY;
            }
        }
    }
}

/// Takes note of an event; whether there is something new to answer.
fn take(
    open: &mut HashMap<Key, PodCertificateRequest>,
    event: watcher::Result<Event<PodCertificateRequest>>,
) -> bool {
    let key = |request: &PodCertificateRequest| {
        Some(Key {
            namespace: request.namespace()?,
            name: request.name_any(),
        })
    };
    match event {
        Ok(Event::Apply(request) | Event::InitApply(request)) => {
            let Some(key) = key(&request) else {
                return false;
            };
            if is_open(&request) {
                open.insert(key, request);
                return true;
            }
            open.remove(&key);
        }
        Ok(Event::Delete(request)) => drop(key(&request).and_then(|key| open.remove(&key))),
        Ok(Event::Init) => open.clear(),
        Ok(Event::InitDone) => {}
        Err(error) => tracing::warn!(%error, "watch interrupted, will be resumed"),
    }
    false
}

/// Whether a request is one of ours and has no answer yet.
fn is_open(request: &PodCertificateRequest) -> bool {
    let conditions = request.status.as_ref().and_then(|s| s.conditions.as_ref());
    cluster_of_signer(&request.spec.signer_name).is_some() && conditions.is_none_or(Vec::is_empty)
}

async fn answer(
    context: &Context,
    rules: &Rules<'_>,
    open: &mut HashMap<Key, PodCertificateRequest>,
) {
    let mut batches: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for (key, request) in open.iter() {
        if let Some((namespace, name)) = cluster_of_signer(&request.spec.signer_name) {
            let cluster = Key {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            batches.entry(cluster).or_default().push(key.clone());
        }
    }
    for (cluster, keys) in batches {
        let mut desk = Desk {
            context,
            rules,
            cluster: &cluster,
            authority: None,
        };
        for key in keys {
            let Some(request) = open.get(&key) else {
                continue;
            };
            match desk.handle(&key, request).await {
                Ok(true) => drop(open.remove(&key)),
                Ok(false) => {}
                // The kubelet has given up, or the Pod is gone.
                Err(error) if error.reason() == "NotFound" => drop(open.remove(&key)),
                Err(error) => {
                    context.metrics.error(error.reason());
                    tracing::warn!(request = %key, %error, "certificate not issued yet");
                }
            }
        }
    }
}

/// Where the requests to one signer are answered, for the length of a batch.
struct Desk<'a> {
    context: &'a Context,
    rules: &'a Rules<'a>,
    cluster: &'a Key,
    authority: Option<CertificateAuthority>,
}

impl Desk<'_> {
    /// Answers one request; whether that was possible.
    async fn handle(&mut self, key: &Key, request: &PodCertificateRequest) -> Result<bool, Error> {
        let found = self.context.stores.cluster(self.cluster);
        let labels = self.rules.labels(&key.namespace);
        let mut judgement = self.judge(key, request, found.as_deref(), labels.as_ref());
        if matches!(judgement, Judgement::Issue(_)) {
            let forbidden = self
                .rules
                .forbidden(&self.subject(key, request, labels.as_ref()));
            judgement = forbid(judgement, forbidden);
        }
        if matches!(judgement, Judgement::Deny(_)) {
            let (found, labels) = self.fresh(&key.namespace).await?;
            judgement = self.judge(key, request, found.as_ref(), labels.as_ref());
            let subject = self.subject(key, request, labels.as_ref());
            judgement = forbid(
                judgement,
                forbidden_now(&self.context.client, &subject).await?,
            );
        }
        match judgement {
            Judgement::Issue(order) => self.issue(key, request, &order).await,
            Judgement::Deny(refusal) => self.deny(key, request, &refusal).await,
            Judgement::Wait(refusal) => {
                self.context
                    .events
                    .warning(&pod(request), refusal.reason, "Issue", refusal.message)
                    .await;
                Ok(false)
            }
        }
    }

    fn subject<'s>(
        &'s self,
        key: &'s Key,
        request: &'s PodCertificateRequest,
        labels: Option<&'s BTreeMap<String, String>>,
    ) -> Subject<'s> {
        let seconds = request.spec.max_expiration_seconds;
        Subject {
            namespace: &key.namespace,
            labels,
            account: &request.spec.service_account_name,
            cluster: self.cluster,
            lifetime: seconds.map_or(DEFAULT_LIFETIME, i64::from),
            source: Source::PodCertificate,
        }
    }

    fn judge(
        &self,
        key: &Key,
        request: &PodCertificateRequest,
        found: Option<&Guarded>,
        labels: Option<&BTreeMap<String, String>>,
    ) -> Judgement {
        let cluster: Option<&KafkaCluster> = match found.map(|guarded| &guarded.0) {
            None => None,
            Some(Ok(cluster)) => Some(cluster),
            Some(Err(_)) => {
                let message = format!(
                    "KafkaCluster {} cannot be read; its status says why",
                    self.cluster
                );
                return Judgement::Wait(Refusal::waits("ClusterInvalid", message));
            }
        };
        let end = authority_of(self.context, self.cluster).map(|a| a.not_after.as_second());
        if let (Some(_), None) = (cluster, end) {
            let message = format!(
                "KafkaCluster {} has no authority yet: it is being set up",
                self.cluster
            );
            return Judgement::Wait(Refusal::waits("ClusterNotReady", message));
        }
        let (end, now) = (end.unwrap_or_default(), Timestamp::now().as_second());
        judge(&key.namespace, &request.spec, cluster, labels, end, now)
    }

    /// The cluster and the labels of a namespace, as they are now.
    async fn fresh(
        &self,
        namespace: &str,
    ) -> Result<(Option<Guarded>, Option<BTreeMap<String, String>>), Error> {
        let client = &self.context.client;
        let clusters: Api<Guarded> = Api::namespaced(client.clone(), &self.cluster.namespace);
        let cluster = clusters.get_opt(&self.cluster.name).await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let namespace = namespaces.get_opt(namespace).await?;
        let labels = namespace.map(|n| n.metadata.labels.unwrap_or_default());
        Ok((cluster, labels))
    }

    async fn issue(
        &mut self,
        key: &Key,
        request: &PodCertificateRequest,
        order: &Order,
    ) -> Result<bool, Error> {
        let authority = match self.authority.take() {
            Some(authority) => authority,
            None => {
                let api = Api::namespaced(self.context.client.clone(), &self.cluster.namespace);
                authority::read(&api, &self.cluster.name).await?
            }
        };
        let authority = self.authority.insert(authority);
        let leaf = LeafRequest {
            not_before: time(order.not_before).0,
            not_after: time(order.not_after).0,
            ..LeafRequest::valid_for(
                &order.common_name,
                Usage::Client,
                Timestamp::now(),
                jiff::SignedDuration::ZERO,
            )
        };
        let chain = match authority.issue_to(&leaf, &request.spec.pkix_public_key.0) {
            Ok(chain) => chain,
            Err(PkiError::Unreadable {
                what: "public key", ..
            }) => {
                let refusal = Refusal::stands("UnsupportedKeyType", "use keyType ECDSAP256");
                return self.deny(key, request, &refusal).await;
            }
            Err(error) => return Err(error.into()),
        };
        // The API server wants the status to say exactly what the certificate says.
        let info = inspect(&chain)?;
        let order = Order {
            not_before: info.not_before.as_second(),
            not_after: info.not_after.as_second(),
            ..order.clone()
        };
        let status = issued(request, &order, &chain, &now(), time);
        self.write(key, &status, "issued").await?;
        tracing::info!(request = %key, principal = %order.common_name, cluster = %self.cluster, "certificate issued");
        Ok(true)
    }

    async fn deny(
        &self,
        key: &Key,
        request: &PodCertificateRequest,
        refusal: &Refusal,
    ) -> Result<bool, Error> {
        self.write(key, &denied(request, refusal, &now()), "denied")
            .await?;
        tracing::info!(request = %key, reason = refusal.reason, cluster = %self.cluster, "certificate denied");
        Ok(true)
    }

    async fn write(
        &self,
        key: &Key,
        status: &PodCertificateRequestStatus,
        result: &'static str,
    ) -> Result<(), Error> {
        if !self.context.leadership.holds() {
            return Err(Error::NotLeader);
        }
        let api: Api<PodCertificateRequest> =
            Api::namespaced(self.context.client.clone(), &key.namespace);
        apply::apply_status(&api, names::STATUS_MANAGER, &key.name, status).await?;
        let counter = &self.context.metrics.pod_certificates;
        counter.get_or_create(&ResultLabel { result }).inc();
        Ok(())
    }
}

/// What becomes of a request that a policy forbids.
fn forbid(judgement: Judgement, forbidden: Option<Refusal>) -> Judgement {
    match (judgement, forbidden) {
        (Judgement::Issue(_), Some(refusal)) if refusal.waits => Judgement::Wait(refusal),
        (Judgement::Issue(_), Some(refusal)) => Judgement::Deny(refusal),
        (judgement, _) => judgement,
    }
}

fn pod(request: &PodCertificateRequest) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: Some(request.spec.pod_name.clone()),
        namespace: request.namespace(),
        uid: Some(request.spec.pod_uid.clone()),
        ..ObjectReference::default()
    }
}

fn now() -> Time {
    time(Timestamp::now().as_second())
}

/// Whole seconds, as certificates have them.
fn time(seconds: i64) -> Time {
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(signer: &str, conditions: serde_json::Value) -> PodCertificateRequest {
        serde_json::from_value(json!({
            "metadata": {"namespace": "shop", "name": "req-1"},
            "spec": {
                "signerName": signer, "podName": "p", "podUID": "u", "serviceAccountName": "orders",
                "serviceAccountUID": "s", "nodeName": "n", "nodeUID": "m",
                "pkixPublicKey": "", "proofOfPossession": ""
            },
            "status": {"conditions": conditions}
        }))
        .unwrap()
    }

    #[test]
    fn only_our_own_unanswered_requests_are_kept() {
        let mut open = HashMap::new();
        let ours = "kafka.sdm.dev/streaming.events";
        assert!(take(
            &mut open,
            Ok(Event::Apply(request(ours, json!(null))))
        ));
        assert_eq!(open.len(), 1);
        let answered = json!([{
            "type": "Issued", "status": "True", "reason": "Issued", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"
        }]);
        assert!(!take(&mut open, Ok(Event::Apply(request(ours, answered)))));
        assert!(open.is_empty());
        let other = request("example.com/streaming.events", json!(null));
        assert!(!take(&mut open, Ok(Event::Apply(other))));
        assert!(open.is_empty());
    }
}
