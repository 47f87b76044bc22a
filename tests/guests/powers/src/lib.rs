//! A policy that uses what it is granted, as it is told.
//!
//! Its settings are a script, the member `script`: commands separated by ` | `, run in order at the
//! message stage; `sender: ` and `recipient: ` before a command move it to the envelope stage. The
//! script `subject` leaves it to the subject. Each command leaves a fact `x.COMMAND`: `ok`, a number,
//! a text, or the code of the error that the host answered with. `{CRLF}` stands for a line end.
//! Without `pass`, `reject`, `fail` or `trap` the message is accepted.

#[allow(
    missing_docs,
    unsafe_code,
    dead_code,
    clippy::all,
    reason = "generated from wit/policy.wit, which documents every item"
)]
mod bindings {
    wit_bindgen::generate!({ world: "full-policy", path: "../../../wit" });
}

mod commands;

use bindings::exports::gatepost::policy::{envelope_stage, lifecycle, message_stage};
use bindings::gatepost::policy::types::{Address, Verdict};
use commands::{Scene, run};

struct Powers;

impl lifecycle::Guest for Powers {
    fn describe() -> lifecycle::Descriptor {
        lifecycle::Descriptor {
            name: "powers".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Uses what it is granted, as it is told.".to_owned(),
            settings_schema: String::new(),
        }
    }

    /// `early` asks for something while there is nothing to be done.
    fn validate_settings(settings: String) -> Vec<lifecycle::Problem> {
        let script = script(&settings);
        if script != "early" {
            return Vec::new();
        }
        vec![lifecycle::Problem {
            path: "/script".to_owned(),
            message: commands::early(),
        }]
    }
}

impl message_stage::Guest for Powers {
    fn evaluate(request: message_stage::Request) -> Result<Verdict, String> {
        let script = match script(&request.settings) {
            "subject" => request.message.subject.clone(),
            script => script.to_owned(),
        };
        let scene = Scene {
            mail_from: request.envelope.mail_from.as_ref(),
            message: Some(&request.message),
        };
        run(stage_of(&script, ""), &scene)
    }
}

impl envelope_stage::Guest for Powers {
    fn on_sender(
        request: envelope_stage::Request,
        sender: Option<Address>,
    ) -> Result<Verdict, String> {
        let scene = Scene {
            mail_from: sender.as_ref(),
            message: None,
        };
        run(stage_of(script(&request.settings), "sender: "), &scene)
    }

    fn on_recipient(request: envelope_stage::Request, _: Address) -> Result<Verdict, String> {
        let scene = Scene {
            mail_from: request.envelope.mail_from.as_ref(),
            message: None,
        };
        run(stage_of(script(&request.settings), "recipient: "), &scene)
    }
}

/// The commands that begin with `prefix`; those without any belong to the message stage.
fn stage_of<'a>(script: &'a str, prefix: &'static str) -> impl Iterator<Item = &'a str> {
    script.split(" | ").filter_map(move |command| {
        let is_early = command.starts_with("sender: ") || command.starts_with("recipient: ");
        match prefix {
            "" => (!is_early).then_some(command),
            prefix => command.strip_prefix(prefix),
        }
    })
}

/// The last string of the document: the script in `{"script":"pass"}`; empty when there is none.
fn script(settings: &str) -> &str {
    settings.rsplit('"').nth(1).unwrap_or("")
}

/// The exported functions; outside WebAssembly there is nobody to export them to.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated: exports with fixed names")]
mod exports {
    use super::{Powers, bindings};

    bindings::export!(Powers with_types_in bindings);
}
