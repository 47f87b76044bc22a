//! The rooms that read octets from outside, as they are in the host, and what every target checks them by.

// The host uses more of them than a fuzz target does.
#![allow(dead_code, unused_imports)]

#[path = "../../../host/src/clock.rs"]
pub mod clock;
#[path = "../../../host/src/message/mod.rs"]
pub mod message;
#[path = "../../../host/src/secret.rs"]
pub mod secret;
#[path = "../../../host/src/smtp/mod.rs"]
pub mod smtp;

mod shell;

pub use shell::{Event, Shell, log_in, replay, replay_whole_and_cut, split};
