//! Arrivals by the clock: what is late is late from the moment at which it should have been sent.
//!
//! Shared with the yardstick; threads and their sleeps, since a timer of 1 ms would be coarser than what is measured.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Who sends: more than are ever busy at once.
pub const SENDERS: u64 = 32;

/// Sends `rate` things a second for `seconds`, evenly, from [`SENDERS`] threads; tells each one's latency, or `None` for
/// what was refused. `sender` makes what a thread sends with.
pub fn paced<S>(
    rate: u64,
    seconds: u64,
    sender: impl Fn(u64) -> S + Sync,
    send: impl Fn(&mut S, u64) -> bool + Sync,
) -> Vec<Option<Duration>>
where
    S: Send,
{
    let begin = Instant::now() + Duration::from_millis(100);
    let (sender, send) = (&sender, &send);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..SENDERS)
            .map(|index| {
                scope.spawn(move || {
                    let mut with = sender(index);
                    let mut latencies = Vec::new();
                    for n in (index..rate * seconds).step_by(SENDERS as usize) {
                        let due = begin + Duration::from_nanos(n * 1_000_000_000 / rate);
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let accepted = send(&mut with, n);
                        latencies.push(accepted.then(|| due.elapsed()));
                    }
                    latencies
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_default())
            .collect()
    })
}
