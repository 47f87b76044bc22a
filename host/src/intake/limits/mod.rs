//! How much a user may send: a stolen password that floods is stopped, and somebody is told.
//!
//! Whoever has reached a limit is refused at MAIL, before an upload, and once more before the commit, where
//! each message takes its place in the count: sessions side by side cannot pass a limit together. The count
//! lives in memory and is read from the store when a user first sends; the commit of a message keeps it there.

mod config;
mod counter;
#[cfg(test)]
mod tests;
mod told;

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tracing::{error, info, warn};

pub use self::config::{Config, OnExceeded};
use self::counter::{Counter, Exceeded};
use self::told::Sending;
use super::request::fact;
use super::{Peer, Principal, Rejection};
use crate::accounts::{Slot, Span, Suspension};
use crate::alert::NewAlert;
use crate::clock::Timestamp;
use crate::policy::types;
use crate::queue::Priority;
use crate::store::{Store, StoreError};

/// Users whose count is in memory, at most 5 KiB each. Default 20,000; beyond it, those that are not
/// sending at this moment are read from the store again.
const MAX_COUNTED_USERS: usize = 20_000;

/// A user, and since when it is counted: after a suspension was lifted it begins anew.
type Key = (i64, Option<Timestamp>);

/// Holds users to their limits.
pub(super) struct Limits {
    store: Store,
    config: RwLock<Arc<Config>>,
    counters: Mutex<HashMap<Key, Arc<Mutex<Counter>>>>,
}

/// A place among the messages a user may send. It is kept unless it is given back: what became of a message
/// whose commit nobody waited for is not known, and counts.
#[must_use]
pub(super) struct Place {
    counter: Arc<Mutex<Counter>>,
    slot: Slot,
    /// What is left of the priority that was asked for.
    pub(super) priority: Priority,
    /// To be stored with the message.
    pub(super) alerts: Vec<NewAlert>,
}

impl Place {
    /// For a message that was not stored.
    pub(super) fn give_back(self) {
        let mut counter = self.counter.lock();
        counter.usage.take_back(self.slot);
        if self.priority == Priority::Highest {
            counter.usage.take_back_urgent(self.slot);
        }
    }
}

