//! From the rule to Slack, as shipped.

use serde_json::Value;

use crate::{
    selfhealer::outcome,
    stage::Stage,
    until,
    workload::{Illness, Workload, name, uid},
};

/// What the issue asks of the pod's memory.
const MEMORY: u64 = 40 * 1024 * 1024;

/// Together, because each waits for minutes: a pod crashes, another is out of memory, a third is held by a budget.
#[tokio::test(flavor = "multi_thread")]
async fn crashing_pods_are_healed_from_the_rule_to_slack() {
    let stage = Stage::set(false).await;
    tokio::join!(
        a_crash_loop_is_healed(&stage),
        out_of_memory_is_told(&stage),
        a_budget_is_respected(&stage)
    );
    let pod = stage.selfhealer.pod().await;
    let memory = stage.node().memory_of(uid(&pod)).unwrap();
    println!("RSS of selfhealer's pod: {:.1} MiB", memory as f64 / f64::from(1 << 20));
    assert!(memory <= MEMORY, "{memory} bytes");
}

async fn a_crash_loop_is_healed(stage: &Stage) {
    let shop = Workload::deploy(stage, "shop", Illness::StaleLock).await;
    let sick = shop.fall_ill().await;
    let run = healed(stage, &shop).await;
    assert_eq!(run["target"]["uid"], uid(&sick));
    assert_eq!(run["root"]["kind"], "Deployment");
    assert_eq!(stage.evicted("shop"), [name(&sick)], "evicted once");
    assert_eq!(
        stage.changes("shop").len(),
        1,
        "and nothing else was changed: {:#?}",
        stage.changes("shop")
    );
    let pods = shop.ready().await;
    assert!(pods.iter().all(|pod| uid(pod) != uid(&sick)), "replaced");

    let id = run["id"].as_str().unwrap();
    let events = shop.events().await;
    for reason in ["HealingEvicted", "HealingSucceeded"] {
        assert!(
            events.iter().any(|(told, note)| told == reason && note.contains(id)),
            "{reason} is not among {events:?}"
        );
    }
    let journal = run["journal"].to_string();
    assert!(
        journal.contains("[redacted]") && !journal.contains("hunter2"),
        "{journal}"
    );
    let channel = told(stage, name(&sick), "Healed Pod shop/").await;
    println!("{channel}");
}

async fn out_of_memory_is_told(stage: &Stage) {
    let bank = Workload::deploy(stage, "bank", Illness::Leak).await;
    let sick = bank.fall_ill().await;
    let run = healed(stage, &bank).await;
    assert_eq!(stage.evicted("bank"), [name(&sick)]);
    let journal = run["journal"].to_string();
    assert!(
        journal.contains("OOMKilled"),
        "the evidence tells how it ended: {journal}"
    );
    told(stage, name(&sick), "OOMKilled").await;
}

async fn a_budget_is_respected(stage: &Stage) {
    let mill = Workload::deploy(stage, "mill", Illness::StaleLock).await;
    mill.hold().await;
    let sick = mill.fall_ill().await;
    stage
        .selfhealer
        .until("mill", "a refusal by the budget", |runs| {
            let journal = runs.first()?["journal"].to_string();
            journal.contains("disruption_budget").then_some(())
        })
        .await;
    assert!(stage.evicted("mill").is_empty(), "nothing goes against a budget");
    until("its container to have said why", async || {
        mill.log(name(&sick)).await?.contains("/data/lock").then_some(())
    })
    .await;
    mill.release().await;
    healed(stage, &mill).await;
    assert_eq!(stage.evicted("mill"), [name(&sick)]);
}

/// The only run of a namespace, when it has succeeded.
async fn healed(stage: &Stage, workload: &Workload<'_>) -> Value {
    let runs = stage.selfhealer.finished(workload.namespace).await;
    let [run] = runs.as_slice() else {
        panic!("expected one run: {runs:#?}")
    };
    assert_eq!(outcome(run), "succeeded(healthy)", "{run:#}");
    run.clone()
}

/// Waits until the channel says these words of the pod.
async fn told(stage: &Stage, pod: &str, words: &str) -> String {
    until("Slack to be told", async || {
        let channel = stage.channel();
        (channel.contains(pod) && channel.contains(words)).then_some(channel)
    })
    .await
}
