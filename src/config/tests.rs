#![allow(clippy::unwrap_used)]

mod messages;
mod slips;

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

/// A configuration with every setting.
const CONFIG: &str = r#"listen: 127.0.0.1:8080
adminListen: 127.0.0.1:9090
store:
  url: sqlite:///var/lib/selfhealer/x.db
  retention: 90d
  inbox: 1000000
kubernetes:
  kubeconfig: kubeconfig
  context: prod
  requestTimeout: 10s
runbooks: [runbooks]
cluster: {label: cluster, value: prod-eu}
mode: enforce
modes: {crash-looping-pod: enforce}
settle: 10s
tokens:
  - {name: alertmanager, file: tokens/alertmanager, permissions: [ingest]}
  - {name: oncall, file: tokens/oncall, permissions: [view, operate]}
protect:
  namespaces: [kube-system, monitoring]
limits:
  body: 32MiB
  bodiesInFlight: 40MiB
  bodyTimeout: 10s
engine:
  workers: 16
  lease: 30s
"#;

/// A directory with the secrets that [`CONFIG`] names.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("tokens")).unwrap();
    for (name, secret, mode) in [
        ("alertmanager", "0123456789abcdef0123\n", 0o400),
        ("oncall", "fedcba9876543210fedc\n", 0o400),
        ("short", "hunter2\n", 0o400),
        ("public", "public-public-public\n", 0o444),
        ("empty", " \n", 0o400),
    ] {
        let file = directory.path().join("tokens").join(name);
        fs::write(&file, secret).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }
    directory
}

fn load(text: &str, environment: &[(&str, &str)]) -> (TempDir, Result<Checked, Vec<Diagnostic>>) {
    let directory = directory();
    let file = directory.path().join("a.yaml");
    fs::write(&file, text).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let loaded = Config::load(Some(&file), environment);
    (directory, loaded)
}

/// The findings, without the file's name.
fn told(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let (directory, loaded) = load(text, environment);
    let file = format!("{}:", directory.path().join("a.yaml").display());
    let problems = loaded.map_or_else(|problems| problems, |checked| checked.warnings);
    problems
        .iter()
        .map(|problem| {
            let severity = if problem.is_error() { "" } else { "warning " };
            format!("{severity}{}", problem.to_string().replacen(&file, "", 1))
        })
        .collect()
}

#[test]
fn every_setting_is_read() {
    let (directory, loaded) = load(CONFIG, &[]);
    let Checked { config, warnings } = loaded.unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.admin_listen, ["127.0.0.1:9090".parse().unwrap()]);
    assert_eq!(config.store.path, Path::new("/var/lib/selfhealer/x.db"));
    assert_eq!(config.store.retention, Duration::from_secs(90 * 86_400));
    assert_eq!(config.store.inbox, 1_000_000);
    assert_eq!(config.kubernetes.kubeconfig, Some(directory.path().join("kubeconfig")));
    assert_eq!(config.kubernetes.context.as_deref(), Some("prod"));
    assert_eq!(config.kubernetes.request_timeout, Duration::from_secs(10));
    assert_eq!(config.runbooks, [directory.path().join("runbooks")]);
    let cluster = config.cluster.unwrap();
    assert_eq!((cluster.label.as_str(), cluster.value.as_str()), ("cluster", "prod-eu"));
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(
        config.modes,
        BTreeMap::from([("crash-looping-pod".to_owned(), Mode::Enforce)])
    );
    assert_eq!(config.settle, Duration::from_secs(10));
    assert_eq!(config.tokens[1].name, "oncall");
    assert_eq!(
        config.tokens[1].permissions,
        BTreeSet::from([Permission::View, Permission::Operate])
    );
    assert_eq!(config.tokens[1].read().unwrap(), "fedcba9876543210fedc");
    assert_eq!(
        config.protect.namespaces,
        BTreeSet::from(["kube-system".to_owned(), "monitoring".to_owned()])
    );
    assert_eq!(config.limits.body, Bytes(32 << 20));
    assert_eq!(config.limits.bodies_in_flight, Bytes(40 << 20));
    assert_eq!(config.limits.body_timeout, Duration::from_secs(10));
    assert_eq!(
        (config.engine.workers, config.engine.lease),
        (16, Duration::from_secs(30))
    );
}

