//! The submission protocol without I/O: what a client may say, in which order, and what it is told.
//!
//! A [`Session`] is fed octets and asked for [`Step`]s; it knows no socket, clock or database.
//! The shell in `submission` reads, writes, waits and answers the questions that a step asks.
//!
//! Standards: RFC 5321 and 6409 (submission), 4954 (AUTH), 7677 (SCRAM), 3207 (STARTTLS), 2920 (PIPELINING),
//! 1870 (SIZE), 6152 (8BITMIME), 3030 (CHUNKING, BINARYMIME), 6531 (SMTPUTF8), 3461 (DSN), 2852 (DELIVERBY),
//! 4865 (FUTURERELEASE), 6710 (MT-PRIORITY), 8689 (REQUIRETLS), 9422 (LIMITS), 2034 and 3463 (enhanced
//! status codes).

mod auth;
mod chunk;
mod command;
mod config;
mod content;
mod dialogue;
mod extensions;
#[cfg(test)]
mod fake_shell;
mod line;
mod mailbox;
mod orcpt;
mod parameters;
mod reply;
pub mod scram;
mod session;
mod state;
#[cfg(test)]
mod transcript;
mod transfer;
mod xtext;

pub use self::auth::{Credentials, Evidence, VerifierFound};
pub use self::config::{AuthPolicy, SessionConfig};
pub use self::extensions::{
    BodyType, DeliverBy, DeliverByMode, EnvelopeId, Hold, MailParameters, MtPriority, Notify,
    ParseParameterError, RcptParameters, Recipient, Ret,
};
pub use self::mailbox::{Mailbox, MailboxError, MailboxProblem};
pub use self::orcpt::OriginalRecipient;
pub use self::reply::Reply;
pub use self::session::{Session, Step, Transaction};
