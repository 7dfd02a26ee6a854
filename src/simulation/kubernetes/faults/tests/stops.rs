use super::*;

/// What a process does: three changes, one after the other.
async fn work(stage: &Stage) {
    for name in ["a", "b", "c"] {
        stage.maps().list(&ListParams::default()).await.unwrap();
        // What is there already is as good.
        let _ = stage.make(name).await;
    }
}

#[tokio::test]
async fn a_process_dies_at_its_nth_call_before_it_takes_effect_or_after() {
    for (when, wanted) in [(Stop::BeforeEffect, &["a"][..]), (Stop::AfterEffect, &["a", "b"])] {
        let stage = Stage::new();
        let stop = stage.simulation.faults().stop(Calls::changes(), 2, when);
        tokio::select! {
            () = work(&stage) => panic!("it should have died"),
            () = stop.reached() => {}
        }
        assert_eq!(stage.there(), wanted);
        drop(stop);
        assert_eq!(stage.there(), wanted, "what was not done is not done later");
        work(&stage).await;
        assert_eq!(stage.there(), ["a", "b", "c"]);
        let made = stage.calls();
        assert_eq!(made.iter().filter(|call| call.took_effect()).count(), 3);
    }
}

#[tokio::test]
async fn nobody_is_answered_after_the_end() {
    let stage = Stage::new();
    let stop = stage
        .simulation
        .faults()
        .stop(Calls::of("configmaps").verb("create"), 1, Stop::AfterEffect);
    stage.send(&mut Box::pin(stage.make("a"))).await;
    stage.send(&mut Box::pin(stage.make("b"))).await;
    let (maps, parameters) = (stage.maps(), ListParams::default());
    stage.send(&mut Box::pin(maps.list(&parameters))).await;
    assert!(stop.is_reached());
    drop(stop);
    assert_eq!(stage.there(), ["a"]);
    stage.make("b").await.unwrap();
}

#[tokio::test]
async fn a_process_that_makes_fewer_calls_does_not_die() {
    let stage = Stage::new();
    let stop = stage.simulation.faults().stop(Calls::changes(), 4, Stop::BeforeEffect);
    work(&stage).await;
    assert!(!stop.is_reached());
}
