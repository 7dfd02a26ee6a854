//! The telling of a story on both sides at once, line by line.
//!
//! - A call is made on both sides, and answered with the same code; a refusal with the same words.
//! - `UNTIL TARGET {…}` waits until the answer contains the body, `GONE TARGET` until there is none.
//!   `*` stands for any value.
//! - `LET name TARGET {…}` calls `$name` what the first object of a list that contains the body is called; `UID name TARGET` the uid
//!   of an object.
//! - `NODE`, `SILENT`, `HEARD`, `FAIL`, `SUCCEED`, `UNREADY`, `READY`: what machines do ([`nodes`]).
//! - `CHECK what it is that stands now`: both sides must come to show the same.
//!
//! No line waits for a fixed time: what the real controllers have yet to do is waited for by looking again.

use std::{
    collections::BTreeMap,
    slice,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use kube::Client;
use serde_json::{Value, json};
use simulated_cluster::kubernetes::{Simulation, controllers};
use test_cluster::ControlPlane;

use super::{Found, Story, nodes, sight::Sight};
use crate::differential::{
    difference::{self, Difference},
    exceptions::Exceptions,
    language::{self, Body, Call},
    play::{self, Side},
};

/// How long the test cluster may take for what it will do: a CronJob looks once a minute, pods of a lost node are collected after
/// one.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it may take to look as the simulation does.
const SETTLED: Duration = Duration::from_secs(15);
/// How long the simulation may take, in its time.
const SIMULATED_PATIENCE: SignedDuration = SignedDuration::from_mins(20);
/// What its controllers have done by then they had begun before.
const SIMULATED_SETTLED: SignedDuration = SignedDuration::from_secs(6);
/// Between two looks.
const POLL: Duration = Duration::from_millis(150);

/// A story as it goes on one side.
pub struct Teller<'a> {
    pub plane: &'static ControlPlane,
    pub story: &'a Story,
    pub namespace: &'a str,
    side: Side,
    pub simulation: Option<Simulation>,
    /// What `LET` has named.
    names: BTreeMap<String, String>,
    sight: Sight,
}

/// Tells a story on both sides and says where they differ.
pub async fn tell(plane: &'static ControlPlane, story: &Story, namespace: &str, known: &'static str) -> Vec<Found> {
    plane.create_namespace(namespace).await.unwrap();
    let simulation = controllers::start("2026-03-01T12:00:00Z".parse().unwrap(), 7);
    simulation.with(|world| world.create_namespace(namespace).unwrap());
    for number in 0..3 {
        nodes::simulated(&simulation, &format!("node-{number}"), &[]);
    }
    let mut real = Teller::new(plane, story, namespace, plane.client(), None);
    let client = Client::new(simulation.service(), "default");
    let mut simulated = Teller::new(plane, story, namespace, client, Some(simulation));
    simulated.pass(SIMULATED_SETTLED).await;
    let mut found = Vec::new();
    for line in &story.lines {
        let (on, differences) = if line.starts_with("CHECK ") {
            (true, check(&mut real, &mut simulated, known).await)
        } else {
            went(real.line(line).await, simulated.line(line).await)
        };
        if !differences.is_empty() {
            let line = line.clone();
            found.push(Found { line, differences });
        }
        // What follows would only differ for the same reason.
        if !on {
            break;
        }
    }
    nodes::remove(plane, namespace).await;
    found
}

/// Whether a story can go on after a line that came to this on each side, and what differs.
fn went(real: Value, simulated: Value) -> (bool, Vec<Difference>) {
    let on = [&real, &simulated].iter().all(|side| side["came"] != false);
    let mut differences = difference::find(slice::from_ref(&real), slice::from_ref(&simulated));
    if !on && differences.is_empty() {
        // What is waited for in vain on both sides is a mistake in the story.
        differences.push(Difference {
            call: 1,
            path: "came".to_owned(),
            real: Some(real),
            simulated: Some(simulated),
        });
    }
    (on, differences)
}

/// Looks at both sides until they show the same.
async fn check(real: &mut Teller<'_>, simulated: &mut Teller<'_>, known: &'static str) -> Vec<Difference> {
    simulated.pass(SIMULATED_SETTLED).await;
    let shown = simulated.look().await;
    let begun = Instant::now();
    loop {
        let seen = real.look().await;
        let differences = difference::find(slice::from_ref(&seen), slice::from_ref(&shown));
        let left = Exceptions::of(known).not_excused(&real.story.case, differences);
        if left.is_empty() || begun.elapsed() > SETTLED {
            if std::env::var("SHOW").is_ok() {
                println!("{}\n{seen:#}", real.story.case);
            }
            return difference::find(&[seen], &[shown]);
        }
        tokio::time::sleep(POLL).await;
    }
}

impl<'a> Teller<'a> {
    fn new(
        plane: &'static ControlPlane,
        story: &'a Story,
        namespace: &'a str,
        client: Client,
        simulation: Option<Simulation>,
    ) -> Self {
        Self {
            plane,
            story,
            namespace,
            side: Side::of(client, simulation.clone()),
            simulation,
            names: BTreeMap::new(),
            sight: Sight::new(namespace, &story.lines),
        }
    }

    /// Lets simulated time pass; real time passes by itself.
    async fn pass(&self, time: SignedDuration) {
        if let Some(simulation) = &self.simulation {
            simulation.advance(simulation.now() + time);
        }
    }

