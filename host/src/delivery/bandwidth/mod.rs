//! The way out to all next hops together, given out strictly by priority: who writes content asks for its turn.
//!
//! With `delivery.bandwidth` no more than that leaves; without it the line is as wide as it is, and a large transfer
//! merely steps aside for as long as octets of more urgent ones flow. Whose turn it is is decided by [`turns`],
//! without clock or tasks. Commands never wait: they are counted, and content makes up for them.

mod bucket;
mod turns;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout_at;

use self::turns::{Ask, Ticket, Turns};
use crate::queue::Priority;

/// The way out. All clones are one.
#[derive(Clone)]
pub(crate) struct Bandwidth(Arc<Shared>);

struct Shared {
    is_limited: bool,
    state: Mutex<State>,
    wake: Arc<Notify>,
}

struct State {
    turns: Turns,
    /// How those that wait are told.
    waiting: HashMap<Ticket, oneshot::Sender<usize>>,
    next_ticket: Ticket,
    /// The task that keeps time while somebody waits, and when it wakes by itself.
    keeper: Option<JoinHandle<()>>,
    alarm: Option<Instant>,
}

impl Drop for State {
    fn drop(&mut self) {
        if let Some(keeper) = &self.keeper {
            keeper.abort();
        }
    }
}

/// The content of one message on its way. Dropping it ends its turn.
pub(crate) struct Transfer {
    bandwidth: Bandwidth,
    ticket: Ticket,
    priority: Priority,
    is_first: bool,
}

impl Bandwidth {
    /// `octets_per_s` in all, none without a limit; nobody pauses for much longer than `max_pause`.
    pub fn new(octets_per_s: Option<NonZeroU32>, max_pause: Duration) -> Self {
        Self(Arc::new(Shared {
            is_limited: octets_per_s.is_some(),
            state: Mutex::new(State {
                turns: Turns::new(octets_per_s, max_pause),
                waiting: HashMap::new(),
                next_ticket: 0,
                keeper: None,
                alarm: None,
            }),
            wake: Arc::new(Notify::new()),
        }))
    }

    /// For the content of one message.
    pub fn transfer(&self, priority: Priority) -> Transfer {
        let mut state = self.0.state.lock();
        state.next_ticket += 1;
        Transfer {
            bandwidth: self.clone(),
            ticket: state.next_ticket,
            priority,
            is_first: true,
        }
    }

    /// Counts octets that leave without a turn.
    pub fn spend(&self, octets: usize) {
        if self.0.is_limited {
            self.0.state.lock().turns.spend(octets, now());
        }
    }

    /// Gives out the turns that are due, and sees to it that somebody wakes for the next.
    fn settle(&self, state: &mut State, now: Instant) {
        if state.waiting.is_empty() {
            return;
        }
        state.hand_out(now);
        let Some(next_at) = state.turns.next_at(now) else {
            return;
        };
        if state.keeper.is_none() {
            let (shared, wake) = (Arc::downgrade(&self.0), Arc::clone(&self.0.wake));
            state.alarm = Some(next_at);
            state.keeper = Some(tokio::spawn(keep(shared, wake)));
        } else if state.alarm.is_none_or(|alarm| next_at < alarm) {
            state.alarm = Some(next_at);
            self.0.wake.notify_one();
        }
    }
}

impl std::fmt::Debug for Bandwidth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Bandwidth(limited: {})", self.0.is_limited)
    }
}

impl State {
    fn hand_out(&mut self, now: Instant) {
        while let Some(grant) = self.turns.grant(now) {
            if let Some(waiting) = self.waiting.remove(&grant.ticket) {
                // Whoever is gone has left the turns, or does so now.
                let _gone = waiting.send(grant.octets);
            }
        }
    }
}

impl Transfer {
    /// Waits for a turn to write; returns how many of `octets` may be written now, at least one of them.
    /// A turn lasts until the next one is asked for.
    ///
    /// # Cancel safety
    /// Who no longer waits loses its place in the line, and nothing else.
    pub async fn turn(&mut self, octets: usize) -> usize {
        match self.ask(octets) {
            Ok(granted) => granted,
            // The turns end with the last handle on them, and this is one.
            Err(waiting) => waiting.await.unwrap_or(octets),
        }
    }

    fn ask(&mut self, octets: usize) -> Result<usize, oneshot::Receiver<usize>> {
        let now = now();
        let mut state = self.bandwidth.0.state.lock();
        if state.waiting.remove(&self.ticket).is_some() {
            state.turns.leave(self.ticket, self.priority);
        }
        let ask = Ask {
            ticket: self.ticket,
            priority: self.priority,
            octets,
            is_first: std::mem::take(&mut self.is_first),
        };
        let asked = match state.turns.ask(ask, now) {
            Some(granted) => Ok(granted),
            None => {
                let (sender, receiver) = oneshot::channel();
                state.waiting.insert(self.ticket, sender);
                Err(receiver)
            }
        };
        self.bandwidth.settle(&mut state, now);
        asked
    }

    /// Its content is written: whoever waits may go on. What is asked for later begins anew.
    pub fn rest(&self) {
        let mut state = self.bandwidth.0.state.lock();
        state.waiting.remove(&self.ticket);
        state.turns.leave(self.ticket, self.priority);
        self.bandwidth.settle(&mut state, now());
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Gives out what becomes due with time, until nobody waits.
async fn keep(shared: Weak<Shared>, wake: Arc<Notify>) {
    while let Some(next_at) = give_out(&shared) {
        let _either = timeout_at(next_at.into(), wake.notified()).await;
    }
}

fn give_out(shared: &Weak<Shared>) -> Option<Instant> {
    let shared = shared.upgrade()?;
    let mut state = shared.state.lock();
    let now = now();
    state.hand_out(now);
    state.alarm = state.turns.next_at(now);
    if state.alarm.is_none() {
        state.keeper = None;
    }
    state.alarm
}

/// The clock of the timers, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
