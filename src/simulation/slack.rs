//! A double of Slack: its Web API, its incoming webhooks, and the workspace behind them, to be talked to over HTTP and
//! looked at from within.
//!
//! ```text
//! POST /api/METHOD ──┐
//! POST /services/… ──┼─► request ─► faults ─► token, limits, scope ─► content ─► workspace: channels, messages, files
//! POST /upload/v1/… ─┘                                                               │
//!                         people and tests:  messages, calls, channel_as_text ◄──────┘
//! ```
//!
//! It keeps to what Slack documents of limits, sizes, errors, scopes and tokens, and where Slack's pages are vague or
//! silent it takes the stricter reading and says so. Left out, and refused: attachments, rich text, inputs, multipart
//! uploads. Direct messages, reactions and interactivity do not exist.

mod blocks;
mod calls;
mod chat;
mod content;
mod files;
mod history;
mod message;
mod methods;
mod mrkdwn;
mod rates;
mod refusal;
mod request;
mod view;
mod visit;
mod webhook;
mod workspace;

#[cfg(test)]
pub(super) mod tests;

use std::{
    fmt, io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;

use super::{
    faults::Faults,
    serve::{Server, serve_on},
};
use message::Channel;
use workspace::{App, Hook, TEAM, Token, Workspace};

pub use calls::Call;
pub use message::{Edit, File, Message, Posting};
pub use mrkdwn::Mention;

/// Where the time comes from.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A Slack workspace. Clones are the same workspace.
///
/// Channels are named by their id or by `#name`; naming one that does not exist is a mistake of the caller, and panics.
#[derive(Clone)]
pub struct Slack(Arc<Inner>);

struct Inner {
    now: Now,
    faults: Faults,
    workspace: Mutex<Workspace>,
}

impl fmt::Debug for Slack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slack").field(&*self.workspace()).finish()
    }
}

// === impl Slack: setting up ===

impl Slack {
    /// An empty workspace.
    pub fn new(now: Now) -> Self {
        Self(Arc::new(Inner {
            now,
            faults: Faults::new(),
            workspace: Mutex::default(),
        }))
    }

    /// Serves the workspace on a free port. The Web API is at `URL/api/`.
    pub async fn serve(&self) -> io::Result<Server> {
        self.serve_on(Ipv4Addr::LOCALHOST).await
    }

    /// The same on another address of this machine, where containers reach it.
    pub async fn serve_on(&self, address: Ipv4Addr) -> io::Result<Server> {
        let slack = self.clone();
        serve_on(address, move |request| {
            let slack = slack.clone();
            async move { slack.answer(request).await }
        })
        .await
    }

    /// Another workspace that is as this one is now, with a clock of its own. Nothing goes wrong in it.
    pub fn fork(&self, now: Now) -> Self {
        Self(Arc::new(Inner {
            now,
            faults: Faults::new(),
            workspace: Mutex::new(self.workspace().clone()),
        }))
    }

    /// What goes wrong on demand. Methods go by their names; posts to webhooks are `webhook`, uploads are `upload`.
    pub fn faults(&self) -> &Faults {
        &self.0.faults
    }

    /// Installs an app; gives its bot token.
    pub fn install_app(&self, name: &str, scopes: &[&str]) -> String {
        let mut workspace = self.workspace();
        let app = App {
            id: workspace.id('A'),
            name: name.to_owned(),
            user: workspace.id('U'),
            bot: workspace.id('B'),
            disabled: false,
        };
        let (user, token) = (app.user.clone(), format!("xoxb-local-{}", app.id.to_lowercase()));
        workspace.users.insert(user, name.to_owned());
        workspace.apps.push(app);
        let installed = Token {
            app: workspace.apps.len() - 1,
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            revoked: false,
        };
        workspace.tokens.insert(token.clone(), installed);
        token
    }

    /// Makes a public channel; gives its id.
    pub fn add_channel(&self, name: &str) -> String {
        self.make_channel(name, false)
    }

    /// Makes a private channel; gives its id.
    pub fn add_private_channel(&self, name: &str) -> String {
        self.make_channel(name, true)
    }

    fn make_channel(&self, name: &str, private: bool) -> String {
        let mut workspace = self.workspace();
        let id = workspace.id('C');
        workspace.channels.push(Channel {
            id: id.clone(),
            name: name.trim_start_matches('#').to_owned(),
            private,
            archived: false,
            posting: Posting::Open,
            members: Vec::new(),
            messages: Vec::new(),
        });
        id
    }

    /// Adds a person; gives the id by which messages mention them.
    pub fn add_user(&self, name: &str) -> String {
        let mut workspace = self.workspace();
        let id = workspace.id('U');
        workspace.users.insert(id.clone(), name.to_owned());
        id
    }

