//! Our side of SMTP towards a next hop: [`connection`] opens, [`transaction`] sends, [`wire`] carries.
//!
//! `lettre` reads replies and speaks the greeting; the envelope and the content are written by us.

pub(super) mod connection;
pub(super) mod dial;
pub(super) mod envelope;
mod extensions;
mod protection;
pub(super) mod reply;
pub(super) mod transaction;
mod wire;
