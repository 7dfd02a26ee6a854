//! What `/metrics` shows, and how a subsystem's metrics come to it.
//!
//! Each subsystem has its own: the files `metrics.rs` of `http`, `intake`, `engine`, `notify` and `runbooks`. Label sets exist
//! before their first use, so that `rate()` works from zero. Labels are of closed lists of words; the names of runbooks are
//! the only others.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::info::Info,
    registry::Registry,
};

/// The content type of [`Page::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What Prometheus scrapes.
#[derive(Clone, Debug)]
pub struct Page(Arc<Registry>);

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildInfo {
    version: &'static str,
}

impl Page {
    /// A page of what is registered here, each name with the prefix `selfhealer_`.
    pub fn new(register: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::with_prefix("selfhealer");
        let info = Info::new(BuildInfo {
            version: env!("CARGO_PKG_VERSION"),
        });
        registry.register("build", "The running version", info);
        register(&mut registry);
        Self(Arc::new(registry))
    }

    /// The text that Prometheus scrapes.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// Lets enums be values of labels, as the word that their `as_str` gives.
macro_rules! label_values {
    ($($values:ty),+ $(,)?) => {
        $(impl ::prometheus_client::encoding::EncodeLabelValue for $values {
            fn encode(
                &self,
                encoder: &mut ::prometheus_client::encoding::LabelValueEncoder<'_>,
            ) -> Result<(), ::std::fmt::Error> {
                ::std::fmt::Write::write_str(encoder, self.as_str())
            }
        })+
    };
}

/// An enum of all values of a label, each with its word.
macro_rules! label {
    ($(#[$doc:meta])* $visible:vis enum $name:ident { $($variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
        $visible enum $name {
            $($variant,)+
        }

        impl $name {
            /// All of them, so that their series exist before their first use.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        $crate::metrics::label_values!($name);
    };
}

pub(crate) use {label, label_values};
