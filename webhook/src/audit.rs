//! The audit: what exists already and breaks a policy goes into that policy's status, and into a metric. Here, where
//! policies are at home, so that the controller can do without them; one replica does it, the one with the lease.
//!
//! Owns when it is looked and reading what there is, page by page: nothing of it is kept beyond what reviews go by, and where
//! there is no policy nothing is read. What breaks a policy is `sdm-core`'s to say.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::LazyLock;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ApiResource, ListParams, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{Store, store};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sdm_api::inject::LABEL;
use sdm_api::policy::PolicyKind;
use sdm_api::{
    KafkaACL, KafkaAccessGrant, KafkaCluster, KafkaPolicy, KafkaRole, KafkaTopic, KafkaUser,
};
use sdm_core::Review;
use sdm_core::inject::{Source, asked};
use sdm_core::policy::{Audit, Client as KafkaClient, Compiled, validate};
use sdm_runtime::apply::{count_write, status_patch};
use sdm_runtime::lease::{self, Leadership, Lease};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::policies::Policies as Around;
use crate::registration;
use crate::seen::Seen;

/// Name of the lease of whoever audits.
pub const LEASE: &str = "sdm-policy-audit";
/// How often existing objects break each policy.
pub const METRIC_VIOLATIONS: &str = "sdm_policy_violations";

/// A policy. Only administrators make policies, so there are few.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Label {
    policy: String,
}

static VIOLATIONS: LazyLock<Family<Label, Gauge>> = LazyLock::new(Family::default);

/// Makes the audit's metric part of `registry`.
pub fn register_metrics(registry: &mut Registry) {
    registry.register(
        METRIC_VIOLATIONS,
        "How often existing objects break each policy",
        VIOLATIONS.clone(),
    );
}

/// How old a report may get.
const EVERY: Duration = Duration::from_secs(60);
/// Field manager of what it says.
const MANAGER: &str = "sdm-webhook-status";
/// Before it stands for the lease again.
const PAUSE: Duration = Duration::from_secs(5);
/// Changes of policies come in bursts.
const GATHER: Duration = Duration::from_millis(500);
/// Objects read at a time. Few: what a page takes is what stays resident for ever after, and nobody waits for it.
pub(crate) const PAGE: u32 = 50;

type Policies = Store<DeserializeGuard<KafkaPolicy>>;

/// Stands for the lease of `namespace` under the name of this Pod, and audits by what is known `around` objects while it is
/// held, until `stop`.
pub async fn run(
    client: Client,
    around: Around,
    namespace: String,
    pod: String,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let config = lease::Config::new(&namespace, LEASE, lease::candidate_id(&pod));
        let (election, leadership) = Lease::new(client.clone(), config);
        let work = async {
            leadership.acquired().await;
            audits(&client, &around, &leadership).await;
        };
        tokio::select! {
            lost = election.run(stop.clone()) => if let Err(lost) = lost {
                tracing::info!(%lost, "another replica audits");
            },
            () = work => {}
        }
        // Another replica counts from now on.
        VIOLATIONS.clear();
        stop.run_until_cancelled(sleep(PAUSE)).await;
    }
}

/// Looks when policies change, and now and then, while `leadership` lasts.
async fn audits(client: &Client, around: &Around, leadership: &Leadership) {
    let (policies, writer) = store();
    let api = Api::<DeserializeGuard<KafkaPolicy>>::all(client.clone());
    let stream = watcher(api, Config::default())
        .default_backoff()
        .modify(|o| o.managed_fields_mut().clear())
        .reflect(writer);
    let mut stream = pin!(stream);
    let mut generations = BTreeMap::new();
    let mut checked = Checked::default();
    let (mut due, mut pause) = (None, GATHER);
    loop {
        let at = due.unwrap_or_else(|| Instant::now() + EVERY);
        tokio::select! {
            event = stream.next() => match event {
                None => return,
                Some(Ok(event)) => {
                    // What the audit itself writes is no reason to look again.
                    if is_news(&event, &mut generations) {
                        pause = GATHER;
                        due = Some(Instant::now() + pause);
                    }
                }
                Some(Err(error)) => tracing::warn!(%error, "watch interrupted, will be resumed"),
            },
            () = sleep_until(at), if due.is_some() => {
                if !leadership.holds() {
                    return;
                }
                // What is waited for comes soon, if it comes at all.
                pause = match pass(client, around, leadership, &policies, &mut checked).await {
                    Ok(Pass::Settled) => EVERY,
                    Ok(Pass::Waiting) => EVERY.min(pause * 2),
                    Err(error) => {
                        tracing::warn!(%error, "what exists could not be audited, will be repeated");
                        EVERY
                    }
                };
                due = Some(Instant::now() + pause);
            }
        }
    }
}

