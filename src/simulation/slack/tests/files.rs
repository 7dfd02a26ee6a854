use serde_json::{Value, json};

use super::Stage;

async fn upload(stage: &Stage, name: &str, announced: usize, bytes: &str) -> (Value, u16) {
    let asked = stage
        .form(
            "files.getUploadURLExternal",
            &format!("filename={name}&length={announced}"),
        )
        .await;
    assert_eq!(asked["ok"], true, "{asked}");
    let url = asked["upload_url"].as_str().unwrap();
    let sent = stage.client.post(url).body(bytes.to_owned()).send().await.unwrap();
    (asked["file_id"].clone(), sent.status().as_u16())
}

#[tokio::test]
async fn a_file_is_announced_sent_and_shared_in_a_thread() {
    let stage = Stage::new().await;
    let parent = stage.post("parent").await;
    let (id, status) = upload(&stage, "web.log", 8, "one\ntwo\n").await;
    assert_eq!(status, 200);
    let arguments = json!({
        "files": [{ "id": id, "title": "The log" }],
        "channel_id": stage.ops,
        "thread_ts": parent,
        "initial_comment": "before the restart",
    });
    let shared = stage.call("files.completeUploadExternal", arguments.clone()).await;
    assert_eq!(
        shared,
        json!({ "ok": true, "files": [{ "id": id, "title": "The log" }] })
    );
    let message = stage.slack.replies("#ops", &parent).remove(0);
    assert_eq!(message.text, "before the restart");
    assert_eq!(message.files.len(), 1);
    assert_eq!(
        (message.files[0].name.as_str(), &message.files[0].bytes[..]),
        ("web.log", &b"one\ntwo\n"[..])
    );
    let replies = stage
        .form("conversations.replies", &format!("channel={}&ts={parent}", stage.ops))
        .await;
    assert_eq!(replies["messages"][1]["files"][0]["name"], "web.log");
    let again = stage.call("files.completeUploadExternal", arguments).await;
    assert_eq!(again["error"], "file_not_found", "an upload is completed once");
}

#[tokio::test]
async fn an_upload_that_is_not_what_was_announced_is_none() {
    let stage = Stage::new().await;
    let (short, status) = upload(&stage, "a", 5, "four").await;
    assert_eq!(status, 400);
    let (never, _) = upload(&stage, "b", 1, "").await;
    for id in [short, never, json!("F0")] {
        let share = json!({ "files": [{ "id": id }], "channel_id": stage.ops });
        let answer = stage.call("files.completeUploadExternal", share).await;
        assert_eq!(answer["error"], "file_not_found");
    }
    let nowhere = stage.client.post(format!("{}/upload/v1/x", stage.server.url()));
    assert_eq!(nowhere.body("a").send().await.unwrap().status(), 400);
    for (arguments, error) in [
        ("length=1", "invalid_arguments"),
        ("filename=a", "invalid_arguments"),
        ("filename=a&length=0", "invalid_arguments"),
        ("filename=a&length=x", "invalid_arguments"),
        ("filename=a&length=1000000001", "file_upload_size_restricted"),
        ("filename=a&length=1000001&snippet_type=text", "snippet_too_large"),
    ] {
        assert_eq!(
            stage.form("files.getUploadURLExternal", arguments).await["error"],
            error,
            "{arguments}"
        );
    }
    let json = stage
        .call("files.getUploadURLExternal", json!({ "filename": "a", "length": 1 }))
        .await;
    assert_eq!(json["error"], "invalid_arguments", "it asks in forms");
    assert_eq!(stage.slack.messages("#ops"), []);
}

#[tokio::test]
async fn sharing_needs_membership_and_an_id() {
    let stage = Stage::new().await;
    let dev = stage.slack.add_channel("dev");
    stage.slack.add_scope(&stage.token, "chat:write.public");
    let (id, _) = upload(&stage, "a", 1, "a").await;
    let share = async |channel: &str| {
        let arguments = json!({ "files": [{ "id": id }], "channel_id": channel });
        stage.call("files.completeUploadExternal", arguments).await["error"].clone()
    };
    assert_eq!(share(&dev).await, "not_in_channel");
    assert_eq!(share("#ops").await, "invalid_arguments");
    assert_eq!(share("C99999999").await, "channel_not_found");
    stage.slack.archive("#ops");
    assert_eq!(share(&stage.ops).await, "posting_to_channel_denied");
    stage.slack.unarchive("#ops");
    assert_eq!(share(&stage.ops).await, json!(null));
    assert_eq!(stage.slack.messages("#ops")[0].files[0].title, "a");
    stage.slack.remove_scope(&stage.token, "files:write");
    assert_eq!(share(&stage.ops).await, "missing_scope");
    for files in [json!(null), json!([]), json!("F1"), json!([{ "title": "a" }])] {
        stage.slack.add_scope(&stage.token, "files:write");
        let answer = stage
            .call("files.completeUploadExternal", json!({ "files": files }))
            .await;
        assert_eq!(answer["error"], "invalid_arguments", "{files}");
    }
}
