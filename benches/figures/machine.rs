//! What the figures were measured on, and how busy it was.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// One line for the table's head.
pub fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = field("/proc/meminfo", "MemTotal:") / 1024;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = tempfile::tempdir().unwrap();
    format!(
        "machine: {cores} cores, {}, {memory} MiB, Linux {}, fdatasync {:.3} ms; load average {}",
        model.trim_start_matches([' ', '\t', ':']),
        kernel.trim(),
        median(&mut fdatasyncs(folder.path(), 100)),
        load()
    )
}

/// Of the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or_default().to_owned()
}

/// How long it takes to append a block and have it on the disk, in milliseconds, so many times.
pub fn fdatasyncs(folder: &Path, times: usize) -> Vec<f64> {
    let mut file = fs::File::create(folder.join("fdatasync")).unwrap();
    let block = [7_u8; 4096];
    (0..times)
        .map(|_| {
            file.write_all(&block).unwrap();
            let begin = Instant::now();
            file.sync_data().unwrap();
            millis(begin.elapsed())
        })
        .collect()
}

/// A process's memory in MiB: `VmRSS` now, `VmHWM` at its highest.
pub fn memory(pid: u32, which: &str) -> f64 {
    field(&format!("/proc/{pid}/status"), &format!("{which}:")) as f64 / 1024.0
}

/// The number behind a word, in kB as a rule.
fn field(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap_or_default();
    value
        .split_whitespace()
        .next()
        .and_then(|value| value.parse().ok())
        .unwrap_or_default()
}

/// How long this thread has been on a core: what else runs on the machine does not count.
pub fn cpu_time() -> Duration {
    Duration::from_nanos(field("/proc/thread-self/schedstat", ""))
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The value in the middle.
pub fn median(values: &mut [f64]) -> f64 {
    quantile(values, 0.5)
}

/// The value that so large a part of the others do not exceed.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values
        .get((last as f64 * part).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}