#[test]
fn without_a_file_everything_has_a_default_that_is_safe() {
    let Checked { config, warnings } = Config::load(None, []).unwrap();
    assert_eq!(warnings, []);
    assert!(config.listen.iter().all(|address| address.ip().is_loopback()));
    assert_eq!(config.store.path, Path::new("/var/lib/selfhealer/selfhealer.db"));
    assert_eq!(config.runbooks, [Path::new("/etc/selfhealer/runbooks")]);
    assert_eq!((config.cluster, config.mode), (None, Mode::Enforce));
    assert!(config.protect.namespaces.contains("kube-system"));
    assert!(config.engine.lease > config.kubernetes.request_timeout);
    assert!(config.limits.bodies_in_flight >= config.limits.body);
}

#[test]
fn sections_may_be_empty() {
    let (_, loaded) = load(
        "kubernetes: {}\nmodes: {}\nstore:\ntokens: []\nprotect: {}\nlimits:\nengine: {}\n",
        &[],
    );
    assert_eq!(loaded.unwrap().warnings, []);
    assert!(load("", &[]).1.is_ok());
    assert!(load("# nothing\n", &[]).1.is_ok());
    assert_eq!(
        told("- a\n", &[]),
        ["1:1: the configuration must be a mapping, not a list (write fields below it, such as `listen: …`)"]
    );
}

#[test]
fn every_slip_is_told_with_its_place_and_what_to_write() {
    assert_eq!(told(CONFIG, &[]), [""; 0]);
    for (from, to, expected) in slips::SLIPS {
        assert!(CONFIG.contains(from), "{from}");
        assert_eq!(told(&CONFIG.replacen(from, to, 1), &[]), *expected, "{from} → {to}");
    }
}

#[test]
fn whoever_listens_to_everybody_needs_tokens() {
    let expected = "1:9: everybody who reaches 0.0.0.0:8080 could post alerts: there are no `tokens` (write `tokens`, or listen on 127.0.0.1)";
    for listen in ["0.0.0.0:8080", "':8080'", "[127.0.0.1:1, 0.0.0.0:8080]"] {
        assert_eq!(told(&format!("listen: {listen}\n"), &[]), [expected], "{listen}");
    }
    for listen in ["127.0.0.1:8080", "localhost:8080", "'[::1]:8080'", "127.0.0.1:0"] {
        assert_eq!(told(&format!("listen: {listen}\n"), &[]), [""; 0], "{listen}");
    }
    let both = "listen: 0.0.0.0:8080\ntokens: [{name: a, file: tokens/oncall, permissions: [ingest]}]\n";
    assert_eq!(told(both, &[]), [""; 0]);
    // Port 0 is another port each time.
    assert_eq!(told("listen: 127.0.0.1:0\nadminListen: 127.0.0.1:0\n", &[]), [""; 0]);
}

