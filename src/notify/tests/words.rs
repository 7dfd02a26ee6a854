//! What authors write, and what labels say.

use super::*;
use crate::render::message::VIEW;

#[tokio::test]
async fn a_label_never_calls_anybody() {
    let world = World::new().await;
    let user = world.slack.add_user("ada");
    for (n, evil) in [
        "<!channel>".to_owned(),
        "<!here|x>".to_owned(),
        "@channel @here @everyone".to_owned(),
        format!("<@{user}> @ada"),
        "&lt;!channel&gt;".to_owned(),
        "```<!channel>```".to_owned(),
        "<https://evil.example|https://bank.example>".to_owned(),
        "{{labels.namespace}} {{#each x}}".to_owned(),
        "line\n<!channel>\r\n* bold *".to_owned(),
        "x".repeat(70_000),
        "\u{202e}<!channel>\0".to_owned(),
    ]
    .into_iter()
    .enumerate()
    {
        let more = Labels::from([("alertname".to_owned(), evil.clone())]);
        let mut healing = world.healing_of(&format!("cart-{n}"), CHANNEL, more).await;
        world.evict(&mut healing).await;
        world.deliver().await;
        world.end(&mut healing, Outcome::Failed).await;
        world.deliver().await;
        assert_eq!(world.slack.mentions(CHANNEL), [], "{evil:?}");
        assert_eq!(world.refused(), [], "{evil:?}");
    }
    assert_eq!(world.messages().len(), 11);
}

#[tokio::test]
async fn what_the_view_has_is_what_templates_may_name() {
    let world = World::new().await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.verify(&mut healing).await;
    let deferred = Entry::Deferred {
        reason: Reason::Paused,
        detail: "x".to_owned(),
        until: world.clock.now(),
    };
    let mut journals = vec![world.story(&healing).await];
    world.add(&mut healing, vec![deferred]).await;
    journals.push(world.story(&healing).await);
    world.end(&mut healing, Outcome::Failed).await;
    journals.push(world.story(&healing).await);
    let mut seen = std::collections::BTreeSet::new();
    for story in journals {
        let view = world.notifier.composer.view(&story, Some(&world.runbook)).unwrap();
        paths(&view.values(str::to_owned), "", &mut seen);
    }
    let known: std::collections::BTreeSet<String> = VIEW
        .iter()
        .map(|field| field.path.to_owned())
        // This runbook has no description.
        .filter(|path| path != "run.description")
        .collect();
    assert_eq!(seen, known);
}

/// The paths of a view as the table writes them; what stands below labels is anybody's.
fn paths(value: &serde_json::Value, at: &str, seen: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{at}{}{name}", if at.is_empty() { "" } else { "." });
                seen.insert(path.clone());
                if !path.ends_with("labels") && !path.ends_with("annotations") {
                    paths(value, &path, seen);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| paths(item, &format!("{at}[]"), seen)),
        _ => {}
    }
}

#[tokio::test]
async fn an_authors_template_speaks_in_its_phase_and_ours_in_the_others() {
    let notify = "  notify:\n    templates:\n      finished: \"{{run.outcome}} in {{run.took}}\"\n";
    let world = World::with(runbook(notify)).await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    assert!(world.shown().contains("*Fired:*"), "{}", world.shown());
    world.pass(2);
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    assert!(world.shown().contains("succeeded in 2s"), "{}", world.shown());
}

#[tokio::test]
async fn a_template_that_fails_is_replaced_and_says_so() {
    let notify = "  notify:\n    templates:\n      running: \"{{labels.team}}\"\n      finished: \"{{#if labels.team}}x{{/if}}\"\n";
    let world = World::with(runbook(notify)).await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    let shown = world.shown();
    assert!(
        shown.contains("*Fired:*") && shown.contains("template could not be used"),
        "{shown}"
    );
    world.end(&mut healing, Outcome::Succeeded).await;
    world.deliver().await;
    assert!(world.shown().contains("*Outcome:* succeeded"), "{}", world.shown());
    let metrics = world.metrics();
    assert!(
        metrics.contains("selfhealer_message_templates_failed_total 2"),
        "{metrics}"
    );
}

