//! How many octets may leave in a while: a debt that time pays off. Pure.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// What may leave at once after a silence: timers are late by a millisecond or two, and make it up.
const BURST: Duration = Duration::from_millis(50);
/// The time that one piece takes: whoever is more urgent waits no longer than that.
const PIECE_TIME: Duration = Duration::from_millis(20);
/// The smallest piece, in octets, however slow the line is.
const MIN_PIECE: u64 = 1024;
/// The largest piece: what is gathered before it is written.
const MAX_PIECE: u64 = 64 * 1024;

/// A rate, and until when it is used up.
#[derive(Debug)]
pub(super) struct Bucket {
    octets_per_s: u64,
    /// When everything that left is paid for.
    paid_at: Option<Instant>,
}

impl Bucket {
    pub fn new(octets_per_s: NonZeroU32) -> Self {
        Self {
            octets_per_s: octets_per_s.get().into(),
            paid_at: None,
        }
    }

    /// When the next octet may leave; in the past when it may already.
    pub fn opens_at(&self, now: Instant) -> Instant {
        self.paid_at.unwrap_or(now)
    }

    /// True when an octet may leave.
    pub fn is_open(&self, now: Instant) -> bool {
        self.opens_at(now) <= now
    }

    /// Notes that octets leave, whether they may or not: what comes after them waits the longer.
    pub fn spend(&mut self, octets: usize, now: Instant) {
        let nanos = octets as u128 * 1_000_000_000 / u128::from(self.octets_per_s);
        let time = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // A silence is worth a burst, and no more.
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let from = self.paid_at.map_or(earliest, |at| at.max(earliest));
        self.paid_at = from.checked_add(time);
    }

    /// Octets that one turn may have.
    pub fn piece(&self) -> usize {
        let millis = u64::try_from(PIECE_TIME.as_millis()).unwrap_or(u64::MAX);
        let octets = (self.octets_per_s * millis / 1000).clamp(MIN_PIECE, MAX_PIECE);
        usize::try_from(octets).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(octets_per_s: u32) -> Bucket {
        Bucket::new(NonZeroU32::new(octets_per_s).expect("not zero"))
    }

    #[test]
    fn over_time_exactly_the_rate_leaves() {
        let (mut bucket, start) = (bucket(1_000_000), Instant::now());
        let mut spent = 0;
        for millis in 0..10_000 {
            let now = start + Duration::from_millis(millis);
            while bucket.is_open(now) {
                bucket.spend(bucket.piece(), now);
                spent += bucket.piece();
            }
        }
        // Ten seconds, the burst at the beginning and the piece that was begun last.
        assert!((10_000_000..=10_070_000).contains(&spent), "{spent}");
    }

    #[test]
    fn a_silence_is_worth_a_burst_and_no_more() {
        let (mut bucket, start) = (bucket(100_000), Instant::now());
        bucket.spend(1, start);
        let later = start + Duration::from_secs(3600);
        bucket.spend(5000, later);
        assert!(bucket.is_open(later), "a burst is 5,000 octets");
        bucket.spend(1000, later);
        assert!(!bucket.is_open(later));
    }

    #[test]
    fn a_debt_is_waited_for() {
        let (mut bucket, start) = (bucket(1000), Instant::now());
        bucket.spend(2050, start);
        assert!(!bucket.is_open(start + Duration::from_millis(1999)));
        assert!(bucket.is_open(start + Duration::from_millis(2000)));
    }

    #[test]
    fn a_piece_is_small_where_the_line_is_slow() {
        for (rate, piece) in [
            (1, 1024),
            (100_000, 2000),
            (1_000_000, 20_000),
            (u32::MAX, 65_536),
        ] {
            assert_eq!(bucket(rate).piece(), piece, "{rate}");
        }
    }
}
