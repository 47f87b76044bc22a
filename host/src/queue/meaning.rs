//! What the words of a next hop mean for what is sent next: never, later, or more slowly. Pure.
//!
//! The first rule that fits counts, from top to bottom:
//!
//! | reply | meaning |
//! |---|---|
//! | 2yz | delivered |
//! | 452, 552 with x.5.3, or "too many recipients" | transient: the rest goes in another transaction (RFC 5321 §4.5.3.1.10) |
//! | 4yz with x.2.z, or with words of greylisting | transient: it concerns this mailbox, or this sender's first try |
//! | 421 | slow down: the host wants no more at present (RFC 5321 §3.8) |
//! | 4yz with x.3.2, x.4.5 or x.7.28 | slow down: the system takes nothing, is congested, or sees too much (RFC 3463 §3.4, §3.5) |
//! | 4yz with words about rates, limits or too many connections | slow down |
//! | 4yz with x.7.z and words like "try again later" | slow down |
//! | any other 4yz, no reply, a reply that makes no sense | transient |
//! | 5yz with x.4.5, or with words about rates and quotas of the sender, or "try again later" | slow down: the code is stricter than the words |
//! | any other 5yz | permanent |

use super::RemoteReply;

/// What a reply means for what is sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The next hop has taken responsibility.
    Delivered,
    /// It will never be taken.
    Permanent,
    /// It may be taken later; others are not concerned.
    Transient,
    /// The next hop wants less of everything for a while.
    SlowDown,
}

/// A mailbox that is told to come back once, to see whether a real mail server sends.
const GREYLISTING: [&str; 4] = ["greylist", "graylist", "grey-list", "gray-list"];

/// Words of providers about how much was sent. Compared in lower case.
const RATES: [&str; 20] = [
    "rate limit",
    "rate-limit",
    "ratelimit",
    "sending limit",
    "hourly limit",
    "daily limit",
    "connection limit",
    "sending quota",
    "exceeded the rate",
    "unusual rate",
    "too many connections",
    "too many concurrent",
    "too many messages",
    "too many sessions",
    "too much mail",
    "too fast",
    "throttl",
    "slow down",
    "deferred due to user complaints",
    "temporarily deferred due to",
];

/// Words that ask for another time. Compared in lower case.
const LATER: [&str; 7] = [
    "try again later",
    "try later",
    "retry later",
    "please try again",
    "come back later",
    "temporarily rejected",
    "temporarily blocked",
];

/// Words of a full mailbox, which is nobody's rate.
const MAILBOX: [&str; 4] = ["mailbox", "over quota", "quota exceeded", "inbox"];

/// Words about a recipient that does not exist. Compared in lower case.
const UNKNOWN: [&str; 12] = [
    "user unknown",
    "unknown user",
    "no such user",
    "no such recipient",
    "no such mailbox",
    "recipient unknown",
    "unknown recipient",
    "unknown mailbox",
    "mailbox not found",
    "user not found",
    "does not exist",
    "doesn't exist",
];

impl Meaning {
    /// What this reply means; see the table above.
    pub fn of(reply: &RemoteReply) -> Self {
        let text = reply.text.to_lowercase();
        let status = Enhanced::of(&text);
        match reply.code / 100 {
            2 => Self::Delivered,
            5 if is_about_recipients(reply.code, status, &text) => Self::Transient,
            5 if is_slow_although_permanent(status, &text) => Self::SlowDown,
            5 => Self::Permanent,
            4 if is_slow(reply.code, status, &text) => Self::SlowDown,
            _ => Self::Transient,
        }
    }
}

impl RemoteReply {
    /// True when it says of a recipient that there are enough in this transaction (RFC 5321 §4.5.3.1.10).
    pub fn asks_for_fewer_recipients(&self) -> bool {
        let text = self.text.to_lowercase();
        is_about_recipients(self.code, Enhanced::of(&text), &text)
    }

    /// True when it says for good that there is no such mailbox: later mail would fare no better.
    ///
    /// Enhanced codes 5.1.1, 5.1.6, 5.1.10 and 5.2.1 (RFC 3463 §3.2, RFC 7505 for 5.1.10), or a plain 550,
    /// 551 or 553 with such words. A refusal for what the message or its sender is does not count.
    pub fn is_unknown_recipient(&self) -> bool {
        if self.code / 100 != 5 {
            return false;
        }
        let text = self.text.to_lowercase();
        match Enhanced::of(&text) {
            Some(Enhanced(1, detail)) => matches!(detail, 1 | 6 | 10),
            Some(Enhanced(2, detail)) => detail == 1,
            Some(Enhanced(0, 0)) | None => {
                matches!(self.code, 550 | 551 | 553) && contains(&text, &UNKNOWN)
            }
            Some(_) => false,
        }
    }
}

/// Subject and detail of an enhanced status code (RFC 3463 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Enhanced(u16, u16);

impl Enhanced {
    /// At the beginning of a text, where RFC 2034 §4 puts it.
    fn of(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let word = word.trim_end_matches([':', '-', ',']);
        let mut parts = word.split('.');
        let class = parts.next()?;
        if !matches!(class, "2" | "4" | "5") {
            return None;
        }
        let mut number = || parts.next()?.parse::<u16>().ok();
        let found = Self(number()?, number()?);
        parts.next().is_none().then_some(found)
    }
}

