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
        }
    }

    pub(super) fn policy(refusal: Refusal) -> Self {
        Self {
            reason: refusal.text.clone(),
            reply: Reply::new(refusal.code, refusal.enhanced, refusal.text),
        }
    }
}
