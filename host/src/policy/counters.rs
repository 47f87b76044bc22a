//! Sums over sliding windows that policies keep: in memory, with what is new handed out to be stored.
//!
//! A window is cut into slots that are numbered from the epoch, so that the slots of several nodes
//! can be added up. What is stored are amounts by slot, never sums. Time is the caller's.

use std::collections::HashMap;

use parking_lot::Mutex;

mod window;

use self::window::{Window, slot, slot_end_ms};
use crate::queue::PolicyCount;

/// Octets of a key. 256: an address, and a word before it.
pub(super) const MAX_KEY_OCTETS: usize = 256;
/// Seconds of a window. 31 days: a month's allowance.
pub(super) const MAX_WINDOW_S: u32 = 31 * 86_400;
/// Of a full set of counters so many parts go at once: 1 in 16, so that making room is rare.
const EVICTED_PART: usize = 16;

/// The counters of all policies of a relay.
#[derive(Debug)]
pub struct Counters {
    max_per_policy: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    policies: HashMap<String, Policy>,
    /// What was added since it was last asked for.
    pending: HashMap<Place, u64>,
}

/// The counters of one policy.
#[derive(Clone, Debug, Default)]
struct Policy {
    windows: HashMap<Name, Window>,
    /// Counts uses, to tell which counter was used last.
    uses: u64,
}

/// What one counter of a policy is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Name {
    key: String,
    window_s: u32,
}

/// One slot of one counter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    policy: String,
    name: Name,
    slot: i64,
}

/// A question about one counter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub policy: &'a str,
    pub key: &'a str,
    pub window_s: u32,
    pub now_ms: i64,
}

/// What came of asking for a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub granted: bool,
    pub total: u64,
    pub wait_s: u32,
}

impl Counters {
    /// Without any counter; each policy may have `max_per_policy`, and the least recently used ones
    /// go when there are more.
    pub fn new(max_per_policy: usize) -> Self {
        Self {
            max_per_policy: max_per_policy.max(EVICTED_PART),
            state: Mutex::default(),
        }
    }

    /// Counters with the same totals that go their own way from here; nothing of them is ever stored.
    pub(super) fn copy(&self) -> Self {
        let policies = self.state.lock().policies.clone();
        Self {
            max_per_policy: self.max_per_policy,
            state: Mutex::new(State {
                policies,
                pending: HashMap::new(),
            }),
        }
    }

    /// Adds and returns the total.
    pub(super) fn add(&self, asked: Asked<'_>, amount: u32) -> u64 {
        let mut state = self.state.lock();
        let window = self.window(&mut state, asked);
        window.add(asked.slot(), amount.into());
        let total = window.total(asked.slot());
        state.note(asked, amount.into());
        total
    }

    /// Adds only what keeps the total within `limit`.
    pub(super) fn take(&self, asked: Asked<'_>, amount: u32, limit: u64) -> Share {
        let mut state = self.state.lock();
        let window = self.window(&mut state, asked);
        let total = window.total(asked.slot());
        let (wanted, sum) = (u64::from(amount), total.saturating_add(amount.into()));
        if sum <= limit {
            window.add(asked.slot(), wanted);
            state.note(asked, wanted);
            return Share {
                granted: true,
                total: sum,
                wait_s: 0,
            };
        }
        let too_many = sum - limit;
        Share {
            granted: false,
            total,
            wait_s: window.wait_s(too_many, asked.now_ms, asked.window_s),
        }
    }

    /// The total.
    pub(super) fn peek(&self, asked: Asked<'_>) -> u64 {
        let mut state = self.state.lock();
        let policy = state.policies.get_mut(asked.policy);
        let window = policy.and_then(|policy| policy.known(asked));
        window.map_or(0, |window| window.total(asked.slot()))
    }

    /// Takes what was added since the last call, to be stored.
    pub fn take_pending(&self) -> Vec<PolicyCount> {
        let pending = std::mem::take(&mut self.state.lock().pending);
        let count = |(place, amount): (Place, u64)| PolicyCount {
            expires_at_ms: slot_end_ms(place.slot, place.name.window_s),
            policy: place.policy,
            key: place.name.key,
            window_s: place.name.window_s,
            slot: place.slot,
            amount,
        };
        pending.into_iter().map(count).collect()
    }

