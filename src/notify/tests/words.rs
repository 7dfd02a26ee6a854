//! What authors write, and what labels say.

use super::*;

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

#[test]
fn our_own_template_has_words_for_every_moment() {
    let composer = Composer::new(None);
    assert!(!format!("{:p}", &composer).is_empty());
}
