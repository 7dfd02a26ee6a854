//! A Slack that fails in each documented way, and what the channel shows in the end.

use super::*;
use simulated_cluster::faults::{Fault, Rule};

/// A run whose first post meets this fault, delivered to the end.
async fn first_post_meets(fault: Fault) -> World {
    let world = World::new().await;
    // Another message was posted here before, so the channel's id is known.
    let mut other = world.healing("earlier").await;
    world.evict(&mut other).await;
    world.deliver().await;
    world.slack.faults().add(Rule::once(fault).on("chat.postMessage"));
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    world
}

fn about(world: &World, pod: &str) -> Vec<slack::Message> {
    let all = world.messages();
    all.into_iter().filter(|message| message.text.contains(pod)).collect()
}

#[tokio::test]
async fn every_failure_of_a_first_post_ends_with_one_message_that_tells_the_end() {
    for fault in [
        Fault::RateLimited(30),
        Fault::Refused("internal_error".to_owned()),
        Fault::Refused("service_unavailable".to_owned()),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Cut,
        Fault::AnswerLost,
        Fault::Garbled,
    ] {
        let world = first_post_meets(fault.clone()).await;
        let ours = about(&world, "cart-7d4f");
        assert_eq!(ours.len(), 1, "{fault:?}: {}", world.shown());
        assert!(ours[0].text.contains("Healed"), "{fault:?}: {}", ours[0].text);
        assert!(!world.shown().contains("duplicate"), "{fault:?}");
    }
}

#[tokio::test]
async fn where_nothing_can_be_looked_for_a_lost_answer_leaves_one_duplicate_that_says_so() {
    let world = World::new().await;
    world.slack.remove_scope(&world.token, "channels:history");
    world
        .slack
        .faults()
        .add(Rule::once(Fault::AnswerLost).on("chat.postMessage"));
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    let ours = about(&world, "cart-7d4f");
    assert_eq!(ours.len(), 2, "{}", world.shown());
    let id = |message: &slack::Message| message.metadata.as_ref().unwrap()["event_payload"]["message"].clone();
    assert_eq!(id(&ours[0]), id(&ours[1]));
    assert!(ours[1].text.contains("Healed"));
    let first_edition = &ours[1].edits[0];
    assert!(
        serde_json::to_string(&first_edition.blocks)
            .unwrap()
            .contains("may be a duplicate")
    );
}

#[tokio::test]
async fn an_outage_of_fifteen_minutes_loses_no_last_state_and_holds_up_no_run() {
    let world = World::new().await;
    world.server.go_down();
    let mut healings = Vec::new();
    for n in 0..8 {
        let mut healing = world.healing(&format!("cart-{n}")).await;
        world.evict(&mut healing).await;
        healings.push(healing);
        world.deliver_for(Duration::from_secs(60)).await;
    }
    for healing in &mut healings {
        world.end(healing, Outcome::Succeeded).await;
    }
    world.deliver_for(Duration::from_secs(420)).await;
    assert_eq!(world.slack.calls(), []);
    world.server.come_up();
    world.deliver().await;
    for n in 0..8 {
        let ours = about(&world, &format!("cart-{n}"));
        assert_eq!(ours.len(), 1, "{}", world.shown());
        assert!(ours[0].text.contains("Healed"));
    }
}

#[tokio::test]
async fn what_slack_forbids_is_kept_over_a_restart() {
    let world = World::new().await;
    world
        .slack
        .faults()
        .add(Rule::once(Fault::RateLimited(600)).on("chat.postMessage"));
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver_for(Duration::ZERO).await;
    assert_eq!(world.slack.calls().len(), 1);
    let again = World {
        notifier: notifier(&world.store, &world.clock),
        ..world
    };
    again.deliver_for(Duration::from_secs(590)).await;
    assert_eq!(again.slack.calls().len(), 1, "it waits");
    again.deliver().await;
    assert_eq!(again.messages().len(), 1);
}

#[tokio::test]
async fn a_deleted_message_is_posted_afresh_once() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.slack.delete_message(CHANNEL, &world.messages()[0].ts);
    world.verify(&mut healing).await;
    world.deliver().await;
    assert_eq!(world.messages().len(), 1);
    world.slack.delete_message(CHANNEL, &world.messages()[0].ts);
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    assert_eq!(
        world.messages(),
        [],
        "a message that somebody deletes twice stays deleted"
    );
    let trouble = world.notifier.failures.summary().unwrap();
    assert!(trouble.contains("message_gone"), "{trouble}");
}

