//! Reading back what stands in a channel, page by page.

use serde_json::{Value, json};

use super::{
    message::Message,
    methods::{Done, fields},
    refusal::Refusal,
    request::Arguments,
    workspace::{TEAM, Workspace},
};

/// Which messages are asked for.
struct Page {
    oldest: Option<String>,
    latest: Option<String>,
    inclusive: bool,
    limit: usize,
    /// The `ts` of the first message of the page.
    from: Option<String>,
    with_metadata: bool,
}

impl Workspace {
    /// `conversations.history`: the channel without its threads, newest first.
    pub(super) fn history(&self, app: usize, arguments: &Arguments) -> Done {
        let channel = self.readable(app, arguments)?;
        let page = Page::read(arguments, 100, 999)?;
        let top = |message: &&Message| !message.is_reply() || message.broadcast;
        let messages = self.channels[channel].messages.iter().rev().filter(top);
        let messages: Vec<_> = messages.filter(|message| page.covers(message)).collect();
        self.page(channel, &messages, &page)
    }

    /// `conversations.replies`: a message and its thread, oldest first.
    pub(super) fn replies(&self, app: usize, arguments: &Arguments) -> Done {
        let channel = self.readable(app, arguments)?;
        let page = Page::read(arguments, 1000, 1000)?;
        let ts = arguments.required("ts")?;
        let messages = &self.channels[channel].messages;
        let parent = self.channels[channel].find(&ts).ok_or("thread_not_found")?;
        let replies = self.channels[channel]
            .replies(&ts)
            .filter(|message| page.covers(message));
        let messages: Vec<_> = [&messages[parent]].into_iter().chain(replies).collect();
        self.page(channel, &messages, &page)
    }

    /// A channel by its id whose history this app may read: being a member is needed, whatever the scopes.
    fn readable(&self, app: usize, arguments: &Arguments) -> Result<usize, Refusal> {
        let channel = arguments.required("channel")?;
        let channel = self.visible(app, self.with_id(&channel))?;
        match self.is_member(app, channel) {
            true => Ok(channel),
            false => Err("not_in_channel".into()),
        }
    }

    fn page(&self, channel: usize, messages: &[&Message], page: &Page) -> Done {
        let start = match &page.from {
            Some(from) => messages
                .iter()
                .position(|message| message.ts == *from)
                .ok_or("invalid_cursor")?,
            None => 0,
        };
        let end = messages.len().min(start + page.limit);
        let channel = &self.channels[channel];
        let app = |message: &Message| {
            let app = self.apps.iter().find(|app| app.bot == message.bot);
            app.map_or("", |app| app.id.as_str())
        };
        let described: Vec<Value> = messages[start..end]
            .iter()
            .map(|message| message.describe(channel, app(message), TEAM, page.with_metadata))
            .collect();
        let mut answer = fields(json!({ "messages": described, "has_more": end < messages.len() }));
        if let Some(next) = messages.get(end) {
            let cursor = json!({ "next_cursor": format!("next_ts:{}", next.ts) });
            answer.insert("response_metadata".to_owned(), cursor);
        }
        Ok(answer)
    }
}

impl Page {
    fn read(arguments: &Arguments, usual: usize, most: usize) -> Result<Self, Refusal> {
        let cursor = arguments.string("cursor").filter(|cursor| !cursor.is_empty());
        let from = cursor.map(|cursor| {
            cursor
                .strip_prefix("next_ts:")
                .map(str::to_owned)
                .ok_or("invalid_cursor")
        });
        let limit = arguments.number("limit")?.unwrap_or(usual);
        if limit == 0 || limit > most {
            return Err("invalid_limit".into());
        }
        let time = |name: &str, error: &str| match arguments.string(name) {
            Some(ts) if ts.parse::<f64>().is_err() => Err(Refusal::from(error)),
            ts => Ok(ts.map(|ts| padded(&ts))),
        };
        Ok(Self {
            oldest: time("oldest", "invalid_ts_oldest")?,
            latest: time("latest", "invalid_ts_latest")?,
            inclusive: arguments.flag("inclusive") == Some(true),
            limit,
            from: from.transpose()?,
            with_metadata: arguments.flag("include_all_metadata") == Some(true),
        })
    }

    fn covers(&self, message: &Message) -> bool {
        let after = |oldest: &String| message.ts > *oldest || self.inclusive && message.ts == *oldest;
        let before = |latest: &String| message.ts < *latest || self.inclusive && message.ts == *latest;
        self.oldest.as_ref().is_none_or(after) && self.latest.as_ref().is_none_or(before)
    }
}

/// A time as a `ts` is written, so that it sorts among them.
fn padded(time: &str) -> String {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    format!("{seconds:0>10}.{fraction:0<6}")
}
