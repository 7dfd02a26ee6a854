//! `selfhealer check`: are these runbooks, and this configuration, right?
//!
//! Findings go to stderr, a summary of one line to stdout; the exit code is 1 when there is any error. It needs neither a
//! cluster nor a database, so that it can stand in the pipeline of the repository that the runbooks live in.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use crate::{
    config::Config,
    runbooks::{Loaded, RunbookSet},
    suggestion,
    yaml::{Diagnostic, Severity},
};

/// Check runbooks and the configuration
///
/// Prints what is wrong with its line and what to write instead. Exits with 1 when there is an error.
#[derive(Clone, Debug, clap::Args)]
pub struct Check {
    /// Runbooks: files, or directories with .yaml and .yml files
    #[arg(value_name = "FILE|DIR", required_unless_present = "config")]
    pub paths: Vec<PathBuf>,

    /// Check this configuration too, and the runbooks that it names
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What was found.
struct Findings {
    runbooks: usize,
    problems: Vec<Diagnostic>,
}

impl Check {
    /// Checks, prints and tells how it went.
    pub fn run(self) -> ExitCode {
        let environment: BTreeMap<String, String> = Config::environment().collect();
        let no_colour = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
        let findings = self.findings(environment);
        let colour = !no_colour && io::stderr().is_terminal();
        // A reader that has gone away has seen enough; the exit code still tells.
        let _ = io::stderr().lock().write_all(findings.report(colour).as_bytes());
        let _ = writeln!(io::stdout().lock(), "{}", findings.summary());
        match findings.count(Severity::Error) {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    fn findings(self, environment: BTreeMap<String, String>) -> Findings {
        let mut problems = Vec::new();
        let mut paths = self.paths;
        let mut config = None;
        if let Some(file) = self.config {
            match Config::check(&file, environment) {
                Ok(checked) => {
                    problems.extend(checked.warnings);
                    paths.extend(checked.config.runbooks.iter().cloned());
                    config = Some((file, checked.config));
                }
                Err(errors) => problems.extend(errors),
            }
        }
        let loaded = RunbookSet::load(&paths);
        if let Some((file, config)) = config {
            problems.extend(unknown_modes(&file.display().to_string(), &config, &loaded));
        }
        problems.extend(loaded.problems);
        Findings {
            runbooks: loaded.set.len(),
            problems,
        }
    }
}

/// A misspelt name in `modes` would leave its runbook in shadow, or worse, out of it.
fn unknown_modes(file: &str, config: &Config, loaded: &Loaded) -> Vec<Diagnostic> {
    // The runbook may be in a file that is broken, which is told anyway.
    if !loaded.broken_files.is_empty() {
        return Vec::new();
    }
    let known = || loaded.set.iter().map(|compiled| compiled.runbook.name.as_str());
    config
        .modes
        .keys()
        .filter(|name| loaded.set.get(name).is_none())
        .map(|name| {
            let help = match suggestion::nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it, or name one that is there".to_owned(),
            };
            let mut problem = Diagnostic::error(file, format!("`modes` names `{name}`, and there is no such runbook"));
            problem.severity = Severity::Warning;
            problem.with_help(help)
        })
        .collect()
}

impl Findings {
    fn report(&self, colour: bool) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&problem.render(colour));
            text.push('\n');
        }
        text
    }

    fn summary(&self) -> String {
        format!(
            "{}, {}, {}",
            counted(self.runbooks, "runbook"),
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning"),
        )
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use clap::Parser as _;
    use tempfile::TempDir;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        check: Check,
    }

    fn directory(files: &[(&str, &str)]) -> TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    /// Everything that would be printed, with paths relative to the directory.
    fn printed(directory: &TempDir, arguments: &[&str]) -> String {
        let mut words = vec!["check".to_owned()];
        words.extend(arguments.iter().map(|argument| match argument.strip_prefix("./") {
            Some(path) => directory.path().join(path).display().to_string(),
            None => (*argument).to_owned(),
        }));
        let check = Program::try_parse_from(words).unwrap().check;
        let findings = check.findings(BTreeMap::new());
        let text = format!("{}{}\n", findings.report(false), findings.summary());
        text.replace(&format!("{}/", directory.path().display()), "")
    }

    const SHIPPED: &str = include_str!("../../runbooks/crash-looping-pod.yaml");

    #[test]
    fn what_is_right_is_one_line() {
        let directory = directory(&[
            ("runbooks/a.yaml", SHIPPED),
            (
                "selfhealer.yaml",
                "runbooks: [runbooks]\nmodes: {crash-looping-pod: enforce}\n",
            ),
        ]);
        assert_eq!(
            printed(&directory, &["./runbooks"]),
            "1 runbook, 0 errors, 0 warnings\n"
        );
        assert_eq!(
            printed(&directory, &["./runbooks/a.yaml", "--config", "./selfhealer.yaml"]),
            "1 runbook, 0 errors, 0 warnings\n"
        );
    }

    #[test]
    fn every_finding_is_printed_and_counted() {
        let directory = directory(&[
            ("runbooks/a.yaml", &SHIPPED.replace("cooldown: 30m", "cooldown: 0s")),
            (
                "runbooks/b.yaml",
                &SHIPPED
                    .replace("name: crash-looping-pod", "name: other")
                    .replace("maxAttempts", "maxAttempt"),
            ),
            ("selfhealer.yaml", "runbooks: [runbooks]\nsettle: 10\n"),
        ]);
        insta::assert_snapshot!(printed(&directory, &["./runbooks", "--config", "./selfhealer.yaml"]), @r"
        error: `settle` is not a duration: `10` has no unit: write for example `10s` or `10m`
         --> selfhealer.yaml:2:9
          |
        2 | settle: 10
          |         ^^

        warning: without a cooldown, a run may act again at once
          --> runbooks/a.yaml:54:15
           |
        54 |     cooldown: 0s
           |               ^^
           = help: write for example `30m`, unless `maxAttempts` and `rate` are enough

        error: `maxAttempt` is not a field of `guards`
          --> runbooks/b.yaml:55:5
           |
        55 |     maxAttempt: 1
           |     ^^^^^^^^^^
           = help: did you mean `maxAttempts`?

        1 runbook, 2 errors, 1 warning
        ");
    }

    #[test]
    fn a_mode_for_a_runbook_that_is_not_there_is_a_warning() {
        let directory = directory(&[
            ("runbooks/a.yaml", SHIPPED),
            (
                "selfhealer.yaml",
                "runbooks: [runbooks]\nmodes: {crash-loping-pod: enforce, x: shadow}\n",
            ),
        ]);
        insta::assert_snapshot!(printed(&directory, &["--config", "./selfhealer.yaml"]), @r"
        warning: `modes` names `crash-loping-pod`, and there is no such runbook
        --> selfhealer.yaml
         = help: did you mean `crash-looping-pod`?

        warning: `modes` names `x`, and there is no such runbook
        --> selfhealer.yaml
         = help: remove it, or name one that is there

        1 runbook, 0 errors, 2 warnings
        ");
    }

    #[test]
    fn secrets_need_not_be_where_the_configuration_is_checked() {
        let directory = directory(&[
            ("runbooks/a.yaml", SHIPPED),
            (
                "selfhealer.yaml",
                "listen: 0.0.0.0:8080\nrunbooks: [runbooks]\ntokens:\n  - {name: a, file: /nosuch/a, permissions: [ingest]}\n  \
                 - {name: b, file: /nosuch/b, permissions: [view]}\n",
            ),
        ]);
        assert!(printed(&directory, &["--config", "./selfhealer.yaml"]).ends_with("1 runbook, 0 errors, 2 warnings\n"));
    }

    #[test]
    fn to_check_nothing_is_a_mistake_of_the_caller() {
        let error = Program::try_parse_from(["check"]).map(|_| ()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
