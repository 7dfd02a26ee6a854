//! A storm: never more than Slack allows, every end told, nobody waits.

use super::*;

const CHANNELS: [&str; 3] = [CHANNEL, "#payments", "#search"];

#[tokio::test]
async fn five_hundred_runs_in_a_minute_on_three_channels() {
    let world = World::new().await;
    for channel in &CHANNELS[1..] {
        let id = world.slack.add_channel(channel);
        world.slack.invite(&world.token, &id);
    }
    let mut healings = Vec::new();
    for n in 0..500 {
        let channel = CHANNELS[n % 3];
        let mut healing = world.healing_of(&format!("cart-{n:03}"), channel, Labels::new()).await;
        world.evict(&mut healing).await;
        healings.push(healing);
        if n % 10 == 9 {
            world.deliver_for(Duration::from_millis(1_200)).await;
        }
    }
    for (n, healing) in healings.iter_mut().enumerate() {
        let outcome = if n % 7 == 0 {
            Outcome::Failed
        } else {
            Outcome::Succeeded
        };
        world.end(healing, outcome).await;
    }
    let begun = world.clock.now();
    world.deliver().await;
    let took = world.clock.now().duration_since(begun).as_secs();
    assert_eq!(world.refused(), [], "Slack has refused nothing");
    let texts: Vec<String> = CHANNELS.map(|channel| world.slack.channel_as_text(channel)).into();
    for n in 0..500 {
        let pod = format!("shop/cart-{n:03}");
        let told = if n % 7 == 0 { "Not healed: Pod" } else { "Healed Pod" };
        let lines: Vec<&str> = texts[n % 3]
            .lines()
            .filter(|line| line.contains(&format!("Pod {pod}")))
            .collect();
        assert!(lines.iter().any(|line| line.contains(told)), "{pod}: {lines:?}");
    }
    let messages: usize = CHANNELS
        .map(|channel| {
            world
                .slack
                .messages(channel)
                .iter()
                .filter(|message| !message.is_reply())
                .count()
        })
        .iter()
        .sum();
    assert!(messages < 100, "{messages} messages are a flood");
    assert!(took < 180, "the last state came {took} s after the last run ended");
}

#[tokio::test]
async fn ten_runs_are_ten_messages_and_eleven_a_digest() {
    for (runs, messages) in [(10, 10), (11, 1)] {
        let world = World::new().await;
        let mut healings = Vec::new();
        for n in 0..runs {
            let mut healing = world.healing(&format!("cart-{n}")).await;
            world.evict(&mut healing).await;
            healings.push(healing);
        }
        world.deliver().await;
        assert_eq!(world.messages().len(), messages, "{}", world.shown());
        for healing in &mut healings {
            world.end(healing, Outcome::Succeeded).await;
        }
        world.deliver().await;
        assert_eq!(world.messages().len(), messages, "{}", world.shown());
    }
}

#[tokio::test]
async fn a_digest_shows_first_who_needs_help() {
    let world = World::new().await;
    let mut healings = Vec::new();
    for n in 0..14 {
        let mut healing = world.healing(&format!("cart-{n:02}")).await;
        world.evict(&mut healing).await;
        healings.push(healing);
    }
    world.deliver().await;
    insta::assert_snapshot!(world.shown(), @r"
    #healing

    03:12:00  selfhealer
      ▌ 🔧 14 runs: 0 healed, 14 under way
      🔧 Healing Pod shop/cart-00
      🔧 Healing Pod shop/cart-01
      🔧 Healing Pod shop/cart-02
      🔧 Healing Pod shop/cart-03
      🔧 Healing Pod shop/cart-04
      🔧 Healing Pod shop/cart-05
      🔧 Healing Pod shop/cart-06
      🔧 Healing Pod shop/cart-07
      🔧 Healing Pod shop/cart-08
      🔧 Healing Pod shop/cart-09
      🔧 Healing Pod shop/cart-10
      🔧 Healing Pod shop/cart-11
      🔧 Healing Pod shop/cart-12
      🔧 Healing Pod shop/cart-13
      digest of 14 runs · [all runs](https://selfhealer.example/api/v1/runs)
    ");
    world.pass(60);
    for (n, healing) in healings.iter_mut().enumerate().skip(1) {
        let outcome = if n == 9 { Outcome::Failed } else { Outcome::Succeeded };
        world.end(healing, outcome).await;
    }
    world.deliver().await;
    insta::assert_snapshot!(world.shown(), @r"
    #healing

    03:12:00  selfhealer  (edited)
      ▌ ❌ 14 runs: 12 healed, 1 needs help, 1 under way
      ❌ Not healed: Pod shop/cart-09 (1m)
      🔧 Healing Pod shop/cart-00
      ✅ Healed Pod shop/cart-01 (1m)
      ✅ Healed Pod shop/cart-02 (1m)
      ✅ Healed Pod shop/cart-03 (1m)
      ✅ Healed Pod shop/cart-04 (1m)
      ✅ Healed Pod shop/cart-05 (1m)
      ✅ Healed Pod shop/cart-06 (1m)
      ✅ Healed Pod shop/cart-07 (1m)
      ✅ Healed Pod shop/cart-08 (1m)
      ✅ Healed Pod shop/cart-10 (1m)
      ✅ Healed Pod shop/cart-11 (1m)
      ✅ Healed Pod shop/cart-12 (1m)
      ✅ Healed Pod shop/cart-13 (1m)
      digest of 14 runs · [all runs](https://selfhealer.example/api/v1/runs)
    ");
    assert!(world.count("chat.update") <= 2, "changes of a digest are gathered");
}
