//! Who has logged in from where a while ago: users who get in there though a neighbour is locked out.
//!
//! An office or a farm of servers shares one address. A program in it that guesses, or has lost its
//! password, gets the address blocked; those who were known there before go on.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Instant;

use super::origin::Origin;

/// An address and the digest of a user name.
pub(super) type Pair = (Origin, u64);

/// Users by the address they log in from. A value without a clock.
#[derive(Debug, Default)]
pub(super) struct Regulars {
    pairs: HashMap<Pair, Regular>,
    /// Until when there is any at an address.
    origins: HashMap<Origin, Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Regular {
    until: Instant,
    /// Wrong credentials since it became one.
    guesses: u32,
}

impl Regulars {
    /// True when somebody logged in from there a while ago.
    pub(super) fn has_any_at(&self, origin: Origin, now: Instant) -> bool {
        self.origins.get(&origin).is_some_and(|until| now < *until)
    }

    /// True when this user logged in from there a while ago.
    pub(super) fn is_one(&self, pair: Pair, now: Instant) -> bool {
        self.pairs.get(&pair).is_some_and(|known| now < known.until)
    }

    /// Notes a login, which is known until then. Its wrong guesses stay counted. Holds `max` users and
    /// addresses at most, those that are known the longest.
    pub(super) fn note(&mut self, pair: Pair, until: Instant, now: Instant, max: usize) {
        make_room(&mut self.pairs, &pair, max, now, |known| known.until);
        make_room(&mut self.origins, &pair.0, max, now, |until| *until);
        let new = Regular { until, guesses: 0 };
        self.pairs.entry(pair).or_insert(new).until = until;
        self.origins.insert(pair.0, until);
    }

    /// Counts a wrong guess: somebody at the same address could use what its regulars may. One with more
    /// guesses than are free is a regular no more.
    pub(super) fn guessed(&mut self, pair: Pair, free: u32) {
        if let Some(known) = self.pairs.get_mut(&pair) {
            known.guesses = known.guesses.saturating_add(1);
            if known.guesses > free {
                self.pairs.remove(&pair);
            }
        }
    }
}

/// Drops what is over, or else what ends first, when there is no room for one more key.
fn make_room<K: Copy + Eq + Hash, V>(
    entries: &mut HashMap<K, V>,
    key: &K,
    max: usize,
    now: Instant,
    until: impl Fn(&V) -> Instant,
) {
    if entries.len() < max.max(1) || entries.contains_key(key) {
        return;
    }
    entries.retain(|_, entry| now < until(entry));
    if entries.len() >= max.max(1)
        && let Some((&first, _)) = entries.iter().min_by_key(|(_, entry)| until(entry))
    {
        entries.remove(&first);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn pair(last: u8, user: u64) -> Pair {
        (Origin::of([192, 0, 2, last].into()), user)
    }

    #[test]
    fn a_user_is_known_at_its_address_for_a_while() {
        let (mut regulars, now) = (Regulars::default(), Instant::now());
        regulars.note(pair(1, 1), now + HOUR, now, 10);
        assert!(regulars.is_one(pair(1, 1), now));
        assert!(!regulars.is_one(pair(1, 2), now), "another user");
        assert!(!regulars.is_one(pair(2, 1), now), "another address");
        assert!(regulars.has_any_at(pair(1, 2).0, now));
        assert!(!regulars.has_any_at(pair(2, 1).0, now));
        assert!(!regulars.is_one(pair(1, 1), now + HOUR));
        assert!(!regulars.has_any_at(pair(1, 1).0, now + HOUR));
    }

    #[test]
    fn wrong_guesses_end_it_and_logins_between_do_not_help() {
        let (mut regulars, now) = (Regulars::default(), Instant::now());
        for guesses in 0..4 {
            regulars.note(pair(1, 1), now + HOUR, now, 10);
            assert!(regulars.is_one(pair(1, 1), now), "{guesses} guesses");
            regulars.guessed(pair(1, 1), 3);
        }
        assert!(!regulars.is_one(pair(1, 1), now));
        assert!(regulars.has_any_at(pair(1, 1).0, now), "its neighbours");
    }

    #[test]
    fn what_ends_first_makes_room() {
        let (mut regulars, now) = (Regulars::default(), Instant::now());
        for number in 0..10 {
            let until = now + HOUR * u32::from(number + 1);
            regulars.note(pair(number, 1), until, now, 3);
            assert!(regulars.pairs.len() <= 3 && regulars.origins.len() <= 3);
        }
        let kept = (0..10).filter(|number| regulars.is_one(pair(*number, 1), now));
        assert_eq!(kept.collect::<Vec<_>>(), [7, 8, 9]);
        let later = now + HOUR * 9;
        regulars.note(pair(1, 1), later + HOUR, later, 3);
        assert_eq!(regulars.pairs.len(), 2, "what is over went first");
    }
}
