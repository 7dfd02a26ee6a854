//! Which files runbooks are read from, and reading them.

use std::{
    collections::HashSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::yaml::{self, Contents, Diagnostic, Severity};

/// Directories within directories are read down to this depth, so that a circle of links ends.
const MAX_DEPTH: usize = 8;
/// A mistaken path such as `/` must not be read for hours.
const MAX_FILES: usize = 10_000;

/// The files to read, sorted, each once.
pub(super) fn list(paths: &[PathBuf], problems: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
    let mut listing = Listing {
        files: Vec::new(),
        seen: HashSet::new(),
        met: 0,
        problems,
    };
    for path in paths {
        let before = listing.met;
        listing.add(path, 0);
        if listing.met == before && path.is_dir() {
            let mut problem = Diagnostic::error(path.display().to_string(), "there are no runbooks in this directory")
                .with_help("their files end in .yaml or .yml");
            problem.severity = Severity::Warning;
            listing.problems.push(problem);
        }
    }
    listing.files
}

struct Listing<'p> {
    files: Vec<PathBuf>,
    /// What the paths really are, since the same file can be reached in several ways.
    seen: HashSet<PathBuf>,
    /// Files and failures, those that were met before too.
    met: usize,
    problems: &'p mut Vec<Diagnostic>,
}

impl Listing<'_> {
    fn add(&mut self, path: &Path, depth: usize) {
        let (real, metadata) = match fs::canonicalize(path).and_then(|real| Ok((fs::metadata(&real)?, real))) {
            Ok((metadata, real)) => (real, metadata),
            Err(error) => return self.fail(path, &format!("cannot be read: {error}")),
        };
        self.met += usize::from(!metadata.is_dir());
        if !self.seen.insert(real) {
            return;
        }
        if metadata.is_dir() {
            self.add_directory(path, depth);
        } else if !metadata.is_file() {
            self.fail(path, "is neither a file nor a directory");
        } else if self.files.len() >= MAX_FILES {
            if self.files.len() == MAX_FILES {
                self.fail(
                    path,
                    &format!("is one of more than {MAX_FILES} files: name the directory of the runbooks"),
                );
            }
        } else {
            self.files.push(path.to_owned());
        }
    }

    fn add_directory(&mut self, path: &Path, depth: usize) {
        if depth >= MAX_DEPTH {
            return self.fail(path, &format!("is more than {MAX_DEPTH} directories deep"));
        }
        let entries = match fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.fail(path, &format!("cannot be read: {error}")),
        };
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            // A mounted ConfigMap has its files twice: as they are, and in hidden directories behind them.
            let hidden = path
                .file_name()
                .is_none_or(|name| name.to_string_lossy().starts_with('.'));
            let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            if !hidden && (is_yaml || path.is_dir()) {
                self.add(&path, depth + 1);
            }
        }
    }

    fn fail(&mut self, path: &Path, why: &str) {
        self.met += 1;
        self.problems.push(Diagnostic::error(path.display().to_string(), why));
    }
}

/// Reads one file.
pub(super) fn read(path: &Path) -> Result<Contents, Box<Diagnostic>> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(yaml::MAX_FILE as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| Box::new(Diagnostic::error(&name, format!("cannot be read: {error}"))))?;
    Ok(yaml::runbooks(&name, yaml::decode(&name, &bytes)?))
}
