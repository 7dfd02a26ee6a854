//! Delivering: the right to it, and what came of it.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{Row, any::AnyRow};

use super::{About, DueMessage, Posted, insert, owe::GATHER};
use crate::{
    domain::{next::after, notify::Sink},
    store::{Store, StoreError, micros},
};

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

impl Store {
    /// Claims a message for one delivery; `None` when somebody else was faster. From here on it counts as perhaps posted.
    pub async fn claim_message(
        &self,
        message: &DueMessage,
        owner: &str,
        lease: Duration,
    ) -> Result<Option<MessageClaim>, StoreError> {
        let now = self.now();
        let turn = self.turns.next().await?;
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
        drop(turn);
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
}
