//! Who may know whom: the layers hold only as long as nobody reaches across.

use std::{collections::BTreeMap, fs, path::Path};

/// The one module that may name a driver crate.
const DRIVERS: [(&str, &[&str]); 14] = [
    ("kube", &["cluster"]),
    ("rusqlite", &["store"]),
    ("actix_web", &["http"]),
    ("handlebars", &["render"]),
    ("cel", &["cel"]),
    // Ours reads runbooks, the API server its bodies; neither may know the other.
    ("serde_saphyr", &["yaml", "simulation"]),
    ("tracing_subscriber", &["telemetry"]),
    ("reqwest", &["outbound"]),
    ("governor", &["limit"]),
    ("prost", &["simulation"]),
    ("hyper", &["simulation"]),
    ("hyper_util", &["simulation"]),
    ("http_body_util", &["simulation"]),
    // For tests: nothing of the product knows what it is tried on. That the simulation knows nothing of us is the compiler's
    // business, since it is a crate of its own.
    ("simulated_cluster", &[]),
];

/// Driver crates that several modules name, each in one file of this name only.
const FILES: [(&str, &str); 1] = [("prometheus_client", "metrics.rs")];

/// What a module may not use of ours.
const FORBIDDEN: [(&str, &[&str]); 11] = [
    (
        "domain",
        &[
            "app",
            "cel",
            "cli",
            "clock",
            "cluster",
            "config",
            "engine",
            "http",
            "ids",
            "intake",
            "metrics",
            "limit",
            "notify",
            "outbound",
            "readiness",
            "render",
            "runbooks",
            "steps",
            "store",
            "yaml",
        ],
    ),
    (
        "cluster",
        &[
            "app", "cli", "config", "engine", "http", "intake", "notify", "runbooks", "steps", "store",
        ],
    ),
    (
        "store",
        &[
            "app", "cli", "cluster", "config", "engine", "http", "intake", "notify", "runbooks", "steps",
        ],
    ),
    ("http", &["app", "cli", "cluster", "engine", "steps"]),
    (
        "intake",
        &["app", "cli", "cluster", "config", "engine", "http", "steps"],
    ),
    ("steps", &["app", "cli", "config", "engine", "http", "intake"]),
    ("engine", &["app", "cli", "config", "http", "intake"]),
    // A message tells what happened, and can do nothing.
    (
        "notify",
        &["app", "cli", "cluster", "config", "engine", "http", "intake", "steps"],
    ),
    (
        "outbound",
        &[
            "app", "cli", "cluster", "config", "engine", "http", "intake", "notify", "runbooks", "steps", "store",
        ],
    ),
    // What a part says of itself.
    (
        "readiness",
        &[
            "app", "cli", "cluster", "config", "engine", "http", "intake", "notify", "runbooks", "steps", "store",
        ],
    ),
    (
        "limit",
        &[
            "app", "cli", "cluster", "config", "engine", "http", "intake", "notify", "runbooks", "steps", "store",
        ],
    ),
];

/// What has an effect that no argument shows, and where it may stand: time comes from the clock, settings from the
/// configuration. The failpoint is read before there is a configuration, and in debug builds only.
const HIDDEN: [(&str, &[&str]); 5] = [
    ("Timestamp::now(", &["clock"]),
    ("Instant::now(", &["clock"]),
    ("SystemTime::now(", &["clock"]),
    ("time::sleep(", &["clock"]),
    ("env::var", &["config", "failpoint"]),
];

/// Every source file by its top-level module, with the text above its tests.
fn sources() -> BTreeMap<String, Vec<(String, String)>> {
    let mut found: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let relative = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            if relative.contains("tests") {
                continue;
            }
            let module = relative.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code: String = text.split("#[cfg(test)]\nmod ").next().unwrap().to_owned();
            let code = code
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .collect::<Vec<_>>()
                .join("\n");
            found.entry(module).or_default().push((relative, code));
        }
    }
    found
}

fn names(code: &str, krate: &str) -> bool {
    // `use crate::{ cel::… }` names our own module.
    let code: String = code
        .split("use crate::{")
        .enumerate()
        .map(|(index, part)| match index {
            0 => part,
            _ => part.split_once("};").map_or("", |(_, rest)| rest),
        })
        .collect();
    let used = format!("{krate}::");
    code.match_indices(&used).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

fn uses(code: &str, module: &str) -> bool {
    let direct = format!("crate::{module}");
    let grouped = code.split("use crate::{").skip(1).any(|group| {
        let group = group.split("};").next().unwrap_or_default();
        let mut depth = 0;
        let mut top = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ if depth == 0 => top.push(c),
                _ => {}
            }
        }
        top.split(',')
            .any(|part| part.trim().split("::").next() == Some(module))
    });
    let mut direct_uses = code.match_indices(&direct);
    grouped
        || direct_uses.any(|(at, _)| {
            let after = code[at + direct.len()..].chars().next();
            !after.is_some_and(|c| c.is_alphanumeric() || c == '_')
        })
}

#[test]
fn each_driver_crate_is_named_in_one_module() {
    for (module, files) in sources() {
        for (file, code) in files {
            for (krate, owners) in DRIVERS {
                // `crate::cel::` is ours; the crate is only named by its own module.
                let named = names(&code, krate) && !owners.contains(&module.as_str());
                assert!(
                    !named,
                    "src/{file} names the crate {krate}, which belongs to {owners:?}"
                );
            }
        }
    }
}

#[test]
fn metrics_are_counted_in_files_of_their_own() {
    let mut named = Vec::new();
    for (file, code) in sources().into_values().flatten() {
        for (krate, owner) in FILES {
            if names(&code, krate) {
                let owned = Path::new(&file).file_name().is_some_and(|name| name == owner);
                assert!(
                    owned,
                    "src/{file} names the crate {krate}, which belongs to files {owner}"
                );
                named.push(file.clone());
            }
        }
    }
    // The page, and a subsystem's own: the rule has something to look at.
    assert!(named.contains(&"metrics.rs".to_owned()) && named.contains(&"engine/metrics.rs".to_owned()));
}

#[test]
fn time_and_environment_are_read_in_one_place() {
    for (module, files) in sources() {
        for (file, code) in files {
            for (call, owners) in HIDDEN {
                let called = code.contains(call) && !owners.contains(&module.as_str());
                assert!(!called, "src/{file} calls {call}…), which belongs to {owners:?}");
            }
        }
    }
}

#[test]
fn no_module_reaches_across_its_layer() {
    let sources = sources();
    for (module, forbidden) in FORBIDDEN {
        for (file, code) in sources.get(module).into_iter().flatten() {
            for other in forbidden {
                assert!(!uses(code, other), "src/{file} uses crate::{other}: {module} may not");
            }
        }
    }
}

#[test]
fn the_rules_bite() {
    assert!(uses(
        "use crate::{\n    clock::Clock,\n    cluster::{Cluster, Lookup},\n};",
        "cluster"
    ));
    assert!(uses("let x = crate::cluster::get();", "cluster"));
    assert!(!uses("use crate::{store::cluster};", "cluster"));
    assert!(names("use kube::Client;", "kube"));
    assert!(!names("use my_kube::Client;", "kube"));
}
