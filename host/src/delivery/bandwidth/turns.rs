//! Whose turn it is to write content to a next hop: strictly by priority, and turn by turn within one. Pure.
//!
//! A transfer asks before each block that it writes, and is told how much of it may go now. As long as octets of
//! a more urgent transfer flow, or wait for their turn, it waits: in the middle of its content, if that is where it is.
//! Three things keep that harmless. A transfer whose peer takes nothing holds nobody back. Without a limit on the
//! bandwidth the first block of a message never waits: the pause would last longer than what it is for. And
//! nobody pauses for so long that its peer would give it up.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::bucket::Bucket;
use crate::queue::Priority;

/// How long a block that is being written holds back the less urgent ones. Default 20 ms: a peer that has not taken it
/// by then is slower than we are, and what it leaves of the line is anybody's.
const FLOWING: Duration = Duration::from_millis(20);
/// Octets of a turn without a limit while somebody less urgent waits: a line of 1 MB/s takes them within [`FLOWING`].
const CONTENDED_PIECE: usize = 16 * 1024;
/// Octets of the turn that comes of a long pause: enough for a peer to see that we are there.
const TRICKLE: usize = 1024;

/// The number of a transfer.
pub(super) type Ticket = u64;

/// A wish to write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub ticket: Ticket,
    pub priority: Priority,
    /// How much there is to be written.
    pub octets: usize,
    /// Nothing of the content was written yet.
    pub is_first: bool,
}

/// A turn: so many octets may be written now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub ticket: Ticket,
    pub octets: usize,
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    bucket: Option<Bucket>,
    max_pause: Duration,
    /// The most urgent first.
    classes: [Class; 5],
    /// The last turn came of a long pause; the next one does not, unless nobody else wants it.
    was_trickle: bool,
}

/// The transfers of one priority.
#[derive(Debug, Default)]
struct Class {
    /// The one that waits longest first.
    waiting: VecDeque<Waiting>,
    /// Those that have a turn, and since when.
    writing: HashMap<Ticket, Instant>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    octets: usize,
    since: Instant,
}

impl Class {
    /// Until when its blocks hold back the less urgent; none when they do not.
    fn flows_until(&self, now: Instant) -> Option<Instant> {
        let until = self.writing.values().max().map(|&since| since + FLOWING);
        until.filter(|&until| until > now)
    }
}

impl Turns {
    /// Without a limit when there is no `octets_per_s`; nobody pauses for much longer than `max_pause`.
    pub fn new(octets_per_s: Option<NonZeroU32>, max_pause: Duration) -> Self {
        Self {
            bucket: octets_per_s.map(Bucket::new),
            max_pause,
            classes: Default::default(),
            was_trickle: false,
        }
    }

    /// How many octets may be written now; none: it waits for [`Turns::grant`]. What it wrote before is written.
    pub fn ask(&mut self, ask: Ask, now: Instant) -> Option<usize> {
        let place = place(ask.priority);
        self.classes[place].writing.remove(&ask.ticket);
        if self.may_write(place, ask.is_first, now) {
            return Some(self.begin(place, ask.ticket, ask.octets, now));
        }
        self.classes[place].waiting.push_back(Waiting {
            ticket: ask.ticket,
            octets: ask.octets,
            since: now,
        });
        None
    }

    /// The next turn of those that wait; none when nobody may write now.
    #[must_use]
    pub fn grant(&mut self, now: Instant) -> Option<Grant> {
        if !self.is_open(now) {
            return None;
        }
        let regular = self.foremost().filter(|&place| !self.is_held(place, now));
        let overdue = self.longest_paused(now);
        match (regular, overdue) {
            (None, Some(place)) => Some(self.trickle(place, now)?),
            (Some(_), Some(place)) if !self.was_trickle => Some(self.trickle(place, now)?),
            (Some(place), _) => {
                self.was_trickle = false;
                let next = self.classes[place].waiting.pop_front()?;
                let octets = self.begin(place, next.ticket, next.octets, now);
                Some(Grant {
                    ticket: next.ticket,
                    octets,
                })
            }
            (None, None) => None,
        }
    }

