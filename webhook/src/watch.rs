//! The watches behind `policies`: policies, namespaces, and of our own kinds those that others are judged by.
//!
//! Little of any object is kept, so that what the webhook holds is bounded by what reviews go by.

use std::collections::BTreeSet;
use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ApiResource;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use sdm_api::{KafkaAccessGrant, KafkaCluster, KafkaPolicy, KafkaRole, KafkaTopic, KafkaUser};
use sdm_runtime::health::CheckHandle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::audit::PAGE;
use crate::policies::Policies;
use crate::seen::Seen;

/// What is followed.
fn followed() -> [ApiResource; WATCHES] {
    [
        ApiResource::erase::<KafkaPolicy>(&()),
        ApiResource::erase::<Namespace>(&()),
        ApiResource::erase::<KafkaCluster>(&()),
        ApiResource::erase::<KafkaTopic>(&()),
        ApiResource::erase::<KafkaUser>(&()),
        ApiResource::erase::<KafkaRole>(&()),
        ApiResource::erase::<KafkaAccessGrant>(&()),
    ]
}

/// How many watches there are.
pub(crate) const WATCHES: usize = 7;

/// Starts them. `check` passes when each has listed everything once; they end with `tasks`.
pub fn start(client: &Client, check: &CheckHandle, tasks: &mut JoinSet<()>) -> Policies {
    let policies = Policies::unknown(client.clone());
    check.set_ready(false, "what reviews go by is not listed yet");
    for resource in followed() {
        tasks.spawn(follow(
            client.clone(),
            resource,
            policies.clone(),
            check.clone(),
        ));
    }
    policies
}

/// Resolves when everything is known, or it was asked to stop; then it is false.
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

/// Watches all objects of a kind.
async fn follow(client: Client, resource: ApiResource, policies: Policies, check: CheckHandle) {
    let api: Api<Seen> = Api::all_with(client, &resource);
    let mut stream = pin!(watcher(api, Config::default().page_size(PAGE)).default_backoff());
    let (mut before, mut listed) = (BTreeSet::new(), false);
    while let Some(event) = stream.next().await {
        match event {
            Ok(Event::Init) => before = policies.read().keys(&resource.kind),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                before.remove(&object.key());
                policies.write().take(&object.into_value(&resource));
            }
            Ok(Event::Delete(object)) => policies.write().forget(&resource.kind, &object.key()),
            Ok(Event::InitDone) => {
                let mut known = policies.write();
                // What was there before the list and is not in it went unnoticed.
                for key in std::mem::take(&mut before) {
                    known.forget(&resource.kind, &key);
                }
                if !std::mem::replace(&mut listed, true) {
                    known.listed += 1;
                    if known.listed == WATCHES {
                        check.set_ready(true, "");
                    }
                }
            }
            Err(error) => {
                if !listed {
                    check.set_ready(false, format!("cannot list {}: {error}", resource.plural));
                }
                tracing::warn!(resource = resource.plural, %error, "watch interrupted, will be resumed");
            }
        }
        if resource.kind == "KafkaPolicy" {
            policies.tell_filled_in();
        }
    }
}
