//! Evictions of nodes' Pods (the `pods/eviction` subresource): how the webhook asks, what the controller answers, and what
//! an answer is worth.
//!
//! A question stands in the ConfigMap [`QUESTIONS`] of the operator's namespace, one key for each Pod; the answer stands
//! in an annotation of that Pod, so that it goes with it. A permission holds for a moment only, and while it does no other
//! node is restarted or permitted to go. Whether Kafka can do without a node is decided in `plan`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use sdm_api::names;
use serde::{Deserialize, Serialize};

use crate::validate::{dns_label, dns_name};

/// The ConfigMap in which evictions are asked for.
pub const QUESTIONS: &str = "sdm-evictions";
/// Annotation of Pods: the answer to the last question.
pub const ANNOTATION: &str = "kafka.sdm.dev/eviction";
/// A question is forgotten after this many seconds: whoever asked has long given up.
pub const QUESTION_S: i64 = 60;
/// A permission ends after this many seconds: what Kafka said is old news then.
pub const PERMISSION_S: i64 = 10;
/// When to try again, in seconds.
pub const RETRY_S: i32 = 5;

/// A question: may this Pod be evicted?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Tells one from another: the uid of the admission review.
    pub id: String,
    /// When it was asked, in seconds since the epoch.
    pub at: i64,
}

impl Question {
    /// The key of a Pod's question. A namespace has no dot in it.
    #[must_use]
    pub fn key(namespace: &str, pod: &str) -> String {
        format!("{namespace}.{pod}")
    }

    /// Whether `id` is one that API servers give to their questions. It stands in the ConfigMap, and whoever reaches the
    /// webhook can send it anything.
    #[must_use]
    pub fn is_id(id: &str) -> bool {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !id.is_empty() && id.len() <= 64 && id.bytes().all(inner)
    }

    /// As it stands in the ConfigMap.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.at, self.id)
    }

    /// Reads [`Question::text`]; nothing if it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (at, id) = text.split_once(' ')?;
        (!id.is_empty() && !id.contains(' ')).then_some(())?;
        Some(Self {
            id: id.to_owned(),
            at: at.parse().ok()?,
        })
    }

    /// Whether it still waits for an answer.
    #[must_use]
    pub fn stands(&self, now: i64) -> bool {
        now.saturating_sub(self.at) <= QUESTION_S
    }

    /// The questions about Pods of one namespace, by the Pod's name.
    #[must_use]
    pub fn of(
        data: &BTreeMap<String, String>,
        namespace: &str,
        now: i64,
    ) -> BTreeMap<String, Self> {
        data.iter()
            .filter_map(|(key, text)| {
                let (of, pod) = key.split_once('.')?;
                let question = Self::parse(text)?;
                (of == namespace && question.stands(now)).then(|| (pod.to_owned(), question))
            })
            .collect()
    }
}

/// What the controller says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The question it answers.
    pub id: String,
    /// Until when the Pod may be evicted, in seconds since the epoch; none if it may not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<i64>,
    /// What it has to wait for; none if it may be evicted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub waits_for: Option<String>,
}

impl Answer {
    /// The answer on a Pod.
    #[must_use]
    pub fn on(pod: &Pod) -> Option<Self> {
        let annotations = pod.metadata.annotations.as_ref()?;
        serde_json::from_str(annotations.get(ANNOTATION)?).ok()
    }

    /// Whether the Pod may be evicted now.
    #[must_use]
    pub fn permits(&self, now: i64) -> bool {
        // One that seems to hold for longer than any does was not written by us.
        self.until
            .is_some_and(|until| now < until && until <= now.saturating_add(PERMISSION_S))
    }
}

/// What the webhook makes of an eviction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Allow,
    /// The controller has to be asked.
    Ask,
    /// Not now, and what it waits for.
    Deny(String),
}

/// What can be said of an eviction without asking: it is not about a node of ours, the node is on its way out or has
/// ended, or it was permitted a moment ago.
#[must_use]
pub fn judge(pod: &Pod, now: i64) -> Verdict {
    let label = |key: &str| pod.metadata.labels.as_ref().and_then(|l| l.get(key));
    let ours = label(names::LABEL_CLUSTER).is_some()
        && label(names::LABEL_NODE_ID).is_some()
        && label(names::LABEL_MANAGED_BY).is_some_and(|by| by == names::MANAGED_BY);
    let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
    let ended = pod.metadata.deletion_timestamp.is_some()
        || phase.is_some_and(|phase| ["Succeeded", "Failed"].contains(&phase));
    if !ours || ended || Answer::on(pod).is_some_and(|answer| answer.permits(now)) {
        Verdict::Allow
    } else {
        Verdict::Ask
    }
}

/// The answer to the question `id`, if it has come. It was put a moment ago, so clocks that differ do not matter.
#[must_use]
pub fn answered(pod: &Pod, id: &str) -> Option<Verdict> {
    let answer = Answer::on(pod).filter(|answer| answer.id == id)?;
    Some(if answer.until.is_some() {
        Verdict::Allow
    } else {
        let wait = answer
            .waits_for
            .unwrap_or_else(|| "another answer".to_owned());
        Verdict::Deny(wait)
    })
}

