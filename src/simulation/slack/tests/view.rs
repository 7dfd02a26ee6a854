use serde_json::json;

use super::Stage;

#[tokio::test]
async fn a_channel_is_shown_as_a_person_sees_it() {
    let stage = Stage::new().await;
    let alice = stage.slack.add_user("alice");
    let mrkdwn = |text: &str| json!({ "type": "mrkdwn", "text": text });
    let plain = |text: &str| json!({ "type": "plain_text", "text": text });
    let blocks = |head: &str, outcome: &str| {
        json!([
            { "type": "header", "text": plain(head) },
            { "type": "section", "text": mrkdwn("*KubePodCrashLooping* in <https://example.com/c|prod> &amp; counting"),
              "accessory": { "type": "button", "text": plain("Silence"), "value": "r1" } },
            { "type": "section", "fields": [
                mrkdwn("*Target*\nDeployment shop/web"), mrkdwn(&format!("*Outcome*\n{outcome}")),
                mrkdwn("*Runbook*\nrestart"),
            ] },
            { "type": "divider" },
            { "type": "context", "elements": [mrkdwn("run `r1`"), plain(":eyes: shadow")] },
            { "type": "actions", "elements": [
                { "type": "button", "text": plain("Open the run"), "url": "https://example.com/runs/r1" },
                { "type": "button", "text": plain("Approve"), "style": "primary", "value": "r1" },
            ] },
        ])
    };
    let ts = stage
        .post_with(json!({ "text": "healing", "blocks": blocks(":hourglass_flowing_sand: Healing web", "running") }))
        .await;
    stage
        .post_with(json!({ "text": "evicted pod web-1\n&lt;!channel&gt; said the label", "thread_ts": ts }))
        .await;
    let log = "line 1\nline 2\nline 3\nline 4\nline 5\nline 6\n";
    let asked = stage
        .form(
            "files.getUploadURLExternal",
            &format!("filename=web-1.log&length={}", log.len()),
        )
        .await;
    stage
        .client
        .post(asked["upload_url"].as_str().unwrap())
        .body(log)
        .send()
        .await
        .unwrap();
    let share = json!({ "files": [{ "id": asked["file_id"] }], "channel_id": stage.ops, "thread_ts": ts });
    stage.pass(3.0);
    stage.call("files.completeUploadExternal", share).await;
    let update = json!({
        "channel": stage.ops, "ts": ts, "text": "healed", "blocks": blocks(":white_check_mark: Healed web", "succeeded"),
    });
    assert_eq!(stage.call("chat.update", update).await["ok"], true);
    stage.post(&format!("<!here> <@{alice}> look")).await;
    stage
        .post_with(json!({ "text": "all is well", "thread_ts": ts, "reply_broadcast": true }))
        .await;

    insta::assert_snapshot!(stage.slack.channel_as_text("#ops"), @"
    #ops

    12:00:01  healer  (edited)
      ▌ ✅ Healed web
      *KubePodCrashLooping* in [prod](https://example.com/c) & counting
      [ Silence ]
      *Target*              *Outcome*
      Deployment shop/web   succeeded
      *Runbook*
      restart
      ────────────────────────────────────────
      run `r1`  ·  👀 shadow
      [Open the run](https://example.com/runs/r1)  [ Approve ]
      ↳ 12:00:02  healer
          evicted pod web-1
          <!channel> said the label
      ↳ 12:00:05  healer
          📄 web-1.log (6 lines)
          │ line 1
          │ line 2
          │ line 3
          │ line 4
          │ line 5
          │ …
      ↳ 12:00:07  healer  also sent to the channel
          all is well

    12:00:06  healer  🔔 @here @alice
      @here @alice look

    12:00:07  healer  replied to a thread
      all is well
    ");
}

#[tokio::test]
async fn what_is_gone_and_what_cannot_be_shown_is_said() {
    let stage = Stage::new().await;
    let ts = stage.post("one\n\ntwo").await;
    stage.post_with(json!({ "text": "reply", "thread_ts": ts })).await;
    stage.slack.delete_message("#ops", &ts);
    let asked = stage.form("files.getUploadURLExternal", "filename=core&length=2").await;
    let upload = stage.client.post(asked["upload_url"].as_str().unwrap());
    upload.body(vec![0xff, 0xfe]).send().await.unwrap();
    let share = json!({ "files": [{ "id": asked["file_id"] }], "channel_id": stage.ops });
    stage.call("files.completeUploadExternal", share).await;
    stage.post("one\n\ntwo").await;
    stage.slack.archive("#ops");
    insta::assert_snapshot!(stage.slack.channel_as_text("#ops"), @"
    #ops (archived)

    12:00:01  healer
      This message was deleted.
      ↳ 12:00:02  healer
          reply

    12:00:02  healer
      📄 core (2 bytes)

    12:00:03  healer
      one

      two
    ");
}
