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
}

impl Rejection {
    /// The store is not known to be good; nothing is accepted until it is.
    pub fn store_unavailable() -> Self {
        let reply = Reply::new(
            451,
            (4, 3, 0),
            "the queue cannot take messages at the moment; try again later",
        );
        Self {
            reply,
            reason: "store not known good".to_owned(),
            is_suspension: false,
        }
    }

    pub(super) fn store(error: &StoreError) -> Self {
        Self {
            reason: error.to_string(),
            ..Self::store_unavailable()
        }
    }

    pub(super) fn header(error: &HeaderError) -> Self {
        Self {
            reply: Reply::new(550, (5, 6, 0), error.to_string()),
            reason: error.to_string(),
            is_suspension: false,
        }
    }

    /// The header does not end within the part of the message that is kept in memory.
    pub(super) fn header_too_large() -> Self {
        let text = "the header section is too large; send fewer or shorter header fields";
        Self {
            reply: Reply::new(552, (5, 3, 4), text),
            reason: "header larger than intake.memory-octets".to_owned(),
            is_suspension: false,
        }
    }

    /// The header says when to send the message, and that cannot be.
    pub(super) fn schedule(enhanced: (u8, u16, u16), text: String) -> Self {
        Self {
            reason: text.clone(),
            reply: Reply::new(550, enhanced, text),
            is_suspension: false,
        }
    }

    /// The user has sent as much as it may.
    pub(super) fn limit(reply: Reply) -> Self {
        Self {
            reply,
            reason: "over the user's limit".to_owned(),
            is_suspension: false,
        }
    }

    /// [`Rejection::limit`], for which the user was suspended.
    pub(super) fn suspended(reply: Reply) -> Self {
        Self {
            is_suspension: true,
            ..Self::limit(reply)
        }
    }

    pub(super) fn policy(refusal: Refusal) -> Self {
        Self {
            reason: refusal.text.clone(),
            reply: Reply::new(refusal.code, refusal.enhanced, refusal.text),
            is_suspension: false,
        }
    }
}
