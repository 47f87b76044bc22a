//! `gatepost-compare`: the same load on Gatepost and on Postfix in turn; prints rates, processor time
//! and their ratios. Called by `tests/bench/run`.

use std::fmt;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use gatepost_tests::cpu;
use gatepost_tests::load::{Load, Report};
use gatepost_tests::postfix::Postfix;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};

const USAGE: &str = "\
usage: gatepost-compare [--quick] [--only gatepost|postfix] [--against-empty-chain] [--check] [--seconds N] [--rounds N]
  --quick      64 connections, 20 messages a session, 4 KiB alone
  --only NAME  one of the two servers
  --against-empty-chain  Gatepost with its default policy beside Gatepost without any, instead of Postfix
  --check      64 connections alone, 4 and 100 KiB; ends with an error when a bar is missed
  --seconds N  length of one run (6)
  --rounds N   runs of each server for each load, in turn (2)";

/// Messages before the measured ones: processes started, caches filled.
const WARM_UP: u64 = 500;
/// Octets that one run submits at most, so that it fits on any disk.
const MAX_OCTETS: u64 = 400 << 20;
/// The sink must have everything within this time after the last message was accepted.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);

/// What Gatepost must reach at 64 connections, in times the other server's figures.
struct Bar {
    /// Messages accepted in a second, at least.
    accepted: f64,
    /// Messages delivered in a second, from the first submission to the last delivery, at least.
    delivered: f64,
    /// Processor time of a message, submission and delivery, at most.
    cpu: f64,
}

/// Beside Postfix with messages of 4 KiB.
const SMALL: Bar = Bar {
    accepted: 10.0,
    delivered: 8.0,
    cpu: 0.1,
};
/// Beside Postfix with messages of 100 KiB.
const LARGE: Bar = Bar {
    accepted: 5.0,
    delivered: 5.0,
    cpu: 1.0,
};
/// Beside Gatepost with an empty chain.
const WITH_POLICY: Bar = Bar {
    accepted: 0.85,
    delivered: 0.0,
    cpu: f64::INFINITY,
};

fn main() -> ExitCode {
    match run() {
        Ok(is_good) => ExitCode::from(u8::from(!is_good)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// False when a bar was to be reached and is missed.
fn run() -> Result<bool> {
    let plan = Plan::parse(std::env::args().skip(1))?;
    println!("| load | server | accepted/s | delivered/s | CPU ms/message | 250 p50 ms | p99 ms |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    let mut ratios = Vec::new();
    for shape in plan.shapes() {
        let medians = plan.measure(shape)?;
        if let [ours, theirs] = medians.as_slice() {
            let ratio = Ratio::new(ours, theirs);
            println!("| {shape} | **ratio** | {ratio}");
            ratios.push((shape, ratio));
        }
    }
    println!();
    let other = match plan.servers.last() {
        Some(Server::WithoutPolicies) => "the empty chain's",
        _ => "Postfix's",
    };
    let mut is_good = true;
    for (shape, ratio) in ratios {
        println!(
            "{shape}: {:.2} times {other} accepted/s, {:.2} times its delivered/s, {:.3} of its CPU per message",
            ratio.rate, ratio.delivered, ratio.cpu
        );
        if plan.checks && !ratio.reaches(plan.bar(shape)) {
            eprintln!("error: {shape} misses its bar");
            is_good = false;
        }
    }
    Ok(is_good)
}

/// What is measured and how often.
struct Plan {
    quick: bool,
    checks: bool,
    servers: Vec<Server>,
    time: Duration,
    rounds: usize,
}

impl Plan {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            quick: false,
            checks: false,
            servers: vec![Server::Gatepost, Server::Postfix],
            time: Duration::from_secs(6),
            rounds: 2,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => {
                    plan.quick = true;
                    continue;
                }
                "--check" => {
                    plan.checks = true;
                    continue;
                }
                "--against-empty-chain" => {
                    plan.servers = vec![Server::Gatepost, Server::WithoutPolicies];
                    continue;
                }
                _ => {}
            }
            let value = arguments.next().unwrap_or_default();
            match (argument.as_str(), value.as_str()) {
                ("--only", "gatepost") => plan.servers = vec![Server::Gatepost],
                ("--only", "postfix") => plan.servers = vec![Server::Postfix],
                ("--seconds", text) => plan.time = Duration::from_secs(text.parse()?),
                ("--rounds", text) => plan.rounds = text.parse::<usize>()?.max(1),
                _ => bail!("{argument} {value}\n{USAGE}"),
            }
        }
        Ok(plan)
    }

    fn shapes(&self) -> Vec<Shape> {
        if self.quick {
            return vec![Shape::new(64, 20, 4)];
        }
        if self.checks {
            return [4, 100].map(|kib| Shape::new(64, 20, kib)).to_vec();
        }
        let mut shapes = Vec::new();
        for kib in [4, 100] {
            for per_session in [1, 20] {
                shapes.extend(
                    [1, 16, 64].map(|connections| Shape::new(connections, per_session, kib)),
                );
            }
        }
        shapes
    }

    fn bar(&self, shape: Shape) -> &'static Bar {
        match (self.servers.last(), shape.kib) {
            (Some(Server::WithoutPolicies), _) => &WITH_POLICY,
            (_, ..=4) => &SMALL,
            _ => &LARGE,
        }
    }

    /// Runs the servers in turn: the medians of each.
    fn measure(&self, shape: Shape) -> Result<Vec<Figures>> {
        let mut runs = vec![Vec::new(); self.servers.len()];
        for _ in 0..self.rounds {
            for (server, runs) in self.servers.iter().zip(&mut runs) {
                let figures = server.run(shape, self.time)?;
                println!("| {shape} | {server} | {figures}");
                runs.push(figures);
            }
        }
        Ok(runs.into_iter().map(median).collect())
    }
}

