//! What a runbook says about its messages.

use super::*;
use crate::domain::run::Phase;

fn with(notify: &str) -> String {
    format!("{RUNBOOK}  notify:\n{notify}")
}

#[test]
fn every_field_of_notify_is_read() {
    let text = with(concat!(
        "    channel: \"#team-{{labels.team}}\"\n",
        "    mention: \"<!subteam^S012AB3CD>\"\n",
        "    suppressed: true\n",
        "    templates:\n",
        "      running: \"{{headline}}\"\n",
        "      finished: |\n",
        "        *{{run.outcome}}* {{#each steps}}{{name}} {{/each}}\n",
    ));
    let parsed = one(&text.replace("{events: true}", "{events: true, share: true}"));
    let notify = &parsed.runbook.notify;
    assert_eq!(notify.channel.as_ref().unwrap().source, "#team-{{labels.team}}");
    assert_eq!(notify.mention.as_deref(), Some("<!subteam^S012AB3CD>"));
    assert!(notify.suppressed);
    assert_eq!(
        parsed.programs.messages.keys().copied().collect::<Vec<_>>(),
        [Phase::Running, Phase::Finished]
    );
    assert!(matches!(&parsed.runbook.steps[0].action, StepAction::Collect(collect) if collect.share));
    assert!(!one(RUNBOOK).runbook.notify.suppressed);
}

#[test]
fn slips_in_notify_are_told_with_their_place() {
    let mut text = String::new();
    for notify in [
        "    chanel: \"#a\"\n",
        "    channel: alerts\n",
        "    channel: \"#Team {{labels.team}}\"\n",
        "    channel: \"#{{team}}\"\n",
        "    mention: \"@ada\"\n",
        "    mention: here\n",
        "    mention: \"<@ada>\"\n",
        "    suppressed: maybe\n",
        "    templates: {runing: x}\n",
        "    templates: {pending: x}\n",
        "    templates: {running: \"{{headlin}}\"}\n",
        "    templates:\n      finished: |\n        fine\n        {{run.outcom}}\n",
        "    templates: {finished: \"{{#if run}}\"}\n",
        "    templates: {finished: \"{{> other}}\"}\n",
        "    templates: {finished: \"{{lookup labels 'a'}}\"}\n",
        "    templates: {finished: 7}\n",
        "    templates: []\n",
    ] {
        text.push_str(notify);
        for finding in told(&with(notify)) {
            text.push_str(&format!(" → {finding}\n"));
        }
    }
    insta::assert_snapshot!(text, @r##"
       chanel: "#a"
    → 36:5: `chanel` is not a field of `notify` (did you mean `channel`?)
       channel: alerts
    → 36:14: `alerts` is not a channel of Slack: it begins with neither `#` nor an id's `C` (write `"#alerts"` with quotes, or a channel's id like C0123ABCD)
       channel: "#Team {{labels.team}}"
       channel: "#{{team}}"
    → 36:18: `team` is not known: write {{labels.team}} for the label of that name
       mention: "@ada"
    → 36:14: `@ada` calls nobody in Slack (write `"@here"`, `"@channel"`, a member's id as `"<@U012AB3CD>"`, or a group's as `"<!subteam^S012AB3CD>"`)
       mention: here
    → 36:14: `here` calls nobody in Slack (write `"@here"`, `"@channel"`, a member's id as `"<@U012AB3CD>"`, or a group's as `"<!subteam^S012AB3CD>"`)
       mention: "<@ada>"
    → 36:14: `<@ada>` calls nobody in Slack (write `"@here"`, `"@channel"`, a member's id as `"<@U012AB3CD>"`, or a group's as `"<!subteam^S012AB3CD>"`)
       suppressed: maybe
    → 36:17: `suppressed` must be true or false (write `true` or `false`)
       templates: {runing: x}
    → 36:17: `runing` is not a field of `templates` (did you mean `running`?)
       templates: {pending: x}
    → 36:17: `pending` is not a field of `templates` (expected `running`, `verifying` or `finished`)
       templates: {running: "{{headlin}}"}
    → 36:29: `headlin` is not known: did you mean `headline`?
       templates:
         finished: |
           fine
           {{run.outcom}}
    → 39:11: `run` has no `outcom`: did you mean `outcome`?
       templates: {finished: "{{#if run}}"}
    → 36:39: a block is not closed: write `{{/if}}` after it
       templates: {finished: "{{> other}}"}
    → 36:28: partials (`{{> …}}`) do not exist here: write the text itself
       templates: {finished: "{{lookup labels 'a'}}"}
    → 36:30: `lookup` is not a helper: only values, and the blocks `if`, `unless` and `each`, exist here
       templates: {finished: 7}
    → 36:27: `finished` must be a text, not a number (put the value in quotes)
       templates: []
    → 36:16: `templates` must be a mapping, not a list (write fields below it, such as `running: …`)
    "##);
}
