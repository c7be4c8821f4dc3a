//! What has to be done in Kafka for a topic to be what its object says.

use std::collections::BTreeSet;

use sdm_api::{Adoption, DriftPolicy, KafkaTopic};

use super::config::{self, Changes};
use super::{MIN_ISR, Observed, Situation, Step, TopicPlan, place, reason, status};
use crate::outcome::Refusal;

/// What to do about a topic.
#[must_use]
pub fn plan(situation: &Situation<'_>) -> TopicPlan {
    let observed = match &situation.observed {
        Ok(Some(observed)) => *observed,
        Ok(None) => return absent(situation),
        Err(doubt) => return untouched(situation, Some(doubt.clone()), Vec::new()),
    };
    let work = Work::new(situation, observed);
    if !situation.owned {
        if let Err(refusal) = adoption(situation, &work) {
            return untouched(situation, Some(refusal), Vec::new());
        }
        if situation.topic.spec.adoption == Adoption::IfIdentical {
            let keys = situation.topic.spec.config.keys().cloned().collect();
            return TopicPlan {
                config_keys: keys,
                ..TopicPlan::default()
            };
        }
    }
    if reports(situation) && situation.owned {
        let mut plan = untouched(situation, work.stuck, work.differences);
        plan.steps.extend(lift(situation, observed));
        return plan;
    }
    work.plan()
}

/// Whether differences are only reported: nothing was asked for since all was as asked for.
fn reports(situation: &Situation<'_>) -> bool {
    situation.topic.spec.drift_policy == DriftPolicy::Report && status::settled(situation.topic)
}

/// A plan that changes nothing.
fn untouched(s: &Situation<'_>, refusal: Option<Refusal>, drift: Vec<String>) -> TopicPlan {
    TopicPlan {
        refusal,
        drift,
        config_keys: s.managed_keys.to_vec(),
        ..TopicPlan::default()
    }
}

/// The topic is not there.
fn absent(situation: &Situation<'_>) -> TopicPlan {
    let (topic, spec) = (situation.topic, &situation.topic.spec);
    if situation.owned && reports(situation) {
        let message = format!(
            "topic {} is not there any more, and driftPolicy is Report: set it to Correct to create the topic again, or delete this object",
            topic.topic_name()
        );
        let refusal = Refusal::stands(reason::TOPIC_MISSING, message);
        return untouched(situation, Some(refusal), Vec::new());
    }
    if let Some(refusal) = too_few_brokers(situation) {
        return untouched(situation, Some(refusal), Vec::new());
    }
    let config: Vec<_> = spec.config.clone().into_iter().collect();
    TopicPlan {
        config_keys: spec.config.keys().cloned().collect(),
        steps: vec![Step::Create {
            partitions: spec.partitions,
            replicas: spec.replicas.and_then(|n| i16::try_from(n).ok()),
            config,
        }],
        ..TopicPlan::default()
    }
}

/// Whether a topic that belongs to no object may be taken over.
fn adoption(situation: &Situation<'_>, work: &Work<'_>) -> Result<(), Refusal> {
    let name = situation.topic.topic_name();
    if situation.topic.spec.adoption == Adoption::Never {
        let message = format!(
            "topic {name} exists already and belongs to no object, and adoption is Never: choose another topicName, or set adoption to IfIdentical or Always"
        );
        return Err(Refusal::stands(reason::TOPIC_EXISTS, message));
    }
    situation.adoptable.clone()?;
    if situation.topic.spec.adoption == Adoption::IfIdentical && !work.differences.is_empty() {
        let message = format!(
            "topic {name} exists already, belongs to no object, and is not as this one says: {}; say here what is there, or set adoption to Always",
            work.differences.join("; ")
        );
        return Err(Refusal::stands(reason::TOPIC_EXISTS, message));
    }
    Ok(())
}

fn too_few_brokers(situation: &Situation<'_>) -> Option<Refusal> {
    let serving = situation.brokers.iter().filter(|b| !b.fenced).count();
    let wanted = wanted_replicas(situation.topic)?;
    (wanted > serving).then(|| {
        let message = format!(
            "{wanted} replicas need {wanted} brokers, and {serving} serve: add brokers, or lower replicas"
        );
        Refusal::waits(reason::NOT_ENOUGH_BROKERS, message)
    })
}

/// A throttle that is not needed any more is taken away.
fn lift(situation: &Situation<'_>, observed: &Observed) -> Option<Step> {
    (situation.throttled && !observed.reassigning).then_some(Step::LiftThrottle)
}

fn wanted_replicas(topic: &KafkaTopic) -> Option<usize> {
    usize::try_from(topic.spec.replicas?).ok()
}

/// What differs, and what can be done about it.
struct Work<'a> {
    situation: &'a Situation<'a>,
    observed: &'a Observed,
    config: Changes,
    /// Partitions to come to.
    grow: Option<i32>,
    /// Partitions that have another number of replicas than wanted.
    uneven: usize,
    differences: Vec<String>,
    /// What cannot be done whatever happens.
    stuck: Option<Refusal>,
}

