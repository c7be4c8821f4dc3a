//! What a policy says of ACLs, and of the roles they give.

use std::borrow::Cow;
use std::net::IpAddr;

use sdm_api::policy::AclLimits;
use sdm_api::{
    AclSubject, KafkaACL, KafkaRole, Operation, Pattern, Permission, SubjectKind, names,
};

use super::super::glob;
use super::Found;
use crate::access::built_in;

pub(super) fn check(limits: &AclLimits, acl: &KafkaACL, found: &mut Found<'_>) {
    let spec = &acl.spec;
    // A denial gives nothing.
    if spec.permission == Permission::Deny {
        return;
    }
    if limits.forbid_wildcards {
        for (i, resource) in spec.resources.iter().enumerate() {
            if resource.pattern == Pattern::Literal && resource.name.as_deref() == Some("*") {
                found.add(
                    "acls.forbidWildcards",
                    format_args!("spec.resources[{i}].name"),
                    "\"*\" is every resource there is and will be: name them, or use a prefix",
                );
            }
        }
    }
    let own = found.asked.namespace;
    for (i, subject) in spec.subjects.iter().enumerate() {
        let principal = principal(own, subject);
        let path = format_args!("spec.subjects[{i}]").to_string();
        if limits.forbid_wildcards && principal == "User:*" {
            let message = "\"User:*\" is everybody: name users or service accounts";
            found.add("acls.forbidWildcards", &path, message);
        } else if !limits.principals.is_empty()
            && !limits
                .principals
                .iter()
                .any(|p| glob::matches_in(p, own, &principal))
        {
            let allowed: Vec<String> = limits
                .principals
                .iter()
                .map(|p| p.replace("{namespace}", own))
                .collect();
            found.add(
                "acls.principals",
                &path,
                format!(
                    "{principal} may be given nothing here: use {}",
                    allowed.join(" or ")
                ),
            );
        }
    }
    hosts(limits, &spec.hosts, found);
    roles(limits, acl, found);
}

fn principal<'s>(own: &str, subject: &'s AclSubject) -> Cow<'s, str> {
    let namespace = subject.namespace.as_deref().unwrap_or(own);
    match subject.kind {
        SubjectKind::KafkaUser => {
            format!("User:{}", names::user_principal(namespace, &subject.name)).into()
        }
        SubjectKind::ServiceAccount => format!(
            "User:{}",
            names::service_account_principal(namespace, &subject.name)
        )
        .into(),
        SubjectKind::Principal => subject.name.as_str().into(),
    }
}

fn hosts(limits: &AclLimits, hosts: &[String], found: &mut Found<'_>) {
    if limits.hosts.is_empty() {
        return;
    }
    let allowed = limits.hosts.join(" or ");
    if hosts.is_empty() {
        let message = format!("it would hold from everywhere: name addresses in {allowed}");
        found.add("acls.hosts", "spec.hosts", message);
    }
    for host in hosts {
        let inside = limits
            .hosts
            .iter()
            .filter_map(|text| range(text))
            .any(|range| host.parse().is_ok_and(|ip| range.contains(ip)));
        if !inside {
            let message = format!("{host} may not be: use addresses in {allowed}");
            found.add("acls.hosts", format_args!("spec.hosts[{host}]"), message);
        }
    }
}

fn roles(limits: &AclLimits, acl: &KafkaACL, found: &mut Found<'_>) {
    if limits.forbidden_operations.is_empty() {
        return;
    }
    for role in &acl.spec.roles {
        let given = built_in(role).unwrap_or_default();
        let given = given
            .iter()
            .filter(|(type_, _)| acl.spec.resources.iter().any(|r| r.type_ == *type_))
            .flat_map(|(_, operations)| *operations);
        if let Some(operation) = forbidden(limits, given) {
            found.add(
                "acls.forbiddenOperations",
                format_args!("spec.roles[{role}]"),
                format!("role {role} gives {operation:?}, which nobody may be given: use a role without it"),
            );
        }
    }
}

pub(super) fn check_role(limits: &AclLimits, role: &KafkaRole, found: &mut Found<'_>) {
    for (i, rule) in role.spec.rules.iter().enumerate() {
        if let Some(operation) = forbidden(limits, &rule.operations) {
            found.add(
                "acls.forbiddenOperations",
                format_args!("spec.rules[{i}].operations"),
                format!("{operation:?} is an operation that nobody may be given: leave it out"),
            );
        }
    }
}

fn forbidden<'o>(
    limits: &AclLimits,
    operations: impl IntoIterator<Item = &'o Operation>,
) -> Option<Operation> {
    if limits.forbidden_operations.is_empty() {
        return None;
    }
    operations
        .into_iter()
        .find(|o| **o == Operation::All || limits.forbidden_operations.contains(o))
        .copied()
}

/// A range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Range {
    first: u128,
    mask: u128,
    v4: bool,
}

/// The range that `10.0.0.0/8` or a single address stands for; none if it is none.
pub(in crate::policy) fn range(text: &str) -> Option<Range> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (bits, width, v4) = number(address);
    let length = length.unwrap_or(width);
    if length > width {
        return None;
    }
    let mask = match width - length {
        // Shifting by the whole width is none in Rust.
        128 => 0,
        free => u128::MAX << free,
    };
    Some(Range {
        first: bits & mask,
        mask,
        v4,
    })
}

impl Range {
    fn contains(self, address: IpAddr) -> bool {
        let (bits, _, v4) = number(address);
        v4 == self.v4 && bits & self.mask == self.first
    }
}

fn number(address: IpAddr) -> (u128, u32, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32, true),
        IpAddr::V6(v6) => (u128::from(v6), 128, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses() {
        for (text, address, want) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("192.168.1.77/24", "192.168.1.1", true),
        ] {
            let range = range(text).unwrap();
            assert_eq!(
                range.contains(address.parse().unwrap()),
                want,
                "{text} {address}"
            );
        }
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/-1",
            "host",
            "/8",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
