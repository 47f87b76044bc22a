//! What this process knows of its place among the nodes of a shared store: its number, its lease, who else there is.
//!
//! A lease is counted here by the time since the machine started, sleep included, which nobody sets. So a process that
//! was frozen knows when it wakes that others may have taken over what it held. Asks nobody; `nodes` does.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::{Timestamp, uptime_ms};
use crate::id::QueueId;
use crate::queue::{NewMessage, Priority};

/// Between two heartbeats of a node. 3 s: four may be missed before others take over.
pub const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long a node counts as alive after its last heartbeat, by the database's clock. 15 s: what a dead node held
/// leaves within 30 s. All nodes must agree on it, so it is no setting.
pub const LEASE: Duration = Duration::from_secs(15);
/// How long before its end a node trusts its lease no more. 4 s: more than passes between a last look and the end of
/// the content that follows it, and than a heartbeat's way to the database takes.
pub const MARGIN: Duration = Duration::from_secs(4);
/// What is due later than this is left for whichever node is there then.
pub const SOON: Duration = Duration::from_secs(60);
/// A difference between this clock and the database's that is the way to it and nothing else.
const SAME_CLOCK_MS: i64 = 100;

/// This process among the nodes; outside of a shared store it has no place and is alone.
#[derive(Debug, Default)]
pub(super) struct Membership {
    place: Mutex<Option<Place>>,
    /// Messages that the scheduler would still take.
    room: AtomicI64,
    /// Messages that were claimed as they came in and have not reached the scheduler, with who claimed them.
    fresh: Mutex<HashMap<QueueId, i64>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    node: i64,
    /// When the last heartbeat that succeeded was sent, by [`uptime_ms`].
    renewed_at_ms: i64,
    is_over: bool,
    live: u32,
    is_first: bool,
    skew_ms: i64,
}

/// What a heartbeat found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Renewal {
    /// When it was sent, by [`uptime_ms`].
    pub(super) sent_at_ms: i64,
    /// Nodes that are alive, this one included.
    pub(super) live: u32,
    /// It is the one that has been there for longest.
    pub(super) is_first: bool,
    /// How far the clock of this machine is ahead of the database's.
    pub(super) skew_ms: i64,
}

impl Membership {
    /// This process is the node of this number from now on.
    pub(super) fn enter(&self, node: i64, renewal: Renewal) {
        self.fresh.lock().clear();
        self.room.store(0, Ordering::Relaxed);
        *self.place.lock() = Some(Place::of(node, renewal));
    }

    /// The lease is renewed; nothing is when it was found to be over before.
    pub(super) fn renew(&self, renewal: Renewal) {
        let mut place = self.place.lock();
        if let Some(known) = place.as_mut().filter(|place| !place.is_over) {
            *known = Place::of(known.node, renewal);
        }
    }

    /// The lease is over, whatever the clock says.
    pub(super) fn end(&self) {
        if let Some(place) = self.place.lock().as_mut() {
            place.is_over = true;
        }
    }

    /// The number of this node, also when its lease is over; none outside of a shared store.
    pub(super) fn node(&self) -> Option<i64> {
        self.place.lock().map(|place| place.node)
    }

    /// True while what this process holds is surely its own.
    pub(super) fn is_firm(&self) -> bool {
        let place = *self.place.lock();
        place.is_none_or(|place| place.is_firm(uptime_ms()))
    }

    /// True for the one process that does what only one should.
    pub(super) fn is_elected(&self) -> bool {
        let place = *self.place.lock();
        place.is_none_or(|place| place.is_first && place.is_firm(uptime_ms()))
    }

    /// Nodes that are alive; 1 outside of a shared store.
    pub(super) fn live(&self) -> u32 {
        self.place.lock().map_or(1, |place| place.live.max(1))
    }

    /// How far this machine's clock is ahead of the database's; 0 outside of a shared store.
    pub(super) fn skew_ms(&self) -> i64 {
        self.place.lock().map_or(0, |place| place.skew_ms)
    }

    /// A time of this machine's clock by the database's.
    pub(super) fn in_database(&self, at: Timestamp) -> i64 {
        at.as_millis().saturating_sub(self.skew_ms())
    }