    /// Takes back what could not be stored, to be handed out again.
    pub fn put_back(&self, counts: Vec<PolicyCount>) {
        let mut state = self.state.lock();
        for count in counts {
            let (place, amount) = place_of(count);
            let known = state.pending.entry(place).or_default();
            *known = known.saturating_add(amount);
        }
    }

    /// Takes in what all nodes have stored; what was not handed out to be stored yet is added to it.
    pub fn adopt(&self, stored: Vec<PolicyCount>) {
        let mut state = self.state.lock();
        for count in stored {
            let asked = Asked {
                policy: &count.policy,
                key: &count.key,
                window_s: count.window_s,
                now_ms: slot_end_ms(count.slot, count.window_s),
            };
            let (slot, amount) = (count.slot, count.amount);
            let place = Place {
                policy: count.policy.clone(),
                name: asked.name(),
                slot,
            };
            let pending = state.pending.get(&place).copied().unwrap_or_default();
            let sum = amount.saturating_add(pending);
            self.window(&mut state, asked).set(slot, sum);
        }
    }

    /// Takes in what was stored before a restart.
    pub fn restore(&self, counts: Vec<PolicyCount>) {
        let mut state = self.state.lock();
        for count in counts {
            let asked = Asked {
                policy: &count.policy,
                key: &count.key,
                window_s: count.window_s,
                now_ms: slot_end_ms(count.slot, count.window_s),
            };
            self.window(&mut state, asked).add(count.slot, count.amount);
        }
    }

    /// The window of a counter, made if it is new.
    fn window<'a>(&self, state: &'a mut State, asked: Asked<'_>) -> &'a mut Window {
        // Looked up by reference first: the name of a known policy is not copied.
        if !state.policies.contains_key(asked.policy) {
            state
                .policies
                .insert(asked.policy.to_owned(), Policy::default());
        }
        let policy = state
            .policies
            .get_mut(asked.policy)
            .expect("it was made just now");
        let name = asked.name();
        if policy.windows.len() >= self.max_per_policy && !policy.windows.contains_key(&name) {
            policy.make_room(self.max_per_policy, asked);
        }
        policy.uses += 1;
        let window = policy.windows.entry(name).or_default();
        window.used = policy.uses;
        window
    }
}

impl Default for Counters {
    /// Room for as many counters as the configuration has by default.
    fn default() -> Self {
        Self::new(super::Config::default().counters_per_policy)
    }
}

impl State {
    fn note(&mut self, asked: Asked<'_>, amount: u64) {
        if amount == 0 {
            return;
        }
        let place = Place {
            policy: asked.policy.to_owned(),
            name: asked.name(),
            slot: asked.slot(),
        };
        let known = self.pending.entry(place).or_default();
        *known = known.saturating_add(amount);
    }
}

impl Policy {
    fn known(&mut self, asked: Asked<'_>) -> Option<&mut Window> {
        let window = self.windows.get_mut(&asked.name())?;
        self.uses += 1;
        window.used = self.uses;
        Some(window)
    }

    /// Drops what has run out; where that is not enough, what was not used for the longest time.
    fn make_room(&mut self, max: usize, asked: Asked<'_>) {
        self.windows
            .retain(|name, window| window.total(slot(asked.now_ms, name.window_s)) > 0);
        let room = max - max / EVICTED_PART;
        if self.windows.len() <= room {
            return;
        }
        tracing::warn!(
            policy = asked.policy,
            "policy {} counts more than {max} things at a time; those it asked for least recently \
             are forgotten (policy.counters-per-policy)",
            asked.policy
        );
        let mut used: Vec<u64> = self.windows.values().map(|window| window.used).collect();
        let oldest = used.len() - room;
        let (_, &mut limit, _) = used.select_nth_unstable(oldest);
        self.windows.retain(|_, window| window.used >= limit);
    }
}

impl Asked<'_> {
    fn slot(self) -> i64 {
        slot(self.now_ms, self.window_s)
    }

    fn name(self) -> Name {
        Name {
            key: self.key.to_owned(),
            window_s: self.window_s,
        }
    }
}

fn place_of(count: PolicyCount) -> (Place, u64) {
    let place = Place {
        policy: count.policy,
        name: Name {
            key: count.key,
            window_s: count.window_s,
        },
        slot: count.slot,
    };
    (place, count.amount)
}

#[cfg(test)]
mod tests;