fn is_about_recipients(code: u16, status: Option<Enhanced>, text: &str) -> bool {
    let is_so = matches!(status, Some(Enhanced(5, 3))) || text.contains("too many recipients");
    matches!(code, 452 | 552) && is_so
}

fn is_slow(code: u16, status: Option<Enhanced>, text: &str) -> bool {
    if is_about_recipients(code, status, text) || contains(text, &GREYLISTING) {
        return false;
    }
    match status {
        _ if code == 421 => true,
        Some(Enhanced(2, _)) => false,
        Some(Enhanced(3, 2) | Enhanced(4, 5) | Enhanced(7, 28)) => true,
        Some(Enhanced(7, _)) => contains(text, &RATES) || contains(text, &LATER),
        _ => contains(text, &RATES) && !contains(text, &MAILBOX),
    }
}

fn is_slow_although_permanent(status: Option<Enhanced>, text: &str) -> bool {
    match status {
        Some(Enhanced(4, 5)) => true,
        Some(Enhanced(1 | 2, _)) => false,
        _ => {
            (contains(text, &RATES) && !contains(text, &MAILBOX))
                || text.contains("try again later")
        }
    }
}

fn contains(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::Meaning::{Delivered, Permanent, SlowDown, Transient};
    use super::*;

    fn reply(code: u16, text: &str) -> RemoteReply {
        RemoteReply {
            code,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_words_decide_where_the_code_leaves_room() {
        let cases = [
            (250, "2.0.0 taken, try again later", Delivered),
            (0, "cannot connect: rate limit", Transient),
            (354, "go ahead", Transient),
            (421, "4.3.2 shutting down", SlowDown),
            (421, "too busy", SlowDown),
            (421, "4.7.0 greylisted, come back", Transient),
            (
                450,
                "4.2.0 <a@b>: Recipient address rejected: Greylisted",
                Transient,
            ),
            (
                450,
                "4.7.1 greylisting in action, please try again later",
                Transient,
            ),
            (450, "4.2.1 the user is receiving mail too fast", Transient),
            (452, "4.2.2 mailbox full, try again later", Transient),
            (452, "4.5.3 too many recipients", Transient),
            (452, "mailbox limit exceeded", Transient),
            (451, "4.4.5 system congested", SlowDown),
            (451, "4.3.2 system not accepting messages", SlowDown),
            (451, "4.7.500 server busy, please try again later", SlowDown),
            (450, "4.7.1 rate limit exceeded", SlowDown),
            (450, "4.7.1 try again later", SlowDown),
            (450, "4.7.1 sender address rejected by policy", Transient),
            (451, "try again later", Transient),
            (451, "too many connections from your host", SlowDown),
            (
                450,
                "4.7.28 unusual rate of mail from your address",
                SlowDown,
            ),
            (451, "4.7.24 spf could not be looked up", Transient),
            (550, "5.1.1 no such user", Permanent),
            (550, "5.4.5 daily user sending limit exceeded", SlowDown),
            (550, "5.7.1 message rate limit exceeded", SlowDown),
            (
                554,
                "5.7.0 your address is blocked, try again later",
                SlowDown,
            ),
            (552, "5.2.2 over quota, mailbox limit exceeded", Permanent),
            (552, "5.3.4 message size limit exceeded", Permanent),
            (552, "5.5.3 too many recipients", Transient),
            (552, "too large", Permanent),
            (554, "transaction failed", Permanent),
        ];
        for (code, text, expected) in cases {
            assert_eq!(Meaning::of(&reply(code, text)), expected, "{code} {text}");
        }
    }

    #[test]
    fn an_enhanced_code_is_read_where_it_stands_alone() {
        let cases = [
            ("5.1.1 x", Some(Enhanced(1, 1))),
            ("4.7.500 x", Some(Enhanced(7, 500))),
            ("5.7.1: x", Some(Enhanced(7, 1))),
            ("192.0.2.1 is listed", None),
            ("5.1 x", None),
            ("5.1.1.1 x", None),
            ("3.1.1 x", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Enhanced::of(text), expected, "{text}");
        }
    }

    #[test]
    fn only_a_mailbox_that_does_not_exist_is_an_unknown_recipient() {
        let cases = [
            (550, "5.1.1 <a@b>: recipient address rejected", true),
            (550, "5.1.10 null MX", true),
            (550, "5.2.1 mailbox disabled", true),
            (550, "no such user here", true),
            (553, "sorry, that mailbox does not exist", true),
            (554, "no such user here", false),
            (550, "5.7.1 no such user, or you are blocked", false),
            (550, "5.2.2 mailbox full", false),
            (550, "5.1.8 sender's domain does not exist", false),
            (550, "blocked", false),
            (450, "4.1.1 no such user", false),
            (0, "no such user", false),
        ];
        for (code, text, expected) in cases {
            assert_eq!(
                reply(code, text).is_unknown_recipient(),
                expected,
                "{code} {text}"
            );
        }
    }
}
