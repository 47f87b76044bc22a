//! What was committed, told to whoever follows it; nothing when nobody does.

use crate::decision::{NewDecision, Run};
use crate::queue::{AttemptRecord, NewMessage};
use crate::store::Store;
use crate::trace::{self, Acceptance, Follower, Span};

impl Store {
    /// Has what is committed from now on told to a follower, once for all clones of the handle.
    pub fn follow(&self, follower: Follower) {
        // The first one stays.
        let _ = self.shared.follower.set(follower);
    }

    /// A message that is about to be committed.
    pub(super) fn followed(
        &self,
        message: &NewMessage,
        decision: Option<&NewDecision>,
    ) -> Option<Acceptance> {
        let follower = self.shared.follower.get()?;
        Acceptance::of(follower, message, decision.map(|new| &new.decision))
    }

    /// The spans of a message that was not taken.
    pub(super) fn spans_of_refused(&self, decision: &NewDecision) -> Option<Vec<Span>> {
        let follower = self.shared.follower.get()?;
        let is_enforced = decision.decision.run == Run::Enforced;
        is_enforced.then(|| trace::refused(follower, &decision.decision))?
    }

    /// The spans of attempts.
    pub(super) fn spans_of_attempts(&self, record: &AttemptRecord) -> Option<Vec<Span>> {
        let follower = self.shared.follower.get()?;
        trace::attempted(follower, record.id, &record.attempts)
    }

    /// Tells what was committed.
    pub(super) fn tell_follower(&self, spans: Option<Vec<Span>>) {
        if let (Some(follower), Some(spans)) = (self.shared.follower.get(), spans) {
            follower.tell(spans);
        }
    }
}
