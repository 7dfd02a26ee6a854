//! Incoming webhooks: one channel each, one message a second, and answers in plain text. What they post cannot be
//! edited or found again by them: the answer names no `ts`.

use jiff::Timestamp;

use super::{
    content::{Content, Metadata},
    methods::posting,
    rates::Limit,
    refusal::Refusal,
    request::Arguments,
    workspace::{Draft, Hook, TEAM, Workspace},
};

/// The path of a hook, `TEAM/ID/SECRET`.
#[derive(Clone, Debug)]
pub(super) struct HookPath {
    pub(super) team: String,
    pub(super) id: String,
    pub(super) secret: String,
}

impl HookPath {
    pub(super) fn read(path: &str) -> Option<Self> {
        let mut parts = path.split('/').map(str::to_owned);
        let read = Self {
            team: parts.next()?,
            id: parts.next()?,
            secret: parts.next()?,
        };
        parts.next().is_none().then_some(read)
    }
}

impl Workspace {
    /// A post to a hook.
    pub(super) fn hook(&mut self, now: Timestamp, path: &HookPath, payload: Option<&Arguments>) -> Result<(), Refusal> {
        if path.team != TEAM {
            return Err("no_team".into());
        }
        let found = self.hooks.iter().find(|hook| hook.id == path.id && !hook.removed);
        let hook = found.cloned().ok_or("no_service")?;
        if hook.secret != path.secret {
            return Err("invalid_token".into());
        }
        if self.apps[hook.app].disabled {
            return Err("no_service".into());
        }
        self.admit(now, hook.app, &self.limit_of(&hook), Limit::Second)?;
        let channel = self.with_id(&hook.channel).ok_or("channel_not_found")?;
        let payload = payload.ok_or("invalid_payload")?;
        let thread_ts = payload.string("thread_ts");
        self.may_post(channel, thread_ts.as_deref())
            .map_err(|refusal| match refusal.error.as_str() {
                "is_archived" => Refusal::from("channel_is_archived"),
                _ => Refusal::from("action_prohibited"),
            })?;
        let mut content = Content::posted(payload)?;
        content.metadata = Metadata::Unsaid;
        let draft = Draft {
            thread_ts,
            ..self.draft(content)
        };
        self.insert(now, hook.app, channel, draft);
        Ok(())
    }

    /// What a hook's posts are counted as: posts of its app to its channel.
    pub(super) fn limit_of(&self, hook: &Hook) -> String {
        posting(&self.apps[hook.app].id, &hook.channel)
    }
}

/// The status that goes with a hook's error.
pub(super) fn status(error: &str) -> u16 {
    match error {
        "action_prohibited" | "invalid_token" | "posting_to_general_channel_denied" => 403,
        "channel_not_found" | "no_service" | "no_team" => 404,
        "channel_is_archived" => 410,
        "rollup_error" => 500,
        _ => 400,
    }
}
