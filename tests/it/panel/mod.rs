//! The control panel over HTTP: who gets in, what is safe, and what each page does.

mod lists;
mod messages;
mod sessions;
mod statistics;
