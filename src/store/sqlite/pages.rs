//! Reading what pages and the API show: each statement is made of the filters that are given, so that an index serves it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, types::Value};

use super::{
    moment,
    runs::{journal, labels},
};
use crate::{
    domain::run::RunId,
    store::{AlertFilter, AlertView, JournalView, Page, RunDetail, RunFilter, RunView, StoreError, TargetView},
};

const RUN_COLUMNS: &str = "id, runbook, version, mode, attempt, object, uid, root, phase, outcome, reason, detail, \
                           opened_at, due_at, deadline, finished_at";
const ALERT_COLUMNS: &str = "e.id, e.fingerprint, e.started_at, e.ended_at, e.told_at, e.first_seen_at, \
                             e.last_seen_at, e.labels, e.annotations, e.generator_url, e.reason";

/// Greater than every id.
const LAST: &str = "g";

/// A statement with the conditions that are asked for, and their values in order.
pub(super) struct Listing {
    pub sql: String,
    values: Vec<Value>,
}

impl Listing {
    fn new(select: &str, id: &str, cursor: Option<&str>) -> Self {
        Self {
            sql: format!("{select} WHERE {id} < ?1"),
            values: vec![Value::Text(cursor.unwrap_or(LAST).to_owned())],
        }
    }

    fn equals(&mut self, column: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.values.push(Value::Text(value.to_owned()));
            self.sql.push_str(&format!(" AND {column} = ?{}", self.values.len()));
        }
    }

    fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    fn newest_first(mut self, id: &str, limit: u32) -> Self {
        self.values.push(Value::Integer(i64::from(limit) + 1));
        self.sql
            .push_str(&format!(" ORDER BY {id} DESC LIMIT ?{}", self.values.len()));
        self
    }

    fn read<T>(
        &self,
        reader: &Connection,
        read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = reader.prepare_cached(&self.sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(&self.values))?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            items.push(read(row)?);
        }
        Ok(items)
    }
}

/// The statement for a page of alerts.
pub(super) fn alert_listing(filter: &AlertFilter, cursor: Option<&str>, limit: u32) -> Listing {
    let mut listing = Listing::new(&format!("SELECT {ALERT_COLUMNS} FROM episodes e"), "e.id", cursor);
    listing.equals("e.alertname", filter.alertname.as_deref());
    match filter.firing {
        None => {}
        Some(true) => listing.and("e.told_at IS NULL"),
        Some(false) => listing.and("e.told_at IS NOT NULL"),
    }
    listing.newest_first("e.id", limit)
}

/// The statement for a page of runs.
pub(super) fn run_listing(filter: &RunFilter, cursor: Option<&str>, limit: u32) -> Listing {
    // What is open is little, and found by its own index; all else is walked from the newest on.
    let open = filter.phase.as_deref().is_some_and(|phase| phase != "finished");
    let index = if open { " INDEXED BY runs_due" } else { "" };
    let mut listing = Listing::new(&format!("SELECT {RUN_COLUMNS} FROM runs{index}"), "id", cursor);
    listing.equals("runbook", filter.runbook.as_deref());
    listing.equals("outcome", filter.outcome.as_deref());
    listing.equals("namespace", filter.namespace.as_deref());
    if open {
        listing.and("finished_at IS NULL");
    }
    listing.equals("phase", filter.phase.as_deref());
    listing.newest_first("id", limit)
}

