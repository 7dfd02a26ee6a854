//! The inbox's values: posts as received.

use jiff::Timestamp;

use super::StoreError;

/// A post that is about to be accepted.
#[derive(Clone, Debug)]
pub struct NewPost {
    /// When it came.
    pub received_at: Timestamp,
    /// The name of the token that it came with.
    pub source: String,
    /// How many alerts it has.
    pub alerts: u32,
    /// The body, byte for byte.
    pub body: bytes::Bytes,
}

/// A post that waits to be unfolded.
#[derive(Clone, Debug)]
pub struct StoredPost {
    /// Its number; posts are unfolded in this order.
    pub id: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// How many alerts it has.
    pub alerts: u32,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// Posts that are committed together. Which ones is asked when their turn has come: whatever arrived while the commit before was
/// under way goes along.
pub trait Batch: Send + 'static {
    /// Hands the posts over, of whoever waits still.
    fn take(&mut self) -> Vec<NewPost>;

    /// Shows a failpoint to whoever watches those who wait.
    fn watch(&self, failpoint: &mut dyn FnMut());

    /// Says what came of them. They are on the disk, or nothing of them is kept.
    fn committed(self: Box<Self>, result: Result<(), StoreError>);
}
