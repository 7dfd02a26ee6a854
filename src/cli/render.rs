//! `selfhealer render`: the messages that a runbook would post about an alert, before it has ever run.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::ValueEnum;
use serde_json::json;

use crate::{
    domain::alert::{Alert, Notification},
    notify::{
        Composer,
        example::{Example, Moment, example},
    },
    runbooks::{Compiled, RunbookSet},
};

/// Examples below `selfhealer render --help`.
pub const EXAMPLE: &str = "\
Examples:
  selfhealer render runbooks/crash-looping-pod.yaml --payload notification.json
  selfhealer render runbooks/ --payload - --moment failed --format json < notification.json

The payload is what Alertmanager posts: {\"version\": \"4\", \"alerts\": [{\"status\": \"firing\", \"labels\": …}]}.";

/// Show the messages that a runbook would post
///
/// Takes a notification as Alertmanager posts it, and shows for each runbook that matches an alert of it what Slack would
/// show while the run goes on and at its end. The cluster is not asked: what a run would see there is made up.
#[derive(Clone, Debug, clap::Args)]
pub struct Render {
    /// Runbooks: files, or directories with .yaml and .yml files
    #[arg(value_name = "RUNBOOK", required = true)]
    pub runbooks: Vec<PathBuf>,

    /// The notification; - is standard input
    #[arg(long, value_name = "FILE")]
    pub payload: PathBuf,

    /// One moment of a run instead of all
    #[arg(long, value_enum)]
    moment: Option<Word>,

    /// For people, or what Slack gets
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Where links begin, as `externalUrl` in the configuration
    #[arg(long, value_name = "URL")]
    pub external_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Word {
    Running,
    Verifying,
    Succeeded,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Render {
    /// Renders, prints, and tells how it went: 1 when a template or the payload is wrong.
    pub fn run(self) -> ExitCode {
        match self.rendered() {
            Ok((text, problems)) => {
                let _ = io::stdout().lock().write_all(text.as_bytes());
                for problem in &problems {
                    let _ = writeln!(io::stderr().lock(), "error: {problem}");
                }
                if problems.is_empty() {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                }
            }
            Err(problem) => {
                let _ = writeln!(io::stderr().lock(), "error: {problem}");
                ExitCode::FAILURE
            }
        }
    }

    fn rendered(&self) -> Result<(String, Vec<String>), String> {
        let loaded = RunbookSet::load(&self.runbooks);
        if !loaded.broken_files.is_empty() {
            let problems: Vec<String> = loaded.problems.iter().map(|problem| problem.render(false)).collect();
            return Err(format!("the runbook cannot be read\n{}", problems.join("\n")));
        }
        let notification = payload(&self.payload)?;
        let composer = Composer::new(self.external_url.as_deref().map(|url| url.trim_end_matches('/')));
        let moments: Vec<Moment> = Moment::ALL
            .into_iter()
            .filter(|moment| self.moment.is_none_or(|word| word.moment() == *moment))
            .collect();
        let (mut text, mut problems, mut all) = (String::new(), Vec::new(), Vec::new());
        for (runbook, alerts) in matching(&loaded.set, &notification) {
            let name = &runbook.runbook.name;
            let object = match runbook.object(&alerts[0]) {
                Ok(object) => object,
                Err((reason, words)) => {
                    problems.push(format!("{name}: {words} ({reason})"));
                    continue;
                }
            };
            for moment in &moments {
                let Example {
                    text: shown,
                    slack,
                    problem,
                } = example(&composer, &runbook, &object, &alerts, *moment);
                problems.extend(problem.map(|problem| format!("{name}, template of `{}`: {problem}", moment.as_str())));
                text.push_str(&format!("── {name}, {} ──\n{shown}\n\n", moment.as_str()));
                all.push(json!({"runbook": name, "moment": moment.as_str(), "slack": slack}));
            }
        }
        if all.is_empty() && problems.is_empty() {
            return Err(
                "no runbook matches a firing alert of the payload: compare `match` with the alerts' labels".to_owned(),
            );
        }
        if self.format == Format::Json {
            text = serde_json::to_string_pretty(&all).unwrap_or_default();
            text.push('\n');
        }
        Ok((text, problems))
    }
}

/// Runbooks with the alerts of the payload that they match.
fn matching(set: &RunbookSet, notification: &Notification) -> Vec<(Arc<Compiled>, Vec<Alert>)> {
    let firing = |alert: &&Alert| alert.status == crate::domain::alert::Status::Firing;
    set.iter()
        .filter_map(|runbook| {
            let alerts: Vec<Alert> = notification
                .alerts
                .iter()
                .filter(firing)
                .filter(|alert| runbook.matches(&alert.labels))
                .cloned()
                .collect();
            (!alerts.is_empty()).then(|| (runbook.clone(), alerts))
        })
        .collect()
}

fn payload(file: &Path) -> Result<Notification, String> {
    let name = file.display();
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map_err(|error| format!("standard input cannot be read: {error}"))?;
        bytes
    } else {
        fs::read(file).map_err(|error| format!("{name} cannot be read: {error}"))?
    };
    serde_json::from_slice(&bytes)
        .map_err(|error| format!("{name} is not an Alertmanager webhook notification: {error}"))
}

impl Word {
    fn moment(self) -> Moment {
        match self {
            Self::Running => Moment::Running,
            Self::Verifying => Moment::Verifying,
            Self::Succeeded => Moment::Succeeded,
            Self::Failed => Moment::Failed,
        }
    }
}
