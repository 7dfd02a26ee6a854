//! Cron schedules of five fields, as robfig's parser reads them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, ToSpan, Zoned, tz::TimeZone};

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
    any_day: bool,
    any_weekday: bool,
    /// `@every`: a pause instead of all that.
    every: Option<SignedDuration>,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
/// Years after which a schedule that names no day at all is given up.
const YEARS: i16 = 5;

impl Schedule {
    /// Reads one; says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(pause) = text.strip_prefix("@every ") {
            let pause = pause
                .parse::<SignedDuration>()
                .map_err(|error| format!("failed to parse duration {text}: {error}"))?;
            let mut schedule = Self::parse("* * * * *")?;
            schedule.every = Some(pause.max(SignedDuration::from_secs(1)));
            return Ok(schedule);
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!(
                "expected exactly 5 fields, found {}: [{}]",
                fields.len(),
                fields.join(" ")
            ));
        };
        let any = |field: &str| field.starts_with('*') || field.starts_with('?');
        Ok(Self {
            minutes: field(minutes, (0, 59), &[], 0)?,
            hours: field(hours, (0, 23), &[], 0)?,
            days: field(days, (1, 31), &[], 0)?,
            months: field(months, (1, 12), &MONTHS, 1)?,
            weekdays: field(weekdays, (0, 7), &DAYS, 0)?
                .into_iter()
                .map(|day| day % 7)
                .collect(),
            any_day: any(days),
            any_weekday: any(weekdays),
            every: None,
        })
    }

    /// The first time after a moment; `None` when there is none for years.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if let Some(every) = self.every {
            return Some(after + every);
        }
        let mut at: Zoned = after.to_zoned(zone.clone());
        at = at
            .with()
            .second(0)
            .subsec_nanosecond(0)
            .build()
            .ok()?
            .checked_add(1.minute())
            .ok()?;
        let last = at.year() + YEARS;
        while at.year() <= last {
            if !self.months.contains(&at.month()) {
                at = at
                    .first_of_month()
                    .ok()?
                    .checked_add(1.month())
                    .ok()?
                    .start_of_day()
                    .ok()?;
            } else if !self.day(&at) {
                at = at.tomorrow().ok()?.start_of_day().ok()?;
            } else if !self.hours.contains(&at.hour()) {
                at = at.with().minute(0).build().ok()?.checked_add(1.hour()).ok()?;
            } else if !self.minutes.contains(&at.minute()) {
                at = at.checked_add(1.minute()).ok()?;
            } else {
                return Some(at.timestamp());
            }
        }
        None
    }

    /// Day of the month or day of the week, if both are said; otherwise both.
    fn day(&self, at: &Zoned) -> bool {
        let day = self.days.contains(&at.day());
        let weekday = self.weekdays.contains(&at.weekday().to_sunday_zero_offset());
        if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        }
    }
}

fn field(text: &str, (low, high): (i8, i8), names: &[&str], first: i8) -> Result<BTreeSet<i8>, String> {
    let mut all = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(range, step)| (range, Some(step)));
        let number = |text: &str| -> Result<i8, String> {
            let named = names.iter().position(|name| text.eq_ignore_ascii_case(name));
            if let Some(at) = named {
                return Ok(first + i8::try_from(at).unwrap_or_default());
            }
            text.parse().map_err(|_| format!("failed to parse int from {text}"))
        };
        let (from, to) = match range {
            "*" | "?" => (low, high),
            range => match range.split_once('-') {
                Some((from, to)) => (number(from)?, number(to)?),
                None if step.is_some() => (number(range)?, high),
                None => (number(range)?, number(range)?),
            },
        };
        let step = match step {
            None => 1,
            Some(step) => number(step)?,
        };
        if step <= 0 {
            return Err(format!("step of range should be a positive number: {part}"));
        }
        if from < low {
            return Err(format!("beginning of range ({from}) below minimum ({low}): {part}"));
        }
        if to > high {
            return Err(format!("end of range ({to}) above maximum ({high}): {part}"));
        }
        if from > to {
            return Err(format!(
                "beginning of range ({from}) beyond end of range ({to}): {part}"
            ));
        }
        all.extend((from..=to).step_by(usize::try_from(step).unwrap_or(1)));
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let schedule = Schedule::parse(schedule).unwrap();
        schedule
            .next(after.parse().unwrap(), &TimeZone::UTC)
            .unwrap()
            .to_string()
    }

    #[test]
    fn finds_the_next_time() {
        // A Tuesday.
        let now = "2026-11-24T10:07:30Z";
        for (schedule, expected) in [
            ("* * * * *", "2026-11-24T10:08:00Z"),
            ("*/15 * * * *", "2026-11-24T10:15:00Z"),
            ("7 10 * * *", "2026-11-25T10:07:00Z"),
            ("0 2 * * mon-fri", "2026-11-25T02:00:00Z"),
            ("0 0 1 jan *", "2027-01-01T00:00:00Z"),
            ("0 0 13 * 5", "2026-11-27T00:00:00Z"),
            ("0 0 * * 7", "2026-11-29T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("@hourly", "2026-11-24T11:00:00Z"),
            ("5-10/5,30 * * * *", "2026-11-24T10:10:00Z"),
        ] {
            assert_eq!(next(schedule, now), expected, "{schedule}");
        }
    }

    #[test]
    fn refuses_what_is_no_schedule() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "x * * * *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
        let never = Schedule::parse("0 0 31 2 *").unwrap();
        assert_eq!(
            never.next("2026-11-24T10:07:30Z".parse().unwrap(), &TimeZone::UTC),
            None
        );
    }
}
