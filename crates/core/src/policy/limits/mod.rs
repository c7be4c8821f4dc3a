//! The structured limits, one file for each kind of object. An object that keeps them costs no allocation.

mod acls;
mod bounds;
mod brokers;
mod topics;
mod users;

pub(super) use acls::range;

use std::fmt;

use sdm_api::policy::KafkaPolicySpec;

use super::findings::Finding;
use super::scope::excepted;
use super::subject::{Asked, Typed};

/// Where findings of one policy on one object are gathered.
pub(super) struct Found<'f> {
    pub policy: &'f str,
    pub spec: &'f KafkaPolicySpec,
    pub asked: &'f Asked<'f>,
    pub findings: &'f mut Vec<Finding>,
}

impl Found<'_> {
    /// Adds a finding, unless there is an exception.
    pub fn add(&mut self, rule: &str, path: impl fmt::Display, message: impl Into<String>) {
        let place = (self.asked.namespace, self.asked.name);
        if excepted(self.spec, rule, place, self.asked.now) {
            return;
        }
        self.findings.push(Finding {
            policy: self.policy.to_owned(),
            rule: rule.to_owned(),
            path: path.to_string(),
            message: message.into(),
            outcome: self.spec.enforcement.into(),
        });
    }
}

/// What the structured limits of a policy find.
pub(super) fn check(object: &Typed, found: &mut Found<'_>) {
    let spec = found.spec;
    match object {
        Typed::Cluster(cluster, meant) => {
            if let Some(limits) = &spec.brokers {
                brokers::check(limits, cluster, meant, found);
            }
        }
        Typed::Topic(topic) => {
            if let Some(limits) = &spec.topics {
                topics::check(limits, topic, found);
            }
        }
        Typed::User(user) => {
            if let Some(limits) = &spec.users {
                users::check(limits, user, found);
            }
        }
        Typed::Role(role) => {
            if let Some(limits) = &spec.acls {
                acls::check_role(limits, role, found);
            }
        }
        Typed::Acl(acl) => {
            if let Some(limits) = &spec.acls {
                acls::check(limits, acl, found);
            }
        }
        Typed::Other => {}
    }
}
