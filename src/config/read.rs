//! From the tree of the file and the environment to a checked [`Config`].

mod listen;
mod messages;
mod store;
mod tokens;

#[cfg(test)]
pub(super) use self::tokens::SHORT_SECRET;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Bytes, Checked, Cluster, Config, Engine, Kubernetes, Limits, Permission, Protect, Secrets, Store, Token,
    environment, redact, settings,
};
use crate::{
    domain::{duration, runbook::Mode},
    yaml::{
        Diagnostic, document,
        node::{At, Node, Value},
        reader::{Fields, Reader},
        runbook::{invalid_name, mode},
    },
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

/// Reads a configuration.
pub(super) fn config(
    file: &str,
    text: &str,
    directory: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    secrets: Secrets,
) -> Result<Checked, Vec<Diagnostic>> {
    let mut reader = Reader::new(file, text);
    reader.redact(redact::line);
    let config = tree(&mut reader, text).and_then(|mut root| {
        environment::overlay(&mut reader, &mut root, environment);
        let mut reading = Reading {
            reader: &mut reader,
            directory,
            secrets,
        };
        reading.config(&root)
    });
    let problems = reader.finish();
    match config {
        Some(config) if !problems.iter().any(Diagnostic::is_error) => Ok(Checked {
            config,
            warnings: problems,
        }),
        _ => Err(problems),
    }
}

/// The file's one document; nothing at all is an empty mapping.
fn tree(reader: &mut Reader<'_>, text: &str) -> Option<Node> {
    let documents = document::split(text);
    if let Some(second) = documents.get(1) {
        let at = At {
            line: second.line,
            column: 1,
            length: 1,
            ..At::default()
        };
        reader.error(
            at,
            "the configuration is one document, and a second one begins here",
            "remove the `---` between them",
        );
        return None;
    }
    let Some(document) = documents.first() else {
        let at = At::default();
        return Some(Node {
            value: Value::Map(Vec::new()),
            at,
        });
    };
    match Node::parse(document.text, document.line) {
        Ok(node) => Some(node),
        Err(fault) => {
            reader.fault(fault);
            None
        }
    }
}

struct Reading<'r, 't> {
    reader: &'r mut Reader<'t>,
    /// What relative paths in the file are relative to.
    directory: &'r Path,
    secrets: Secrets,
}

impl Reading<'_, '_> {
    fn config(&mut self, node: &Node) -> Option<Config> {
        let root = self.section(node, "", "the configuration", node.at)?;
        let listen = self.addresses(&root, "listen");
        let admin_listen = self.addresses(&root, "adminListen");
        let store = self.store(&root);
        let kubernetes = self.kubernetes(&root);
        let runbooks = self.paths(&root, "runbooks");
        let cluster = self.cluster(&root);
        let ceiling = root
            .get("mode")
            .map_or(Some(Mode::Enforce), |node| mode(self.reader, node, "mode"));
        let modes = self.modes(&root);
        let settle = self.duration(&root, "settle", "settle", Duration::ZERO, HOUR);
        let tokens = self.tokens(&root);
        let external_url = self.external_url(&root);
        let slack = self.slack(&root);
        let teams = self.teams(&root);
        let webhook = self.webhook(&root);
        let protect = self.protect(&root);
        let limits = self.limits(&root);
        let engine = self.engine(&root, kubernetes.as_ref());
        let config = Config {
            listen: listen?,
            admin_listen: admin_listen?,
            store: store?,
            kubernetes: kubernetes?,
            runbooks: runbooks?,
            cluster: cluster?,
            mode: ceiling?,
            modes: modes?,
            settle: settle?,
            tokens: tokens?,
            external_url: external_url?,
            slack: slack?,
            teams: teams?,
            webhook: webhook?,
            protect: protect?,
            limits: limits?,
            engine: engine?,
        };
        self.contradictions(&root, &config);
        Some(config)
    }

    fn section<'n>(&mut self, node: &'n Node, section: &str, name: &str, at: At) -> Option<Fields<'n>> {
        let later = if section.is_empty() { settings::LATER } else { &[] };
        self.reader.fields(node, name, at, &settings::fields(section), later)
    }

    /// A section that may be left out, and may be empty.
    fn optional_section<'n>(&mut self, root: &Fields<'n>, name: &'static str) -> Option<Fields<'n>> {
        static EMPTY: Node = Node {
            value: Value::Map(Vec::new()),
            at: At {
                source: 0,
                line: 0,
                column: 0,
                length: 0,
            },
        };
        let node = root
            .get(name)
            .filter(|node| !matches!(node.value, Value::Null))
            .unwrap_or(&EMPTY);
        self.section(node, name, name, root.at(name))
    }

    // === impl values ===

    fn duration(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        name: &str,
        least: Duration,
        most: Duration,
    ) -> Option<Duration> {
        match fields.get(name) {
            Some(node) => self.reader.duration(node, name, least..=most),
            None => duration::parse(settings::default(key)).ok(),
        }
    }

    fn integer(&mut self, fields: &Fields<'_>, key: &str, name: &str, most: i64) -> Option<i64> {
        match fields.get(name) {
            Some(node) => self.reader.integer(node, name, 1..=most),
            None => settings::default(key).parse().ok(),
        }
    }

    fn bytes(&mut self, fields: &Fields<'_>, key: &str, name: &str) -> Option<Bytes> {
        let Some(node) = fields.get(name) else {
            return Bytes::parse(settings::default(key)).ok();
        };
        let text = match &node.value {
            Value::Int(number) => number.to_string(),
            _ => self.reader.text(node, name)?.trim().to_owned(),
        };
        match Bytes::parse(&text) {
            Ok(bytes) if (64 * KIB..=GIB).contains(&bytes.0) => Some(bytes),
            Ok(_) => {
                let (least, most) = (Bytes(64 * KIB), Bytes(GIB));
                self.reader.error(
                    node.at,
                    format!("`{name}` is {text}: it must be between {least} and {most}"),
                    "",
                );
                None
            }
            Err(error) => {
                self.reader.error(node.at, format!("`{name}`: {error}"), "");
                None
            }
        }
    }

    /// The items of a list, or the one value that stands in its place; the default where there is neither.
    fn texts<'n>(&mut self, fields: &Fields<'n>, name: &str) -> Option<Vec<(&'n Node, &'n str)>> {
        let node = fields.get(name)?;
        let items = match &node.value {
            Value::Text(_) => std::slice::from_ref(node),
            _ => self.reader.list(node, name)?,
        };
        if items.is_empty() {
            self.reader.error(
                node.at,
                format!("`{name}` is empty"),
                "write a value, or leave the line out",
            );
            return None;
        }
        items
            .iter()
            .map(|item| Some((item, self.reader.text(item, name)?.trim())))
            .collect()
    }

    fn path(&mut self, node: &Node, text: &str) -> PathBuf {
        // In the environment, a path is relative to where the program was started.
        if node.at.source == 0 {
            self.directory.join(text)
        } else {
            PathBuf::from(text)
        }
    }

    fn paths(&mut self, root: &Fields<'_>, name: &'static str) -> Option<Vec<PathBuf>> {
        if root.get(name).is_none() {
            return Some(settings::default(name).split(',').map(PathBuf::from).collect());
        }
        let texts = self.texts(root, name)?;
        Some(texts.into_iter().map(|(node, text)| self.path(node, text)).collect())
    }

    // === impl sections ===

    fn kubernetes(&mut self, root: &Fields<'_>) -> Option<Kubernetes> {
        let fields = self.optional_section(root, "kubernetes")?;
        let kubeconfig = fields.get("kubeconfig").map(|node| {
            let text = self.reader.text(node, "kubeconfig")?;
            Some(self.path(node, text))
        });
        let context = fields
            .get("context")
            .map(|node| self.reader.text(node, "context").map(str::to_owned));
        let request_timeout = self.duration(
            &fields,
            "kubernetes.requestTimeout",
            "requestTimeout",
            SECOND,
            5 * MINUTE,
        );
        Some(Kubernetes {
            // The outer Option is whether it is there, the inner whether it can be read.
            kubeconfig: kubeconfig.map_or(Some(None), |path| path.map(Some))?,
            context: context.map_or(Some(None), |context| context.map(Some))?,
            request_timeout: request_timeout?,
        })
    }

    /// The outer `Option` is whether it can be read.
    #[allow(clippy::option_option, reason = "absent and unreadable differ")]
    fn cluster(&mut self, root: &Fields<'_>) -> Option<Option<Cluster>> {
        if root.get("cluster").is_none_or(|node| matches!(node.value, Value::Null)) {
            return Some(None);
        }
        let fields = self.optional_section(root, "cluster")?;
        let label = match fields.get("label") {
            Some(node) => self.reader.text(node, "label")?.to_owned(),
            None => settings::default("cluster.label").to_owned(),
        };
        let node = self.reader.require(&fields, "value", "prod-eu")?;
        let value = self.reader.text(node, "value")?.to_owned();
        Some(Some(Cluster { label, value }))
    }

    fn modes(&mut self, root: &Fields<'_>) -> Option<BTreeMap<String, Mode>> {
        let Some(node) = root.get("modes").filter(|node| !matches!(node.value, Value::Null)) else {
            return Some(BTreeMap::new());
        };
        let Value::Map(entries) = &node.value else {
            let message = format!("`modes` must be a mapping, not {}", node.value.kind());
            self.reader.error(
                node.at,
                message,
                "write for example `modes: {crash-looping-pod: enforce}`",
            );
            return None;
        };
        let mut modes = BTreeMap::new();
        let mut whole = true;
        for (key, value) in entries {
            if let Some(why) = invalid_name(&key.name) {
                self.reader.error(
                    key.at,
                    format!("`{}` is not the name of a runbook: {why}", key.name),
                    "write a runbook's `metadata.name`",
                );
                whole = false;
                continue;
            }
            let Some(mode) = mode(self.reader, value, &key.name) else {
                whole = false;
                continue;
            };
            if modes.insert(key.name.clone(), mode).is_some() {
                self.reader
                    .error(key.at, format!("`{}` is written twice", key.name), "remove one");
                whole = false;
            }
        }
        whole.then_some(modes)
    }

    fn protect(&mut self, root: &Fields<'_>) -> Option<Protect> {
        let fields = self.optional_section(root, "protect")?;
        if fields.get("namespaces").is_none() {
            let namespaces = settings::default("protect.namespaces")
                .split(',')
                .map(str::to_owned)
                .collect();
            return Some(Protect { namespaces });
        }
        let mut namespaces = BTreeSet::new();
        for (node, text) in self.texts(&fields, "namespaces")? {
            if let Some(why) = invalid_name(text) {
                let help = "write every name in full; patterns do not exist here";
                self.reader
                    .error(node.at, format!("`{text}` is not a namespace: {why}"), help);
                return None;
            }
            namespaces.insert(text.to_owned());
        }
        if !namespaces.contains("kube-system") {
            let message = "`kube-system` is not protected: this list replaces the default";
            self.reader.warn(
                fields.at("namespaces"),
                message,
                "add it, unless runbooks are meant to work there",
            );
        }
        Some(Protect { namespaces })
    }

    fn limits(&mut self, root: &Fields<'_>) -> Option<Limits> {
        let fields = self.optional_section(root, "limits")?;
        let body = self.bytes(&fields, "limits.body", "body");
        let bodies_in_flight = self.bytes(&fields, "limits.bodiesInFlight", "bodiesInFlight");
        let body_timeout = self.duration(&fields, "limits.bodyTimeout", "bodyTimeout", SECOND, 5 * MINUTE);
        let (body, bodies_in_flight) = (body?, bodies_in_flight?);
        if bodies_in_flight < body {
            let at = fields
                .get("bodiesInFlight")
                .or(fields.get("body"))
                .map_or(fields.at, |node| node.at);
            let message =
                format!("`bodiesInFlight` is {bodies_in_flight}, but one `body` may be {body}: it would never fit");
            self.reader
                .error(at, message, "make `bodiesInFlight` at least as large as `body`");
            return None;
        }
        Some(Limits {
            body,
            bodies_in_flight,
            body_timeout: body_timeout?,
        })
    }

    fn engine(&mut self, root: &Fields<'_>, kubernetes: Option<&Kubernetes>) -> Option<Engine> {
        let fields = self.optional_section(root, "engine")?;
        let workers = self.integer(&fields, "engine.workers", "workers", 256);
        let lease = self.duration(&fields, "engine.lease", "lease", 2 * SECOND, 10 * MINUTE)?;
        if let Some(timeout) = kubernetes
            .map(|kubernetes| kubernetes.request_timeout)
            .filter(|timeout| lease <= *timeout)
        {
            let at = fields.get("lease").map_or(root.at("kubernetes"), |node| node.at);
            let message = format!(
                "`engine.lease` is {}, but `kubernetes.requestTimeout` is {}: a run could be taken over while its request is under way",
                duration::format(lease),
                duration::format(timeout),
            );
            self.reader.error(
                at,
                message,
                "make the lease longer than the timeout, best three times as long",
            );
            return None;
        }
        Some(Engine {
            workers: usize::try_from(workers?).unwrap_or(1),
            lease,
        })
    }
}
