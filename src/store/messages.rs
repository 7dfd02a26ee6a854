//! The outbox: which messages are owed, who delivers which, and where each was posted.
//!
//! A message is owed in the transaction that records what it should tell, so neither is ever without the other. Delivery
//! claims it under a lease and an epoch, as runs are claimed, and every answer is recorded under that epoch.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{AnyConnection, Row, any::AnyRow};

use super::{Store, StoreError, micros, moment, unfold::uuid};
use crate::domain::{
    next::{after, before},
    notify::{Destination, Sink},
    run::RunId,
};

/// How long changes gather before a message is edited; the end is told at once.
const GATHER: Duration = Duration::from_secs(2);
/// The same for a digest, which many runs change.
const GATHER_DIGEST: Duration = Duration::from_secs(5);
/// Runs that wait for a first message in one channel: more become digests.
pub const CROWD: i64 = 10;
/// How long runs join a digest that was made in their channel.
const STORM: Duration = Duration::from_secs(10 * 60);
/// Runs that one digest tells of.
pub const DIGEST: i64 = 50;

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

/// The right to deliver a message.
#[derive(Clone, Debug)]
pub struct MessageClaim {
    id: String,
    epoch: i64,
}

/// What came of a delivery.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// It was told.
    Told {
        /// How much.
        told: i64,
        /// Where it stands; none for services that do not say.
        posted: Option<Posted>,
        /// Replies that are owed now.
        replies: Vec<About>,
    },
    /// Later.
    PutOff {
        /// When.
        until: Timestamp,
        /// It may have been posted all the same.
        perhaps_posted: bool,
        /// It counts as an attempt.
        failed: bool,
    },
    /// What was posted is not there any more, or is not ours to edit: once more from the start.
    Renew,
    /// The blocks were refused: once more without.
    Plain,
    /// Never.
    GivenUp {
        /// Its stable name.
        failure: &'static str,
    },
}

impl DueMessage {
    /// Whether it stands below another message.
    pub fn is_reply(&self) -> bool {
        matches!(self.about, About::Evidence { .. } | About::Mention { .. })
    }
}

const COLUMNS: &str = "m.id, m.kind, m.run_id, m.entry, m.channel, m.opened_at, m.wanted, m.told, m.last, m.posting_at,
     m.renewed, m.plain, m.attempts, m.remote_channel, m.remote_ts, p.remote_channel, p.remote_ts";

