//! Durations and rates as people write them in Prometheus, Alertmanager and Kubernetes: `30m`, `1h30m`, `4/1d`.
//!
//! One grammar for runbooks and configuration. It refuses what those tools refuse too (fractions, a number without a
//! unit, units out of order) and says what to write instead.

use std::{fmt, time::Duration};

use thiserror::Error;

use super::runbook::Rate;

/// The units, longest first, in milliseconds. A year has 365 days and a week seven, as in Prometheus.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", 60 * 60 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The longest duration: adding it to any real moment cannot leave the calendar.
pub const MAX: Duration = Duration::from_millis(100 * 365 * DAY);

/// Why a text is not a duration or a rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// Nothing is written.
    #[error("a duration is missing: write a number and a unit, for example `30m`")]
    Empty,
    /// It begins with a minus sign.
    #[error("`{0}` is negative: a duration is zero or more, for example `30m`")]
    Negative(String),
    /// A number stands without a unit.
    #[error("`{0}` has no unit: write for example `{0}s` or `{0}m`")]
    NoUnit(String),
    /// The unit is not one of ours.
    #[error("`{0}` is not a unit: use y, w, d, h, m, s or ms")]
    UnknownUnit(String),
    /// A unit stands without a number, or something else does.
    #[error("`{0}` is not a duration: write numbers with units, for example `1h30m`")]
    Malformed(String),
    /// A unit is repeated or stands before a longer one.
    #[error("`{0}` has its units in the wrong order: each at most once, longest first, for example `1h30m`")]
    Order(String),
    /// A fraction.
    #[error("`{0}` has a fraction: write whole numbers, for example `1h30m` for one and a half hours")]
    Fraction(String),
    /// Longer than [`MAX`].
    #[error("`{0}` is too long: at most 100 years")]
    TooLong(String),
    /// A rate that is not `COUNT/DURATION`.
    #[error("`{0}` is not a rate: write a count, a slash and a duration, for example `4/1d`")]
    NotARate(String),
    /// A rate that allows nothing, or in no time.
    #[error("`{0}` allows nothing: count and duration of a rate are at least 1, for example `4/1d`")]
    EmptyRate(String),
}

/// Reads a duration: `30m`, `1h30m`, `250ms`, `1d`; `0` needs no unit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let whole = || text.to_owned();
    if text.is_empty() {
        return Err(DurationError::Empty);
    }
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.starts_with('-') {
        return Err(DurationError::Negative(whole()));
    }
    if text.contains(['.', ',']) {
        return Err(DurationError::Fraction(whole()));
    }
    let mut rest = text;
    let mut next_unit = 0;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (digits, after) = split_while(rest, |c| c.is_ascii_digit());
        let (unit, after) = split_while(after, |c| c.is_alphabetic() || c == 'µ');
        if digits.is_empty() || (unit.is_empty() && !after.is_empty()) {
            return Err(DurationError::Malformed(whole()));
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit(whole()));
        }
        let Some(index) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(DurationError::UnknownUnit(unit.to_owned()));
        };
        if index < next_unit {
            return Err(DurationError::Order(whole()));
        }
        next_unit = index + 1;
        total = digits
            .parse::<u64>()
            .ok()
            .and_then(|count| count.checked_mul(UNITS[index].1))
            .and_then(|part| total.checked_add(part))
            .filter(|total| u128::from(*total) <= MAX.as_millis())
            .ok_or_else(|| DurationError::TooLong(whole()))?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration so that [`parse`] reads it again. Parts of a millisecond are dropped.
///
/// Years and weeks are used only where nothing is left over: `90d`, not `12w6d`.
pub fn format(duration: Duration) -> String {
    let mut left = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if left == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, size) in UNITS {
        let exact_only = matches!(unit, "y" | "w");
        if left < size || (exact_only && !left.is_multiple_of(size)) {
            continue;
        }
        text.push_str(&format!("{}{unit}", left / size));
        left %= size;
    }
    text
}

/// Reads a rate: `4/1d` is four in any window of a day.
pub fn parse_rate(text: &str) -> Result<Rate, DurationError> {
    let (count, per) = text
        .split_once('/')
        .ok_or_else(|| DurationError::NotARate(text.to_owned()))?;
    let count = count
        .trim()
        .parse::<u32>()
        .map_err(|_| DurationError::NotARate(text.to_owned()))?;
    let per = parse(per.trim())?;
    if count == 0 || per.is_zero() {
        return Err(DurationError::EmptyRate(text.to_owned()));
    }
    Ok(Rate { count, per })
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, format(self.per))
    }
}

