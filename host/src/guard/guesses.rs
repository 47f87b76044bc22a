//! Remembers failed logins for a while, by address and by user name, and says what the next one is due.
//!
//! Whether a user of that name exists makes no difference to anything in here, so that nobody learns
//! it from a delay; but who has logged in from an address does not suffer for its neighbours there
//! (`regulars`). A value without clock or I/O: who uses it waits and tells.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::logins::Logins;
use super::origin::Origin;
use super::regulars::Regulars;

/// Wrong credentials remembered of each address, so that the same again is not another guess: a
/// program that was not told of a new password must not block the office around it.
const KNOWN_GUESSES: usize = 8;

/// What is to be done before a login is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Wait that long; zero for most.
    Delay(Duration),
    /// Refuse it, whatever it is: its address is blocked for that long.
    Blocked(Duration),
}

/// What has just become so many failures that a person should know. Told once until it is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crossed {
    /// Failures of the user name, when they have just reached the threshold.
    pub user: Option<u32>,
    /// Failures of the address, when they have just reached the threshold.
    pub origin: Option<u32>,
    /// True when the address has just been blocked.
    pub is_blocked: bool,
}

/// A login that failed.
#[derive(Clone, Copy)]
pub struct Guess<'a> {
    /// The user name, whether it is one's or not.
    pub username: &'a str,
    /// The wrong password, where the mechanism shows it.
    pub secret: Option<&'a str>,
}

/// The failures of all addresses and user names.
#[derive(Debug)]
pub struct Guard {
    /// Neither user names nor passwords are kept, only digests under a key of this process.
    key: RandomState,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    origins: HashMap<Origin, Entry>,
    users: HashMap<u64, Entry>,
    regulars: Regulars,
}

/// The failures of one address or user name.
#[derive(Clone, Debug)]
struct Entry {
    count: u32,
    /// When the count was as it is.
    at: Instant,
    is_told: bool,
    blocked_until: Option<Instant>,
    guesses: [u64; KNOWN_GUESSES],
    next_guess: usize,
}

impl Entry {
    const fn new(now: Instant) -> Self {
        Self {
            count: 0,
            at: now,
            is_told: false,
            blocked_until: None,
            guesses: [0; KNOWN_GUESSES],
            next_guess: 0,
        }
    }

