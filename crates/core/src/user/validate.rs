//! What is wrong with a user's object, as far as it can be said of the object alone.
//!
//! What the CEL rules of the definition say is said here again: an object may have been stored before a rule existed.

use std::collections::BTreeSet;

use sdm_api::{Authentication, KafkaUser, QuotaSpec, SecretTemplate, names};

use super::duration::{DAY, parse_duration};
use super::{choose_listener, principal};
use crate::around::{Around, Relation};
use crate::validate::syntax;
use crate::violation::Review;

/// Also the bound of a label's value.
const NAME_AT_MOST: usize = 63;
/// The bound of X.520 for a common name.
const COMMON_NAME_AT_MOST: usize = 64;
const VALIDITY_AT_LEAST: i64 = 300;
const VALIDITY_AT_MOST: i64 = 3650 * DAY;
const OVERLAP_AT_MOST: i64 = 30 * DAY;
/// Below are passwords that can be guessed from what brokers store, above what Kafka takes.
const ITERATIONS: std::ops::RangeInclusive<i32> = 8192..=16384;

/// What there is to say about `new`; `old` is the object before the change, where there is one.
#[must_use]
pub fn validate(new: &KafkaUser, old: Option<&KafkaUser>) -> Review {
    let mut review = Review::default();
    name(new, &mut review);
    external(new, &mut review);
    certificate(new, &mut review);
    password(new, &mut review);
    if let Some(quotas) = &new.spec.quotas {
        limits(quotas, &mut review);
    }
    if let Some(secret) = &new.spec.secret {
        delivery(new, secret, &mut review);
    }
    if old.is_some_and(|old| old.spec.cluster_ref != new.spec.cluster_ref) {
        review.invalid(
            "spec.clusterRef",
            "clusterRef cannot change: create another object for the other cluster",
        );
    }
    review
}

/// The same, with what is known of others: whether the cluster is there and lets its namespace in, and has a listener
/// where such users can log in.
#[must_use]
pub fn review(new: &KafkaUser, old: Option<&KafkaUser>, around: &Around) -> Review {
    let mut review = validate(new, old);
    let relation = around.relation(super::namespace(new), &new.spec.cluster_ref);
    relation.tell(&mut review);
    let authentication = new.spec.authentication;
    // Of credentials that somebody else gives out nothing is expected.
    if let Relation::In(Some(known)) = relation
        && authentication != Authentication::External
        && let Err(refusal) = choose_listener(&known.cluster, authentication)
    {
        review.warn("spec.authentication", refusal.message);
    }
    review
}

fn name(user: &KafkaUser, review: &mut Review) {
    let name = super::name(user);
    let common = principal(user);
    if name.len() > NAME_AT_MOST {
        review.invalid(
            "metadata.name",
            format!(
                "{} characters are too long: the name becomes a label, so use at most {NAME_AT_MOST}",
                name.len()
            ),
        );
    } else if user.spec.authentication == Authentication::Tls && common.len() > COMMON_NAME_AT_MOST
    {
        review.invalid(
            "metadata.name",
            format!(
                "the name in the certificate, {common:?}, would have {} characters and may have {COMMON_NAME_AT_MOST}: shorten the user's name by {}, or use authentication scram-sha-512",
                common.len(),
                common.len() - COMMON_NAME_AT_MOST
            ),
        );
    }
}

fn external(user: &KafkaUser, review: &mut Review) {
    let path = "spec.principal";
    let external = user.spec.authentication == Authentication::External;
    let Some(principal) = &user.spec.principal else {
        if external {
            review.invalid(
                path,
                "authentication is external: say which principal Kafka makes of the credential",
            );
        }
        return;
    };
    let namespace = principal.split_once('/').map(|(first, _)| first);
    if !external {
        review.invalid(
            path,
            "the principal is given with authentication external, and only then: remove it",
        );
    } else if principal.is_empty() || principal.chars().any(char::is_control) {
        review.invalid(
            path,
            "a principal has no line breaks and no control characters, and is not empty",
        );
    } else if principal.starts_with("User:") {
        review.invalid(path, "write the principal without the `User:` before it");
    } else if principal == "*" || principal == "ANONYMOUS" {
        review.forbidden(
            path,
            format!("{principal:?} is everybody, and no single user"),
        );
    } else if principal.starts_with("sdm:") {
        review.forbidden(
            path,
            "principals that begin with `sdm:` are the operator's and the brokers'",
        );
    } else if namespace.is_some_and(syntax::dns_label) {
        review.forbidden(
            path,
            format!(
                "principals that begin with a namespace and a slash, such as `{}/`, are issued here, to users and service accounts of that namespace",
                namespace.unwrap_or_default()
            ),
        );
    }
}

fn certificate(user: &KafkaUser, review: &mut Review) {
    let Some(certificate) = &user.spec.certificate else {
        return;
    };
    if user.spec.authentication != Authentication::Tls {
        review.invalid("spec.certificate", without("certificate", user, "tls"));
    }
    let path = "spec.certificate.validity";
    match certificate.validity.as_deref().map(parse_duration) {
        Some(Err(why)) => review.invalid(path, why),
        Some(Ok(seconds)) if seconds < VALIDITY_AT_LEAST => {
            review.invalid(
                path,
                "a certificate is valid for at least 5 minutes: there must be time to renew it",
            );
        }
        Some(Ok(seconds)) if seconds > VALIDITY_AT_MOST => {
            review.invalid(
                path,
                "a certificate is valid for at most 10 years, which are 87600h",
            );
        }
        Some(Ok(_)) | None => {}
    }
}

