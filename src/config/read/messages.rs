//! Where runs are told of: Slack, Teams, and other receivers.

use super::{Fields, Node, Reading, Secrets, Value, settings};
use crate::{
    config::{SecretFile, Slack, SlackCredentials, Teams, Webhook, WebhookUrl},
    domain::{matcher::Matcher, notify::Route},
    yaml::notify::invalid_channel,
};

/// A key that is shorter can be guessed.
const SHORT_KEY: usize = 16;

impl Reading<'_, '_> {
    /// `externalUrl`. The outer `Option` is whether it can be read.
    #[allow(clippy::option_option, reason = "absent and unreadable differ")]
    pub(super) fn external_url(&mut self, root: &Fields<'_>) -> Option<Option<String>> {
        let Some(node) = root.get("externalUrl") else {
            return Some(None);
        };
        let url = self.url(node, "externalUrl", "https://selfhealer.example.com")?;
        Some(Some(url.trim_end_matches('/').to_owned()))
    }

    /// `slack`. The outer `Option` is whether it can be read.
    #[allow(clippy::option_option, reason = "absent and unreadable differ")]
    pub(super) fn slack(&mut self, root: &Fields<'_>) -> Option<Option<Slack>> {
        if is_absent(root, "slack") {
            return Some(None);
        }
        let fields = self.optional_section(root, "slack")?;
        let api_url = match fields.get("apiUrl") {
            Some(node) => self.api_url(node),
            None => Some(settings::default("slack.apiUrl").to_owned()),
        };
        let routes = self.routes(&fields);
        let credentials = match (fields.get("tokenFile"), fields.get("webhookUrlFile")) {
            (Some(_), Some(node)) => {
                let message = "`webhookUrlFile` and `tokenFile` contradict each other";
                let help = "keep `tokenFile`: an incoming webhook can neither edit nor reply";
                self.reader.error(node.at, message, help);
                None
            }
            (Some(node), None) => self
                .secret_file(node, "slack.tokenFile", 0)
                .map(|file| SlackCredentials::Token(file.0)),
            (None, Some(node)) => self
                .secret_file(node, "slack.webhookUrlFile", 0)
                .map(|file| SlackCredentials::Webhook(file.0)),
            (None, None) => {
                let message = "`slack` has neither `tokenFile` nor `webhookUrlFile`";
                let help =
                    "write `tokenFile: /etc/selfhealer/slack/token`, with the bot token of a Slack app in that file";
                self.reader.error(root.at("slack"), message, help);
                None
            }
        };
        let channel = self.slack_channel(&fields, credentials.as_ref());
        Some(Some(Slack {
            credentials: credentials?,
            channel: channel?,
            routes: routes?,
            api_url: api_url?,
        }))
    }

    /// With a webhook there is nothing to choose; with a token, something must be chosen.
    fn slack_channel(&mut self, fields: &Fields<'_>, credentials: Option<&SlackCredentials>) -> Option<String> {
        if let Some(SlackCredentials::Webhook(_)) = credentials {
            for name in ["channel", "routes"] {
                if let Some(node) = fields.get(name) {
                    let message = format!("`{name}` means nothing with `webhookUrlFile`");
                    let help = "remove it: an incoming webhook posts to the channel that it was made for; with `tokenFile` there is a choice";
                    self.reader.error(node.at, message, help);
                    return None;
                }
            }
            return Some(String::new());
        }
        let node = self.reader.require(fields, "channel", "\"#k8s-self-healer-alerts\"")?;
        self.channel(node)
    }

    fn channel(&mut self, node: &Node) -> Option<String> {
        let text = self.reader.text(node, "channel")?.trim();
        if let Some(why) = invalid_channel(text) {
            let message = format!("`{text}` is not a channel of Slack: {why}");
            self.reader.error(
                node.at,
                message,
                "write `\"#alerts\"` with quotes, or a channel's id like C0123ABCD",
            );
            return None;
        }
        Some(text.to_owned())
    }

    fn routes(&mut self, fields: &Fields<'_>) -> Option<Vec<Route>> {
        let Some(node) = fields.get("routes").filter(|node| !matches!(node.value, Value::Null)) else {
            return Some(Vec::new());
        };
        let items = self.reader.list(node, "routes")?;
        items.iter().map(|item| self.route(item)).collect()
    }

    fn route(&mut self, item: &Node) -> Option<Route> {
        let fields = self
            .reader
            .fields(item, "a route", item.at, &["match", "channel"], &[])?;
        let channel = self
            .reader
            .require(&fields, "channel", "\"#payments\"")
            .and_then(|node| self.channel(node));
        self.reader.require(&fields, "match", "[severity = critical]")?;
        let mut matchers = Vec::new();
        for (node, text) in self.texts(&fields, "match")? {
            match Matcher::parse(text) {
                Ok(matcher) => matchers.push(matcher),
                Err(error) => {
                    self.reader.error(node.at, error.to_string(), "");
                    return None;
                }
            }
        }
        Some(Route {
            matchers,
            channel: channel?,
        })
    }

