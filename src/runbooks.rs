//! The runbooks in force: read from files, compiled once, found by an alert's labels.
//!
//! A set is never changed: a reload builds another and puts it in its place. What it costs an alert to find its runbooks
//! does not grow with their number, because those that name their `alertname` are looked up by it.

mod files;
pub mod registry;
mod target;

pub use registry::Metrics;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cel::Expression,
    domain::{run::Phase, runbook::Runbook},
    render::{Template, message::MessageTemplate},
    yaml::{self, Diagnostic, Parsed},
};

/// A runbook with everything in it compiled, ready to be matched, rendered and judged.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it says.
    pub runbook: Runbook,
    /// 16 hexadecimal digits that change with every change of its text.
    pub version: String,
    /// Its text, from which [`Compiled::parse`] makes the same again.
    pub source: String,
    /// The file that it was read from.
    pub file: String,
    /// The 1-based line of the file where it begins.
    pub line: u32,
    /// `target.namespace`; absent for kinds that stand in none.
    pub namespace: Option<Template>,
    /// `target.name`.
    pub name: Template,
    /// Of `runbook.conditions`, in their order.
    pub conditions: Vec<Expression>,
    /// Of `runbook.verify.expect`, in its order.
    pub expect: Vec<Expression>,
    /// Of `runbook.notify.channel`.
    pub channel: Option<Template>,
    /// Of `runbook.notify.templates`.
    pub messages: BTreeMap<Phase, MessageTemplate>,
}

/// The runbooks in force.
#[derive(Clone, Debug, Default)]
pub struct RunbookSet {
    /// By priority, then name.
    ordered: Vec<Arc<Compiled>>,
    by_name: HashMap<String, usize>,
    /// Those that can only match some values of `alertname`, ascending.
    by_alertname: HashMap<String, Vec<usize>>,
    /// All others, ascending.
    others: Vec<usize>,
}

/// What was found in the configured places.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The runbooks of all files without errors.
    pub set: RunbookSet,
    /// Errors and warnings of all files.
    pub problems: Vec<Diagnostic>,
    /// Files with an error. None of their runbooks is in the set.
    pub broken_files: Vec<PathBuf>,
}

/// The label by which runbooks are looked up.
const ALERTNAME: &str = "alertname";

impl Compiled {
    /// Reads a stored version again.
    pub fn parse(source: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut contents = yaml::runbooks("stored runbook", source);
        match (contents.runbooks.pop(), contents.runbooks.is_empty()) {
            (Some(parsed), true) => Ok(parsed.into()),
            (Some(_), false) => Err(vec![Diagnostic::error(
                "stored runbook",
                "there is more than one runbook in it",
            )]),
            (None, _) => Err(contents.problems),
        }
    }

    /// Whether an alert with these labels is this runbook's business.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.runbook.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

impl From<Parsed> for Compiled {
    fn from(parsed: Parsed) -> Self {
        Self {
            runbook: parsed.runbook,
            version: parsed.version,
            source: parsed.source,
            file: parsed.file,
            line: parsed.line,
            namespace: parsed.programs.namespace,
            name: parsed.programs.name,
            conditions: parsed.programs.conditions,
            expect: parsed.programs.expect,
            channel: parsed.programs.channel,
            messages: parsed.programs.messages,
        }
    }
}

impl RunbookSet {
    /// A set of runbooks with different names; of two with the same name, the first stays.
    pub fn new(runbooks: impl IntoIterator<Item = Arc<Compiled>>) -> Self {
        let mut names = HashSet::new();
        let mut set = Self::default();
        set.ordered.extend(
            runbooks
                .into_iter()
                .filter(|compiled| names.insert(compiled.runbook.name.clone())),
        );
        set.ordered
            .sort_by_key(|compiled| (compiled.runbook.priority, compiled.runbook.name.clone()));
        for (index, compiled) in set.ordered.iter().enumerate() {
            set.by_name.insert(compiled.runbook.name.clone(), index);
            let mut matchers = compiled.runbook.matchers.iter();
            match matchers.find_map(|matcher| matcher.values().filter(|_| matcher.label() == ALERTNAME)) {
                Some(names) => {
                    for name in names {
                        let list = set.by_alertname.entry(name.to_owned()).or_default();
                        // `A|A` names one value twice.
                        if list.last() != Some(&index) {
                            list.push(index);
                        }
                    }
                }
                None => set.others.push(index),
            }
        }
        set
    }

