//! Which runbooks are in force now and how far each may go, and every version that a run was opened with.
//!
//! A file that is refused keeps what it last held, in shadow only, also over a restart: a typo at 3 a.m. neither stops
//! the reports nor changes what acts.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    domain::runbook::Mode,
    runbooks::{Compiled, RunbookSet},
    store::{Store, StoreError},
    yaml::Diagnostic,
};

mod metrics;

pub use metrics::Metrics;

/// Versions that are kept compiled; a run's own is read again when it was let go.
const KEPT_VERSIONS: usize = 256;

/// The runbooks in force, shared by intake and engine.
#[derive(Clone)]
pub struct Registry {
    current: Arc<RwLock<Arc<Snapshot>>>,
    versions: Arc<RwLock<HashMap<String, Arc<Compiled>>>>,
    ceiling: Mode,
    overrides: Arc<BTreeMap<String, Mode>>,
}

/// The runbooks in force at one moment; it does not change.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The runbooks.
    pub set: RunbookSet,
    /// What is wrong with the files, rendered for people.
    pub problems: Vec<Diagnostic>,
    /// How many files are refused.
    pub broken: usize,
    /// Runbooks of refused files, in the version that was last good.
    last_good: HashSet<String>,
}

impl Registry {
    /// No runbooks yet. `overrides` go before what a runbook says itself; nothing goes beyond `ceiling`.
    pub fn new(ceiling: Mode, overrides: BTreeMap<String, Mode>) -> Self {
        Self {
            current: Arc::default(),
            versions: Arc::default(),
            ceiling,
            overrides: Arc::new(overrides),
        }
    }

    /// Reads the files and puts what they hold in force.
    pub async fn load(&self, paths: &[PathBuf], store: &Store) -> Result<Arc<Snapshot>, StoreError> {
        let loaded = RunbookSet::load(paths);
        let mut by_file: BTreeMap<&str, Vec<(String, String, String)>> = BTreeMap::new();
        for compiled in loaded.set.iter() {
            let kept = (
                compiled.runbook.name.clone(),
                compiled.version.clone(),
                compiled.source.clone(),
            );
            by_file.entry(&compiled.file).or_default().push(kept);
        }
        for (file, runbooks) in by_file {
            store.keep_runbooks(file, &runbooks).await?;
        }
        let mut all: Vec<Arc<Compiled>> = loaded.set.iter().cloned().collect();
        let mut last_good = HashSet::new();
        for file in &loaded.broken_files {
            for source in store.last_good(&file.to_string_lossy()).await? {
                let Ok(compiled) = Compiled::parse(&source) else {
                    continue;
                };
                if loaded.set.get(&compiled.runbook.name).is_none() {
                    last_good.insert(compiled.runbook.name.clone());
                    all.push(Arc::new(compiled));
                }
            }
        }
        let snapshot = Arc::new(Snapshot {
            set: RunbookSet::new(all),
            problems: loaded.problems,
            broken: loaded.broken_files.len(),
            last_good,
        });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = snapshot.clone();
        Ok(snapshot)
    }

    /// What is in force now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far a runbook may go now.
    pub fn mode(&self, snapshot: &Snapshot, runbook: &Compiled) -> Mode {
        let name = &runbook.runbook.name;
        if snapshot.last_good.contains(name) {
            return Mode::Shadow;
        }
        let own = self.overrides.get(name).copied().unwrap_or(runbook.runbook.mode);
        own.min(self.ceiling)
    }

    /// The version that a run was opened with; `None` when this program cannot read it.
    pub async fn version(&self, store: &Store, version: &str) -> Result<Option<Arc<Compiled>>, StoreError> {
        let known = self
            .versions
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(version)
            .cloned();
        if known.is_some() {
            return Ok(known);
        }
        let snapshot = self.snapshot();
        let compiled = match snapshot.set.iter().find(|compiled| compiled.version == version) {
            Some(compiled) => Some(compiled.clone()),
            None => {
                let source = store.runbook_source(version).await?;
                source.and_then(|source| Compiled::parse(&source).ok()).map(Arc::new)
            }
        };
        if let Some(compiled) = &compiled {
            let mut versions = self.versions.write().unwrap_or_else(PoisonError::into_inner);
            if versions.len() >= KEPT_VERSIONS {
                versions.clear();
            }
            versions.insert(version.to_owned(), compiled.clone());
        }
        Ok(compiled)
    }

    /// The items of `GET /api/v1/runbooks`.
    pub fn items(&self) -> serde_json::Value {
        let snapshot = self.snapshot();
        let items = snapshot.set.iter().map(|compiled| {
            let runbook = &compiled.runbook;
            serde_json::json!({
                "name": runbook.name,
                "version": compiled.version,
                "description": runbook.description,
                "mode": self.mode(&snapshot, compiled),
                "declaredMode": runbook.mode,
                "lastGood": snapshot.last_good.contains(&runbook.name),
                "file": compiled.file,
                "match": runbook.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "steps": runbook.steps.iter().map(|step| step.action.name()).collect::<Vec<_>>(),
            })
        });
        items.collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_runbook_goes_as_far_as_the_strictest_word() {
        let shipped = include_str!("../../runbooks/crash-looping-pod.yaml");
        let mut runbook = Compiled::parse(shipped).unwrap();
        let name = runbook.runbook.name.clone();
        for (ceiling, named, own, expected) in [
            (Mode::Enforce, None, Mode::Shadow, Mode::Shadow),
            (Mode::Enforce, Some(Mode::Enforce), Mode::Shadow, Mode::Enforce),
            (Mode::Enforce, Some(Mode::Shadow), Mode::Enforce, Mode::Shadow),
            (Mode::DryRun, Some(Mode::Enforce), Mode::Shadow, Mode::DryRun),
            (Mode::Shadow, None, Mode::Enforce, Mode::Shadow),
        ] {
            runbook.runbook.mode = own;
            let overrides: BTreeMap<String, Mode> = named.map(|mode| (name.clone(), mode)).into_iter().collect();
            let registry = Registry::new(ceiling, overrides);
            assert_eq!(registry.mode(&Snapshot::default(), &runbook), expected);
            runbook.runbook.name = "another".to_owned();
            assert_eq!(registry.mode(&Snapshot::default(), &runbook), own.min(ceiling));
            runbook.runbook.name.clone_from(&name);
        }
        let mut snapshot = Snapshot::default();
        snapshot.last_good.insert(name);
        let registry = Registry::new(Mode::Enforce, BTreeMap::new());
        assert_eq!(registry.mode(&snapshot, &runbook), Mode::Shadow);
    }
}
