//! The upload of files in three steps: ask for a URL, send the bytes there, share what has arrived.

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    content,
    message::File,
    methods::{Done, fields},
    refusal::Refusal,
    request::Arguments,
    workspace::{Draft, Upload, Workspace},
};

/// The largest snippet.
const SNIPPET: usize = 1_000_000;

/// The largest file.
const LARGEST: usize = 1_000_000_000;

impl Workspace {
    /// `files.getUploadURLExternal`.
    pub(super) fn upload_url(&mut self, app: usize, arguments: &Arguments, url: &str) -> Done {
        let name = arguments.required("filename")?;
        arguments.required("length")?;
        let length = arguments.number("length")?.unwrap_or_default();
        arguments.string("alt_txt");
        if length == 0 {
            return Err(Refusal::arguments(vec![
                "must be greater than 0 [json-pointer:/length]".to_owned(),
            ]));
        }
        if length > LARGEST {
            return Err("file_upload_size_restricted".into());
        }
        if arguments.string("snippet_type").is_some() && length > SNIPPET {
            return Err("snippet_too_large".into());
        }
        let (id, secret) = (self.id('F'), self.id('u'));
        let upload = Upload {
            app,
            id: id.clone(),
            name,
            length,
            bytes: None,
        };
        let upload_url = format!("{url}/upload/v1/{secret}");
        self.uploads.insert(secret, upload);
        Ok(fields(json!({ "upload_url": upload_url, "file_id": id })))
    }

    /// The bytes, sent raw to the URL. Once, and as many as were announced: for the rest Slack promises only that what
    /// is not 200 has failed.
    pub(super) fn receive(&mut self, secret: &str, bytes: &Bytes) -> Result<usize, &'static str> {
        let upload = self.uploads.get_mut(secret).ok_or("no such upload")?;
        if upload.bytes.is_some() {
            return Err("already uploaded");
        }
        if bytes.len() != upload.length {
            return Err("not the length that was announced");
        }
        upload.bytes = Some(bytes.clone());
        Ok(bytes.len())
    }

    /// `files.completeUploadExternal`. Being a member is needed: `chat:write.public` does not reach files.
    pub(super) fn complete_upload(&mut self, now: Timestamp, app: usize, arguments: &Arguments) -> Done {
        let files = self.arrived(app, arguments)?;
        let channel = match arguments.string("channel_id") {
            Some(id) => {
                if !is_channel_id(&id) {
                    let fault = "input must match regex pattern: ^[CGDZ][A-Z0-9]{8,}$ [json-pointer:/channel_id]";
                    return Err(Refusal::arguments(vec![fault.to_owned()]));
                }
                Some(self.visible(app, self.with_id(&id))?)
            }
            None => None,
        };
        let thread_ts = arguments.string("thread_ts");
        let text = arguments.string("initial_comment").unwrap_or_default();
        if let Some(channel) = channel {
            if !self.is_member(app, channel) {
                return Err("not_in_channel".into());
            }
            self.may_post(channel, thread_ts.as_deref())
                .map_err(|_| Refusal::from("posting_to_channel_denied"))?;
        }
        self.uploads
            .retain(|_, upload| !files.iter().any(|file| file.id == upload.id));
        let shared: Vec<Value> = files
            .iter()
            .map(|file| json!({ "id": file.id, "title": file.title }))
            .collect();
        // A file that is shared nowhere is its owner's alone.
        if let Some(channel) = channel {
            let draft = Draft {
                mentions: content::mentions(&text, false, &[], self),
                text,
                thread_ts,
                files,
                ..Draft::default()
            };
            self.insert(now, app, channel, draft);
        }
        Ok(fields(json!({ "files": shared })))
    }

    fn arrived(&self, app: usize, arguments: &Arguments) -> Result<Vec<File>, Refusal> {
        let missing = || Refusal::arguments(vec!["missing required field: files".to_owned()]);
        let unreadable = || Refusal::arguments(vec!["must provide an array [json-pointer:/files]".to_owned()]);
        let Ok(Value::Array(listed)) = arguments.data("files").ok_or_else(missing)? else {
            return Err(unreadable());
        };
        if listed.is_empty() {
            return Err(unreadable());
        }
        listed
            .iter()
            .map(|file| {
                let id = file["id"].as_str().ok_or_else(unreadable)?;
                let found = self
                    .uploads
                    .values()
                    .find(|upload| upload.id == id && upload.app == app);
                let upload = found.ok_or("file_not_found")?;
                Ok(File {
                    id: upload.id.clone(),
                    name: upload.name.clone(),
                    title: file["title"].as_str().unwrap_or(&upload.name).to_owned(),
                    bytes: upload.bytes.clone().ok_or("file_not_found")?,
                })
            })
            .collect()
    }
}

fn is_channel_id(text: &str) -> bool {
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    "CGDZ".contains(first) && rest.len() >= 8 && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
}
