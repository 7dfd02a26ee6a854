//! What only SQLite can get wrong: the file, the writing thread, the schema.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::Connection;
use tempfile::TempDir;

use crate::{
    clock::SystemClock,
    ids::Ids,
    store::{NewPause, OpenError, PauseScope, Store, StoreError},
};

async fn open(file: &Path) -> Result<Store, OpenError> {
    let clock = Arc::new(SystemClock::new());
    let ids = Arc::new(Ids::random(clock.clone()));
    Store::open(file, clock, ids).await
}

async fn new() -> (TempDir, PathBuf, Store) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    let store = open(&file).await.unwrap();
    (folder, file, store)
}

fn pause(why: &str) -> NewPause {
    NewPause {
        scope: PauseScope::All,
        who: "ann".to_owned(),
        source: "127.0.0.1".to_owned(),
        why: why.to_owned(),
        until: None,
    }
}

/// Keeps the writing thread busy until the sender is dropped: what is handed over meanwhile waits together.
async fn busy(store: &Store) -> std::sync::mpsc::Sender<()> {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let (begin, begun) = tokio::sync::oneshot::channel();
    let store = store.clone();
    tokio::spawn(async move {
        let slow = store.sqlite.writer.write(move |_| {
            let _ = begin.send(());
            let _ = held.recv();
            Ok::<_, StoreError>(())
        });
        slow.await.unwrap();
    });
    begun.await.unwrap();
    hold
}

#[tokio::test]
async fn what_fails_takes_back_its_own_and_no_others() {
    let (_folder, file, store) = new().await;
    let writer = &store.sqlite.writer;
    let hold = busy(&store).await;
    let hold_scope = |scope: &'static str| {
        writer.write(move |tx| {
            tx.execute("INSERT INTO holds (scope, until) VALUES (?1, 1)", [scope])?;
            if scope == "bad" {
                return Err(StoreError::Data("it is bad".to_owned()));
            }
            Ok(())
        })
    };
    let (good, bad, other, ()) = tokio::join!(hold_scope("good"), hold_scope("bad"), hold_scope("other"), async {
        drop(hold)
    });
    good.unwrap();
    other.unwrap();
    assert!(matches!(bad, Err(StoreError::Data(_))), "{bad:?}");
    let reader = Connection::open(file).unwrap();
    let scopes: Vec<String> = reader
        .prepare("SELECT scope FROM holds ORDER BY scope")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(scopes, ["good", "other"]);
}

#[tokio::test]
async fn a_commit_that_fails_is_everybodys_failure_and_nothing_is_kept() {
    let (_folder, file, store) = new().await;
    let writer = &store.sqlite.writer;
    // A rule that is looked at by the commit alone, as a full disk is noticed by it. It can be switched on between two
    // transactions only.
    let rule = writer.write(|tx| {
        tx.execute_batch(
            "CREATE TABLE parents (id INTEGER PRIMARY KEY);
             CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
             RELEASE work; COMMIT; PRAGMA foreign_keys = ON; BEGIN IMMEDIATE; SAVEPOINT work",
        )?;
        Ok::<_, StoreError>(())
    });
    rule.await.unwrap();
    let hold = busy(&store).await;
    let quiet = pause("quiet");
    let innocent = store.pause(&quiet);
    let orphan = writer.write(|tx| Ok::<_, StoreError>(tx.execute("INSERT INTO children (parent) VALUES (7)", [])?));
    let (innocent, orphan, ()) = tokio::join!(innocent, orphan, async { drop(hold) });
    for failed in [innocent.err(), orphan.err()] {
        assert!(matches!(failed, Some(StoreError::Data(_))), "{failed:?}");
    }
    let kept = |table: &str| {
        let reader = Connection::open(&file).unwrap();
        let sql = format!("SELECT COUNT(*) FROM {table}");
        reader.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((kept("pauses"), kept("children")), (0, 0));
    store.pause(&pause("loud")).await.unwrap();
    assert_eq!(kept("pauses"), 1, "and the next one is not concerned");
}

#[tokio::test]
async fn whoever_gave_up_before_its_turn_is_skipped() {
    let (_folder, _, store) = new().await;
    let hold = busy(&store).await;
    let (ran, runs) = std::sync::mpsc::channel::<()>();
    let impatient = store.sqlite.writer.write(move |_| {
        let _ = ran.send(());
        Ok::<_, StoreError>(())
    });
    let gave_up = tokio::time::timeout(Duration::ZERO, impatient).await;
    assert!(gave_up.is_err(), "it has not waited");
    drop(hold);
    store.ping().await.unwrap();
    assert!(runs.try_recv().is_err(), "nobody waited for it");
}

#[tokio::test]
async fn a_closure_that_panics_ends_nobody_else() {
    let (_folder, _, store) = new().await;
    let panicked = store
        .sqlite
        .writer
        .write(|_| -> Result<(), StoreError> { panic!("a defect") })
        .await;
    assert!(matches!(panicked, Err(StoreError::Statement(_))), "{panicked:?}");
    store.ping().await.unwrap();
}

#[tokio::test]
async fn pages_that_are_slow_keep_nobody_else_waiting() {
    let (_folder, _, store) = new().await;
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Arc::new(std::sync::Mutex::new(held));
    let slow = |_| {
        let (pages, held) = (store.sqlite.pages.clone(), Arc::clone(&held));
        tokio::spawn(async move {
            pages
                .read(move |_| {
                    let _ = held.lock().unwrap().recv();
                    Ok(())
                })
                .await
        })
    };
    let pages: Vec<_> = (0..5).map(slow).collect();
    tokio::task::yield_now().await;
    assert_eq!(store.next_due().await.unwrap(), None, "the engine reads beside them");
    drop(hold);
    for page in pages {
        page.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn the_audit_log_is_a_chain() {
    let (_folder, file, store) = new().await;
    for why in ["one", "two"] {
        store.pause(&pause(why)).await.unwrap();
    }
    let reader = Connection::open(file).unwrap();
    let rows: Vec<(String, String)> = reader
        .prepare("SELECT previous, hash FROM audit ORDER BY id")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(rows[0].0, "");
    assert_eq!(rows[1].0, rows[0].1);
    assert_ne!(rows[1].1, rows[0].1);
}

#[tokio::test]
async fn a_file_that_is_not_ours_is_refused_in_words_and_left_alone() {
    let cases = [
        (
            "CREATE TABLE _sqlx_migrations (version BIGINT)",
            "from before the first release",
        ),
        ("CREATE TABLE photos (id INTEGER)", "belongs to another program"),
        ("PRAGMA application_id = 7", "belongs to another program"),
        (
            "PRAGMA application_id = 1397247058; PRAGMA user_version = 99",
            "schema version 99, this program knows up to 1",
        ),
    ];
    for (made_by, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("db");
        let other = Connection::open(&file).unwrap();
        other.execute_batch(made_by).unwrap();
        let tables = || other.query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
        let before = tables().unwrap();
        let refused = open(&file).await.err().unwrap().to_string();
        assert!(refused.contains(words), "{made_by}: {refused}");
        assert!(refused.contains("db"), "names the file: {refused}");
        assert_eq!(tables().unwrap(), before, "{made_by}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("db");
    std::fs::write(
        &file,
        "this is no database, and longer than its header would be: ".repeat(9),
    )
    .unwrap();
    let refused = open(&file).await.err().unwrap().to_string();
    assert!(refused.contains("cannot be opened as a database"), "{refused}");
}