/// Of a message `m`: about a run of which nothing was ever posted, and nothing is under way. `$2` is now.
const WAITING: &str =
    "m.kind = 'run' AND m.due_at IS NOT NULL AND m.remote_ts IS NULL AND m.told = 0 AND m.posting_at IS NULL
     AND m.lease_until <= $2 AND m.renewed = 0";

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

    /// Makes digests where more than [`CROWD`] runs wait for their first message in a channel, and adds those that wait to
    /// a digest that was made there lately: a storm is told once.
    ///
    /// Looked up without the writing connection first: there is hardly ever a crowd.
    pub async fn gather_digests(&self, sink: Sink) -> Result<(), StoreError> {
        let now = self.now();
        let open = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT d.id, d.channel, (SELECT COUNT(*) FROM messages r WHERE r.digest_id = d.id AND r.kind = 'run') AS runs
             FROM messages d WHERE d.sink = $1 AND d.kind = 'digest' AND d.opened_at > $3 AND d.failure IS NULL
             AND EXISTS (SELECT 1 FROM messages m WHERE m.sink = d.sink AND m.channel = d.channel AND {WAITING})
             ORDER BY d.id"
        )))
        .bind(sink.as_str())
        .bind(micros(now))
        .bind(micros(before(now, STORM)))
        .fetch_all(&self.readers)
        .await?;
        for row in open {
            let room = DIGEST - row.try_get::<i64, _>(2)?;
            if room > 0 {
                self.gather(sink, row.try_get(1)?, Some(row.try_get(0)?), room).await?;
            }
        }
        while let Some(row) = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT m.channel FROM messages m WHERE m.sink = $1 AND {WAITING}
             GROUP BY m.channel HAVING COUNT(*) > $3 LIMIT 1"
        )))
        .bind(sink.as_str())
        .bind(micros(now))
        .bind(CROWD)
        .fetch_optional(&self.readers)
        .await?
        {
            self.gather(sink, row.try_get(0)?, None, DIGEST).await?;
        }
        Ok(())
    }

    /// Puts runs that wait in a channel into a digest: this one, or a new one.
    async fn gather(&self, sink: Sink, channel: String, digest: Option<String>, room: i64) -> Result<(), StoreError> {
        let now = self.now();
        let id = digest.clone().unwrap_or_else(|| self.ids.next().to_string());
        let mut tx = self.begin().await?;
        let gathered = sqlx::query(sqlx::AssertSqlSafe(format!(
            "UPDATE messages SET digest_id = $4, due_at = NULL WHERE id IN (
                 SELECT m.id FROM messages m WHERE m.sink = $1 AND m.channel = $3 AND {WAITING} ORDER BY m.id LIMIT $5)"
        )))
        .bind(sink.as_str())
        .bind(micros(now))
        .bind(channel.clone())
        .bind(id.clone())
        .bind(room)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        match digest {
            _ if gathered == 0 => {}
            None => insert(&mut tx, &id, "digest", None, 0, sink, &channel, micros(now), 1).await?,
            Some(_) => {
                sqlx::query("UPDATE messages SET wanted = wanted + 1, due_at = COALESCE(due_at, $2) WHERE id = $1")
                    .bind(id)
                    .bind(micros(after(now, GATHER_DIGEST)))
                    .execute(&mut *tx)
                    .await?;
            }
        }
        tx.commit().await?;
        Ok(())
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

    /// Claims a message for one delivery; `None` when somebody else was faster. From here on it counts as perhaps posted.
    pub async fn claim_message(
        &self,
        message: &DueMessage,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<MessageClaim>, StoreError> {
        let now = self.now();
        let row = sqlx::query(
            "UPDATE messages SET lease_owner = $1, lease_until = $2, epoch = epoch + 1,
             posting_at = CASE WHEN remote_ts IS NULL THEN COALESCE(posting_at, $3) ELSE posting_at END
             WHERE id = $4 AND due_at <= $3 AND lease_until <= $3 AND digest_id IS NULL RETURNING epoch",
        )
        .bind(owner.to_owned())
        .bind(micros(after(now, lease)))
        .bind(micros(now))
        .bind(message.id.clone())
        .fetch_optional(&self.writer)
        .await?;
        let claim = |row: AnyRow| {
            Ok(MessageClaim {
                id: message.id.clone(),
                epoch: row.try_get(0)?,
            })
        };
        row.map(claim).transpose()
    }

    /// Records what came of a delivery. What came late, after somebody else had claimed the message, changes nothing.
    pub async fn record_delivery(
        &self,
        claim: &MessageClaim,
        sink: Sink,
        delivery: &Delivery,
    ) -> Result<(), StoreError> {
        let now = micros(self.now());
        let mut tx = self.begin().await?;
        let query = match delivery {
            Delivery::Told { told, posted, .. } => sqlx::query(
                "UPDATE messages SET told = $3, due_at = CASE WHEN wanted > $3 THEN $4 ELSE NULL END, posting_at = NULL,
                 remote_channel = COALESCE($5, remote_channel), remote_ts = COALESCE($6, remote_ts), attempts = 0,
                 failure = NULL, lease_until = 0 WHERE id = $1 AND epoch = $2",
            )
            .bind(claim.id.clone())
            .bind(claim.epoch)
            .bind(*told)
            .bind(now + i64::try_from(GATHER.as_micros()).unwrap_or_default())
            .bind(posted.as_ref().map(|posted| posted.channel.clone()))
            .bind(posted.as_ref().map(|posted| posted.ts.clone())),
            Delivery::PutOff {
                until,
                perhaps_posted,
                failed,
            } => sqlx::query(
                "UPDATE messages SET due_at = $3, posting_at = CASE WHEN $4 = 1 THEN posting_at ELSE NULL END,
                 attempts = attempts + $5, lease_until = 0 WHERE id = $1 AND epoch = $2",
            )
            .bind(claim.id.clone())
            .bind(claim.epoch)
            .bind(micros(*until))
            .bind(i64::from(*perhaps_posted))
            .bind(i64::from(*failed)),
            Delivery::Renew => sqlx::query(
                "UPDATE messages SET remote_channel = NULL, remote_ts = NULL, posting_at = NULL, told = 0, renewed = 1,
                 due_at = $3, lease_until = 0 WHERE id = $1 AND epoch = $2",
            )
            .bind(claim.id.clone())
            .bind(claim.epoch)
            .bind(now),
            Delivery::Plain => sqlx::query(
                "UPDATE messages SET plain = 1, posting_at = NULL, due_at = $3, lease_until = 0
                 WHERE id = $1 AND epoch = $2",
            )
            .bind(claim.id.clone())
            .bind(claim.epoch)
            .bind(now),
            Delivery::GivenUp { failure } => sqlx::query(
                "UPDATE messages SET due_at = NULL, posting_at = NULL, failure = $3, lease_until = 0
                 WHERE id = $1 AND epoch = $2",
            )
            .bind(claim.id.clone())
            .bind(claim.epoch)
            .bind(*failure),
        };
        let recorded = query.execute(&mut *tx).await?.rows_affected() > 0;
        if let (true, Delivery::Told { replies, .. }) = (recorded, delivery)
            && !replies.is_empty()
        {
            // A reply counts against the limits of the channel that its message stands in, under the same name.
            let row = sqlx::query("SELECT channel FROM messages WHERE id = $1")
                .bind(claim.id.clone())
                .fetch_one(&mut *tx)
                .await?;
            let channel: String = row.try_get(0)?;
            for reply in replies {
                let (kind, run, entry) = match reply {
                    About::Evidence { run, entry } => ("evidence", run, *entry),
                    About::Mention { run } => ("mention", run, 0),
                    About::Run(_) | About::Digest => continue,
                };
                let id = self.ids.next().to_string();
                insert(&mut tx, &id, kind, Some(*run), entry, sink, &channel, now, 1).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Keeps what a service has forbidden until then.
    pub async fn hold(&self, scope: &str, until: Timestamp) -> Result<(), StoreError> {
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

/// Owes the messages of a run, in the transaction that records what they should tell.
pub(super) async fn owe(
    tx: &mut AnyConnection,
    ids: &crate::ids::Ids,
    run: RunId,
    entries: usize,
    owed: &Owed,
    now: Timestamp,
) -> Result<(), StoreError> {
    for to in &owed.to {
        sqlx::query(
            "INSERT INTO messages (id, kind, run_id, entry, sink, channel, opened_at, wanted, told, last, due_at, renewed,
             plain, attempts, lease_until, epoch)
             VALUES ($1, 'run', $2, 0, $3, $4, $5, $6, 0, $7, $5, 0, 0, 0, 0, 0)
             ON CONFLICT (run_id, sink, kind, entry) WHERE run_id IS NOT NULL DO UPDATE SET
             wanted = excluded.wanted, last = excluded.last, failure = NULL,
             due_at = CASE WHEN messages.digest_id IS NOT NULL THEN NULL
                 WHEN messages.due_at IS NOT NULL AND (messages.attempts > 0 OR excluded.last = 0) THEN messages.due_at
                 WHEN excluded.last = 1 THEN excluded.due_at ELSE $8 END",
        )
        .bind(ids.next().to_string())
        .bind(run.to_string())
        .bind(to.sink.as_str())
        .bind(to.channel.clone())
        .bind(micros(now))
        .bind(i64::try_from(entries).unwrap_or(i64::MAX))
        .bind(i64::from(owed.last))
        .bind(micros(after(now, GATHER)))
        .execute(&mut *tx)
        .await?;
    }
    sqlx::query(
        "UPDATE messages SET wanted = wanted + 1, due_at = COALESCE(due_at, $2), failure = NULL
         WHERE id IN (SELECT digest_id FROM messages WHERE run_id = $1 AND digest_id IS NOT NULL)",
    )
    .bind(run.to_string())
    .bind(micros(after(now, GATHER_DIGEST)))
    .execute(&mut *tx)
    .await?;
    Ok(())
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
