//! The submission protocol without I/O: what a client may say, in which order, and what it is told.

mod mailbox;

pub use self::mailbox::{Mailbox, MailboxError};

/// The BODY parameter of MAIL (RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BodyType {
    /// Seven-bit content, also when the client says nothing.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
}
