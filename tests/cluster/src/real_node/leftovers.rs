//! What a node left behind whose keeper was killed too: the next start ends its processes and removes its files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::sleep,
    time::Duration,
};

use super::cgroups::AT_END;
use crate::{Error, keeper};

/// Clears what belongs to real nodes that nobody keeps any more.
pub(super) fn clear() -> Result<(), Error> {
    for folder in abandoned(&std::env::temp_dir()) {
        end(&folder)?;
    }
    Ok(())
}

/// Folders of real nodes without a keeper. The file is written when the keeper is there already.
fn abandoned(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let folders = entries
        .map(|entry| entry.path())
        .filter(|path| path.join(AT_END).is_file());
    folders.filter(|folder| !keeper::keeps(folder)).collect()
}

fn end(folder: &Path) -> Result<(), Error> {
    // Whoever keeps the namespaces works in that folder, and with it the kernel ends all others.
    for _ in 0..100 {
        let processes = working_in(folder);
        if processes.is_empty() {
            break;
        }
        for pid in processes {
            // Gone already is as good.
            let _ = Command::new("sh")
                .args(["-c", r#"kill -s KILL "$1""#, "sh", &pid])
                .status();
        }
        sleep(Duration::from_millis(50));
    }
    let what = format!("removing what an earlier real node left in {}", folder.display());
    let status = Command::new("sh").arg(folder.join(AT_END)).status();
    status.map_err(Error::io(&what))?;
    fs::remove_dir_all(folder).map_err(Error::io(what))
}

fn working_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let inside = |path: &Path| fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder));
    let processes = entries.map(|entry| entry.path()).filter(|path| inside(path));
    processes
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::keeper::Group;

    use super::*;

    #[test]
    fn only_what_nobody_keeps_is_abandoned() {
        let parent = tempfile::tempdir().unwrap();
        let kept = Group::inside(parent.path(), "kept").unwrap();
        fs::write(kept.folder().join(AT_END), "").unwrap();
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        let left = parent.path().join("left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(AT_END), "").unwrap();
        assert_eq!(abandoned(parent.path()), std::slice::from_ref(&left));

        let mut sleeper = Command::new("sleep").arg("600").current_dir(&left).spawn().unwrap();
        // Collects it at once, as an init would.
        let waiter = std::thread::spawn(move || sleeper.wait().unwrap());
        end(&left).unwrap();
        assert!(!waiter.join().unwrap().success());
        assert!(!left.exists() && other.exists() && kept.folder().exists());
    }
}
