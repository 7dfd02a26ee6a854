//! What people order: pauses and cancels. Rows only; the engine judges them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::{Row, any::AnyRow};

use super::{Audit, Store, StoreError, audit, micros, moment, unfold::json};
use crate::domain::run::RunId;

/// What a pause concerns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseScope {
    /// Every run.
    All,
    /// The runs of one runbook.
    Runbook(String),
    /// The runs whose target or root stands in one namespace.
    Namespace(String),
}

/// A pause that is ordered.
#[derive(Clone, Debug)]
pub struct NewPause {
    /// What it concerns.
    pub scope: PauseScope,
    /// Who ordered it: the name of the token.
    pub who: String,
    /// From where.
    pub source: String,
    /// Why.
    pub why: String,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

/// A pause.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PauseRow {
    /// Its id.
    pub id: String,
    /// `all`, `runbook` or `namespace`.
    pub scope: String,
    /// The runbook's or namespace's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Who ordered it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// An order that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such run or pause.
    #[error("there is none with this id")]
    NotFound,
    /// The run is over.
    #[error("the run has finished")]
    Finished,
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for OrderError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Orders a pause. When this returns, no mutation that it concerns will be started.
    pub async fn pause(&self, pause: &NewPause) -> Result<PauseRow, StoreError> {
        let now = self.now();
        let id = self.ids.next().to_string();
        let (scope, name) = match &pause.scope {
            PauseScope::All => ("all", ""),
            PauseScope::Runbook(name) => ("runbook", name.as_str()),
            PauseScope::Namespace(name) => ("namespace", name.as_str()),
        };
        let row = PauseRow {
            id: id.clone(),
            scope: scope.to_owned(),
            name: name.to_owned(),
            who: pause.who.clone(),
            why: pause.why.clone(),
            created_at: moment(micros(now)),
            until: pause.until.map(|until| moment(micros(until))),
        };
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO pauses (id, scope, name, who, source, why, created_at, until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(scope)
        .bind(name.to_owned())
        .bind(pause.who.clone())
        .bind(pause.source.clone())
        .bind(pause.why.clone())
        .bind(micros(now))
        .bind(pause.until.map(micros))
        .execute(&mut *tx)
        .await?;
        let entry = Audit {
            kind: "pause",
            who: format!("{} from {}", pause.who, pause.source),
            data: serde_json::from_str(&json(&row)).unwrap_or_default(),
        };
        audit::append(&mut tx, now, None, &entry).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// Ends a pause.
    pub async fn resume(&self, id: &str, who: &str, source: &str) -> Result<(), OrderError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        let ended = sqlx::query("UPDATE pauses SET ended_at = $2, ended_by = $3 WHERE id = $1 AND ended_at IS NULL")
            .bind(id.to_owned())
            .bind(micros(now))
            .bind(who.to_owned())
            .execute(&mut *tx)
            .await?;
        if ended.rows_affected() == 0 {
            return Err(OrderError::NotFound);
        }
        // Who waited for it need not wait for the next look.
        sqlx::query("UPDATE runs SET due_at = $1 WHERE finished_at IS NULL AND reason = 'paused' AND due_at > $1")
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
        let entry = Audit {
            kind: "resume",
            who: format!("{who} from {source}"),
            data: serde_json::json!({"pause": id}),
        };
        audit::append(&mut tx, now, None, &entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The pauses in force, oldest first.
    pub async fn pauses(&self) -> Result<Vec<PauseRow>, StoreError> {
        sqlx::query(
            "SELECT id, scope, name, who, why, created_at, until FROM pauses
             WHERE ended_at IS NULL AND (until IS NULL OR until > $1) ORDER BY id",
        )
        .bind(micros(self.now()))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(read_pause)
        .collect()
    }

    /// Orders the end of a run. It takes effect before its next mutation.
    pub async fn cancel(&self, run: RunId, who: &str, source: &str, why: &str) -> Result<(), OrderError> {
        let now = self.now();
        let mut tx = self.begin().await?;
        // Due at once; if somebody works on it, it is seen when the next action is judged, or when the turn ends.
        let row = sqlx::query("UPDATE runs SET due_at = $2 WHERE id = $1 AND finished_at IS NULL RETURNING id")
            .bind(run.to_string())
            .bind(micros(now))
            .fetch_optional(&mut *tx)
            .await?;
        if row.is_none() {
            let known = sqlx::query("SELECT 1 FROM runs WHERE id = $1")
                .bind(run.to_string())
                .fetch_optional(&mut *tx)
                .await?;
            return Err(known.map_or(OrderError::NotFound, |_| OrderError::Finished));
        }
        sqlx::query(
            "INSERT INTO requests (id, run_id, kind, who, source, why, at) VALUES ($1, $2, 'cancel', $3, $4, $5, $6)",
        )
        .bind(self.ids.next().to_string())
        .bind(run.to_string())
        .bind(who.to_owned())
        .bind(source.to_owned())
        .bind(why.to_owned())
        .bind(micros(now))
        .execute(&mut *tx)
        .await?;
        let entry = Audit {
            kind: "cancel",
            who: format!("{who} from {source}"),
            data: serde_json::json!({"why": why}),
        };
        audit::append(&mut tx, now, Some(run), &entry).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn read_pause(row: &AnyRow) -> Result<PauseRow, StoreError> {
    Ok(PauseRow {
        id: row.try_get(0)?,
        scope: row.try_get(1)?,
        name: row.try_get(2)?,
        who: row.try_get(3)?,
        why: row.try_get(4)?,
        created_at: moment(row.try_get(5)?),
        until: row.try_get::<Option<i64>, _>(6)?.map(moment),
    })
}
