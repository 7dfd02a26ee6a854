//! The outbox: which messages are owed, who delivers which, and where each was posted.
//!
//! A message is owed in the transaction that records what it should tell, so neither is ever without the other. Delivery
//! claims it under a lease and an epoch, as runs are claimed, and every answer is recorded under that epoch.

mod delivery;
mod digests;
mod owe;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Store, StoreError, micros, moment, unfold::uuid};
use crate::domain::{
    notify::{Destination, Sink},
    run::RunId,
};

pub use self::delivery::{Delivery, MessageClaim};
pub(super) use self::owe::owe;

/// Where a run is told of.
#[derive(Clone, Debug)]
pub struct Owed {
    /// To whom.
    pub to: Vec<Destination>,
    /// The run is over: this is the last that there is to tell.
    pub last: bool,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A run.
    Run(RunId),
    /// Many runs.
    Digest,
    /// What a step collected, as a reply to the run's message.
    Evidence {
        /// The run.
        run: RunId,
        /// The entry of its journal.
        entry: usize,
    },
    /// That somebody is wanted, as a reply to the message about this run, or to the digest that it is in.
    Mention {
        /// The run.
        run: RunId,
    },
}

/// A message that is due.
#[derive(Clone, Debug)]
pub struct DueMessage {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub about: About,
    /// Where it goes.
    pub channel: String,
    /// When it was first owed.
    pub opened_at: Timestamp,
    /// How much it should tell.
    pub wanted: i64,
    /// How much it tells.
    pub told: i64,
    /// Whether its runs are over.
    pub last: bool,
    /// Where it was posted, or for a reply: where its parent was.
    pub posted: Option<Posted>,
    /// Since when a first post is under way whose answer was never recorded.
    pub posting: Option<Timestamp>,
    /// It was posted afresh, since the first one was gone.
    pub renewed: bool,
    /// It is told without blocks, since they were refused.
    pub plain: bool,
    /// How often in a row it failed and may succeed later.
    pub attempts: u32,
}

/// Where a message stands at its service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The channel's id.
    pub channel: String,
    /// The message's.
    pub ts: String,
}

impl DueMessage {
    /// Whether it stands below another message.
    pub fn is_reply(&self) -> bool {
        matches!(self.about, About::Evidence { .. } | About::Mention { .. })
    }
}

const COLUMNS: &str = "m.id, m.kind, m.run_id, m.entry, m.channel, m.opened_at, m.wanted, m.told, m.last, m.posting_at,
     m.renewed, m.plain, m.attempts, m.remote_channel, m.remote_ts, p.remote_channel, p.remote_ts";

/// A reply's parent: the message of its run, or the digest that tells of it instead.
const PARENT: &str =
    "LEFT JOIN messages r ON r.run_id = m.run_id AND r.sink = m.sink AND r.kind = 'run' AND m.kind <> 'run'
     LEFT JOIN messages p ON p.id = COALESCE(r.digest_id, r.id)";

