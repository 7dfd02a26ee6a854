//! What the configuration says of messages, put together.

use std::sync::Arc;

use crate::{
    clock::Clock,
    config::{Config, SlackCredentials, WebhookUrl},
    domain::notify::{Routes, Sink},
    notify::{Address, IncomingWebhook, Service, Slack, Teams, Webhook},
    outbound::Outbound,
};

/// Where runs are told of.
pub(super) fn routes(config: &Config) -> Routes {
    let configured = [
        config.slack.is_some().then_some(Sink::Slack),
        config.teams.is_some().then_some(Sink::Teams),
        config.webhook.is_some().then_some(Sink::Webhook),
    ];
    Routes {
        sinks: configured.into_iter().flatten().collect(),
        slack: config
            .slack
            .as_ref()
            .map(|slack| slack.routes.clone())
            .unwrap_or_default(),
        slack_channel: config
            .slack
            .as_ref()
            .map(|slack| slack.channel.clone())
            .unwrap_or_default(),
    }
}

/// The services that are told.
pub(super) fn services(config: &Config, clock: &Arc<dyn Clock>, outbound: &Arc<dyn Outbound>) -> Vec<Arc<dyn Service>> {
    let mut services: Vec<Arc<dyn Service>> = Vec::new();
    if let Some(slack) = &config.slack {
        services.push(match &slack.credentials {
            SlackCredentials::Token(file) => Arc::new(Slack {
                api_url: slack.api_url.clone(),
                token_file: file.clone(),
                outbound: outbound.clone(),
            }),
            SlackCredentials::Webhook(file) => Arc::new(IncomingWebhook {
                url_file: file.clone(),
                outbound: outbound.clone(),
            }),
        });
    }
    if let Some(teams) = &config.teams {
        services.push(Arc::new(Teams {
            url_file: teams.url_file.clone(),
            outbound: outbound.clone(),
        }));
    }
    if let Some(webhook) = &config.webhook {
        services.push(Arc::new(Webhook {
            address: match &webhook.url {
                WebhookUrl::Plain(url) => Address::Plain(url.clone()),
                WebhookUrl::File(file) => Address::File(file.clone()),
            },
            secret_file: webhook.secret_file.clone(),
            outbound: outbound.clone(),
            clock: clock.clone(),
        }));
    }
    services
}
