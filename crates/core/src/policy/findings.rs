//! What policies find wrong with an object, and what comes of it.

use sdm_api::policy::Enforcement;
use serde::Serialize;

use crate::violation::{Review, Violation};

/// One thing that a policy finds wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The policy's name.
    pub policy: String,
    /// The part of it, as exceptions name it: `topics.partitions`, `cel/no-friday`.
    pub rule: String,
    /// The field, if it is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What is wrong, and how to mend it.
    pub message: String,
    /// What comes of it.
    #[serde(skip)]
    pub outcome: Outcome,
}

/// What comes of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The object is refused.
    Refuse,
    /// Whoever writes it is told.
    Warn,
    /// Whoever writes it is told that it was there before, and is let be.
    Stored,
    /// It is counted.
    Count,
}

impl From<Enforcement> for Outcome {
    fn from(enforcement: Enforcement) -> Self {
        match enforcement {
            Enforcement::Deny => Self::Refuse,
            Enforcement::Warn => Self::Warn,
            Enforcement::Audit => Self::Count,
        }
    }
}

impl Finding {
    /// As a person reads it, without the field.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{} (policy {}, {})", self.message, self.policy, self.rule)
    }
}

/// Everything that all policies find wrong with an object, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// What is refused and what is warned of.
    #[must_use]
    pub fn review(&self) -> Review {
        let mut review = Review::default();
        for finding in &self.0 {
            let sentence = finding.sentence();
            let located = || match finding.path.as_str() {
                "" => sentence.clone(),
                path => format!("{path}: {sentence}"),
            };
            match finding.outcome {
                Outcome::Refuse => review
                    .violations
                    .push(Violation::forbidden(finding.path.as_str(), sentence)),
                Outcome::Warn => review.warnings.push(located()),
                Outcome::Stored => review
                    .warnings
                    .push(format!("stored, but against policy: {}", located())),
                Outcome::Count => {}
            }
        }
        review
    }

    /// Those that come to `outcome`.
    pub fn of(&self, outcome: Outcome) -> impl Iterator<Item = &Finding> {
        self.0.iter().filter(move |f| f.outcome == outcome)
    }
}
