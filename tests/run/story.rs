//! Following one alert: from what selfhealer's API tells to lines for a person.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    printer::{Printer, Tone},
    stage::{DEPLOYMENT, Fault, NAMESPACE, REPLICAS, Stage},
};

const LOOK: Duration = Duration::from_millis(200);
/// The shipped runbook may wait for 30m and verify for 10m; nothing here should take nearly so long.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How it ended.
pub struct End {
    /// Seen healthy.
    pub healed: bool,
    /// The run's id.
    pub run: String,
    evictions: usize,
    ready: usize,
    fault: Fault,
    outcome: String,
    reason: String,
    detail: String,
    healthy_at: Option<Timestamp>,
    finished_at: Timestamp,
}

/// The telling, as far as it has come.
struct Story<'a> {
    stage: &'a Stage,
    printer: &'a Printer,
    fault: Fault,
    /// Entries of the journal that were told.
    told: usize,
    resolved: bool,
    healthy_at: Option<Timestamp>,
}

/// Breaks a pod and tells what happens until the run has ended.
pub async fn follow(stage: &Stage, printer: &Printer) -> anyhow::Result<End> {
    let fault = stage.break_a_pod().await?;
    let mut story = Story {
        stage,
        printer,
        fault,
        told: 0,
        resolved: false,
        healthy_at: None,
    };
    story.tell_fault();
    let id = story.alert().await?;
    story.opened(&id).await?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let run = stage.service.get(&format!("/api/v1/runs/{id}")).await?;
        story.tell_news(&run).await?;
        if run["phase"] == "finished" {
            return story.end(id, &run).await;
        }
        story.wait_for(&run);
        stage.check().await?;
        anyhow::ensure!(
            Instant::now() < deadline,
            "run {id} has not ended: {}",
            text(&run["detail"])
        );
        tokio::time::sleep(LOOK).await;
    }
}

