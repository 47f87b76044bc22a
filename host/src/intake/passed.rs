//! A message that the policies let pass, on its way to the store.

use super::limits::Place;
use crate::decision::Findings;
use crate::policy::Effects;
use crate::queue::Priority;

/// What a ruling that lets a message pass leaves behind.
pub(super) struct Passed {
    pub priority: Priority,
    pub rule: String,
    pub findings: Findings,
    pub effects: Effects,
    /// True when a policy failed and may.
    pub has_policy_failure: bool,
}

/// The name of the rule by which the surplus of priority 1 becomes 2, beside those of the policies.
const URGENT_BUDGET: &str = "limits/urgent-budget";

impl Passed {
    /// Takes what its place among the user's messages says into account.
    pub fn keep_to(&mut self, place: &mut Place) {
        self.findings.alerts.append(&mut place.alerts);
        if place.priority != self.priority {
            self.priority = place.priority;
            self.rule = format!("{} {URGENT_BUDGET}", self.rule);
        }
    }
}