impl Limits {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            config: RwLock::default(),
            counters: Mutex::default(),
        }
    }

    /// From now on these hold.
    pub(super) fn set(&self, config: Config) {
        *self.config.write() = Arc::new(config);
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config.read())
    }

    /// Refuses a user that has sent as much as it may.
    ///
    /// # Errors
    /// The reply to MAIL.
    pub(super) async fn check(&self, peer: &Peer, principal: &Principal) -> Result<(), Rejection> {
        let counter = self.counter(principal).await.map_err(unknown)?;
        let now = Timestamp::now();
        let caps = self.config().caps(&principal.account.user);
        let exceeded = counter.lock().exceeded(&caps, now);
        match exceeded {
            None => Ok(()),
            Some(exceeded) => Err(self.refuse(peer, principal, &counter, exceeded).await),
        }
    }

    /// Takes a place for a message received at `at`, right before it is stored. Of priority 1 there may be no more places;
    /// then it has one of priority 2.
    ///
    /// # Errors
    /// The final reply: others have taken the last place since MAIL.
    pub(super) async fn take_place(
        &self,
        peer: &Peer,
        principal: &Principal,
        at: Timestamp,
        priority: Priority,
    ) -> Result<Place, Rejection> {
        let counter = self.counter(principal).await.map_err(unknown)?;
        let (now, slot) = (Timestamp::now(), Slot::of(at));
        let caps = self.config().caps(&principal.account.user);
        let reserved = counter.lock().reserve(&caps, slot, now);
        match reserved {
            Ok(crossed) => {
                let sending = sending(peer, principal, now);
                let crossed = crossed.into_iter().map(|one| sending.many(one));
                let mut place = Place {
                    alerts: crossed.collect(),
                    counter,
                    slot,
                    priority,
                };
                if priority == Priority::Highest {
                    self.take_urgent_place(&mut place, sending);
                }
                Ok(place)
            }
            Err(exceeded) => Err(self.refuse(peer, principal, &counter, exceeded).await),
        }
    }

    /// Makes a place one of priority 1, or one of priority 2 when there are no more.
    fn take_urgent_place(&self, place: &mut Place, sending: Sending<'_>) {
        let budgets = self.config().budgets(&sending.principal.account.user);
        let mut counter = place.counter.lock();
        if let Err(demoted) = counter.reserve_urgent(&budgets, place.slot, sending.at) {
            place.priority = Priority::High;
            let told = counter.demoted(sending.at);
            place
                .alerts
                .extend(told.map(|it| sending.demoted(demoted, it)));
        }
    }

    /// What policies are told about a user's sending; nothing about what is not known.
    pub(super) async fn facts(&self, principal: &Principal) -> Vec<types::Fact> {
        let user = &principal.account.user;
        let mut facts = Vec::new();
        match self.counter(principal).await {
            Ok(counter) => {
                let now = Timestamp::now();
                let [hour, day] = Span::ALL.map(|span| counter.lock().usage.within(span, now));
                facts.push(fact("account.sent-1h", hour));
                facts.push(fact("account.sent-24h", day));
            }
            Err(error) => warn!(user = user.username, %error, "what a user has sent is not known"),
        }
        let config = self.config();
        for (name, span) in [
            ("account.limit-1h", Span::Hour),
            ("account.limit-24h", Span::Day),
        ] {
            facts.extend(config.limit(user, span).0.map(|limit| fact(name, limit)));
        }
        facts
    }

    /// The count of a user, read from the store when it is not at hand.
    async fn counter(&self, principal: &Principal) -> Result<Arc<Mutex<Counter>>, StoreError> {
        let user = &principal.account.user;
        let key = (user.id, user.counting_since);
        let known = self.counters.lock().get(&key).map(Arc::clone);
        if let Some(counter) = known {
            self.compare(&counter, &user.username).await?;
            return Ok(counter);
        }
        let usage = self.store.usage(&user.username, Timestamp::now()).await?;
        let mut counters = self.counters.lock();
        if counters.len() >= MAX_COUNTED_USERS {
            // Whoever holds one is about to change it.
            counters.retain(|_, counter| Arc::strong_count(counter) > 1);
        }
        // Of two that read at the same time the first one's is used: it may have been changed already.
        let counter = counters
            .entry(key)
            .or_insert_with(|| Arc::new(Mutex::new(Counter::of(usage))));
        Ok(Arc::clone(counter))
    }

    /// Takes in what other nodes of a shared store have counted, once in a while.
    async fn compare(&self, counter: &Mutex<Counter>, username: &str) -> Result<(), StoreError> {
        if !self.store.is_shared() || !counter.lock().is_to_be_compared() {
            return Ok(());
        }
        let usage = self.store.usage(username, Timestamp::now()).await?;
        counter.lock().usage.merge(&usage);
        Ok(())
    }

    /// Does to a user that wants to send more than it may what the configuration says.
    async fn refuse(
        &self,
        peer: &Peer,
        principal: &Principal,
        counter: &Mutex<Counter>,
        exceeded: Exceeded,
    ) -> Rejection {
        let sending = sending(peer, principal, Timestamp::now());
        match self.config().on_exceeded {
            OnExceeded::Defer => self.defer(peer, sending, counter, exceeded).await,
            OnExceeded::Suspend => self.suspend(peer, sending, exceeded).await,
        }
    }

    async fn defer(
        &self,
        peer: &Peer,
        sending: Sending<'_>,
        counter: &Mutex<Counter>,
        exceeded: Exceeded,
    ) -> Rejection {
        let refusals = counter.lock().refused(sending.at);
        if let Some(refusals) = refusals {
            let alert = sending.refused(exceeded, refusals);
            info!(session.id = peer.session_id, "{}", alert.summary);
            if let Err(error) = self.store.raise(vec![alert]).await {
                error!(session.id = peer.session_id, %error, "an alert could not be stored");
            }
        }
        Rejection::limit(told::reply(sending.username(), exceeded))
    }

    async fn suspend(&self, peer: &Peer, sending: Sending<'_>, exceeded: Exceeded) -> Rejection {
        let alert = sending.suspended(exceeded);
        let summary = alert.summary.clone();
        let suspension = Suspension {
            at: sending.at,
            reason: sending.reason(exceeded),
        };
        let user_id = sending.principal.account.user.id;
        match self.store.suspend_user(user_id, suspension, alert).await {
            Ok(true) => warn!(session.id = peer.session_id, "{summary}"),
            // Another session has been quicker.
            Ok(false) => {}
            Err(error) => {
                error!(session.id = peer.session_id, %error, "a user could not be suspended");
            }
        }
        Rejection::suspended(told::reply(sending.username(), exceeded))
    }
}

fn sending<'a>(peer: &Peer, principal: &'a Principal, at: Timestamp) -> Sending<'a> {
    Sending {
        principal,
        client: peer.client.ip().to_canonical(),
        at,
    }
}

/// Without a count nothing is taken: a store that cannot be read takes no message either.
fn unknown(error: StoreError) -> Rejection {
    Rejection::store(&error)
}
