//! What a policy says of users.

use sdm_api::KafkaUser;
use sdm_api::policy::{QuotaLimits, UserLimits};
use sdm_api::user::{Authentication, QuotaSpec};

use super::Found;
use crate::user::{parse_duration, validity};

pub(super) fn check(limits: &UserLimits, user: &KafkaUser, found: &mut Found<'_>) {
    let how = user.spec.authentication;
    if !limits.mechanisms.is_empty() && !limits.mechanisms.contains(&how) {
        let allowed: Vec<&str> = limits.mechanisms.iter().map(|m| m.as_str()).collect();
        found.add(
            "users.mechanisms",
            "spec.authentication",
            format!("{} may not be: use {}", how.as_str(), allowed.join(" or ")),
        );
    }
    if let Some(most) = &limits.quotas {
        quotas(most, user.spec.quotas.as_ref(), found);
    }
    if let Some(range) = &limits.certificate_validity
        && how == Authentication::Tls
    {
        let seconds = validity(user);
        let parse = |text: &Option<String>| parse_duration(text.as_deref()?).ok();
        let path = "spec.certificate.validity";
        if let (Some(min), Some(text)) = (parse(&range.min), &range.min)
            && seconds < min
        {
            let message = format!("{} is too short: use at least {text}", hours(seconds));
            found.add("users.certificateValidity", path, message);
        }
        if let (Some(max), Some(text)) = (parse(&range.max), &range.max)
            && seconds > max
        {
            let message = format!("{} is too long: use at most {text}", hours(seconds));
            found.add("users.certificateValidity", path, message);
        }
    }
}

/// Seconds as a duration that could be written.
fn hours(seconds: i64) -> String {
    if seconds % 3600 == 0 {
        format!("{}h", seconds / 3600)
    } else {
        format!("{seconds}s")
    }
}

fn quotas(most: &QuotaLimits, given: Option<&QuotaSpec>, found: &mut Found<'_>) {
    let none = QuotaSpec::default();
    let given = given.unwrap_or(&none);
    #[allow(clippy::cast_precision_loss)] // Only compared: a byte a second in 2^53 does not matter.
    let float = |n: Option<i64>| n.map(|n| n as f64);
    let quotas = [
        (
            "producerByteRate",
            float(most.producer_byte_rate),
            float(given.producer_byte_rate),
        ),
        (
            "consumerByteRate",
            float(most.consumer_byte_rate),
            float(given.consumer_byte_rate),
        ),
        (
            "requestPercentage",
            most.request_percentage,
            given.request_percentage,
        ),
        (
            "controllerMutationRate",
            most.controller_mutation_rate,
            given.controller_mutation_rate,
        ),
    ];
    for (name, most, given) in quotas {
        let Some(most) = most else { continue };
        let message = match given {
            Some(given) if given <= most => continue,
            Some(given) => format!("{given} is too high: use at most {most}"),
            None => format!("a user without it is not limited: use at most {most}"),
        };
        found.add("users.quotas", format_args!("spec.quotas.{name}"), message);
    }
}
