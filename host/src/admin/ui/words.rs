//! What things are called on pages.

use crate::decision::{Outcome, Stage};
use crate::queue::{MessageStatus, MessageSummary, Priority, RecipientStatus};
use crate::statistics::Waits;

/// A word with a colour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Badge {
    /// Its class in the style sheet; may be empty.
    pub class: &'static str,
    /// The word.
    pub word: String,
}

/// A word with a colour.
pub fn badge(class: &'static str, word: &str) -> Badge {
    let word = word.to_owned();
    Badge { class, word }
}

/// Where a message stands.
pub fn status(status: MessageStatus) -> Badge {
    let class = match status {
        MessageStatus::Delivered => "good",
        MessageStatus::Failed | MessageStatus::Expired => "bad",
        MessageStatus::Deferred | MessageStatus::Partial | MessageStatus::Held => "warn",
        MessageStatus::Queued | MessageStatus::Scheduled => "",
        MessageStatus::Cancelled => "plain",
    };
    let word = match status {
        MessageStatus::Partial => "delivered to some".to_owned(),
        other => other.to_string(),
    };
    Badge { class, word }
}

/// Where a recipient stands.
pub fn recipient(status: RecipientStatus) -> Badge {
    let class = match status {
        RecipientStatus::Delivered => "good",
        RecipientStatus::Failed | RecipientStatus::Expired => "bad",
        RecipientStatus::Deferred => "warn",
        RecipientStatus::Queued => "",
        RecipientStatus::Cancelled => "plain",
    };
    let word = status.to_string();
    Badge { class, word }
}

/// What the policies decided.
pub fn outcome(outcome: Outcome) -> Badge {
    match outcome {
        Outcome::Accepted => badge("good", "accepted"),
        Outcome::Deferred => badge("warn", "refused for now"),
        Outcome::Rejected => badge("bad", "blocked"),
    }
}

/// The point of a transaction, as clients know it.
pub const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Sender => "MAIL FROM",
        Stage::Recipient => "RCPT TO",
        Stage::Message => "the end of the message",
    }
}

/// A priority by number and name.
pub const fn priority(priority: &Priority) -> &'static str {
    match priority {
        Priority::Highest => "1 - very high",
        Priority::High => "2 - high",
        Priority::Normal => "3 - normal",
        Priority::Low => "4 - low",
        Priority::Lowest => "5 - very low",
    }
}

/// A subject, or that there is none.
pub fn subject(subject: &str) -> String {
    match subject.trim() {
        "" => "(no subject)".to_owned(),
        subject => subject.to_owned(),
    }
}

/// The reverse-path.
pub fn sender(message: &MessageSummary) -> String {
    let path = message.meta.reverse_path.as_ref();
    path.map_or_else(|| "<>".to_owned(), ToString::to_string)
}

/// The first of some, and how many more there are.
pub fn and_more(first: &str, count: u64) -> String {
    match count {
        0 | 1 => first.to_owned(),
        count => format!("{first} and {} more", count - 1),
    }
}

/// So many octets, as people say it.
pub fn octets(octets: &u64) -> String {
    let octets = *octets;
    match octets {
        0..1024 => format!("{octets} octets"),
        1024..1_048_576 => format!("{:.1} KiB", octets as f64 / 1024.0),
        _ => format!("{:.1} MiB", octets as f64 / 1_048_576.0),
    }
}

/// A length of time, as people say it.
pub fn seconds(seconds: &u64) -> String {
    let seconds = *seconds;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// The time within which so many of a hundred recipients were served.
pub fn within(waits: &Waits, percent: u64) -> String {
    if waits.count() == 0 {
        return "-".to_owned();
    }
    let found = waits.percentile_s(percent);
    found.map_or_else(|| "over 1 d".to_owned(), |bound| seconds(&bound))
}

/// With a capital at its beginning.
pub fn capital(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase());
    first.into_iter().flatten().chain(characters).collect()
}

/// As the value of a query.
pub fn in_query(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.trim().bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded += &format!("%{octet:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            [999, 2048, 5 << 20].map(|size| octets(&size)),
            ["999 octets", "2.0 KiB", "5.0 MiB"]
        );
        assert_eq!(
            [5, 300, 14_400, 86_400].map(|time| seconds(&time)),
            ["5 s", "5 min", "4 h", "1 d"]
        );
        assert_eq!(in_query("@a&b=ü "), "%40a%26b%3D%C3%BC");
        assert_eq!(capital("released"), "Released");
    }
}
