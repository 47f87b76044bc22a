//! A policy that misbehaves on demand.
//!
//! The host's tests prove with it that no module can end, stall or mislead the server. Its settings
//! are one word. The words of `behaviour::NAMES` choose what it does with a message; `subject`
//! leaves that to the message's subject, so that one loaded module serves a whole table of cases.
//! `early-NAME` does NAME at MAIL and accepts the message; a recipient `early-NAME@…` does it at
//! RCPT. `validate-loop` and `validate-trap` misbehave while the settings are checked.
//!
//! The word is the whole settings document as a JSON string, or its member `behaviour`.

#[allow(
    missing_docs,
    unsafe_code,
    dead_code,
    clippy::all,
    reason = "generated from wit/policy.wit, which documents every item"
)]
mod bindings {
    wit_bindgen::generate!({ world: "submission-policy", path: "../../../wit" });
}

mod behaviour;

use bindings::exports::gatepost::policy::{envelope_stage, lifecycle, message_stage};
use bindings::gatepost::policy::types::{Address, Verdict};

struct Hostile;

impl lifecycle::Guest for Hostile {
    fn describe() -> lifecycle::Descriptor {
        lifecycle::Descriptor {
            name: "hostile".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Misbehaves on demand.".to_owned(),
            settings_schema: String::new(),
        }
    }

    fn validate_settings(settings: String) -> Vec<lifecycle::Problem> {
        match word(&settings) {
            "validate-loop" => behaviour::endless(),
            "validate-trap" => behaviour::trap(),
            "subject" => Vec::new(),
            known if is_behaviour(known) => Vec::new(),
            unknown => vec![lifecycle::Problem {
                path: String::new(),
                message: format!("`{unknown}` is not a behaviour"),
            }],
        }
    }
}

impl message_stage::Guest for Hostile {
    fn evaluate(request: message_stage::Request) -> Result<Verdict, String> {
        match word(&request.settings) {
            "subject" => behaviour::run(&request.message.subject),
            word if word.starts_with(EARLY) => behaviour::run("accept"),
            word => behaviour::run(word),
        }
    }
}

impl envelope_stage::Guest for Hostile {
    fn on_sender(
        request: envelope_stage::Request,
        _sender: Option<Address>,
    ) -> Result<Verdict, String> {
        early(word(&request.settings))
    }

    fn on_recipient(
        _request: envelope_stage::Request,
        recipient: Address,
    ) -> Result<Verdict, String> {
        early(&recipient.local_part)
    }
}

/// What turns a behaviour into one of the envelope stage.
const EARLY: &str = "early-";

/// Runs `early-NAME` as NAME, and passes on every other word, so that a test reaches the stage it
/// means.
fn early(word: &str) -> Result<Verdict, String> {
    behaviour::run(word.strip_prefix(EARLY).unwrap_or("pass"))
}

fn is_behaviour(word: &str) -> bool {
    behaviour::NAMES.contains(&word.strip_prefix(EARLY).unwrap_or(word))
}

/// The last string of the document: the word in `"loop"` and in `{"behaviour":"loop"}`; empty when
/// there is none.
fn word(settings: &str) -> &str {
    settings.rsplit('"').nth(1).unwrap_or("")
}

/// The exported functions; outside WebAssembly there is nobody to export them to.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated: exports with fixed names")]
mod exports {
    use super::{Hostile, bindings};

    bindings::export!(Hostile with_types_in bindings);
}
