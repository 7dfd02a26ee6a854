//! Delivery to a local Slack over real sockets, with a clock that is moved by hand: hours of waiting take no time.

#![allow(clippy::unwrap_used)]

mod crowd;
mod faults;
mod others;
mod story;
mod words;

use std::{collections::BTreeMap, sync::Once};

use tempfile::TempDir;

use super::*;
use crate::{
    clock::ManualClock,
    domain::{
        alert::Labels,
        journal::{Entry, Intent},
        notify::{Destination, Sink, worth_telling},
        reason::Reason,
        run::{Binding, BoundAlert, Finish, Outcome, Run},
        runbook::Mode,
        state::State,
        step::Evidence,
        target::{ObjectRef, Root, Target},
    },
    ids::Ids,
    metrics::Page,
    outbound::{Http, Outbound},
    runbooks::Compiled,
    store::{Change, Claimed, Owed, contract},
};
use simulated_cluster::{serve::Server, slack};

const SCOPES: [&str; 4] = ["chat:write", "chat:write.public", "files:write", "channels:history"];
pub(super) const CHANNEL: &str = "#healing";

/// A store with runs to tell of, a Slack to tell it to, and a notifier between them.
pub(super) struct World {
    pub folder: TempDir,
    pub clock: Arc<ManualClock>,
    pub ids: Arc<Ids>,
    pub store: Store,
    pub slack: slack::Slack,
    pub server: Server,
    pub token: String,
    pub runbook: Compiled,
    pub notifier: Notifier,
    pub service: Arc<dyn Service>,
}

/// A run whose journal a test writes.
pub(super) struct Healing {
    claimed: Claimed,
    state: State,
    target: Target,
    to: Vec<Destination>,
}

pub(super) fn runbook(more: &str) -> Compiled {
    let source = format!(
        "apiVersion: selfhealer.dev/v1alpha1\nkind: Runbook\nmetadata: {{name: crash-looping-pod}}\nspec:\n  \
         match: [alertname = PodCrashLooping]\n  target: {{apiVersion: v1, kind: Pod, namespace: \"{{{{labels.namespace}}}}\", \
         name: \"{{{{labels.pod}}}}\"}}\n  mode: enforce\n  steps:\n    - collect: {{events: true, yaml: true}}\n    - evict: {{}}\n{more}"
    );
    Compiled::parse(&source).unwrap_or_else(|problems| panic!("{problems:?}"))
}

impl World {
    pub async fn new() -> Self {
        Self::with(runbook("")).await
    }