    /// When [`Turns::grant`] may have something that it has not now, if nobody asks or leaves until then.
    pub fn next_at(&self, now: Instant) -> Option<Instant> {
        let foremost = self.foremost()?;
        let above = self.classes[..foremost].iter();
        let held_until = above.filter_map(|class| class.flows_until(now)).max();
        let overdue_at = self.fronts().map(|(_, front)| front.since + self.max_pause);
        let next = overdue_at.chain([held_until.unwrap_or(now)]).min()?;
        let opens_at = self.bucket.as_ref().map_or(now, |it| it.opens_at(now));
        Some(next.max(opens_at))
    }

    /// A transfer has no more to write, or is given up.
    pub fn leave(&mut self, ticket: Ticket, priority: Priority) {
        let class = &mut self.classes[place(priority)];
        if class.writing.remove(&ticket).is_none() {
            class.waiting.retain(|waiting| waiting.ticket != ticket);
        }
    }

    /// Counts octets that do not wait for a turn.
    pub fn spend(&mut self, octets: usize, now: Instant) {
        if let Some(bucket) = &mut self.bucket {
            bucket.spend(octets, now);
        }
    }

    fn may_write(&self, place: usize, is_first: bool, now: Instant) -> bool {
        if self.bucket.is_none() && is_first {
            return true;
        }
        let is_next = self.classes[place].waiting.is_empty();
        is_next && self.is_open(now) && !self.is_held(place, now)
    }

    fn is_open(&self, now: Instant) -> bool {
        self.bucket.as_ref().is_none_or(|it| it.is_open(now))
    }

    /// Somebody more urgent waits, or writes to a peer that takes it.
    fn is_held(&self, place: usize, now: Instant) -> bool {
        let mut above = self.classes[..place].iter();
        above.any(|class| !class.waiting.is_empty() || class.flows_until(now).is_some())
    }

    /// The most urgent class in which somebody waits.
    fn foremost(&self) -> Option<usize> {
        self.fronts().next().map(|(place, _)| place)
    }

    /// Who waits longest in each class, the most urgent first.
    fn fronts(&self) -> impl Iterator<Item = (usize, &Waiting)> {
        let classes = self.classes.iter().enumerate();
        classes.filter_map(|(place, class)| Some((place, class.waiting.front()?)))
    }

    /// The class of who waits longest, if that is too long.
    fn longest_paused(&self, now: Instant) -> Option<usize> {
        let (place, front) = self.fronts().min_by_key(|(_, front)| front.since)?;
        (front.since + self.max_pause <= now).then_some(place)
    }

    fn trickle(&mut self, place: usize, now: Instant) -> Option<Grant> {
        self.was_trickle = true;
        let next = self.classes[place].waiting.pop_front()?;
        let octets = self.begin(place, next.ticket, next.octets.min(TRICKLE), now);
        Some(Grant {
            ticket: next.ticket,
            octets,
        })
    }

    /// Begins a turn; returns its octets.
    fn begin(&mut self, place: usize, ticket: Ticket, octets: usize, now: Instant) -> usize {
        let octets = octets.min(self.piece(place));
        self.spend(octets, now);
        self.classes[place].writing.insert(ticket, now);
        octets
    }

    /// Octets that a turn may have at most.
    fn piece(&self, place: usize) -> usize {
        let mut below = self.classes[place + 1..].iter();
        match &self.bucket {
            Some(bucket) => bucket.piece(),
            None if below.any(|class| !class.waiting.is_empty()) => CONTENDED_PIECE,
            None => usize::MAX,
        }
    }
}

fn place(priority: Priority) -> usize {
    usize::from(priority.number() - 1)
}

#[cfg(test)]
mod tests;
