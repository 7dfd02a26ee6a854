//! Where runs are told of, and what is told to whoever configures it wrong.

use super::*;

/// Each piece of configuration with its findings.
fn findings(pieces: &[&str]) -> String {
    let mut text = String::new();
    for piece in pieces {
        text.push_str(&format!("{piece}\n"));
        for finding in told(piece, &[]) {
            text.push_str(&format!("    {finding}\n"));
        }
    }
    text
}

#[test]
fn slack_is_told_where_and_as_whom() {
    insta::assert_snapshot!(findings(&[
        "slack: {tokenFile: tokens/oncall, channel: '#alerts'}",
        "slack: {tokenFile: tokens/oncall, channel: C0123ABCD, routes: [{match: severity = critical, channel: '#oncall'}]}",
        "slack: {webhookUrlFile: tokens/oncall}",
        "slack: {}",
        "slack: {channel: '#a'}",
        "slack: {tokenFile: tokens/oncall}",
        "slack: {tokenFile: tokens/oncall, webhookUrlFile: tokens/oncall, channel: '#a'}",
        "slack: {webhookUrlFile: tokens/oncall, channel: '#a'}",
        "slack: {webhookUrlFile: tokens/oncall, routes: []}",
        "slack: {tokenFile: tokens/nosuch, channel: '#a'}",
        "slack: {tokenFile: tokens/empty, channel: '#a'}",
        "slack: {tokenFile: tokens/oncall, channel: alerts}",
        "slack: {tokenFile: tokens/oncall, channel: '#Alerts'}",
        "slack: {tokenFile: tokens/oncall, channel: '# alerts'}",
        "slack: {tokenFile: tokens/oncall, channel: '#'}",
        "slack: {tokenFile: tokens/oncall, channel: #alerts\n}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', chanel: '#b'}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', routes: {}}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', routes: [{channel: '#b'}]}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', routes: [{match: severity critical, channel: '#b'}]}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', routes: [{match: severity = critical}]}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', apiUrl: 'http://slack.example/api/'}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', apiUrl: 'http://localhost:8080/api'}",
        "slack: {tokenFile: tokens/oncall, channel: '#a', apiUrl: slack.com}",
    ]), @r##"
    slack: {tokenFile: tokens/oncall, channel: '#alerts'}
    slack: {tokenFile: tokens/oncall, channel: C0123ABCD, routes: [{match: severity = critical, channel: '#oncall'}]}
    slack: {webhookUrlFile: tokens/oncall}
    slack: {}
        1:1: `slack` has neither `tokenFile` nor `webhookUrlFile` (write `tokenFile: /etc/selfhealer/slack/token`, with the bot token of a Slack app in that file)
        1:1: `slack` has no `channel` (write for example `channel: "#k8s-self-healer-alerts"`)
    slack: {channel: '#a'}
        1:1: `slack` has neither `tokenFile` nor `webhookUrlFile` (write `tokenFile: /etc/selfhealer/slack/token`, with the bot token of a Slack app in that file)
    slack: {tokenFile: tokens/oncall}
        1:1: `slack` has no `channel` (write for example `channel: "#k8s-self-healer-alerts"`)
    slack: {tokenFile: tokens/oncall, webhookUrlFile: tokens/oncall, channel: '#a'}
        1:51: `webhookUrlFile` and `tokenFile` contradict each other (keep `tokenFile`: an incoming webhook can neither edit nor reply)
    slack: {webhookUrlFile: tokens/oncall, channel: '#a'}
        1:49: `channel` means nothing with `webhookUrlFile` (remove it: an incoming webhook posts to the channel that it was made for; with `tokenFile` there is a choice)
    slack: {webhookUrlFile: tokens/oncall, routes: []}
        1:48: `routes` means nothing with `webhookUrlFile` (remove it: an incoming webhook posts to the channel that it was made for; with `tokenFile` there is a choice)
    slack: {tokenFile: tokens/nosuch, channel: '#a'}
        1:20: the file of `slack.tokenFile` cannot be used: No such file or directory (os error 2) (write the path of a file that holds the secret, and nothing else)
    slack: {tokenFile: tokens/empty, channel: '#a'}
        1:20: the file of `slack.tokenFile` cannot be used: the file is empty (write the path of a file that holds the secret, and nothing else)
    slack: {tokenFile: tokens/oncall, channel: alerts}
        1:44: `alerts` is not a channel of Slack: it begins with neither `#` nor an id's `C` (write `"#alerts"` with quotes, or a channel's id like C0123ABCD)
    slack: {tokenFile: tokens/oncall, channel: '#Alerts'}
        1:44: `#Alerts` is not a channel of Slack: a name has no blanks, upper case letters or punctuation (write `"#alerts"` with quotes, or a channel's id like C0123ABCD)
    slack: {tokenFile: tokens/oncall, channel: '# alerts'}
        1:44: `# alerts` is not a channel of Slack: a name has no blanks, upper case letters or punctuation (write `"#alerts"` with quotes, or a channel's id like C0123ABCD)
    slack: {tokenFile: tokens/oncall, channel: '#'}
        1:44: `#` is not a channel of Slack: a name has 1 to 80 characters (write `"#alerts"` with quotes, or a channel's id like C0123ABCD)
    slack: {tokenFile: tokens/oncall, channel: #alerts
    }
        1:42: `channel` has no value (write one, or leave the line out)
    slack: {tokenFile: tokens/oncall, channel: '#a', chanel: '#b'}
        1:50: `chanel` is not a field of `slack` (did you mean `channel`?)
    slack: {tokenFile: tokens/oncall, channel: '#a', routes: {}}
        1:58: `routes` must be a list, not a mapping (begin every item on a line of its own with `- `)
    slack: {tokenFile: tokens/oncall, channel: '#a', routes: [{channel: '#b'}]}
        1:59: a route has no `match` (write for example `match: [severity = critical]`)
    slack: {tokenFile: tokens/oncall, channel: '#a', routes: [{match: severity critical, channel: '#b'}]}
        1:67: there is no operator after `severity`: write =, !=, =~ or !~, for example `severity = value`
    slack: {tokenFile: tokens/oncall, channel: '#a', routes: [{match: severity = critical}]}
        1:59: a route has no `channel` (write for example `channel: "#payments"`)
    slack: {tokenFile: tokens/oncall, channel: '#a', apiUrl: 'http://slack.example/api/'}
        1:58: `apiUrl` is not encrypted, and the token would be readable on its way (write `https://`)
    slack: {tokenFile: tokens/oncall, channel: '#a', apiUrl: 'http://localhost:8080/api'}
    slack: {tokenFile: tokens/oncall, channel: '#a', apiUrl: slack.com}
        1:58: `apiUrl` is not an http:// or https:// address (write for example `https://slack.com/api/`)
    "##);
}

#[test]
fn teams_and_webhooks_are_told_where() {
    insta::assert_snapshot!(findings(&[
        "teams: {webhookUrlFile: tokens/oncall}",
        "teams: {}",
        "teams: {webhookUrl: 'https://x'}",
        "teams: {webhookUrlFile: tokens/nosuch}",
        "webhook: {url: 'https://x.example/y', secretFile: tokens/oncall}",
        "webhook: {urlFile: tokens/oncall, secretFile: tokens/short}",
        "webhook: {url: 'https://x.example/y'}",
        "webhook: {secretFile: tokens/oncall}",
        "webhook: {url: 'https://x.example', urlFile: tokens/oncall, secretFile: tokens/oncall}",
        "webhook: {url: 'https://me:hunter2@x.example', secretFile: tokens/oncall}",
        "webhook: {url: 'https://x.example/?token=hunter2', secretFile: tokens/oncall}",
        "webhook: {url: ftp://x.example, secretFile: tokens/oncall}",
        "externalUrl: https://heal.example/base/",
        "externalUrl: heal.example",
        "externalUrl: https://",
    ]), @r"
    teams: {webhookUrlFile: tokens/oncall}
    teams: {}
        1:1: `teams` has no `webhookUrlFile` (write for example `webhookUrlFile: /etc/selfhealer/teams/url`)
    teams: {webhookUrl: 'https://x'}
        1:1: `teams` has no `webhookUrlFile` (write for example `webhookUrlFile: /etc/selfhealer/teams/url`)
        1:9: `webhookUrl` is not a field of `teams` (expected `webhookUrlFile`)
    teams: {webhookUrlFile: tokens/nosuch}
        1:25: the file of `teams.webhookUrlFile` cannot be used: No such file or directory (os error 2) (write the path of a file that holds the secret, and nothing else)
    webhook: {url: 'https://x.example/y', secretFile: tokens/oncall}
    webhook: {urlFile: tokens/oncall, secretFile: tokens/short}
        warning 1:47: the secret of `webhook.secretFile` is shorter than 16 characters (make one with `openssl rand -hex 32`)
    webhook: {url: 'https://x.example/y'}
        warning 1:1: nothing is signed: the receiver cannot tell who posts (write `secretFile: PATH` with the output of `openssl rand -hex 32` in that file)
    webhook: {secretFile: tokens/oncall}
        1:1: `webhook` has neither `url` nor `urlFile` (write `url: https://…`, or `urlFile` if the address is a secret)
    webhook: {url: 'https://x.example', urlFile: tokens/oncall, secretFile: tokens/oncall}
        1:46: `url` and `urlFile` contradict each other (remove one)
    webhook: {url: 'https://me:hunter2@x.example', secretFile: tokens/oncall}
        1:16: `url` has a user or a password in it (write for example `https://receiver.example.com/selfhealer`)
    webhook: {url: 'https://x.example/?token=hunter2', secretFile: tokens/oncall}
        1:16: `url` has parameters, which may be secrets, or blanks (write for example `https://receiver.example.com/selfhealer`)
    webhook: {url: ftp://x.example, secretFile: tokens/oncall}
        1:16: `url` is not an http:// or https:// address (write for example `https://receiver.example.com/selfhealer`)
    externalUrl: https://heal.example/base/
    externalUrl: heal.example
        1:14: `externalUrl` is not an http:// or https:// address (write for example `https://selfhealer.example.com`)
    externalUrl: https://
        1:14: `externalUrl` names no host (write for example `https://selfhealer.example.com`)
    ");
}
