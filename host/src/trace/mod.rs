//! What happened to a message as the spans of a trace, in the terms of OpenTelemetry, for whoever follows. Pure.
//!
//! `store` makes spans where something was committed; `telemetry` sends them on. They hold no address, no subject, no
//! content and no words of a peer. A trace is a message's: its ids are made of the queue id, so that attempts of
//! another node, and after a restart, belong to the same one.

mod message;
mod span;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

pub use self::message::{Acceptance, attempted, refused};
pub use self::span::{Kind, Span, SpanId, TraceId, Value};
use crate::id::QueueId;

/// Who follows what happens, within bounds: what does not fit is lost, and nobody waits.
#[derive(Clone, Debug)]
pub struct Follower {
    service: Arc<str>,
    /// Traces below this are followed.
    below: u64,
    sender: mpsc::Sender<Vec<Span>>,
    lost: Arc<AtomicU64>,
}

/// Where a follower's spans arrive.
#[derive(Debug)]
pub struct Followed {
    /// The spans of what was committed at once.
    pub spans: mpsc::Receiver<Vec<Span>>,
    /// Spans that were lost.
    pub lost: Arc<AtomicU64>,
}

impl Follower {
    /// One for so many commits that wait, and this part of all messages, up to 1.
    pub fn new(service: &str, sample: f64, max_waiting: usize) -> (Self, Followed) {
        let (sender, spans) = mpsc::channel(max_waiting.max(1));
        let lost = Arc::new(AtomicU64::new(0));
        let follower = Self {
            service: service.into(),
            below: (sample.clamp(0.0, 1.0) * u64::MAX as f64) as u64,
            sender,
            lost: Arc::clone(&lost),
        };
        (follower, Followed { spans, lost })
    }

    /// The trace of a message, when it is one of those that are followed. Every node decides the same.
    pub fn trace(&self, message: QueueId) -> Option<TraceId> {
        let trace = TraceId::of(&self.service, message);
        (trace.number() <= self.below).then_some(trace)
    }

    /// Tells what happened.
    pub fn tell(&self, spans: Vec<Span>) {
        let count = spans.len() as u64;
        if self.sender.try_send(spans).is_err() {
            self.lost.fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i64) -> QueueId {
        QueueId::from_i64(number)
    }

    #[test]
    fn a_part_of_all_messages_is_followed_and_the_same_on_every_node() {
        let (half, _kept) = Follower::new("gatepost", 0.5, 1);
        let (other, _kept) = Follower::new("gatepost", 0.5, 1);
        let followed = (0..1000).filter(|number| half.trace(id(*number)).is_some());
        let followed: Vec<i64> = followed.collect();
        assert!((400..600).contains(&followed.len()), "{}", followed.len());
        assert!(
            followed
                .iter()
                .all(|number| other.trace(id(*number)).is_some())
        );
        let (all, _kept) = Follower::new("gatepost", 1.0, 1);
        assert!((0..1000).all(|number| all.trace(id(number)).is_some()));
    }

    #[test]
    fn what_does_not_fit_is_lost_and_counted() {
        let (follower, mut followed) = Follower::new("gatepost", 1.0, 1);
        let trace = follower.trace(id(7)).expect("followed");
        let span = Span::new(trace, "message", "message");
        follower.tell(vec![span.clone()]);
        follower.tell(vec![span.clone(), span]);
        assert_eq!(followed.lost.load(Ordering::Relaxed), 2);
        assert_eq!(followed.spans.try_recv().expect("the first").len(), 1);
    }
}
