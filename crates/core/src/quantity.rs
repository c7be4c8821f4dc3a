//! Kubernetes quantities: `512Mi`, `1.5`, `250m`, `2e9`.
//!
//! Values are compared and converted here; what a quantity is allowed to be is the
//! validator's business.

/// The value of `text` in billionths (nano units); none if it is no quantity.
#[must_use]
pub fn nanos(text: &str) -> Option<i128> {
    const NANO: i128 = 1_000_000_000;
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (multiplier, divisor) = scale(suffix)?;
    let mut value: i128 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    value = value.checked_mul(NANO)?;
    // Billionths are as fine as Kubernetes goes; it rounds up what is finer, and so do we.
    let mut unit = NANO;
    for digit in fraction.bytes() {
        unit /= 10;
        value = value.checked_add(i128::from(digit - b'0').checked_mul(unit)?)?;
        if unit == 0 && digit != b'0' {
            value = value.checked_add(1)?;
            break;
        }
    }
    let scaled = value.checked_mul(multiplier)?;
    let value = scaled / divisor + i128::from(scaled % divisor != 0);
    Some(if negative { -value } else { value })
}

/// The value of `text` in bytes, rounded up; none if it is no quantity or negative.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let nanos = nanos(text)?;
    if nanos < 0 {
        return None;
    }
    u64::try_from((nanos + 999_999_999) / 1_000_000_000).ok()
}

/// Whether two quantities have the same value, however they are written.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a == b || matches!((nanos(a), nanos(b)), (Some(x), Some(y)) if x == y)
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let multiplier = match suffix {
        "n" => return Some((1, 1_000_000_000)),
        "u" => return Some((1, 1_000_000)),
        "m" => return Some((1, 1_000)),
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "E" => 1_000_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            let power = 10i128.checked_pow(exponent.unsigned_abs())?;
            return Some(if exponent < 0 { (1, power) } else { (power, 1) });
        }
    };
    Some((multiplier, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        for (text, want) in [
            ("1Gi", 1 << 30),
            ("1024Mi", 1 << 30),
            ("1.5Gi", 3 << 29),
            ("500m", 1),
            ("2e3", 2000),
            ("1G", 1_000_000_000),
            ("0", 0),
            (".5k", 500),
        ] {
            assert_eq!(bytes(text), Some(want), "{text}");
        }
        for text in [
            "",
            "Gi",
            "1gi",
            "1 Gi",
            "1.2.3",
            "-1",
            "1e",
            "99999999999999999999999999999999999999Ei",
            ".",
        ] {
            assert_eq!(bytes(text), None, "{text}");
        }
        assert!(
            same("0.5", "500m")
                && same("1Gi", "1024Mi")
                && !same("1Gi", "1G")
                && same("odd", "odd")
        );
    }
}
