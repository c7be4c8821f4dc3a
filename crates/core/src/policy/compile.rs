//! Policies made ready to judge, once.

use std::sync::Arc;

use sdm_api::KafkaPolicy;
use sdm_api::policy::KafkaPolicySpec;

use super::cel::Expression;

/// A rule that is ready to be evaluated.
#[derive(Debug)]
pub(super) struct Rule {
    /// As exceptions name it: `cel/<name>`.
    pub id: String,
    /// The expression; or why it cannot be evaluated, which is then said of every object.
    pub expression: Result<Expression, String>,
    pub message: Option<String>,
    pub message_expression: Option<Expression>,
}

/// A policy that is ready to judge.
#[derive(Debug)]
pub(super) struct Policy {
    pub name: String,
    pub spec: KafkaPolicySpec,
    pub rules: Vec<Rule>,
}

impl Policy {
    fn new(name: &str, spec: &KafkaPolicySpec) -> Self {
        let rules = spec.cel.iter().map(|rule| Rule {
            id: format!("cel/{}", rule.name),
            // It was refused when it was written, so it comes from where nothing was refused.
            expression: Expression::compile(&rule.rule).map_err(|errors| {
                let first = errors.first().map(ToString::to_string);
                format!("the rule does not compile: {}", first.unwrap_or_default())
            }),
            message: rule.message.clone(),
            message_expression: rule
                .message_expression
                .as_deref()
                .and_then(|source| Expression::compile(source).ok()),
        });
        Self {
            name: name.to_owned(),
            rules: rules.collect(),
            spec: spec.clone(),
        }
    }
}

/// A set of policies, ready to judge. Cloning it, or adding one policy, compiles nothing again.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    // By name: so every answer is sorted, and none depends on the order in which policies came.
    pub(super) policies: Vec<Arc<Policy>>,
}

impl Compiled {
    /// Compiles `policies`. A policy that is being deleted does not hold any more.
    pub fn new<'p>(policies: impl IntoIterator<Item = &'p KafkaPolicy>) -> Self {
        let mut compiled = Self::default();
        for policy in policies {
            compiled.insert(policy);
        }
        compiled
    }

    /// Adds a policy, or replaces the one of its name.
    pub fn insert(&mut self, policy: &KafkaPolicy) {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        if policy.metadata.deletion_timestamp.is_some() {
            self.remove(name);
            return;
        }
        let compile = || Arc::new(Policy::new(name, &policy.spec));
        match self.position(name) {
            // Its status is written again and again.
            Ok(at) if self.policies[at].spec == policy.spec => {}
            Ok(at) => self.policies[at] = compile(),
            Err(at) => self.policies.insert(at, compile()),
        }
    }

    /// Takes a policy out.
    pub fn remove(&mut self, name: &str) {
        if let Ok(at) = self.position(name) {
            self.policies.remove(at);
        }
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.policies
            .binary_search_by(|p| p.name.as_str().cmp(name))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.policies.iter().map(|p| p.name.as_str())
    }

    /// How many policies there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policies.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }
}
