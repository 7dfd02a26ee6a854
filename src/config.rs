//! The configuration: one file and the environment in, a checked [`Config`] out.
//!
//! Every setting, its default and its name in the environment stand in one table ([`SETTINGS`]), which reading, the
//! documentation's test and the messages share. What is unknown or contradicts itself is refused, with its line and what
//! to write instead. Secrets are named by file; none is kept here, and a line that may hold one is never shown whole.

mod environment;
mod quantity;
mod read;
mod redact;
mod settings;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

pub use self::{
    quantity::Bytes,
    settings::{OTHER_VARIABLES, SETTINGS, Setting},
};
pub use crate::domain::permission::Permission;
use crate::{
    domain::{notify::Route, runbook::Mode},
    yaml::Diagnostic,
};

/// What the service runs with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where Alertmanager and people connect.
    pub listen: Vec<SocketAddr>,
    /// Where probes and Prometheus connect.
    pub admin_listen: Vec<SocketAddr>,
    /// What is remembered, and where.
    pub store: Store,
    /// How the cluster is reached.
    pub kubernetes: Kubernetes,
    /// Files and directories of runbooks.
    pub runbooks: Vec<PathBuf>,
    /// Whose alerts are acted on; absent: any, until two values are seen.
    pub cluster: Option<Cluster>,
    /// No runbook goes beyond it.
    pub mode: Mode,
    /// Per runbook, instead of what its file says.
    pub modes: BTreeMap<String, Mode>,
    /// How long a run waits for the rest of a crowd before it is judged first.
    pub settle: Duration,
    /// Who may call.
    pub tokens: Vec<Token>,
    /// Where links in messages begin; absent: there are none.
    pub external_url: Option<String>,
    /// Whether and how Slack is told.
    pub slack: Option<Slack>,
    /// Whether and how Microsoft Teams is told.
    pub teams: Option<Teams>,
    /// Whether and how another receiver is told.
    pub webhook: Option<Webhook>,
    /// What is never touched.
    pub protect: Protect,
    /// What one caller may ask of us.
    pub limits: Limits,
    /// How runs are worked on.
    pub engine: Engine,
}

/// What is remembered, and where.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SQLite database; always absolute.
    pub path: PathBuf,
    /// How long what is finished is kept.
    pub retention: Duration,
    /// How many alerts may wait to be unfolded.
    pub inbox: u64,
}

/// How the cluster is reached.
#[derive(Clone, Debug)]
pub struct Kubernetes {
    /// Absent: in a pod its service account, else the usual kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// Absent: the kubeconfig's current one.
    pub context: Option<String>,
    /// After so long, a request counts as unanswered.
    pub request_timeout: Duration,
}

/// The label that tells whose alert it is, and its value for our cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// The label's name.
    pub label: String,
    /// Ours.
    pub value: String,
}

/// A caller, known by a secret in a file.
#[derive(Clone, Debug)]
pub struct Token {
    /// In logs and the audit.
    pub name: String,
    /// Read at start and when it changes.
    pub file: PathBuf,
    /// What the caller may do.
    pub permissions: BTreeSet<Permission>,
}

/// How Slack is told.
#[derive(Clone, Debug)]
pub struct Slack {
    /// What lets us post.
    pub credentials: SlackCredentials,
    /// The channel for everything that no route is for; empty with a webhook.
    pub channel: String,
    /// Channels for some alerts, in order.
    pub routes: Vec<Route>,
    /// Slack's Web API; ends with a slash.
    pub api_url: String,
}

/// What lets us post to Slack: a file, read anew at every use.
#[derive(Clone, Debug)]
pub enum SlackCredentials {
    /// A bot token.
    Token(PathBuf),
    /// The address of an incoming webhook.
    Webhook(PathBuf),
}

/// How Microsoft Teams is told.
#[derive(Clone, Debug)]
pub struct Teams {
    /// Holds the address of a Workflow's webhook.
    pub url_file: PathBuf,
}

/// How another receiver is told.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where it is.
    pub url: WebhookUrl,
    /// Holds the key of the signature.
    pub secret_file: Option<PathBuf>,
}

/// Where a receiver is.
#[derive(Clone, Debug)]
pub enum WebhookUrl {
    /// As written.
    Plain(String),
    /// In a file, since it is a secret.
    File(PathBuf),
}

/// A file that holds a secret and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile(pub(crate) PathBuf);

/// What is never touched.
#[derive(Clone, Debug)]
pub struct Protect {
    /// Nothing in these is changed.
    pub namespaces: BTreeSet<String>,
}

/// What one caller may ask of us.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest body of one request.
    pub body: Bytes,
    /// All bodies that are being received together.
    pub bodies_in_flight: Bytes,
    /// A body must have arrived after so long.
    pub body_timeout: Duration,
}

/// How runs are worked on.
#[derive(Clone, Copy, Debug)]
pub struct Engine {
    /// How many runs are worked on at once.
    pub workers: usize,
    /// How long a claimed run is ours without renewal.
    pub lease: Duration,
}

/// A configuration that can be used, and what is questionable about it.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What to run with.
    pub config: Config,
    /// Findings that do not forbid its use.
    pub warnings: Vec<Diagnostic>,
}

/// Whether the files of secrets must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Secrets {
    Needed,
    Elsewhere,
}

impl Config {
    /// Reads the file, if there is one, and what the environment says on top of it.
    ///
    /// Relative paths in the file are relative to the file, those in the environment to the working directory.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Checked, Vec<Diagnostic>> {
        Self::read(file, environment, Secrets::Needed)
    }

    /// The same on another machine than the service's: that the secrets are not there is only a warning.
    pub fn check(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Checked, Vec<Diagnostic>> {
        Self::read(Some(file), environment, Secrets::Elsewhere)
    }

    fn read(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        secrets: Secrets,
    ) -> Result<Checked, Vec<Diagnostic>> {
        let Some(path) = file else {
            return read::config("no configuration file", "", Path::new(""), environment, secrets);
        };
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| {
            let help = "name the configuration file with --config or SELFHEALER_CONFIG";
            vec![Diagnostic::error(&name, format!("cannot be read: {error}")).with_help(help)]
        })?;
        let text = crate::yaml::decode(&name, &bytes)
            .and_then(|text| crate::yaml::checked_text(&name, text))
            .map_err(|problem| vec![*problem])?;
        read::config(
            &name,
            text,
            path.parent().unwrap_or(Path::new("")),
            environment,
            secrets,
        )
    }

    /// The environment of this process, for [`Config::load`]. Nothing else reads it.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        // A name that is not Unicode is not ours; a value that is not cannot be right, and says so when it is read.
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
    }
}

impl Token {
    /// The secret.
    pub fn read(&self) -> io::Result<String> {
        SecretFile(self.file.clone()).read()
    }
}

impl SecretFile {
    /// The file's text without white space around it.
    pub(crate) fn read(&self) -> io::Result<String> {
        let text = fs::read_to_string(&self.0)?;
        match text.trim() {
            "" => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
            secret => Ok(secret.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