impl Story<'_> {
    fn tell(&self, at: Timestamp, what: &str, tone: Tone, words: &str) {
        let seconds = at.duration_since(self.fault.at).as_secs_f64().max(0.0);
        self.printer.step(seconds, what, tone, words);
    }

    fn tell_fault(&self) {
        let Fault { pod, words, at } = &self.fault;
        let words = format!("pod {} on {} crashes: {words}\nuid {}", pod.name, pod.node, pod.uid);
        self.tell(*at, "fault", Tone::Bad, &words);
    }

    /// Waits for the alert; the run that it opened.
    async fn alert(&self) -> anyhow::Result<String> {
        self.printer.waiting("waiting for the alert");
        let alert = self
            .stage
            .wait("the alert to reach selfhealer", async || {
                let page = self.stage.service.get("/api/v1/alerts").await?;
                let ours = page["items"].as_array().into_iter().flatten();
                Ok(ours
                    .clone()
                    .find(|alert| alert["labels"]["uid"] == self.fault.pod.uid.as_str())
                    .cloned())
            })
            .await?;
        let labels = &alert["labels"];
        self.tell(
            moment(&alert["startsAt"])?,
            "alert",
            Tone::Plain,
            &format!(
                "{} (severity {}) begins to fire in Prometheus:\n{}",
                text(&labels["alertname"]),
                text(&labels["severity"]),
                text(&alert["annotations"]["description"]),
            ),
        );
        self.tell(
            moment(&alert["firstSeenAt"])?,
            "received",
            Tone::Plain,
            "Alertmanager's post is on selfhealer's disk, and answered",
        );
        let run = alert["runs"][0].as_str();
        run.map(str::to_owned)
            .with_context(|| format!("the alert opened no run: {}", text(&alert["reason"])))
    }

    async fn opened(&self, id: &str) -> anyhow::Result<()> {
        let run = self.stage.service.get(&format!("/api/v1/runs/{id}")).await?;
        let words = format!(
            "{} matches, in mode {}\nrun {id}",
            text(&run["runbook"]),
            text(&run["mode"])
        );
        self.tell(moment(&run["openedAt"])?, "runbook", Tone::Plain, &words);
        Ok(())
    }

    async fn tell_news(&mut self, run: &Value) -> anyhow::Result<()> {
        let journal = run["journal"].as_array().context("the run's journal cannot be read")?;
        for entry in &journal[self.told.min(journal.len())..] {
            self.told += 1;
            self.tell_entry(run, entry).await?;
        }
        self.tell_resolved(run)
    }

    async fn tell_entry(&mut self, run: &Value, entry: &Value) -> anyhow::Result<()> {
        let (at, data) = (moment(&entry["at"])?, &entry["data"]);
        let intent = &data["intent"];
        let pod = text(&intent["target"]["name"]);
        match text(&entry["kind"]) {
            "bound" => {
                let target = &data["alerts"][0]["target"];
                let words = format!(
                    "{} with uid {}\nThis uid and no other may be touched. Limits count on its root, {}.",
                    named(target),
                    text(&target["uid"]),
                    named(&data["root"]),
                );
                self.tell(at, "target", Tone::Plain, &words);
            }
            "started" if intent["request"] == "evict" => {
                let words = format!(
                    "{pod}: it still crashes, another pod is ready, and all guards allow it.\n\
                     The request is on disk before it is sent."
                );
                self.tell(at, "evict", Tone::Plain, &words);
            }
            "done" if !data["result"]["events"].is_null() || !data["result"]["object"].is_null() => {
                self.tell(at, "evidence", Tone::Plain, &evidence(&data["result"]));
            }
            "done" => {
                let words = format!("the API server has evicted {}", text(&data["result"]["pod"]));
                self.tell(at, "evicted", Tone::Good, &words);
            }
            "verifying" => {
                let words = format!(
                    "all steps are done; now watched, until {} at the latest",
                    clock(&data["until"])
                );
                self.tell(at, "verify", Tone::Plain, &words);
            }
            // Looked at again, and still so.
            "observed" if data["healthy"] == true && self.healthy_at.is_some() => {}
            "observed" if data["healthy"] == true => {
                self.healthy_at = Some(at);
                if let Some(pod) = self.stage.replacement_of(&self.fault).await? {
                    let words = format!("{} on {} is ready\nuid {}", pod.name, pod.node, pod.uid);
                    self.tell(at, "replaced", Tone::Good, &words);
                }
                self.tell(at, "healthy", Tone::Good, text(&data["detail"]));
            }
            "observed" => {
                self.healthy_at = None;
                self.tell(at, "not yet", Tone::Warning, text(&data["detail"]));
            }
            "finished" => {
                self.tell_resolved(run)?;
                let good = data["outcome"] == "succeeded";
                let tone = if good { Tone::Good } else { Tone::Bad };
                let words = format!("{}: {}", text(&data["reason"]), text(&data["detail"]));
                self.tell(at, text(&data["outcome"]), tone, words.trim_end_matches(": "));
            }
            // What needs no words of its own.
            "started" | "step_done" => {}
            "deferred" | "refused" => {
                let words = format!("{}: {}", text(&data["reason"]), text(&data["detail"]));
                self.tell(at, "waits", Tone::Warning, &words);
            }
            other => {
                let words = format!("{} {}", text(&data["reason"]), text(&data["detail"]));
                self.tell(at, other, Tone::Warning, words.trim());
            }
        }
        Ok(())
    }

    fn tell_resolved(&mut self, run: &Value) -> anyhow::Result<()> {
        let alert = &run["alerts"][0];
        if !self.resolved && alert["status"] == "resolved" {
            self.resolved = true;
            let at = moment(&alert["lastSeenAt"])?;
            self.tell(at, "resolved", Tone::Good, "Alertmanager says that the alert is over");
        }
        Ok(())
    }

    fn wait_for(&self, run: &Value) {
        match (text(&run["phase"]), self.healthy_at) {
            ("verifying", Some(since)) => {
                let seconds = Timestamp::now().duration_since(since).as_secs();
                let stable_for = &self.stage.stable_for;
                self.printer.progress(
                    &format!("It counts as healed when it has stayed healthy for {stable_for}."),
                    &format!("{seconds} s so far."),
                );
            }
            ("verifying", None) => self.printer.waiting("waiting for the replacement"),
            ("pending", _) => self
                .printer
                .waiting("waiting a second for alerts of other pods of the same root"),
            _ => {}
        }
    }

    /// What selfhealer says is held against what the API server says.
    async fn end(self, run: String, detail: &Value) -> anyhow::Result<End> {
        let evictions = self
            .stage
            .changes()?
            .iter()
            .filter(|request| request.is_eviction())
            .count();
        let ready = self.stage.ready_pods().await?;
        Ok(End {
            healed: detail["outcome"] == "succeeded" && evictions == 1 && ready == REPLICAS,
            evictions,
            ready,
            run,
            outcome: text(&detail["outcome"]).to_owned(),
            reason: text(&detail["reason"]).to_owned(),
            detail: text(&detail["detail"]).to_owned(),
            healthy_at: self.healthy_at,
            finished_at: moment(&detail["finishedAt"])?,
            fault: self.fault,
        })
    }
}

