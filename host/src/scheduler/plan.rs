//! The order of what is to be sent: strictly by priority, then due time, then age. Pure.
//!
//! An entry is a message for one destination. It is *waiting* until it is due, then *ready*; taking
//! it with [`Plan::next`] removes it, so that whoever holds the [`Claim`] is its only owner until it
//! is put back. A destination that is full or cannot be reached is passed over, so nobody waits
//! behind it. With ageing, what is ready for long becomes more urgent step by step. Every operation costs O(log n).

mod envelopes;
mod health;
mod lane;
mod limits;
mod moves;
mod pace;
mod steer;
mod surplus;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;

use self::lane::{Lane, Order};
pub use self::limits::{Ageing, Limits, Named};
pub use self::surplus::Surplus;
pub use self::view::{Claim, Counts, Health, Trouble, Unreachable};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Destination, OpenMessage, OpenRecipient, Priority, RemoteReply};
use crate::smtp::Mailbox;

/// How many times the octets that are kept in memory may be left to wait. Default 12, 384 MiB by default: what the
/// system's cache still has when its turn comes.
const WAITING: u64 = 12;

/// The number of a destination while the plan knows it.
type LaneId = u32;

#[derive(Debug)]
struct Entry {
    /// How urgent it is by now, and was before it waited.
    priority: Priority,
    own: Priority,
    list: Option<i64>,
    due_at: Timestamp,
    look_at: Timestamp,
    is_ready: bool,
    message: Option<Box<OpenMessage>>,
}

/// The order of what is to be sent.
#[derive(Debug)]
pub struct Plan {
    limits: Limits,
    is_paused: bool,
    entries: BTreeMap<(QueueId, LaneId), Entry>,
    waiting: BTreeSet<(Timestamp, QueueId, LaneId)>,
    /// Every entry, by when something must come of it although it was not tried.
    looks: BTreeSet<(Timestamp, QueueId, LaneId)>,
    /// Ready entries, by when they become more urgent; empty without ageing.
    ages: BTreeSet<(Timestamp, QueueId, LaneId)>,
    lanes: HashMap<LaneId, Lane>,
    lane_ids: HashMap<Destination, LaneId>,
    next_lane: LaneId,
    /// The best ready entry of each destination that has a slot for it.
    eligible: BTreeSet<(Order, LaneId)>,
    held: BTreeSet<(Timestamp, LaneId)>,
    /// Destinations that are left alone for their pace.
    paced: BTreeSet<(Timestamp, LaneId)>,
    running: usize,
    keeps_messages: bool,
    content_octets: usize,
    envelopes: usize,
    /// Octets of the messages whose envelopes are kept, in memory or not.
    octets: u64,
    counts: Counts,
}

impl Plan {
    /// An empty plan.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            is_paused: false,
            entries: BTreeMap::new(),
            waiting: BTreeSet::new(),
            looks: BTreeSet::new(),
            ages: BTreeSet::new(),
            lanes: HashMap::new(),
            lane_ids: HashMap::new(),
            next_lane: 0,
            eligible: BTreeSet::new(),
            held: BTreeSet::new(),
            paced: BTreeSet::new(),
            running: 0,
            keeps_messages: true,
            content_octets: 0,
            envelopes: 0,
            octets: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a message, split by where its recipients go. What the plan holds already stays as it is.
    pub fn insert(&mut self, message: OpenMessage, route: impl Fn(&Mailbox) -> Destination) {
        let mut rest = message;
        while let Some(first) = rest.recipients.first() {
            let destination = route(&first.mailbox);
            let is_here = |one: &OpenRecipient| route(&one.mailbox) == destination;
            if rest.recipients.iter().all(is_here) {
                return self.insert_part(rest, destination);
            }
            let all = std::mem::take(&mut rest.recipients);
            let (here, elsewhere): (Vec<_>, Vec<_>) = all.into_iter().partition(is_here);
            let mut part = rest.clone();
            part.recipients = here;
            rest.recipients = elsewhere;
            self.insert_part(part, destination);
        }
    }

    /// Adds a message all of whose recipients go to `destination`.
    pub fn insert_part(&mut self, message: OpenMessage, destination: Destination) {
        let due_at = message.recipients.iter().map(|one| one.due_at).min();
        let (id, priority, list) = (message.id, message.meta.priority, message.meta.list_id);
        let look_at = self.look_at(&message);
        let kept = self.keep(message);
        self.add(
            id,
            destination,
            Entry {
                priority,
                own: priority,
                list,
                // Nobody is given up or told of a delay without a last attempt.
                due_at: due_at.unwrap_or_default().min(look_at),
                look_at,
                is_ready: false,
                message: kept,
            },
        );
    }

    /// When a recipient is given up, or its sender is to be told that it is late.
    fn look_at(&self, message: &OpenMessage) -> Timestamp {
        let (meta, after) = (&message.meta, self.limits.delay_notice_after);
        let notices = message
            .recipients
            .iter()
            .filter_map(|one| meta.delay_notice_at(one, after));
        notices.fold(meta.expires_at, Timestamp::min)
    }

