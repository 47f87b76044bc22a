//! Gatepost: an SMTP submission relay that lets WebAssembly decide.
//!
//! The rooms, in the order a message walks through them, and who may use whom, are described in
//! `host/README.md`; `tests/it/layers.rs` enforces it.

pub mod accounts;
pub mod acme;
pub mod admin;
pub mod alert;
pub mod app;
pub mod autoconfig;
pub mod bounce;
pub mod causes;
pub mod cli;
pub mod clock;
pub mod config;
pub mod decision;
pub mod delivery;
pub mod dkim;
pub mod event;
pub mod fetch;
pub mod guard;
pub mod http;
pub mod id;
pub mod intake;
pub mod listener;
pub mod message;
pub mod metrics;
pub mod monitor;
pub mod notify;
pub mod operators;
pub mod policy;
pub mod queue;
pub mod scheduler;
pub mod secret;
pub mod shutdown;
pub mod smtp;
pub mod statistics;
pub mod store;
pub mod submission;
pub mod telemetry;
pub mod tls;
pub mod trace;
pub mod web;