    /// Forgets what is due: one failure in each interval.
    fn settle(&mut self, interval: Duration, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at);
        let forgotten = elapsed.as_nanos() / interval.as_nanos().max(1);
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        if forgotten >= self.count {
            (self.count, self.at, self.is_told) = (0, now, false);
        } else {
            self.count -= forgotten;
            self.at += interval * forgotten;
        }
    }

    fn blocked(&self, now: Instant) -> Option<Duration> {
        let left = self.blocked_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        self.count == 0 && self.blocked(now).is_none()
    }

    /// Whether this was not guessed a short while ago.
    fn is_new_guess(&mut self, guess: u64) -> bool {
        if self.guesses.contains(&guess) {
            return false;
        }
        self.guesses[self.next_guess] = guess;
        self.next_guess = (self.next_guess + 1) % KNOWN_GUESSES;
        true
    }

    /// The count, the first time that it reaches the threshold.
    fn tell(&mut self, threshold: u32) -> Option<u32> {
        if self.is_told || self.count < threshold {
            return None;
        }
        self.is_told = true;
        Some(self.count)
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Guard {
    /// With nothing remembered.
    pub fn new() -> Self {
        Self {
            key: RandomState::new(),
            failures: Mutex::default(),
        }
    }

    /// How long a connection from there is refused at once; none when it may come in.
    ///
    /// An address of regulars is let in: its failures may be those of one program among many behind it.
    /// Who is none of them is refused at AUTH.
    pub fn refuses(&self, origin: Origin, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock();
        let left = failures.origins.get(&origin)?.blocked(now)?;
        (!failures.regulars.has_any_at(origin, now)).then_some(left)
    }

    /// What a login from there as that user is due.
    pub fn hold(&self, rules: &Logins, origin: Origin, username: &str, now: Instant) -> Hold {
        let user = self.user_key(username);
        let mut failures = self.failures.lock();
        let interval = rules.forget_one_after();
        let is_regular = failures.regulars.is_one((origin, user), now);
        let mut of_origin = Duration::ZERO;
        if let Some(entry) = failures.origins.get_mut(&origin).filter(|_| !is_regular) {
            if let Some(left) = entry.blocked(now) {
                return Hold::Blocked(left);
            }
            entry.settle(interval, now);
            of_origin = delay(rules, entry.count, rules.max_delay());
        }
        let mut of_user = Duration::ZERO;
        if let Some(entry) = failures.users.get_mut(&user) {
            entry.settle(interval, now);
            of_user = delay(rules, entry.count, rules.max_user_delay());
        }
        Hold::Delay(of_origin.max(of_user))
    }

    /// Counts a failed login.
    pub fn failed(&self, rules: &Logins, origin: Origin, guess: Guess, now: Instant) -> Crossed {
        let Guess { username, secret } = guess;
        let user = self.user_key(username);
        let guess = secret.map(|secret| self.key.hash_one((username, secret)));
        let mut failures = self.failures.lock();
        let failures = &mut *failures;
        let mut crossed = Crossed::default();
        let found = entry(rules, &mut failures.users, user, now);
        found.count = found.count.saturating_add(1).min(rules.block_after);
        crossed.user = found.tell(rules.alert_after);
        let found = entry(rules, &mut failures.origins, origin, now);
        if guess.is_none_or(|guess| found.is_new_guess(guess)) {
            found.count = found.count.saturating_add(1).min(rules.block_after);
            let pair = (origin, user);
            failures.regulars.guessed(pair, rules.free_failures);
        }
        crossed.origin = found.tell(rules.alert_after);
        if found.count >= rules.block_after && found.blocked(now).is_none() {
            found.blocked_until = Some(now + rules.block());
            crossed.is_blocked = true;
        }
        crossed
    }

    /// Notes that this user logged in from there. Forgets no failure: whoever has an account of their own
    /// could otherwise guess at those of others without end. A block makes no new regulars: whoever
    /// guesses beside a program that logs in again and again would get new attempts by each of its logins.
    pub fn succeeded(&self, rules: &Logins, origin: Origin, username: &str, now: Instant) {
        let pair = (origin, self.user_key(username));
        let mut failures = self.failures.lock();
        let blocked = failures.origins.get(&origin);
        let is_blocked = blocked.is_some_and(|entry| entry.blocked(now).is_some());
        if !is_blocked || failures.regulars.is_one(pair, now) {
            let until = now + rules.known();
            failures.regulars.note(pair, until, now, rules.remembered);
        }
    }

    fn user_key(&self, username: &str) -> u64 {
        self.key.hash_one(username.to_ascii_lowercase())
    }
}

/// Doubles with every failure beyond those that are free.
fn delay(rules: &Logins, count: u32, max: Duration) -> Duration {
    let Some(beyond) = count.checked_sub(rules.free_failures.saturating_add(1)) else {
        return Duration::ZERO;
    };
    let doubled = 2_u32.saturating_pow(beyond);
    rules.first_delay().saturating_mul(doubled).min(max)
}

/// The entry of a key as of now; makes room for a new one.
fn entry<'a, K: Copy + Eq + Hash>(
    rules: &Logins,
    entries: &'a mut HashMap<K, Entry>,
    key: K,
    now: Instant,
) -> &'a mut Entry {
    let interval = rules.forget_one_after();
    if !entries.contains_key(&key) && entries.len() >= rules.remembered.max(1) {
        make_room(entries, interval, now);
    }
    let entry = entries.entry(key).or_insert_with(|| Entry::new(now));
    entry.settle(interval, now);
    entry
}

/// Drops what is forgotten, or else what has failed least recently.
fn make_room<K: Copy + Eq + Hash>(
    entries: &mut HashMap<K, Entry>,
    interval: Duration,
    now: Instant,
) {
    let before = entries.len();
    entries.retain(|_, entry| {
        entry.settle(interval, now);
        !entry.is_forgotten(now)
    });
    let oldest = entries.iter().min_by_key(|(_, entry)| entry.at);
    if entries.len() == before
        && let Some((&oldest, _)) = oldest
    {
        entries.remove(&oldest);
    }
}

#[cfg(test)]
mod tests;
