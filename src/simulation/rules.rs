//! Rules by which things go wrong: which calls, after how many, how often. What goes wrong and how calls are told apart is
//! the business of whoever keeps them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A fault `F`, and the calls `C` that it befalls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule<F, C> {
    pub(super) fault: F,
    pub(super) calls: C,
    spared: u32,
    left: Option<u32>,
}

/// The rules in force, in the order in which they were made.
#[derive(Debug)]
pub(super) struct Rules<F, C>(Mutex<Vec<Rule<F, C>>>);

impl<F, C: Default> Rule<F, C> {
    /// Every call, until the rules are cleared.
    pub fn always(fault: F) -> Self {
        Self {
            fault,
            calls: C::default(),
            spared: 0,
            left: None,
        }
    }

    /// The next so many calls.
    pub fn times(count: u32, fault: F) -> Self {
        Self {
            left: Some(count),
            ..Self::always(fault)
        }
    }

    /// The next call.
    pub fn once(fault: F) -> Self {
        Self::times(1, fault)
    }

    /// So many calls pass first.
    pub fn after(mut self, count: u32) -> Self {
        self.spared = count;
        self
    }
}

impl<F: Clone, C> Rules<F, C> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Adds a rule.
    pub(super) fn add(&self, rule: Rule<F, C>) {
        self.lock().push(rule);
    }

    /// Nothing goes wrong from now on.
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// What befalls a call that is of these. Where several rules do, it is the one that was made first.
    pub(super) fn befall(&self, mut is_of: impl FnMut(&C) -> bool) -> Option<F> {
        let mut rules = self.lock();
        let at = rules.iter_mut().position(|rule| {
            if rule.left == Some(0) || !is_of(&rule.calls) {
                return false;
            }
            let passes = rule.spared > 0;
            rule.spared = rule.spared.saturating_sub(1);
            !passes
        })?;
        let fault = rules[at].fault.clone();
        if let Some(left) = &mut rules[at].left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                rules.remove(at);
            }
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Rule<F, C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbered = Rule<&'static str, u8>;

    fn befalls(rules: &Rules<&'static str, u8>, call: u8) -> Option<&'static str> {
        rules.befall(|number| *number == call)
    }

    fn on(call: u8, rule: Numbered) -> Numbered {
        Rule { calls: call, ..rule }
    }

    #[test]
    fn a_rule_befalls_the_calls_it_names_and_as_often_as_it_says() {
        let rules = Rules::new();
        rules.add(on(1, Rule::times(2, "cut")));
        rules.add(on(2, Rule::always("down")));
        assert_eq!(befalls(&rules, 3), None);
        assert_eq!(befalls(&rules, 1), Some("cut"));
        assert_eq!(befalls(&rules, 2), Some("down"));
        assert_eq!(befalls(&rules, 1), Some("cut"));
        assert_eq!(befalls(&rules, 1), None);
        assert_eq!(befalls(&rules, 2), Some("down"));
        rules.clear();
        assert_eq!(befalls(&rules, 2), None);
    }

    #[test]
    fn the_rule_that_was_made_first_wins_and_then_makes_room() {
        let rules = Rules::new();
        rules.add(Rule::once("cut"));
        rules.add(Rule::once("garbled"));
        let all: Vec<_> = (0..3).map(|_| befalls(&rules, 0)).collect();
        assert_eq!(all, [Some("cut"), Some("garbled"), None]);
    }

    #[test]
    fn calls_that_are_spared_count_only_when_they_are_of_the_rule() {
        let rules = Rules::new();
        rules.add(on(1, Rule::once("cut").after(2)));
        let all: Vec<_> = [1, 2, 2, 1, 2, 1, 1].map(|call| befalls(&rules, call)).to_vec();
        assert_eq!(all, [None, None, None, None, None, Some("cut"), None]);
    }
}
