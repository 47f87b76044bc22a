//! Makes one attempt to pass a message on: to a smarthost, to a domain's mail exchangers, or into files.
//!
//! It never decides when to try again and writes nothing into the queue; `scheduler` does. Content
//! comes from the message itself or, piece by piece, from `store`.

mod bandwidth;
mod config;
mod content;
mod courier;
mod dots;
mod maildir;
mod mx;
mod named;
mod outgoing;
mod route;
mod smtp;

pub use self::config::{Config, Mode, Smarthost, Tls};
pub use self::courier::{Courier, Handover, Reach, Report};
pub use self::route::{Delivery, SetupError};

#[cfg(test)]
mod tests;
