//! Slips in a configuration, and what their author is told: line, column, what is wrong, what to write.

/// What is replaced in [`super::CONFIG`], by what, and every finding of the file.
pub(super) const SLIPS: &[(&str, &str, &[&str])] = &[
    (
        "listen: 127.0.0.1:8080",
        "lisen: 127.0.0.1:8080",
        &["1:1: `lisen` is not a field of the configuration (did you mean `listen`?)"],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: 8080",
        &["1:9: `listen` must be an address and a port (write the address too, for example `0.0.0.0:8080`)"],
    ),
    (
        "listen: 127.0.0.1:8080",
        r#"listen: "8080""#,
        &["1:9: `listen` must be an address and a port (write the address too, for example `0.0.0.0:8080`)"],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: http://127.0.0.1:8080",
        &[
            "1:9: `listen` must be an address and a port (write an address without a scheme, for example `0.0.0.0:8080`)",
        ],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: example.org:8080",
        &[
            "1:9: `listen` must be an address and a port (write an IP address and a port: `0.0.0.0:8080`, `[::]:8080` or `localhost:8080`)",
        ],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: 127.0.0.1",
        &[
            "1:9: `listen` must be an address and a port (write an IP address and a port: `0.0.0.0:8080`, `[::]:8080` or `localhost:8080`)",
        ],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: []",
        &["1:9: `listen` is empty (write a value, or leave the line out)"],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: 127.0.0.1:9090",
        &["2:14: `adminListen` 127.0.0.1:9090 and 127.0.0.1:9090 are the same address (give each its own port)"],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: 0.0.0.0:9090",
        &["2:14: `adminListen` 127.0.0.1:9090 and 0.0.0.0:9090 are the same address (give each its own port)"],
    ),
    (
        "listen: 127.0.0.1:8080",
        "listen: [127.0.0.1:8080, 127.0.0.1:8080]",
        &["1:1: `listen` has 127.0.0.1:8080 twice (remove one)"],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: sqlite://x.db",
        &[
            "4:8: `url` is relative, and would depend on where the program is started (write an absolute path, with three slashes: `sqlite:///var/lib/selfhealer/selfhealer.db`)",
        ],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: sqlite:x.db",
        &[
            "4:8: `url` is relative, and would depend on where the program is started (write an absolute path, with three slashes: `sqlite:///var/lib/selfhealer/selfhealer.db`)",
        ],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        r#"url: "sqlite::memory:""#,
        &[
            "4:8: `url` names no file, and a service that forgets would act twice (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)",
        ],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: sqlite:///var/x.db?mode=rwc",
        &["4:8: `url` takes no parameters (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)"],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: sqlite:///var/my%20db",
        &[
            "4:8: `url` is a path as it is, without `%` escapes (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)",
        ],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: sqlite:///var/",
        &["4:8: `url` names a directory (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)"],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: /var/lib/x.db",
        &["4:8: `url` has no scheme (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)"],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: mysql://db/x",
        &["4:8: `url` must begin with `sqlite:` (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)"],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: postgres://db/selfhealer",
        &[
            "4:8: PostgreSQL is not available in this version (write for example `sqlite:///var/lib/selfhealer/selfhealer.db`)",
        ],
    ),
    (
        "url: sqlite:///var/lib/selfhealer/x.db",
        "url: postgres://me:hunter2@db/selfhealer",
        &[
            "4:8: `url` has a user or a password in it (a secret never stands in the configuration; remove everything up to the `@`)",
        ],
    ),
    (
        "  url: sqlite:///var/lib/selfhealer/x.db",
        "  passwordFile: /x",
        &["4:3: `passwordFile` is not a field of `store` (expected `url`, `retention` or `inbox`)"],
    ),
    (
        "retention: 90d",
        "retention: 1h",
        &["5:14: `retention` is 1h: it must be between 1d and 10y"],
    ),
    (
        "retention: 90d",
        "retention: forever",
        &[
            "5:14: `retention` is not a duration: `forever` is not a duration: write numbers with units, for example `1h30m`",
        ],
    ),
    (
        "inbox: 1000000",
        "inbox: 0",
        &["6:10: `inbox` is 0: it must be between 1 and 100000000"],
    ),
    (
        "inbox: 1000000",
        "inbox: 1M",
        &["6:10: `inbox` must be a whole number, not a text (write for example `1`)"],
    ),
    (
        "store:\n",
        "stores:\n",
        &["3:1: `stores` is not a field of the configuration (did you mean `store`?)"],
    ),
    (
        "requestTimeout: 10s",
        "requestTimeout: 30s",
        &[
            "27:10: `engine.lease` is 30s, but `kubernetes.requestTimeout` is 30s: a run could be taken over while its request is under way (make the lease longer than the timeout, best three times as long)",
        ],
    ),
    (
        "requestTimeout: 10s",
        "requestTimeout: 1h",
        &["10:19: `requestTimeout` is 1h: it must be between 1s and 5m"],
    ),
    (
        "requestTimeout: 10s",
        "timeout: 10s",
        &["10:3: `timeout` is not a field of `kubernetes` (expected `kubeconfig`, `context` or `requestTimeout`)"],
    ),
    (
        "context: prod",
        "context: 5",
        &["9:12: `context` must be a text, not a number (put the value in quotes)"],
    ),
    (
        "runbooks: [runbooks]",
        "runbooks: {a: b}",
        &["11:11: `runbooks` must be a list, not a mapping (begin every item on a line of its own with `- `)"],
    ),
    (
        "runbooks: [runbooks]",
        "runbooks: []",
        &["11:11: `runbooks` is empty (write a value, or leave the line out)"],
    ),
    (
        "runbooks: [runbooks]",
        "runbooks:",
        &["11:9: `runbooks` has no value (write one, or leave the line out)"],
    ),
    (
        "cluster: {label: cluster, value: prod-eu}",
        "cluster: prod-eu",
        &["12:10: `cluster` must be a mapping, not a text (write fields below it, such as `label: …`)"],
    ),
    (
        "cluster: {label: cluster, value: prod-eu}",
        "cluster: {label: cluster}",
        &["12:1: `cluster` has no `value` (write for example `value: prod-eu`)"],
    ),
    (
        "cluster: {label: cluster, value: prod-eu}",
        "cluster: {name: prod-eu}",
        &[
            "12:1: `cluster` has no `value` (write for example `value: prod-eu`)",
            "12:11: `name` is not a field of `cluster` (expected `label` or `value`)",
        ],
    ),
    (
        "mode: enforce",
        "mode: on",
        &["13:7: `on` is not a value of `mode` (did you mean `enforce`?)"],
    ),
    (
        "mode: enforce",
        "mode: approve",
        &[
            "13:7: `approve` is not available in this version (write `shadow` until then, which tells what would be done and does nothing)",
        ],
    ),
    (
        "mode: enforce",
        "mode: enforec",
        &["13:7: `enforec` is not a value of `mode` (did you mean `enforce`?)"],
    ),
    (
        "modes: {crash-looping-pod: enforce}",
        "modes: {crash-looping-pod: act}",
        &["14:28: `act` is not a value of `crash-looping-pod` (expected `shadow`, `dryRun` or `enforce`)"],
    ),
    (
        "modes: {crash-looping-pod: enforce}",
        "modes: {Crash_Looping: enforce}",
        &[
            "14:9: `Crash_Looping` is not the name of a runbook: only lower case letters, digits, `-` and `.` may stand in it (write a runbook's `metadata.name`)",
        ],
    ),
    (
        "modes: {crash-looping-pod: enforce}",
        "modes: [enforce]",
        &["14:8: `modes` must be a mapping, not a list (write for example `modes: {crash-looping-pod: enforce}`)"],
    ),
    (
        "modes: {crash-looping-pod: enforce}",
        "modes: {a: enforce, a: shadow}",
        &["14:21: `a` is written twice (remove one)"],
    ),
    (
        "settle: 10s",
        "settle: 10",
        &["15:9: `settle` is not a duration: `10` has no unit: write for example `10s` or `10m`"],
    ),
    (
        "settle: 10s",
        "settle: 2h",
        &["15:9: `settle` is 2h: it must be between 0s and 1h"],
    ),
    (
        "name: alertmanager",
        "name: Alert Manager",
        &[
            "17:12: `Alert Manager` is not a name: only lower case letters, digits, `-` and `.` may stand in it (write for example `alertmanager`)",
        ],
    ),
    (
        "name: oncall",
        "name: alertmanager",
        &["18:12: there are two tokens `alertmanager` (the audit could not tell them apart: rename one)"],
    ),
    (
        "file: tokens/oncall",
        "file: tokens/nosuch",
        &[
            "18:26: the file of token `oncall` cannot be used: No such file or directory (os error 2) (write the path of a file that holds the secret, and nothing else)",
        ],
    ),
    (
        "file: tokens/oncall",
        "file: tokens/empty",
        &[
            "18:26: the file of token `oncall` cannot be used: the file is empty (write the path of a file that holds the secret, and nothing else)",
        ],
    ),
    (
        "file: tokens/oncall",
        "file: tokens/alertmanager",
        &["18:26: another token has the same secret (the audit could not tell them apart: make a new one)"],
    ),
    (
        "file: tokens/oncall",
        "file: tokens/short",
        &[
            "warning 18:26: the secret of token `oncall` is shorter than 16 characters (make one with `openssl rand -hex 32`)",
        ],
    ),
    (
        "file: tokens/oncall",
        "file: tokens/public",
        &[
            "warning 18:26: everybody on this machine can read the secret of token `oncall` (chmod 0400; for a mounted Secret, `defaultMode: 0400` or `0440` with an fsGroup)",
        ],
    ),
    (
        "file: tokens/oncall",
        "file: hunter2hunter2hunter2",
        &[
            "18:26: the file of token `oncall` cannot be used: No such file or directory (os error 2) (write the path of a file that holds the secret, and nothing else)",
        ],
    ),
    (
        "file: tokens/oncall",
        "token: hunter2hunter2hunter2",
        &[
            "18:5: a token has no `file` (write for example `file: /etc/selfhealer/tokens/alertmanager`)",
            "18:20: `token` is not a field of a token (expected `name`, `file` or `permissions`)",
        ],
    ),
    (
        "permissions: [view, operate]",
        "permissions: [view, admin]",
        &["18:61: `admin` is not a value of `permissions` (expected `ingest`, `view` or `operate`)"],
    ),
    (
        "permissions: [view, operate]",
        "permissions: view",
        &["18:54: `permissions` must be a list, not a text (begin every item on a line of its own with `- `)"],
    ),
    (
        "permissions: [view, operate]",
        "permissions: []",
        &["18:54: `permissions` is empty (write some of `ingest`, `view` and `operate`)"],
    ),
    (
        ", permissions: [view, operate]",
        "",
        &["18:5: a token has no `permissions` (write for example `permissions: [ingest]`)"],
    ),
    (
        "namespaces: [kube-system, monitoring]",
        "namespaces: [kube-*]",
        &[
            "20:16: `kube-*` is not a namespace: only lower case letters, digits, `-` and `.` may stand in it (write every name in full; patterns do not exist here)",
        ],
    ),
    (
        "namespaces: [kube-system, monitoring]",
        "namespaces: [monitoring]",
        &[
            "warning 20:3: `kube-system` is not protected: this list replaces the default (add it, unless runbooks are meant to work there)",
        ],
    ),
    (
        "namespaces: [kube-system, monitoring]",
        "namespace: [monitoring]",
        &["20:3: `namespace` is not a field of `protect` (did you mean `namespaces`?)"],
    ),
    (
        "body: 32MiB",
        "body: 32MB",
        &["22:9: `body`: `32MB` has the unit MB: write MiB"],
    ),
    (
        "body: 32MiB",
        "body: 32",
        &["22:9: `body`: `32` is not a size: write a whole number and B, KiB, MiB or GiB, for example `32MiB`"],
    ),
    (
        "body: 32MiB",
        "body: 1KiB",
        &["22:9: `body` is 1KiB: it must be between 64KiB and 1GiB"],
    ),
    (
        "body: 32MiB",
        "body: 64MiB",
        &[
            "23:19: `bodiesInFlight` is 40MiB, but one `body` may be 64MiB: it would never fit (make `bodiesInFlight` at least as large as `body`)",
        ],
    ),
    (
        "bodyTimeout: 10s",
        "bodyTimeout: 0s",
        &["24:16: `bodyTimeout` is 0s: it must be between 1s and 5m"],
    ),
    (
        "workers: 16",
        "workers: 0",
        &["26:12: `workers` is 0: it must be between 1 and 256"],
    ),
    (
        "workers: 16",
        "workers: many",
        &["26:12: `workers` must be a whole number, not a text (write for example `1`)"],
    ),
    (
        "lease: 30s",
        "lease: 10s",
        &[
            "27:10: `engine.lease` is 10s, but `kubernetes.requestTimeout` is 10s: a run could be taken over while its request is under way (make the lease longer than the timeout, best three times as long)",
        ],
    ),
    (
        "lease: 30s",
        "lease: 1d",
        &["27:10: `lease` is 1d: it must be between 2s and 10m"],
    ),
    (
        "settle: 10s",
        "alertmanagers: [http://a:9093]",
        &["15:1: `alertmanagers` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "settle: 10s",
        "prometheus: http://p:9090",
        &["15:1: `prometheus` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "settle: 10s",
        "settle: 10s\nsettle: 20s",
        &["16:1: `settle` is written twice (it is there already, in line 15: remove one)"],
    ),
    (
        "settle: 10s",
        "---\nsettle: 10s",
        &["16:1: the configuration is one document, and a second one begins here (remove the `---` between them)"],
    ),
    (
        "settle: 10s",
        "settle: [10s",
        &["16:7: this is not YAML: illegal placement of ':' indicator"],
    ),
];
