//! Services that cannot edit, and receivers that are programs.

use super::*;
use crate::simulation::teams;

#[tokio::test]
async fn an_incoming_webhook_tells_the_first_and_the_last_state() {
    let mut world = World::new().await;
    let path = world.slack.add_webhook(&world.token, CHANNEL);
    std::fs::write(world.folder.path().join("url"), format!("{}{path}", world.server.url())).unwrap();
    world.service = Arc::new(IncomingWebhook {
        url_file: world.folder.path().join("url"),
        outbound: Outbound::new().unwrap(),
    });
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.verify(&mut healing).await;
    world.deliver().await;
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    insta::assert_snapshot!(world.shown(), @r"
    #healing

    03:12:00  selfhealer
      ▌ 🔧 Healing Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC

    03:12:03  selfhealer
      ▌ ✅ Healed Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      *Outcome:* succeeded after 2s: Deployment shop/cart has 3 of 3 replicas ready (`healthy`)
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC
    ");
    assert_eq!(world.refused(), []);
}

#[tokio::test]
async fn teams_gets_a_card_for_the_first_and_one_for_the_last_state() {
    let mut world = World::new().await;
    let time = world.clock.clone();
    let teams = teams::Teams::new(Arc::new(move || time.now()));
    let server = teams.serve().await.unwrap();
    std::fs::write(
        world.folder.path().join("url"),
        format!("{}{}", server.url(), teams.path()),
    )
    .unwrap();
    world.service = Arc::new(Teams {
        url_file: world.folder.path().join("url"),
        outbound: Outbound::new().unwrap(),
    });
    let mut healing = world.healing("cart-7d4f").await;
    healing.to[0] = Destination {
        sink: Sink::Teams,
        channel: String::new(),
    };
    world.evict(&mut healing).await;
    world.deliver().await;
    world.verify(&mut healing).await;
    world.end(&mut healing, Outcome::Failed).await;
    world.deliver().await;
    assert!(
        teams.calls().iter().all(|call| call.refused.is_none()),
        "{:?}",
        teams.calls()
    );
    insta::assert_snapshot!(teams.channel_as_text(), @r"
    03:12:00  Workflows
      ▌ 🔧 Healing Pod shop/cart-7d4f
      Fired: 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      Decided: crash-looping-pod in mode enforce
      ✔ collect done: evidence collected
      ✔ evict done: evicted cart-7d4f
      run 019ca761-a400-7000-8001-1a8a995ebe87 · opened 2026-03-01 03:12:00 UTC
      [Open](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87)

    03:12:00  Workflows
      ▌ ❌ Not healed: Pod shop/cart-7d4f
      Fired: 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      Decided: crash-looping-pod in mode enforce
      ✔ collect done: evidence collected
      ✔ evict done: evicted cart-7d4f
      Outcome: failed after 0s: Deployment shop/cart has 2 of 3 replicas ready (not_healthy)
      run 019ca761-a400-7000-8001-1a8a995ebe87 · opened 2026-03-01 03:12:00 UTC
      [Open](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87)
    ");
}
