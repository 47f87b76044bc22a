//! What the policies decided about a message, as it is kept: the answer to "why was my mail refused?".
//!
//! One [`Decision`] for each run of a chain: always at the message stage, at the envelope stage when
//! it refused. It names the policies by the [`Chain`] that was asked, which is kept once however many
//! decisions it made. Pure: `intake` makes decisions, `store` keeps them, `cli` shows them.

mod chain;
mod lately;
mod words;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::chain::{Chain, Policy};
pub use self::lately::{Difference, Glimpse, Lately, Price, RuleCount, ShadowCount};
pub use self::words::{recipients, reply, sender, step_lines, subject};
use crate::alert::NewAlert;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::Priority;

/// Octets of the addresses that are kept in one field of a decision; what is beyond is left out.
/// Default 1,024: some forty addresses. Those of an accepted message are all in the queue.
const ADDRESSES_OCTETS: usize = 1024;

/// One run of a chain of policies, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What was decided about.
    pub about: About,
    /// Whether it counted.
    pub run: Run,
    /// Which set of policies of this process decided, counted from its start.
    pub generation: u64,
    /// The policies that were asked.
    pub chain: Arc<Chain>,
    /// What became of it.
    pub outcome: Outcome,
    /// Effective priority in the end.
    pub priority: Priority,
    /// The code and text that the client was told when it was refused, for example `550` and `5.7.1 …`.
    pub reply: Option<(u16, String)>,
    /// One for each policy that was asked, in order.
    pub steps: Vec<Step>,
    /// What was done to the message and its way, a line for each.
    pub effects: Vec<String>,
}

/// What a decision is about: enough to find it by user, sender, recipient and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The message's queue id, also when it was refused; at the envelope stage one of its own.
    pub id: QueueId,
    /// When it was decided.
    pub at: Timestamp,
    /// The point of the transaction.
    pub stage: Stage,
    /// The list of the user.
    pub list_id: Option<i64>,
    /// The user by name.
    pub username: String,
    /// The SMTP session.
    pub session_id: String,
    /// The reverse-path; none is the null reverse-path.
    pub sender: Option<String>,
    /// The mailboxes of From, separated by spaces; empty at the envelope stage.
    pub from: String,
    /// The forward-paths, separated by spaces.
    pub recipients: String,
    /// How many there are.
    pub recipient_count: u32,
    /// Subject and Message-ID of a message that was refused; those of an accepted one are in the queue.
    pub header: Option<RefusedHeader>,
}

/// What a refused message is found by, beside its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusedHeader {
    /// As people read it.
    pub subject: String,
    /// With its angle brackets; empty when it had none.
    pub message_id: String,
}

/// Whether a run of a chain counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// What it decided was done.
    Enforced,
    /// It was asked afterwards, to see what it would have decided.
    Shadow,
}

/// The point of a transaction at which policies are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// The end of the content.
    Message,
}

/// What became of what was decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was taken.
    Accepted,
    /// It was refused for now.
    Deferred,
    /// It was refused for good.
    Rejected,
}

/// What one policy of the chain came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// The policy's name and its rule, for example `sender-rules/authorized-domain`.
    pub rule: String,
    /// `pass`, `accept`, `reject`, `defer` or `failed`.
    pub decision: String,
    /// Fuel it took; 0 when its verdict was remembered.
    pub fuel: u64,
    /// Microseconds it took.
    pub us: u64,
    /// Why it gave no usable verdict, for example `deadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the policy wants logged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, String)>,
}

impl Step {
    /// Whether the policy had said so before and was not asked again: an evaluation takes some fuel.
    pub fn is_remembered(&self) -> bool {
        self.fuel == 0 && self.failure.is_none()
    }

    /// What it took, for people. Example: `fuel 19527, 16 µs`.
    pub fn price(&self) -> String {
        match self.is_remembered() {
            true => "from memory".to_owned(),
            false => format!("fuel {}, {} µs", self.fuel, self.us),
        }
    }
}

/// A decision on its way into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDecision {
    /// The decision.
    pub decision: Decision,
    /// The request, a JSON document, when it is to be recorded.
    pub request: Option<String>,
}

/// A decision with its recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The decision that counted.
    pub decision: Decision,
    /// The request, a JSON document.
    pub request: String,
}

