//! The script of a container: what a program that nobody runs would have done.
//!
//! It is the annotation `simulation/life` of a pod or of its template, or `simulation/life.<container>` for one container
//! of several, as JSON. All of it is optional; a container without a script runs, is ready and stops when it is asked:
//!
//! ```json
//! {
//!   "pull": {"takes": "3s"},                      or {"fails": "manifest unknown"}
//!   "starts": {"fails": "no such file"},          then its command cannot be run
//!   "prints": ["listening on :8080"],
//!   "answers": {"after": "2s"},                   or "never", or {"flaps": {"up": "40s", "down": "20s"}}
//!   "ends": {"crashes": {"after": "5s", "exitCode": 1, "log": ["no database"]}},   or {"completes": {"after": "5s"}}
//!   "leaks": {"perSecond": "1Mi"},                until OOMKilled at its memory limit
//!   "hangs": {"after": "60s"},                    then its liveness probe fails
//!   "stops": {"takes": "5s"},                     or "ignores", which SIGKILL ends
//!   "uses": {"cpu": "100m", "memory": "64Mi"},
//!   "while": {"configMap": {"name": "web", "key": "mode", "is": "broken"}}
//! }
//! ```
//!
//! `answers` matters where the container has a readiness or startup probe, `hangs` where it has a liveness probe: without
//! a probe a kubelet asks nobody. `while` says when the trouble (`pull.fails`, `starts`, `answers`, `ends.crashes`, `leaks`,
//! `hangs`) is there; it is looked at whenever the image is pulled and the container starts. It is one of `configMap`,
//! `secret`, `env`, `annotation` (of the pod), `image` and `node`, each with `is` or `isNot`.
//!
//! The annotation of a living pod may be changed: what is said then holds from that moment on. A script that cannot be
//! read keeps the container from being created, with `CreateContainerConfigError`.

use base64::engine::{Engine, general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::kubernetes::{
    controllers::quantity::Quantity,
    resources::{CONFIGMAPS, ResourceId, SECRETS},
    world::{Object, World},
};

/// The annotation of a pod that says what its containers do.
pub const ANNOTATION: &str = "simulation/life";

/// A script.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Life {
    /// How its image comes.
    pub pull: Option<Pull>,
    /// Whether it can be started at all.
    pub starts: Option<Starts>,
    /// What it prints when it starts.
    pub prints: Vec<String>,
    /// When it answers its probes.
    pub answers: Option<Answers>,
    /// When and how it ends by itself.
    pub ends: Option<Ends>,
    /// How its memory grows.
    pub leaks: Option<Leaks>,
    /// When it stops answering its liveness probe.
    pub hangs: Option<After>,
    /// How it stops.
    pub stops: Option<Stops>,
    /// What it uses.
    pub uses: Option<Uses>,
    /// When the trouble is there; absent: always.
    pub r#while: Option<While>,
}

/// How an image comes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Pull {
    /// After so long.
    Takes(SignedDuration),
    /// Never, with this message.
    Fails(String),
}

/// How a program starts.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Starts {
    /// Not at all: the runtime says why.
    Fails(String),
}

/// When a program answers its probes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Answers {
    /// So long after its start.
    After(SignedDuration),
    /// Never.
    Never,
    /// Now and then.
    Flaps {
        /// How long it answers.
        up: SignedDuration,
        /// How long it does not.
        down: SignedDuration,
    },
}

/// How a program ends by itself.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Ends {
    /// With an error.
    #[serde(rename_all = "camelCase")]
    Crashes {
        /// After its start.
        after: SignedDuration,
        /// Its exit code.
        #[serde(default = "one")]
        exit_code: i64,
        /// What it prints before.
        #[serde(default)]
        log: Vec<String>,
    },
    /// With code 0.
    Completes {
        /// After its start.
        after: SignedDuration,
    },
}

fn one() -> i64 {
    1
}

/// How memory grows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Leaks {
    /// Bytes.
    pub per_second: Quantity,
}

/// A while after the start.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct After {
    /// How long.
    pub after: SignedDuration,
}

/// How a program stops when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Stops {
    /// After so long.
    Takes(SignedDuration),
    /// Not at all.
    Ignores,
}

/// What a program uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uses {
    /// Cores.
    pub cpu: Option<Quantity>,
    /// Bytes.
    pub memory: Option<Quantity>,
}

/// When the trouble is there.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum While {
    /// A value of a ConfigMap.
    ConfigMap(Entry),
    /// A value of a Secret.
    Secret(Entry),
    /// An environment variable of the container.
    Env(Named),
    /// An annotation of the pod.
    Annotation(Named),
    /// The image of the container.
    Image(Expected),
    /// The node on which it is.
    Node(Expected),
}

/// A value under a key of an object in the pod's namespace.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    name: String,
    key: String,
    is: Option<String>,
    is_not: Option<String>,
}

/// A value under a name.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Named {
    name: String,
    is: Option<String>,
    is_not: Option<String>,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expected {
    is: Option<String>,
    is_not: Option<String>,
}

