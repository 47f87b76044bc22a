//! Measures how fast mail reaches one destination while another one takes 30 seconds for each message.
//!
//! `bench-slow-destination [PAIRS] [MESSAGES] [BACKLOG]`, 7, 10,000 and 1,000 by default. Two relays, one of them with a
//! backlog for the slow destination, deliver the same load to the same sink in turn. Ends by itself, with 1 when the
//! median of the pairs' ratios is below 0.95.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatepost_tests::load::Load;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};
use gatepost_tests::wait;

/// What the rate beside the slow destination must be of the rate without it.
const BAR: f64 = 0.95;
/// What the slow destination takes for a message.
const SLOW: Duration = Duration::from_secs(30);
/// Everything of a round must have arrived within this time.
const LIMIT: Duration = Duration::from_secs(180);
/// Where the fast one listens; both are named by their addresses, which need no DNS.
const FAST: &str = "127.0.0.2";
/// Where the slow one listens, on the same port.
const SLOW_ADDRESS: &str = "127.0.0.3";

struct Plan {
    pairs: usize,
    messages: u64,
    backlog: u64,
}

/// A relay and who submits to it.
struct Side {
    relay: Relay,
    user: User,
}

impl Side {
    fn start(port: u16) -> Self {
        let relay = Relay::start(&Setup::mx(port));
        let user = relay.add_shop_user(&[]);
        Self { relay, user }
    }

    fn submit(&self, to: &str, count: u64, run: &str) -> Result<()> {
        let load = Load {
            connections: 16,
            count,
            time: LIMIT,
            to: format!("customer@[{to}]"),
            run: run.to_owned(),
            ..Load::on(self.relay.port(), &self.user)
        };
        let report = load.run()?;
        ensure!(
            report.failures == 0 && report.accepted as u64 == count,
            "the run is not valid: {report}"
        );
        Ok(())
    }

    /// Messages in a second, from the first submission to the last delivery.
    fn rate(&self, fast: &Sink, count: u64, run: &str) -> Result<f64> {
        let before = fast.count();
        let begun = Instant::now();
        self.submit(FAST, count, run)?;
        fast.wait_for(before + usize::try_from(count)?, LIMIT);
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let count = count as f64;
        Ok(count / begun.elapsed().as_secs_f64())
    }
}

fn main() -> Result<ExitCode> {
    let plan = plan()?;
    let (fast, slow) = sinks()?;
    let (alone, beside) = (Side::start(fast.port()), Side::start(fast.port()));
    beside.submit(SLOW_ADDRESS, plan.backlog, "slow")?;
    wait::until("the slow destination is busy", LIMIT, || {
        slow.log(|log| log.waiting() > 0)
    });
    for side in [&alone, &beside] {
        side.rate(&fast, plan.messages.min(500), "warm-up")?;
    }
    let mut ratios = Vec::with_capacity(plan.pairs);
    for pair in 1..=plan.pairs {
        let ratio = measure(&plan, pair, &fast, (&alone, &beside))?;
        let waiting = slow.log(|log| log.waiting());
        ensure!(
            waiting > 0,
            "the slow destination has nothing to do any more"
        );
        println!("   {waiting} transactions with the slow destination are open");
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!(
        "beside a destination that takes {} s: {median:.3} of the rate without it (median of {} pairs)",
        SLOW.as_secs(),
        plan.pairs
    );
    if median < BAR {
        eprintln!("error: below {BAR}");
    }
    Ok(ExitCode::from(u8::from(median < BAR)))
}

/// One pair of rounds; every other pair begins with the other relay.
fn measure(plan: &Plan, pair: usize, fast: &Sink, (alone, beside): (&Side, &Side)) -> Result<f64> {
    let rate = |side: &Side| side.rate(fast, plan.messages, &format!("pair-{pair}"));
    let (without, with) = if pair % 2 == 1 {
        let without = rate(alone)?;
        (without, rate(beside)?)
    } else {
        let with = rate(beside)?;
        (rate(alone)?, with)
    };
    let ratio = with / without;
    println!("{pair}: {without:.0} a second alone, {with:.0} beside the slow one, {ratio:.3}");
    Ok(ratio)
}

/// The fast one, and the slow one on the same port of another address.
fn sinks() -> Result<(Sink, Sink)> {
    let at =
        |address: &str, port| -> Result<SocketAddr> { Ok(SocketAddr::new(address.parse()?, port)) };
    let fast = Sink::start_on(at(FAST, 0)?, Script::default())?;
    let script = Script {
        delay: SLOW,
        ..Script::default()
    };
    let slow = Sink::start_on(at(SLOW_ADDRESS, fast.port())?, script)?;
    Ok((fast, slow))
}

fn plan() -> Result<Plan> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse())
            .context("usage: bench-slow-destination [PAIRS] [MESSAGES] [BACKLOG]")
    };
    Ok(Plan {
        pairs: usize::try_from(number(7)?)?.max(1),
        messages: number(10_000)?.max(1),
        backlog: number(1000)?.max(1),
    })
}
