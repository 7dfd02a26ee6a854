//! What the API shows: pages of alerts and runs, newest first, and a run with its journal.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{AssertSqlSafe, Row, any::AnyRow};

use super::{Store, StoreError, bulk, moment, runs::labels};
use crate::domain::{alert::Labels, journal::Recorded, run::RunId, target::ObjectRef};

/// Some items, and where the next ones begin.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// An episode and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlertView {
    /// The episode's id.
    pub id: String,
    /// Alertmanager's identity of the alert.
    pub fingerprint: String,
    /// `firing` or `resolved`, as we were last told.
    pub status: &'static str,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
    /// When a post first spoke of it.
    pub first_seen_at: Timestamp,
    /// When a post last spoke of it.
    pub last_seen_at: Timestamp,
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Where the rule can be seen.
    #[serde(rename = "generatorURL")]
    pub generator_url: String,
    /// The runs that hold it.
    pub runs: Vec<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A run as lists show it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunView {
    /// Its id.
    pub id: String,
    /// The runbook's name.
    pub runbook: String,
    /// The version of the runbook that it executes.
    pub runbook_version: String,
    /// `shadow`, `dryRun` or `enforce`.
    pub mode: String,
    /// Which attempt at its alert it is.
    pub attempt: i64,
    /// The alerted object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetView>,
    /// What its limits count on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<ObjectRef>,
    /// `pending`, `running`, `verifying` or `finished`.
    pub phase: String,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Why it ended so, or what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it will look again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When waiting and acting end.
    pub deadline: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// The alerted object, with its uid once it was seen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetView {
    /// By name.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// The one that was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// A run with its alerts and its journal.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetail {
    /// What lists show.
    #[serde(flatten)]
    pub run: RunView,
    /// Its alerts.
    pub alerts: Vec<AlertView>,
    /// What happened, in order.
    pub journal: JournalView,
}

/// A journal, or why it cannot be read.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum JournalView {
    /// The entries.
    Entries(Vec<Recorded>),
    /// What stands in the way.
    Unreadable {
        /// In words.
        unreadable: String,
    },
}

/// Which runs a page shows.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Of this runbook.
    pub runbook: Option<String>,
    /// In this phase.
    pub phase: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// With this target's or root's namespace.
    pub namespace: Option<String>,
}

const RUN_COLUMNS: &str = "id, runbook, version, mode, attempt, object, uid, root, phase, outcome, reason, detail, \
                           opened_at, due_at, deadline, finished_at";
const ALERT_COLUMNS: &str = "e.id, e.fingerprint, e.started_at, e.ended_at, e.told_at, e.first_seen_at, \
                             e.last_seen_at, e.labels, e.annotations, e.generator_url, e.reason";

