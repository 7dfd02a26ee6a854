//! The guarantee that nothing outlives its owner: a group of processes, and a keeper that ends it.
//!
//! The keeper is a shell whose standard input is a pipe that only this process holds. However this process ends, the
//! kernel closes the pipe; the keeper then kills the group and removes its folder. It sits in a group of its own, so a
//! ctrl-c at the terminal or a test runner that kills our group does not reach it. The group is led by a `cat` that does
//! nothing: it only makes the group's number valid for as long as parts may join it.
//!
//! The kill is SIGKILL at once: nothing that a part could still write is ever read, and a stopped part (`SIGSTOP`) would
//! not hear anything gentler. No part inherits the pipes, because the standard library opens them close-on-exec.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::Error;

/// `$1` is the group, `$2` the folder. The loop waits until the kernel is done with the group, so that nobody writes into
/// the folder while it is removed; it is bounded because an idle init may never collect the dead. A file `at-end` in the
/// folder removes what a part left outside of it.
const KEEPER: &str = r#"
trap '' HUP INT TERM
while read -r line; do :; done
kill -s KILL -- "-$1" 2>/dev/null
tries=0
while kill -s 0 -- "-$1" 2>/dev/null && [ "$tries" -lt 100 ]; do tries=$((tries + 1)); sleep 0.05; done
[ -f "$2/at-end" ] && sh "$2/at-end"
rm -rf -- "$2"
"#;

/// What the keeper calls itself.
const NAME: &str = "test-cluster-keeper";

/// A process group and the temporary folder that its members share. Ends both when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    folder: PathBuf,
    leader: Child,
    keeper: Child,
}

impl Group {
    /// A group with a new folder in the system's temporary folder.
    pub(crate) fn new(name: &str) -> Result<Self, Error> {
        Self::inside(&std::env::temp_dir(), name)
    }

    /// A group with a new folder inside `parent`.
    pub(crate) fn inside(parent: &Path, name: &str) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("selfhealer-{name}-"))
            .tempdir_in(parent)
            .map_err(Error::io(format!("making a folder in {}", parent.display())))?;
        let mut leader = Command::new("cat")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("starting `cat`"))?;
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, NAME])
            .arg(leader.id().to_string())
            .arg(folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match keeper {
            Ok(keeper) => {
                let mut group = Self {
                    folder: folder.keep(),
                    leader,
                    keeper,
                };
                group.await_keeper();
                Ok(group)
            }
            Err(error) => {
                end(&mut leader);
                Err(Error::io("starting `sh`")(error))
            }
        }
    }

    /// Returns when others see that somebody keeps the folder: the kernel starts a program before it shows its arguments, and
    /// until then the folder would pass for abandoned. A keeper that has ended is not waited for.
    fn await_keeper(&mut self) {
        while !keeps(&self.folder) && matches!(self.keeper.try_wait(), Ok(None)) {
            std::thread::yield_now();
        }
    }

    /// The folder that goes with the group.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes `command` start as a member of the group.
    pub(crate) fn adopt(&self, command: &mut Command) {
        let leader = i32::try_from(self.leader.id()).expect("a process id fits pid_t");
        command.process_group(leader);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        end(&mut self.leader);
        drop(self.keeper.stdin.take());
        // Nothing is left to do about a failure here, and the keeper normally did all of it.
        let _ = self.keeper.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Whether a keeper watches over this folder.
pub(crate) fn keeps(folder: &Path) -> bool {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut commands = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let folder = folder.as_os_str().as_encoded_bytes();
    commands.any(|command| {
        let mut words = command.split(|byte| *byte == 0);
        words.any(|word| word == NAME.as_bytes()) && words.any(|word| word == folder)
    })
}

/// Kills a child and waits until the kernel let it go, and with it its ports.
pub(crate) fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use std::{thread::sleep, time::Duration};

    use super::*;

    fn alive(pid: u32) -> bool {
        Path::new(&format!("/proc/{pid}")).exists()
    }

    #[test]
    fn dropping_a_group_ends_its_members_and_removes_its_folder() {
        let group = Group::new("keeper-test").unwrap();
        let folder = group.folder().to_owned();
        fs::write(folder.join("file"), "content").unwrap();
        let mut command = Command::new("sh");
        // A member that ignores TERM, with a child of its own.
        command.args(["-c", "trap '' TERM; sleep 600 & wait"]);
        group.adopt(&mut command);
        let mut member = command.spawn().unwrap();
        // Collects the member at once, as an init would: the keeper waits until the group is empty.
        let waiter = std::thread::spawn(move || member.wait().unwrap());
        sleep(Duration::from_millis(100));
        drop(group);
        assert!(!waiter.join().unwrap().success());
        assert!(!folder.exists());
    }

    #[test]
    fn a_dead_keeper_does_not_keep_the_folder() {
        let mut group = Group::new("keeper-test").unwrap();
        let (folder, leader) = (group.folder().to_owned(), group.leader.id());
        end(&mut group.keeper);
        drop(group);
        assert!(!folder.exists());
        assert!(!alive(leader));
    }
}
