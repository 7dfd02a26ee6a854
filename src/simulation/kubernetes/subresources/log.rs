//! The log of a container, as its kubelet would hand it out.

mod follow;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::kubernetes::{
    refusal::{About, Cause, Refusal},
    reply::Reply,
    resources::PODS,
    run::Simulation,
    verbs::Ask,
    world::{Line, World},
};

/// Answers with the log of a container of the pod that is named; who follows it hears of every line until the container
/// ends.
pub fn log(simulation: &Simulation, world: &mut World, ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let query = &ask.call.query;
    let limits = Limits::read(ask)?;
    let Some(pod) = world.find(PODS, ask.namespace(), ask.name()).cloned() else {
        return Err(Refusal::not_found(About::new("", "pods"), ask.name()));
    };
    let value = pod.value();
    let container = container(&value, ask.name(), query.text("container"))?;
    if pod.node().is_none() {
        // Nobody to ask yet: there is nothing, and that is no error.
        return Ok(Reply::text(204, ""));
    }
    let previous = judge_state(&value, ask.name(), &container, query.flag("previous"))?;
    if query.flag("follow") && !previous {
        return Ok(follow::follow(simulation, world, &pod, &container, limits));
    }
    let lines = world.log(pod.uid(), &container, previous).unwrap_or_default();
    Ok(Reply::text(200, limits.text(lines, world.now())))
}

struct Limits {
    tail: Option<usize>,
    since: Option<Timestamp>,
    bytes: Option<usize>,
    seconds: Option<i64>,
    timestamps: bool,
}

impl Limits {
    fn read(ask: &Ask<'_>) -> Result<Self, Refusal> {
        let query = &ask.call.query;
        let (tail, bytes, seconds) = (
            query.number("tailLines")?,
            query.number("limitBytes")?,
            query.number("sinceSeconds")?,
        );
        let since = query.text("sinceTime");
        let mut causes = Vec::new();
        if let Some(tail) = tail.filter(|tail| *tail < 0) {
            causes.push(Cause::invalid(
                "tailLines",
                &tail.into(),
                "must be greater than or equal to 0",
            ));
        }
        if let Some(bytes) = bytes.filter(|bytes| *bytes < 1) {
            causes.push(Cause::invalid("limitBytes", &bytes.into(), "must be greater than 0"));
        }
        match (seconds, since) {
            (Some(_), Some(_)) => {
                let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
                causes.push(Cause::forbidden("[]", why));
            }
            (Some(seconds), None) if seconds < 1 => {
                causes.push(Cause::invalid(
                    "sinceSeconds",
                    &seconds.into(),
                    "must be greater than 0",
                ));
            }
            _ => {}
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid(About::new("", "PodLogOptions"), ask.name(), &causes));
        }
        let size = |number: Option<i64>| number.and_then(|number| usize::try_from(number).ok());
        Ok(Self {
            tail: size(tail),
            since: match since {
                None => None,
                Some(text) => Some(text.parse().map_err(|_| {
                    Refusal::bad_request(format!("parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\""))
                })?),
            },
            bytes: size(bytes),
            seconds,
            timestamps: query.flag("timestamps"),
        })
    }

    fn text(&self, lines: &[Line], now: Timestamp) -> String {
        let since = match self.seconds {
            Some(seconds) => Some(now - SignedDuration::from_secs(seconds)),
            None => self.since,
        };
        let lines: Vec<&Line> = lines
            .iter()
            .filter(|line| since.is_none_or(|since| line.at >= since))
            .collect();
        let skipped = self.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        let mut text: String = lines[skipped..]
            .iter()
            .map(|line| line.write(self.timestamps))
            .collect();
        if let Some(bytes) = self.bytes {
            cut(&mut text, bytes);
        }
        text
    }
}

/// Cuts a text to so many bytes at most, between two letters.
fn cut(text: &mut String, bytes: usize) {
    if bytes < text.len() {
        let end = (0..=bytes).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
}

/// The container that is meant.
fn container(pod: &Value, name: &str, wanted: Option<&str>) -> Result<String, Refusal> {
    let names = |list: &str| -> Vec<String> {
        let all = pod["spec"][list].as_array().into_iter().flatten();
        all.filter_map(|container| container["name"].as_str().map(str::to_owned))
            .collect()
    };
    let (containers, inits, others) = (
        names("containers"),
        names("initContainers"),
        names("ephemeralContainers"),
    );
    if let Some(wanted) = wanted {
        return if containers
            .iter()
            .chain(&inits)
            .chain(&others)
            .any(|name| name == wanted)
        {
            Ok(wanted.to_owned())
        } else {
            Err(Refusal::bad_request(format!(
                "container {wanted} is not valid for pod {name}"
            )))
        };
    }
    if let [only] = containers.as_slice() {
        return Ok(only.clone());
    }
    let all: Vec<String> = inits.into_iter().chain(containers).chain(others).collect();
    let words = format!(
        "a container name must be specified for pod {name}, choose one of: [{}]",
        all.join(" ")
    );
    Err(Refusal::bad_request(words))
}

/// What its kubelet says of a container.
fn state<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    let lists = [
        "containerStatuses",
        "initContainerStatuses",
        "ephemeralContainerStatuses",
    ];
    let mut statuses = lists
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten());
    statuses.find(|status| status["name"] == container)
}

/// Whether there is a log, and whether it is the one before the present run's.
fn judge_state(pod: &Value, name: &str, container: &str, previous: bool) -> Result<bool, Refusal> {
    let refuse = |why: String| Err(Refusal::bad_request(why));
    let Some(status) = state(pod, container) else {
        return refuse(format!("container \"{container}\" in pod \"{name}\" is not available"));
    };
    let (state, last) = (&status["state"], &status["lastState"]["terminated"]);
    let is = |kind: &str| state[kind].is_object();
    if previous {
        if !last.is_object() {
            return refuse(format!(
                "previous terminated container \"{container}\" in pod \"{name}\" not found"
            ));
        }
        // While it waits to be started again, the run that has ended last is both.
        return Ok(!is("waiting"));
    }
    if is("running") || is("terminated") || last.is_object() {
        return Ok(false);
    }
    let waits = format!("container \"{container}\" in pod \"{name}\" is waiting to start");
    refuse(match state["waiting"]["reason"].as_str() {
        Some("ErrImagePull") => format!("{waits}: image can't be pulled"),
        Some("ImagePullBackOff") => format!("{waits}: trying and failing to pull image"),
        Some(reason) => format!("{waits}: {reason}"),
        None => format!("{waits} - no logs yet"),
    })
}