/// Whether there can be a Pod of that name. Who asks for another must not get a question to the API server out of it.
#[must_use]
pub fn can_be(namespace: &str, pod: &str) -> bool {
    dns_label(namespace) && dns_name(pod)
}

/// The sentence for whoever wanted the Pod evicted.
#[must_use]
pub fn refusal(namespace: &str, pod: &str, waits_for: &str) -> String {
    format!(
        "Pod {namespace}/{pod} cannot be evicted yet: it waits for {waits_for}; try again in {RETRY_S} s"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(labels: serde_json::Value, answer: Option<&Answer>) -> Pod {
        let annotations = answer.map_or(
            json!({}),
            |a| json!({ANNOTATION: serde_json::to_string(a).unwrap()}),
        );
        serde_json::from_value(json!({
            "metadata": {"name": "a-1", "labels": labels, "annotations": annotations},
            "status": {"phase": "Running"},
        }))
        .unwrap()
    }

    fn ours(answer: Option<&Answer>) -> Pod {
        let labels = json!({
            names::LABEL_CLUSTER: "a", names::LABEL_NODE_ID: "1", names::LABEL_MANAGED_BY: names::MANAGED_BY,
        });
        pod(labels, answer)
    }

    fn answer(until: Option<i64>) -> Answer {
        Answer {
            id: "q".to_owned(),
            until,
            waits_for: until.is_none().then(|| "broker 2 to register".to_owned()),
        }
    }

    #[test]
    fn questions_are_read_as_they_are_written_and_forgotten_in_time() {
        let question = Question {
            id: "0f-1".to_owned(),
            at: 100,
        };
        assert_eq!(Question::parse(&question.text()), Some(question.clone()));
        for text in ["", "100", "100 ", "x y", "100 a b"] {
            assert_eq!(Question::parse(text), None, "{text:?}");
        }
        let data: BTreeMap<_, _> = [
            (Question::key("ns", "a-1"), question.text()),
            (Question::key("other", "a-2"), question.text()),
            ("nonsense".to_owned(), question.text()),
            (Question::key("ns", "a-3"), "nonsense".to_owned()),
        ]
        .into();
        let of = |now| Question::of(&data, "ns", now);
        assert_eq!(of(100 + QUESTION_S), [("a-1".to_owned(), question)].into());
        assert!(of(101 + QUESTION_S).is_empty());
    }

    #[test]
    fn what_can_be_no_pod_or_no_question_is_told_apart() {
        assert!(can_be("kafka", "events-0") && can_be("kafka", "a.b"));
        for (namespace, pod) in [
            ("", "a"),
            ("a", ""),
            ("a.b", "c"),
            ("a", "b?watch=true"),
            ("..", "a"),
            ("a", "../secrets/x"),
            ("a", "b."),
            ("A", "b"),
        ] {
            assert!(!can_be(namespace, pod), "{namespace} {pod}");
        }
        assert!(Question::is_id("705ab4f5-6393-11e8-b7cc-42010a800002"));
        for id in ["", "a b", "a\n", &"a".repeat(65)] {
            assert!(!Question::is_id(id), "{id:?}");
        }
    }

    #[test]
    fn only_nodes_of_ours_that_run_wait_for_an_answer() {
        assert_eq!(judge(&ours(None), 100), Verdict::Ask);
        let stranger = json!({names::LABEL_CLUSTER: "a"});
        assert_eq!(judge(&pod(stranger, None), 100), Verdict::Allow);
        let mut leaving = ours(None);
        leaving.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(
                k8s_openapi::jiff::Timestamp::UNIX_EPOCH,
            ));
        assert_eq!(judge(&leaving, 100), Verdict::Allow);
        let mut ended = ours(None);
        ended.status.get_or_insert_default().phase = Some("Failed".to_owned());
        assert_eq!(judge(&ended, 100), Verdict::Allow);
    }

    #[test]
    fn a_permission_holds_for_a_moment_and_for_the_question_it_answers() {
        let permitted = ours(Some(&answer(Some(110))));
        for (now, verdict) in [
            (99, Verdict::Ask),
            (100, Verdict::Allow),
            (109, Verdict::Allow),
            (110, Verdict::Ask),
        ] {
            assert_eq!(judge(&permitted, now), verdict, "{now}");
        }
        assert_eq!(answered(&permitted, "q"), Some(Verdict::Allow));
        assert_eq!(answered(&permitted, "another"), None);
        let refused = ours(Some(&answer(None)));
        assert_eq!(judge(&refused, 100), Verdict::Ask);
        // The controller's clock is far ahead of ours, or behind.
        for until in [1, 1_000_000] {
            let skewed = ours(Some(&answer(Some(until))));
            assert_eq!(judge(&skewed, 100), Verdict::Ask);
            assert_eq!(answered(&skewed, "q"), Some(Verdict::Allow));
        }
        let wait = Verdict::Deny("broker 2 to register".to_owned());
        assert_eq!(answered(&refused, "q"), Some(wait));
        let mut nonsense = ours(None);
        nonsense.metadata.annotations = Some([(ANNOTATION.to_owned(), "{".to_owned())].into());
        assert_eq!(judge(&nonsense, 100), Verdict::Ask);
    }
}
