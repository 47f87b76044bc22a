//! The commands, by name.

use crate::bindings::gatepost::policy::types::{Address, Decision, Error, Fact, Message, Verdict};
use crate::bindings::gatepost::policy::{content, counters, effects};

/// Octets that `read` asks for at a time: more than it is given.
const STEP: u32 = 100_000;

/// What the host has handed over.
pub struct Scene<'a> {
    pub mail_from: Option<&'a Address>,
    pub message: Option<&'a Message>,
}

/// Runs the commands in order.
pub fn run<'a>(
    commands: impl Iterator<Item = &'a str>,
    scene: &Scene<'_>,
) -> Result<Verdict, String> {
    let mut facts: Vec<Fact> = Vec::new();
    let mut decision = Decision::Accept;
    for command in commands {
        let command = command.replace("{CRLF}", "\r\n");
        let (name, rest) = command.split_once(' ').unwrap_or((&command, ""));
        let value = match name {
            "pass" => {
                decision = Decision::Pass;
                continue;
            }
            "reject" => {
                decision = Decision::Reject(None);
                continue;
            }
            "fail" => return Err(rest.to_owned()),
            "trap" => panic!("told to"),
            "report" => report(&facts),
            _ => answer(name, rest, scene).unwrap_or_else(|error| error.code),
        };
        facts.push(Fact {
            name: format!("x.{name}"),
            value,
        });
    }
    Ok(Verdict {
        decision,
        priority: None,
        alerts: Vec::new(),
        rule: "script".to_owned(),
        facts,
    })
}

/// What the host answers while the policy is loaded.
pub fn early() -> String {
    let codes = [
        effects::hold("early").err(),
        counters::peek("early", 1).err(),
        content::size().err(),
    ];
    let codes: Vec<_> = codes
        .into_iter()
        .map(|error| error.map_or_else(|| "ok".to_owned(), |error| error.code))
        .collect();
    codes.join(" ")
}

/// Shows at the next hop what the commands so far came to.
fn report(facts: &[Fact]) -> String {
    let line: Vec<_> = facts
        .iter()
        .map(|fact| format!("{}={}", &fact.name[2..], fact.value))
        .collect();
    let added = effects::add_header("X-Report", &line.join(" "));
    done(added).unwrap_or_else(|error| error.code)
}

fn answer(name: &str, rest: &str, scene: &Scene<'_>) -> Result<String, Error> {
    let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
    match name {
        "add-header" => done(effects::add_header(first, second)),
        "remove-header" => done(effects::remove_header(rest)),
        "replace-from" => {
            let display_name = (!second.is_empty()).then_some(second);
            done(effects::replace_from(first, display_name))
        }
        "replace-reverse-path" => done(effects::replace_reverse_path(rest)),
        "set-route" => done(effects::set_route(rest)),
        "hold" => done(effects::hold(rest)),
        "flood" => flood(),
        "add" | "take" | "peek" => count(name, first, second),
        "size" => content::size().map(|size| size.to_string()),
        "read" => read_all(),
        "read-again" => read_again(),
        "read-forever" => read_forever(),
        _ => Ok(show(name, rest, scene)),
    }
}

fn done(result: Result<(), Error>) -> Result<String, Error> {
    result.map(|()| "ok".to_owned())
}

/// `add KEY AMOUNT WINDOW`, `take KEY AMOUNT LIMIT WINDOW`, `peek KEY WINDOW`.
fn count(name: &str, key: &str, numbers: &str) -> Result<String, Error> {
    let numbers: Vec<u32> = numbers
        .split(' ')
        .filter_map(|number| number.parse().ok())
        .collect();
    match (name, numbers[..].as_ref()) {
        ("add", [amount, window]) => counters::add(key, *amount, *window),
        ("peek", [window]) => counters::peek(key, *window),
        ("take", [amount, limit, window]) => {
            let share = counters::take(key, *amount, u64::from(*limit), *window)?;
            let (granted, total, wait) = (share.granted, share.total, share.wait_seconds);
            return Ok(format!("{granted},{total},{wait}"));
        }
        _ => return Ok("what?".to_owned()),
    }
    .map(|total| total.to_string())
}

/// More effects than there may be; how many were taken.
fn flood() -> Result<String, Error> {
    let taken = (0..1000).take_while(|_| effects::add_header("X-Flood", "x").is_ok());
    Ok(taken.count().to_string())
}

/// The octets of the message, and their sum.
fn read_all() -> Result<String, Error> {
    let (mut octets, mut sum) = (0_u64, 0_u64);
    loop {
        let part = content::read(octets, STEP)?;
        if part.is_empty() {
            return Ok(format!("{octets},{sum}"));
        }
        octets += part.len() as u64;
        sum += part.iter().map(|&octet| u64::from(octet)).sum::<u64>();
    }
}

/// Reads the ends of the message by turns, until the host has enough of it.
fn read_again() -> Result<String, Error> {
    let size = content::size()?;
    for _ in 0..1000 {
        content::read(0, 1)?;
        content::read(size - 1, 1)?;
    }
    Ok("never refused".to_owned())
}

/// Never ends by itself.
fn read_forever() -> Result<String, Error> {
    loop {
        content::read(0, STEP)?;
    }
}

/// What the policy was handed over.
fn show(name: &str, rest: &str, scene: &Scene<'_>) -> String {
    let full = |address: &Address| address.full.clone();
    let Some(message) = scene.message else {
        return scene.mail_from.map_or_else(|| "<>".to_owned(), full);
    };
    match name {
        "path" => scene.mail_from.map_or_else(|| "<>".to_owned(), full),
        "from" => message
            .header_from
            .iter()
            .map(full)
            .collect::<Vec<_>>()
            .join(","),
        "originators" => format!("{:?}", message.originators),
        "subject" => message.subject.clone(),
        "header" => {
            let mut fields = message.headers.iter();
            let field = fields.find(|field| field.name.eq_ignore_ascii_case(rest));
            field.map_or_else(|| "none".to_owned(), |field| field.value.clone())
        }
        _ => "what?".to_owned(),
    }
}