fn is_news(
    event: &Event<DeserializeGuard<KafkaPolicy>>,
    generations: &mut BTreeMap<String, Option<i64>>,
) -> bool {
    match event {
        Event::Init => false,
        Event::InitApply(policy) | Event::Apply(policy) => {
            let generation = policy.meta().generation;
            let before = generations.insert(policy.name_any(), generation);
            before != Some(generation)
        }
        Event::Delete(policy) => {
            generations.remove(&policy.name_any());
            true
        }
        Event::InitDone => true,
    }
}

/// What is wrong with policies themselves, by name and generation: it takes longer to say than to remember.
#[derive(Default)]
struct Checked(BTreeMap<String, (Option<i64>, Review)>);

impl Checked {
    fn review(&mut self, policy: &KafkaPolicy) -> &Review {
        let generation = policy.metadata.generation;
        let (known, review) = self.0.entry(policy.name_any()).or_default();
        if *known != generation || generation.is_none() {
            (*known, *review) = (generation, validate(policy, None));
        }
        review
    }
}

/// What a pass leaves behind.
enum Pass {
    /// Everything is as it should be, or somebody has to change something.
    Settled,
    /// Some policy's defaults are not filled in yet.
    Waiting,
}

async fn pass(
    client: &Client,
    around: &Around,
    leadership: &Leadership,
    policies: &Policies,
    checked: &mut Checked,
) -> Result<Pass, kube::Error> {
    let state = policies.state();
    let policies: Vec<&KafkaPolicy> = state.iter().filter_map(|p| p.0.as_ref().ok()).collect();
    checked
        .0
        .retain(|name, _| policies.iter().any(|p| p.name_any() == *name));
    if policies.is_empty() {
        VIOLATIONS.clear();
        return Ok(Pass::Settled);
    }
    // Nothing is compiled twice; but one that the other watch has not told of yet counts from now on.
    let mut compiled = around.read().compiled.clone();
    policies.iter().for_each(|policy| compiled.insert(policy));
    let audit = look(client, around, &compiled).await?;
    let served = match compiled.filled_in().is_empty() {
        true => BTreeSet::new(),
        false => registration::served(client).await?,
    };
    let mut pass = Pass::Settled;
    let now = Time(k8s_openapi::jiff::Timestamp::now());
    // Those of policies that are gone go with them.
    VIOLATIONS.clear();
    for policy in policies {
        let name = policy.name_any();
        let label = Label {
            policy: name.clone(),
        };
        VIOLATIONS
            .get_or_create(&label)
            .set(i64::from(audit.count(&name)));
        let unserved = &compiled.filled_in_by(&name) - &served;
        if !unserved.is_empty() {
            pass = Pass::Waiting;
        }
        let status = audit.status(policy, checked.review(policy), &unserved, &now);
        if let Some(patch) = status_patch(policy, &status)
            && leadership.holds()
        {
            write(client, &name, &patch).await?;
        }
    }
    Ok(pass)
}