/// What a verdict leaves behind beside the message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// For the administrators.
    pub alerts: Vec<NewAlert>,
    /// For whoever asks why.
    pub decision: Option<Box<NewDecision>>,
}

impl Decision {
    /// False at the envelope stage when nothing was refused: the message's decision is to come.
    pub fn is_worth_keeping(&self) -> bool {
        self.about.stage == Stage::Message || self.outcome != Outcome::Accepted
    }
}

impl Findings {
    /// True when there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.alerts.is_empty() && self.decision.is_none()
    }
}

impl From<Vec<NewAlert>> for Findings {
    fn from(alerts: Vec<NewAlert>) -> Self {
        Self {
            alerts,
            decision: None,
        }
    }
}

impl From<NewDecision> for Findings {
    fn from(decision: NewDecision) -> Self {
        Self {
            alerts: Vec::new(),
            decision: Some(Box::new(decision)),
        }
    }
}

impl Step {
    /// The policy by its name in the configuration.
    pub fn policy(&self) -> &str {
        self.rule.split('/').next().unwrap_or_default()
    }
}

impl Outcome {
    /// From a reply code; none is `accepted`.
    pub const fn of_reply(code: Option<u16>) -> Self {
        match code {
            None => Self::Accepted,
            Some(..500) => Self::Deferred,
            Some(_) => Self::Rejected,
        }
    }

    /// The number the store keeps; what is not accepted is above 0.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// From the number the store keeps.
    pub const fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Accepted,
            1 => Self::Deferred,
            _ => Self::Rejected,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
        })
    }
}

impl Stage {
    /// The number the store keeps.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// From the number the store keeps.
    pub const fn from_code(code: i64) -> Self {
        match code {
            0 => Self::Sender,
            1 => Self::Recipient,
            _ => Self::Message,
        }
    }
}

/// The SMTP command or content that was decided about.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Message => "message",
        })
    }
}

/// Addresses as one text of at most 1,024 octets, whole ones only.
pub fn addresses<'a>(addresses: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for address in addresses {
        if text.len() + 1 + address.len() > ADDRESSES_OCTETS {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(address);
    }
    text
}

/// Which decisions to report on, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Only those of this list.
    pub list: Option<i64>,
    /// Only those of this user, by name.
    pub user: Option<String>,
    /// Only those with this reverse-path or this mailbox in From, without regard to case; a part is enough.
    pub sender: Option<String>,
    /// Only those with this forward-path, likewise.
    pub recipient: Option<String>,
    /// Only those in which a policy decided by this rule; `sender-rules/x`, or `x` of any policy.
    pub rule: Option<String>,
    /// Only those that came to this.
    pub outcome: Option<Outcome>,
    /// Only those that refused.
    pub refused_only: bool,
    /// Only those that were decided at this time or later.
    pub since: Option<Timestamp>,
    /// Only those that were decided before.
    pub until: Option<Timestamp>,
    /// At most so many.
    pub limit: u32,
}

impl Default for DecisionFilter {
    fn default() -> Self {
        Self {
            list: None,
            user: None,
            sender: None,
            recipient: None,
            rule: None,
            outcome: None,
            refused_only: false,
            since: None,
            until: None,
            limit: 100,
        }
    }
}

/// How long decisions and recorded requests are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Decisions made before are deleted.
    pub decisions_before: Timestamp,
    /// Decisions beyond so many are deleted, the oldest first.
    pub max_decisions: u64,
    /// Requests recorded before are deleted.
    pub requests_before: Timestamp,
    /// Octets of recorded requests beyond which the oldest are deleted.
    pub max_request_octets: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_bounded_and_never_cut() {
        assert_eq!(
            addresses(["a@example.com", "b@example.com"]),
            "a@example.com b@example.com"
        );
        assert_eq!(addresses([]), "");
        let long = format!("{}@example.com", "x".repeat(600));
        assert_eq!(addresses([long.as_str(), long.as_str()]), long);
    }

    #[test]
    fn a_reply_code_says_what_became_of_it() {
        let cases = [
            (None, Outcome::Accepted),
            (Some(451), Outcome::Deferred),
            (Some(550), Outcome::Rejected),
        ];
        for (code, outcome) in cases {
            assert_eq!(Outcome::of_reply(code), outcome);
            assert_eq!(Outcome::from_code(outcome.code()), outcome);
        }
    }
}
