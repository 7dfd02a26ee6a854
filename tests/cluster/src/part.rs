//! One child process: its log, its readiness, its crash.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    Error,
    keeper::{Group, end},
};

/// How long a part may take until it is ready: ten times what it needs on an idle machine.
pub(crate) const READY_WITHIN: Duration = Duration::from_secs(90);
/// How often something is looked at that one waits for.
pub(crate) const POLL: Duration = Duration::from_millis(50);
const LOG_LINES: usize = 30;
const LOG_BYTES: u64 = 64 * 1024;

/// A running program of a group. Dropping it ends the program, and the last one dropped ends the group.
#[derive(Debug)]
pub(crate) struct Part {
    name: &'static str,
    child: Child,
    log: PathBuf,
    _group: Arc<Group>,
}

impl Part {
    /// Starts `command` in `group`, with `NAME.log` in the group's folder as its output. A second start of the same name
    /// appends to that log.
    pub(crate) fn start(group: &Arc<Group>, name: &'static str, mut command: Command) -> Result<Self, Error> {
        let log = group.folder().join(format!("{name}.log"));
        let failed = || format!("starting {name}");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(Error::io(failed()))?;
        let errors = file.try_clone().map_err(Error::io(failed()))?;
        command.stdin(Stdio::null()).stdout(file).stderr(errors);
        group.adopt(&mut command);
        let child = command.spawn().map_err(Error::io(failed()))?;
        Ok(Self {
            name,
            child,
            log,
            _group: Arc::clone(group),
        })
    }

    /// How the program ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<std::process::ExitStatus>, Error> {
        self.child
            .try_wait()
            .map_err(Error::io(format!("looking at {}", self.name)))
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error with the log's end if the program no longer runs.
    pub(crate) fn check(&mut self) -> Result<(), Error> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(Error::Exited {
                part: self.name,
                status,
                log: tail(&self.log),
            }),
        }
    }

    /// Waits until `probe` succeeds, and gives what it found. `probe` says what is still missing.
    pub(crate) async fn ready<T, F>(&mut self, mut probe: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, String>>,
    {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            self.check()?;
            let problem = match probe().await {
                // Looked at again: another program may have answered at a port that ours did not get.
                Ok(found) => return self.check().map(|()| found),
                Err(problem) => problem,
            };
            if Instant::now() >= deadline {
                let (part, seconds) = (self.name, READY_WITHIN.as_secs());
                return Err(Error::NotReady {
                    part,
                    seconds,
                    problem,
                    log: tail(&self.log),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends a signal such as `STOP` or `CONT`. The shell's own `kill`, since signals are `unsafe` from Rust.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), Error> {
        let what = format!("sending {signal} to {}", self.name);
        let script = r#"kill -s "$1" "$2""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", signal, &self.child.id().to_string()]);
        run(&what, command).map(drop)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A command for a program of the cluster. Nothing of the caller's environment reaches it: neither a proxy, nor the
/// settings that some of these programs read from the home folder.
pub(crate) fn program(path: &Path, group: &Group) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("HOME", group.folder())
        .env("TMPDIR", group.folder())
        .current_dir(group.folder());
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}

/// Runs a command to its end, and gives what it wrote to standard output.
pub(crate) fn run(what: &str, mut command: Command) -> Result<String, Error> {
    let output = command.stdin(Stdio::null()).output().map_err(Error::io(what))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(Error::io(what)(std::io::Error::other(format!(
            "{}: {}",
            output.status,
            text.trim_end()
        ))))
    }
}

/// Waits until `look` has something. `look` says what is still missing.
pub(crate) async fn wait_for<T, F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, String>>,
{
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(problem) if Instant::now() >= deadline => {
                return Err(Error::Timeout {
                    what: what.into(),
                    seconds: within.as_secs(),
                    problem,
                });
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Writes a file into the group's folder and gives its path.
pub(crate) fn write(group: &Group, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf, Error> {
    let path = group.folder().join(name);
    fs::write(&path, content).map_err(Error::io(format!("writing {}", path.display())))?;
    Ok(path)
}

/// The last lines of a log, or why there are none.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Err(error) => format!("  (no log: {error})"),
        Ok(bytes) if bytes.is_empty() => "  (it wrote nothing)".into(),
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().collect();
            let last: Vec<_> = lines[lines.len().saturating_sub(LOG_LINES)..]
                .iter()
                .map(|l| format!("  {l}"))
                .collect();
            last.join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    fn shell(group: &Arc<Group>, script: &str) -> Part {
        let mut command = program(Path::new("sh"), group);
        command.args(["-c", script]);
        Part::start(group, "shell", command).unwrap()
    }

    #[tokio::test]
    async fn a_crash_shows_name_status_and_log() {
        let group = Arc::new(Group::new("part-test").unwrap());
        let mut part = shell(
            &group,
            "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; done; echo boom >&2; exit 3",
        );
        let error = part
            .ready(|| ready(Err::<(), _>("not yet".into())))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("shell ended (exit status: 3)"), "{error}");
        assert!(error.ends_with("  line 40\n  boom"), "{error}");
        assert!(!error.contains("line 11\n"), "only the last lines: {error}");
    }

    #[tokio::test]
    async fn a_part_is_ready_when_its_probe_says_so() {
        let group = Arc::new(Group::new("part-test").unwrap());
        let mut part = shell(&group, "sleep 600");
        let mut looks = 0;
        let probe = || {
            looks += 1;
            ready(if looks < 3 { Err("not yet".into()) } else { Ok(()) })
        };
        part.ready(probe).await.unwrap();
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn a_stopped_part_ends_with_its_handle() {
        let group = Arc::new(Group::new("part-test").unwrap());
        let part = shell(&group, "sleep 600");
        let pid = part.child.id();
        part.signal("STOP").unwrap();
        drop(part);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_part_does_not_see_our_environment() {
        let group = Group::new("part-test").unwrap();
        let mut command = program(Path::new("sh"), &group);
        let output = command.args(["-c", "env"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("HOME=") && !text.contains("CARGO"), "{text}");
    }
}