impl Store {
    /// Messages of a service that are due and that nobody delivers now: ends first, then the oldest.
    pub async fn due_messages(&self, sink: Sink, limit: usize) -> Result<Vec<DueMessage>, StoreError> {
        let now = micros(self.now());
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM messages m {PARENT}
             WHERE m.sink = $1 AND m.due_at <= $2 AND m.lease_until <= $2 ORDER BY m.last DESC, m.due_at, m.id LIMIT $3"
        )))
        .bind(sink.as_str())
        .bind(now)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(read).collect()
    }

    /// When the next message of a service is due that nobody delivers then.
    pub async fn next_message_due(&self, sink: Sink) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = sqlx::query(
            "SELECT MIN(CASE WHEN lease_until > due_at THEN lease_until ELSE due_at END) FROM messages
             WHERE sink = $1 AND due_at IS NOT NULL",
        )
        .bind(sink.as_str())
        .fetch_one(&self.readers)
        .await?
        .try_get(0)?;
        Ok(due.map(moment))
    }

    /// How many messages of a service are owed.
    pub async fn owed_messages(&self, sink: Sink) -> Result<i64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) FROM messages WHERE sink = $1 AND due_at IS NOT NULL")
            .bind(sink.as_str())
            .fetch_one(&self.readers)
            .await?;
        Ok(row.try_get(0)?)
    }

    /// The runs that a digest tells of.
    pub async fn digest_runs(&self, digest: &str) -> Result<Vec<RunId>, StoreError> {
        let rows = sqlx::query("SELECT run_id FROM messages WHERE digest_id = $1 AND kind = 'run' ORDER BY id")
            .bind(digest.to_owned())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(RunId(uuid(row.try_get(0)?)?))).collect()
    }

    /// A channel's id, if anything was ever posted there.
    pub async fn channel_id(&self, sink: Sink, channel: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT remote_channel FROM messages WHERE sink = $1 AND channel = $2 AND remote_channel IS NOT NULL
             ORDER BY id DESC LIMIT 1",
        )
        .bind(sink.as_str())
        .bind(channel.to_owned())
        .fetch_optional(&self.readers)
        .await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    /// Keeps what a service has forbidden until then.
    pub async fn hold(&self, scope: &str, until: Timestamp) -> Result<(), StoreError> {
        let _turn = self.turns.next().await?;
        sqlx::query(
            "INSERT INTO holds (scope, until) VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET until = excluded.until",
        )
        .bind(scope.to_owned())
        .bind(micros(until))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// What services have forbidden and until when.
    pub async fn holds(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let rows = sqlx::query("SELECT scope, until FROM holds WHERE until > $1")
            .bind(micros(self.now()))
            .fetch_all(&self.readers)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, moment(row.try_get(1)?))))
            .collect()
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the columns of a row that is written in one place"
)]
async fn insert(
    tx: &mut AnyConnection,
    id: &str,
    kind: &'static str,
    run: Option<RunId>,
    entry: usize,
    sink: Sink,
    channel: &str,
    now: i64,
    wanted: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO messages (id, kind, run_id, entry, sink, channel, opened_at, wanted, told, last, due_at, renewed,
         plain, attempts, lease_until, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 1, $7, 0, 0, 0, 0, 0)
         ON CONFLICT DO NOTHING",
    )
    .bind(id.to_owned())
    .bind(kind)
    .bind(run.map(|run| run.to_string()))
    .bind(i64::try_from(entry).unwrap_or(i64::MAX))
    .bind(sink.as_str())
    .bind(channel.to_owned())
    .bind(now)
    .bind(wanted)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<DueMessage, StoreError> {
    let kind: String = row.try_get(1)?;
    let run: Option<String> = row.try_get(2)?;
    let run = run.map(uuid).transpose()?.map(RunId);
    let entry = usize::try_from(row.try_get::<i64, _>(3)?).unwrap_or_default();
    let about = match (kind.as_str(), run) {
        ("run", Some(run)) => About::Run(run),
        ("digest", _) => About::Digest,
        ("evidence", Some(run)) => About::Evidence { run, entry },
        ("mention", Some(run)) => About::Mention { run },
        _ => return Err(StoreError::Corrupt(format!("a message of the kind {kind:?}"))),
    };
    let posted = |channel: usize| -> Result<Option<Posted>, StoreError> {
        let (channel, ts): (Option<String>, Option<String>) = (row.try_get(channel)?, row.try_get(channel + 1)?);
        Ok(channel.zip(ts).map(|(channel, ts)| Posted { channel, ts }))
    };
    let flag = |column: usize| -> Result<bool, StoreError> { Ok(row.try_get::<i64, _>(column)? == 1) };
    Ok(DueMessage {
        id: row.try_get(0)?,
        posted: match about {
            About::Run(_) | About::Digest => posted(13)?,
            About::Evidence { .. } | About::Mention { .. } => posted(15)?,
        },
        about,
        channel: row.try_get(4)?,
        opened_at: moment(row.try_get(5)?),
        wanted: row.try_get(6)?,
        told: row.try_get(7)?,
        last: flag(8)?,
        posting: row.try_get::<Option<i64>, _>(9)?.map(moment),
        renewed: flag(10)?,
        plain: flag(11)?,
        attempts: u32::try_from(row.try_get::<i64, _>(12)?).unwrap_or(u32::MAX),
    })
}
