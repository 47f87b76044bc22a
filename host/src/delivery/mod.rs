//! Makes one attempt to pass a message on: to a smarthost, to a domain's mail exchangers, or into files.
//!
//! It never decides when to try again and writes nothing into the queue; `scheduler` does. Content
//! comes from the message itself or, piece by piece, from `store`.

mod bandwidth;
mod config;
mod content;
mod courier;
mod dane;
mod dns;
mod dots;
mod maildir;
mod mx;
mod named;
mod ourselves;
mod outgoing;
mod outlet;
mod pool;
mod route;
mod search;
mod setup;
mod smtp;
mod sources;
mod sts;

pub use self::config::{Config, Dns, Dnssec, Mode, Route, Smarthost, Smarthosts, Tls};
pub use self::courier::{Courier, Handover, Reach, Report};
pub use self::route::Delivery;
pub use self::setup::SetupError;

#[cfg(test)]
mod tests;