fn password(user: &KafkaUser, review: &mut Review) {
    let Some(password) = &user.spec.password else {
        return;
    };
    if !user.spec.authentication.is_scram() {
        review.invalid(
            "spec.password",
            without("password", user, "scram-sha-512 or scram-sha-256"),
        );
    }
    if let Some(iterations) = password.iterations
        && !ITERATIONS.contains(&iterations)
    {
        let (least, most) = (ITERATIONS.start(), ITERATIONS.end());
        review.invalid(
            "spec.password.iterations",
            format!("{iterations} is out of range: use {least} to {most}"),
        );
    }
    let path = "spec.password.overlap";
    match password.overlap.as_deref().map(parse_duration) {
        Some(Err(why)) => review.invalid(path, why),
        Some(Ok(seconds)) if seconds > OVERLAP_AT_MOST => {
            review.invalid(
                path,
                "two passwords are valid for at most 30 days, which are 720h",
            );
        }
        Some(Ok(0)) => review.warn(
            path,
            "no overlap: a rotation cuts off clients that have not read the new password",
        ),
        Some(Ok(_)) | None => {}
    }
    if let Some(given) = &password.secret_ref
        && given.name == user.secret_name()
    {
        review.invalid(
            "spec.password.secretRef.name",
            format!("Secret {} is the one that the credential is delivered in: give another name in spec.secret.name", given.name),
        );
    }
}

fn without(part: &str, user: &KafkaUser, authentication: &str) -> String {
    format!(
        "a {part} is given with authentication {authentication}, and this is {}: remove it",
        user.spec.authentication.as_str()
    )
}

fn limits(quotas: &QuotaSpec, review: &mut Review) {
    let mut rate = |field: &str, value: Option<i64>| {
        if let Some(n) = value.filter(|n| *n < 1) {
            review.invalid(
                format!("spec.quotas.{field}"),
                format!("{n} would stop the user: use at least 1, or leave it out for no limit"),
            );
        }
    };
    rate("producerByteRate", quotas.producer_byte_rate);
    rate("consumerByteRate", quotas.consumer_byte_rate);
    let mut share = |field: &str, value: Option<f64>, most: f64| {
        if let Some(n) = value.filter(|n| !(0.01..=most).contains(n)) {
            review.invalid(
                format!("spec.quotas.{field}"),
                format!("{n} is out of range: use 0.01 to {most}, or leave it out for no limit"),
            );
        }
    };
    share("requestPercentage", quotas.request_percentage, 100_000.0);
    share(
        "controllerMutationRate",
        quotas.controller_mutation_rate,
        1_000_000.0,
    );
}

fn delivery(user: &KafkaUser, secret: &SecretTemplate, review: &mut Review) {
    if user.spec.authentication == Authentication::External {
        review.warn(
            "spec.secret",
            "nothing is delivered: somebody else provides the credential",
        );
    }
    let name = user.secret_name();
    if !syntax::dns_name(name) {
        review.invalid(
            "spec.secret.name",
            format!(
                "{name:?} is no name of a Secret: use lower-case letters, digits, dashes and dots"
            ),
        );
    }
    for (key, value) in &secret.labels {
        let path = format!("spec.secret.labels[{key}]");
        if key == names::LABEL_MANAGED_BY && value == names::MANAGED_BY {
            review.forbidden(
                path,
                format!("{value:?} marks what a cluster consists of: give another value"),
            );
        } else if !syntax::label_value(value) {
            review.invalid(
                path,
                format!("{value:?} is no value of a label: use up to 63 letters, digits, dashes, dots and underscores, and a letter or digit at both ends"),
            );
        } else {
            metadata_key(key, &path, review);
        }
    }
    for key in secret.annotations.keys() {
        metadata_key(key, &format!("spec.secret.annotations[{key}]"), review);
    }
    let mut seen = BTreeSet::new();
    for format in secret
        .formats
        .iter()
        .filter(|format| !seen.insert(**format))
    {
        let text = serde_json::to_string(format).unwrap_or_default();
        review.invalid(
            "spec.secret.formats",
            format!("{text} is listed twice: list it once"),
        );
    }
    if let Some(path) = &secret.mount_path
        && (!path.starts_with('/')
            || path.contains(|c: char| !c.is_ascii_alphanumeric() && !"._/-".contains(c)))
    {
        review.invalid(
            "spec.secret.mountPath",
            format!(
                "{path:?} is no absolute path of letters, digits, dots, dashes and underscores"
            ),
        );
    }
}

fn metadata_key(key: &str, path: &str, review: &mut Review) {
    if !syntax::label_key(key) {
        review.invalid(path, format!("{key:?} is no key of labels and annotations: use a name such as `team` or `example.com/team`"));
    } else if key.starts_with("kafka.sdm.dev/") {
        review.forbidden(
            path,
            "keys under kafka.sdm.dev/ are the operator's: choose another",
        );
    }
}
