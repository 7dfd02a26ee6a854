//! Every setting that there is.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its place in the file: `store.url`.
    pub key: &'static str,
    /// What it is when nobody says, as it would be written; empty when it is then absent.
    pub default: &'static str,
    /// How a text from the environment becomes a value.
    pub shape: Shape,
}

/// How a text from the environment becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    One,
    /// Values with commas between them.
    List,
    /// `NAME=VALUE` with commas between them.
    Map,
    /// `NAME:FILE:PERMISSION+PERMISSION` with commas between them.
    Tokens,
    /// `CHANNEL:MATCHER` with commas between them: a matcher each.
    Routes,
}

/// All settings, in the order of the documentation.
pub const SETTINGS: &[Setting] = &[
    list("listen", "127.0.0.1:8080"),
    list("adminListen", "127.0.0.1:9090"),
    one("store.url", "sqlite:///var/lib/selfhealer/selfhealer.db"),
    one("store.retention", "90d"),
    one("store.inbox", "1000000"),
    one("kubernetes.kubeconfig", ""),
    one("kubernetes.context", ""),
    one("kubernetes.requestTimeout", "10s"),
    list("runbooks", "/etc/selfhealer/runbooks"),
    one("cluster.label", "cluster"),
    one("cluster.value", ""),
    one("mode", "enforce"),
    Setting {
        key: "modes",
        default: "",
        shape: Shape::Map,
    },
    one("settle", "10s"),
    Setting {
        key: "tokens",
        default: "",
        shape: Shape::Tokens,
    },
    one("externalUrl", ""),
    one("slack.tokenFile", ""),
    one("slack.webhookUrlFile", ""),
    one("slack.channel", ""),
    Setting {
        key: "slack.routes",
        default: "",
        shape: Shape::Routes,
    },
    one("slack.apiUrl", "https://slack.com/api/"),
    one("teams.webhookUrlFile", ""),
    one("webhook.url", ""),
    one("webhook.urlFile", ""),
    one("webhook.secretFile", ""),
    list("protect.namespaces", "kube-system,kube-public,kube-node-lease"),
    one("limits.body", "32MiB"),
    one("limits.bodiesInFlight", "40MiB"),
    one("limits.bodyTimeout", "10s"),
    one("engine.workers", "16"),
    one("engine.lease", "30s"),
];

/// Variables with our prefix that are not settings of this file.
pub const OTHER_VARIABLES: &[&str] = &["SELFHEALER_CONFIG"];

/// Sections that the design has and this version does not.
pub(super) const LATER: &[&str] = &["notify", "alertmanagers", "prometheus"];

const fn one(key: &'static str, default: &'static str) -> Setting {
    Setting {
        key,
        default,
        shape: Shape::One,
    }
}

const fn list(key: &'static str, default: &'static str) -> Setting {
    Setting {
        key,
        default,
        shape: Shape::List,
    }
}

impl Setting {
    /// Its name in the environment: `store.requestTimeout` is `SELFHEALER_STORE_REQUEST_TIMEOUT`.
    pub fn variable(&self) -> String {
        let mut name = "SELFHEALER_".to_owned();
        for c in self.key.chars() {
            if c == '.' {
                name.push('_');
                continue;
            }
            if c.is_ascii_uppercase() {
                name.push('_');
            }
            name.push(c.to_ascii_uppercase());
        }
        name
    }
}

/// The default of a setting, as it would be written.
pub(super) fn default(key: &str) -> &'static str {
    SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .map_or("", |setting| setting.default)
}

/// The fields of a section, or of the whole file for an empty name.
pub(super) fn fields(section: &str) -> Vec<&'static str> {
    let mut fields: Vec<&str> = SETTINGS
        .iter()
        .filter_map(|setting| match (section, setting.key.split_once('.')) {
            ("", Some((first, _))) => Some(first),
            ("", None) => Some(setting.key),
            (section, Some((first, rest))) if first == section => Some(rest),
            _ => None,
        })
        .collect();
    fields.dedup();
    fields
}
