//! Workers that wait for a next message with their connections open.

use std::collections::HashMap;

use tokio::sync::oneshot;

use super::plan::Claim;
use crate::queue::Destination;

/// One of them.
struct Idle {
    number: u64,
    claims: oneshot::Sender<Claim>,
}

/// All of them, by where their connections lead.
#[derive(Default)]
pub(super) struct IdleWorkers {
    waiting: HashMap<Destination, Vec<Idle>>,
    count: usize,
    next_number: u64,
}

impl IdleWorkers {
    /// One more waits, unless as many as `limit` do: its number, and where its claim comes.
    pub(super) fn add(
        &mut self,
        destination: &Destination,
        limit: usize,
    ) -> Option<(u64, oneshot::Receiver<Claim>)> {
        if self.count >= limit {
            return None;
        }
        let (claims, receiver) = oneshot::channel();
        let number = self.next_number;
        self.next_number += 1;
        self.count += 1;
        let waiting = self.waiting.entry(destination.clone()).or_default();
        waiting.push(Idle { number, claims });
        Some((number, receiver))
    }

    /// Hands a claim to the one that became idle last, for then the others may end their connections; it comes back when
    /// nobody waits.
    pub(super) fn hand_over(&mut self, mut claim: Claim) -> Option<Claim> {
        while let Some(idle) = self.take(&claim.destination) {
            match idle.claims.send(claim) {
                Ok(()) => return None,
                Err(returned) => claim = returned,
            }
        }
        Some(claim)
    }

    fn take(&mut self, destination: &Destination) -> Option<Idle> {
        let waiting = self.waiting.get_mut(destination)?;
        let idle = waiting.pop();
        if waiting.is_empty() {
            self.waiting.remove(destination);
        }
        self.count -= usize::from(idle.is_some());
        idle
    }

    /// One waits no longer; false when it is not among them any more: a claim is on its way, or none will come.
    pub(super) fn remove(&mut self, destination: &Destination, number: u64) -> bool {
        let Some(waiting) = self.waiting.get_mut(destination) else {
            return false;
        };
        let before = waiting.len();
        waiting.retain(|idle| idle.number != number);
        let removed = before - waiting.len();
        if waiting.is_empty() {
            self.waiting.remove(destination);
        }
        self.count -= removed;
        removed > 0
    }

    /// Nobody waits any longer, and no claim comes.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
        self.count = 0;
    }
}
