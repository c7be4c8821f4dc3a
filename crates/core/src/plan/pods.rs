//! Pods that are to be created, replaced because they ended, or told whether they serve.

use std::collections::BTreeMap;

use sdm_api::names;

use super::node::container_ready;
use super::objects::adopt;
use super::{Action, Kind, NodeView, PodState, Step};
use crate::render::NodeObjects;
use crate::resolve::Resolved;
use crate::snapshot::Snapshot;

pub(super) fn steps(
    snapshot: &Snapshot,
    resolved: &Resolved,
    nodes: &BTreeMap<i32, NodeObjects>,
    views: &BTreeMap<i32, NodeView>,
    before: Option<&str>,
    steps: &mut Vec<Step>,
) {
    for (id, view) in views {
        let name = names::node(&resolved.name, *id);
        let create = format!("CreatePod/{name}");
        let pod = snapshot.objects.pods.get(&name);
        match &view.pod {
            PodState::Absent => {
                let Some(objects) = nodes.get(id) else {
                    continue;
                };
                let action = Action::CreatePod(Box::new(objects.pod.clone()));
                let secret = names::node_tls(&resolved.name, *id);
                let uncertified = (!snapshot.objects.secrets.contains_key(&secret))
                    .then(|| format!("Secret {secret} with its certificate"));
                let wait = before.map(str::to_owned).or(uncertified);
                steps.push(Step::new(create, "the node has no Pod", action).after(wait));
            }
            PodState::Leaving(wait) => steps.push(Step::wait(
                create,
                "the node has no Pod of its own",
                wait.clone(),
            )),
            PodState::Dead(why) => {
                let Some(uid) = view.uid.clone() else {
                    continue;
                };
                // It runs no more, so nothing is taken down.
                let action = Action::Delete {
                    kind: Kind::Pod,
                    name,
                    uid,
                    disruptive: false,
                };
                steps.push(Step::new(format!("ReplacePod/{id}"), why.clone(), action));
            }
            _ => {
                let Some(pod) = pod else { continue };
                steps.extend(adopt(&pod.metadata, Kind::Pod));
                steps.extend(serving(*id, name, view, container_ready(pod)));
            }
        }
    }
}

/// The readiness gate follows Kafka. While Kafka cannot be asked it stays as it is: that the
/// operator is cut off does not mean that clients are.
fn serving(id: i32, pod: String, view: &NodeView, container_ready: bool) -> Option<Step> {
    let serving = view.counted?;
    let uid = view.uid.clone()?;
    // Unfenced may still be the registration of the process before; the probe tells.
    let differs = if serving {
        view.gate != Some(true) && container_ready
    } else {
        view.gate == Some(true)
    };
    let why = if serving {
        "Kafka counts the node in"
    } else {
        "Kafka does not count the node in"
    };
    let action = Action::SetServing {
        pod,
        uid,
        serving,
        why: why.to_owned(),
    };
    differs.then(|| Step::new(format!("SetServing/{id}"), why, action))
}