    pub async fn with(runbook: Compiled) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at("2026-03-01T03:12:00Z".parse().unwrap()));
        let ids = Arc::new(Ids::seeded(clock.clone(), [7; 32]));
        let store = Store::open(&folder.path().join("db"), clock.clone(), ids.clone())
            .await
            .unwrap();
        let kept = (
            runbook.runbook.name.clone(),
            runbook.version.clone(),
            runbook.source.clone(),
        );
        store.keep_runbooks("runbooks/a.yaml", &[kept]).await.unwrap();
        let time = clock.clone();
        let slack = slack::Slack::new(Arc::new(move || time.now()));
        let server = slack.serve().await.unwrap();
        let token = slack.install_app("selfhealer", &SCOPES);
        let channel = slack.add_channel(CHANNEL);
        slack.invite(&token, &channel);
        std::fs::write(folder.path().join("token"), &token).unwrap();
        let service = Arc::new(Slack {
            api_url: format!("{}/api/", server.url()),
            token_file: folder.path().join("token"),
            outbound: outbound(),
        });
        let notifier = notifier(&store, &clock);
        Self {
            folder,
            clock,
            ids,
            store,
            slack,
            server,
            token,
            runbook,
            notifier,
            service,
        }
    }

    /// A run about a pod, bound and with its evidence collected.
    pub async fn healing(&self, pod: &str) -> Healing {
        self.healing_of(pod, CHANNEL, Labels::new()).await
    }

    pub async fn healing_of(&self, pod: &str, channel: &str, more: Labels) -> Healing {
        let (run, episode) = (self.ids.run(), self.ids.episode());
        let now = self.clock.now();
        let object = object("Pod", pod);
        let mut labels = Labels::from([
            ("alertname".to_owned(), "PodCrashLooping".to_owned()),
            ("namespace".to_owned(), "shop".to_owned()),
            ("pod".to_owned(), pod.to_owned()),
            ("severity".to_owned(), "warning".to_owned()),
        ]);
        labels.extend(more);
        let annotations = Labels::from([("summary".to_owned(), "A container restarts again and again.".to_owned())]);
        let opened = Run {
            id: run,
            runbook: self.runbook.runbook.name.clone(),
            version: self.runbook.version.clone(),
            mode: Mode::Enforce,
            object: Some(object.clone()),
            opened_at: now,
            deadline: now + Duration::from_secs(7_200),
            attempt: 1,
        };
        let unfolded = contract::opened(opened, episode, labels, annotations);
        self.store
            .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
            .await
            .unwrap();
        let claims = self.store.claim("me", Duration::from_secs(86_400), 1).await.unwrap();
        let claimed = self.store.load(&claims[0]).await.unwrap();
        let target = Target {
            object,
            uid: format!("uid-of-{pod}"),
        };
        let mut healing = Healing {
            claimed,
            state: State::default(),
            target: target.clone(),
            to: vec![Destination {
                sink: Sink::Slack,
                channel: channel.to_owned(),
            }],
        };
        let bound = Entry::Bound(Binding {
            alerts: vec![BoundAlert {
                episode,
                target: target.clone(),
            }],
            root: Root(self::object("Deployment", "cart")),
            workload: Some(self::object("Deployment", "cart")),
        });
        let collect = Intent::Collect {
            target,
            evidence: Evidence {
                events: true,
                yaml: true,
                logs: None,
            },
        };
        let events = serde_json::json!([{"at": "2026-03-01T03:11:40Z", "type": "Warning", "reason": "BackOff", "count": 12,
            "message": "Back-off restarting failed container app"}]);
        let evidence = serde_json::json!({"events": events, "object": {"kind": "Pod", "metadata": {"name": pod}}});
        self.add(&mut healing, vec![bound, started(0, collect)]).await;
        let done = Entry::Done {
            step: 0,
            result: evidence,
        };
        let step = Entry::StepDone {
            step: 0,
            detail: "evidence collected".to_owned(),
        };
        self.add(&mut healing, vec![done, step]).await;
        healing
    }

    /// Records entries and owes what they are worth, as the engine does.
    pub async fn add(&self, healing: &mut Healing, entries: Vec<Entry>) {
        let seen = healing.state.entries;
        for entry in &entries {
            healing.state.apply(self.clock.now(), entry);
        }
        let tells = worth_telling(&healing.state, &self.runbook.runbook.notify)
            && !entries.iter().all(|entry| matches!(entry, Entry::Started { .. }));
        let change = Change {
            entries,
            phase: healing.state.phase(),
            due_at: None,
            audit: Vec::new(),
            owed: tells.then(|| Owed {
                to: healing.to.clone(),
                last: healing.state.finished.is_some(),
            }),
        };
        let claim = &healing.claimed.claim;
        self.store.record(claim, seen, change).await.unwrap();
    }

    pub async fn evict(&self, healing: &mut Healing) {
        let target = healing.target.clone();
        let pod = target.object.name.clone();
        self.add(healing, vec![started(1, Intent::Evict { target })]).await;
        let done = Entry::Done {
            step: 1,
            result: serde_json::json!({"what": "evicted"}),
        };
        let step = Entry::StepDone {
            step: 1,
            detail: format!("evicted {pod}"),
        };
        self.add(healing, vec![done, step]).await;
    }

    pub async fn verify(&self, healing: &mut Healing) {
        let until = self.clock.now() + Duration::from_secs(300);
        let seen = Entry::Observed {
            healthy: Some(false),
            detail: "Deployment shop/cart has 2 of 3 replicas ready".to_owned(),
        };
        self.add(healing, vec![Entry::Verifying { until }, seen]).await;
    }

    pub async fn end(&self, healing: &mut Healing, outcome: Outcome) {
        let (reason, detail) = match outcome {
            Outcome::Succeeded => (Reason::Healthy, "Deployment shop/cart has 3 of 3 replicas ready"),
            _ => (Reason::NotHealthy, "Deployment shop/cart has 2 of 3 replicas ready"),
        };
        self.add(healing, vec![Entry::Finished(Finish::new(outcome, reason, detail))])
            .await;
    }

    pub async fn story(&self, healing: &Healing) -> crate::store::RunHistory {
        self.store.history(healing.claimed.run.id).await.unwrap().unwrap()
    }

    /// Delivers whatever is due until nothing is left, at most for so long; moves the clock from one moment to the next.
    pub async fn deliver_for(&self, most: Duration) {
        let end = self.clock.now() + most;
        loop {
            let next = self.notifier.deliver_due(&*self.service).await.unwrap();
            let now = self.clock.now();
            match next.filter(|next| *next <= end) {
                Some(next) if next > now => self.clock.pass(Duration::try_from(next.duration_since(now)).unwrap()),
                Some(_) => self.clock.pass(Duration::from_millis(1)),
                None => return,
            }
        }
    }

    pub async fn deliver(&self) {
        self.deliver_for(Duration::from_secs(3_600)).await;
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.pass(Duration::from_secs(seconds));
    }

    pub fn shown(&self) -> String {
        self.slack.channel_as_text(CHANNEL)
    }

    /// Messages in the channel that are no replies.
    pub fn messages(&self) -> Vec<slack::Message> {
        let all = self.slack.messages(CHANNEL);
        all.into_iter()
            .filter(|message| !message.is_reply() && !message.tombstone)
            .collect()
    }

    /// What `/metrics` shows of them.
    pub fn metrics(&self) -> String {
        let metrics = &self.notifier.metrics;
        Page::new(|registry| metrics.register(registry)).encode().unwrap()
    }

    pub fn count(&self, method: &str) -> usize {
        self.slack.calls().iter().filter(|call| call.method == method).count()
    }

    pub fn refused(&self) -> Vec<slack::Call> {
        self.slack
            .calls()
            .into_iter()
            .filter(|call| call.refused.is_some())
            .collect()
    }
}

pub(super) fn notifier(store: &Store, clock: &Arc<ManualClock>) -> Notifier {
    let clock: Arc<dyn Clock> = clock.clone();
    Notifier {
        store: store.clone(),
        registry: Registry::new(Mode::Enforce, BTreeMap::new()),
        clock: clock.clone(),
        metrics: Metrics::default(),
        limits: Limits::new(&clock),
        composer: Composer::new(Some("https://selfhealer.example")),
        failures: DeliveryFailures::default(),
        owner: "me".to_owned(),
    }
}

pub(super) fn outbound() -> Arc<dyn Outbound> {
    Arc::new(Http::new().unwrap())
}

fn started(step: usize, intent: Intent) -> Entry {
    Entry::Started {
        step,
        intent,
        dry_run: false,
        ready_after: None,
    }
}

fn object(kind: &str, name: &str) -> ObjectRef {
    ObjectRef {
        api_version: if kind == "Pod" { "v1" } else { "apps/v1" }.to_owned(),
        kind: kind.to_owned(),
        namespace: Some("shop".to_owned()),
        name: name.to_owned(),
    }
}
