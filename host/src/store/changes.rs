//! Whether anybody may have changed accounts since the last look, without asking the database.
//!
//! A server tells ([`super::notices`]); a file can be looked at ([`super::wal_index`]). Where it cannot be had, everything
//! may have changed.

use std::sync::Arc;

use super::notices::{Heard, Notices};
use super::wal_index::{Look, WalIndex};

/// The state at one time. Two are alike when nothing was changed in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Of a file.
    Seen(Look),
    /// Of a server.
    Heard(Heard),
}

/// What there is to look at.
pub(super) enum Changes {
    File(Arc<WalIndex>),
    Server(Notices),
}

impl Changes {
    /// What there is to compare with later; none when it cannot be told.
    pub(super) fn look(&self) -> Option<Stamp> {
        match self {
            Self::File(index) => index.look().map(Stamp::Seen),
            Self::Server(notices) => notices.heard().map(Stamp::Heard),
        }
    }

    /// This process has changed something: it need not wait until it hears of it.
    pub(super) fn touch(&self) {
        if let Self::Server(notices) = self {
            notices.touch();
        }
    }

    /// Where this process says what it commits; none where nobody counts that.
    pub(super) fn wal_index(&self) -> Option<Arc<WalIndex>> {
        match self {
            Self::File(index) => Some(Arc::clone(index)),
            Self::Server(_) => None,
        }
    }

    /// Returns when another node has left mail to whoever has time; never where there are no others.
    pub(super) async fn mail(&self) {
        match self {
            Self::Server(notices) => notices.mail().await,
            Self::File(_) => std::future::pending().await,
        }
    }

    /// Ends listening.
    pub(super) async fn close(&self) {
        if let Self::Server(notices) = self {
            notices.close().await;
        }
    }
}