/// The longest beginning whose characters all satisfy the test, and what follows.
fn split_while(text: &str, test: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !test(c)).unwrap_or(text.len()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: u64 = 1000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;

    #[test]
    fn reads_what_prometheus_reads() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("0d0ms", 0),
            ("250ms", 250),
            ("90s", 90 * SECOND),
            ("30m", 30 * MINUTE),
            ("1h30m", HOUR + 30 * MINUTE),
            ("1d", DAY),
            ("1w", 7 * DAY),
            ("1y", 365 * DAY),
            ("1y2w3d4h5m6s7ms", 382 * DAY + 4 * HOUR + 5 * MINUTE + 6 * SECOND + 7),
            ("007s", 7 * SECOND),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_everything_else_and_says_what_to_write() {
        for (text, message) in [
            (
                "",
                "a duration is missing: write a number and a unit, for example `30m`",
            ),
            (
                "-5m",
                "`-5m` is negative: a duration is zero or more, for example `30m`",
            ),
            ("30", "`30` has no unit: write for example `30s` or `30m`"),
            ("1h30", "`1h30` has no unit: write for example `1h30s` or `1h30m`"),
            (
                "1.5h",
                "`1.5h` has a fraction: write whole numbers, for example `1h30m` for one and a half hours",
            ),
            (
                "5 minutes",
                "`5 minutes` is not a duration: write numbers with units, for example `1h30m`",
            ),
            (
                "m",
                "`m` is not a duration: write numbers with units, for example `1h30m`",
            ),
            ("5min", "`min` is not a unit: use y, w, d, h, m, s or ms"),
            ("5M", "`M` is not a unit: use y, w, d, h, m, s or ms"),
            (
                "30m1h",
                "`30m1h` has its units in the wrong order: each at most once, longest first, for example `1h30m`",
            ),
            (
                "1h1h",
                "`1h1h` has its units in the wrong order: each at most once, longest first, for example `1h30m`",
            ),
            ("101y", "`101y` is too long: at most 100 years"),
            (
                "99999999999999999999s",
                "`99999999999999999999s` is too long: at most 100 years",
            ),
            (
                "18446744073709551615y",
                "`18446744073709551615y` is too long: at most 100 years",
            ),
            (
                "٣m",
                "`٣m` is not a duration: write numbers with units, for example `1h30m`",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in [
            "0s", "250ms", "90d", "1m30s", "1h30m", "1d", "1w", "1y", "1d1h", "2y", "13d",
        ] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(format(Duration::from_secs(90)), "1m30s");
        assert_eq!(format(Duration::from_micros(1500)), "1ms");
    }

    #[test]
    fn every_duration_survives_writing_and_reading() {
        // A cheap walk over all magnitudes rather than a random one.
        let mut milliseconds: u64 = 1;
        while milliseconds < 100 * 365 * DAY {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse(&format(duration)), Ok(duration));
            milliseconds = milliseconds * 7 / 5 + 3;
        }
    }

    #[test]
    fn a_rate_is_a_count_and_a_window() {
        let rate = parse_rate("4/1d").unwrap();
        assert_eq!(rate, crate::domain::runbook::RATE);
        assert_eq!(rate.to_string(), "4/1d");
        for (text, message) in [
            (
                "4",
                "`4` is not a rate: write a count, a slash and a duration, for example `4/1d`",
            ),
            (
                "x/1d",
                "`x/1d` is not a rate: write a count, a slash and a duration, for example `4/1d`",
            ),
            (
                "-1/1d",
                "`-1/1d` is not a rate: write a count, a slash and a duration, for example `4/1d`",
            ),
            (
                "4/day",
                "`day` is not a duration: write numbers with units, for example `1h30m`",
            ),
            (
                "0/1d",
                "`0/1d` allows nothing: count and duration of a rate are at least 1, for example `4/1d`",
            ),
            (
                "4/0s",
                "`4/0s` allows nothing: count and duration of a rate are at least 1, for example `4/1d`",
            ),
        ] {
            assert_eq!(parse_rate(text).unwrap_err().to_string(), message);
        }
    }
}
