//! The node's control groups: a folder of its own in each hierarchy, by the name of the cluster's folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, keeper::Group, part::write};

const ROOT: &str = "/sys/fs/cgroup";
/// The file that the keeper runs before it removes the folder. It also marks the folder as a real node's.
pub(super) const AT_END: &str = "at-end";

/// What the keeper runs when all processes are gone: control groups are removed from the innermost, and one whose last
/// process has just ended may be busy for a moment.
const REMOVE: &str = r#"
for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
    tries=0
    while [ -d "$root/NAME" ] && [ "$tries" -lt 40 ]; do
        find "$root/NAME" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$root/NAME" ] && sleep 0.05
        tries=$((tries + 1))
    done
done
"#;

/// The name of the node's control group, as kubelet's `cgroupRoot` wants it.
pub(super) fn name(group: &Group) -> String {
    let name = group.folder().file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Whether there is one hierarchy for all controllers: version 2.
fn unified() -> bool {
    Path::new(ROOT).join("cgroup.controllers").is_file()
}

/// The hierarchies that kubelet uses: one for all (version 2), or one for each controller.
pub(super) fn roots() -> Vec<PathBuf> {
    if unified() {
        return vec![PathBuf::from(ROOT)];
    }
    let controllers = ["cpu", "memory", "pids"];
    if !controllers
        .iter()
        .all(|name| Path::new(ROOT).join(name).join("cgroup.procs").is_file())
    {
        return Vec::new();
    }
    let entries = fs::read_dir(ROOT).into_iter().flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    folders.filter(|path| path.join("cgroup.procs").is_file()).collect()
}

/// Makes the node's groups, and has them removed at the end.
pub(super) fn create(group: &Group) -> Result<(), Error> {
    write(group, AT_END, REMOVE.replace("NAME", &name(group)))?;
    for root in roots() {
        let folder = root.join(name(group));
        fs::create_dir_all(&folder).map_err(Error::io(format!("making {}", folder.display())))?;
    }
    Ok(())
}

/// The anonymous memory of a pod's containers, in bytes.
pub(super) fn memory_of(group: &Group, pod_uid: &str) -> Result<u64, Error> {
    let (root, field) = if unified() {
        (Path::new(ROOT).join(name(group)), "anon ")
    } else {
        (Path::new(ROOT).join("memory").join(name(group)), "total_rss ")
    };
    let what = format!("finding the control group of pod {pod_uid}");
    let pod = find(&root.join("kubepods"), &format!("pod{pod_uid}"))
        .ok_or_else(|| Error::io(&what)(std::io::Error::other("it does not run on the real node")))?;
    let statistics = fs::read_to_string(pod.join("memory.stat")).map_err(Error::io(&what))?;
    let bytes = statistics
        .lines()
        .find_map(|line| line.strip_prefix(field)?.parse().ok());
    bytes.ok_or_else(|| Error::io(what)(std::io::Error::other(format!("memory.stat has no {field}"))))
}

/// Pods lie in the group of their quality of service, or in the parent of these.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let places = [folder.to_owned(), folder.join("burstable"), folder.join("besteffort")];
    places
        .into_iter()
        .map(|place| place.join(name))
        .find(|path| path.is_dir())
}
