//! Durations as users write them, and when a certificate is renewed.

/// How long a certificate is valid unless told otherwise: 90 days.
pub(super) const VALIDITY: i64 = 90 * DAY;
/// How long the credential before a rotation stays valid unless told otherwise.
pub(super) const OVERLAP: i64 = DAY;
/// Seconds of a day.
pub(super) const DAY: i64 = 24 * HOUR;
const HOUR: i64 = 3600;

/// Seconds of a duration such as `1h30m`.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!("{text:?} is no duration: write hours, minutes and seconds, such as 2160h or 1h30m")
    };
    let (mut total, mut number) = (0_i64, None::<i64>);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let so_far = number.unwrap_or(0).checked_mul(10);
            number = Some(
                so_far
                    .and_then(|n| n.checked_add(i64::from(digit)))
                    .ok_or_else(wrong)?,
            );
            continue;
        }
        let unit = match c {
            'h' => HOUR,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let seconds = number.take().and_then(|n| n.checked_mul(unit));
        total = seconds
            .and_then(|s| total.checked_add(s))
            .ok_or_else(wrong)?;
    }
    if text.is_empty() || number.is_some() {
        return Err(wrong());
    }
    Ok(total)
}

/// The duration given, or another one where none is given or it is none.
pub(super) fn or(given: Option<&str>, otherwise: i64) -> i64 {
    given
        .and_then(|text| parse_duration(text).ok())
        .unwrap_or(otherwise)
}

/// When a certificate is renewed: after two thirds of its validity, as every certificate of a cluster is.
#[must_use]
pub fn renew_at(not_before: i64, not_after: i64) -> i64 {
    let life = not_after.saturating_sub(not_before);
    not_before.saturating_add(life / 3 * 2 + life % 3 * 2 / 3)
}
