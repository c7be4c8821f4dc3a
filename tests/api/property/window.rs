//! From one rest to the next: whether anybody was denied who was allowed all the time, or allowed who was denied all the
//! time, in any state that Kafka was in.
//!
//! The controller may lag behind and skip what was not seen, so what was wanted at any moment since the last rest counts;
//! what others do in Kafka counts from the moment they do it.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Result, bail};
use sdm_api::{Operation, ResourceType};
use sdm_core::access::{Acl, Question, explain};

use super::objects::everybody;

/// A set of ACLs.
pub type Acls = BTreeSet<Acl>;

/// Something somebody may want to do.
#[derive(Clone, Debug)]
pub struct Probe {
    principal: String,
    host: &'static str,
    operation: Operation,
    resource: ResourceType,
    name: &'static str,
}

/// Names that are asked about.
pub const TOPICS: [&str; 6] = ["t1", "t2", "a.x", "a.y", "wild", "anchor"];
pub const GROUPS: [&str; 6] = ["pool", "jobs", "alpha.g", "beta.g", "home.g", "home-g"];
pub const IDS: [&str; 3] = ["tx", "alpha.tx", "beta.tx"];

/// Everything that is asked.
pub fn probes() -> Vec<Probe> {
    use Operation::{Alter, AlterConfigs, Create, Delete, Describe, DescribeConfigs, Read, Write};
    let mut asked: Vec<(ResourceType, &'static str, &[Operation])> = Vec::new();
    let topic: &[_] = &[
        Read,
        Write,
        Create,
        Delete,
        Alter,
        Describe,
        DescribeConfigs,
        AlterConfigs,
    ];
    asked.extend(TOPICS.map(|name| (ResourceType::Topic, name, topic)));
    asked.extend(GROUPS.map(|name| (ResourceType::Group, name, &[Read, Describe, Delete][..])));
    asked.extend(IDS.map(|name| (ResourceType::TransactionalId, name, &[Write, Describe][..])));
    asked.push((
        ResourceType::Cluster,
        "kafka-cluster",
        &[Describe, Alter, AlterConfigs],
    ));
    let mut all = Vec::new();
    for principal in everybody() {
        for host in ["127.0.0.1", "10.0.0.1"] {
            for (resource, name, operations) in &asked {
                all.extend(operations.iter().map(|operation| Probe {
                    principal: principal.clone(),
                    host,
                    operation: *operation,
                    resource: *resource,
                    name,
                }));
            }
        }
    }
    all
}

/// The answers to all probes.
fn answers(probes: &[Probe], acls: &Acls) -> Vec<bool> {
    let none = std::collections::BTreeMap::new();
    let mut of: HashMap<(ResourceType, &str), Vec<&Acl>> = HashMap::new();
    for acl in acls {
        of.entry((acl.resource, acl.principal.as_str()))
            .or_default()
            .push(acl);
    }
    let about = |probe: &Probe| {
        let of = |principal| {
            of.get(&(probe.resource, principal))
                .into_iter()
                .flatten()
                .copied()
        };
        let question = Question {
            principal: &probe.principal,
            host: probe.host,
            operation: probe.operation,
            resource: probe.resource,
            name: probe.name,
        };
        explain(
            &question,
            of(&probe.principal).chain(of("User:*")),
            &[],
            &none,
        )
        .allowed
    };
    probes.iter().map(about).collect()
}

/// A state of Kafka's.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where the log ended when it was told.
    pub at: u64,
    /// If Kafka was asked: how many changes by others had been made before, and begun until it answered. The log may be
    /// ahead of what a broker enforces.
    pub asked: Option<(usize, usize)>,
    pub acls: Acls,
}

/// Answers that were worked out before, by the numbers of what is there.
type Known = HashMap<(usize, usize, usize, usize), Vec<bool>>;

/// What happened since the last rest, with the end of the log just before each.
pub struct Window {
    /// What may be wanted from there on.
    targets: Vec<(u64, Vec<Acls>)>,
    /// What others have made: being changed from there, changed for certain from there.
    foreign: Vec<(u64, u64, Acls)>,
    /// What was taken away by hand and is not repaired before the next rest.
    by_hand: Vec<(u64, Acl)>,
    /// How many changes others had made before.
    others: usize,
    /// In words.
    pub said: Vec<String>,
}

