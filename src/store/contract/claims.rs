//! Claims: one holder at a time, and whoever lost a claim writes nothing.

use super::*;

#[tokio::test]
async fn a_run_is_claimed_by_one_at_a_time_and_again_when_the_lease_has_run_out() {
    let world = World::new().await;
    world.open_run("a", Mode::Enforce).await;
    let first = world.claim().await;
    assert!(world.store.claim("other", LEASE, 10).await.unwrap().is_empty());
    world.pass(31);
    let second = world.claim().await;
    assert_eq!(second.claim.epoch, first.claim.epoch + 1);
    // The first holder writes late: nothing of it is kept.
    let late = change(vec![finished(Outcome::Failed, Reason::Deadline)], Phase::Finished);
    let written = world.store.record(&first.claim, 0, late).await;
    assert!(matches!(written, Err(CommitError::LeaseLost)), "{written:?}");
    assert_eq!(
        world.store.run(first.run.id).await.unwrap().unwrap().run.phase,
        "pending"
    );
}

#[tokio::test]
async fn every_commit_renews_the_lease() {
    let world = World::new().await;
    let (_, episode) = world.open_run("a", Mode::Enforce).await;
    let claimed = world.claim().await;
    world.pass(20);
    let bound = change(vec![Entry::Bound(binding(episode, "a"))], Phase::Pending);
    world.store.record(&claimed.claim, 0, bound).await.unwrap();
    world.pass(20);
    assert!(world.store.claim("other", LEASE, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_lease_that_is_renewed_keeps_the_run_and_one_that_was_lost_is_not_renewed() {
    let world = World::new().await;
    world.open_run("a", Mode::Enforce).await;
    let first = world.claim().await;
    for _ in 0..4 {
        world.pass(20);
        assert!(world.store.renew(&first.claim).await.unwrap());
        assert!(world.store.claim("other", LEASE, 10).await.unwrap().is_empty());
    }
    world.pass(31);
    let second = world.claim().await;
    assert!(!world.store.renew(&first.claim).await.unwrap());
    assert!(world.store.renew(&second.claim).await.unwrap());
}

#[tokio::test]
async fn a_restart_frees_what_was_claimed() {
    let world = World::new().await;
    world.open_run("a", Mode::Enforce).await;
    let first = world.claim().await;
    let path = world.folder.path().join("db");
    let second = Store::open(&path, world.clock.clone(), world.ids.clone()).await;
    assert!(
        matches!(second, Err(OpenError::InUse { .. })),
        "while the first one lives"
    );
    world.store.close().await;
    let World {
        folder: _folder,
        clock,
        ids,
        store,
    } = world;
    drop(store);
    let store = Store::open(&path, clock, ids).await.unwrap();
    let again = store.claim("next", LEASE, 10).await.unwrap();
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].epoch, first.claim.epoch + 1);
}
