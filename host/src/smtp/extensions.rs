//! What ESMTP parameters mean, as values. `parameters` reads them; whoever passes a message on writes
//! them again with [`std::fmt::Display`].

use std::fmt;
use std::str::FromStr;

use super::{Mailbox, OriginalRecipient, xtext};
use crate::clock::Timestamp;

/// RFC 3461 §4.4: octets of ENVID.
const MAX_ENVID_OCTETS: usize = 100;
/// A text is not the value of the parameter; says what would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseParameterError(pub(super) &'static str);

/// The BODY parameter of MAIL (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BodyType {
    /// Seven-bit content, also when the client says nothing.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
    /// `BODY=BINARYMIME`: lines of any length and any octets; by BDAT alone.
    BinaryMime,
}

/// The RET parameter of MAIL (RFC 3461 §4.3): how much of the message a failure notice returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// `RET=FULL`.
    Full,
    /// `RET=HDRS`.
    Headers,
}

/// The ENVID parameter of MAIL (RFC 3461 §4.4), as xtext, at most 100 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeId(pub(super) Box<str>);

/// The NOTIFY parameter of RCPT (RFC 3461 §4.1); nothing set is `NOTIFY=NEVER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// Tell when it was delivered.
    pub success: bool,
    /// Tell when it was given up.
    pub failure: bool,
    /// Tell when it is late.
    pub delay: bool,
}

/// The BY parameter of MAIL (RFC 2852).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverBy {
    /// Seconds that are left, from -999,999,999 to 999,999,999; negative when the time is over.
    pub seconds: i64,
    /// What happens then.
    pub mode: DeliverByMode,
    /// Whether the client wants to be told about each relay.
    pub trace: bool,
}

/// What happens when the time of [`DeliverBy`] is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliverByMode {
    /// `N`: the sender is told, and delivery goes on.
    Notify,
    /// `R`: the message is given up.
    Return,
}

/// The HOLDFOR or HOLDUNTIL parameter of MAIL (RFC 4865).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `HOLDFOR`: seconds from now.
    For(u32),
    /// `HOLDUNTIL`: a point in time.
    Until(Timestamp),
}

/// The MT-PRIORITY parameter of MAIL (RFC 6710): -9 to 9, more is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MtPriority(pub(super) i8);

/// The parameters of MAIL.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// The client's estimate of the content in octets (RFC 1870).
    pub size: Option<u64>,
    /// What the client says about the content.
    pub body: BodyType,
    /// `SMTPUTF8` (RFC 6531): addresses or header fields go beyond US-ASCII.
    pub smtputf8: bool,
    /// `REQUIRETLS` (RFC 8689): every hop must be under verified TLS.
    pub require_tls: bool,
    /// How much a failure notice returns.
    pub ret: Option<Ret>,
    /// The sender's name for this transaction.
    pub envid: Option<EnvelopeId>,
    /// When delivery is too late.
    pub deliver_by: Option<DeliverBy>,
    /// Not to be delivered before.
    pub hold: Option<Hold>,
    /// How urgent the client says it is.
    pub mt_priority: Option<MtPriority>,
}

/// The parameters of RCPT.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RcptParameters {
    /// What the sender wants to be told; none leaves it to the relay.
    pub notify: Option<Notify>,
    /// The address the sender knows the recipient by.
    pub orcpt: Option<OriginalRecipient>,
}

/// An accepted forward-path with what was said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The forward-path.
    pub mailbox: Mailbox,
    /// What the client asked for it.
    pub parameters: RcptParameters,
}

impl Notify {
    /// `NOTIFY=NEVER`.
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
    };
}

impl EnvelopeId {
    /// As it stands in a parameter.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As the sender wrote it; printable US-ASCII.
    pub fn decoded(&self) -> String {
        xtext::decode(&self.0)
    }
}

impl FromStr for EnvelopeId {
    type Err = ParseParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = (1..=MAX_ENVID_OCTETS).contains(&text.len()) && xtext::is_valid(text);
        let malformed = ParseParameterError("ENVID must be xtext of at most 100 characters");
        is_valid.then(|| Self(text.into())).ok_or(malformed)
    }
}

impl FromStr for Ret {
    type Err = ParseParameterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_uppercase().as_str() {
            "FULL" => Ok(Self::Full),
            "HDRS" => Ok(Self::Headers),
            _ => Err(ParseParameterError("RET must be FULL or HDRS")),
        }
    }
}

impl FromStr for Notify {
    type Err = ParseParameterError;

    /// RFC 3461 §4.1: NEVER stands alone.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::NEVER);
        }
        let mut notify = Self::NEVER;
        for word in text.split(',') {
            let wanted = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut notify.success,
                "FAILURE" => &mut notify.failure,
                "DELAY" => &mut notify.delay,
                _ => {
                    let text = "NOTIFY must be NEVER, or some of SUCCESS,FAILURE,DELAY";
                    return Err(ParseParameterError(text));
                }
            };
            *wanted = true;
        }
        Ok(notify)
    }
}