#[test]
fn every_setting_can_come_from_the_environment() {
    let secrets = directory();
    let file = secrets.path().join("tokens/oncall").display().to_string();
    let tokens = format!("oncall:{file}:view+operate");
    let environment = [
        ("SELFHEALER_LISTEN", "127.0.0.1:1, [::1]:1"),
        ("SELFHEALER_ADMIN_LISTEN", "127.0.0.1:2"),
        ("SELFHEALER_STORE_URL", "sqlite:///tmp/x.db"),
        ("SELFHEALER_STORE_RETENTION", "1w"),
        ("SELFHEALER_STORE_INBOX", "7"),
        ("SELFHEALER_KUBERNETES_KUBECONFIG", "k"),
        ("SELFHEALER_KUBERNETES_CONTEXT", "c"),
        ("SELFHEALER_KUBERNETES_REQUEST_TIMEOUT", "3s"),
        ("SELFHEALER_RUNBOOKS", "/a,/b"),
        ("SELFHEALER_CLUSTER_LABEL", "l"),
        ("SELFHEALER_CLUSTER_VALUE", "v"),
        ("SELFHEALER_MODE", "dryRun"),
        ("SELFHEALER_MODES", "a=enforce, b=shadow"),
        ("SELFHEALER_SETTLE", "4s"),
        ("SELFHEALER_TOKENS", tokens.as_str()),
        ("SELFHEALER_EXTERNAL_URL", "https://heal.example/"),
        ("SELFHEALER_SLACK_TOKEN_FILE", file.as_str()),
        ("SELFHEALER_SLACK_WEBHOOK_URL_FILE", file.as_str()),
        ("SELFHEALER_SLACK_CHANNEL", "#alerts"),
        (
            "SELFHEALER_SLACK_ROUTES",
            "#oncall:severity=critical, #pay:team=~\"pay.*\"",
        ),
        ("SELFHEALER_SLACK_API_URL", "http://127.0.0.1:1/api"),
        ("SELFHEALER_TEAMS_WEBHOOK_URL_FILE", file.as_str()),
        ("SELFHEALER_WEBHOOK_URL", "https://receiver.example/x"),
        ("SELFHEALER_WEBHOOK_URL_FILE", file.as_str()),
        ("SELFHEALER_WEBHOOK_SECRET_FILE", file.as_str()),
        ("SELFHEALER_PROTECT_NAMESPACES", "kube-system,x"),
        ("SELFHEALER_LIMITS_BODY", "1MiB"),
        ("SELFHEALER_LIMITS_BODIES_IN_FLIGHT", "2MiB"),
        ("SELFHEALER_LIMITS_BODY_TIMEOUT", "5s"),
        ("SELFHEALER_ENGINE_WORKERS", "3"),
        ("SELFHEALER_ENGINE_LEASE", "9s"),
    ];
    let names: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    assert_eq!(environment.map(|(name, _)| name).as_slice(), names);

    // These contradict others.
    let (others, together): (Vec<_>, Vec<_>) = environment
        .into_iter()
        .partition(|(name, _)| ["SELFHEALER_SLACK_WEBHOOK_URL_FILE", "SELFHEALER_WEBHOOK_URL_FILE"].contains(name));
    let alone = load("", &others).1.unwrap().config;
    assert!(matches!(alone.slack.unwrap().credentials, SlackCredentials::Webhook(_)));
    assert!(matches!(alone.webhook.unwrap().url, WebhookUrl::File(_)));

    let (_kept, loaded) = load(CONFIG, &together);
    let config = loaded.unwrap().config;
    assert_eq!(config.external_url.as_deref(), Some("https://heal.example"));
    let slack = config.slack.unwrap();
    assert!(matches!(slack.credentials, SlackCredentials::Token(_)));
    assert_eq!(
        (slack.channel.as_str(), slack.api_url.as_str()),
        ("#alerts", "http://127.0.0.1:1/api/")
    );
    let routes: Vec<_> = slack.routes.iter().map(|route| route.channel.as_str()).collect();
    assert_eq!(routes, ["#oncall", "#pay"]);
    assert!(config.teams.is_some());
    assert!(matches!(config.webhook.unwrap().url, WebhookUrl::Plain(_)));
    assert_eq!(
        config.listen,
        ["127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap()]
    );
    assert_eq!(config.admin_listen, ["127.0.0.1:2".parse().unwrap()]);
    assert_eq!(config.store.path, Path::new("/tmp/x.db"));
    assert_eq!(
        (config.store.retention, config.store.inbox),
        (Duration::from_secs(7 * 86_400), 7)
    );
    assert_eq!(config.kubernetes.kubeconfig, Some(PathBuf::from("k")));
    assert_eq!(config.kubernetes.context.as_deref(), Some("c"));
    assert_eq!(config.kubernetes.request_timeout, Duration::from_secs(3));
    assert_eq!(config.runbooks, [Path::new("/a"), Path::new("/b")]);
    assert_eq!(
        config.cluster,
        Some(Cluster {
            label: "l".to_owned(),
            value: "v".to_owned()
        })
    );
    assert_eq!(config.mode, Mode::DryRun);
    assert_eq!(
        config.modes,
        BTreeMap::from([("a".to_owned(), Mode::Enforce), ("b".to_owned(), Mode::Shadow)])
    );
    assert_eq!(config.settle, Duration::from_secs(4));
    assert_eq!(config.tokens.len(), 1);
    assert_eq!(
        config.tokens[0].permissions,
        BTreeSet::from([Permission::View, Permission::Operate])
    );
    assert_eq!(
        config.protect.namespaces,
        BTreeSet::from(["kube-system".to_owned(), "x".to_owned()])
    );
    assert_eq!(
        (config.limits.body, config.limits.bodies_in_flight),
        (Bytes(1 << 20), Bytes(2 << 20))
    );
    assert_eq!(config.limits.body_timeout, Duration::from_secs(5));
    assert_eq!(
        (config.engine.workers, config.engine.lease),
        (3, Duration::from_secs(9))
    );
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    for (name, value, expected) in [
        (
            "SELFHEALER_STORE_ULR",
            "x",
            "SELFHEALER_STORE_ULR: there is no setting of this name (did you mean SELFHEALER_STORE_URL?)",
        ),
        (
            "SELFHEALER_PROMETHEUS",
            "x",
            "SELFHEALER_PROMETHEUS: there is no setting of this name (unset it; docs/configuration.md lists the variables)",
        ),
        (
            "SELFHEALER_MODE",
            "",
            "SELFHEALER_MODE: `mode` is empty (write a value, or leave the line out)",
        ),
        (
            "SELFHEALER_MODE",
            "act",
            "SELFHEALER_MODE: `act` is not a value of `mode` (expected `shadow`, `dryRun` or `enforce`)",
        ),
        (
            "SELFHEALER_MODES",
            "enforce",
            "SELFHEALER_MODES: `enforce` is empty (write a value, or leave the line out)",
        ),
        (
            "SELFHEALER_SETTLE",
            "10",
            "SELFHEALER_SETTLE: `settle` is not a duration: `10` has no unit: write for example `10s` or `10m`",
        ),
        (
            "SELFHEALER_ENGINE_WORKERS",
            "0",
            "SELFHEALER_ENGINE_WORKERS: `workers` is 0: it must be between 1 and 256",
        ),
        (
            "SELFHEALER_ENGINE_WORKERS",
            "two",
            "SELFHEALER_ENGINE_WORKERS: `workers` must be a whole number, not a text (write for example `1`)",
        ),
        (
            "SELFHEALER_STORE_URL",
            "postgres://me:hunter2@db",
            "SELFHEALER_STORE_URL: `url` has a user or a password in it (a secret never stands in the configuration; remove everything up to the `@`)",
        ),
        (
            "SELFHEALER_TOKENS",
            "a:/nosuch:ingest",
            "SELFHEALER_TOKENS: the file of token `a` cannot be used: No such file or directory (os error 2) (write the path of a file that holds the secret, and nothing else)",
        ),
        (
            "SELFHEALER_LISTEN",
            "0.0.0.0:1",
            "SELFHEALER_LISTEN: everybody who reaches 0.0.0.0:1 could post alerts: there are no `tokens` (write `tokens`, or listen on 127.0.0.1)",
        ),
    ] {
        assert_eq!(told("", &[(name, value)]), [expected]);
    }
}

#[test]
fn variables_that_are_not_ours_are_left_alone() {
    let others = [
        ("PATH", "/bin"),
        ("SELFHEALER_CONFIG", "/etc/x"),
        // What Kubernetes sets for a Service `selfhealer` and another `selfhealer-admin`.
        ("SELFHEALER_SERVICE_HOST", "10.0.0.1"),
        ("SELFHEALER_SERVICE_PORT", "80"),
        ("SELFHEALER_SERVICE_PORT_HTTP", "80"),
        ("SELFHEALER_PORT", "tcp://10.0.0.1:80"),
        ("SELFHEALER_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("SELFHEALER_PORT_80_TCP_PROTO", "tcp"),
        ("SELFHEALER_ADMIN_SERVICE_HOST", "10.0.0.2"),
        ("SELFHEALER_ADMIN_PORT_9090_TCP_ADDR", "10.0.0.2"),
    ];
    assert_eq!(told(CONFIG, &others), [""; 0]);
    // None of our own settings looks like one of those.
    for setting in SETTINGS {
        let name = setting.variable();
        assert!(!name.ends_with("_PORT") && !name.contains("_SERVICE_"), "{name}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    for (from, to) in [
        ("sqlite:///var/lib/selfhealer/x.db", "postgres://me:hunter2@db/x"),
        ("file: tokens/oncall", "file: hunter2"),
        ("file: tokens/oncall", "token: hunter2"),
        ("settle: 10s", "password: hunter2"),
        ("settle: 10s", "password: [hunter2"),
        ("settle: 10s", "slackToken: \"hunter2\""),
    ] {
        let (_kept, loaded) = load(&CONFIG.replacen(from, to, 1), &[]);
        for problem in loaded.unwrap_err() {
            for shown in [problem.to_string(), problem.render(true), format!("{problem:?}")] {
                assert!(!shown.contains("hunter2"), "{to}: {shown}");
            }
        }
    }
}

#[test]
fn a_finding_shows_its_line() {
    let (_, loaded) = load(&CONFIG.replacen("lease: 30s", "lease: 10s", 1), &[]);
    let mut problem = loaded.unwrap_err().remove(0);
    problem.file = "selfhealer.yaml".to_owned();
    insta::assert_snapshot!(problem.render(false), @r"
    error: `engine.lease` is 10s, but `kubernetes.requestTimeout` is 10s: a run could be taken over while its request is under way
      --> selfhealer.yaml:27:10
       |
    27 |   lease: 10s
       |          ^^^
       = help: make the lease longer than the timeout, best three times as long
    ");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let problems = Config::load(Some(Path::new("/nosuch/selfhealer.yaml")), []).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "/nosuch/selfhealer.yaml: cannot be read: No such file or directory (os error 2) (name the configuration file with --config or SELFHEALER_CONFIG)"
    );
}

// === the documentation ===

const PAGE: &str = include_str!("../../docs/configuration.md");

/// The cells of a row, without the marks of code around a whole cell.
fn cells(line: &str) -> Vec<&str> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(str::trim).map(uncoded).collect()
}

fn uncoded(cell: &str) -> &str {
    let inner = cell.strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
    inner.filter(|cell| !cell.contains('`')).unwrap_or(cell)
}

/// The cells of the rows of all tables that begin with a setting's name.
fn rows() -> Vec<Vec<&'static str>> {
    PAGE.lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 7)
        .map(|line| cells(line))
        .collect()
}

