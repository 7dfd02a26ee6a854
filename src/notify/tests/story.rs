//! One run as the channel shows it, from the first word to the last.

use insta::assert_snapshot;

use super::*;

#[tokio::test]
async fn one_message_is_edited_from_the_eviction_to_the_end() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.deliver().await;
    assert_snapshot!(world.shown(), @r"#healing");
    world.pass(4);
    world.evict(&mut healing).await;
    world.deliver().await;
    assert_snapshot!(world.shown(), @r"
    #healing

    03:12:04  selfhealer
      ▌ 🔧 Healing Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC
    ");
    world.pass(2);
    world.verify(&mut healing).await;
    world.deliver().await;
    assert_snapshot!(world.shown(), @r"
    #healing

    03:12:04  selfhealer  (edited)
      ▌ 👀 Checking whether Pod shop/cart-7d4f healed
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      👀 *Verifying* until 2026-03-01 03:17:06 UTC: Deployment shop/cart has 2 of 3 replicas ready
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC
    ");
    world.pass(50);
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    assert_snapshot!(world.shown(), @r"
    #healing

    03:12:04  selfhealer  (edited)
      ▌ ✅ Healed Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      *Outcome:* succeeded after 58s: Deployment shop/cart has 3 of 3 replicas ready (`healthy`)
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC
    ");
    assert_eq!(world.messages().len(), 1);
    assert_eq!(world.refused(), []);
}

#[tokio::test]
async fn a_run_that_did_not_heal_says_so_first() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.verify(&mut healing).await;
    world.pass(300);
    world.end(&mut healing, Outcome::Failed).await;
    world.deliver().await;
    assert_snapshot!(world.shown(), @r"
    #healing

    03:17:00  selfhealer
      ▌ ❌ Not healed: Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      *Outcome:* failed after 5m: Deployment shop/cart has 2 of 3 replicas ready (`not_healthy`)
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC
    ");
}

#[tokio::test]
async fn a_run_that_changed_nothing_posts_nothing() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    let finish = Finish::new(Outcome::Suppressed, Reason::AlreadyHealthy, "it is ready again");
    world.add(&mut healing, vec![Entry::Finished(finish)]).await;
    world.deliver().await;
    assert_eq!(world.messages(), []);
    assert_eq!(world.slack.calls(), []);
}

#[tokio::test]
async fn changes_that_come_quickly_are_one_edit() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver_for(Duration::ZERO).await;
    for look in 0..20 {
        let detail = format!("look {look}");
        let seen = Entry::Observed {
            healthy: Some(look % 2 == 0),
            detail,
        };
        world.add(&mut healing, vec![seen]).await;
    }
    world.deliver().await;
    assert_eq!(world.count("chat.update"), 1);
}

#[tokio::test]
async fn edits_go_on_after_a_restart() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    let again = World {
        notifier: notifier(&world.store, &world.clock),
        ..world
    };
    again.end(&mut healing, Outcome::Succeeded).await;
    again.deliver().await;
    assert_eq!(again.messages().len(), 1);
    assert!(again.shown().contains("Healed Pod shop/cart-7d4f"), "{}", again.shown());
}
