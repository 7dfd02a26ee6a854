//! Slips in a runbook, and what their author is told: line, column, what is wrong, what to write.

/// What is replaced in [`super::RUNBOOK`], by what, and every finding of the file.
pub(super) const SLIPS: &[(&str, &str, &[&str])] = &[
    (
        "cooldown: 30m",
        "coldown: 30m",
        &["20:5: `coldown` is not a field of `guards` (did you mean `cooldown`?)"],
    ),
    (
        "kind: Runbook",
        "kind: runbook",
        &["2:7: `kind` must be `Runbook`, not `runbook` (other objects do not belong here)"],
    ),
    (
        "kind: Runbook",
        "kind: ConfigMap",
        &["2:7: `kind` must be `Runbook`, not `ConfigMap` (other objects do not belong here)"],
    ),
    (
        "apiVersion: selfhealer.dev/v1alpha1",
        "apiVersion: selfhealer.dev/v1",
        &["1:13: `selfhealer.dev/v1` is not the version of a runbook (write `selfhealer.dev/v1alpha1`)"],
    ),
    (
        "apiVersion: selfhealer.dev/v1alpha1\n",
        "",
        &["1:1: a runbook has no `apiVersion` (write for example `apiVersion: selfhealer.dev/v1alpha1`)"],
    ),
    (
        "kind: Runbook\n",
        "",
        &["1:1: a runbook has no `kind` (write for example `kind: Runbook`)"],
    ),
    (
        "kind: Runbook\n",
        "kind: Runbook\nstatus: {}\n",
        &["3:1: `status` is not a field of a runbook (expected `apiVersion`, `kind`, `metadata` or `spec`)"],
    ),
    (
        "metadata:\n  name: evict\n",
        "",
        &["1:1: a runbook has no `metadata` (write for example `metadata: {name: my-runbook}`)"],
    ),
    (
        "  name: evict\n",
        "  nmae: evict\n",
        &["4:3: `nmae` is not a field of `metadata` (did you mean `name`?)"],
    ),
    (
        "metadata:\n  name: evict\n",
        "metadata:\n",
        &["3:1: `metadata` must be a mapping, not nothing (write fields below it, such as `name: …`)"],
    ),
    (
        "name: evict",
        "name: Evict_Pod",
        &[
            "4:9: `Evict_Pod` is not a name: only lower case letters, digits, `-` and `.` may stand in it (write for example `crash-looping-pod`)",
        ],
    ),
    (
        "name: evict",
        "name: evict-",
        &[
            "4:9: `evict-` is not a name: it and every part between dots begins and ends with a letter or digit (write for example `crash-looping-pod`)",
        ],
    ),
    (
        "name: evict",
        "name: 5",
        &["4:9: `name` must be a text, not a number (put the value in quotes)"],
    ),
    (
        "name: evict",
        "name:",
        &["4:7: `name` has no value (write one, or leave the line out)"],
    ),
    (
        "name: evict",
        r#"name: """#,
        &["4:9: `name` is empty (write a value, or leave the line out)"],
    ),
    (
        "name: evict",
        "name: evict\n  labels: {a: b}",
        &["5:3: `labels` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "description: Evict a pod.",
        "description: [a, b]",
        &["6:16: `description` must be a text, not a list (write one value)"],
    ),
    (
        "description: Evict a pod.",
        "description: Evict: a pod.",
        &[
            "6:21: this is not YAML: mapping values are not allowed in this context (put a value with a colon in quotes)",
        ],
    ),
    (
        "priority: 5",
        "priority: high",
        &["7:13: `priority` must be a whole number, not a text (write for example `1`)"],
    ),
    (
        "priority: 5",
        "priority: 1.5",
        &["7:13: `priority` must be a whole number, not a fraction (write for example `1`)"],
    ),
    (
        "priority: 5",
        "priority: 100000",
        &["7:13: `priority` is 100000: it must be between -1000 and 1000"],
    ),
    (
        "  match:\n    - alertname = KubePodCrashLooping\n",
        "",
        &["5:1: `spec` has no `match` (write for example `match: [alertname = KubePodCrashLooping]`)"],
    ),
    (
        "  match:\n    - alertname = KubePodCrashLooping\n",
        "  match: []\n",
        &["8:3: `match` is empty (write for example `- alertname = KubePodCrashLooping`)"],
    ),
    (
        "  match:\n    - alertname = KubePodCrashLooping\n",
        "  match:\n",
        &["8:8: `match` has no value (write one, or leave the line out)"],
    ),
    (
        "  match:\n    - alertname = KubePodCrashLooping\n",
        "  match: alertname = X\n",
        &["8:10: `match` must be a list, not a text (begin every item on a line of its own with `- `)"],
    ),
    (
        "- alertname = KubePodCrashLooping",
        "- alertname: KubePodCrashLooping",
        &["9:7: a matcher is one text, not a mapping (write `alertname = KubePodCrashLooping`)"],
    ),
    (
        "  match:\n    - alertname = KubePodCrashLooping\n",
        "  match:\n    alertname: X\n",
        &["9:5: `match` must be a list, not a mapping (begin every item on a line of its own with `- `)"],
    ),
    (
        "- alertname = KubePodCrashLooping",
        "- alertname == KubePodCrashLooping",
        &["9:7: `==` is not an operator: write = for equality"],
    ),
    (
        "- alertname = KubePodCrashLooping",
        r#"- alertname =~ "Kube(Pod""#,
        &["9:7: `Kube(Pod` is not a regular expression: unclosed group"],
    ),
    (
        "- alertname = KubePodCrashLooping",
        r#"- namespace !~ "kube-.*""#,
        &[
            "8:3: this matches alerts without any labels, and so nearly every alert (add a matcher that needs a label, for example `alertname = KubePodCrashLooping`)",
        ],
    ),
    (
        "- alertname = KubePodCrashLooping",
        r#"- alertname =~ ".*""#,
        &[
            "8:3: this matches alerts without any labels, and so nearly every alert (add a matcher that needs a label, for example `alertname = KubePodCrashLooping`)",
        ],
    ),
    (
        "- alertname = KubePodCrashLooping",
        "- alertname = A\n    - alertname = B",
        &[
            r#"10:7: no alert can match this and `alertname="A"` (all matchers must match: for alternatives write `label =~ "a|b"`)"#,
        ],
    ),
    (
        "- alertname = KubePodCrashLooping",
        "- alertname = A\n    - alertname = \"A\"",
        &[r#"warning 10:7: `alertname="A"` is written twice (remove one)"#],
    ),
    (
        "priority: 5",
        "continue: yes",
        &["7:13: `continue` must be true or false (write `true`)"],
    ),
    (
        "  target:\n    apiVersion: v1\n    kind: Pod\n    namespace: \"{{labels.namespace}}\"\n    name: \"{{labels.pod}}\"\n",
        "",
        &["5:1: `spec` has no `target` (write for example `target: {apiVersion: v1, kind: Pod, …}`)"],
    ),
    (
        r#"namespace: "{{labels.namespace}}""#,
        "namespace: {{labels.namespace}}",
        &[
            r#"13:16: `namespace` is a template without quotes, which is a mapping to YAML (put it in quotes: "{{labels.namespace}}")"#,
        ],
    ),
    (
        r#"name: "{{labels.pod}}""#,
        r#"name: "{{label.pod}}""#,
        &["14:14: `label` is not known: did you mean `labels`?"],
    ),
    (
        r#"name: "{{labels.pod}}""#,
        r#"name: "x-{{pod}}""#,
        &["14:16: `pod` is not known: write {{labels.pod}} for the label of that name"],
    ),
    (
        r#"name: "{{labels.pod}}""#,
        r#"name: "{{labels.pod""#,
        &["14:24: a `{{` is not closed: write `}}` after the value"],
    ),
    (
        r#"name: "{{labels.pod}}""#,
        "name: '{{labels.app.kubernetes.io/name}}'",
        &["14:14: a name with dots or slashes stands in brackets: {{labels.[app.kubernetes.io/name]}}"],
    ),
    (
        "    name: \"{{labels.pod}}\"\n",
        "",
        &[r#"10:3: `target` has no `name` (write for example `name: "{{labels.deployment}}"`)"#],
    ),
    (
        "    namespace: \"{{labels.namespace}}\"\n",
        "",
        &[
            r#"10:3: a Pod stands in a namespace, and `target` has no `namespace` (write `namespace: "{{labels.namespace}}"`)"#,
        ],
    ),
    (
        "    apiVersion: v1\n    kind: Pod",
        "    apiVersion: apps/v1\n    kind: Pod",
        &["11:17: a Pod is not in `apps/v1` (write `apiVersion: v1`)"],
    ),
    (
        "    apiVersion: v1\n",
        "    apiVersion: apps.v1\n",
        &["11:17: `apps.v1` is not a group and version (write for example `v1` or `apps/v1`)"],
    ),
    (
        "kind: Pod",
        "kind: pods",
        &["12:11: `pods` is not a kind (did you mean `Pod`?)"],
    ),
    (
        "kind: Pod",
        "kind: my-thing",
        &["12:11: `my-thing` is not a kind (write it as in a manifest: `Deployment`, not `deployments`)"],
    ),
    (
        "    apiVersion: v1\n    kind: Pod",
        "    apiVersion: apps/v1\n    kind: Deployment",
        &[
            "27:7: `evict` works on a Pod, and the target is a Deployment (in this version the target of `evict` is a Pod (apiVersion: v1))",
        ],
    ),
    (
        "kind: Pod",
        "kind: Node",
        &[
            "13:5: a Node stands in no namespace (remove the line)",
            "27:7: `evict` works on a Pod, and the target is a Node (in this version the target of `evict` is a Pod (apiVersion: v1))",
        ],
    ),
    (
        "    kind: Pod\n",
        "    kind: Pod\n    climb: Deployment\n",
        &["13:5: `climb` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "target.spec.?paused.orValue(false) == false",
        "targt.spec.?paused.orValue(false) == false",
        &["16:13: `targt` is not known: did you mean `target`?"],
    ),
    (
        "target.spec.?paused.orValue(false) == false",
        "target.spec.paused = false",
        &["16:32: `=` is not an operator: write == to compare"],
    ),
    (
        "expr: target.spec.?paused.orValue(false) == false",
        r#"expr: "target.spec.paused == flase""#,
        &["16:36: `flase` is not known: expected `target`, `root`, `labels`, `annotations` or `now`"],
    ),
    (
        "expr: target.spec.?paused.orValue(false) == false",
        "expr: |\n        target.spec.x == 1 &&\n          rot.y == 2",
        &["18:11: `rot` is not known: did you mean `root`?"],
    ),
    (
        "expr: target.spec.?paused.orValue(false) == false",
        "expr: >-\n        target.spec.x == 1 &&\n        rot.y == 2",
        &["17:9: `rot` is not known: did you mean `root`?"],
    ),
    (
        "      reason: paused\n",
        "",
        &["16:7: a condition has no `reason` (write for example `reason: rollout_paused`)"],
    ),
    (
        "reason: paused",
        "reason: Rollout is paused",
        &[
            "17:15: `Rollout is paused` is not a reason (write lower case words with `_` between them: `rollout_is_paused`)",
        ],
    ),
    (
        "reason: paused",
        "reason: rolloutPaused",
        &["17:15: `rolloutPaused` is not a reason (write lower case words with `_` between them: `rollout_paused`)"],
    ),
    (
        "    - expr: target.spec.?paused.orValue(false) == false\n      reason: paused\n",
        "    - target.spec.paused\n",
        &["16:7: a condition must be a mapping, not a text (write fields below it, such as `expr: …`)"],
    ),
    (
        "target.spec.?paused.orValue(false) == false",
        "true",
        &["16:13: `expr` must be a text, not true or false (put the value in quotes)"],
    ),
    (
        "mode: shadow",
        "mode: approve",
        &[
            "18:9: `approve` is not available in this version (write `shadow` until then, which tells what would be done and does nothing)",
        ],
    ),
    (
        "mode: shadow",
        "mode: dry-run",
        &["18:9: `dry-run` is not a value of `mode` (did you mean `dryRun`?)"],
    ),
    (
        "mode: shadow",
        "mode: enforced",
        &["18:9: `enforced` is not a value of `mode` (did you mean `enforce`?)"],
    ),
    (
        "mode: shadow",
        "mode: off",
        &["18:9: `off` is not a value of `mode` (did you mean `shadow`?)"],
    ),
    (
        "mode: shadow",
        "mode: true",
        &["18:9: `mode` must be a text, not true or false (put the value in quotes)"],
    ),
    (
        "  guards:\n    cooldown: 30m\n    maxAttempts: 1\n    rate: 4/1d\n    quiet: 1h\n    settle: 10s\n",
        "  guards:\n",
        &["19:3: `guards` must be a mapping, not nothing (write fields below it, such as `settle: …`)"],
    ),
    (
        "quiet: 1h",
        "concurrency: {max: 1}",
        &["23:5: `concurrency` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "cooldown: 30m",
        "cooldown: 30",
        &["20:15: `cooldown` is not a duration: `30` has no unit: write for example `30s` or `30m`"],
    ),
    (
        "cooldown: 30m",
        "cooldown: 0",
        &[
            "warning 20:15: without a cooldown, a run may act again at once (write for example `30m`, unless `maxAttempts` and `rate` are enough)",
        ],
    ),
    (
        "cooldown: 30m",
        "cooldown: 1.5h",
        &[
            "20:15: `cooldown` is not a duration: `1.5h` has a fraction: write whole numbers, for example `1h30m` for one and a half hours",
        ],
    ),
    (
        "cooldown: 30m",
        "cooldown: -5m",
        &["20:15: `cooldown` is not a duration: `-5m` is negative: a duration is zero or more, for example `30m`"],
    ),
    (
        "cooldown: 30m",
        "cooldown: [30m]",
        &["20:15: `cooldown` must be a duration, not a list (write for example `30m`)"],
    ),
    (
        "cooldown: 30m",
        "cooldown: 1y",
        &["20:15: `cooldown` is 1y: it must be between 0s and 90d"],
    ),
    (
        "maxAttempts: 1",
        "maxAttempts: 0",
        &["21:18: `maxAttempts` is 0: it must be between 1 and 100"],
    ),
    (
        "maxAttempts: 1",
        r#"maxAttempts: "1""#,
        &["21:18: `maxAttempts` must be a whole number, not a text (write for example `1`)"],
    ),
    (
        "maxAttempts: 1",
        "maxAttempts: -1",
        &["21:18: `maxAttempts` is -1: it must be between 1 and 100"],
    ),
    (
        "rate: 4/1d",
        "rate: 4",
        &["22:11: `4` is not a rate: write a count, a slash and a duration, for example `4/1d`"],
    ),
    (
        "rate: 4/1d",
        "rate: 150/1h",
        &["22:11: `rate` allows 150 runs, but at most 100 are counted (take a shorter window with a smaller count)"],
    ),
    (
        "rate: 4/1d",
        "rate: 4 per day",
        &["22:11: `4 per day` is not a rate: write a count, a slash and a duration, for example `4/1d`"],
    ),
    (
        "rate: 4/1d",
        "rate: 0/1d",
        &["22:11: `0/1d` allows nothing: count and duration of a rate are at least 1, for example `4/1d`"],
    ),
    (
        "rate: 4/1d",
        "rate: 4/1s",
        &["22:11: the window of `rate` must be between 1m and 90d"],
    ),
    (
        "quiet: 1h",
        "quiet: 0s",
        &["23:12: `quiet` is 0s: it must be between 1m and 30d"],
    ),
    (
        "settle: 10s",
        "settle: 45m",
        &[
            "24:13: `settle` is 45m, but the run's `deadline` is 30m: it would end before it is judged (make `settle` shorter or `deadline` longer)",
        ],
    ),
    (
        "  steps:\n    - collect: {events: true}\n    - evict: {limit: 1}\n      timeout: 5m\n",
        "",
        &["5:1: `spec` has no `steps` (write for example `steps: [{evict: {}}]`)"],
    ),
    (
        "  steps:\n    - collect: {events: true}\n    - evict: {limit: 1}\n      timeout: 5m\n",
        "  steps: []\n",
        &["25:3: `steps` is empty (write for example `- evict: {}`)"],
    ),
    (
        "  steps:\n    - collect: {events: true}\n    - evict: {limit: 1}\n      timeout: 5m\n",
        "  steps:\n    evict: {}\n",
        &["26:5: `steps` must be a list, not a mapping (begin every item on a line of its own with `- `)"],
    ),
    (
        "- evict: {limit: 1}",
        "- evcit: {limit: 1}",
        &["27:7: `evcit` is not a field of a step (did you mean `evict`?)"],
    ),
    (
        "- evict: {limit: 1}",
        "- rollback: {to: lastAvailable}",
        &["27:7: `rollback` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "- evict: {limit: 1}\n      timeout: 5m",
        "- evict",
        &["27:7: a step is a mapping, not a text (write `evict:` with a colon)"],
    ),
    (
        "- evict: {limit: 1}",
        "- evict: {limit: 1}\n      collect: {yaml: true}",
        &[
            "28:7: a step does one thing, and this one does `evict` and `collect` (write `- collect:` as a step of its own)",
        ],
    ),
    (
        "- evict: {limit: 1}\n      timeout: 5m",
        "- timeout: 5m",
        &["27:7: this step does nothing (name what it does, for example `evict: {}`)"],
    ),
    (
        "{limit: 1}",
        "{limit: 0}",
        &["27:22: `limit` is 0: it must be between 1 and 100"],
    ),
    (
        "{limit: 1}",
        "{limit: all}",
        &["27:22: `limit` must be a whole number, not a text (write for example `1`)"],
    ),
    (
        "{limit: 1}",
        "{max: 1}",
        &["27:15: `max` is not a field of `evict` (expected `limit`)"],
    ),
    (
        "{limit: 1}",
        "[1]",
        &["27:14: `evict` must be a mapping, not a list (write fields below it, such as `limit: …`)"],
    ),
    (
        "- collect: {events: true}",
        "- evict:",
        &["27:7: `evict` is there already (write one with a higher `limit`)"],
    ),
    (
        "- collect: {events: true}",
        "- collect:",
        &["26:7: `collect` collects nothing (write `collect: {events: true, yaml: true}`)"],
    ),
    (
        "- collect: {events: true}",
        "- collect: {events: false}",
        &["26:7: `collect` collects nothing (write `collect: {events: true, yaml: true}`)"],
    ),
    (
        "- collect: {events: true}",
        "- collect: {events: yes}",
        &["26:25: `events` must be true or false (write `true`)"],
    ),
    (
        "- collect: {events: true}",
        "- collect: {events: true, logs: {}}",
        &[
            "26:31: `logs` are free text, in which anything may stand, and `text` is not true (write `text: true` beside it if they may be kept)",
        ],
    ),
    (
        "- collect: {events: true}",
        "- collect: {logs: {tailLines: 0}, text: true}",
        &["26:35: `tailLines` is 0: it must be between 1 and 1000"],
    ),
    (
        "- collect: {events: true}",
        "- collect: {logs: true, text: true}",
        &["26:23: `logs` must be a mapping, not true or false (write fields below it, such as `previous: …`)"],
    ),
    (
        "- collect: {events: true}",
        "- collect: {logs: {lines: 3}, text: true}",
        &["26:24: `lines` is not a field of `logs` (expected `previous` or `tailLines`)"],
    ),
    (
        "- collect: {events: true}",
        "- collect: {events: true, graph: {}}",
        &["26:31: `graph` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "    - collect: {events: true}\n    - evict: {limit: 1}\n      timeout: 5m\n",
        "    - evict: {}\n    - collect: {events: true}\n",
        &[
            "warning 27:7: `collect` after a change finds what the change left (move it before the first step that changes anything)",
        ],
    ),
    (
        "timeout: 5m",
        "timeout: 2h",
        &["28:16: `timeout` is 2h, but the run's `deadline` is 30m (make it shorter, or `deadline` longer)"],
    ),
    (
        "timeout: 5m",
        "timeout: 0s",
        &["28:16: `timeout` is 0s: it must be between 1s and 1d"],
    ),
    (
        "      timeout: 5m",
        "        timeout: 5m",
        &["28:9: this is not YAML: while parsing a block mapping, did not find expected key"],
    ),
    (
        "stableFor: 1m",
        "stableFor: 10m",
        &[
            "31:16: `stableFor` is 10m, but `within` is 10m: it could never be seen stable in time (make `within` longer than `stableFor`)",
        ],
    ),
    (
        "    within: 10m\n    stableFor: 1m\n",
        "    within: 30s\n",
        &[
            "30:13: `stableFor` is 30s (the default), but `within` is 30s: it could never be seen stable in time (make `within` longer than `stableFor`)",
        ],
    ),
    (
        "within: 10m",
        "within: 0s",
        &["30:13: `within` is 0s: it must be between 1s and 1d"],
    ),
    (
        "    expect:\n      - target.status.phase == \"Running\"\n",
        "    expect: target.status.phase == 'Running'\n",
        &["32:13: `expect` must be a list, not a text (begin every item on a line of its own with `- `)"],
    ),
    (
        r#"target.status.phase == "Running""#,
        "size(target.status.phase)",
        &["33:9: this is neither true nor false: compare it, for example `… == 1`"],
    ),
    (
        r#"target.status.phase == "Running""#,
        "object.status.phase == 'Running'",
        &["33:9: `object` is not known: the live object is `target`, its topmost controller `root`"],
    ),
    (
        "stableFor: 1m",
        "stablefor: 1m",
        &["31:5: `stablefor` is not a field of `verify` (did you mean `stableFor`?)"],
    ),
    (
        "deadline: 30m",
        "deadline: 30d",
        &["34:13: `deadline` is 30d: it must be between 1m and 1d"],
    ),
    (
        "deadline: 30m",
        "escalate: []",
        &["34:3: `escalate` is not available in this version (remove it; docs/ says what is)"],
    ),
    (
        "mode: shadow",
        "mode: shadow\n  mode: enforce",
        &["19:3: `mode` is written twice (it is there already, in line 18: remove one)"],
    ),
    (
        "    cooldown: 30m",
        "\t\tcooldown: 30m",
        &[
            "20:3: this is not YAML: tabs disallowed within this context (block indentation) (indent with spaces; tabs are not allowed)",
        ],
    ),
    (
        "  mode: shadow",
        "  <<: {mode: shadow}",
        &["18:3: merge keys (`<<`) are not supported (write the fields out)"],
    ),
    (
        "mode: shadow",
        "mode: !env MODE",
        &["18:14: tags (`!name`) are not supported (write the value without its tag)"],
    ),
    (
        r#"name: "{{labels.pod}}""#,
        r#"name: "{{labels.pod}}"#,
        &["33:33: this is not YAML: invalid trailing content after double-quoted scalar"],
    ),
    (
        "mode: shadow",
        "mode: *shadow",
        &["18:9: there is no such anchor before this (put a text that begins with `*` in quotes)"],
    ),
    (
        "    cooldown: 30m\n    maxAttempts: 1\n    rate: 4/1d\n",
        "    cooldown: 30\n    maxAttempts: 0\n    rate: 4\n",
        &[
            "20:15: `cooldown` is not a duration: `30` has no unit: write for example `30s` or `30m`",
            "21:18: `maxAttempts` is 0: it must be between 1 and 100",
            "22:11: `4` is not a rate: write a count, a slash and a duration, for example `4/1d`",
        ],
    ),
];
