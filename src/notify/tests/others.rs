//! Services that cannot edit, and receivers that are programs.

use super::*;
use simulated_cluster::teams;

#[tokio::test]
async fn an_incoming_webhook_tells_the_first_and_the_last_state() {
    let mut world = World::new().await;
    let path = world.slack.add_webhook(&world.token, CHANNEL);
    std::fs::write(world.folder.path().join("url"), format!("{}{path}", world.server.url())).unwrap();
    world.service = Arc::new(IncomingWebhook {
        url_file: world.folder.path().join("url"),
        outbound: outbound(),
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
        outbound: outbound(),
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

/// What a receiver of JSON got: headers and body of each post.
type Received = Arc<std::sync::Mutex<Vec<(http::HeaderMap, bytes::Bytes)>>>;

async fn receiver(status: http::StatusCode) -> (Received, Server) {
    let received = Received::default();
    let kept = received.clone();
    let server = simulated_cluster::serve::serve(move |request: http::Request<bytes::Bytes>| {
        kept.lock()
            .unwrap()
            .push((request.headers().clone(), request.body().clone()));
        std::future::ready(simulated_cluster::serve::answer(status, "text/plain", ""))
    })
    .await
    .unwrap();
    (received, server)
}

async fn with_webhook(server: &Server) -> (World, Healing) {
    let mut world = World::new().await;
    std::fs::write(world.folder.path().join("key"), "0123456789abcdef\n").unwrap();
    world.service = Arc::new(Webhook {
        address: Address::Plain(format!("{}/hook", server.url())),
        secret_file: Some(world.folder.path().join("key")),
        outbound: outbound(),
        clock: world.clock.clone(),
    });
    let mut healing = world.healing("cart-7d4f").await;
    healing.to[0] = Destination {
        sink: Sink::Webhook,
        channel: String::new(),
    };
    (world, healing)
}

#[tokio::test]
async fn a_webhook_gets_each_state_signed_over_what_was_sent() {
    let (received, server) = receiver(http::StatusCode::NO_CONTENT).await;
    let (world, mut healing) = with_webhook(&server).await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    let received = received.lock().unwrap().clone();
    assert_eq!(received.len(), 2);
    let header = |index: usize, name: &str| received[index].0[name].to_str().unwrap().to_owned();
    for (index, (_, body)) in received.iter().enumerate() {
        let body = std::str::from_utf8(body).unwrap();
        let signed = sign(b"0123456789abcdef", &header(index, "x-selfhealer-timestamp"), body);
        assert_eq!(header(index, "x-selfhealer-signature"), signed);
    }
    assert_ne!(header(0, "x-selfhealer-delivery"), header(1, "x-selfhealer-delivery"));
    let last: serde_json::Value = serde_json::from_slice(&received[1].1).unwrap();
    assert_eq!(
        (
            &last["version"],
            &last["last"],
            &last["run"]["outcome"],
            &last["target"]["name"]
        ),
        (
            &serde_json::json!("1"),
            &serde_json::json!(true),
            &serde_json::json!("succeeded"),
            &serde_json::json!("cart-7d4f")
        )
    );
}

#[tokio::test]
async fn a_webhook_that_refuses_is_not_asked_again_and_one_that_is_busy_is() {
    for (status, calls) in [
        (http::StatusCode::FORBIDDEN, 1..2),
        (http::StatusCode::BAD_GATEWAY, 5..200),
    ] {
        let (received, server) = receiver(status).await;
        let (world, mut healing) = with_webhook(&server).await;
        world.evict(&mut healing).await;
        world.deliver_for(Duration::from_secs(600)).await;
        let count = received.lock().unwrap().len();
        assert!(calls.contains(&count), "{status}: {count}");
    }
}

#[test]
fn the_signature_is_hmac_sha256_as_anybody_computes_it() {
    // printf 'v1:1531420618:{}' | openssl dgst -sha256 -hmac secret
    assert_eq!(
        sign(b"secret", "1531420618", "{}"),
        "v1=51aeaf74d818646b7ae2414dadca4a5299ac16844f7e595e25b166cb0a6b795a"
    );
}
