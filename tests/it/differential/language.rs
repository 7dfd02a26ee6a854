//! The language of the cases.
//!
//! ```text
//! # A comment.
//! a stale resourceVersion is refused
//!   POST secrets {metadata: {name: a}}
//!   PUT secrets/a {metadata: {name: a, resourceVersion: $1.metadata.resourceVersion}, type: Opaque}
//! ```
//!
//! A line at the margin is the name of a case, `[controllers]` behind it starts the simulation's; what is indented are its calls:
//! a method, a target, options, a body, each behind a blank. A line that begins with no method goes on with the call before.
//!
//! - The target is a path, or a resource (`pods/web/status?dryRun=All`), which stands for its path in the case's namespace.
//! - Options: `type=merge` (`json`, `strategic`, `apply`, or a media type) and `accept=table` (`metadata`, or a media type) for
//!   the headers, `as=jane` and `group=devs` to impersonate, `agent=NAME` for the user agent, `events=3` for a watch.
//! - The body is YAML in braces or brackets, sent as JSON; `=pod web`, a template of [`templates`] with its name, and behind it what is merged
//!   into it in braces, or single values by pointer: `/spec/containers/0/image=''`; or `raw:` and bytes as they are.
//! - `$ns` is the case's namespace, `$2.metadata.uid` a field of the second answer, `$many(300)` that many letters.
//! - `WATCH` is a GET that reads so many events; `UNTIL` a GET that is repeated until the answer contains the body;
//!   `GONE` one that is repeated until it is answered 404.

mod templates;

use std::{collections::BTreeMap, fmt, fs, path::Path};

use serde_json::Value;

/// A case: the calls that are played on both sides.
pub struct Case {
    /// The name of its file.
    pub theme: String,
    pub name: String,
    /// Whether the simulation has controllers.
    pub controllers: bool,
    pub calls: Vec<Call>,
}

/// A call, as it is written.
pub struct Call {
    /// The whole of it, for the report.
    pub line: String,
    pub method: String,
    pub target: String,
    pub options: BTreeMap<String, String>,
    pub body: Body,
}

/// What is sent.
pub enum Body {
    None,
    Json(Value),
    Raw(String),
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.theme, self.name)
    }
}

/// Every case there is.
pub fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/differential/cases");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let theme = file.file_stem().unwrap().to_str().unwrap().to_owned();
        cases.extend(parse(&theme, &fs::read_to_string(&file).unwrap()));
    }
    cases
}

/// The cases of a file.
pub fn parse(theme: &str, text: &str) -> Vec<Case> {
    let case = |(name, calls): (String, Vec<String>)| Case {
        theme: theme.to_owned(),
        controllers: name.ends_with("[controllers]"),
        calls: calls.into_iter().map(|line| call(theme, &name, line)).collect(),
        name,
    };
    sections(theme, text).into_iter().map(case).collect()
}

/// What stands at the margin, and the calls below each.
pub fn sections(theme: &str, text: &str) -> Vec<(String, Vec<String>)> {
    let mut cases: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            cases.push((line.trim().to_owned(), Vec::new()));
            continue;
        }
        let calls = &mut cases
            .last_mut()
            .unwrap_or_else(|| panic!("{theme}: a call before any case: {line}"))
            .1;
        let begins = line
            .split_whitespace()
            .next()
            .is_some_and(|word| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase()));
        match calls.last_mut() {
            Some(last) if !begins => {
                last.push('\n');
                last.push_str(line.trim());
            }
            _ => calls.push(line.trim().to_owned()),
        }
    }
    cases
}

/// Reads a call.
pub fn call(theme: &str, case: &str, line: String) -> Call {
    let broken = |why: &str| -> ! { panic!("{theme}: {case}: {line}: {why}") };
    let (method, rest) = line.split_once(' ').unwrap_or_else(|| broken("no target"));
    let (target, mut rest) = word(rest);
    let mut options = BTreeMap::new();
    while !rest.is_empty() && !rest.starts_with(['{', '[', '=']) && !rest.starts_with("raw:") {
        let (option, after) = word(rest);
        let (name, value) = option
            .split_once('=')
            .unwrap_or_else(|| broken("an option has a value"));
        options.insert(name.to_owned(), value.to_owned());
        rest = after;
    }
    let body = match rest.chars().next() {
        None => Body::None,
        Some('=') => Body::Json(templates::made(&rest[1..]).unwrap_or_else(|why| broken(&why))),
        Some('{' | '[') => Body::Json(yaml(rest).unwrap_or_else(|why| broken(&why))),
        Some(_) => Body::Raw(rest["raw:".len()..].to_owned()),
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    Call {
        method,
        target,
        options,
        body,
        line,
    }
}

/// The first word, and what is behind it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.split_once(char::is_whitespace) {
        Some((first, rest)) => (first, rest.trim_start()),
        None => (text, ""),
    }
}

fn yaml(text: &str) -> Result<Value, String> {
    // `y` is a name here, as in YAML 1.2.
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
}

/// The path of a target.
pub fn path(target: &str, namespace: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let resource = target.split(['/', '?']).next().unwrap_or_default();
    let (prefix, namespaced) = match resource {
        "nodes" | "namespaces" | "persistentvolumes" => ("/api/v1", false),
        "customresourcedefinitions" => ("/apis/apiextensions.k8s.io/v1", false),
        "clusterroles" | "clusterrolebindings" => ("/apis/rbac.authorization.k8s.io/v1", false),
        "priorityclasses" => ("/apis/scheduling.k8s.io/v1", false),
        "storageclasses" => ("/apis/storage.k8s.io/v1", false),
        "selfsubjectaccessreviews" | "selfsubjectrulesreviews" | "subjectaccessreviews" => {
            ("/apis/authorization.k8s.io/v1", false)
        }
        "selfsubjectreviews" => ("/apis/authentication.k8s.io/v1", false),
        "localsubjectaccessreviews" => ("/apis/authorization.k8s.io/v1", true),
        "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "controllerrevisions" => {
            ("/apis/apps/v1", true)
        }
        "jobs" | "cronjobs" => ("/apis/batch/v1", true),
        "poddisruptionbudgets" => ("/apis/policy/v1", true),
        "leases" => ("/apis/coordination.k8s.io/v1", true),
        "horizontalpodautoscalers" => ("/apis/autoscaling/v2", true),
        "roles" | "rolebindings" => ("/apis/rbac.authorization.k8s.io/v1", true),
        "endpointslices" => ("/apis/discovery.k8s.io/v1", true),
        _ => ("/api/v1", true),
    };
    if namespaced {
        format!("{prefix}/namespaces/{namespace}/{target}")
    } else {
        format!("{prefix}/{target}")
    }
}

#[test]
fn a_case_is_read_as_it_is_written() {
    let text =
        "one [controllers]\n  # why\n  PATCH pods/a?dryRun=All type=merge {a: '1',\n    b: [2]}\n  GET pods\ntwo\n";
    let cases = parse("theme", text);
    assert_eq!(cases.len(), 2);
    assert!(cases[0].controllers && !cases[1].controllers);
    let first = &cases[0].calls[0];
    assert_eq!((&*first.method, &*first.target), ("PATCH", "pods/a?dryRun=All"));
    assert_eq!(first.options["type"], "merge");
    let Body::Json(body) = &first.body else { panic!() };
    assert_eq!(*body, serde_json::json!({"a": "1", "b": [2]}));
    assert_eq!(path("pods/a", "n"), "/api/v1/namespaces/n/pods/a");
    assert_eq!(path("nodes", "n"), "/api/v1/nodes");
}
