//! What SQLite can do on this machine with the rows of the inbox: the table of the service, its index, its settings and its
//! bytes, written by group commit, with nothing around it.
//!
//! ```text
//! yardstick closed FOLDER ALERTS ROWS       64 writers, each waits for its commit before the next row
//! yardstick open FOLDER RATE SECONDS        rows by the clock, latency from the moment at which each was due
//! yardstick http FOLDER                     rows that come as posts over HTTP, answered when they are committed
//! ```

use std::{
    path::Path,
    sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, params};

mod http;
#[path = "../../figures/pace.rs"]
mod pace;
#[path = "../../figures/posts.rs"]
mod posts;
#[path = "../../figures/tally.rs"]
mod tally;

use posts::Posts;
use tally::Tally;

type Failed = Box<dyn std::error::Error>;

/// As in the service's own migration.
const SCHEMA: &str = include_str!("../../../src/store/sqlite/schema.sql");
const WRITERS: u64 = 64;
/// What one commit takes at the most, as in the service.
const BATCH: usize = 512;

/// A row, and what its writer waits for.
struct Row<D> {
    alerts: usize,
    body: Vec<u8>,
    done: D,
}

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let ["http", folder] = arguments.as_slice() {
        return http::serve(Path::new(folder));
    }
    let tally = match arguments.as_slice() {
        ["closed", folder, alerts, rows] => closed(Path::new(folder), alerts.parse()?, rows.parse()?)?,
        ["open", folder, rate, seconds] => open(Path::new(folder), rate.parse()?, seconds.parse()?)?,
        _ => return Err("usage: yardstick closed FOLDER ALERTS ROWS | open FOLDER RATE SECONDS | http FOLDER".into()),
    };
    println!("{tally}");
    Ok(())
}

/// As many rows as 64 writers get committed, each one row after the other.
fn closed(folder: &Path, alerts: usize, rows: u64) -> Result<Tally, Failed> {
    let (queue, committer) = committer(folder)?;
    let begin = Instant::now();
    let latencies = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let mut row = writer_of(&queue, alerts);
                scope.spawn(move || {
                    let mut latencies = Vec::new();
                    for n in (writer..rows).step_by(WRITERS as usize) {
                        let begin = Instant::now();
                        if row(n) {
                            latencies.push(begin.elapsed());
                        }
                    }
                    latencies
                })
            })
            .collect();
        writers
            .into_iter()
            .flat_map(|writer| writer.join().unwrap_or_default())
            .collect()
    });
    let took = begin.elapsed();
    drop(queue);
    committer.join().map_err(|_| "the committer panicked")??;
    Ok(Tally::new(latencies, 0, took))
}

/// Rows of one alert, by the clock.
fn open(folder: &Path, rate: u64, seconds: u64) -> Result<Tally, Failed> {
    let (queue, committer) = committer(folder)?;
    let begin = Instant::now();
    let latencies = pace::paced(rate, seconds, |_| writer_of(&queue, 1), |row, n| row(n));
    let took = begin.elapsed();
    drop(queue);
    committer.join().map_err(|_| "the committer panicked")??;
    let refused = latencies.iter().filter(|latency| latency.is_none()).count() as u64;
    Ok(Tally::new(latencies.into_iter().flatten().collect(), refused, took))
}

/// What writes a numbered row and returns when it is durable.
fn writer_of(queue: &Sender<Row<Wake>>, alerts: usize) -> impl FnMut(u64) -> bool + Send + use<> {
    let mut posts = Posts::new(alerts, "YardstickAlert", |_| String::new());
    let (done, committed) = sync_channel(1);
    let queue = queue.clone();
    move |n| {
        let row = Row {
            alerts,
            body: posts.number(n).to_vec(),
            done: Wake(done.clone()),
        };
        queue.send(row).is_ok() && committed.recv().is_ok()
    }
}

/// Lets a thread go on.
struct Wake(SyncSender<()>);

impl Done for Wake {
    fn tell(self) {
        let _ = self.0.send(());
    }
}

/// How whoever waits for a row is told that it is durable.
trait Done: Send + 'static {
    fn tell(self);
}

type Committer = thread::JoinHandle<rusqlite::Result<()>>;

fn committer<D: Done>(folder: &Path) -> Result<(Sender<Row<D>>, Committer), Failed> {
    let connection = Connection::open(folder.join("yardstick.db"))?;
    for (name, value) in [
        ("journal_mode", "WAL"),
        ("synchronous", "FULL"),
        ("foreign_keys", "OFF"),
        ("cache_size", "-4096"),
        ("temp_store", "MEMORY"),
        ("wal_autocheckpoint", "4000"),
        ("journal_size_limit", "67108864"),
    ] {
        connection.pragma_update(None, name, value)?;
    }
    connection.execute_batch(SCHEMA)?;
    let (queue, rows) = channel();
    Ok((queue, thread::spawn(move || commit(&connection, &rows))))
}

/// Group commit: whatever waits goes into one transaction.
fn commit<D: Done>(connection: &Connection, rows: &Receiver<Row<D>>) -> rusqlite::Result<()> {
    let mut insert = connection
        .prepare("INSERT INTO posts (received_at, source, alerts, state, body) VALUES (?1, ?2, ?3, 0, ?4)")?;
    while let Ok(first) = rows.recv() {
        let mut batch = vec![first];
        batch.extend(rows.try_iter().take(BATCH - 1));
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for row in &batch {
            insert.execute(params![now(), "alertmanager", row.alerts as i64, row.body])?;
        }
        connection.execute_batch("COMMIT")?;
        for row in batch {
            row.done.tell();
        }
    }
    Ok(())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