#[tokio::test]
async fn what_a_person_must_mend_is_told_once_and_never_tried_for_ever() {
    type Break = fn(&World);
    let breaks: [(&str, Break); 7] = [
        ("unauthorized", |world| world.slack.revoke(&world.token)),
        ("unauthorized", |world| world.slack.disable_app(&world.token, true)),
        ("unauthorized", |world| {
            std::fs::write(world.folder.path().join("token"), "xoxb-wrong").unwrap()
        }),
        ("secret_unreadable", |world| {
            std::fs::remove_file(world.folder.path().join("token")).unwrap()
        }),
        ("missing_permission", |world| {
            world.slack.remove_scope(&world.token, "chat:write")
        }),
        ("channel_unavailable", |world| world.slack.archive(CHANNEL)),
        ("channel_unavailable", |world| {
            world.slack.restrict(CHANNEL, slack::Posting::Restricted)
        }),
    ];
    for (reason, broken) in breaks {
        let world = World::new().await;
        broken(&world);
        let mut healing = world.healing("cart-7d4f").await;
        world.evict(&mut healing).await;
        world.deliver_for(Duration::from_secs(86_400)).await;
        let trouble = world.notifier.failures.summary().unwrap();
        assert!(trouble.contains(reason), "{reason}: {trouble}");
        assert!(world.slack.calls().len() <= 1, "{reason}: {:?}", world.slack.calls());
        let metrics = world.metrics();
        let counted = format!("selfhealer_messages_total{{sink=\"slack\",result=\"{reason}\"}} 1");
        assert!(metrics.contains(&counted), "{reason}");
    }
}

#[tokio::test]
async fn a_channel_that_is_mended_is_told_of_again() {
    let world = World::new().await;
    world.slack.archive(CHANNEL);
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    assert!(world.notifier.failures.summary().is_some());
    world.slack.unarchive(CHANNEL);
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    assert_eq!(world.notifier.failures.summary(), None);
    assert!(world.shown().contains("Healed"), "{}", world.shown());
}

#[tokio::test]
async fn refused_blocks_are_told_as_text() {
    let world = World::new().await;
    let refused = Fault::Refused("invalid_blocks".to_owned());
    world.slack.faults().add(Rule::once(refused).on("chat.postMessage"));
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    let ours = world.messages();
    assert_eq!(ours.len(), 1);
    assert!(
        ours[0].blocks.is_empty() && ours[0].text.contains("Healed"),
        "{:?}",
        ours[0]
    );
}

#[tokio::test]
async fn whoever_finds_a_message_claimed_by_another_waits_for_the_lease() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    let due = world.store.due_messages(Sink::Slack, 1).await.unwrap().remove(0);
    let lease = Duration::from_secs(60);
    assert!(world.store.claim_message(&due, "other", lease).await.unwrap().is_some());
    let next = world.notifier.deliver_due(&*world.service).await.unwrap();
    assert_eq!(next, Some(world.clock.now() + lease));
    assert_eq!(world.slack.calls(), []);
}

#[tokio::test]
async fn two_replicas_post_once() {
    let world = World::new().await;
    let other = Notifier {
        owner: "other".to_owned(),
        ..notifier(&world.store, &world.clock)
    };
    for n in 0..5 {
        let mut healing = world.healing(&format!("cart-{n}")).await;
        world.evict(&mut healing).await;
        let (one, two) = tokio::join!(
            world.notifier.deliver_due(&*world.service),
            other.deliver_due(&*world.service)
        );
        one.unwrap();
        two.unwrap();
        world.pass(10);
    }
    assert_eq!(world.messages().len(), 5, "{}", world.shown());
}

#[tokio::test]
async fn a_message_that_is_not_ours_to_edit_any_more_is_posted_afresh() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    // The app was made anew, under another bot.
    let token = world.slack.install_app("selfhealer-2", &SCOPES);
    world.slack.invite(&token, CHANNEL);
    std::fs::write(world.folder.path().join("token"), &token).unwrap();
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    let ours = about(&world, "cart-7d4f");
    assert_eq!(ours.len(), 2, "{}", world.shown());
    assert!(ours[1].text.contains("Healed"));
}
