//! Lets bulk mail leave only within the hours of a time window: outside it is deferred, and the client
//! sends it again later.
//!
//! `bulk` tells what bulk is, `window` when it may leave, `settings` reads both, and this file joins them
//! to the interface of `wit/policy.wit`. The clock is the request's, so that a replay decides the same.

#[allow(
    missing_docs,
    unsafe_code,
    dead_code,
    clippy::all,
    reason = "generated from wit/policy.wit, which documents every item"
)]
mod bindings {
    wit_bindgen::generate!({
        world: "message-policy",
        path: "../../wit",
        additional_derives: [PartialEq],
    });
}

mod bulk;
mod settings;
mod window;

use bindings::exports::gatepost::policy::lifecycle::{self, Descriptor, Problem};
use bindings::exports::gatepost::policy::message_stage::{self, Request};
use bindings::gatepost::policy::types::{Decision, EnhancedCode, Fact, Reply, Verdict};
use policy_kit::text;
use settings::Settings;

/// The rule that decided. The names never change.
mod rule {
    pub const WITHIN_HOURS: &str = "within-hours";
    pub const NOT_BULK: &str = "not-bulk";
    pub const OUTSIDE_HOURS: &str = "outside-hours";
}

/// Tells in the decision log why the message is bulk.
const FACT_BULK: &str = "x.bulk";
/// Longest text of a reply, in octets.
const MAX_REPLY: usize = 450;

/// The component.
struct WorkingHours;

impl lifecycle::Guest for WorkingHours {
    fn describe() -> Descriptor {
        Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Defers bulk mail outside the hours of a time window.".to_owned(),
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

impl message_stage::Guest for WorkingHours {
    fn evaluate(request: Request) -> Result<Verdict, String> {
        let settings = settings::read(&request.settings)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<String>())?;
        Ok(judge(&settings, &request))
    }
}

fn judge(settings: &Settings, request: &Request) -> Verdict {
    let now = settings.local(request.session.received_at_ms);
    if settings.window.includes(now) {
        return verdict(Decision::Pass, rule::WITHIN_HOURS, None);
    }
    match bulk::reason(&settings.bulk, request) {
        None => verdict(Decision::Pass, rule::NOT_BULK, None),
        Some(reason) => {
            let reply = reply(settings, &reason, settings.window.opens_in(now));
            verdict(
                Decision::Defer(Some(reply)),
                rule::OUTSIDE_HOURS,
                Some(reason),
            )
        }
    }
}

/// RFC 3463 §3.8: 4.7.1 is a matter of policy that may be otherwise later.
fn reply(settings: &Settings, reason: &str, wait_minutes: u64) -> Reply {
    let (hours, minutes) = (wait_minutes / 60, wait_minutes % 60);
    let line = format!(
        "Bulk mail ({reason}) is taken {} {}, in {hours} h {minutes} min; send the message again then, \
         as mail programs do by themselves",
        settings.window, settings.zone,
    );
    Reply {
        code: 451,
        enhanced: EnhancedCode {
            class: 4,
            subject: 7,
            detail: 1,
        },
        text: text::ascii(&line, MAX_REPLY),
    }
}

fn verdict(decision: Decision, rule: &str, bulk: Option<String>) -> Verdict {
    let fact = |value| Fact {
        name: FACT_BULK.to_owned(),
        value,
    };
    Verdict {
        decision,
        priority: None,
        alerts: Vec::new(),
        rule: rule.to_owned(),
        facts: bulk.map(fact).into_iter().collect(),
    }
}

/// The exported functions; outside WebAssembly there is nobody to export them to.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated: exports with fixed names")]
mod exports {
    use super::{WorkingHours, bindings};

    bindings::export!(WorkingHours with_types_in bindings);
}

#[cfg(test)]
mod tests;