impl Store {
    /// Episodes, newest first. `firing` and `alertname` narrow it.
    pub async fn alerts(
        &self,
        alertname: Option<&str>,
        firing: Option<bool>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<AlertView>, StoreError> {
        let firing_filter = match firing {
            None => "",
            Some(true) => "AND e.told_at IS NULL",
            Some(false) => "AND e.told_at IS NOT NULL",
        };
        let statement = format!(
            "SELECT {ALERT_COLUMNS} FROM episodes e
             WHERE e.id < $1 AND ($2 = '' OR e.alertname = $2) {firing_filter} ORDER BY e.id DESC LIMIT $3"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(cursor.unwrap_or(LAST).to_owned())
            .bind(alertname.unwrap_or_default().to_owned())
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.readers)
            .await?;
        let mut items = rows.iter().map(alert_view).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = cut(&mut items, limit, |item| &item.id);
        self.add_runs(&mut items).await?;
        Ok(Page { items, next_cursor })
    }

    /// Runs, newest first.
    pub async fn runs(
        &self,
        filter: &RunFilter,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<RunView>, StoreError> {
        let statement = format!(
            "SELECT {RUN_COLUMNS} FROM runs
             WHERE id < $1 AND ($2 = '' OR runbook = $2) AND ($3 = '' OR phase = $3) AND ($4 = '' OR outcome = $4)
             AND ($5 = '' OR namespace = $5) ORDER BY id DESC LIMIT $6"
        );
        let rows = sqlx::query(AssertSqlSafe(statement))
            .bind(cursor.unwrap_or(LAST).to_owned())
            .bind(filter.runbook.clone().unwrap_or_default())
            .bind(filter.phase.clone().unwrap_or_default())
            .bind(filter.outcome.clone().unwrap_or_default())
            .bind(filter.namespace.clone().unwrap_or_default())
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.readers)
            .await?;
        let mut items = rows.iter().map(run_view).collect::<Result<Vec<_>, _>>()?;
        let next_cursor = cut(&mut items, limit, |item| &item.id);
        Ok(Page { items, next_cursor })
    }

    /// One run, if there is one.
    pub async fn run(&self, id: RunId) -> Result<Option<RunDetail>, StoreError> {
        let id = id.to_string();
        let row = sqlx::query(AssertSqlSafe(format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = $1")))
            .bind(id.clone())
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let alerts = sqlx::query(AssertSqlSafe(format!(
            "SELECT {ALERT_COLUMNS} FROM run_alerts a JOIN episodes e ON e.id = a.episode_id
             WHERE a.run_id = $1 ORDER BY e.id"
        )))
        .bind(id.clone())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            alert_view(row).map(|alert| AlertView {
                runs: vec![id.clone()],
                ..alert
            })
        })
        .collect::<Result<_, _>>()?;
        let journal = match super::runs::read_journal(&self.readers, &id).await? {
            Ok(entries) => JournalView::Entries(entries),
            Err(unknown) => JournalView::Unreadable {
                unreadable: unknown.to_string(),
            },
        };
        Ok(Some(RunDetail {
            run: run_view(&row)?,
            alerts,
            journal,
        }))
    }

    /// The audit rows of a run `(at, kind, who, data)`, in order.
    pub async fn audit_of(&self, run: RunId) -> Result<Vec<(Timestamp, String, String, String)>, StoreError> {
        sqlx::query("SELECT at, kind, who, data FROM audit WHERE run_id = $1 ORDER BY id")
            .bind(run.to_string())
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(|row| {
                Ok((
                    moment(row.try_get(0)?),
                    row.try_get(1)?,
                    row.try_get(2)?,
                    row.try_get(3)?,
                ))
            })
            .collect()
    }

    /// Tells each episode which runs hold it.
    async fn add_runs(&self, items: &mut [AlertView]) -> Result<(), StoreError> {
        let ids: Vec<String> = items.iter().map(|item| item.id.clone()).collect();
        let mut runs: HashMap<String, Vec<String>> = HashMap::new();
        let mut reader = self.readers.acquire().await?;
        bulk::select(
            &mut reader,
            "SELECT episode_id, run_id FROM run_alerts WHERE episode_id IN",
            "ORDER BY run_id",
            &ids,
            |query, id| query.bind(id.clone()),
            |row| {
                runs.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
                Ok(())
            },
        )
        .await?;
        for item in items {
            item.runs = runs.remove(&item.id).unwrap_or_default();
        }
        Ok(())
    }
}

/// Greater than every id.
const LAST: &str = "g";

fn cut<T>(items: &mut Vec<T>, limit: u32, id: impl Fn(&T) -> &String) -> Option<String> {
    let limit = limit as usize;
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(|item| id(item).clone())
}

fn alert_view(row: &AnyRow) -> Result<AlertView, StoreError> {
    let told: Option<i64> = row.try_get(4)?;
    Ok(AlertView {
        id: row.try_get(0)?,
        fingerprint: format!("{:016x}", row.try_get::<i64, _>(1)?.cast_unsigned()),
        status: if told.is_none() { "firing" } else { "resolved" },
        starts_at: moment(row.try_get(2)?),
        ends_at: row.try_get::<Option<i64>, _>(3)?.map(moment),
        first_seen_at: moment(row.try_get(5)?),
        last_seen_at: moment(row.try_get(6)?),
        labels: labels(row.try_get(7)?)?,
        annotations: labels(row.try_get(8)?)?,
        generator_url: row.try_get(9)?,
        runs: Vec::new(),
        reason: row.try_get(10)?,
    })
}

fn run_view(row: &AnyRow) -> Result<RunView, StoreError> {
    let object: Option<String> = row.try_get(5)?;
    let root: Option<String> = row.try_get(7)?;
    let uid: Option<String> = row.try_get(6)?;
    let finished_at = row.try_get::<Option<i64>, _>(15)?.map(moment);
    let due_at = moment(row.try_get(13)?);
    Ok(RunView {
        id: row.try_get(0)?,
        runbook: row.try_get(1)?,
        runbook_version: row.try_get(2)?,
        mode: row.try_get(3)?,
        attempt: row.try_get(4)?,
        target: object
            .and_then(|object| serde_json::from_str(&object).ok())
            .map(|object| TargetView { object, uid }),
        root: root.and_then(|root| serde_json::from_str(&root).ok()),
        phase: row.try_get(8)?,
        outcome: row.try_get(9)?,
        reason: row.try_get(10)?,
        detail: row.try_get(11)?,
        opened_at: moment(row.try_get(12)?),
        due_at: finished_at.is_none().then_some(due_at),
        deadline: moment(row.try_get(14)?),
        finished_at,
    })
}