#[tokio::test]
async fn evidence_and_a_call_for_help_stand_in_the_thread() {
    let source = runbook("  notify: {mention: \"@here\"}\n").source;
    let shared = source.replace("yaml: true}", "yaml: true, share: true}");
    let world = World::with(Compiled::parse(&shared).unwrap()).await;
    let mut healing = world.healing("cart-7d4f").await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.end(&mut healing, Outcome::Failed).await;
    world.deliver().await;
    insta::assert_snapshot!(world.shown(), @r##"
    #healing

    03:12:00  selfhealer  (edited)
      ▌ ❌ Not healed: Pod shop/cart-7d4f
      *Fired:* 2026-03-01 03:12:00 UTC PodCrashLooping: A container restarts again and again.
      *Decided:* crash-looping-pod in mode enforce
      ✔ *collect* done: evidence collected
      ✔ *evict* done: evicted cart-7d4f
      *Outcome:* failed after 1s: Deployment shop/cart has 2 of 3 replicas ready (`not_healthy`)
      [run 019ca761-a400-7000-8001-1a8a995ebe87](https://selfhealer.example/api/v1/runs/019ca761-a400-7000-8001-1a8a995ebe87) · opened 2026-03-01 03:12:00 UTC
      ↳ 03:12:01  selfhealer
          *Evidence of Pod shop/cart-7d4f, collected 2026-03-01 03:12:00 UTC*
          ```2026-03-01T03:11:40Z Warning BackOff ×12: Back-off restarting failed container app

          {
            "object": {
              "kind": "Pod",
              "metadata": {
                "name": "cart-7d4f"
              }
            }
          }```
      ↳ 03:12:02  selfhealer  🔔 @here
          @here ❌ Not healed: Pod shop/cart-7d4f (1s)
    "##);
    assert_eq!(world.slack.mentions(CHANNEL), [slack::Mention::Here]);
    assert_eq!(world.refused(), []);
}

#[tokio::test]
async fn long_evidence_is_a_file_and_without_the_right_to_upload_a_reply() {
    for may_upload in [true, false] {
        let shared = runbook("").source.replace("yaml: true}", "yaml: true, share: true}");
        let world = World::with(Compiled::parse(&shared).unwrap()).await;
        if !may_upload {
            world.slack.remove_scope(&world.token, "files:write");
        }
        let mut healing = world.healing(&format!("cart-{}", "x".repeat(180))).await;
        let long = serde_json::json!({"object": {"log": "<!channel> ".repeat(2_000)}});
        let done = Entry::Done { step: 0, result: long };
        world.evict(&mut healing).await;
        world.add(&mut healing, vec![done]).await;
        world.deliver().await;
        let parent = world.messages()[0].ts.clone();
        let replies = world.slack.replies(CHANNEL, &parent);
        assert_eq!(replies.len(), 2, "{}", world.shown());
        let files: usize = replies.iter().map(|reply| reply.files.len()).sum();
        assert_eq!(files, usize::from(may_upload), "{}", world.shown());
        assert_eq!(world.slack.mentions(CHANNEL), []);
    }
}

#[tokio::test]
async fn what_is_too_long_for_slack_is_cut_on_boundaries() {
    let template = "&amp;word ".repeat(800);
    let notify = format!("  notify:\n    templates:\n      running: \"{template}\"\n");
    let world = World::with(runbook(&notify)).await;
    let more = Labels::from([("alertname".to_owned(), "&".repeat(5_000))]);
    let mut healing = world.healing_of(&"x".repeat(240), CHANNEL, more).await;
    world.evict(&mut healing).await;
    world.deliver().await;
    world.end(&mut healing, Outcome::Failed).await;
    world.deliver().await;
    assert_eq!(world.refused(), []);
    let message = &world.messages()[0];
    for section in &message.edits[0].blocks {
        let text = section["text"]["text"].as_str().unwrap_or_default();
        let whole = text
            .split_whitespace()
            .all(|word| !word.contains("amp") || word.contains("&amp;"));
        assert!(whole, "an entity was cut: {text}");
    }
}
