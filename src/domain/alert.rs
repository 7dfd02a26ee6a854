//! What Alertmanager tells: the webhook's payload, version 4.
//!
//! Parsed leniently, since Alertmanager adds fields without a new version; refused only where there is nothing to act on.
//! Top-level `status`, `commonLabels` and `commonAnnotations` are not read: they are computed after truncation and
//! say nothing of a single alert.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use jiff::{Timestamp, fmt::temporal::Pieces};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Label or annotation names and values, in the order of the names.
pub type Labels = BTreeMap<String, String>;

/// One POST of Alertmanager: a group of alerts, firing and resolved mixed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification<A = Alert> {
    /// Always `4`.
    pub version: Version,
    /// How many alerts Alertmanager left out because of `max_alerts`.
    #[serde(default)]
    pub truncated_alerts: u64,
    /// Never trusted to be of one status or one target: each alert is decided on its own.
    pub alerts: Vec<A>,
}

/// A notification of which it is only asked whether it is one: what it says is checked in the same way, and not kept.
pub type Outline = Notification<Alert<UnreadMap, UnreadText>>;

/// The one payload version there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version;

/// One labelled alert.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert<L = Labels, S = String> {
    /// Its own status, not the group's.
    pub status: Status,
    /// Its identity together with their values.
    pub labels: L,
    /// For people and templates.
    #[serde(default)]
    pub annotations: L,
    /// When this firing began, as far as Alertmanager knows.
    pub starts_at: Moment,
    /// When it ended; Alertmanager sends year 1 while it fires.
    #[serde(default)]
    pub ends_at: Option<Moment>,
    /// Where the rule can be seen; may be empty.
    #[serde(default, rename = "generatorURL")]
    pub generator_url: S,
    /// Alertmanager's hash over all labels.
    pub fingerprint: Fingerprint,
}

/// A text that was there and was not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadText;

/// Texts by name that were there and were not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnreadMap;

/// Firing or resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Alertmanager holds it to be active.
    Firing,
    /// Prometheus stopped sending it; which does not mean that anything was fixed.
    Resolved,
}

/// Alertmanager's identity of an alert: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// A time stamp as Alertmanager sends it; far past and far future included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl<'de> Deserialize<'de> for UnreadText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl de::Visitor<'_> for UnreadText {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self, E> {
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for UnreadMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> de::Visitor<'de> for UnreadMap {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<M: de::MapAccess<'de>>(self, mut map: M) -> Result<Self, M::Error> {
        while map.next_entry::<UnreadText, UnreadText>()?.is_some() {}
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = Cow::<str>::deserialize(deserializer)?;
        if version == "4" {
            Ok(Self)
        } else {
            Err(de::Error::custom(format_args!(
                "webhook payload version {version:?} is not supported, expected \"4\""
            )))
        }
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom(format_args!("fingerprint {text:?} is not 16 hexadecimal digits")))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let parsed = text.parse().ok().or_else(|| last_day(&text));
        parsed
            .map(Self)
            .ok_or_else(|| de::Error::custom(format_args!("time {text:?} is not RFC 3339")))
    }
}

/// The library's time ends some hours before the year 9999 does, and `9999-12-31T23:59:59Z` is what people write for
/// "never".
fn last_day(text: &str) -> Option<Timestamp> {
    let pieces = Pieces::parse(text).ok()?;
    let complete = pieces.time().is_some() && pieces.to_numeric_offset().is_some();
    (complete && pieces.date().year() == 9999).then_some(Timestamp::MAX)
}

impl Fingerprint {
    /// From 16 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        digits.then(|| u64::from_str_radix(text, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Alert {
    /// The `alertname` label, or nothing.
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map(String::as_str).unwrap_or_default()
    }

    /// When this firing began, but never later than `received`: a clock that is ahead must not make every object
    /// look older than its alert.
    pub fn started(&self, received: Timestamp) -> Timestamp {
        self.starts_at.0.min(received)
    }

    /// When a resolved alert ended: its own word for it, where it makes sense.
    pub fn ended(&self, received: Timestamp) -> Timestamp {
        match self.ends_at {
            Some(Moment(at)) if at >= self.starts_at.0 && at <= received => at,
            _ => received,
        }
    }
}
