//! The watches behind `policies`: policies, labels of namespaces, clusters, and how many partitions topics have.
//!
//! Nothing else of any object is kept, so that what the webhook holds is bounded by what policies go by.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ApiResource, DynamicObject, TypeMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client, Resource};
use sdm_api::{KafkaCluster, KafkaPolicy, KafkaTopic};
use sdm_core::kinds;
use sdm_runtime::health::CheckHandle;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::policies::{Known, Policies};

/// How many there always are.
pub(crate) const WATCHES: usize = 3;
/// How often it is looked whether a policy goes by topics.
const LOOK: Duration = Duration::from_millis(200);

type Key = (String, String);

/// Starts them. `check` passes when each has listed everything once; they end with `tasks`.
pub fn start(client: &Client, check: &CheckHandle, tasks: &mut JoinSet<()>) -> Policies {
    let policies = Policies::unknown(client.clone());
    check.set_ready(false, "policies are not listed yet");
    let (all, of) = (client, &policies);
    tasks.spawn(follow(
        all.clone(),
        ApiResource::erase::<KafkaPolicy>(&()),
        of.clone(),
        check.clone(),
        |known, (_, name), object| match kinds::parse::<KafkaPolicy>(object) {
            Ok(policy) => known.compiled.insert(&policy),
            Err(error) => {
                tracing::error!(policy = name, %error, "a policy cannot be read, so it holds as it was");
            }
        },
        |known, (_, name)| known.compiled.remove(name),
    ));
    tasks.spawn(follow(
        all.clone(),
        ApiResource::erase::<Namespace>(&()),
        of.clone(),
        check.clone(),
        |known, _, object| known.world.take(object),
        |known, (_, name)| known.world.remove_namespace(name),
    ));
    tasks.spawn(follow(
        all.clone(),
        ApiResource::erase::<KafkaCluster>(&()),
        of.clone(),
        check.clone(),
        |known, _, object| known.world.take(object),
        |known, (namespace, name)| known.world.remove_cluster(namespace, name),
    ));
    tasks.spawn(topics(all.clone(), of.clone(), check.clone()));
    policies
}

/// Topics change more often than anything else, and there are thousands: they are followed from the day on which a policy
/// goes by how many there are.
async fn topics(client: Client, policies: Policies, check: CheckHandle) {
    while !policies.read().wants_topics() {
        sleep(LOOK).await;
    }
    follow(
        client,
        ApiResource::erase::<KafkaTopic>(&()),
        policies,
        check,
        |known, _, object| known.world.take(object),
        |known, (namespace, name)| known.world.remove_topic(namespace, name),
    )
    .await;
}

/// Resolves when policies are known, or it was asked to stop; then it is false.
pub async fn ready(policies: &Policies, stop: &CancellationToken) -> bool {
    loop {
        if policies.listed() {
            return true;
        }
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
        }
    }
}

/// Watches all objects of a kind: `take` is told of each that is there, `lose` of each that is gone. Objects come as JSON:
/// of most of them little is of use, and one such function will do for all kinds.
async fn follow(
    client: Client,
    resource: ApiResource,
    policies: Policies,
    check: CheckHandle,
    take: fn(&mut Known, &Key, &Value),
    lose: fn(&mut Known, &Key),
) {
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut stream = pin!(watcher(api, Config::default()).default_backoff());
    let (mut there, mut before, mut listed) = (BTreeSet::new(), BTreeSet::new(), false);
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => before = std::mem::take(&mut there),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let key = key_of(&object);
                if let Some(object) = value(object, &resource) {
                    take(&mut policies.write(), &key, &object);
                }
                before.remove(&key);
                there.insert(key);
            }
            Ok(Event::Delete(object)) => {
                let key = key_of(&object);
                lose(&mut policies.write(), &key);
                there.remove(&key);
            }
            Ok(Event::InitDone) => {
                let mut known = policies.write();
                // What was there before the list and is not in it went unnoticed.
                for key in std::mem::take(&mut before) {
                    lose(&mut known, &key);
                }
                if !std::mem::replace(&mut listed, true) {
                    match resource.plural == KafkaTopic::plural(&()) {
                        true => known.topics = true,
                        false => known.listed += 1,
                    }
                    if known.listed == WATCHES {
                        check.set_ready(true, "");
                    }
                }
            }
            Err(error) => {
                if !listed {
                    check.set_ready(false, format!("cannot list: {error}"));
                }
                tracing::warn!(%error, "watch interrupted, will be resumed");
            }
        }
    }
}

/// The object without what nobody goes by. A list leaves away what each item is.
fn value(mut object: DynamicObject, resource: &ApiResource) -> Option<Value> {
    object.metadata.managed_fields = None;
    if let Some(fields) = object.data.as_object_mut() {
        fields.remove("status");
    }
    object.types = Some(TypeMeta {
        api_version: resource.api_version.clone(),
        kind: resource.kind.clone(),
    });
    serde_json::to_value(&object).ok()
}

fn key_of(object: &DynamicObject) -> Key {
    (
        object.metadata.namespace.clone().unwrap_or_default(),
        object.metadata.name.clone().unwrap_or_default(),
    )
}