    /// A token must not travel in clear, unless it does not leave the machine.
    fn api_url(&mut self, node: &Node) -> Option<String> {
        let url = self.url(node, "apiUrl", "https://slack.com/api/")?;
        let host = url.split("://").nth(1).unwrap_or_default();
        let is_local = ["127.0.0.1", "localhost", "[::1]"]
            .iter()
            .any(|local| host.starts_with(local));
        if url.starts_with("http://") && !is_local {
            let message = "`apiUrl` is not encrypted, and the token would be readable on its way";
            self.reader.error(node.at, message, "write `https://`");
            return None;
        }
        Some(format!("{}/", url.trim_end_matches('/')))
    }

    /// `teams`. The outer `Option` is whether it can be read.
    #[allow(clippy::option_option, reason = "absent and unreadable differ")]
    pub(super) fn teams(&mut self, root: &Fields<'_>) -> Option<Option<Teams>> {
        if is_absent(root, "teams") {
            return Some(None);
        }
        let fields = self.optional_section(root, "teams")?;
        let node = self
            .reader
            .require(&fields, "webhookUrlFile", "/etc/selfhealer/teams/url")?;
        let file = self.secret_file(node, "teams.webhookUrlFile", 0)?;
        Some(Some(Teams { url_file: file.0 }))
    }

    /// `webhook`. The outer `Option` is whether it can be read.
    #[allow(clippy::option_option, reason = "absent and unreadable differ")]
    pub(super) fn webhook(&mut self, root: &Fields<'_>) -> Option<Option<Webhook>> {
        if is_absent(root, "webhook") {
            return Some(None);
        }
        let fields = self.optional_section(root, "webhook")?;
        let url = match (fields.get("url"), fields.get("urlFile")) {
            (Some(_), Some(node)) => {
                self.reader
                    .error(node.at, "`url` and `urlFile` contradict each other", "remove one");
                None
            }
            (Some(node), None) => self
                .url(node, "url", "https://receiver.example.com/selfhealer")
                .map(WebhookUrl::Plain),
            (None, Some(node)) => self
                .secret_file(node, "webhook.urlFile", 0)
                .map(|file| WebhookUrl::File(file.0)),
            (None, None) => {
                let help = "write `url: https://…`, or `urlFile` if the address is a secret";
                self.reader
                    .error(root.at("webhook"), "`webhook` has neither `url` nor `urlFile`", help);
                None
            }
        };
        let secret_file = match fields.get("secretFile") {
            Some(node) => Some(self.secret_file(node, "webhook.secretFile", SHORT_KEY)?.0),
            None => {
                let message = "nothing is signed: the receiver cannot tell who posts";
                let help = "write `secretFile: PATH` with the output of `openssl rand -hex 32` in that file";
                self.reader.warn(root.at("webhook"), message, help);
                None
            }
        };
        Some(Some(Webhook { url: url?, secret_file }))
    }

    /// An address without anything secret in it.
    fn url(&mut self, node: &Node, name: &str, example: &str) -> Option<String> {
        let url = self.reader.text(node, name)?.trim();
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
        let problem = match host {
            None => Some("is not an http:// or https:// address"),
            Some("") => Some("names no host"),
            Some(host) if host.contains('@') => Some("has a user or a password in it"),
            Some(_) if url.contains(['?', '#', ' ']) => Some("has parameters, which may be secrets, or blanks"),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            // The address is not told: it may hold a secret.
            self.reader.error(
                node.at,
                format!("`{name}` {problem}"),
                format!("write for example `{example}`"),
            );
            return None;
        }
        Some(url.to_owned())
    }

    /// A file with a secret, read once to find now what would otherwise be found when a message is due.
    fn secret_file(&mut self, node: &Node, name: &str, shortest: usize) -> Option<SecretFile> {
        let text = self.reader.text(node, name)?.trim();
        let file = SecretFile(self.path(node, text));
        match file.read() {
            Ok(secret) if secret.len() < shortest => {
                let message = format!("the secret of `{name}` is shorter than {shortest} characters");
                self.reader
                    .warn(node.at, message, "make one with `openssl rand -hex 32`");
            }
            Ok(_) => {}
            Err(error) => {
                let message = format!("the file of `{name}` cannot be used: {error}");
                match self.secrets {
                    Secrets::Needed => {
                        let help = "write the path of a file that holds the secret, and nothing else";
                        self.reader.error(node.at, message, help);
                        return None;
                    }
                    Secrets::Elsewhere => {
                        self.reader
                            .warn(node.at, message, "it must be there when the service starts");
                    }
                }
            }
        }
        Some(file)
    }
}

fn is_absent(root: &Fields<'_>, name: &str) -> bool {
    root.get(name).is_none_or(|node| matches!(node.value, Value::Null))
}
