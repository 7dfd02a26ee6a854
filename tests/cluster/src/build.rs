//! Compiles what is missing into the cache folder, once for all clones and processes of a user.
//!
//! `CACHE/cluster/MODULE-HASH/` is either whole or absent: a build happens in a folder beside it, which is renamed at the
//! end, under a lock file. The hash ([`compiler::hash`]) covers all that decides what comes out. The compiler runs in a
//! [`Group`], so an interrupted build leaves nothing behind.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    Error, Tool,
    compiler::{self, go},
    keeper::Group,
    modules::{ALL, Module},
    part::{POLL, Part, tail},
};

/// How often a person who waits reads that it is still going on.
const STILL_BUILDING: Duration = Duration::from_secs(60);

/// The path of a program, compiled first if it is missing. Compiling takes minutes and blocks the thread.
///
/// # Errors
/// When Go is missing or too old, or the build fails.
pub fn tool(name: Tool) -> Result<PathBuf, Error> {
    Ok(ensure(name.module())?.join(name.name()))
}

/// Compiles every program that is missing.
///
/// # Errors
/// When Go is missing or too old, or a build fails.
pub fn build_all() -> Result<(), Error> {
    ALL.iter().try_for_each(|module| ensure(module).map(drop))
}

/// [`tool`] for several programs from async code.
pub(crate) async fn tools<const N: usize>(names: [Tool; N]) -> Result<[PathBuf; N], Error> {
    let build = move || {
        let mut paths = [const { PathBuf::new() }; N];
        for (path, name) in paths.iter_mut().zip(names) {
            *path = tool(name)?;
        }
        Ok(paths)
    };
    tokio::task::spawn_blocking(build)
        .await
        .expect("a build returns its errors")
}

/// The folder with the module's programs and kept files.
pub(crate) fn ensure(module: &Module) -> Result<PathBuf, Error> {
    let go = compiler::version(module)?;
    let flags = compiler::flags(module);
    let cache = cache()?;
    let folder = cache.join(format!("{}-{}", module.name, compiler::hash(module, &go, &flags)));
    if folder.exists() {
        return Ok(folder);
    }
    fs::create_dir_all(&cache).map_err(Error::io(format!("making {}", cache.display())))?;
    let _lock = lock(&cache, module)?;
    if !folder.exists() {
        build(module, &flags, &cache, &folder)?;
    }
    Ok(folder)
}

fn build(module: &Module, flags: &[String], cache: &Path, folder: &Path) -> Result<(), Error> {
    let names: Vec<_> = module.tools.iter().map(|tool| tool.name()).collect();
    say(&format!(
        "building {}: {} on two cores, once",
        names.join(", "),
        module.usual
    ));
    let started = Instant::now();

    let group = Arc::new(Group::inside(cache, &format!("{}-build", module.name))?);
    let (source, programs) = (group.folder().join("source"), group.folder().join("programs"));
    for path in [&source, &programs] {
        fs::create_dir(path).map_err(Error::io(format!("making {}", path.display())))?;
    }
    // A copy, because replacing the module that does not compile as shipped edits go.mod.
    write(&source.join("go.mod"), module.go_mod)?;
    write(&source.join("go.sum"), module.go_sum)?;
    if let Some((path, file)) = module.unshipped {
        complete(module, path, file, &group, &source)?;
    }

    let mut command = go(&source);
    command.arg("build").args(flags).arg("-o").arg(&programs).arg("tool");
    run(module, &group, "go build", command)?;

    if let Some((built, tool)) = module.renamed {
        rename(&programs.join(built), &programs.join(tool.name()))?;
    }
    if let Some((path, files)) = module.kept {
        let shipped = download(module, path, &group, &source)?;
        for file in files.iter().map(Path::new) {
            let name = file.file_name().expect("a kept file has a name");
            copy(&shipped.join(file), &programs.join(name))?;
        }
    }
    rename(&programs, folder)?;
    say(&format!(
        "built {} in {} s, kept in {}",
        names.join(", "),
        started.elapsed().as_secs(),
        folder.display()
    ));
    Ok(())
}

