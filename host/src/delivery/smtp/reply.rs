//! What a peer answered, and what that means for a recipient.

use crate::queue::{Meaning, Outcome, RemoteReply};

/// Characters of a reply's text that are kept.
const MAX_TEXT: usize = 1000;

/// A complete reply, lines joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 200 to 599.
    pub code: u16,
    /// The text, printable, at most 1,000 characters.
    pub text: String,
}

impl Reply {
    /// From its code and its text, in which line ends become spaces.
    pub fn new(code: u16, text: &str) -> Self {
        Self {
            code,
            text: printable(text),
        }
    }

    /// True for 2yz.
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// True when the peer is about to close the connection (RFC 5321 §3.8).
    pub const fn is_closing(&self) -> bool {
        self.code == 421
    }

    /// What it comes to for a recipient (RFC 5321 §4.2.1): a reply that makes no sense is no refusal, nor is
    /// one of too much for now.
    pub fn outcome(&self) -> Outcome {
        let reply = RemoteReply {
            code: self.code,
            text: self.text.clone(),
        };
        match Meaning::of(&reply) {
            Meaning::Delivered => Outcome::Delivered(reply),
            Meaning::Permanent => Outcome::Failed(reply),
            Meaning::Transient | Meaning::SlowDown => Outcome::Deferred(reply),
        }
    }
}

/// Our own words for a delay, where no reply was received.
pub(crate) fn deferred(text: impl AsRef<str>) -> Outcome {
    Outcome::Deferred(own_words(text.as_ref()))
}

/// Our own words for a failure, where no reply was received.
pub(crate) fn failed(text: impl AsRef<str>) -> Outcome {
    Outcome::Failed(own_words(text.as_ref()))
}

fn own_words(text: &str) -> RemoteReply {
    RemoteReply {
        code: 0,
        text: printable(text),
    }
}

/// One line without control characters: it ends in logs, terminals and reports.
fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    let cleaned: String = text.chars().take(MAX_TEXT).map(shown).collect();
    cleaned.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digit_decides() {
        for (code, name) in [
            (250, "delivered"),
            (450, "deferred"),
            (550, "failed"),
            (354, "deferred"),
        ] {
            let found = match Reply::new(code, "x").outcome() {
                Outcome::Delivered(_) => "delivered",
                Outcome::Deferred(_) => "deferred",
                Outcome::Failed(_) => "failed",
            };
            assert_eq!(found, name, "{code}");
        }
    }

    #[test]
    fn text_is_one_printable_line_of_bounded_length() {
        let reply = Reply::new(550, "5.7.1 no\r\nreally\x1b[2J");
        assert_eq!(reply.text, "5.7.1 no  really [2J");
        assert_eq!(
            Reply::new(550, &"é".repeat(5000)).text.chars().count(),
            1000
        );
    }
}