/// The verdict, and what is left to be found of it.
pub async fn tell_the_end(stage: &Stage, end: &End, printer: &Printer) -> anyhow::Result<()> {
    let since = |at: Timestamp| at.duration_since(end.fault.at).as_secs_f64();
    let agrees = format!("{REPLICAS} of {REPLICAS} pods are ready, and one eviction was asked for");
    match end.healthy_at {
        Some(healthy) if end.healed => printer.succeeded(&format!(
            "Healed. Seen healthy {:.1} s after the fault; the run ended at {:.1} s. The API server agrees: {agrees}.",
            since(healthy),
            since(end.finished_at)
        )),
        _ => printer.failed(&format!(
            "Not healed. The run {} ({}): {}. \
             The API server says: {} of {REPLICAS} pods are ready, {} evictions were asked for.",
            end.outcome, end.reason, end.detail, end.ready, end.evictions
        )),
    }
    printer.heading("What the Slack channel shows (a local Slack, no account needed)");
    for line in stage.service.channel().await.lines() {
        printer.line(&format!("  {line}"));
    }
    printer.heading("What can be found of it later");
    let events = stage.events().await?;
    printer.line(&format!("  Kubernetes Events on pod {}:", end.fault.pod.name));
    for (reason, note) in &events {
        printer.line(&format!("    {reason}: {note}"));
    }
    printer.line("  The API server's own record of what the user selfhealer asked it to change:");
    let changes = stage.changes()?;
    for request in &changes {
        let code = request.code.map_or("no answer".to_owned(), |code| code.to_string());
        let asked = if request.is_eviction() {
            let body = request.body.clone().unwrap_or_default();
            let uid = text(&body["deleteOptions"]["preconditions"]["uid"]).to_owned();
            format!("evict pod {}, if its uid is {uid}", request.name)
        } else {
            format!("{} {} {}", request.verb, request.resource, request.name)
        };
        printer.line(&format!("    {asked}: {code}"));
    }
    Ok(())
}

/// Commands for whoever wants to see more.
pub fn how_to_look(stage: &Stage, end: Option<&End>, printer: &Printer) {
    let (url, admin) = (&stage.service.url, &stage.service.admin);
    let kubectl = format!("kubectl --kubeconfig {} -n {NAMESPACE}", stage.kubeconfig().display());
    let (prometheus, alertmanager) = stage.pages();
    printer.heading("Look around; all of it stays until ctrl-c");
    printer.line(&format!("  curl -s {url}/api/v1/alerts"));
    printer.line(&format!("  curl -s {url}/api/v1/runs"));
    if let Some(end) = end {
        printer.line(&format!("  curl -s {url}/api/v1/runs/{}", end.run));
    }
    printer.line(&format!("  curl -s {admin}/metrics | grep ^selfhealer_"));
    printer.line(&format!("  {kubectl} get pods,events"));
    printer.line(&format!("  less {}", stage.service.log_file().display()));
    printer.line(&format!(
        "  Prometheus {prometheus}/alerts, Alertmanager {alertmanager}"
    ));
    printer.heading("Break another pod: this time the runbook's limits refuse, and the run says why");
    printer.line(&format!(
        "  POD=$({kubectl} get pods -l app={DEPLOYMENT} -o name | head -n 1 | cut -d/ -f2)"
    ));
    printer.line(&format!("  {}", stage.how_to_break(&kubectl, "$POD")));
}

/// What `collect` kept.
fn evidence(result: &Value) -> String {
    let mut kept = Vec::new();
    if let Some(logs) = result["logs"].as_array() {
        let printed = logs.iter().find_map(|log| log["text"].as_str()?.lines().last());
        kept.push(match printed {
            Some(line) => format!("what its container printed (\"{line}\")"),
            None => "that its container printed nothing".to_owned(),
        });
    }
    if !result["object"].is_null() {
        kept.push("the pod's YAML, its secrets redacted".to_owned());
    }
    if let Some(events) = result["events"].as_array() {
        let plural = if events.len() == 1 { "" } else { "s" };
        kept.push(format!("{} Kubernetes Event{plural}", events.len()));
    }
    let summary = result["summary"].as_str().map(|summary| format!("{summary}\n"));
    format!(
        "{}kept before it is gone: {}",
        summary.unwrap_or_default(),
        kept.join(", and ")
    )
}

/// As selfhealer names objects.
fn named(object: &Value) -> String {
    let parts = ["namespace", "kind", "name"].map(|part| text(&object[part]));
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn moment(value: &Value) -> anyhow::Result<Timestamp> {
    text(value).parse().with_context(|| format!("{value} is not a time"))
}

/// The time of day, to the second.
fn clock(value: &Value) -> String {
    moment(value).map_or_else(|_| text(value).to_owned(), |at| at.strftime("%H:%M:%S UTC").to_string())
}
