//! The methods there are, what each needs, and how often each may be called.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    rates::Limit,
    refusal::Refusal,
    request::Arguments,
    workspace::{TEAM, Workspace},
};

/// The limit on posting of a whole workspace.
const WORKSPACE: Limit = Limit::Minute(200);

const TIER_3: Limit = Limit::Minute(50);
const TIER_4: Limit = Limit::Minute(100);

/// A method of the Web API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Test,
    Post,
    Update,
    Delete,
    History,
    Replies,
    UploadUrl,
    CompleteUpload,
}

/// An answer that is a yes: the fields besides `ok`.
pub(super) type Done = Result<Map<String, Value>, Refusal>;

impl Method {
    const ALL: [Self; 8] = [
        Self::Test,
        Self::Post,
        Self::Update,
        Self::Delete,
        Self::History,
        Self::Replies,
        Self::UploadUrl,
        Self::CompleteUpload,
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Test => "auth.test",
            Self::Post => "chat.postMessage",
            Self::Update => "chat.update",
            Self::Delete => "chat.delete",
            Self::History => "conversations.history",
            Self::Replies => "conversations.replies",
            Self::UploadUrl => "files.getUploadURLExternal",
            Self::CompleteUpload => "files.completeUploadExternal",
        }
    }

    /// Methods that read were made for forms. Slack's pages have come to name JSON too; forms work at all times.
    pub(super) fn takes_json(self) -> bool {
        !matches!(self, Self::History | Self::Replies | Self::UploadUrl)
    }

    /// The argument that names the channel.
    pub(super) fn channel_argument(self) -> &'static str {
        match self {
            Self::CompleteUpload => "channel_id",
            _ => "channel",
        }
    }

    fn scope(self, private: bool) -> Option<&'static str> {
        match self {
            Self::Test => None,
            Self::Post | Self::Update | Self::Delete => Some("chat:write"),
            Self::History | Self::Replies if private => Some("groups:history"),
            Self::History | Self::Replies => Some("channels:history"),
            Self::UploadUrl | Self::CompleteUpload => Some("files:write"),
        }
    }

    /// What a call is counted against. Posting is counted by channel, everything else by method.
    pub(super) fn limits(self, app: &str, channel: Option<&str>) -> Vec<(String, Limit)> {
        let each = |limit| vec![(format!("{app}/{}", self.name()), limit)];
        match self {
            Self::Post => {
                let whole = (format!("{app}/posting"), WORKSPACE);
                let channel = channel.map(|channel| (posting(app, channel), Limit::Second));
                channel.into_iter().chain([whole]).collect()
            }
            Self::Update | Self::Delete | Self::History | Self::Replies => each(TIER_3),
            Self::Test | Self::UploadUrl | Self::CompleteUpload => each(TIER_4),
        }
    }
}

impl Workspace {
    /// Serves a call: who calls, how often, whether it may, and then what it wants.
    pub(super) fn call(
        &mut self,
        now: Timestamp,
        method: Method,
        token: Option<&str>,
        arguments: &Arguments,
        url: &str,
    ) -> Done {
        let (app, scopes) = self.authenticate(token)?;
        let scopes = scopes.to_vec();
        let channel = arguments.string(method.channel_argument());
        let channel = channel.and_then(|channel| self.named(&channel));
        let id = channel.map(|channel| self.channels[channel].id.clone());
        for (what, limit) in method.limits(&self.apps[app].id, id.as_deref()) {
            self.admit(now, app, &what, limit)?;
        }
        let private = channel.is_some_and(|channel| self.channels[channel].private);
        if let Some(needed) = method.scope(private)
            && !scopes.iter().any(|scope| scope == needed)
        {
            return Err(Refusal::scope(needed, scopes.join(",")));
        }
        match method {
            Method::Test => Ok(self.test(app, url)),
            Method::Post => {
                let public = scopes.iter().any(|scope| scope == "chat:write.public");
                self.post_message(now, app, public, arguments)
            }
            Method::Update => self.update(now, app, arguments),
            Method::Delete => self.delete(app, arguments),
            Method::History => self.history(app, arguments),
            Method::Replies => self.replies(app, arguments),
            Method::UploadUrl => self.upload_url(app, arguments, url),
            Method::CompleteUpload => self.complete_upload(now, app, arguments),
        }
    }

    fn test(&self, app: usize, url: &str) -> Map<String, Value> {
        let app = &self.apps[app];
        fields(json!({
            "url": format!("{url}/"),
            "team": "local",
            "team_id": TEAM,
            "user": app.name,
            "user_id": app.user,
            "bot_id": app.bot,
            "is_enterprise_install": false,
        }))
    }
}

/// What an app's posts to a channel are counted as.
pub(super) fn posting(app: &str, channel: &str) -> String {
    format!("{app}/posting/{channel}")
}

/// The fields of an answer.
pub(super) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