#[test]
fn the_documentation_has_every_setting_with_its_default_and_its_variable() {
    let documented: Vec<(&str, &str, &str)> = rows().iter().map(|row| (row[0], row[2], row[4])).collect();
    let variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let expected: Vec<(&str, &str, &str)> = SETTINGS
        .iter()
        .zip(&variables)
        .map(|(setting, variable)| {
            let default = if setting.default.is_empty() {
                "none"
            } else {
                setting.default
            };
            (setting.key, default, variable.as_str())
        })
        .collect();
    assert_eq!(documented, expected);
    for variable in OTHER_VARIABLES {
        assert!(PAGE.contains(&format!("`{variable}`")), "{variable}");
    }
}

#[test]
fn the_documented_bounds_are_the_ones_that_are_enforced() {
    let bounded: Vec<Vec<&str>> = rows().into_iter().filter(|row| !row[3].is_empty()).collect();
    assert_eq!(bounded.len(), 9);
    for row in bounded {
        // Out of every bound, so that the message names it.
        let wrong = match row[1] {
            "duration" => "90y",
            "size" => "9999GiB",
            _ => "9999999999",
        };
        let told = told("", &[(row[4], wrong)]).join("\n");
        let bounds = format!("it must be between {}", row[3].replace(" to ", " and "));
        assert!(told.contains(&bounds), "{}: {told}", row[0]);
    }
}

#[test]
fn the_documented_examples_are_right() {
    let examples: Vec<&str> = PAGE
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next())
        .collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("selfhealer.yaml");
        fs::write(&file, example).unwrap();
        let problems = Config::check(&file, []).map_or_else(|problems| problems, |checked| checked.warnings);
        // The secrets are not on this machine.
        let others: Vec<_> = problems
            .iter()
            .filter(|problem| !problem.message.starts_with("the file of "))
            .collect();
        assert!(others.is_empty(), "{others:?}");
    }
    assert!(PAGE.contains(&format!("fewer than\n{} characters", read::SHORT_SECRET)));
}
