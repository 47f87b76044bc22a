//! The system tests: the built binary over real sockets. One module for each room of the host.

mod abuse;
mod acme;
mod autoconfig;
mod bombs;
mod cli;
mod config;
mod decisions;
mod delivery;
mod doctor;
mod drain;
mod durability;
mod examples;
mod extensions;
mod floods;
mod layers;
mod limits;
mod policies;
mod policy;
mod policy_tools;
mod priority;
mod proxy;
mod reload;
mod scram;
mod smuggling;
mod submission;
mod swap;
