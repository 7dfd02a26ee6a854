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

/// The message about a run that ends so, with whatever came before.
async fn ending(more: &str, before: Vec<Entry>, outcome: Outcome, reason: Reason, detail: &str) -> String {
    let world = World::with(runbook(more)).await;
    let mut healing = world.healing("cart-7d4f").await;
    for entry in before {
        if matches!(entry, Entry::Deferred { .. }) {
            world.evict(&mut healing).await;
        }
        world.add(&mut healing, vec![entry]).await;
    }
    if outcome != Outcome::Succeeded {
        let finish = Finish::new(outcome, reason, detail);
        world.add(&mut healing, vec![Entry::Finished(finish)]).await;
    }
    world.deliver().await;
    let shown = world.shown();
    let lines: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("  ") && !line.contains("[run "))
        .collect();
    lines.join("\n")
}

#[tokio::test]
async fn every_other_end_has_its_words() {
    let suppressed = "  notify: {suppressed: true}\n";
    let refused = Entry::Deferred {
        reason: Reason::DisruptionBudget,
        detail: "the disruption budget cart needs 3 healthy pods and has 3 currently".to_owned(),
        until: "2026-03-01T03:12:05Z".parse().unwrap(),
    };
    let mut text = String::new();
    for (what, shown) in [
        (
            "waiting",
            ending("", vec![refused.clone()], Outcome::Succeeded, Reason::Healthy, "").await,
        ),
        (
            "inconclusive",
            ending(
                "",
                vec![refused.clone()],
                Outcome::Inconclusive,
                Reason::NotSeen,
                "the API server did not answer",
            )
            .await,
        ),
        (
            "canceled",
            ending(
                "",
                vec![refused],
                Outcome::Canceled,
                Reason::Canceled,
                "by oncall: false alarm",
            )
            .await,
        ),
        (
            "shadow",
            ending(
                suppressed,
                Vec::new(),
                Outcome::Suppressed,
                Reason::Shadow,
                "would have evicted cart-7d4f",
            )
            .await,
        ),
        (
            "dry run",
            ending(
                suppressed,
                Vec::new(),
                Outcome::Suppressed,
                Reason::DryRun,
                "the API server would have evicted cart-7d4f",
            )
            .await,
        ),
        (
            "refused",
            ending(
                suppressed,
                Vec::new(),
                Outcome::Suppressed,
                Reason::ProtectedNamespace,
                "kube-system is protected",
            )
            .await,
        ),
        (
            "failed before anything was sent",
            ending(
                "",
                Vec::new(),
                Outcome::Failed,
                Reason::Forbidden,
                "selfhealer may not get pods",
            )
            .await,
        ),
    ] {
        text.push_str(&format!("{what}\n{shown}\n"));
    }
    assert_snapshot!(text, @r"
    waiting
      ▌ ⏳ Waiting to heal Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      ⏳ *Waits* until 2026-03-01 03:12:05 UTC: the disruption budget cart needs 3 healthy pods and has 3 currently (`disruption_budget`)
    inconclusive
      ▌ ❓ Cannot tell whether Pod shop/cart-7d4f healed
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      *Outcome:* inconclusive after 0s: the API server did not answer (`not_seen`)
    canceled
      ▌ 🛑 Canceled: Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      *Outcome:* canceled after 0s: by oncall: false alarm (`canceled`)
    shadow
      ▌ 👥 Would have healed Pod shop/cart-7d4f (shadow)
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      – *evict* not done
      *Outcome:* suppressed after 0s: would have evicted cart-7d4f (`shadow`)
    dry run
      ▌ 🧪 Dry run on Pod shop/cart-7d4f: nothing was changed
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      – *evict* not done
      *Outcome:* suppressed after 0s: the API server would have evicted cart-7d4f (`dry_run`)
    refused
      ▌ 🚫 Left alone: Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      – *evict* not done
      *Outcome:* suppressed after 0s: kube-system is protected (`protected_namespace`)
    failed before anything was sent
      ▌ ❌ Not healed: Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      – *evict* not done
      *Outcome:* failed after 0s: selfhealer may not get pods (`forbidden`)
    ");
}
