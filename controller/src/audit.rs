//! The audit: what exists already and breaks a policy goes into that policy's status, and into a metric.
//!
//! Owns when it is looked and reading what there is, page by page: nothing of it is kept, and where there is no policy
//! nothing is read. What breaks a policy is `sdm-core`'s to say.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{Store, store};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use sdm_api::names::STATUS_MANAGER;
use sdm_api::policy::PolicyKind;
use sdm_api::{
    KafkaACL, KafkaAccessGrant, KafkaCluster, KafkaPolicy, KafkaRole, KafkaTopic, KafkaUser,
};
use sdm_core::Review;
use sdm_core::policy::{Audit, Compiled, World, validate};
use sdm_runtime::apply::count_write;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::error::Error;
use crate::tenants::status_patch;

/// How old a report may get.
const EVERY: Duration = Duration::from_secs(60);
/// Changes of policies come in bursts.
const GATHER: Duration = Duration::from_millis(500);
/// Objects read at a time.
const PAGE: u32 = 500;

type Policies = Store<DeserializeGuard<KafkaPolicy>>;

/// Looks when policies change, and now and then, until `stop`.
pub async fn run(context: Arc<Context>, stop: CancellationToken) {
    let (policies, writer) = store();
    let api = Api::<DeserializeGuard<KafkaPolicy>>::all(context.client.clone());
    let stream = watcher(api, Config::default())
        .default_backoff()
        .modify(|o| o.managed_fields_mut().clear())
        .reflect(writer);
    let mut stream = pin!(stream);
    let mut generations = BTreeMap::new();
    let mut checked = Checked::default();
    let mut due = None;
    loop {
        let at = due.unwrap_or_else(|| Instant::now() + EVERY);
        tokio::select! {
            () = stop.cancelled() => return,
            event = stream.next() => match event {
                None => return,
                Some(Ok(event)) => {
                    // What the audit itself writes is no reason to look again.
                    if is_news(&event, &mut generations) {
                        due = Some(Instant::now() + GATHER);
                    }
                }
                Some(Err(error)) => tracing::warn!(%error, "watch interrupted, will be resumed"),
            },
            () = sleep_until(at), if due.is_some() => {
                match pass(&context, &policies, &mut checked).await {
                    Ok(()) => {}
                    Err(Error::NotLeader) => return,
                    Err(error) => {
                        tracing::warn!(%error, "what exists could not be audited");
                        context.metrics.error("AuditFailed");
                    }
                }
                due = Some(Instant::now() + EVERY);
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

async fn pass(context: &Context, policies: &Policies, checked: &mut Checked) -> Result<(), Error> {
    let state = policies.state();
    let policies: Vec<&KafkaPolicy> = state.iter().filter_map(|p| p.0.as_ref().ok()).collect();
    checked
        .0
        .retain(|name, _| policies.iter().any(|p| p.name_any() == *name));
    if policies.is_empty() {
        context.metrics.policy_violations.clear();
        return Ok(());
    }
    let compiled = Compiled::new(policies.iter().copied());
    let audit = look(&context.client, &compiled).await?;
    let now = Time(jiff::Timestamp::now());
    // Those of policies that are gone go with them.
    context.metrics.policy_violations.clear();
    for policy in policies {
        let name = policy.name_any();
        context.metrics.policy_violations(&name, audit.count(&name));
        let status = audit.status(policy, checked.review(policy), &now);
        if let Some(patch) = status_patch(policy, &status) {
            write(context, &name, &patch).await?;
        }
    }
    Ok(())
}

async fn write(context: &Context, name: &str, patch: &Value) -> Result<(), Error> {
    if !context.leadership.holds() {
        return Err(Error::NotLeader);
    }
    let api: Api<KafkaPolicy> = Api::all(context.client.clone());
    let params = PatchParams {
        field_manager: Some(STATUS_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let result = api.patch_status(name, &params, &Patch::Merge(patch)).await;
    count_write("KafkaPolicy", "patch-status", &result);
    match result {
        Ok(_) => Ok(()),
        // It is gone, or another one by now: that is heard of.
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Judges everything there is.
async fn look(client: &Client, compiled: &Compiled) -> Result<Audit, kube::Error> {
    let mut world = World::default();
    let namespaces: Api<PartialObjectMeta<Namespace>> = Api::all(client.clone());
    for namespace in namespaces.list(&ListParams::default()).await? {
        let labels = namespace.metadata.labels.clone().unwrap_or_default();
        world.set_namespace(&namespace.name_any(), &labels);
    }
    each::<KafkaCluster>(client, |object| world.take(object)).await?;
    if compiled.wants_totals(PolicyKind::KafkaTopic) {
        each::<KafkaTopic>(client, |object| world.take(object)).await?;
    }
    let mut audit = Audit::default();
    for kind in PolicyKind::ALL {
        let judge = |object: &Value| {
            let text = |field: &str| {
                let metadata = object.get("metadata").and_then(|m| m.get(field));
                metadata.and_then(Value::as_str).unwrap_or_default()
            };
            let (namespace, name) = (text("namespace"), text("name"));
            // A namespace that came since is looked at the next time.
            if world.knows_namespace(namespace) {
                let now = Time(jiff::Timestamp::now());
                let asked = world.ask(kind, (namespace, name), object, &now);
                audit.add(kind, namespace, name, &compiled.judge(&asked));
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
    Ok(audit)
}

/// Tells of each object of a kind, in the order in which the API server lists them.
async fn each<K: Resource<DynamicType = ()>>(
    client: &Client,
    mut tell: impl FnMut(&Value),
) -> Result<(), kube::Error> {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        let next = list
            .metadata
            .continue_
            .clone()
            .filter(|token| !token.is_empty());
        for mut object in list {
            object.managed_fields_mut().clear();
            // A list leaves away what each item is.
            object.types = Some(kube::core::TypeMeta {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            });
            if let Some(fields) = object.data.as_object_mut() {
                fields.remove("status");
            }
            if let Ok(value) = serde_json::to_value(&object) {
                tell(&value);
            }
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
