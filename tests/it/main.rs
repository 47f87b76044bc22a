//! The system tests: the built binary over real sockets. One module for each room of the host.

mod cli;
mod clients;
mod config;
mod delivery;
mod doctor;
mod durability;
mod examples;
mod layers;
mod limits;
mod policies;
mod policy;
mod priority;
mod submission;
