//! Lets bulk mail leave only within the hours of a time window: outside it is deferred, and the client
//! sends it again later.
//!
//! `bulk` tells what bulk is, `window` when it may leave, `settings` reads both, and this file joins them
//! to the interface of `wit/policy.wit`. The clock is the request's, so that a replay decides the same.

policy_kit::bindings!("message-policy");

mod bulk;
mod settings;
mod window;

use bindings::exports::gatepost::policy::message_stage::{self, Request};
use bindings::gatepost::policy::types::{Decision, EnhancedCode, Fact, Reply, Verdict};
use policy_kit::settings::in_words;
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

policy_kit::component!(WorkingHours: "Defers bulk mail outside the hours of a time window.");

impl message_stage::Guest for WorkingHours {
    fn evaluate(request: Request) -> Result<Verdict, String> {
        let settings = settings::read(&request.settings).map_err(|problems| in_words(&problems))?;
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

#[cfg(test)]
mod tests;
