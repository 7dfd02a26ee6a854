//! What happens to the node, and to selfhealer on it, in the middle of a run.

use kube::api::ListParams;

use crate::{
    selfhealer::{Selfhealer, has, outcome},
    stage::Stage,
    until,
    workload::{Illness, Workload, name, uid},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_kubelet_that_is_killed_after_the_eviction_is_waited_for() {
    let stage = Stage::set(true).await;
    let shop = Workload::deploy(&stage, "shop", Illness::StaleLock).await;
    let sick = shop.fall_ill().await;
    until("the eviction", async || {
        (!stage.evicted("shop").is_empty()).then_some(())
    })
    .await;
    stage.node().kill_kubelet().await;
    // The replacement is placed, and nobody starts it.
    stage
        .selfhealer
        .until("shop", "a look that sees it missing", |runs| {
            let journal = runs.first()?["journal"].as_array()?;
            let missing = journal.iter().any(|entry| entry["data"]["healthy"] == false);
            missing.then_some(())
        })
        .await;
    stage.node().start_kubelet().await.unwrap();
    let runs = stage.selfhealer.finished("shop").await;
    assert_eq!(runs.iter().map(outcome).collect::<Vec<_>>(), ["succeeded(healthy)"]);
    assert_eq!(stage.evicted("shop"), [name(&sick)], "evicted once");
    shop.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_done_twice_when_selfhealer_is_killed_or_its_node_drained() {
    let stage = Stage::set(true).await;
    killed_right_after_the_eviction(&stage).await;
    drained_in_the_middle(&stage).await;
}

async fn killed_right_after_the_eviction(stage: &Stage) {
    let shop = Workload::deploy(stage, "shop", Illness::StaleLock).await;
    let pod = stage.selfhealer.pod().await;
    let (restarts, container) = Selfhealer::container(&pod).unwrap();
    let sick = shop.fall_ill().await;
    until("the eviction", async || {
        (!stage.evicted("shop").is_empty()).then_some(())
    })
    .await;
    stage.node().kill_container(&container).unwrap();
    until("the container to be started again", async || {
        let live = stage.selfhealer.pod().await;
        assert_eq!(uid(&live), uid(&pod), "the pod stays");
        (Selfhealer::container(&live)?.0 > restarts).then_some(())
    })
    .await;
    let runs = stage.selfhealer.finished("shop").await;
    assert_eq!(runs.iter().map(outcome).collect::<Vec<_>>(), ["succeeded(healthy)"]);
    assert_eq!(stage.evicted("shop"), [name(&sick)], "evicted once");
}

async fn drained_in_the_middle(stage: &Stage) {
    let mill = Workload::deploy(stage, "mill", Illness::StaleLock).await;
    mill.hold().await;
    let sick = mill.fall_ill().await;
    let id = stage
        .selfhealer
        .until("mill", "a run that waits for the budget", |runs| {
            let run = runs.first()?;
            has(run, "refused").then(|| run["id"].clone())
        })
        .await;
    let before = stage.selfhealer.pod().await;
    stage.kubectl(&["cordon", "real-0"]);
    stage.kubectl(&[
        "drain",
        "real-0",
        "--pod-selector=app.kubernetes.io/name=selfhealer",
        "--timeout=120s",
    ]);
    let after = until("another pod of selfhealer", async || {
        let pod = stage.selfhealer.pod().await;
        (uid(&pod) != uid(&before)).then_some(pod)
    })
    .await;
    assert_eq!(after.spec.unwrap().node_name, None, "there is no other node");
    stage.kubectl(&["uncordon", "real-0"]);
    stage.selfhealer.ready().await;
    mill.release().await;
    let runs = stage.selfhealer.finished("mill").await;
    let [run] = runs.as_slice() else {
        panic!("expected one run: {runs:#?}")
    };
    assert_eq!(run["id"], id, "the same run goes on");
    assert_eq!(outcome(run), "succeeded(healthy)", "{run:#}");
    assert_eq!(stage.evicted("mill"), [name(&sick)], "evicted once");
    let left = mill.pods().list(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 2);
}
