//! The control panel over HTTP: who gets in, what is safe, and what each page does.

mod alerts;
mod lists;
mod messages;
pub mod operators;
mod policies;
mod queue;
mod roles;
mod sessions;
mod settings;
mod statistics;
mod tokens;
mod users;
mod write;
