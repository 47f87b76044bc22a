//! What is in the store that is measured: each message by its number, the same in every run.

use std::time::Duration;

use gatepost::clock::Timestamp;
use gatepost::id::QueueId;

/// Lists; the first one is large.
pub const LISTS: usize = 1000;
/// Users of the large list; every other has [`FEW_USERS`].
pub const MANY_USERS: usize = 8002;
/// With those of the large list 10,000 in all.
pub const FEW_USERS: usize = 2;
/// The number of the large list.
pub const LARGE_LIST: i64 = 1;
/// Of ten messages so many are the large list's.
const OF_LARGE_LIST: usize = 3;
/// Days that the first half of the messages is spread over, for statistics of a year.
const OLD_DAYS: u64 = 358;
/// Days that the second half is spread over: as long as finished messages are kept by default.
const RECENT_DAYS: u64 = 7;
const DAY: Duration = Duration::from_secs(86_400);
/// What people write about, the first ones most.
pub const WORDS: [&str; 24] = [
    "order",
    "your",
    "invoice",
    "newsletter",
    "shipped",
    "confirmed",
    "reset",
    "password",
    "welcome",
    "offer",
    "winter",
    "sale",
    "report",
    "weekly",
    "reminder",
    "appointment",
    "payment",
    "received",
    "rechnung",
    "bestellung",
    "grüße",
    "alert",
    "backup",
    "failed",
];

/// A number that looks drawn by chance and is the same in every run.
pub fn drawn(seed: usize, below: usize) -> usize {
    let mixed = (seed as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    usize::try_from((mixed >> 33) % below as u64).unwrap_or(0)
}

/// Small ones are drawn more often.
pub fn skewed(seed: usize, below: usize) -> usize {
    drawn(seed, below) * drawn(seed ^ 0x5555, below) / below
}

/// All messages.
#[derive(Clone, Copy)]
pub struct Made {
    /// How many.
    pub count: usize,
    /// When the first one came.
    pub start: Timestamp,
}

/// One message.
pub struct Message {
    pub id: QueueId,
    pub at: Timestamp,
    /// True within the last days: some of these still wait.
    pub is_recent: bool,
    pub list: i64,
    pub user: String,
    pub sender: String,
    pub recipient: String,
    pub subject: String,
    pub message_id: String,
}

impl Made {
    /// So many that the last one comes now.
    pub fn until_now(count: usize) -> Self {
        let start = Timestamp::now() - whole();
        Self { count, start }
    }

    /// When the last one came.
    pub fn end(&self) -> Timestamp {
        self.start + whole()
    }

    /// One of the messages, drawn by question number `n`.
    pub fn any(&self, number: usize) -> Message {
        self.message(drawn(number, self.count))
    }

    /// A waiting message with very many recipients and attempts.
    pub fn crowded(&self) -> QueueId {
        QueueId::from_i64(QueueId::first_at(self.end() - DAY).as_i64() + 5000)
    }

    /// The message of that number.
    pub fn message(&self, number: usize) -> Message {
        let (at, is_recent) = self.time(number);
        let (list, user) = list_and_user(number);
        let sender = match list {
            LARGE_LIST => format!("user{user}@shop1.example.com"),
            _ => format!("info{user}@shop{list}.example.com"),
        };
        let words = (0..5).map(|place| WORDS[skewed(number * 7 + place, WORDS.len())]);
        let words: Vec<_> = words.collect();
        Message {
            id: QueueId::from_i64(QueueId::first_at(at).as_i64() + number as i64 % 1000),
            at,
            is_recent,
            list,
            user: format!("s{list}_{user}"),
            sender,
            recipient: format!(
                "customer{}@mail{}.example.net",
                drawn(number + 3, 300_000),
                skewed(number + 4, 5000)
            ),
            subject: format!(
                "{} {}",
                words.join(" "),
                100_000 + drawn(number + 5, 900_000)
            ),
            message_id: format!("<{number}.{}@shop{list}.example.com>", at.as_millis()),
        }
    }

    fn time(&self, number: usize) -> (Timestamp, bool) {
        let half = self.count.div_ceil(2);
        let spread = |days: u64, place: usize| {
            Duration::from_millis(days * 86_400_000 * place as u64 / half as u64)
        };
        match number.checked_sub(half) {
            None => (self.start + spread(OLD_DAYS, number), false),
            Some(place) => {
                let begun = self.start + DAY * OLD_DAYS as u32;
                (begun + spread(RECENT_DAYS, place), true)
            }
        }
    }
}

fn whole() -> Duration {
    DAY * (OLD_DAYS + RECENT_DAYS) as u32
}

/// Whose message it is: the number of the list, and of its user.
fn list_and_user(number: usize) -> (i64, usize) {
    if drawn(number + 11, 10) < OF_LARGE_LIST {
        return (LARGE_LIST, skewed(number, MANY_USERS) + 1);
    }
    let list = skewed(number + 12, LISTS - 1) as i64 + 2;
    (list, drawn(number + 13, FEW_USERS) + 1)
}