    /// Puts a claimed entry back, to be tried at `due_at`; its message is read from the store then.
    pub fn put_back(&mut self, claim: &Claim, due_at: Timestamp) {
        let entry = Entry {
            priority: claim.own,
            own: claim.own,
            list: claim.list,
            due_at,
            look_at: claim.look_at,
            is_ready: false,
            message: None,
        };
        self.add(claim.id, claim.destination.clone(), entry);
    }

    /// As [`Plan::insert_part`], for a message that could not be tried because its destination cannot be
    /// reached: it is pulled forward as soon as the destination answers again.
    pub fn insert_stalled(&mut self, message: OpenMessage, destination: Destination) {
        let id = message.id;
        let lane = self.lane(&destination);
        self.insert_part(message, destination);
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.stalled.push(id);
        }
    }

    fn add(&mut self, id: QueueId, destination: Destination, entry: Entry) {
        let lane = self.lane(&destination);
        if self.entries.contains_key(&(id, lane)) {
            return self.release(&entry);
        }
        self.counts.waiting[place(entry.priority)] += 1;
        self.waiting.insert((entry.due_at, id, lane));
        self.looks.insert((entry.look_at, id, lane));
        self.entries.insert((id, lane), entry);
        if let Some(lane) = self.lanes.get_mut(&lane) {
            lane.entries += 1;
        }
    }

    /// Keeps a message where there is memory for its envelope. For its head there is until [`Plan::trim`].
    fn keep(&mut self, message: OpenMessage) -> Option<Box<OpenMessage>> {
        if !self.keeps_messages || self.envelopes >= self.limits.envelopes {
            return None;
        }
        self.envelopes += 1;
        self.octets += message.size;
        self.content_octets += message.head.as_ref().map_or(0, Bytes::len);
        Some(Box::new(message))
    }

    fn release(&mut self, entry: &Entry) {
        if let Some(message) = &entry.message {
            self.envelopes -= 1;
            self.octets -= message.size;
            self.content_octets -= message.head.as_ref().map_or(0, Bytes::len);
        }
    }

    /// How many entries there are.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// True while more may be left to wait: of the envelopes that are kept a quarter is free, and what waits is not
    /// larger than twelve times what is kept of it in memory.
    pub fn has_room(&self) -> bool {
        let most = WAITING * self.limits.content_octets as u64;
        self.envelopes <= self.limits.envelopes / 4 * 3 && self.octets <= most
    }

    /// How urgent what [`Plan::next`] takes is; it may take nothing all the same.
    pub fn next_priority(&mut self, now: Timestamp) -> Option<Priority> {
        self.advance(now);
        self.eligible.first().map(|(order, _)| order.priority)
    }

    /// Takes the most urgent entry that may be tried now.
    pub fn next(&mut self, now: Timestamp) -> Option<Claim> {
        self.advance(now);
        if self.is_paused {
            return None;
        }
        let &(order, lane) = self.eligible.first()?;
        let beyond = self.limits.beyond(order.priority, &self.counts.running);
        if self.running >= self.limits.max_concurrency + beyond {
            return None;
        }
        let claim = self.take(order.id, lane)?;
        self.running += 1;
        self.counts.running[place(order.priority)] += 1;
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.begin(order.priority);
            if let Some(until) = state.started(now) {
                self.paced.insert((until, lane));
            }
        }
        self.refresh(lane);
        Some(claim)
    }

    /// Takes an entry whose time has come while its destination could not be tried. It takes no slot.
    ///
    /// What can be tried is passed over: its turn comes by itself.
    pub fn take_overlooked(&mut self, now: Timestamp) -> Option<(Claim, RemoteReply)> {
        let is_held = |lane| self.lanes.get(&lane).is_some_and(Lane::is_held);
        let mut due = self.looks.iter().take_while(|&&(at, ..)| at <= now);
        let &(_, id, lane) = due.find(|&&(_, _, lane)| is_held(lane))?;
        let reason = self.lanes.get(&lane)?.reason.clone();
        let claim = self.take(id, lane)?;
        self.refresh(lane);
        self.forget_idle(lane);
        Some((claim, reason))
    }

    /// Frees the slot of a claim. The destination was reached: what stalled for its sake is due now.
    pub fn finished(&mut self, destination: &Destination, priority: Priority, now: Timestamp) {
        let Some(lane) = self.free_slot(destination, priority) else {
            return;
        };
        let Some(state) = self.lanes.get_mut(&lane) else {
            return;
        };
        let stalled = state.reached(&self.limits);
        self.unhold(lane);
        for id in stalled {
            self.hurry_entry(id, lane, now);
        }
        self.refresh(lane);
        self.forget_idle(lane);
    }

    /// Frees the slot of a claim whose destination could not be reached.
    ///
    /// While others are being served there, it only takes fewer at a time; else nobody is sent there for a while.
    pub fn unreachable(
        &mut self,
        destination: &Destination,
        priority: Priority,
        now: Timestamp,
        reason: &RemoteReply,
    ) {
        let Some(lane) = self.free_slot(destination, priority) else {
            return;
        };
        if let Some(state) = self.lanes.get_mut(&lane)
            && let Some(until) = state.unreachable(&self.limits, now, reason)
        {
            self.held.insert((until, lane));
        }
        self.refresh(lane);
    }

    /// Frees the slot of a claim that came to nothing, and tells nothing of the destination.
    pub fn abandoned(&mut self, destination: &Destination, priority: Priority) {
        if let Some(lane) = self.free_slot(destination, priority) {
            self.refresh(lane);
            self.forget_idle(lane);
        }
    }

    fn free_slot(&mut self, destination: &Destination, priority: Priority) -> Option<LaneId> {
        let lane = *self.lane_ids.get(destination)?;
        let state = self.lanes.get_mut(&lane)?;
        state.end(priority);
        self.running = self.running.saturating_sub(1);
        let count = &mut self.counts.running[place(priority)];
        *count = count.saturating_sub(1);
        Some(lane)
    }

    /// When [`Plan::next`] may have something that it has not now, a freed slot aside, or
    /// [`Plan::take_overlooked`] may.
    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let waiting = self.waiting.first().map(|&(due_at, ..)| due_at);
        let held = self.held.first().map(|&(until, _)| until);
        let paced = self.paced.first().map(|&(until, _)| until);
        waiting
            .into_iter()
            .chain(held)
            .chain(paced)
            .chain(self.next_look(now))
            .min()
    }

    /// The next time that something may be overlooked; nothing is where everything can be tried.
    fn next_look(&self, now: Timestamp) -> Option<Timestamp> {
        let later = now + Duration::from_millis(1);
        let mut looks = self.looks.range((later, QueueId::from_i64(i64::MIN), 0)..);
        let next = looks.next().map(|&(at, ..)| at);
        next.filter(|_| !self.held.is_empty())
    }

    /// Stops all sending; what runs goes on.
    pub const fn pause(&mut self) {
        self.is_paused = true;
    }

    /// Starts sending again.
    pub const fn resume(&mut self) {
        self.is_paused = false;
    }

    /// True between [`Plan::pause`] and [`Plan::resume`].
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Makes every waiting entry of a message due now. False when there is none.
    pub fn hurry(&mut self, id: QueueId, now: Timestamp) -> bool {
        let lanes = self.lanes_of(id);
        for &lane in &lanes {
            self.hurry_entry(id, lane, now);
            self.refresh(lane);
        }
        !lanes.is_empty()
    }

    /// Removes every entry of a message that is not being tried. False when there is none.
    pub fn remove(&mut self, id: QueueId) -> bool {
        let lanes = self.lanes_of(id);
        for &lane in &lanes {
            let _removed = self.take(id, lane);
            self.refresh(lane);
            self.forget_idle(lane);
        }
        !lanes.is_empty()
    }

    /// How many entries there are.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The destinations that cannot be reached at present.
    pub fn unreachable_destinations(&self) -> Vec<Unreachable> {
        let lanes = self.held.iter().filter_map(|&(until, lane)| {
            let state = self.lanes.get(&lane)?;
            Some(Unreachable {
                destination: state.destination.clone(),
                until,
                ready: state.ready.len(),
                reason: state.reason.clone(),
            })
        });
        lanes.collect()
    }

    fn lanes_of(&self, id: QueueId) -> Vec<LaneId> {
        let range = self.entries.range((id, LaneId::MIN)..=(id, LaneId::MAX));
        range.map(|(&(_, lane), _)| lane).collect()
    }

    fn unhold(&mut self, lane: LaneId) {
        if let Some(until) = self
            .lanes
            .get_mut(&lane)
            .and_then(|state| state.held_until.take())
        {
            self.held.remove(&(until, lane));
        }
    }

    fn lane(&mut self, destination: &Destination) -> LaneId {
        if let Some(&lane) = self.lane_ids.get(destination) {
            return lane;
        }
        let lane = self.next_lane;
        // Four thousand million destinations ago the number was free again long since.
        self.next_lane = self.next_lane.wrapping_add(1);
        self.lane_ids.insert(destination.clone(), lane);
        self.lanes
            .insert(lane, Lane::new(destination.clone(), &self.limits));
        lane
    }

    /// Forgets a destination that nothing goes to.
    fn forget_idle(&mut self, lane: LaneId) {
        let Some(state) = self.lanes.get(&lane) else {
            return;
        };
        let is_closed = state.is_held() || state.paced_until.is_some();
        if state.entries == 0 && state.running() == 0 && !is_closed {
            self.lane_ids.remove(&state.destination);
            self.lanes.remove(&lane);
        }
    }
}

impl Entry {
    const fn order(&self, id: QueueId) -> Order {
        Order {
            priority: self.priority,
            due_at: self.due_at,
            id,
        }
    }

    /// When it becomes more urgent, while it is ready.
    fn ages_at(&self, limits: &Limits) -> Option<Timestamp> {
        let ageing = limits.ageing?;
        ageing.next_at(self.own, self.priority, self.due_at)
    }
}

/// Where what belongs to a priority stands in an array.
const fn place(priority: Priority) -> usize {
    priority.number() as usize - 1
}

#[cfg(test)]
mod ageing_tests;
#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
pub(super) mod tests;