impl<'a> Work<'a> {
    fn new(situation: &'a Situation<'a>, observed: &'a Observed) -> Self {
        let spec = &situation.topic.spec;
        let mut config = config::changes(&spec.config, situation.managed_keys, observed);
        let mut differences = std::mem::take(&mut config.differences);
        let there = i32::try_from(observed.replicas.len()).unwrap_or(i32::MAX);
        let partitions = spec.partitions.unwrap_or(there);
        if partitions != there {
            differences.push(format!(
                "{} instead of {partitions}",
                count(there, "partition")
            ));
        }
        // One that was asked for is refused; one that somebody made by hand is reported, where that is wanted.
        let asked = !reports(situation)
            || status::stalled(situation.topic) == Some(reason::PARTITIONS_CANNOT_SHRINK);
        let stuck = (partitions < there && asked).then(|| {
            let message = format!(
                "there are {} and Kafka cannot take any away: set partitions to {there} or more",
                count(there, "partition")
            );
            Refusal::stands(reason::PARTITIONS_CANNOT_SHRINK, message)
        });
        let mut uneven = 0;
        if let Some(wanted) = wanted_replicas(situation.topic) {
            let lengths = observed.replicas.iter().map(Vec::len);
            let other: Vec<usize> = lengths.filter(|n| *n != wanted).collect();
            uneven = other.len();
            if uneven > 0 {
                differences.push(uneven_partitions(&other, observed.replicas.len(), wanted));
            }
        }
        Self {
            situation,
            observed,
            config,
            grow: (partitions > there).then_some(partitions),
            uneven,
            differences,
            stuck,
        }
    }

    fn plan(self) -> TopicPlan {
        let mut plan = TopicPlan {
            refusal: self.stuck.clone(),
            ..TopicPlan::default()
        };
        // A factor that is wrong in the middle of a move would be copied to new partitions, and nobody would mend it.
        let replicas = wanted_replicas(self.situation.topic);
        let grow = self
            .grow
            .filter(|_| !self.observed.reassigning || replicas.is_some());
        let mut moves = Vec::new();
        if self.uneven > 0 && !self.observed.reassigning {
            match too_few_brokers(self.situation) {
                Some(refusal) => plan.refusal = plan.refusal.or(Some(refusal)),
                None => moves = self.moves(replicas.unwrap_or_default(), grow),
            }
        }
        let moving = self.observed.reassigning && (self.situation.throttled || self.uneven > 0);
        plan.waits = match (replicas, moves.len()) {
            (Some(to), 0) if moving => Some(format!(
                "a reassignment to {} is under way",
                count(to, "replica")
            )),
            (None, 0) if moving => Some("a reassignment is under way".to_owned()),
            (_, 0) if self.grow.is_some() && grow.is_none() => {
                Some("more partitions wait for the end of a reassignment".to_owned())
            }
            (_, 0) => None,
            (to, n) => Some(format!(
                "reassignment of {} to {} is under way",
                count(n, "partition"),
                count(to.unwrap_or_default(), "replica")
            )),
        };
        let copies_to_come = moving || self.uneven > 0;
        let postponed = self.postponed(copies_to_come);
        let set: Vec<_> = self
            .config
            .set
            .iter()
            .filter(|(k, _)| Some(k) != postponed.as_ref())
            .cloned()
            .collect();
        plan.config_keys = self.keys(postponed.as_deref());
        if moves.is_empty() {
            plan.steps.extend(lift(self.situation, self.observed));
        }
        if !set.is_empty() || !self.config.reset.is_empty() {
            let reset = self.config.reset;
            plan.steps.push(Step::Configure { set, reset });
        }
        plan.steps.extend(grow.map(|total| Step::Grow { total }));
        if !moves.is_empty() {
            plan.steps.push(Step::Reassign { partitions: moves });
        }
        plan
    }

    /// Replicas of the partitions that change. New partitions come with as many replicas as the first one has, so they
    /// are placed here where that is not what is wanted.
    fn moves(&self, replicas: usize, grow: Option<i32>) -> Vec<(i32, Vec<i32>)> {
        let mut current = self.observed.replicas.clone();
        let as_wanted = current.first().is_some_and(|first| first.len() == replicas);
        if let Some(total) = grow.and_then(|n| usize::try_from(n).ok())
            && !as_wanted
        {
            current.resize(total, Vec::new());
        }
        let placed = place(&current, replicas, self.situation.brokers);
        (0..)
            .zip(current.into_iter().zip(placed))
            .filter(|(_, (now, then))| now != then)
            .map(|(partition, (_, then))| (partition, then))
            .collect()
    }

    /// More confirmations than there are copies yet would stop all writes: the key waits for the copies.
    fn postponed(&self, copies_to_come: bool) -> Option<String> {
        let number = |value: &String| value.trim().parse::<i64>().ok();
        let wanted = self.config.set.iter().find(|(key, _)| key == MIN_ISR);
        let wanted = wanted.and_then(|(_, value)| number(value))?;
        let now = self.observed.effective.get(MIN_ISR);
        let raised = now.and_then(number).is_none_or(|now| wanted > now);
        (copies_to_come && raised).then(|| MIN_ISR.to_owned())
    }

    fn keys(&self, postponed: Option<&str>) -> Vec<String> {
        let managed: BTreeSet<_> = self.situation.managed_keys.iter().collect();
        let wanted = self.situation.topic.spec.config.keys();
        wanted
            .filter(|key| postponed != Some(key) || managed.contains(key))
            .cloned()
            .collect()
    }
}

fn uneven_partitions(other: &[usize], all: usize, wanted: usize) -> String {
    let distinct: BTreeSet<_> = other.iter().collect();
    let distinct: Vec<_> = distinct.into_iter().map(ToString::to_string).collect();
    format!(
        "{} of {} with {} instead of {} each",
        other.len(),
        count(all, "partition"),
        distinct.join(" or "),
        count(wanted, "replica")
    )
}

fn count(n: impl std::fmt::Display, what: &str) -> String {
    let n = n.to_string();
    let plural = if n == "1" { "" } else { "s" };
    format!("{n} {what}{plural}")
}
