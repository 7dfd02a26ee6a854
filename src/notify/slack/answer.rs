//! What Slack's answers mean. Most errors come with 200 and `ok: false`; each is one of a few things to us.

use std::time::Duration;

use serde_json::Value;

use crate::{
    notify::service::{DeliveryError, Failure, by_status},
    outbound::{OutboundError, Reply},
};

/// The answer of a method.
pub(super) fn api(method: &str, reply: Reply) -> Result<Value, DeliveryError> {
    let reply = by_status(reply)?;
    let Ok(answer) = serde_json::from_slice::<Value>(&reply.body) else {
        return Err(DeliveryError::Unavailable {
            detail: format!("{method} answered {} with something that is no JSON", reply.status),
            perhaps_taken: true,
        });
    };
    if answer["ok"] == true {
        return Ok(answer);
    }
    Err(error(
        method,
        answer["error"].as_str().unwrap_or("no error named"),
        &answer,
        reply.retry_after,
    ))
}

/// The answer of an incoming webhook: words, and `ok` among them only when it was posted.
pub(in crate::notify) fn webhook(reply: Reply) -> Result<(), DeliveryError> {
    let reply = by_status(reply)?;
    let text = String::from_utf8_lossy(&reply.body);
    match text.trim() {
        "ok" => Ok(()),
        words => Err(error("the webhook", words, &Value::Null, reply.retry_after)),
    }
}

/// The answer of an upload, which shows nothing yet.
pub(super) fn upload(reply: Reply) -> Result<(), DeliveryError> {
    match by_status(reply) {
        Ok(Reply { status: 200..=299, .. }) => Ok(()),
        Ok(reply) => Err(DeliveryError::Content(format!(
            "the upload was answered with {}",
            reply.status
        ))),
        Err(DeliveryError::Unavailable { detail, .. }) => Err(DeliveryError::Unavailable {
            detail,
            perhaps_taken: false,
        }),
        Err(other) => Err(other),
    }
}

/// An exchange that shows nothing yet broke off.
pub(super) fn not_taken(error: OutboundError) -> DeliveryError {
    DeliveryError::Unavailable {
        detail: error.to_string(),
        perhaps_taken: false,
    }
}

fn error(method: &str, code: &str, answer: &Value, retry_after: Option<Duration>) -> DeliveryError {
    let refused = |failure, advice: &str| DeliveryError::Refused {
        failure,
        words: format!("{method}: {code}: {advice}"),
    };
    match code {
        "ratelimited" | "rate_limited" => DeliveryError::RateLimited(
            retry_after
                .unwrap_or(Duration::from_secs(30))
                .max(Duration::from_secs(1)),
        ),
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "rollup_error" => DeliveryError::Unavailable {
            detail: format!("{method}: {code}"),
            perhaps_taken: true,
        },
        "message_not_found"
        | "cant_update_message"
        | "edit_window_closed"
        | "thread_not_found"
        | "cannot_reply_to_message" => DeliveryError::Gone(code.to_owned()),
        "invalid_blocks"
        | "invalid_blocks_format"
        | "msg_too_long"
        | "msg_blocks_too_long"
        | "no_text"
        | "invalid_payload"
        | "invalid_attachments"
        | "too_many_attachments"
        | "metadata_too_large"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "metadata_must_be_sent_from_app"
        | "markdown_text_conflict" => {
            let messages = answer["response_metadata"]["messages"].as_array();
            let first = messages.and_then(|messages| messages.first()?.as_str());
            DeliveryError::Content(first.map_or_else(|| code.to_owned(), |first| format!("{code}: {first}")))
        }
        "not_authed"
        | "invalid_auth"
        | "invalid_token"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "not_allowed_token_type"
        | "no_team"
        | "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "user_not_found"
        | "org_login_required"
        | "ekm_access_denied" => refused(
            Failure::Unauthorized,
            "the token or webhook in the configured file is not accepted; put a valid one there",
        ),
        "missing_scope" | "no_permission" | "access_denied" | "team_access_not_granted" => {
            let needed = answer["needed"].as_str().unwrap_or("chat:write");
            refused(
                Failure::MissingPermission,
                &format!("give the app the scope {needed} and install it again"),
            )
        }
        "channel_not_found"
        | "not_in_channel"
        | "channel_is_archived"
        | "is_archived"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "restricted_action_thread_locked"
        | "restricted_action_non_threadable_channel"
        | "action_prohibited"
        | "posting_to_general_channel_denied" => refused(
            Failure::ChannelUnavailable,
            "check the channel's name, invite the app to it, or name another channel",
        ),
        _ => refused(Failure::Rejected, "Slack refuses it, and asking again would not help"),
    }
}