/// Puts a copy of a required module, with the file that it embeds but does not ship, in the place of the module. The
/// copy is taken after the download was checked against `go.sum`.
fn complete(module: &Module, path: &str, file: &str, group: &Arc<Group>, source: &Path) -> Result<(), Error> {
    let (shipped, completed) = (download(module, path, group, source)?, group.folder().join("completed"));
    copy_folder(&shipped, &completed)?;
    let file = completed.join(file);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(Error::io(format!("making {}", parent.display())))?;
    }
    write(&file, "")?;
    let mut command = go(source);
    command
        .args(["mod", "edit"])
        .arg(format!("-replace={path}=../completed"));
    run(module, group, "go mod edit", command)
}

/// Where the verified copy of a required module is.
fn download(module: &Module, path: &str, group: &Arc<Group>, source: &Path) -> Result<PathBuf, Error> {
    // Twice, so that the first may take its time with its output in the log, and the second only prints one line.
    let mut command = go(source);
    command.args(["mod", "download", path]);
    run(module, group, "go mod download", command)?;
    let output = go(source)
        .args(["mod", "download", "-json", path])
        .output()
        .map_err(Error::io("starting `go mod download`"))?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    answer["Dir"].as_str().map(PathBuf::from).ok_or_else(|| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Error::Exited {
            part: "go mod download",
            status: output.status,
            log: text,
        }
    })
}

fn run(module: &Module, group: &Arc<Group>, name: &'static str, command: Command) -> Result<(), Error> {
    let mut part = Part::start(group, name, command)?;
    let (started, mut said) = (Instant::now(), STILL_BUILDING);
    loop {
        match part.ended()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let log = tail(&group.folder().join(format!("{name}.log")));
                return Err(Error::Exited {
                    part: name,
                    status,
                    log,
                });
            }
            None => sleep(POLL),
        }
        if started.elapsed() >= said {
            say(&format!(
                "still building {}, {} min so far",
                module.name,
                said.as_secs() / 60
            ));
            said += STILL_BUILDING;
        }
    }
}

fn cache() -> Result<PathBuf, Error> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value: &OsString| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("TEST_CLUSTER_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|path| path.join("selfhealer")))
        .or_else(|| set("HOME").map(|path| path.join(".cache/selfhealer")));
    let base = base.ok_or_else(|| Error::io("finding the cache folder")(std::io::Error::other("HOME is not set")))?;
    std::path::absolute(base.join("cluster")).map_err(Error::io("finding the cache folder"))
}

/// Held while building. The system releases it when the process ends, however that happens.
fn lock(cache: &Path, module: &Module) -> Result<File, Error> {
    let path = cache.join(format!("{}.lock", module.name));
    let file = File::create(&path).map_err(Error::io(format!("opening {}", path.display())))?;
    if file.try_lock().is_err() {
        say(&format!("another process builds {}: waiting for it", module.name));
        file.lock().map_err(Error::io(format!("locking {}", path.display())))?;
    }
    Ok(file)
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    let failed = || format!("copying {}", from.display());
    fs::create_dir(to).map_err(Error::io(failed()))?;
    for entry in fs::read_dir(from).map_err(Error::io(failed()))? {
        let entry = entry.map_err(Error::io(failed()))?;
        let to = to.join(entry.file_name());
        if entry.file_type().map_err(Error::io(failed()))?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            copy(&entry.path(), &to)?;
        }
    }
    Ok(())
}

/// The content only: files of the module cache are write-protected, and the copy must be removable.
fn copy(from: &Path, to: &Path) -> Result<(), Error> {
    write(
        to,
        fs::read(from).map_err(Error::io(format!("reading {}", from.display())))?,
    )
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    fs::write(path, content).map_err(Error::io(format!("writing {}", path.display())))
}

fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(Error::io(format!("renaming {} to {}", from.display(), to.display())))
}

/// To standard error past the test runner, which would hold `eprintln!` back until the test ends: a person who waits for
/// minutes wants to know now.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "test-cluster: {text}");
}
