//! A policy that misbehaves on demand.
//!
//! The host's tests prove with it that no module can end, stall or mislead the server. What it does
//! is chosen by the word in its settings (a JSON string, for example `"loop"`) or, when that word is
//! `"subject"`, by the message's subject, so that one loaded module serves a whole table of cases.

#[expect(
    missing_docs,
    unsafe_code,
    clippy::all,
    reason = "generated from wit/policy.wit"
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
            known if behaviour::NAMES.contains(&known) => Vec::new(),
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
            "early" => behaviour::run("accept"),
            chosen => behaviour::run(chosen.strip_prefix("early-").unwrap_or(chosen)),
        }
    }
}

/// At this stage only the behaviours named `early-…` show; the others pass, so that a test reaches
/// the stage it means.
impl envelope_stage::Guest for Hostile {
    fn on_sender(
        request: envelope_stage::Request,
        _sender: Option<Address>,
    ) -> Result<Verdict, String> {
        early(&request.settings)
    }

    fn on_recipient(
        _request: envelope_stage::Request,
        recipient: Address,
    ) -> Result<Verdict, String> {
        early(&format!("\"{}\"", recipient.local_part))
    }
}

/// Runs `early-NAME` as NAME, and passes for every other word.
fn early(settings: &str) -> Result<Verdict, String> {
    match word(settings).strip_prefix("early-") {
        Some(chosen) => behaviour::run(chosen),
        None => behaviour::run("pass"),
    }
}

/// The word in a JSON string without escapes; the whole text when it is something else.
fn word(settings: &str) -> &str {
    let text = settings.trim();
    text.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text)
}

/// The exported functions; outside WebAssembly there is nobody to export them to.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated: exports with fixed names")]
mod exports {
    use super::{Hostile, bindings};

    bindings::export!(Hostile with_types_in bindings);
}
