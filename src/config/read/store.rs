//! Where the database is.

use std::path::PathBuf;

use super::{DAY, Fields, Node, Reading, Store, settings};

impl Reading<'_, '_> {
    pub(super) fn store(&mut self, root: &Fields<'_>) -> Option<Store> {
        let fields = self.optional_section(root, "store")?;
        let path = match fields.get("url") {
            Some(node) => {
                let url = self.reader.text(node, "url")?.trim();
                self.database(node, url)
            }
            None => settings::default("store.url")
                .strip_prefix("sqlite://")
                .map(PathBuf::from),
        };
        let retention = self.duration(&fields, "store.retention", "retention", DAY, 3650 * DAY);
        let inbox = self.integer(&fields, "store.inbox", "inbox", 100_000_000);
        Some(Store {
            path: path?,
            retention: retention?,
            inbox: u64::try_from(inbox?).unwrap_or_default(),
        })
    }

    /// The path in `sqlite:///path`. The URL itself is never told: it may hold a password.
    fn database(&mut self, node: &Node, url: &str) -> Option<PathBuf> {
        let mut fail = |message: &str, help: &str| {
            self.reader.error(node.at, message, help);
            None
        };
        let example = "write for example `sqlite:///var/lib/selfhealer/selfhealer.db`";
        let (scheme, rest) = url.split_once(':').unwrap_or(("", url));
        let authority = rest
            .strip_prefix("//")
            .map(|rest| rest.split('/').next().unwrap_or_default());
        if authority.is_some_and(|authority| authority.contains('@')) {
            return fail(
                "`url` has a user or a password in it",
                "a secret never stands in the configuration; remove everything up to the `@`",
            );
        }
        match scheme {
            "postgres" | "postgresql" => return fail("PostgreSQL is not available in this version", example),
            "sqlite" => {}
            "" => return fail("`url` has no scheme", example),
            _ => return fail("`url` must begin with `sqlite:`", example),
        }
        if rest.contains(":memory:") || rest.is_empty() || rest == "//" {
            return fail(
                "`url` names no file, and a service that forgets would act twice",
                example,
            );
        }
        if rest.contains(['?', '#']) {
            return fail("`url` takes no parameters", example);
        }
        if rest.contains('%') {
            return fail("`url` is a path as it is, without `%` escapes", example);
        }
        match rest.strip_prefix("//").unwrap_or(rest) {
            path if path.starts_with('/') && !path.ends_with('/') => Some(PathBuf::from(path)),
            path if path.ends_with('/') => fail("`url` names a directory", example),
            _ => fail(
                "`url` is relative, and would depend on where the program is started",
                "write an absolute path, with three slashes: `sqlite:///var/lib/selfhealer/selfhealer.db`",
            ),
        }
    }
}
