//! Who may call, and whether their secrets are where they should be.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _};

use super::{Fields, Node, Permission, Reading, Secrets, Token, Value, invalid_name};

/// A secret that is shorter can be guessed.
pub(in crate::config) const SHORT_SECRET: usize = 16;

impl Reading<'_, '_> {
    pub(super) fn tokens(&mut self, root: &Fields<'_>) -> Option<Vec<Token>> {
        let Some(node) = root.get("tokens").filter(|node| !matches!(node.value, Value::Null)) else {
            return Some(Vec::new());
        };
        let items = self.reader.list(node, "tokens")?;
        let mut tokens: Vec<(Token, Option<String>)> = Vec::new();
        let mut whole = true;
        for item in items {
            let Some((token, secret)) = self.token(item, &tokens) else {
                whole = false;
                continue;
            };
            tokens.push((token, secret));
        }
        whole.then(|| tokens.into_iter().map(|(token, _)| token).collect())
    }

    /// A token and its secret, so that the next one can be compared.
    fn token(&mut self, item: &Node, others: &[(Token, Option<String>)]) -> Option<(Token, Option<String>)> {
        let known = &["name", "file", "permissions"];
        let fields = self.reader.fields(item, "a token", item.at, known, &[])?;
        let name = self.reader.require(&fields, "name", "alertmanager").and_then(|node| {
            let name = self.reader.text(node, "name")?;
            if let Some(why) = invalid_name(name) {
                self.reader.error(
                    node.at,
                    format!("`{name}` is not a name: {why}"),
                    "write for example `alertmanager`",
                );
                return None;
            }
            if others.iter().any(|(other, _)| other.name == name) {
                self.reader.error(
                    node.at,
                    format!("there are two tokens `{name}`"),
                    "the audit could not tell them apart: rename one",
                );
                return None;
            }
            Some(name.to_owned())
        });
        let permissions = self
            .reader
            .require(&fields, "permissions", "[ingest]")
            .and_then(|node| self.permissions(node));
        let file = self
            .reader
            .require(&fields, "file", "/etc/selfhealer/tokens/alertmanager")
            .and_then(|node| {
                let text = self.reader.text(node, "file")?.trim();
                let path = self.path(node, text);
                Some((node, path))
            });
        let (node, file) = file?;
        let token = Token {
            name: name?,
            file,
            permissions: permissions?,
        };
        let secret = self.secret(node, &token);
        if secret.is_none() && self.secrets == Secrets::Needed {
            return None;
        }
        if secret.is_some() && others.iter().any(|(_, other)| *other == secret) {
            self.reader.error(
                node.at,
                "another token has the same secret",
                "the audit could not tell them apart: make a new one",
            );
            return None;
        }
        Some((token, secret))
    }

    fn permissions(&mut self, node: &Node) -> Option<BTreeSet<Permission>> {
        let items = self.reader.list(node, "permissions")?;
        if items.is_empty() {
            self.reader.error(
                node.at,
                "`permissions` is empty",
                "write some of `ingest`, `view` and `operate`",
            );
            return None;
        }
        let words = Permission::ALL.map(Permission::as_str);
        items
            .iter()
            .map(|item| {
                let word = self.reader.word(item, "permissions", &words)?;
                Permission::ALL
                    .into_iter()
                    .find(|permission| permission.as_str() == word)
            })
            .collect()
    }

    /// Reads the secret once, to find now what would otherwise be found by a caller that is turned away.
    fn secret(&mut self, node: &Node, token: &Token) -> Option<String> {
        // The path is not told: somebody may have written the secret itself.
        let secret = match token.read() {
            Ok(secret) => secret,
            Err(error) => {
                let help = "write the path of a file that holds the secret, and nothing else";
                let message = format!("the file of token `{}` cannot be used: {error}", token.name);
                match self.secrets {
                    Secrets::Needed => self.reader.error(node.at, message, help),
                    Secrets::Elsewhere => {
                        self.reader
                            .warn(node.at, message, "it must be there when the service starts")
                    }
                }
                return None;
            }
        };
        if secret.len() < SHORT_SECRET {
            let message = format!(
                "the secret of token `{}` is shorter than {SHORT_SECRET} characters",
                token.name
            );
            self.reader
                .warn(node.at, message, "make one with `openssl rand -hex 32`");
        }
        let readable_by_all =
            fs::metadata(&token.file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0);
        if readable_by_all {
            let message = format!(
                "everybody on this machine can read the secret of token `{}`",
                token.name
            );
            self.reader.warn(
                node.at,
                message,
                "chmod 0400; for a mounted Secret, `defaultMode: 0400` or `0440` with an fsGroup",
            );
        }
        Some(secret)
    }
}
