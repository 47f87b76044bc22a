//! The test kit: what the system tests, the benchmarks and the tools around Gatepost share.
//!
//! - [`relay::Relay`] starts the built `gatepost` binary in a folder of its own and ends it.
//! - [`client::Client`] speaks SMTP line by line; a test with it reads like a transcript.
//! - [`sink::Sink`] is the next hop: it accepts, remembers, and fails where a [`sink::Script`] says so.
//! - [`gauntlet::Gauntlet`] is many next hops, each of which dies once at a point of its own.
//! - [`http`] asks for what is served beside mail, and [`pebble::Pebble`] issues certificates for it.
//! - [`panel::Browser`] uses the control panel without a screen.
//! - [`knot::Knot`] is a DNS of its own, [`authority::Authority`] issues certificates, and
//!   [`policy_host::PolicyHost`] serves MTA-STS policies.
//! - [`receiver::Receiver`] takes what is posted to webhooks.
//! - [`load`] submits as fast as it can and measures the answers.
//! - [`postfix::Postfix`] and [`cpu`] are for the comparison in `tests/bench`.
//! - [`crafted`] makes policies that no compiler would make.
//! - [`question`] is what a policy is asked in benchmarks.
//! - [`texts`] is a DNS server that knows TXT records.
//! - [`message`] makes the messages that all of them use.

pub mod authority;
pub mod client;
pub mod cpu;
pub mod crafted;
pub mod gauntlet;
pub mod guests;
pub mod http;
pub mod knot;
pub mod load;
pub mod message;
pub mod panel;
pub mod pebble;
pub mod policy_host;
pub mod postfix;
pub mod postgres;
pub mod question;
pub mod receiver;
pub mod relay;
pub mod sink;
pub mod texts;
pub mod wait;
