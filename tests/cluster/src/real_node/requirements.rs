//! What a real node needs of this machine.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// Where distributions keep the plugins of the container network.
const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];

/// Programs, and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 9] = [
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setpriv", "util-linux"),
    ("runc", "runc"),
    ("iptables", "iptables"),
    ("conntrack", "conntrack"),
    ("buildah", "buildah"),
    ("busybox", "busybox-static"),
];

/// What is missing, each with what to do about it.
pub(super) fn missing() -> Vec<String> {
    let mut packages: Vec<&str> = PROGRAMS
        .into_iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| package)
        .collect();
    if find("busybox").is_some_and(|path| !is_static(&path)) {
        packages.push("busybox-static");
    }
    if plugins().is_none() {
        packages.push("containernetworking-plugins");
    }
    let root = rustix::process::geteuid().is_root();
    in_words(root, &packages, !super::cgroups::roots().is_empty())
}

fn in_words(root: bool, packages: &[&str], control_groups: bool) -> Vec<String> {
    let mut missing = Vec::new();
    if !root {
        missing.push("root: it makes namespaces, mounts and control groups (run it with sudo)".to_owned());
    }
    if !packages.is_empty() {
        let mut packages = packages.to_vec();
        packages.dedup();
        let packages = packages.join(" ");
        missing.push(format!(
            "packages, by Debian's names: apt-get install --no-install-recommends {packages}"
        ));
    }
    if !control_groups {
        missing.push("control groups with the controllers cpu, memory and pids, mounted on /sys/fs/cgroup".to_owned());
    }
    missing
}

/// The folder with `ptp`, `host-local`, `portmap` and `loopback`.
pub(super) fn plugins() -> Option<PathBuf> {
    let whole = |folder: &Path| {
        ["ptp", "host-local", "portmap", "loopback"]
            .iter()
            .all(|plugin| folder.join(plugin).is_file())
    };
    PLUGINS.into_iter().map(PathBuf::from).find(|folder| whole(folder))
}

/// A program on the PATH, or where only root usually looks.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Whether a program needs no libraries: an image of it alone would not run otherwise. `ldd` fails for one that needs none.
fn is_static(path: &Path) -> bool {
    let output = Command::new("ldd").arg(path).output();
    output.is_ok_and(|output| !output.status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_libraries_is_not_static() {
        assert!(!is_static(&std::env::current_exe().unwrap()));
    }

    #[test]
    fn what_is_missing_is_said_with_what_to_do() {
        assert!(in_words(true, &[], true).is_empty());
        let [root, packages, groups] = in_words(false, &["util-linux", "util-linux", "runc"], false)
            .try_into()
            .unwrap();
        assert!(root.contains("sudo"), "{root}");
        assert!(
            packages.ends_with("--no-install-recommends util-linux runc"),
            "{packages}"
        );
        assert!(groups.contains("/sys/fs/cgroup"), "{groups}");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program"), None);
    }
}