/// The script of a container, or what is wrong with it.
pub fn read(annotations: &Value, container: &str) -> Result<Life, String> {
    let own = format!("{ANNOTATION}.{container}");
    let (name, text) = match (annotations[&own].as_str(), annotations[ANNOTATION].as_str()) {
        (Some(text), _) => (own.as_str(), text),
        (None, Some(text)) => (ANNOTATION, text),
        (None, None) => return Ok(Life::default()),
    };
    serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))
}

impl Life {
    /// What holds now: without the trouble, where its condition does not hold.
    pub fn now(&self, world: &World, pod: &Object, container: &str) -> Self {
        let mut life = self.clone();
        if self
            .r#while
            .as_ref()
            .is_none_or(|condition| condition.holds(world, pod, container))
        {
            return life;
        }
        if matches!(life.pull, Some(Pull::Fails(_))) {
            life.pull = None;
        }
        life.starts = None;
        if matches!(life.ends, Some(Ends::Crashes { .. })) {
            life.ends = None;
        }
        if !matches!(life.answers, Some(Answers::After(_))) {
            life.answers = None;
        }
        life.leaks = None;
        life.hangs = None;
        life
    }

    /// Whether it answers its probes at a moment.
    pub fn answers_at(&self, since: Timestamp, at: Timestamp) -> bool {
        let passed = at.duration_since(since);
        match &self.answers {
            None => true,
            Some(Answers::After(after)) => passed >= *after,
            Some(Answers::Never) => false,
            Some(Answers::Flaps { up, down }) => {
                let round = (up.as_millis() + down.as_millis()).max(1);
                passed.as_millis() % round < up.as_millis()
            }
        }
    }

    /// Whether it answers its liveness probe at a moment.
    pub fn alive_at(&self, since: Timestamp, at: Timestamp) -> bool {
        self.hangs.is_none_or(|hangs| at.duration_since(since) < hangs.after)
    }

    /// Memory at a moment after its start.
    pub fn memory(&self, passed: SignedDuration) -> i64 {
        let base = self.uses.and_then(|uses| uses.memory).map_or(16 << 20, Quantity::whole);
        let leak = self.leaks.as_ref().map_or(0, |leaks| leaks.per_second.whole());
        base + leak * passed.as_secs().max(0)
    }

    /// When its memory is at a limit, after its start.
    pub fn full_after(&self, limit: i64) -> Option<SignedDuration> {
        let base = self.memory(SignedDuration::ZERO);
        if limit <= 0 {
            return None;
        }
        if base >= limit {
            return Some(SignedDuration::from_secs(1));
        }
        let leak = self.leaks.as_ref()?.per_second.whole();
        (leak > 0).then(|| SignedDuration::from_secs((limit - base + leak - 1) / leak))
    }
}

impl While {
    fn holds(&self, world: &World, pod: &Object, container: &str) -> bool {
        let namespace = pod.namespace();
        let value = pod.bare();
        let spec = super::specs(&value["spec"]).find(|spec| spec["name"] == container);
        let spec = spec.unwrap_or(&Value::Null);
        let (found, is, is_not) = match self {
            Self::ConfigMap(entry) => (value_of(world, CONFIGMAPS, namespace, entry), &entry.is, &entry.is_not),
            Self::Secret(entry) => (value_of(world, SECRETS, namespace, entry), &entry.is, &entry.is_not),
            Self::Env(named) => (env(world, namespace, spec, &named.name), &named.is, &named.is_not),
            Self::Annotation(named) => (
                text(&value["metadata"]["annotations"][&named.name]),
                &named.is,
                &named.is_not,
            ),
            Self::Image(expected) => (text(&spec["image"]), &expected.is, &expected.is_not),
            Self::Node(expected) => (text(&value["spec"]["nodeName"]), &expected.is, &expected.is_not),
        };
        is.as_ref().is_none_or(|is| found.as_ref() == Some(is))
            && is_not.as_ref().is_none_or(|is_not| found.as_ref() != Some(is_not))
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn value_of(world: &World, resource: ResourceId, namespace: &str, entry: &Entry) -> Option<String> {
    lookup(world, resource, namespace, (&entry.name, &entry.key))
}

fn lookup(world: &World, resource: ResourceId, namespace: &str, (name, key): (&str, &str)) -> Option<String> {
    let object = world.find(resource, namespace, name)?.bare();
    let plain = |field: &str| text(&object[field][key]);
    if resource == CONFIGMAPS {
        return plain("data");
    }
    let value = plain("data")?;
    Some(plain_text(&value).unwrap_or(value))
}

/// What stands in a Secret in base64.
fn plain_text(value: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(value).ok()?).ok()
}

/// A variable of a container, from where it gets it.
fn env(world: &World, namespace: &str, container: &Value, name: &str) -> Option<String> {
    let variable = container["env"]
        .as_array()?
        .iter()
        .find(|variable| variable["name"] == name)?;
    let source = &variable["valueFrom"];
    for (field, resource) in [("configMapKeyRef", CONFIGMAPS), ("secretKeyRef", SECRETS)] {
        if let (Some(object), Some(key)) = (source[field]["name"].as_str(), source[field]["key"].as_str()) {
            return lookup(world, resource, namespace, (object, key));
        }
    }
    text(&variable["value"])
}