impl FromStr for DeliverBy {
    type Err = ParseParameterError;

    /// RFC 2852 §4: `by-value = by-time ";" by-mode [by-trace]`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = ParseParameterError("BY must be seconds;N or seconds;R, with T to trace");
        let (seconds, mode) = text.split_once(';').ok_or(malformed)?;
        let digits = seconds.strip_prefix(['+', '-']).unwrap_or(seconds);
        let is_number =
            (1..=9).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
        let seconds = seconds
            .parse()
            .ok()
            .filter(|_| is_number)
            .ok_or(malformed)?;
        let (mode, trace) = match mode.to_ascii_uppercase().as_str() {
            "N" => (DeliverByMode::Notify, false),
            "NT" => (DeliverByMode::Notify, true),
            "R" => (DeliverByMode::Return, false),
            "RT" => (DeliverByMode::Return, true),
            _ => return Err(malformed),
        };
        if mode == DeliverByMode::Return && seconds <= 0 {
            return Err(ParseParameterError(
                "BY with R must leave time: at least 1 second",
            ));
        }
        Ok(Self {
            seconds,
            mode,
            trace,
        })
    }
}

impl FromStr for MtPriority {
    type Err = ParseParameterError;

    /// RFC 6710 §6: `priority-value = (["-"] NZDIGIT) / "0"`
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = ParseParameterError("MT-PRIORITY must be a number from -9 to 9");
        let digit = text.strip_prefix('-').unwrap_or(text);
        let is_digit = matches!(digit.as_bytes(), [b'1'..=b'9']) || text == "0";
        text.parse()
            .ok()
            .filter(|_| is_digit)
            .and_then(Self::new)
            .ok_or(malformed)
    }
}

impl MtPriority {
    /// From -9 to 9; none outside.
    pub fn new(value: i8) -> Option<Self> {
        (-9..=9).contains(&value).then_some(Self(value))
    }

    /// From -9 to 9.
    pub const fn value(self) -> i8 {
        self.0
    }
}

impl From<Mailbox> for Recipient {
    fn from(mailbox: Mailbox) -> Self {
        Self {
            mailbox,
            parameters: RcptParameters::default(),
        }
    }
}

/// As the value of RET.
impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        })
    }
}

/// As the value of NOTIFY.
impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
        ];
        let words: Vec<&str> = wanted
            .iter()
            .filter_map(|(wanted, word)| wanted.then_some(*word))
            .collect();
        f.write_str(if words.is_empty() { "NEVER" } else { "" })?;
        f.write_str(&words.join(","))
    }
}

/// As the value of BY.
impl fmt::Display for DeliverBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            DeliverByMode::Notify => "N",
            DeliverByMode::Return => "R",
        };
        let trace = if self.trace { "T" } else { "" };
        write!(f, "{};{mode}{trace}", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_read_and_decoded() {
        let id: EnvelopeId = "QQ+2B314+3D".parse().expect("xtext");
        assert_eq!(
            (id.as_str(), id.decoded().as_str()),
            ("QQ+2B314+3D", "QQ+314=")
        );
        for text in [
            "",
            "a=b",
            "a+2b",
            "a+2",
            "a+",
            "a b",
            "a+GG",
            "\u{e9}",
            &"x".repeat(101),
        ] {
            assert!(text.parse::<EnvelopeId>().is_err(), "{text}");
        }
        let control: EnvelopeId = "a+0D+0Ab".parse().expect("xtext");
        assert_eq!(control.decoded(), "a??b");
    }

    #[test]
    fn values_are_written_as_they_are_read() {
        for text in ["NEVER", "SUCCESS", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"] {
            assert_eq!(
                text.parse::<Notify>().map(|n| n.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["120;R", "-5;N", "999999999;NT", "1;RT"] {
            assert_eq!(
                text.parse::<DeliverBy>().map(|by| by.to_string()),
                Ok(text.to_owned())
            );
        }
        for text in ["FULL", "HDRS"] {
            assert_eq!(
                text.parse::<Ret>().map(|ret| ret.to_string()),
                Ok(text.to_owned())
            );
        }
        for value in -9..=9 {
            assert_eq!(
                value
                    .to_string()
                    .parse::<MtPriority>()
                    .map(MtPriority::value),
                Ok(value)
            );
        }
    }

    #[test]
    fn values_outside_the_grammar_are_refused() {
        for text in ["", "NEVER,DELAY", "SUCCESS,", "ALWAYS", "SUCCESS FAILURE"] {
            assert!(text.parse::<Notify>().is_err(), "{text}");
        }
        for text in [
            "",
            "120",
            "120;",
            "120;X",
            "x;R",
            "1234567890;N",
            "+-1;N",
            "0;R",
            "-1;R",
            "1;RTT",
        ] {
            assert!(text.parse::<DeliverBy>().is_err(), "{text}");
        }
        for text in ["", "10", "-10", "+1", "-0", "01", "1.0"] {
            assert!(text.parse::<MtPriority>().is_err(), "{text}");
        }
    }
}
