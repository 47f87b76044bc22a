//! Watches how many messages and recipients a user sends in an hour or a day: beyond its limits mail is
//! deferred, or an alert is raised.
//!
//! `settings` reads the limits, `guard` counts against them with the host's sliding windows, and this file
//! joins them to the interface of `wit/policy.wit`. It needs the grant `counters`.

policy_kit::bindings!("full-message-policy");

mod guard;
mod settings;

use bindings::exports::gatepost::policy::message_stage::{self, Request};
use bindings::gatepost::policy::counters;
use bindings::gatepost::policy::types::{Error, Verdict};
use guard::{Counters, Share};
use policy_kit::settings::in_words;

policy_kit::component!(RateGuard: "Defers mail of a user beyond so many messages or recipients in an hour or a day.");

impl message_stage::Guest for RateGuard {
    fn evaluate(request: Request) -> Result<Verdict, String> {
        let settings = settings::read(&request.settings).map_err(|problems| in_words(&problems))?;
        guard::judge(&settings, &request, &mut HostCounters)
    }
}

/// The windows that the host keeps for this entry of the configuration.
struct HostCounters;

impl Counters for HostCounters {
    fn peek(&mut self, key: &str, window_s: u32) -> Result<u64, String> {
        counters::peek(key, window_s).map_err(told)
    }

    fn add(&mut self, key: &str, amount: u32, window_s: u32) -> Result<u64, String> {
        counters::add(key, amount, window_s).map_err(told)
    }

    fn take(&mut self, key: &str, amount: u32, limit: u64, window_s: u32) -> Result<Share, String> {
        let share = counters::take(key, amount, limit, window_s).map_err(told)?;
        Ok(Share {
            granted: share.granted,
            wait_s: share.wait_seconds,
        })
    }
}

fn told(error: Error) -> String {
    format!(
        "the host does not count ({}): {}",
        error.code, error.message
    )
}

#[cfg(test)]
mod tests;
