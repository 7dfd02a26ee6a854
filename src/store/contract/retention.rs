//! Retention: what goes, what stays, and in which pieces.

use super::*;

#[tokio::test]
async fn retention_takes_what_has_ended_and_nothing_else() {
    let world = World::new().await;
    let (ended, first) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let entries = vec![
        Entry::Bound(binding(first, "a")),
        finished(Outcome::Suppressed, Reason::TargetGone),
    ];
    world
        .judge(&claimed, 0, &binding(first, "a"), change(entries, Phase::Finished))
        .await
        .0
        .unwrap();
    world.resolve(first).await;
    let (open, _) = world.open_run("b", Mode::Enforce).await;
    world.pass(100);
    let now = world.clock.now();
    while world.store.purge(now, now).await.unwrap() > 0 {}
    assert!(world.store.run(ended).await.unwrap().is_none());
    assert!(world.store.run(open).await.unwrap().is_some());
    let alerts = world.store.alerts(&AlertFilter::default(), None, 100).await.unwrap();
    assert_eq!(alerts.items.len(), 1, "the open one's");
}

#[tokio::test]
async fn what_was_in_force_once_is_deleted_when_it_is_old_and_what_is_in_force_stays() {
    let world = World::new().await;
    let pause = |why: &str| NewPause {
        scope: PauseScope::All,
        who: "ann".to_owned(),
        source: "127.0.0.1".to_owned(),
        why: why.to_owned(),
        until: None,
    };
    let over = world.store.pause(&pause("over")).await.unwrap();
    world.store.pause(&pause("in force")).await.unwrap();
    world.store.resume(&over.id, "ann", "127.0.0.1").await.unwrap();
    let kept = |name: &str| {
        (
            name.to_owned(),
            format!("version of {name}"),
            format!("source of {name}"),
        )
    };
    world
        .store
        .keep_runbooks("a.yaml", &[kept("old"), kept("new")])
        .await
        .unwrap();
    world.store.keep_runbooks("a.yaml", &[kept("new")]).await.unwrap();
    world
        .store
        .hold("slack", world.clock.now() + Duration::from_secs(60))
        .await
        .unwrap();
    let seen = Unfolded {
        clusters: vec!["elsewhere".to_owned()],
        ..Unfolded::default()
    };
    world
        .store
        .unfold(Vec::new(), Vec::new(), move |_| (seen.clone(), ()))
        .await
        .unwrap();
    let (run, _) = world.open_run("a", Mode::Enforce).await;
    world.store.cancel(run, "ann", "127.0.0.1", "enough").await.unwrap();
    world.pass(100);

    // A version is kept for a month more than runs are: some may have been opened with it.
    let week = Duration::from_secs(7 * 86_400);
    let version = async || world.store.runbook_source("version of old").await.unwrap();
    let mut gone = 0;
    for _ in 0..6 {
        let now = world.clock.now();
        while world.store.purge(now, now).await.unwrap() > 0 {
            gone += 1;
        }
        if version().await.is_none() {
            break;
        }
        world.clock.pass(week);
    }
    assert!(gone > 0 && version().await.is_none());
    assert!(world.store.runbook_source("version of new").await.unwrap().is_some());
    let pauses = world.store.pauses().await.unwrap();
    assert_eq!(
        pauses.iter().map(|pause| pause.why.as_str()).collect::<Vec<_>>(),
        ["in force"]
    );
    assert!(world.store.run(run).await.unwrap().is_some(), "it is open");
    let known = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&known);
    world
        .store
        .unfold(Vec::new(), Vec::new(), move |known| {
            *tell.lock().unwrap() = Some(known.clusters.len());
            (Unfolded::default(), ())
        })
        .await
        .unwrap();
    assert_eq!(
        *known.lock().unwrap(),
        Some(0),
        "nobody has spoken of the other cluster for long"
    );
}

#[tokio::test]
async fn a_bite_of_retention_is_small_however_much_is_old() {
    let world = World::new().await;
    for n in 0..300 {
        let pod = format!("pod-{n}");
        let (_, episode) = world.open_run(&pod, Mode::Shadow).await;
        let claimed = world.claim().await;
        let end = change(
            vec![
                Entry::Bound(binding(episode, &pod)),
                finished(Outcome::Suppressed, Reason::TargetGone),
            ],
            Phase::Finished,
        );
        world.store.record(&claimed.claim, 0, end).await.unwrap();
        world.resolve(episode).await;
    }
    world.pass(100);
    let now = world.clock.now();
    let mut bites = Vec::new();
    loop {
        let gone = world.store.purge(now, now).await.unwrap();
        if gone == 0 {
            break;
        }
        bites.push(gone);
    }
    // A run has two entries and its row: a third of 500 at a time, with 500 episodes beside them at the most.
    assert!(bites.len() >= 2, "{bites:?}");
    assert!(bites.iter().all(|gone| *gone <= 166 + 500), "{bites:?}");
    let runs = world.store.runs(&RunFilter::default(), None, 10).await.unwrap();
    assert!(runs.items.is_empty());
}