impl Window {
    /// Everything is at rest.
    pub fn new(wanted: Acls, foreign: Acls, others: usize) -> Self {
        Self {
            targets: vec![(0, vec![wanted])],
            foreign: vec![(0, 0, foreign)],
            by_hand: Vec::new(),
            others,
            said: Vec::new(),
        }
    }

    /// Something else is wanted.
    pub fn wanted(&mut self, from: u64, possible: Vec<Acls>) {
        self.targets.push((from, possible));
    }

    /// Others have changed something.
    pub fn foreign(&mut self, from: u64, to: u64, all: Acls) {
        self.foreign.push((from, to, all));
    }

    /// Something is taken away by hand.
    pub fn by_hand(&mut self, from: u64, acl: Acl) {
        self.by_hand.push((from, acl));
    }

    /// Judges every state.
    pub fn judge(&self, probes: &[Probe], seen: &[Seen]) -> Result<()> {
        let mut known = Known::new();
        let mut broken = Vec::new();
        let mut last: Option<(&Acls, Vec<bool>)> = None;
        for state in seen {
            let (always, never) = self.certain(probes, state, &mut known);
            let now = match last.take() {
                Some((acls, answers)) if *acls == state.acls => answers,
                _ => answers(probes, &state.acls),
            };
            for (i, allowed) in now.iter().enumerate() {
                let wrong = match allowed {
                    false if always[i] => "denied, and allowed before and after",
                    true if never[i] => "allowed, and denied before and after",
                    _ => continue,
                };
                let how = if state.asked.is_some() {
                    "answered"
                } else {
                    "in the log"
                };
                broken.push(format!("{how} at {}: {:?} is {wrong}", state.at, probes[i]));
            }
            last = Some((&state.acls, now));
        }
        if broken.is_empty() {
            return Ok(());
        }
        let count = broken.len();
        broken.truncate(6);
        bail!(
            "{count} wrong answers of Kafka's on the way:\n  {}",
            broken.join("\n  ")
        )
    }

    /// What is allowed, and what is denied, whatever the controller has seen and done of all this until a state.
    fn certain(&self, probes: &[Probe], state: &Seen, known: &mut Known) -> (Vec<bool>, Vec<bool>) {
        let mut always = vec![true; probes.len()];
        let mut never = vec![true; probes.len()];
        let gone = self
            .by_hand
            .iter()
            .take_while(|(from, _)| *from <= state.at)
            .count();
        for (f, foreign) in self.foreign_at(state) {
            let targets = self
                .targets
                .iter()
                .enumerate()
                .take_while(|(_, (from, _))| *from <= state.at);
            for (t, (_, possible)) in targets {
                for (p, wanted) in possible.iter().enumerate() {
                    // Repaired or not.
                    for gone in BTreeSet::from([0, gone]) {
                        let answers = known.entry((f, t, p, gone)).or_insert_with(|| {
                            let gone = &self.by_hand[..gone];
                            let ours = wanted
                                .iter()
                                .filter(|acl| !gone.iter().any(|(_, g)| g == *acl));
                            answers(probes, &ours.chain(foreign).cloned().collect())
                        });
                        for (i, allowed) in answers.iter().enumerate() {
                            always[i] &= allowed;
                            never[i] &= !allowed;
                        }
                    }
                }
            }
        }
        (always, never)
    }

    /// What others may have made while a state was seen.
    fn foreign_at(&self, state: &Seen) -> impl Iterator<Item = (usize, &Acls)> {
        let (first, last) = match state.asked {
            Some((made, begun)) => (
                made.saturating_sub(self.others),
                begun.saturating_sub(self.others),
            ),
            None => (
                self.foreign
                    .iter()
                    .rposition(|(_, to, _)| *to <= state.at)
                    .unwrap_or(0),
                self.foreign
                    .iter()
                    .rposition(|(from, ..)| *from <= state.at)
                    .unwrap_or(0),
            ),
        };
        let all = self.foreign.iter().enumerate().skip(first);
        all.take_while(move |(i, _)| *i <= last)
            .map(|(i, (.., acls))| (i, acls))
    }
}
