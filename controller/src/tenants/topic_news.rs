//! Events about topics: what was mended, and what came to a stop.

use kube::Resource;
use sdm_api::condition::{READY, STALLED};
use sdm_api::{KafkaTopic, KafkaTopicStatus};
use sdm_core::topic::Step;

use super::topics::Item;
use super::worker::Worker;

impl Worker {
    /// Whether a plan undoes what was done by hand: nothing new was asked for.
    pub(super) fn is_mending(&self, item: &Item) -> bool {
        let settled = item.topic.status.as_ref();
        !item.plan.steps.is_empty()
            && item.plan.steps.iter().all(|s| *s != Step::LiftThrottle)
            && settled.is_some_and(|s| s.observed_generation == item.topic.metadata.generation)
    }

    pub(super) async fn tell_mended(&self, item: &Item) {
        let steps: Vec<String> = item
            .plan
            .steps
            .iter()
            .map(|step| match step {
                Step::Create { .. } => "created again".to_owned(),
                Step::Configure { set, reset } => {
                    let set = set.iter().map(|(k, v)| format!("{k} set to {v}"));
                    let reset = reset.iter().map(|k| format!("{k} reset"));
                    set.chain(reset).collect::<Vec<_>>().join(", ")
                }
                Step::Grow { total } => format!("grown to {total} partitions"),
                Step::Reassign { partitions } => {
                    format!("replicas of {} partitions move", partitions.len())
                }
                Step::LiftThrottle => "throttle lifted".to_owned(),
            })
            .collect();
        let note = format!(
            "topic {} was not as declared: {}",
            item.name(),
            steps.join("; ")
        );
        let about = item.topic.object_ref(&());
        self.context
            .events
            .normal(&about, "DriftCorrected", "Reconcile", note)
            .await;
    }

    /// An event where a topic stops being what its object says.
    pub(super) async fn tell_topic(&self, topic: &KafkaTopic, status: &KafkaTopicStatus) {
        let find = |conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
                    type_: &str| {
            conditions
                .iter()
                .find(|c| c.type_ == type_ && c.status == "True")
                .cloned()
        };
        let before = topic
            .status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default();
        let Some(stalled) = find(&status.conditions, STALLED) else {
            return;
        };
        if find(before, STALLED).is_some_and(|b| b.reason == stalled.reason)
            && find(before, READY).is_none()
        {
            return;
        }
        let about = topic.object_ref(&());
        self.context
            .events
            .warning(&about, &stalled.reason, "Reconcile", stalled.message)
            .await;
    }
}