    /// Makes an incoming webhook of an app for a channel; gives the path that belongs behind the server's URL.
    pub fn add_webhook(&self, token: &str, channel: &str) -> String {
        let mut workspace = self.workspace();
        let hook = Hook {
            id: workspace.id('B'),
            secret: workspace.id('w'),
            app: workspace.token(token).app,
            channel: workspace.channel(channel).id.clone(),
            removed: false,
        };
        let path = format!("/services/{TEAM}/{}/{}", hook.id, hook.secret);
        workspace.hooks.push(hook);
        path
    }
}

// === impl Slack: what people do to it ===

impl Slack {
    /// Makes the bot of this token a member of a channel.
    pub fn invite(&self, token: &str, channel: &str) {
        let mut workspace = self.workspace();
        let user = workspace.bot(token);
        let members = &mut workspace.channel(channel).members;
        if !members.contains(&user) {
            members.push(user);
        }
    }

    /// Removes the bot of this token from a channel.
    pub fn remove(&self, token: &str, channel: &str) {
        let mut workspace = self.workspace();
        let user = workspace.bot(token);
        workspace.channel(channel).members.retain(|member| *member != user);
    }

    /// Archives a channel.
    pub fn archive(&self, channel: &str) {
        self.workspace().channel(channel).archived = true;
    }

    /// Takes a channel back from the archive.
    pub fn unarchive(&self, channel: &str) {
        self.workspace().channel(channel).archived = false;
    }

    /// Says who may post to a channel.
    pub fn restrict(&self, channel: &str, posting: Posting) {
        self.workspace().channel(channel).posting = posting;
    }

    /// Deletes a message, as an administrator may. One with replies leaves a tombstone.
    pub fn delete_message(&self, channel: &str, ts: &str) {
        let mut workspace = self.workspace();
        let channel = workspace.channel(channel);
        let at = channel.find(ts).expect("the message exists");
        channel.remove(at);
    }

    /// Revokes a token.
    pub fn revoke(&self, token: &str) {
        self.workspace().token(token).revoked = true;
    }

    /// Takes a scope from a token.
    pub fn remove_scope(&self, token: &str, scope: &str) {
        self.workspace().token(token).scopes.retain(|held| held != scope);
    }

    /// Gives a scope to a token.
    pub fn add_scope(&self, token: &str, scope: &str) {
        self.workspace().token(token).scopes.push(scope.to_owned());
    }

    /// Disables the app of a token, or enables it again.
    pub fn disable_app(&self, token: &str, disabled: bool) {
        let mut workspace = self.workspace();
        let app = workspace.token(token).app;
        workspace.apps[app].disabled = disabled;
    }

    /// Removes an incoming webhook by its path.
    pub fn remove_webhook(&self, path: &str) {
        let mut workspace = self.workspace();
        let hook = workspace.hooks.iter_mut().find(|hook| path.ends_with(&hook.secret));
        hook.expect("the webhook exists").removed = true;
    }
}

// === impl Slack: what has happened ===

impl Slack {
    /// The messages of a channel in the order of their posting, replies among them.
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.workspace().channel(channel).messages.clone()
    }

    /// The replies to a message.
    pub fn replies(&self, channel: &str, parent: &str) -> Vec<Message> {
        self.workspace().channel(channel).replies(parent).cloned().collect()
    }

    /// Everyone whom the messages of a channel have called. Empty where no text has pinged anyone.
    pub fn mentions(&self, channel: &str) -> Vec<Mention> {
        let mut workspace = self.workspace();
        let messages = &workspace.channel(channel).messages;
        let mut mentions: Vec<_> = messages.iter().flat_map(|message| message.mentions.clone()).collect();
        mentions.sort();
        mentions.dedup();
        mentions
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.workspace().calls.clone()
    }

    /// Whether the app of a token was disabled, by us or for calling on when it was told to wait.
    pub fn is_disabled(&self, token: &str) -> bool {
        let mut workspace = self.workspace();
        let app = workspace.token(token).app;
        workspace.apps[app].disabled
    }

    /// A channel as a person sees it, in plain text.
    pub fn channel_as_text(&self, channel: &str) -> String {
        let mut workspace = self.workspace();
        let channel = workspace.channel(channel).clone();
        view::channel(&channel, &*workspace)
    }

    fn workspace(&self) -> MutexGuard<'_, Workspace> {
        self.0.workspace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Workspace {
    /// A channel that exists.
    fn channel(&mut self, channel: &str) -> &mut Channel {
        let at = self.named(channel).expect("the channel exists");
        &mut self.channels[at]
    }

    /// A token that was given out.
    fn token(&mut self, token: &str) -> &mut Token {
        self.tokens.get_mut(token).expect("the token was given out")
    }

    fn bot(&mut self, token: &str) -> String {
        let app = self.token(token).app;
        self.apps[app].user.clone()
    }
}
