//! Deleting what is old: each bite is found by an index and read by a reader, and is one short transaction, so that nobody waits;
//! and never what somebody may still count on.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{micros, writer::Tx};
use crate::{domain::next::before, store::StoreError};

/// Rows that one transaction deletes at the most, or those of a single run.
const BITE: i64 = 500;
/// The longest that a guard looks back.
const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// A runbook's version that no file holds any more is kept for as long as a run that was opened with it may be shown, and for
/// longer than the longest deadline besides.
const UNUSED: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Until when what has ended is old.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Ages {
    /// Runs, episodes, messages, pauses.
    pub ended: Timestamp,
    /// Posts that were unfolded.
    pub posts: Timestamp,
    /// The present.
    pub now: Timestamp,
}

/// A statement that finds old rows by key, `?1` being an age and `?2` how many, and those that delete one of them.
struct Kind {
    find: &'static str,
    delete: &'static [&'static str],
    older_than: fn(&Ages) -> Timestamp,
}

/// Open runs and episodes, whatever is in force, and the audit log stay.
const KINDS: [Kind; 10] = [
    Kind {
        // Posts come in the order of their numbers, so the first few tell whether any is old.
        find: "SELECT id, 1 FROM (SELECT id, state, received_at FROM posts WHERE id > 0 ORDER BY id LIMIT ?2)
               WHERE state <> 0 AND received_at < ?1",
        delete: &["DELETE FROM posts WHERE id = ?1"],
        older_than: |ages| ages.posts,
    },
    Kind {
        find: "SELECT id, entries + 1 FROM runs INDEXED BY runs_finished WHERE finished_at < ?1 ORDER BY finished_at LIMIT ?2",
        delete: &[
            "DELETE FROM journal WHERE run_id = ?1",
            "DELETE FROM run_alerts WHERE run_id = ?1",
            "DELETE FROM messages WHERE run_id = ?1",
            "DELETE FROM requests WHERE run_id = ?1",
            "DELETE FROM runs WHERE id = ?1",
        ],
        older_than: |ages| ages.ended,
    },
    Kind {
        find: "SELECT id, 1 FROM messages INDEXED BY messages_old_digests WHERE kind = 'digest' AND opened_at < ?1
               AND due_at IS NULL AND NOT EXISTS (SELECT 1 FROM messages r WHERE r.digest_id = messages.id)
               ORDER BY opened_at LIMIT ?2",
        delete: &["DELETE FROM messages WHERE id = ?1"],
        older_than: |ages| ages.ended,
    },
    Kind {
        find: "SELECT id, 1 FROM episodes INDEXED BY episodes_ended WHERE told_at < ?1
               AND NOT EXISTS (SELECT 1 FROM run_alerts a WHERE a.episode_id = episodes.id)
               ORDER BY told_at LIMIT ?2",
        delete: &["DELETE FROM episodes WHERE id = ?1"],
        older_than: |ages| ages.ended,
    },
    Kind {
        find: "SELECT run_id, 1 FROM attempts INDEXED BY attempts_of_all WHERE at < ?1 ORDER BY at LIMIT ?2",
        delete: &["DELETE FROM attempts WHERE run_id = ?1"],
        older_than: |ages| ages.ended.min(before(ages.now, YEAR)),
    },
    Kind {
        find: "SELECT json_array(root_key, track, runbook), 1 FROM incidents INDEXED BY incidents_by_age
               WHERE started_at < ?1 ORDER BY started_at LIMIT ?2",
        delete: &[
            "DELETE FROM incidents WHERE root_key = json_extract(?1, '$[0]') AND track = json_extract(?1, '$[1]')
                   AND runbook = json_extract(?1, '$[2]')",
        ],
        older_than: |ages| ages.ended.min(before(ages.now, YEAR)),
    },
    Kind {
        find: "SELECT id, 1 FROM pauses INDEXED BY pauses_by_age
               WHERE created_at < ?1 AND (ended_at < ?1 OR until < ?1) ORDER BY created_at LIMIT ?2",
        delete: &["DELETE FROM pauses WHERE id = ?1"],
        older_than: |ages| ages.ended,
    },
    Kind {
        find: "SELECT version, 1 FROM runbook_versions INDEXED BY runbook_versions_left
               WHERE left_at < ?1 ORDER BY left_at LIMIT ?2",
        delete: &["DELETE FROM runbook_versions WHERE version = ?1"],
        older_than: |ages| before(ages.ended, UNUSED),
    },
    Kind {
        find: "SELECT scope, 1 FROM holds WHERE until < ?1 LIMIT ?2",
        delete: &["DELETE FROM holds WHERE scope = ?1"],
        older_than: |ages| ages.now,
    },
    Kind {
        find: "SELECT value, 1 FROM clusters WHERE last_seen_at < ?1 LIMIT ?2",
        delete: &["DELETE FROM clusters WHERE value = ?1"],
        older_than: |ages| ages.ended,
    },
];

/// Of one kind of rows, keys that are old.
pub(in crate::store) struct Bite {
    kind: &'static Kind,
    keys: Vec<rusqlite::types::Value>,
}

/// The next bites, one of each kind of which anything is old.
pub(in crate::store) fn find(reader: &Connection, ages: &Ages) -> Result<Vec<Bite>, StoreError> {
    let mut bites = Vec::new();
    for kind in &KINDS {
        let mut statement = reader.prepare_cached(kind.find)?;
        let mut rows = statement.query(params![micros((kind.older_than)(ages)), BITE])?;
        let (mut keys, mut size) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            size += row.get::<_, i64>(1)?;
            if size > BITE && !keys.is_empty() {
                break;
            }
            keys.push(row.get(0)?);
        }
        if !keys.is_empty() {
            bites.push(Bite { kind, keys });
        }
    }
    Ok(bites)
}

/// Deletes a bite; how many keys it had.
pub(in crate::store) fn delete(tx: &Tx<'_>, bite: &Bite) -> Result<usize, StoreError> {
    for statement in bite.kind.delete {
        let mut delete = tx.prepare_cached(statement)?;
        for key in &bite.keys {
            delete.execute([key])?;
        }
    }
    Ok(bite.keys.len())
}

/// Every statement, for whoever looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    KINDS
        .iter()
        .flat_map(|kind| std::iter::once(kind.find).chain(kind.delete.iter().copied()))
}
