//! How SQLite would carry out every statement: none may walk through a table that grows with history.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use rusqlite::Connection;

use super::{open::settled, pages, retention};
use crate::store::{AlertFilter, RunFilter};

/// Tables of which there is never much: what is in force, and what is configured. All others grow.
const SMALL: [&str; 5] = ["identity", "runbook_files", "holds", "clusters", "sqlite_master"];
/// Indexes of work that waits: walking through them is walking through what is to be done.
const WORK: [&str; 5] = [
    "posts_waiting",
    "runs_due",
    "pauses_in_force",
    "messages_due",
    "runbook_versions_held",
];

/// A database with its tables.
fn database() -> Connection {
    let connection = settled(Path::new(":memory:")).unwrap();
    connection.execute_batch(include_str!("schema.sql")).unwrap();
    connection
}

/// Every text in the sources that begins as a statement does, with its line.
fn statements() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    let mut folders = vec![folder];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".rs")
                || ["plans.rs", "tests.rs", "contract.rs", "retention.rs", "pages.rs"].contains(&name.as_str())
            {
                continue;
            }
            let source = fs::read_to_string(&path).unwrap();
            let source = with_shared_parts(&source);
            for (index, text) in source.split('"').enumerate() {
                let begins = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];
                if index % 2 == 1 && begins.iter().any(|begin| text.starts_with(begin)) {
                    found.push((name.clone(), text.to_owned()));
                }
            }
        }
    }
    found
}

/// A statement that is put together from parts stands in `concat!` with the macro `waiting!`.
fn with_shared_parts(source: &str) -> String {
    let Some((_, rest)) = source.split_once("macro_rules! waiting") else {
        return source.to_owned();
    };
    let shared = rest.split('"').nth(1).unwrap();
    source
        .replace("\",\n        waiting!(),\n        \"", shared)
        .replace("\",\n            waiting!(),\n            \"", shared)
}

/// What its plan walks through that grows.
fn walks(connection: &Connection, statement: &str) -> Vec<String> {
    let explained = format!("EXPLAIN QUERY PLAN {statement}");
    let mut plan = connection
        .prepare(&explained)
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
    // Values are given, since a plan may depend on a LIMIT that is bound.
    for index in 1..=plan.parameter_count() {
        plan.raw_bind_parameter(index, 1).unwrap();
    }
    let mut rows = plan.raw_query();
    let mut walks = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let step: String = row.get(3).unwrap();
        let Some(walked) = step.strip_prefix("SCAN ") else {
            continue;
        };
        let table = walked.split(' ').next().unwrap();
        let harmless = SMALL.contains(&table)
            // A row of values, or what a statement beside it has found.
            || ["CONSTANT", "(subquery-1)"].contains(&table)
            || WORK.iter().any(|index| walked.contains(&format!("INDEX {index}")));
        if !harmless {
            walks.push(step);
        }
    }
    walks
}

/// Names of tables by which statements call them: `runs r` is `r` in a plan.
fn aliases_are_not_hidden(statement: &str) -> bool {
    SMALL.iter().all(|small| !statement.contains(&format!(" AS {small}")))
}

#[test]
fn no_statement_walks_through_a_table_that_grows() {
    let connection = database();
    let mut statements = statements();
    assert!(statements.len() > 60, "only {} statements were found", statements.len());
    statements.extend(retention::statements().map(|statement| ("retention.rs".to_owned(), statement.to_owned())));
    statements.extend(
        listings()
            .into_iter()
            .map(|statement| ("pages.rs".to_owned(), statement)),
    );
    let mut found = Vec::new();
    for (file, statement) in &statements {
        assert!(aliases_are_not_hidden(statement), "{statement}");
        for walk in walks(&connection, statement) {
            found.push(format!("{file}: {walk}\n    {statement}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Every page with every combination of filters.
fn listings() -> Vec<String> {
    let text = |bit: u32, filter: u32| (filter & bit != 0).then(|| "x".to_owned());
    let mut listings: Vec<String> = (0..16)
        .flat_map(|filter| {
            ["finished", "running"].map(|phase| {
                let filter = RunFilter {
                    runbook: text(1, filter),
                    outcome: text(2, filter),
                    namespace: text(4, filter),
                    phase: text(8, filter).map(|_| phase.to_owned()),
                };
                pages::run_listing(&filter, None, 100).sql
            })
        })
        .collect();
    for alertname in [None, Some("x".to_owned())] {
        for firing in [None, Some(true), Some(false)] {
            let alertname = alertname.clone();
            listings.push(pages::alert_listing(&AlertFilter { alertname, firing }, None, 100).sql);
        }
    }
    listings
}

#[test]
fn a_walk_is_noticed() {
    let connection = database();
    for statement in [
        "SELECT id FROM runs WHERE detail = 'x'",
        "UPDATE episodes SET latest = 0 WHERE generator_url = 'x'",
        "SELECT r.id FROM runs r JOIN journal j ON j.kind = r.phase WHERE r.id = 'x'",
        "DELETE FROM attempts WHERE root_key LIKE 'x%'",
    ] {
        assert_eq!(walks(&connection, statement).len(), 1, "{statement}");
    }
    assert_eq!(
        walks(&connection, "SELECT id FROM runs WHERE id = 'x'"),
        Vec::<String>::new()
    );
}