/// One kind of load.
#[derive(Clone, Copy)]
struct Shape {
    connections: usize,
    per_session: u64,
    kib: u64,
}

impl Shape {
    const fn new(connections: usize, per_session: u64, kib: u64) -> Self {
        Self {
            connections,
            per_session,
            kib,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connections,
            per_session,
            kib,
        } = self;
        write!(f, "{connections} × {per_session}/session × {kib} KiB")
    }
}

#[derive(Clone, Copy)]
enum Server {
    Gatepost,
    WithoutPolicies,
    Postfix,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gatepost => "gatepost",
            Self::WithoutPolicies => "gatepost, empty chain",
            Self::Postfix => "postfix",
        })
    }
}

impl Server {
    /// Starts it with an empty queue, loads it, waits until the sink has everything, and ends it.
    fn run(self, shape: Shape, time: Duration) -> Result<Figures> {
        // As Postfix and the large providers do; Postfix as a client makes no use of it.
        let sink = Sink::start(Script::default().offering(&["CHUNKING"]))?;
        match self {
            Self::Gatepost | Self::WithoutPolicies => {
                let mut setup = Setup::smarthost(sink.port());
                setup.without_policies = matches!(self, Self::WithoutPolicies);
                let relay = Relay::start(&setup);
                let user = relay.add_shop_user(&["--authorized-domains", "example.com"]);
                measure(&sink, relay.port(), relay.pid(), &user, shape, time)
            }
            Self::Postfix => {
                let postfix = Postfix::start(sink.port())?;
                let user = Postfix::user();
                measure(&sink, postfix.port(), postfix.pid(), &user, shape, time)
            }
        }
    }
}

fn measure(
    sink: &Sink,
    port: u16,
    pid: u32,
    user: &User,
    shape: Shape,
    time: Duration,
) -> Result<Figures> {
    let load = Load {
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        user: user.username.clone(),
        password: user.password.clone(),
        connections: shape.connections,
        per_session: shape.per_session,
        size: usize::try_from(shape.kib * 1024)?,
        count: MAX_OCTETS / (shape.kib * 1024),
        time,
        tls: false,
        pipelining: true,
        from: "orders@example.com".into(),
        to: "customer@example.net".into(),
        run: "measured".into(),
    };
    let warm_up = Load {
        count: WARM_UP.min(load.count),
        run: "warm-up".into(),
        ..load.clone()
    };
    let warm = warm_up.run()?.accepted;
    sink.wait_for(warm, DRAIN_LIMIT);
    let before = cpu::of_tree(pid);
    let begun = std::time::Instant::now();
    let report = load.run()?;
    sink.wait_for(warm + report.accepted, DRAIN_LIMIT);
    let delivered = begun.elapsed();
    Figures::new(&report, cpu::of_tree(pid).saturating_sub(before), delivered)
}

/// What one run came to.
#[derive(Clone, Copy)]
struct Figures {
    rate: f64,
    delivered: f64,
    cpu_ms: f64,
    p50_ms: f64,
    p99_ms: f64,
}

impl Figures {
    fn new(report: &Report, cpu: Duration, delivered: Duration) -> Result<Self> {
        if report.failures > 0 || report.accepted == 0 {
            bail!("the run is not valid: {report}");
        }
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
        let accepted = report.accepted as f64;
        Ok(Self {
            rate: report.rate(),
            delivered: accepted / delivered.as_secs_f64(),
            cpu_ms: cpu.as_secs_f64() * 1e3 / accepted,
            p50_ms: report.p50.as_secs_f64() * 1e3,
            p99_ms: report.p99.as_secs_f64() * 1e3,
        })
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rate,
            delivered,
            cpu_ms,
            p50_ms,
            p99_ms,
        } = self;
        write!(
            f,
            "{rate:.0} | {delivered:.0} | {cpu_ms:.3} | {p50_ms:.2} | {p99_ms:.2} |"
        )
    }
}

/// How many times the other's figure ours is.
struct Ratio {
    rate: f64,
    delivered: f64,
    cpu: f64,
    p50: f64,
    p99: f64,
}

impl Ratio {
    fn new(ours: &Figures, theirs: &Figures) -> Self {
        Self {
            rate: ours.rate / theirs.rate,
            delivered: ours.delivered / theirs.delivered,
            cpu: ours.cpu_ms / theirs.cpu_ms,
            p50: ours.p50_ms / theirs.p50_ms,
            p99: ours.p99_ms / theirs.p99_ms,
        }
    }

    fn reaches(&self, bar: &Bar) -> bool {
        self.rate >= bar.accepted && self.delivered >= bar.delivered && self.cpu <= bar.cpu
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rate,
            delivered,
            cpu,
            p50,
            p99,
        } = self;
        write!(
            f,
            "{rate:.2} | {delivered:.2} | {cpu:.3} | {p50:.2} | {p99:.2} |"
        )
    }
}

/// Of each figure the middle one; of two, their mean.
fn median(runs: Vec<Figures>) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        f64::midpoint(values[(values.len() - 1) / 2], values[middle])
    };
    Figures {
        rate: of(|it| it.rate),
        delivered: of(|it| it.delivered),
        cpu_ms: of(|it| it.cpu_ms),
        p50_ms: of(|it| it.p50_ms),
        p99_ms: of(|it| it.p99_ms),
    }
}
