//! The behaviours, by name.

use std::hint::black_box;

use crate::bindings::gatepost::policy::log::{self, Level};
use crate::bindings::gatepost::policy::types::{
    Alert, Decision, EnhancedCode, Fact, Priority, Reply, Severity, Verdict,
};

/// Every word that chooses a behaviour, apart from `subject` and the `early-` forms.
pub const NAMES: [&str; 29] = [
    "accept",
    "accept-alert",
    "bad-alerts",
    "bad-code",
    "bad-enhanced",
    "bad-rule",
    "bad-verdict",
    "crlf",
    "defer",
    "defer-plain",
    "err",
    "err-huge",
    "flood-alerts",
    "flood-log",
    "huge",
    "huge-log",
    "loop",
    "many-alerts",
    "memory",
    "nan",
    "pass",
    "priority-1",
    "priority-5",
    "recurse",
    "recurse-stack",
    "reject",
    "reject-plain",
    "slow",
    "trap",
];

/// Ten megabytes: more than a host should take for one string.
const HUGE_BYTES: usize = 10_000_000;
/// Log lines of `flood-log`, far above any sensible limit.
const FLOOD_LINES: usize = 20_000;
/// Rounds of `slow`: ends by itself, after more work than a policy should need.
const SLOW_ROUNDS: u64 = 2_000_000;

/// Does what `name` says; an unknown name passes.
pub fn run(name: &str) -> Result<Verdict, String> {
    Ok(match name {
        "accept" => verdict(Decision::Accept, "accept"),
        "accept-alert" => alerting(1),
        "bad-alerts" => bad_alerts(),
        "bad-code" => refuse(250, (5, 7, 1), "Not a refusal"),
        "bad-enhanced" => refuse(550, (4, 7, 1), "The classes differ"),
        "bad-rule" => verdict(Decision::Accept, "Not a Rule\r\n"),
        "bad-verdict" => refuse(250, (2, 0, 0), "queued\r\n250 2.0.0 injected"),
        "crlf" => crlf(),
        "defer" => defer(),
        "defer-plain" => verdict(Decision::Defer(None), "defer-plain"),
        "err" => return Err("the guest cannot decide".to_owned()),
        "err-huge" => return Err("e".repeat(HUGE_BYTES)),
        "flood-alerts" => alerting(10_000),
        "flood-log" => flood_log(),
        "huge" => verdict(Decision::Accept, &"r".repeat(HUGE_BYTES)),
        "huge-log" => huge_log(),
        "loop" => endless(),
        "many-alerts" => alerting(100),
        "memory" => hoard(),
        "nan" => nan(),
        "priority-1" => prioritised(Priority::Highest),
        "priority-5" => prioritised(Priority::Lowest),
        "recurse" => deep(recurse(1)),
        "recurse-stack" => deep(recurse_stack(1)),
        "reject" => refuse(550, (5, 7, 1), "The hostile guest refuses this message"),
        "reject-plain" => verdict(Decision::Reject(None), "reject-plain"),
        "slow" => slow(),
        "trap" => trap(),
        _ => verdict(Decision::Pass, "pass"),
    })
}

/// Never returns and calls nothing: only fuel or the deadline ends it.
pub fn endless() -> ! {
    loop {
        black_box(());
    }
}

/// Executes `unreachable`.
pub fn trap() -> ! {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
    #[cfg(not(target_arch = "wasm32"))]
    panic!("traps in WebAssembly only")
}

fn verdict(decision: Decision, rule: &str) -> Verdict {
    Verdict {
        decision,
        priority: None,
        alerts: Vec::new(),
        rule: rule.to_owned(),
        facts: Vec::new(),
    }
}

fn reply(code: u16, (class, subject, detail): (u8, u16, u16), text: &str) -> Reply {
    Reply {
        code,
        enhanced: EnhancedCode {
            class,
            subject,
            detail,
        },
        text: text.to_owned(),
    }
}

fn refuse(code: u16, enhanced: (u8, u16, u16), text: &str) -> Verdict {
    verdict(
        Decision::Reject(Some(reply(code, enhanced, text))),
        "reject",
    )
}

fn defer() -> Verdict {
    let later = reply(451, (4, 7, 1), "The hostile guest wants this message later");
    verdict(Decision::Defer(Some(later)), "defer")
}

fn prioritised(priority: Priority) -> Verdict {
    Verdict {
        priority: Some(priority),
        ..verdict(Decision::Accept, "priority")
    }
}

fn alerting(count: usize) -> Verdict {
    let alert = |number| Alert {
        severity: Severity::Warning,
        code: "hostile".to_owned(),
        summary: format!("alert {number}"),
    };
    Verdict {
        alerts: (1..=count).map(alert).collect(),
        facts: vec![Fact {
            name: "x.hostile".to_owned(),
            value: count.to_string(),
        }],
        ..verdict(Decision::Accept, "alerts")
    }
}

/// A code that is no machine name and a summary that forges a log line.
fn bad_alerts() -> Verdict {
    let alert = Alert {
        severity: Severity::Critical,
        code: "Not A Code\r\n".to_owned(),
        summary: "first line\r\nsecond line \u{1b}[31m".to_owned(),
    };
    Verdict {
        alerts: vec![alert],
        ..verdict(Decision::Accept, "bad-alerts")
    }
}

/// Line ends in every text there is.
fn crlf() -> Verdict {
    const TEXT: &str = "one\r\n250 2.0.0 two\r\n";
    let alert = Alert {
        severity: Severity::Critical,
        code: TEXT.to_owned(),
        summary: TEXT.to_owned(),
    };
    let fact = Fact {
        name: format!("x.{TEXT}"),
        value: TEXT.to_owned(),
    };
    Verdict {
        alerts: vec![alert],
        facts: vec![fact],
        ..verdict(Decision::Reject(Some(reply(550, (5, 7, 1), TEXT))), TEXT)
    }
}

/// Decides by the bits of a value that is not a number, which are the processor's business.
fn nan() -> Verdict {
    let (nothing, none) = (black_box(0.0_f64), black_box(0.0_f64));
    let bits = (black_box(nothing / none) * black_box(-1.0)).to_bits();
    verdict(Decision::Accept, &format!("nan-{bits:x}"))
}

fn flood_log() -> Verdict {
    for line in 0..FLOOD_LINES {
        log::write(Level::Warn, &format!("line {line}"));
    }
    verdict(Decision::Accept, "flood-log")
}

fn huge_log() -> Verdict {
    log::write(Level::Error, &"l".repeat(HUGE_BYTES));
    verdict(Decision::Accept, "huge-log")
}

/// Allocates and touches memory until there is none.
fn hoard() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
        black_box(&hoard);
    }
}

/// Recurses with large frames, until the guest's own stack leaves its memory: a trap.
#[expect(unconditional_recursion, reason = "this is what it is for")]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    recurse(black_box(depth + 1)) + frame[0]
}

/// Recurses with frames so small that the call stack of the host's limit ends first.
#[expect(unconditional_recursion, reason = "this is what it is for")]
fn recurse_stack(depth: u64) -> u64 {
    recurse_stack(black_box(depth + 1)) + 1
}

fn deep(depth: u64) -> Verdict {
    verdict(Decision::Accept, if depth > 0 { "recurse" } else { "" })
}

fn slow() -> Verdict {
    let mut sum = 0_u64;
    for round in 0..SLOW_ROUNDS {
        sum = black_box(sum.wrapping_add(round));
    }
    verdict(Decision::Accept, "slow")
}
