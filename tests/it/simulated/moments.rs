//! The moments at which a process may die. Of a death nothing is left but the disk, the cluster and what the others were about to
//! do: a story goes on from there without being told again from its beginning. Deaths that leave the same are one, as those
//! before and after a call that only reads.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use jiff::Timestamp;
use serde_json::Value;
use simulated_cluster::kubernetes::calls::Recorded;
use tempfile::TempDir;

use super::{
    cluster::Cluster,
    disturbance::{At, Disturbance, Effect},
    office::Office,
};

/// What a process finds on its disk when it starts.
const FILES: [&str; 3] = ["selfhealer.db", "selfhealer.db-wal", "runbook.yaml"];

/// A folder for a process. Its power does not fail, so memory will do for a disk, where there is one.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// The files of a process as they were at a moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Disk(Vec<(&'static str, Vec<u8>)>);

impl Disk {
    pub fn read(folder: &Path) -> Self {
        // There is not always a write-ahead log.
        let there = FILES.into_iter().filter(|file| folder.join(file).exists());
        Self(there.map(|file| (file, fs::read(folder.join(file)).unwrap())).collect())
    }

    /// A folder with these files.
    pub fn lay_out(&self) -> TempDir {
        let folder = folder();
        for (file, content) in &self.0 {
            fs::write(folder.path().join(file), content).unwrap();
        }
        folder
    }
}

/// How far the script has come.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// The acts that are over.
    pub acted: usize,
    /// What Alertmanager is posting, and will post again.
    pub posting: Option<Value>,
    /// When everything was paused, and until when.
    pub pauses: Vec<(Timestamp, Timestamp)>,
}

/// What a death leaves.
pub struct Moment {
    /// The deaths that leave this.
    pub deaths: Vec<Disturbance>,
    pub disk: Arc<Disk>,
    pub cluster: Cluster,
    /// What people have been told.
    pub office: Office,
    /// What the cluster was asked before.
    pub asked: Vec<Recorded>,
    pub at: Timestamp,
    pub progress: Progress,
    revision: u64,
}

/// Writes down every moment of a story as it is told.
pub struct Moments {
    folder: PathBuf,
    cluster: Cluster,
    office: Office,
    progress: Arc<Mutex<Progress>>,
    seen: Mutex<Vec<Moment>>,
}

impl Moments {
    pub fn of(folder: &Path, cluster: &Cluster, office: &Office, progress: &Arc<Mutex<Progress>>) -> Arc<Self> {
        Arc::new(Self {
            folder: folder.to_owned(),
            cluster: cluster.clone(),
            office: office.clone(),
            progress: Arc::clone(progress),
            seen: Mutex::default(),
        })
    }

    /// The process might die now.
    pub fn note(&self, at: At, effect: Effect) {
        let death = Disturbance { at, effect };
        let disk = Disk::read(&self.folder);
        let now = self.cluster.0.now();
        let revision = self.cluster.0.with(|world| world.revision());
        let progress = self.progress.lock().unwrap().clone();
        let mut seen = self.seen();
        let disk = match seen.last_mut() {
            Some(last) if *last.disk == disk => {
                let office = last.office.calls() == self.office.calls();
                if office && (last.revision, last.at, &last.progress) == (revision, now, &progress) {
                    last.deaths.push(death);
                    return;
                }
                Arc::clone(&last.disk)
            }
            _ => Arc::new(disk),
        };
        seen.push(Moment {
            deaths: vec![death],
            disk,
            cluster: Cluster(self.cluster.0.fork()),
            office: self.office.still(now),
            asked: self.cluster.0.calls(),
            at: now,
            progress,
            revision,
        });
    }

    /// The number of a call that is about to be made.
    pub fn next_call(&self) -> u32 {
        u32::try_from(self.cluster.0.calls().len()).unwrap()
    }

    /// All of them.
    pub fn take(&self) -> Vec<Moment> {
        std::mem::take(&mut self.seen())
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Moment>> {
        self.seen.lock().unwrap()
    }
}
