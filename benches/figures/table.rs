//! The figures with what they should be, as the table of `docs/performance.md`.

use std::fmt;

#[derive(Debug, Default)]
pub struct Table(Vec<[String; 4]>);

impl Table {
    /// A figure that should not exceed its target.
    pub fn at_most(&mut self, what: impl Into<String>, value: f64, target: f64, unit: &str) {
        self.row(what.into(), value, format!("≤ {target}{unit}"), value <= target, unit);
    }

    /// A figure that should reach its target.
    pub fn at_least(&mut self, what: impl Into<String>, value: f64, target: f64, unit: &str) {
        self.row(what.into(), value, format!("≥ {target}{unit}"), value >= target, unit);
    }

    /// A figure that says what another one means.
    pub fn note(&mut self, what: impl Into<String>, value: f64, unit: &str) {
        self.0.push([
            what.into(),
            format!("{}{unit}", short(value)),
            String::new(),
            String::new(),
        ]);
    }

    fn row(&mut self, what: String, value: f64, target: String, reached: bool, unit: &str) {
        let reached = if reached { "yes" } else { "no" };
        self.0
            .push([what, format!("{}{unit}", short(value)), target, reached.to_owned()]);
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | measured | target | reached |\n|---|---|---|---|")?;
        for [what, value, target, reached] in &self.0 {
            writeln!(f, "| {what} | {value} | {target} | {reached} |")?;
        }
        Ok(())
    }
}
