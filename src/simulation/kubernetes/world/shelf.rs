//! What many objects share: what they say alike, kept once, such as texts of labels and owners, what somebody owns, and since
//! when; and the buffer through which they are written.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use crate::kubernetes::ownership::Share;

/// How much there is at least before it is looked whether anybody needs it still.
const FEW: usize = 1024;

/// What is kept once.
#[derive(Clone, Default)]
pub(in crate::kubernetes) struct Shelf {
    texts: HashSet<Arc<str>>,
    /// By what they say.
    shares: HashMap<Arc<str>, Arc<Share>>,
    /// From how many on each is cleared.
    full: (usize, usize),
    /// What is written down goes through it.
    buffer: Vec<u8>,
}

impl Shelf {
    /// A text.
    pub(in crate::kubernetes) fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(there) = self.texts.get(text) {
            return Arc::clone(there);
        }
        if self.texts.len() >= self.full.0 {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.full.0 = FEW.max(2 * self.texts.len());
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// A value as JSON, for as long as nothing else is written.
    pub(super) fn json(&mut self, value: &impl Serialize) -> &str {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, value).expect("a JSON value can be written");
        std::str::from_utf8(&self.buffer).expect("JSON is text")
    }

    /// What somebody owns, by the text that says it.
    pub(in crate::kubernetes) fn share(&mut self, text: String, make: impl FnOnce(Arc<str>) -> Share) -> Arc<Share> {
        if let Some(there) = self.shares.get(&*text) {
            return Arc::clone(there);
        }
        if self.shares.len() >= self.full.1 {
            self.shares.retain(|_, share| Arc::strong_count(share) > 1);
            self.full.1 = FEW.max(2 * self.shares.len());
        }
        let text: Arc<str> = text.into();
        let new = Arc::new(make(Arc::clone(&text)));
        self.shares.insert(text, Arc::clone(&new));
        new
    }
}
