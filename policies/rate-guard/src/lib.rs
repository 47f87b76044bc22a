//! Watches how many messages and recipients a user sends in an hour or a day: beyond its limits mail is
//! deferred, or an alert is raised.
//!
//! `settings` reads the limits, `guard` counts against them with the host's sliding windows, and this file
//! joins them to the interface of `wit/policy.wit`. It needs the grant `counters`.

#[allow(
    missing_docs,
    unsafe_code,
    dead_code,
    clippy::all,
    reason = "generated from wit/policy.wit, which documents every item"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "full-message-policy",
        path: "../../wit",
        additional_derives: [PartialEq],
    });
}

mod guard;
mod settings;

use bindings::exports::gatepost::policy::lifecycle::{self, Descriptor, Problem};
use bindings::exports::gatepost::policy::message_stage::{self, Request};
use bindings::gatepost::policy::counters;
use bindings::gatepost::policy::types::{Error, Verdict};
use guard::{Counters, Share};

/// The component.
struct RateGuard;

impl lifecycle::Guest for RateGuard {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary:
                "Defers mail of a user beyond so many messages or recipients in an hour or a day."
                    .to_owned(),
            settings_schema: settings::SCHEMA.to_owned(),
        }
    }

    fn validate_settings(settings: String) -> Vec<Problem> {
        let problem = |problem: policy_kit::settings::Problem| Problem {
            path: problem.path,
            message: problem.message,
        };
        let problems = settings::read(&settings).err().unwrap_or_default();
        problems.into_iter().map(problem).collect()
    }
}

impl message_stage::Guest for RateGuard {
    fn evaluate(request: Request) -> Result<Verdict, String> {
        let settings = settings::read(&request.settings)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<String>())?;
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

/// The exported functions; outside WebAssembly there is nobody to export them to.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated: exports with fixed names")]
mod exports {
    use super::{RateGuard, bindings};

    bindings::export!(RateGuard with_types_in bindings);
}

#[cfg(test)]
mod tests;