async fn write(client: &Client, name: &str, patch: &Value) -> Result<(), kube::Error> {
    let api: Api<KafkaPolicy> = Api::all(client.clone());
    let params = PatchParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let result = api.patch_status(name, &params, &Patch::Merge(patch)).await;
    count_write("KafkaPolicy", "patch-status", &result);
    match result {
        Ok(_) => Ok(()),
        // It is gone, or another one by now: that is heard of.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Judges everything there is, by what reviews go by as well.
async fn look(client: &Client, around: &Around, compiled: &Compiled) -> Result<Audit, kube::Error> {
    let mut audit = Audit::default();
    for kind in PolicyKind::ALL {
        let judge = |object: &Value| {
            let text = |field: &str| {
                let metadata = object.get("metadata").and_then(|m| m.get(field));
                metadata.and_then(Value::as_str).unwrap_or_default()
            };
            let (namespace, name) = (text("namespace"), text("name"));
            let known = around.read();
            let world = known.world();
            // A namespace that came since is looked at the next time.
            if world.knows_namespace(namespace) {
                let now = Time(k8s_openapi::jiff::Timestamp::now());
                let asked = world.ask(kind, (namespace, name), object, &now);
                audit.add(kind.as_str(), namespace, name, &compiled.judge(&asked));
            }
        };
        match kind {
            PolicyKind::KafkaCluster => each::<KafkaCluster>(client, judge).await?,
            PolicyKind::KafkaTopic => each::<KafkaTopic>(client, judge).await?,
            PolicyKind::KafkaUser => each::<KafkaUser>(client, judge).await?,
            PolicyKind::KafkaRole => each::<KafkaRole>(client, judge).await?,
            PolicyKind::KafkaACL => each::<KafkaACL>(client, judge).await?,
            PolicyKind::KafkaAccessGrant => each::<KafkaAccessGrant>(client, judge).await?,
        }
    }
    if compiled.speaks_of_clients() {
        clients(client, compiled, around, &mut audit).await?;
    }
    Ok(audit)
}

/// Judges Pods that have an identity; others are not even listed.
async fn clients(
    client: &Client,
    compiled: &Compiled,
    around: &Around,
    audit: &mut Audit,
) -> Result<(), kube::Error> {
    let api: Api<Pod> = Api::all(client.clone());
    let mut page = ListParams::default().labels(LABEL).limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        let next = list.metadata.continue_.clone().filter(|t| !t.is_empty());
        for pod in list {
            let namespace = pod.namespace().unwrap_or_default();
            let known = around.read();
            let Some(labels) = known.labels(&namespace) else {
                continue;
            };
            let label = pod.labels().get(LABEL).map(String::as_str);
            let source = label.and_then(Source::from_label);
            let Some((asked, source)) = asked(&pod, &namespace).ok().flatten().zip(source) else {
                continue;
            };
            let now = Time(k8s_openapi::jiff::Timestamp::now());
            let of = KafkaClient::of(&pod, &namespace, Some(labels), &asked, source, &now);
            let findings = compiled.judge_client(&of);
            audit.add("Pod", &namespace, &pod.name_any(), &findings);
        }
        match next {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// Tells of each object of a kind, in the order in which the API server lists them.
async fn each<K: Resource<DynamicType = ()>>(
    client: &Client,
    mut tell: impl FnMut(&Value),
) -> Result<(), kube::Error> {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<Seen> = Api::all_with(client.clone(), &resource);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        let next = list.metadata.continue_.filter(|token| !token.is_empty());
        for object in list.items {
            tell(&object.into_value(&resource));
        }
        match next {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: &str, generation: i64) -> DeserializeGuard<KafkaPolicy> {
        let mut policy = KafkaPolicy::new(name, sdm_api::KafkaPolicySpec::default());
        policy.metadata.generation = Some(generation);
        DeserializeGuard(Ok(policy))
    }

    #[test]
    fn only_what_somebody_wrote_is_news() {
        let mut generations = BTreeMap::new();
        for (event, want) in [
            (Event::Init, false),
            (Event::InitApply(policy("a", 1)), true),
            (Event::InitDone, true),
            (Event::Apply(policy("a", 1)), false),
            (Event::Apply(policy("a", 2)), true),
            (Event::Delete(policy("a", 2)), true),
            (Event::Apply(policy("a", 2)), true),
        ] {
            assert_eq!(is_news(&event, &mut generations), want, "{event:?}");
        }
    }

    #[test]
    fn a_policy_is_checked_once_for_each_generation() {
        let mut checked = Checked::default();
        let DeserializeGuard(Ok(mut policy)) = policy("a", 1) else {
            unreachable!()
        };
        assert!(checked.review(&policy).violations.is_empty());
        policy.spec.topics =
            serde_json::from_value(serde_json::json!({"partitions": {"min": 3, "max": 1}}))
                .unwrap();
        assert!(
            checked.review(&policy).violations.is_empty(),
            "still remembered"
        );
        policy.metadata.generation = Some(2);
        assert_eq!(checked.review(&policy).violations.len(), 1);
    }
}
