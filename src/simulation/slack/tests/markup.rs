use crate::slack::mrkdwn::{Mention, Names, plain, read};

struct Town;

impl Names for Town {
    fn user(&self, id: &str) -> Option<&str> {
        (id == "U1").then_some("alice")
    }

    fn user_named(&self, name: &str) -> Option<&str> {
        (name == "alice").then_some("U1")
    }

    fn channel(&self, id: &str) -> Option<&str> {
        (id == "C1").then_some("ops")
    }
}

#[test]
fn markup_is_shown_as_a_person_sees_it_and_says_whom_it_calls() {
    let user = |id: &str| Mention::User(id.to_owned());
    for (source, shown, mentions) in [
        ("plain", "plain", vec![]),
        ("<!channel> look", "@channel look", vec![Mention::Channel]),
        ("<!here|here>", "@here", vec![Mention::Here]),
        ("<!everyone>", "@everyone", vec![Mention::Everyone]),
        ("<!subteam^S1|@sre>", "@sre", vec![Mention::Group("S1".to_owned())]),
        ("<@U1> and <@U1>", "@alice and @alice", vec![user("U1")]),
        ("<@U2>", "@U2", vec![user("U2")]),
        ("<#C1> <#C2|dev>", "#ops #dev", vec![]),
        (
            "<https://example.com/?a=1&amp;b=2|the run>",
            "[the run](https://example.com/?a=1&b=2)",
            vec![],
        ),
        ("<https://example.com>", "https://example.com", vec![]),
        ("<mailto:a@example.com>", "a@example.com", vec![]),
        ("<!date^1772366400^{date}|noon>", "noon", vec![]),
        ("&lt;!channel&gt; &amp;lt; a &amp; b", "<!channel> &lt; a & b", vec![]),
        ("<nothing> <!nothing>", "<nothing> <!nothing>", vec![]),
        ("a < b <!here> > c", "a < b @here > c", vec![Mention::Here]),
        ("<b <!here>", "<b @here", vec![Mention::Here]),
        ("<!here", "<!here", vec![]),
        ("<@alice>", "<@alice>", vec![]),
        ("`<!here>`", "`@here`", vec![Mention::Here]),
        ("@channel @alice", "@channel @alice", vec![]),
        (":white_check_mark: :nothing:", "✅ :nothing:", vec![]),
        (
            "<!channel> <!here>",
            "@channel @here",
            vec![Mention::Channel, Mention::Here],
        ),
    ] {
        let seen = read(source, &Town, false);
        assert_eq!((seen.text.as_str(), seen.mentions), (shown, mentions), "{source}");
    }
    assert_eq!(plain("<!here> &amp; <@U1>"), "<!here> & <@U1>");
}

#[test]
fn names_count_where_slack_is_asked_to_find_them() {
    let found = |source| read(source, &Town, true).mentions;
    assert_eq!(found("@channel, @here."), [Mention::Channel, Mention::Here]);
    assert_eq!(found("(@alice)"), [Mention::User("U1".to_owned())]);
    assert_eq!(found("mail@here @heretic @bob a@channel"), []);
    assert_eq!(found("<https://example.com/@here|@here>"), []);
}