    /// A time of the database's clock by this machine's.
    pub(super) fn by_own_clock(&self, at: i64) -> Timestamp {
        Timestamp::from_millis(at.saturating_add(self.skew_ms()))
    }

    /// How many more messages the scheduler would take.
    pub(super) fn set_room(&self, room: i64) {
        self.room.store(room, Ordering::Relaxed);
    }

    /// Who claims a message as it comes in: this node, if it is to be sent soon and there is room. Urgent mail is
    /// always its own, so that it leaves at once.
    pub(super) fn claim(&self, message: &NewMessage) -> Option<i64> {
        let place = (*self.place.lock())?;
        let is_soon = message.meta.first_due_at() <= Timestamp::now() + SOON;
        let is_urgent = message.meta.priority <= Priority::High;
        let may_claim = place.is_firm(uptime_ms()) && is_soon && !message.meta.way.is_held();
        let has_room = || self.room.fetch_sub(1, Ordering::Relaxed) > 0;
        if !may_claim || !(is_urgent || has_room()) {
            return None;
        }
        self.fresh.lock().insert(message.id, place.node);
        Some(place.node)
    }

    /// When a message is due by the database's clock; 0, at any time, outside of a shared store.
    pub(super) fn claim_at(&self, message: &NewMessage) -> i64 {
        let due_at = || self.in_database(message.meta.first_due_at());
        self.node().map_or(0, |_| due_at())
    }

    /// True, once, when the message was claimed as it came in and the claim is still good.
    pub(super) fn take_fresh(&self, id: QueueId) -> bool {
        let node = self.fresh.lock().remove(&id);
        node.is_some() && node == self.node()
    }
}

impl Place {
    const fn of(node: i64, renewal: Renewal) -> Self {
        let is_way = renewal.skew_ms.abs() < SAME_CLOCK_MS;
        Self {
            node,
            renewed_at_ms: renewal.sent_at_ms,
            is_over: false,
            live: renewal.live,
            is_first: renewal.is_first,
            skew_ms: if is_way { 0 } else { renewal.skew_ms },
        }
    }

    fn is_firm(&self, now_ms: i64) -> bool {
        let trusted = LEASE.saturating_sub(MARGIN).as_millis();
        let age = now_ms.saturating_sub(self.renewed_at_ms);
        !self.is_over && u128::try_from(age).unwrap_or(0) < trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renewal(sent_at_ms: i64) -> Renewal {
        Renewal {
            sent_at_ms,
            live: 3,
            is_first: true,
            skew_ms: 0,
        }
    }

    #[test]
    fn who_is_alone_is_firm_and_elected() {
        let alone = Membership::default();
        assert!(alone.is_firm() && alone.is_elected());
        assert_eq!((alone.node(), alone.live(), alone.skew_ms()), (None, 1, 0));
    }

    #[test]
    fn a_lease_is_trusted_until_a_margin_before_its_end() {
        let place = Place::of(7, renewal(1_000));
        assert!(place.is_firm(1_000) && place.is_firm(11_999));
        assert!(!place.is_firm(12_000));
    }

    #[test]
    fn what_was_found_to_be_over_is_not_renewed() {
        let member = Membership::default();
        member.enter(7, renewal(uptime_ms()));
        assert!(member.is_firm() && member.is_elected());
        member.end();
        member.renew(renewal(uptime_ms()));
        assert!(!member.is_firm() && !member.is_elected());
        assert_eq!(member.node(), Some(7));
        member.enter(8, renewal(uptime_ms()));
        assert!(member.is_firm());
    }

    #[test]
    fn a_clock_that_is_minutes_ahead_is_told_from_the_way_to_the_database() {
        let member = Membership::default();
        let at = Timestamp::from_millis(10_000_000);
        for (skew_ms, expected) in [
            (60, 10_000_000),
            (300_000, 9_700_000),
            (-300_000, 10_300_000),
        ] {
            let renewal = Renewal {
                skew_ms,
                ..renewal(0)
            };
            member.enter(1, renewal);
            assert_eq!(member.in_database(at), expected, "{skew_ms}");
        }
    }
}
