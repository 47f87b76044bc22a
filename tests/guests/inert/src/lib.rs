//! A policy that tries what WASI offers, as the subject of the message says.
//!
//! `look` leaves the facts `x.wall`, `x.monotonic`, `x.random`, `x.environment` and `x.arguments`;
//! `sleep` waits for an hour; `print` prints more than anybody reads; `exit` ends itself; `hoard`
//! takes one handle after the other. Everything else is accepted.

#[allow(
    missing_docs,
    unsafe_code,
    dead_code,
    clippy::all,
    reason = "generated from wit/policy.wit and from the interfaces of WASI"
)]
mod bindings {
    wit_bindgen::generate!({ world: "gatepost:inert/inert", path: ["../../../wit", "wit"], generate_all });
}

use bindings::exports::gatepost::policy::{lifecycle, message_stage};
use bindings::gatepost::policy::types::{Decision, Fact, Verdict};
use bindings::wasi::cli::{environment, exit, stdout};
use bindings::wasi::clocks::{monotonic_clock, wall_clock};
use bindings::wasi::random::random;

/// Nanoseconds of `sleep`.
const HOUR_NS: u64 = 3_600_000_000_000;
/// Lines of `print`, of 1 KiB each.
const LINES: usize = 1000;

struct Inert;

impl lifecycle::Guest for Inert {
    fn describe() -> lifecycle::Descriptor {
        lifecycle::Descriptor {
            name: "inert".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Tries what WASI offers.".to_owned(),
            settings_schema: String::new(),
        }
    }

    fn validate_settings(_settings: String) -> Vec<lifecycle::Problem> {
        Vec::new()
    }
}

impl message_stage::Guest for Inert {
    fn evaluate(request: message_stage::Request) -> Result<Verdict, String> {
        let facts = match request.message.subject.as_str() {
            "look" => look(),
            "sleep" => sleep(),
            "print" => print(),
            "exit" => leave(),
            "hoard" => hoard(),
            _ => Vec::new(),
        };
        Ok(Verdict {
            decision: Decision::Accept,
            priority: None,
            alerts: Vec::new(),
            rule: "tried".to_owned(),
            facts,
        })
    }
}

fn look() -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: format!("x.{name}"),
        value,
    };
    let wall = wall_clock::now();
    let ticks = [monotonic_clock::now(), monotonic_clock::now()];
    vec![
        fact("wall", format!("{}.{:09}", wall.seconds, wall.nanoseconds)),
        fact("monotonic", format!("{} {}", ticks[0], ticks[1])),
        fact("random", random::get_random_u64().to_string()),
        fact(
            "environment",
            environment::get_environment().len().to_string(),
        ),
        fact("arguments", environment::get_arguments().len().to_string()),
    ]
}

fn sleep() -> Vec<Fact> {
    monotonic_clock::subscribe_duration(HOUR_NS).block();
    Vec::new()
}

fn print() -> Vec<Fact> {
    let line = format!("{}\n", "p".repeat(1023));
    let stdout = stdout::get_stdout();
    for _ in 0..LINES {
        // What the host does with it is no concern of a policy.
        let _ = stdout.blocking_write_and_flush(line.as_bytes());
    }
    Vec::new()
}

fn leave() -> Vec<Fact> {
    exit::exit(Ok(()));
    Vec::new()
}

fn hoard() -> Vec<Fact> {
    let mut kept = Vec::new();
    loop {
        kept.push(monotonic_clock::subscribe_duration(HOUR_NS));
    }
}

/// The exported functions; outside WebAssembly there is nobody to export them to.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "generated: exports with fixed names")]
mod exports {
    use super::{Inert, bindings};

    bindings::export!(Inert with_types_in bindings);
}
