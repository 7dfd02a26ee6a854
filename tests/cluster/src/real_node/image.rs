//! The images of test pods, made of a static busybox: there is no registry.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{here, requirements};
use crate::{Error, keeper::Group, part::run};

/// The sandbox of every pod.
pub(super) const PAUSE: &str = "localhost/pause:1";
/// A shell and the usual small programs.
const BUSYBOX: &str = "localhost/busybox:1";

const DOCKERFILE: &str = "FROM scratch\nCOPY bin /bin\nENV PATH=/bin\nCMD [\"/bin/sleep\", \"infinity\"]\n";

/// Makes both images, and gives their archives.
pub(super) fn busybox(group: &Group) -> Result<[PathBuf; 2], Error> {
    let folder = group.folder().join("busybox");
    let programs = folder.join("bin");
    let what = || format!("making {}", programs.display());
    fs::create_dir_all(&programs).map_err(Error::io(what()))?;
    let busybox = requirements::find("busybox").ok_or_else(|| Error::RealNode {
        missing: requirements::missing(),
    })?;
    fs::copy(&busybox, programs.join("busybox")).map_err(Error::io(what()))?;
    let mut list = here("busybox", group);
    list.arg("--list");
    for name in run("busybox --list", list)?.lines().filter(|name| *name != "busybox") {
        symlink("busybox", programs.join(name)).map_err(Error::io(what()))?;
    }
    fs::write(folder.join("Dockerfile"), DOCKERFILE).map_err(Error::io(what()))?;
    Ok([
        build(group, &folder, PAUSE, "pause.tar")?,
        build(group, &folder, BUSYBOX, "busybox.tar")?,
    ])
}

fn build(group: &Group, context: &Path, name: &str, file: &str) -> Result<PathBuf, Error> {
    let archive = group.folder().join(file);
    let mut command = buildah(group);
    command
        .args(["bud", "--isolation", "chroot", "--quiet", "--tag", name])
        .arg(context);
    run("buildah bud", command)?;
    let mut command = buildah(group);
    command.args(["push", "--quiet", name]);
    command.arg(format!("docker-archive:{}:{name}", archive.display()));
    run("buildah push", command)?;
    Ok(archive)
}

/// With its storage in the group's folder, so that this machine's own images are neither seen nor touched.
fn buildah(group: &Group) -> std::process::Command {
    let mut command = here("buildah", group);
    command.args(["--storage-driver", "vfs"]);
    for (flag, folder) in [("--root", "buildah"), ("--runroot", "buildah-run")] {
        command.arg(flag).arg(group.folder().join(folder));
    }
    command
}
