//! Admission: siblings on one root, and what guards look back on.

use super::*;

#[tokio::test]
async fn alerts_of_a_sibling_join_a_run_that_has_not_acted_and_its_turn_starts_over() {
    let world = World::new().await;
    let (one, first) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(first, "a"))], Phase::Pending);
    world.judge(&claimed, 0, &binding(first, "a"), bound).await.0.unwrap();

    let (two, second) = world.open_run("b", Mode::Enforce).await;
    let sibling = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
    let (judged, _) = world.judge(&sibling, 0, &binding(second, "b"), bound).await;
    assert!(
        matches!(judged, Ok(Admitted::Merged { into }) if into == one),
        "{judged:?}"
    );

    // Whoever decided without the new alert must decide again.
    let start = change(vec![started("a")], Phase::Running);
    let (judged, _) = world.judge(&claimed, 1, &binding(first, "a"), start).await;
    assert!(matches!(judged, Err(CommitError::Stale)), "{judged:?}");
    let detail = world.store.run(one).await.unwrap().unwrap();
    assert_eq!(detail.alerts.len(), 2);
    let ended = world.store.run(two).await.unwrap().unwrap();
    assert_eq!(ended.run.reason.as_deref(), Some("merged"));
    assert!(ended.alerts.is_empty());
}

#[tokio::test]
async fn after_a_start_siblings_wait_and_what_acted_is_counted() {
    let world = World::new().await;
    let (one, first) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let start = change(vec![Entry::Bound(binding(first, "a")), started("a")], Phase::Running);
    world.judge(&claimed, 0, &binding(first, "a"), start).await.0.unwrap();

    let (two, second) = world.open_run("b", Mode::Enforce).await;
    let sibling = world.claim().await;
    let wait = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
    let (judged, history) = world.judge(&sibling, 0, &binding(second, "b"), wait).await;
    assert!(matches!(judged, Ok(Admitted::Committed(_))), "{judged:?}");
    let history = history.unwrap();
    assert_eq!(history.busy, Some(one));
    assert_eq!(history.attempts.len(), 1, "the other run has acted on the same root");
    assert!(history.attempts[0].at >= history.incident, "in the same incident");
    assert_ne!(one, two);
}

#[tokio::test]
async fn an_incident_ends_when_the_root_was_quiet_for_long_enough() {
    for (quiet_for, attempts_in_incident) in [(59 * 60, 1), (61 * 60, 0)] {
        let world = World::new().await;
        let (_, first) = world.open_run("a", Mode::Enforce).await;
        let claimed = world.claim().await;
        let entries = vec![
            Entry::Bound(binding(first, "a")),
            started("a"),
            finished(Outcome::Succeeded, Reason::Healthy),
        ];
        world
            .judge(&claimed, 0, &binding(first, "a"), change(entries, Phase::Finished))
            .await
            .0
            .unwrap();
        world.pass(60);
        world.resolve(first).await;
        world.pass(quiet_for);
        let (_, second) = world.open_run("b", Mode::Enforce).await;
        let next = world.claim().await;
        let bound = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
        let history = world.judge(&next, 0, &binding(second, "b"), bound).await.1.unwrap();
        let counted = history
            .attempts
            .iter()
            .filter(|attempt| attempt.at >= history.incident)
            .count();
        assert_eq!(counted, attempts_in_incident, "quiet for {quiet_for} s");
    }
}

#[tokio::test]
async fn what_is_in_shadow_takes_no_lock_and_counts_apart() {
    let world = World::new().await;
    let (_, first) = world.open_run("a", Mode::Shadow).await;
    let claimed = world.claim().await;
    let intent = Intent::Evict { target: target("a") };
    let entries = vec![Entry::Bound(binding(first, "a")), Entry::WouldStart { step: 0, intent }];
    world
        .judge(&claimed, 0, &binding(first, "a"), change(entries, Phase::Running))
        .await
        .0
        .unwrap();

    let (_, second) = world.open_run("b", Mode::Enforce).await;
    let acting = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(second, "b"))], Phase::Pending);
    let (judged, history) = world.judge(&acting, 0, &binding(second, "b"), bound).await;
    assert!(
        matches!(judged, Ok(Admitted::Committed(_))),
        "not merged into a run that only looks: {judged:?}"
    );
    let history = history.unwrap();
    assert_eq!((history.busy, history.attempts.len()), (None, 0));
}

#[tokio::test]
async fn attempts_are_read_as_far_as_the_limits_look_back_latest_first() {
    let world = World::new().await;
    for pod in ["a", "b", "c", "d", "e", "f"] {
        let (_, episode) = world.open_run(pod, Mode::Enforce).await;
        let claimed = world.claim().await;
        let entries = vec![
            Entry::Bound(binding(episode, pod)),
            started(pod),
            finished(Outcome::Succeeded, Reason::Healthy),
        ];
        let admitted = world
            .judge(&claimed, 0, &binding(episode, pod), change(entries, Phase::Finished))
            .await;
        admitted.0.unwrap();
        world.pass(60);
    }
    let (_, episode) = world.open_run("g", Mode::Enforce).await;
    let claimed = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(episode, "g"))], Phase::Pending);
    let history = world.judge(&claimed, 0, &binding(episode, "g"), bound).await.1.unwrap();
    // The default rate is four in a day: more are not asked for.
    assert_eq!(history.attempts.len(), 4);
    let ages: Vec<i64> = history
        .attempts
        .iter()
        .map(|attempt| world.clock.now().duration_since(attempt.at).as_secs())
        .collect();
    assert_eq!(ages, [60, 120, 180, 240]);
}

#[tokio::test]
async fn an_alert_that_ends_or_fires_again_is_seen_by_whoever_judges_its_run() {
    let world = World::new().await;
    let (_, episode) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    let bound = change(vec![Entry::Bound(binding(episode, "a"))], Phase::Pending);
    let history = world.judge(&claimed, 0, &binding(episode, "a"), bound).await.1.unwrap();
    assert!(history.firing);
    world.resolve(episode).await;
    let again = change(Vec::new(), Phase::Pending);
    let history = world
        .judge(&claimed, 1, &binding(episode, "a"), again.clone())
        .await
        .1
        .unwrap();
    assert!(!history.firing);
    let now = world.clock.now();
    let reopened = SeenEpisode {
        id: episode,
        latest: Latest {
            started: now,
            closed: None,
        },
        last_seen: now,
        reason: None,
    };
    let unfolded = Unfolded {
        seen: vec![reopened],
        ..Unfolded::default()
    };
    world
        .store
        .unfold(Vec::new(), Vec::new(), move |_| (unfolded.clone(), ()))
        .await
        .unwrap();
    let history = world.judge(&claimed, 1, &binding(episode, "a"), again).await.1.unwrap();
    assert!(history.firing);
}
