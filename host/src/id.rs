//! Makes the identifiers that a person meets in replies, logs and commands.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::clock::Timestamp;

/// Crockford's base 32, lower case: no letter that can be mistaken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Five bits a character: 13 of them hold 65 bits.
const TEXT_LENGTH: usize = 13;
const SEQUENCE_BITS: u32 = 12;
const NODE_BITS: u32 = 10;
const NODE_MASK: u64 = (1 << NODE_BITS) - 1;
/// 2024-01-01T00:00:00Z; 41 bits of milliseconds after it last until 2093.
const EPOCH_MS: i64 = 1_704_067_200_000;

/// Identifies one accepted message: 41 bits of time, 10 of node, 12 of sequence, so that newer is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(i64);

impl QueueId {
    /// From the number the store keeps.
    pub const fn from_i64(value: i64) -> Self {
        Self(value)
    }

    /// The number the store keeps.
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The smallest id that is handed out at this time; before the first one, 0.
    pub fn first_at(time: Timestamp) -> Self {
        let elapsed = time.as_millis().saturating_sub(EPOCH_MS);
        Self(
            elapsed.clamp(0, i64::MAX >> (NODE_BITS + SEQUENCE_BITS))
                << (NODE_BITS + SEQUENCE_BITS),
        )
    }
}

/// The 13 characters that a reply shows, for example `0f3k9m2x7q1ab`.
impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(self.0.cast_unsigned()))
    }
}

/// The text is not a queue id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a queue id (13 letters and digits, as in the reply to the message)")]
pub struct ParseQueueIdError(String);

impl FromStr for QueueId {
    type Err = ParseQueueIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || ParseQueueIdError(text.to_owned());
        if text.len() != TEXT_LENGTH {
            return Err(malformed());
        }
        let mut value: u64 = 0;
        for octet in text.bytes() {
            let octet = octet.to_ascii_lowercase();
            let digit = ALPHABET
                .iter()
                .position(|&known| known == octet)
                .ok_or_else(malformed)?;
            value = value.checked_mul(32).ok_or_else(malformed)? | digit as u64;
        }
        i64::try_from(value).map(Self).map_err(|_| malformed())
    }
}

/// Hands out queue ids, each larger than the one before.
#[derive(Debug)]
pub struct QueueIds {
    node: AtomicI64,
    /// Milliseconds that this machine's clock is ahead of the one that counts.
    ahead_ms: AtomicI64,
    last: Mutex<i64>,
}

impl QueueIds {
    /// With a node number drawn by chance, so that processes on one store do not meet.
    pub fn new() -> Self {
        Self {
            node: AtomicI64::new((random_u64() & NODE_MASK).cast_signed()),
            ahead_ms: AtomicI64::new(0),
            last: Mutex::new(0),
        }
    }

    /// As [`QueueIds::new`], with ids larger than `newest` also when the clock was set back.
    pub fn after(newest: Option<QueueId>) -> Self {
        let newest = newest.map_or(0, QueueId::as_i64) >> (NODE_BITS + SEQUENCE_BITS);
        Self {
            last: Mutex::new((newest + 1) << SEQUENCE_BITS),
            ..Self::new()
        }
    }

    /// Hands out ids of this node from now on, by the clock that all nodes share: no two nodes hand out the same one
    /// unless a thousand others were started between them, and an id is larger than those that any node handed out some
    /// seconds ago.
    pub fn of_node(&self, node: i64, ahead_ms: i64) {
        let node = node.cast_unsigned() & NODE_MASK;
        self.node.store(node.cast_signed(), Ordering::Relaxed);
        self.ahead_ms.store(ahead_ms, Ordering::Relaxed);
    }

    /// The next id; it borrows from the future when more than 4,096 are asked for in one millisecond.
    ///
    /// # Panics
    /// Never in practice: the lock is poisoned only if a thread panics while adding two numbers.
    pub fn next(&self) -> QueueId {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        let elapsed = Timestamp::now().as_millis() - ahead_ms - EPOCH_MS;
        let node = self.node.load(Ordering::Relaxed);
        let mut last = self
            .last
            .lock()
            .expect("no code panics while it holds this lock");
        *last = (*last + 1).max(elapsed << SEQUENCE_BITS);
        let (time, sequence) = (*last >> SEQUENCE_BITS, *last & ((1 << SEQUENCE_BITS) - 1));
        QueueId(time << (NODE_BITS + SEQUENCE_BITS) | node << SEQUENCE_BITS | sequence)
    }
}

impl Default for QueueIds {
    fn default() -> Self {
        Self::new()
    }
}

/// A fresh random identifier for a session: 13 characters, shown on every log line of it.
pub fn session_id() -> String {
    encode(random_u64() >> 1)
}

fn random_u64() -> u64 {
    getrandom::u64().expect("the operating system has random numbers")
}

fn encode(value: u64) -> String {
    (0..TEXT_LENGTH)
        .rev()
        .map(|place| char::from(ALPHABET[(value >> (5 * place) & 31) as usize]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_survive_their_text() {
        let ids = QueueIds::new();
        let made: Vec<QueueId> = (0..10_000).map(|_| ids.next()).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        for id in made {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn ids_grow_when_the_clock_was_set_back() {
        let ahead = QueueId::from_i64(QueueIds::new().next().as_i64() + (1 << 50));
        let ids = QueueIds::after(Some(ahead));
        assert!(ids.next() > ahead);
    }

    #[test]
    fn nodes_hand_out_different_ids_by_one_clock() {
        let (one, other) = (QueueIds::new(), QueueIds::new());
        one.of_node(1024 + 7, 0);
        other.of_node(8, -600_000);
        let (first, second) = (one.next(), other.next());
        assert_eq!(first.as_i64() >> SEQUENCE_BITS & 1023, 7);
        assert_eq!(second.as_i64() >> SEQUENCE_BITS & 1023, 8);
        let later = QueueId::first_at(Timestamp::now() + std::time::Duration::from_secs(500));
        assert!(
            first < later && later < second,
            "its clock is ten minutes late"
        );
    }

    #[test]
    fn text_that_is_no_id_is_refused() {
        for text in ["", "0", "zzzzzzzzzzzzz", "0f3k9m2x7q1a!", "0f3k9m2x7q1ab0"] {
            assert!(text.parse::<QueueId>().is_err(), "{text}");
        }
    }
}
