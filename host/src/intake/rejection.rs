//! Why a message is not taken: what the client is told and what we log are two values.

use crate::message::HeaderError;
use crate::policy::Refusal;
use crate::smtp::Reply;
use crate::store::StoreError;

/// A refusal on its way to the client.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// What the client is told.
    pub reply: Reply,
    /// What the log says.
    pub reason: String,
    /// True when the user was suspended: its session ends as that of any inactive user. The reply is for
    /// the case that this was undone meanwhile.
    pub is_suspension: bool,
    /// True when a policy failed: whoever comes again makes it fail again.
    pub is_policy_failure: bool,
}

impl Rejection {
    /// The store is not known to be good; nothing is accepted until it is.
    pub fn store_unavailable() -> Self {
        let reply = Reply::new(
            451,
            (4, 3, 0),
            "the queue cannot take messages at the moment; try again later",
        );
        Self::new(reply, "store not known good")
    }

    pub(super) fn store(error: &StoreError) -> Self {
        Self {
            reason: error.to_string(),
            ..Self::store_unavailable()
        }
    }

    pub(super) fn header(error: &HeaderError) -> Self {
        Self::new(
            Reply::new(550, (5, 6, 0), error.to_string()),
            error.to_string(),
        )
    }

    /// The header does not end within the part of the message that is kept in memory.
    pub(super) fn header_too_large() -> Self {
        let text = "the header section is too large; send fewer or shorter header fields";
        let reply = Reply::new(552, (5, 3, 4), text);
        Self::new(reply, "header larger than intake.memory-octets")
    }

    /// The header says when to send the message, and that cannot be.
    pub(super) fn schedule(enhanced: (u8, u16, u16), text: String) -> Self {
        Self::new(Reply::new(550, enhanced, text.clone()), text)
    }

    /// The user has sent as much as it may.
    pub(super) fn limit(reply: Reply) -> Self {
        Self::new(reply, "over the user's limit")
    }

    /// [`Rejection::limit`], for which the user was suspended.
    pub(super) fn suspended(reply: Reply) -> Self {
        Self {
            is_suspension: true,
            ..Self::limit(reply)
        }
    }

    /// Refused by policies, of which one failed where so said.
    pub(super) fn policy(refusal: Refusal, is_policy_failure: bool) -> Self {
        let reply = Reply::new(refusal.code, refusal.enhanced, refusal.text.clone());
        Self {
            is_policy_failure,
            ..Self::new(reply, refusal.text)
        }
    }

    fn new(reply: Reply, reason: impl Into<String>) -> Self {
        Self {
            reply,
            reason: reason.into(),
            is_suspension: false,
            is_policy_failure: false,
        }
    }
}
