//! Measures what a busy session waits for its replies with and without others on whose messages policies misbehave.
//!
//! `bench-hostile [SESSIONS] [ROUNDS] [MESSAGES] [BEHAVIOUR]...`, 8, 5 and 1,000 by default; the rounds alternate. The
//! policies loop without end, fill their memory, recurse, log without end, answer with ten megabytes, grow tables and fill
//! memory in single instructions (both together are the behaviour `urgent`); named ones alone when some are named. A round is
//! compared with the one before it. Ends by itself, with 1 when p99 is more than doubled in the median of the pairs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatepost_tests::crafted::{Crafted, when_urgent};
use gatepost_tests::guests;
use gatepost_tests::load::{Load, Rowdies, median};
use gatepost_tests::relay::{Relay, Setup, new_folder};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

/// What p99 beside the hostile sessions may be of p99 without them.
const BAR: f64 = 2.0;
/// Time until each hostile session has had an answer.
const GATHERING: Duration = Duration::from_secs(60);
/// What the hostile guest does when the subject says so; each but that of log lines ends in a 451.
const SUBJECTS: [&str; 10] = [
    "loop",
    "memory",
    "huge",
    "huge-log",
    "err-huge",
    "recurse",
    "trap",
    "loop",
    "flood-log",
    "flood-alerts",
];

/// Stands for the modules that misbehave on urgent messages.
const URGENT: &str = "urgent";

struct Plan {
    sessions: usize,
    rounds: usize,
    messages: u64,
    /// All when none are named.
    behaviours: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let plan = plan()?;
    let sink = Sink::start(Script::default())?;
    let folder = new_folder();
    let relay = Relay::start(&setup(sink.port(), &folder)?);
    let user = relay.add_shop_user(&[]);
    let load = Load {
        connections: 1,
        per_session: 500,
        count: plan.messages,
        ..Load::on(relay.port(), &user)
    };
    let hostile = Load {
        connections: plan.sessions,
        ..load.clone()
    };
    load.run_as("warm-up")?;
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let alone = load.run_as(&format!("{round}: alone"))?.p99;
        let rowdies = Rowdies::start(&hostile, contents(&plan.behaviours))?;
        wait::until("the hostile sessions are at it", GATHERING, || {
            rowdies.answered() >= plan.sessions as u64
        });
        let before = rowdies.answered();
        let beside = load.run_as(&format!("{round}: beside"))?.p99;
        ratios.push(beside.as_secs_f64() / alone.as_secs_f64());
        without.push(alone);
        with.push(beside);
        println!(
            "   {} hostile messages answered",
            rowdies.answered() - before
        );
    }
    let (without, with) = (median(without), median(with));
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    println!(
        "p99 of a busy session: {:.2} ms alone, {:.2} ms beside {} hostile ones, {ratio:.2} times (medians of {} rounds, of pairs for the last); \
         at most {} MiB resident",
        without.as_secs_f64() * 1e3,
        with.as_secs_f64() * 1e3,
        plan.sessions,
        plan.rounds,
        relay.peak_memory_kib() / 1024,
    );
    let _ = std::fs::remove_dir_all(folder);
    if ratio > BAR {
        eprintln!("error: more than doubled");
    }
    Ok(ExitCode::from(u8::from(ratio > BAR)))
}

fn plan() -> anyhow::Result<Plan> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        arguments
            .get(index)
            .map_or(Ok(default), |text| text.parse())
            .context("usage: bench-hostile [SESSIONS] [ROUNDS] [MESSAGES] [BEHAVIOUR]...")
    };
    for named in arguments.iter().skip(3) {
        let is_known = named == URGENT || SUBJECTS.contains(&named.as_str());
        ensure!(
            is_known,
            "{named} is not a behaviour; they are {URGENT} {}",
            SUBJECTS.join(" ")
        );
    }
    Ok(Plan {
        sessions: number(0, 8)?,
        rounds: number(1, 5)?.max(1),
        messages: number(2, 1000)? as u64,
        behaviours: arguments.iter().skip(3).cloned().collect(),
    })
}

/// The sender rules, the hostile guest, and two modules that misbehave on urgent messages.
fn setup(port: u16, folder: &std::path::Path) -> anyhow::Result<Setup> {
    let tables = "(drop (table.grow $bomb (ref.null func) (i32.const 1))) (br $more)";
    let fills = "(drop (memory.grow (i32.const 900))) \
                 (memory.fill (i32.const 65536) (i32.const 0) (i32.const 52428800)) (br $more)";
    let crafted = [("tables", tables), ("fills", fills)];
    let hostile = guests::root().join("tests/guests/built/hostile.wasm");
    let mut setup = Setup::smarthost(port).with_module(&hostile, "{ behaviour = \"subject\" }");
    for (name, bomb) in crafted {
        let evaluate = when_urgent(&format!("(loop $more {bomb})"));
        let module = Crafted {
            fields: "(table $bomb 1 funcref)",
            evaluate: &evaluate,
            ..Crafted::default()
        };
        let path = folder.join(name).with_extension("wasm");
        std::fs::write(&path, module.component())?;
        setup = setup.with_module(&path, "{}");
    }
    Ok(setup)
}

/// A message for every behaviour, or for each of those that are named.
fn contents(named: &[String]) -> Vec<String> {
    let message = |(subject, priority): (&str, u8)| {
        format!(
            "From: orders@example.com\r\nTo: customer@example.net\r\nSubject: {subject}\r\n\
             X-Priority: {priority}\r\n\r\nHello.\r\n"
        )
    };
    let all = SUBJECTS.into_iter().chain([URGENT]);
    all.filter(|kind| named.is_empty() || named.iter().any(|named| named == kind))
        .map(|kind| match kind {
            URGENT => ("pass", 1),
            subject => (subject, 3),
        })
        .map(message)
        .collect()
}
