//! Answers to those who want a node's Pod evicted: it may go while Kafka can do without the node, one at a time.

use std::collections::BTreeMap;

use sdm_api::names;

use super::restart::{may_replace_now, may_stop};
use super::{Action, FRESH_S, NodeView, Step};
use crate::eviction::{Answer, PERMISSION_S};
use crate::resolve::{Node, Resolved};
use crate::snapshot::Snapshot;
use crate::state::ClusterState;

pub(super) fn steps(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: &ClusterState,
    views: &BTreeMap<i32, NodeView>,
    steps: &mut Vec<Step>,
) {
    for (name, question) in &snapshot.evictions {
        let Some(pod) = snapshot.objects.pods.get(name) else {
            continue;
        };
        let answered = Answer::on(pod).is_some_and(|answer| answer.id == question.id);
        if answered || pod.metadata.deletion_timestamp.is_some() || !question.stands(snapshot.now) {
            continue;
        }
        let Some(uid) = pod.metadata.uid.clone() else {
            continue;
        };
        let node = resolved
            .nodes
            .values()
            .find(|n| names::node(&resolved.name, n.id) == *name);
        let verdict = match node.and_then(|n| Some((n, views.get(&n.id)?))) {
            Some((node, view)) => may_go(snapshot, resolved, state, views, node, view),
            None => Err("it to host nothing: it is being removed".to_owned()),
        };
        let answer = Answer {
            id: question.id.clone(),
            until: verdict
                .is_ok()
                .then(|| snapshot.now.saturating_add(PERMISSION_S)),
            waits_for: verdict.err(),
        };
        let action = Action::AnswerEviction {
            pod: name.clone(),
            uid,
            answer,
        };
        steps.push(Step::new(
            format!("AnswerEviction/{name}"),
            "its eviction was asked for",
            action,
        ));
    }
}

fn may_go(
    snapshot: &Snapshot,
    resolved: &Resolved,
    state: &ClusterState,
    views: &BTreeMap<i32, NodeView>,
    node: &Node,
    view: &NodeView,
) -> Result<(), String> {
    if !view.serves() {
        return may_replace_now(snapshot, resolved, view, node);
    }
    may_stop(snapshot, resolved, state, views, node.id)?;
    let known = snapshot
        .kafka
        .as_ref()
        .filter(|_| snapshot.kafka_age <= FRESH_S)
        .and_then(|k| k.short_without.as_ref());
    match known.map(|short| short.get(&node.id)) {
        None => Err("Kafka to say how many replicas in sync each topic needs".to_owned()),
        Some(Some(short)) if short.count > 0 => Err(format!(
            "{} partitions to have more replicas in sync than min.insync.replicas demands, so that they can do without it ({})",
            short.count,
            short.examples.join(", ")
        )),
        Some(_) => Ok(()),
    }
}

/// Another node that may be evicted at any moment.
pub(super) fn permitted(snapshot: &Snapshot, resolved: &Resolved, but: i32) -> Option<i32> {
    resolved.nodes.keys().copied().find(|id| {
        let pod = snapshot.objects.pods.get(&names::node(&resolved.name, *id));
        *id != but
            && pod
                .and_then(Answer::on)
                .is_some_and(|a| a.permits(snapshot.now))
    })
}