    /// Reads all runbooks of these files and directories.
    pub fn load(paths: &[PathBuf]) -> Loaded {
        let mut problems = Vec::new();
        let mut broken_files = Vec::new();
        let mut found: Vec<Parsed> = Vec::new();
        for path in files::list(paths, &mut problems) {
            match files::read(&path) {
                Ok(contents) => {
                    if contents.problems.iter().any(Diagnostic::is_error) {
                        broken_files.push(path);
                    }
                    problems.extend(contents.problems);
                    found.extend(contents.runbooks);
                }
                Err(problem) => {
                    problems.push(*problem);
                    broken_files.push(path);
                }
            }
        }
        // Which of two runbooks with one name is meant cannot be known, so neither file is used.
        for problem in duplicates(&found) {
            broken_files.push(PathBuf::from(&problem.file));
            problems.push(problem);
        }
        broken_files.sort();
        broken_files.dedup();
        found.retain(|parsed| !broken_files.iter().any(|broken| broken == Path::new(&parsed.file)));
        Loaded {
            set: Self::new(found.into_iter().map(|parsed| Arc::new(parsed.into()))),
            problems,
            broken_files,
        }
    }

    /// A number that changes when these files do: their names, sizes and times, no file is read.
    ///
    /// Polled rather than watched: kubelet swaps a symbolic link, which a watch on the file does not survive.
    pub fn stamp(paths: &[PathBuf]) -> u64 {
        let mut hasher = DefaultHasher::new();
        for path in files::list(paths, &mut Vec::new()) {
            let metadata = fs::metadata(&path).ok();
            let time = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            let real = fs::canonicalize(&path).ok();
            (path, real, metadata.map(|metadata| metadata.len()), time).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The runbooks that match, in the order in which they are tried.
    ///
    /// Which of them comes into effect depends on their modes too, and is not decided here.
    pub fn matching<'s>(&'s self, labels: &BTreeMap<String, String>) -> impl Iterator<Item = &'s Arc<Compiled>> {
        let alertname = labels.get(ALERTNAME).map_or("", String::as_str);
        let named = self.by_alertname.get(alertname).map_or(&[][..], Vec::as_slice);
        merge(named, &self.others)
            .map(|index| &self.ordered[index])
            .filter(move |compiled| compiled.matches(labels))
    }

    /// The runbook of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Compiled>> {
        self.by_name.get(name).map(|index| &self.ordered[*index])
    }

    /// All of them, in the order in which they are tried.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Compiled>> {
        self.ordered.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ordered.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ordered.is_empty()
    }
}

/// Two ascending lists as one.
fn merge<'l>(one: &'l [usize], other: &'l [usize]) -> impl Iterator<Item = usize> + 'l {
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    std::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some(left), Some(right)) if right < left => other.next(),
        (Some(_), _) => one.next(),
        (None, _) => other.next(),
    })
    .copied()
}

/// An error at each place where a name is used that is used elsewhere too.
fn duplicates(found: &[Parsed]) -> Vec<Diagnostic> {
    let mut places: BTreeMap<&str, Vec<&Parsed>> = BTreeMap::new();
    for parsed in found {
        places.entry(&parsed.runbook.name).or_default().push(parsed);
    }
    let mut problems = Vec::new();
    for (name, parsed) in places.into_iter().filter(|(_, parsed)| parsed.len() > 1) {
        for (index, here) in parsed.iter().enumerate() {
            let there = parsed[usize::from(index == 0)];
            let mut problem =
                Diagnostic::error(&here.file, format!("there are {} runbooks `{name}`", parsed.len())).with_help(
                    format!("rename or remove one; another is in {}:{}", there.file, there.line),
                );
            (problem.line, problem.column) = (here.line, 1);
            problems.push(problem);
        }
    }
    problems
}

#[cfg(test)]
mod tests;
