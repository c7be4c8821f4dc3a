//! Which topics a tenant reaches, and what it may do there: its own, and those granted to it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sdm_api::{KafkaAccessGrant, Operation, Pattern};

use super::rule::{ANY, Ops};

/// What a grant gives that lists no operations.
pub(super) const DEFAULT_GRANT: [Operation; 4] = [
    Operation::Read,
    Operation::Write,
    Operation::Describe,
    Operation::DescribeConfigs,
];

/// Declared topics by owner, each list sorted.
pub(super) struct Owned<'w>(HashMap<&'w str, Vec<&'w str>>);

impl<'w> Owned<'w> {
    pub(super) fn new(topics: &'w BTreeMap<String, String>) -> Self {
        let mut owned: HashMap<_, Vec<_>> = HashMap::new();
        for (topic, owner) in topics {
            owned
                .entry(owner.as_str())
                .or_default()
                .push(topic.as_str());
        }
        Self(owned)
    }

    /// Those of `owner` that begin with `prefix`.
    fn under(&self, owner: &str, prefix: &str) -> &[&'w str] {
        let all = self.0.get(owner).map(Vec::as_slice).unwrap_or_default();
        within(all, prefix, |topic| topic)
    }
}

/// The part of a sorted list whose keys begin with `prefix`.
fn within<'l, T>(list: &'l [T], prefix: &str, key: impl Fn(&T) -> &str) -> &'l [T] {
    let from = list.partition_point(|item| key(item) < prefix);
    let rest = list.get(from..).unwrap_or_default();
    let until = rest.partition_point(|item| key(item).starts_with(prefix));
    rest.get(..until).unwrap_or_default()
}

/// A topic that a tenant reaches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access<'w> {
    pub(super) topic: &'w str,
    pub(super) owner: &'w str,
    pub(super) operations: Ops,
}

/// All that one tenant reaches.
pub(super) struct Reach<'w> {
    topics: Vec<Access<'w>>,
    undeclared: Undeclared<'w>,
    cluster_namespace: &'w str,
}

impl<'w> Reach<'w> {
    /// `grants` are those for `tenant`.
    pub(super) fn new(
        tenant: &'w str,
        cluster_namespace: &'w str,
        topics: &'w BTreeMap<String, String>,
        owned: &Owned<'w>,
        grants: &[&'w KafkaAccessGrant],
    ) -> Self {
        let mut undeclared = Undeclared::default();
        let mut granted: BTreeMap<&'w str, (&'w str, Ops)> = BTreeMap::new();
        for grant in grants {
            let giver = grant.metadata.namespace.as_deref().unwrap_or_default();
            if giver == tenant {
                continue;
            }
            let operations = operations(grant);
            for entry in &grant.spec.topics {
                let name = entry.name.as_str();
                let (prefix, literal) = match entry.pattern {
                    Pattern::Prefixed => (Some(name), None),
                    Pattern::Literal if name == ANY => (Some(""), None),
                    Pattern::Literal => (None, Some(name)),
                };
                if let Some((topic, owner)) = literal.and_then(|l| topics.get_key_value(l))
                    && owner == giver
                {
                    give(&mut granted, topic, giver, operations);
                }
                for topic in prefix.map(|p| owned.under(giver, p)).unwrap_or_default() {
                    give(&mut granted, topic, giver, operations);
                }
                if giver == cluster_namespace {
                    undeclared.add(prefix, literal, operations);
                }
            }
        }
        let own = owned.under(tenant, "").iter().map(|topic| Access {
            topic,
            owner: tenant,
            operations: Ops::EVERYTHING,
        });
        let granted = granted.into_iter().map(|(topic, (owner, ops))| Access {
            topic,
            owner,
            operations: ops,
        });
        let mut all: Vec<_> = own.chain(granted).collect();
        all.sort_unstable_by_key(|access| access.topic);
        Self {
            topics: all,
            undeclared,
            cluster_namespace,
        }
    }

    /// A topic by its name; if it is out of reach, its owner.
    pub(super) fn topic(
        &self,
        name: &'w str,
        topics: &'w BTreeMap<String, String>,
    ) -> Result<Access<'w>, Option<&'w str>> {
        if let Ok(at) = self.topics.binary_search_by_key(&name, |a| a.topic) {
            return self.topics.get(at).copied().ok_or(None);
        }
        let owner = topics.get(name).map(String::as_str);
        let operations = self.undeclared.get(name);
        if owner.is_some() || operations.is_empty() {
            return Err(owner);
        }
        Ok(Access {
            topic: name,
            owner: self.cluster_namespace,
            operations,
        })
    }

    /// Declared topics that begin with `prefix`.
    pub(super) fn under(&self, prefix: &str) -> &[Access<'w>] {
        within(&self.topics, prefix, |access| access.topic)
    }
}

/// Whether a topic is Kafka's own. `*`, or a prefix that does not say so, is not meant for those.
pub(super) fn is_internal(topic: &str) -> bool {
    topic.starts_with("__")
}

fn give<'w>(
    granted: &mut BTreeMap<&'w str, (&'w str, Ops)>,
    topic: &'w str,
    giver: &'w str,
    operations: Ops,
) {
    let entry = granted.entry(topic).or_insert((giver, Ops::default()));
    entry.1 = entry.1.union(operations);
}

fn operations(grant: &KafkaAccessGrant) -> Ops {
    let listed = grant.spec.operations.iter().copied();
    let operations: Ops = match grant.spec.operations.is_empty() {
        true => DEFAULT_GRANT.into_iter().collect(),
        false => listed.collect(),
    };
    operations.with_implied()
}

/// What the cluster's own namespace grants of topics that nobody declared: names and prefixes, since nobody knows which
/// topics there are.
#[derive(Default)]
struct Undeclared<'w> {
    literal: BTreeMap<&'w str, Ops>,
    prefixes: BTreeMap<&'w str, Ops>,
    lengths: BTreeSet<usize>,
}

impl<'w> Undeclared<'w> {
    fn add(&mut self, prefix: Option<&'w str>, literal: Option<&'w str>, operations: Ops) {
        let entry = match (prefix, literal) {
            (Some(prefix), _) => {
                self.lengths.insert(prefix.len());
                self.prefixes.entry(prefix).or_default()
            }
            (None, Some(name)) => self.literal.entry(name).or_default(),
            (None, None) => return,
        };
        *entry = entry.union(operations);
    }

    fn get(&self, topic: &str) -> Ops {
        let literal = self.literal.get(topic).copied().unwrap_or_default();
        let prefixes = self.lengths.iter().filter_map(|n| topic.get(..*n));
        prefixes
            .filter(|prefix| !is_internal(topic) || is_internal(prefix))
            .filter_map(|prefix| self.prefixes.get(prefix))
            .fold(literal, |all, operations| all.union(*operations))
    }
}
