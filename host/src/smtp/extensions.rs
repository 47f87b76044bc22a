//! What ESMTP parameters mean, as values. `parameters` reads them; whoever passes a message on writes
//! them again with [`std::fmt::Display`].

use std::fmt;

use super::Mailbox;
use crate::clock::Timestamp;

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

/// The ORCPT parameter of RCPT (RFC 3461 §4.2): `addr-type;xtext`, at most 500 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient(pub(super) Box<str>);

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
}

impl OriginalRecipient {
    /// As it stands in a parameter.
    pub fn as_str(&self) -> &str {
        &self.0
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