/// Episodes, newest first.
pub(in crate::store) fn alerts(
    reader: &Connection,
    filter: &AlertFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<AlertView>, StoreError> {
    let mut items = alert_listing(filter, cursor, limit).read(reader, alert_view)?;
    let next_cursor = cut(&mut items, limit, |item| &item.id);
    let mut runs = reader.prepare_cached("SELECT run_id FROM run_alerts WHERE episode_id = ?1 ORDER BY run_id")?;
    for item in &mut items {
        let rows = runs.query_map([&item.id], |row| row.get(0))?;
        item.runs = rows.collect::<Result<_, _>>()?;
    }
    Ok(Page { items, next_cursor })
}

/// Runs, newest first.
pub(in crate::store) fn runs(
    reader: &Connection,
    filter: &RunFilter,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<RunView>, StoreError> {
    let mut items = run_listing(filter, cursor, limit).read(reader, run_view)?;
    let next_cursor = cut(&mut items, limit, |item| &item.id);
    Ok(Page { items, next_cursor })
}

/// One run, if there is one.
pub(in crate::store) fn run(reader: &Connection, id: RunId) -> Result<Option<RunDetail>, StoreError> {
    let id = id.to_string();
    let mut statement = reader.prepare_cached(&format!("SELECT {RUN_COLUMNS} FROM runs WHERE id = ?1"))?;
    let Some(run) = statement
        .query_row([&id], |row| Ok(run_view(row)))
        .optional()?
        .transpose()?
    else {
        return Ok(None);
    };
    let mut statement = reader.prepare_cached(&format!(
        "SELECT {ALERT_COLUMNS} FROM run_alerts a JOIN episodes e ON e.id = a.episode_id
         WHERE a.run_id = ?1 ORDER BY e.id"
    ))?;
    let mut rows = statement.query([&id])?;
    let mut alerts = Vec::new();
    while let Some(row) = rows.next()? {
        alerts.push(AlertView {
            runs: vec![id.clone()],
            ..alert_view(row)?
        });
    }
    let journal = match journal(reader, &id)? {
        Ok(entries) => JournalView::Entries(entries),
        Err(unknown) => JournalView::Unreadable {
            unreadable: unknown.to_string(),
        },
    };
    Ok(Some(RunDetail { run, alerts, journal }))
}

/// The audit rows of a run `(at, kind, who, data)`, in order.
pub(in crate::store) fn audit_of(
    reader: &Connection,
    run: RunId,
) -> Result<Vec<(Timestamp, String, String, String)>, StoreError> {
    let mut statement = reader.prepare_cached("SELECT at, kind, who, data FROM audit WHERE run_id = ?1 ORDER BY id")?;
    let rows = statement.query_map([run.to_string()], |row| {
        Ok((moment(row.get(0)?), row.get(1)?, row.get(2)?, row.get(3)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn cut<T>(items: &mut Vec<T>, limit: u32, id: impl Fn(&T) -> &String) -> Option<String> {
    let limit = limit as usize;
    if items.len() <= limit {
        return None;
    }
    items.truncate(limit);
    items.last().map(|item| id(item).clone())
}

fn alert_view(row: &Row<'_>) -> Result<AlertView, StoreError> {
    let told: Option<i64> = row.get(4)?;
    Ok(AlertView {
        id: row.get(0)?,
        fingerprint: format!("{:016x}", row.get::<_, i64>(1)?.cast_unsigned()),
        status: if told.is_none() { "firing" } else { "resolved" },
        starts_at: moment(row.get(2)?),
        ends_at: row.get::<_, Option<i64>>(3)?.map(moment),
        first_seen_at: moment(row.get(5)?),
        last_seen_at: moment(row.get(6)?),
        labels: labels(row, 7)?,
        annotations: labels(row, 8)?,
        generator_url: row.get(9)?,
        runs: Vec::new(),
        reason: row.get(10)?,
    })
}

fn run_view(row: &Row<'_>) -> Result<RunView, StoreError> {
    let object: Option<String> = row.get(5)?;
    let uid: Option<String> = row.get(6)?;
    let root: Option<String> = row.get(7)?;
    let finished_at = row.get::<_, Option<i64>>(15)?.map(moment);
    let due_at = moment(row.get(13)?);
    Ok(RunView {
        id: row.get(0)?,
        runbook: row.get(1)?,
        runbook_version: row.get(2)?,
        mode: row.get(3)?,
        attempt: row.get(4)?,
        target: object
            .and_then(|object| serde_json::from_str(&object).ok())
            .map(|object| TargetView { object, uid }),
        root: root.and_then(|root| serde_json::from_str(&root).ok()),
        phase: row.get(8)?,
        outcome: row.get(9)?,
        reason: row.get(10)?,
        detail: row.get(11)?,
        opened_at: moment(row.get(12)?),
        due_at: finished_at.is_none().then_some(due_at),
        deadline: moment(row.get(14)?),
        finished_at,
    })
}
