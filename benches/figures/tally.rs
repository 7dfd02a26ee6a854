//! What a loaded process tells of its round, on one line: `count=… refused=… seconds=… p50=… p99=… max=…`.
//!
//! Shared with the yardstick; only `std` is used here.

use std::{fmt, time::Duration};

/// What one round came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Posts or rows that are durable.
    pub count: u64,
    /// Posts that were answered with 503.
    pub refused: u64,
    /// How long it took.
    pub seconds: f64,
    /// Latencies in milliseconds.
    pub p50: f64,
    /// 99 of 100 were faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

impl Tally {
    /// From the latencies of what was acknowledged.
    pub fn new(mut latencies: Vec<Duration>, refused: u64, took: Duration) -> Self {
        latencies.sort_unstable();
        let at = |of_a_thousand: usize| {
            let index = (latencies.len() * of_a_thousand / 1000).min(latencies.len().saturating_sub(1));
            latencies
                .get(index)
                .map_or(0.0, |latency| latency.as_secs_f64() * 1000.0)
        };
        Self {
            count: latencies.len() as u64,
            refused,
            seconds: took.as_secs_f64(),
            p50: at(500),
            p99: at(990),
            max: at(1000),
        }
    }
}

#[allow(dead_code, reason = "the yardstick only tells, the figures only read")]
impl Tally {
    /// Posts or rows per second.
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds
    }

    /// From the line of another process.
    pub fn parse(line: &str) -> Option<Self> {
        let field = |name: &str| {
            let (_, value) = line
                .split_whitespace()
                .find_map(|word| word.split_once('=').filter(|(key, _)| *key == name))?;
            value.parse::<f64>().ok()
        };
        Some(Self {
            count: field("count")? as u64,
            refused: field("refused")? as u64,
            seconds: field("seconds")?,
            p50: field("p50")?,
            p99: field("p99")?,
            max: field("max")?,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "count={} refused={} seconds={:.6} p50={:.4} p99={:.4} max={:.4}",
            self.count, self.refused, self.seconds, self.p50, self.p99, self.max
        )
    }
}
