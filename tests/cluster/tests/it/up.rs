//! A cluster from the command line, in a folder of its own that is also its temporary folder. Every process that it starts
//! works in there, the keepers too, so that folder's users are what is left of it.

use std::{
    fs::{self, read_link},
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

pub struct Up {
    child: Child,
    pub folder: tempfile::TempDir,
}

impl Up {
    pub fn start(more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), more)
    }

    /// In the folder of an earlier one.
    pub fn start_in(folder: tempfile::TempDir, more: &[&str]) -> Self {
        // Not the workspace's rules: they are not what is tested here.
        let rules = folder.path().join("rules.yaml");
        fs::write(&rules, "groups: []").unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_test-cluster"))
            .args(["up", "--nodes", "1", "--rules"])
            .arg(rules)
            .args(more)
            .current_dir(folder.path())
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    /// The lines that it prints when all is ready.
    pub fn ready(&mut self) -> Vec<String> {
        let lines = BufReader::new(self.child.stdout.as_mut().unwrap()).lines();
        let lines: Vec<_> = lines.take(4).map(Result::unwrap).collect();
        if lines.len() < 4 {
            panic!("not ready: {}", self.end().1);
        }
        lines
    }

    pub fn signal(&self, signal: &str) {
        kill(signal, &self.child.id().to_string());
    }

    /// Waits for its end: how, and what it wrote to standard error.
    pub fn end(&mut self) -> (ExitStatus, String) {
        let mut text = String::new();
        self.child.stderr.as_mut().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap(), text)
    }

    /// Every process in its folder: id and command line.
    pub fn processes(&self) -> Vec<(String, String)> {
        let inside = |path: &Path| read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(self.folder.path()));
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        processes
            .filter(|path| inside(path))
            .map(|path| {
                let command = fs::read_to_string(path.join("cmdline"))
                    .unwrap_or_default()
                    .replace('\0', " ");
                (path.file_name().unwrap().to_string_lossy().into_owned(), command)
            })
            .collect()
    }

    /// How many temporary folders there are.
    pub fn folders(&self) -> usize {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }

    pub fn leaves_nothing(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() || self.folders() > 0 {
            assert!(
                Instant::now() < deadline,
                "left: {:?} and {} folders",
                self.processes(),
                self.folders()
            );
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn kill(signal: &str, pid: &str) {
    let status = Command::new("sh")
        .args(["-c", r#"kill -s "$1" "$2""#, "sh", signal, pid])
        .status();
    assert!(status.unwrap().success());
}
