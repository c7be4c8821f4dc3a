//! Ages as kubectl writes them: `45s`, `5m`, `3h12m`, `4d`.

use jiff::Timestamp;

/// The age of something that began at `since`, seen at `now`.
pub fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    let Some(since) = since else {
        return "<unknown>".to_owned();
    };
    duration(now.duration_since(since).as_secs())
}

/// A duration in seconds, with at most two units. Clocks differ, so the future is now.
pub fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: i64, unit: &str, small: i64, sub: &str| {
        if small == 0 {
            format!("{big}{unit}")
        } else {
            format!("{big}{unit}{small}{sub}")
        }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10800 => format!("{minutes}m"),
        10800..28800 => two(hours, "h", minutes % 60, "m"),
        28800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_in_kubectl() {
        for (seconds, want) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (3600, "60m"),
            (10800, "3h"),
            (11000, "3h3m"),
            (90000, "25h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (864_000, "10d"),
        ] {
            assert_eq!(duration(seconds), want, "{seconds}");
        }
    }
}
