//! A policy as somebody writes it who knows Rust and not its target: it asks the standard library for
//! the time, for randomness by a `HashMap`, for the environment and for a file, and prints.
//!
//! It is built for `wasm32-wasip2`, so it imports WASI and needs `wasi = "inert"`. What it finds it tells
//! as facts.

mod bindings {
    wit_bindgen::generate!({ world: "message-policy", path: "../../../wit" });
}

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bindings::exports::gatepost::policy::{lifecycle, message_stage};
use bindings::gatepost::policy::types::{Decision, Fact, Verdict};

struct Std;

impl lifecycle::Guest for Std {
    fn describe() -> lifecycle::Descriptor {
        lifecycle::Descriptor {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Tells what it finds around it.".to_owned(),
            settings_schema: String::new(),
        }
    }

    fn validate_settings(_settings: String) -> Vec<lifecycle::Problem> {
        Vec::new()
    }
}

impl message_stage::Guest for Std {
    fn evaluate(request: message_stage::Request) -> Result<Verdict, String> {
        println!("{} writes", request.session.identity.username);
        eprintln!("and this is on the other stream");
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let names: HashMap<String, usize> = (0..16).map(|n| (format!("k{n}"), n)).collect();
        let order: Vec<String> = names.keys().cloned().collect();
        let file = std::fs::read_to_string("/etc/passwd").map_err(|error| error.kind());
        Ok(Verdict {
            decision: Decision::Accept,
            priority: None,
            alerts: Vec::new(),
            rule: "looked-around".to_owned(),
            facts: vec![
                fact("x.now-ms", now.map_or(0, |now| now.as_millis())),
                fact("x.order", order.join(" ")),
                fact("x.environment", std::env::vars().count()),
                fact("x.file", format!("{file:?}")),
            ],
        })
    }
}

fn fact(name: &str, value: impl ToString) -> Fact {
    Fact {
        name: name.to_owned(),
        value: value.to_string(),
    }
}

bindings::export!(Std with_types_in bindings);