    async fn look(&mut self) -> Value {
        let mut lists = Vec::new();
        for target in self.sight.targets() {
            lists.push(self.get(&target).await["body"].clone());
        }
        self.sight.see(lists)
    }

    /// What a line comes to.
    async fn line(&mut self, line: &str) -> Value {
        let mut line = line.replace("$ns", self.namespace);
        for (name, value) in &self.names {
            line = line.replace(&format!("${name}"), value);
        }
        let (verb, rest) = line.split_once(' ').expect("a line has two words");
        match verb {
            "UNTIL" | "GONE" => self.until(&line).await,
            "LET" => {
                let (name, rest) = rest.split_once(' ').expect("LET has a name and a target");
                let list = self.until_any(&format!("UNTIL {rest}")).await;
                match list["metadata"]["name"].as_str() {
                    Some(found) => {
                        self.names.insert(name.to_owned(), found.to_owned());
                        json!({"came": true})
                    }
                    None => json!({"came": false, "seen": list}),
                }
            }
            "UID" => {
                let (name, target) = rest.split_once(' ').expect("UID has a name and a target");
                let uid = &self.get(target).await["body"]["metadata"]["uid"];
                let uid = uid.as_str().unwrap_or_default().to_owned();
                self.names.insert(name.to_owned(), uid);
                Value::Null
            }
            "NODE" | "SILENT" | "HEARD" | "FAIL" | "SUCCEED" | "UNREADY" | "READY" => {
                nodes::act(self, verb, rest).await;
                Value::Null
            }
            _ => {
                let call = self.call(&line);
                let answer = self.ask(&call).await;
                // What stands in an object is compared at the next checkpoint.
                let refused = answer["body"]["kind"] == "Status" && answer["body"]["status"] != "Success";
                let body = if refused {
                    self.sight.plain(&answer["body"])
                } else {
                    Value::Null
                };
                json!({"code": answer["code"], "body": body})
            }
        }
    }

    fn call(&self, line: &str) -> Call {
        let mut call = language::call(&self.story.case.theme, &self.story.case.name, line.to_owned());
        if let Body::Json(body) = &mut call.body {
            nodes::settle(body, self.namespace);
        }
        call
    }

    pub async fn ask(&self, call: &Call) -> Value {
        play::ask(&self.story.case, call, &self.side, self.namespace, &[]).await
    }

    pub async fn get(&self, target: &str) -> Value {
        self.ask(&self.call(&format!("GET {target}"))).await
    }

    pub async fn patch(&self, target: &str, patch: &Value) {
        let answer = self
            .ask(&self.call(&format!("PATCH {target} type=merge {patch}")))
            .await;
        assert_eq!(answer["code"], 200, "{}: {target}: {answer}", self.story.case);
    }

    /// Waits for what is wanted.
    pub async fn until(&self, line: &str) -> Value {
        let call = self.call(line);
        let gone = call.method == "GONE";
        let seen = self
            .wait(&call, |answer| {
                if gone {
                    answer["code"] == 404
                } else {
                    matches!(&call.body, Body::Json(wanted) if holds(&answer["body"], wanted))
                }
            })
            .await;
        match seen {
            Ok(_) => json!({"came": true}),
            Err(seen) => {
                // What is waited for is mostly in the status.
                let body = &seen["body"];
                let seen = if body["status"].is_object() {
                    &body["status"]
                } else {
                    body
                };
                json!({"came": false, "seen": self.sight.plain(seen)})
            }
        }
    }

    /// Waits until no controller has anything to say about whether a node is ready.
    pub async fn until_untainted(&self, node: &str) {
        let call = self.call(&format!("GET nodes/{node}"));
        let own = |taint: &Value| {
            taint["key"]
                .as_str()
                .is_some_and(|key| !key.starts_with("node.kubernetes.io/"))
        };
        let free = |answer: &Value| {
            answer["body"]["spec"]["taints"]
                .as_array()
                .into_iter()
                .flatten()
                .all(own)
        };
        let waited = self.wait(&call, free).await;
        assert!(waited.is_ok(), "{}: {node} is never ready", self.story.case);
    }

    /// The first of a list that is as wanted, by name.
    async fn until_any(&self, line: &str) -> Value {
        let call = self.call(line);
        let first = |answer: &Value| {
            let items = answer["body"]["items"].as_array()?;
            let fits = |item: &&Value| match &call.body {
                Body::Json(wanted) => holds(item, wanted),
                _ => true,
            };
            items.iter().find(fits).cloned()
        };
        match self.wait(&call, |answer| first(answer).is_some()).await {
            Ok(answer) => first(&answer).unwrap_or_default(),
            Err(answer) => answer["body"].clone(),
        }
    }

    async fn wait(&self, call: &Call, come: impl Fn(&Value) -> bool) -> Result<Value, Value> {
        let begun = Instant::now();
        let until = self
            .simulation
            .as_ref()
            .map(|simulation| simulation.now() + SIMULATED_PATIENCE);
        loop {
            let answer = self.ask(call).await;
            if come(&answer) {
                return Ok(answer);
            }
            let over = match (&self.simulation, until) {
                (Some(simulation), Some(until)) => simulation.now() > until,
                _ => begun.elapsed() > PATIENCE,
            };
            if over {
                return Err(answer);
            }
            self.side.wait().await;
        }
    }
}

/// Whether all that is wanted is there; `*` is any value.
fn holds(value: &Value, wanted: &Value) -> bool {
    play::contains_by(value, wanted, |value, wanted| match wanted.as_str() {
        Some("*") => !value.is_null(),
        _ => value == wanted,
    })
}
