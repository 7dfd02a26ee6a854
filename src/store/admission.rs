//! Admission's values: judge and start are one transaction, so what a decision is based on is read where it is written.

use jiff::Timestamp;

use super::{Change, Claim};
use crate::domain::{
    guard::History,
    run::{Binding, RunId, Scope},
    runbook::Guards,
};

/// A run that is bound, and perhaps about to act.
pub struct Admission {
    /// The right to work on it.
    pub claim: Claim,
    /// The length of the journal that it is decided on.
    pub seen: usize,
    /// What it is bound to.
    pub binding: Binding,
    /// Where it stands among what limits are counted on.
    pub scope: Scope,
    /// The binding was seen since the claim and is not in the journal yet: a run on the same root that has not acted takes the
    /// alerts over, and an incident may begin. What `decide` answers begins with it.
    pub unsaved: bool,
    /// How far guards look back.
    pub guards: Guards,
    /// What is to be recorded.
    pub decide: Box<Decide>,
}

/// From the history of the root and the moment to what is recorded. Pure, and the same however often it is asked: a store may have
/// to ask again.
pub type Decide = dyn Fn(&History, Timestamp) -> Change + Send;

/// What came of it.
#[derive(Debug)]
pub enum Admitted {
    /// The change was committed.
    Committed(Change),
    /// The alerts are another run's now, and this run has ended.
    Merged {
        /// The other run.
        into: RunId,
    },
}
