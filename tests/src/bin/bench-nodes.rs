//! Measures relays over one PostgreSQL beside the embedded default and beside Postfix, under the same load.
//!
//! `bench-nodes [ROUNDS] [SECONDS] [SET-UP]...`, 3 and 6 by default: 64 connections, 20 messages a session, 4 KiB; every round
//! runs each set-up once, with an empty queue: `sqlite`, `1`, `2` and `3` nodes, `postfix`, or those that are named. PostgreSQL
//! is as durable as it comes: a commit is on the disk before its answer. Ends by itself, with 1 when one node accepts less
//! than 3 times as many messages as Postfix, or two accept fewer than one.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use gatepost_tests::cpu;
use gatepost_tests::load::{Load, Report, median};
use gatepost_tests::postfix::Postfix;
use gatepost_tests::postgres::Cluster;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Script, Sink};

const CONNECTIONS: usize = 64;
/// Messages before the measured ones: processes started, caches filled.
const WARM_UP: u64 = 500;
/// The sink must have everything within this time after the last message was accepted.
const DRAIN_LIMIT: Duration = Duration::from_secs(180);
/// What one node accepts, in times of what Postfix does.
const BAR: f64 = 3.0;
/// As a server for a relay is set up, on a machine this small.
const SETTINGS: [&str; 3] = ["fsync = on", "shared_buffers = 512MB", "max_wal_size = 4GB"];

const SET_UPS: [SetUp; 5] = [
    SetUp::Sqlite,
    SetUp::Nodes(1),
    SetUp::Nodes(2),
    SetUp::Nodes(3),
    SetUp::Postfix,
];

#[derive(Clone, Copy, PartialEq)]
enum SetUp {
    Sqlite,
    /// So many relays over one PostgreSQL.
    Nodes(usize),
    Postfix,
}

impl SetUp {
    fn name(self) -> String {
        match self {
            Self::Sqlite => "SQLite".to_owned(),
            Self::Nodes(1) => "PostgreSQL, 1 node".to_owned(),
            Self::Nodes(count) => format!("PostgreSQL, {count} nodes"),
            Self::Postfix => "Postfix".to_owned(),
        }
    }

    /// As it is named among the arguments.
    fn of(name: &str) -> Option<Self> {
        match name {
            "sqlite" => Some(Self::Sqlite),
            "postfix" => Some(Self::Postfix),
            number => number.parse().ok().map(Self::Nodes),
        }
    }

    fn run(self, time: Duration) -> Result<Figures> {
        let sink = Sink::start(Script::default())?;
        match self {
            Self::Sqlite => {
                let relay = Relay::start(&Setup::smarthost(sink.port()));
                let user = relay.add_shop_user(&[]);
                measure(
                    &sink,
                    &Servers::alone(relay.port(), relay.pid(), user),
                    time,
                )
            }
            Self::Nodes(count) => over_postgres(&sink, count, time),
            Self::Postfix => {
                let postfix = Postfix::start(sink.port())?;
                let servers = Servers::alone(postfix.port(), postfix.pid(), Postfix::user());
                measure(&sink, &servers, time)
            }
        }
    }
}

fn over_postgres(sink: &Sink, count: usize, time: Duration) -> Result<Figures> {
    let cluster = Cluster::start(&SETTINGS).map_err(anyhow::Error::msg)?;
    let url = cluster.database();
    let node = |number| {
        let name = format!("\n[node]\nname = \"node-{number}\"\n");
        Relay::start(&Setup::smarthost(sink.port()).on_server(&url).with(&name))
    };
    let relays: Vec<Relay> = (1..=count).map(node).collect();
    relays[0].add_list("shop");
    let servers = Servers {
        ports: relays.iter().map(Relay::port).collect(),
        users: relays.iter().map(|it| it.add_user("shop", &[])).collect(),
        processes: relays.iter().map(Relay::pid).collect(),
        database: Some((&cluster, cluster.pid()?)),
    };
    measure(sink, &servers, time)
}

/// What is measured.
struct Servers<'a> {
    ports: Vec<u16>,
    /// One for each, for the commits that count what one user sends wait for each other.
    users: Vec<User>,
    processes: Vec<u32>,
    /// With the process that its others are children of.
    database: Option<(&'a Cluster, u32)>,
}

/// What servers have used since they were started.
struct Used {
    relays: Duration,
    database: Duration,
    /// Octets of the database's write-ahead log.
    log: f64,
}

impl Servers<'_> {
    fn alone(port: u16, process: u32, user: User) -> Self {
        Self {
            ports: vec![port],
            users: vec![user],
            processes: vec![process],
            database: None,
        }
    }

    /// Shares the connections among them.
    fn submit(&self, run: &str, count: u64, time: Duration) -> Result<Vec<Report>> {
        let loads = self.ports.iter().zip(&self.users).enumerate();
        let running: Vec<_> = loads
            .map(|(place, (&port, user))| {
                let load = Load {
                    connections: (CONNECTIONS + place) / self.ports.len(),
                    count: count / self.ports.len() as u64,
                    time,
                    run: format!("{run}-{place}"),
                    ..Load::on(port, user)
                };
                thread::spawn(move || load.run())
            })
            .collect();
        let reports = running.into_iter().map(|run| {
            let Ok(report) = run.join() else {
                bail!("a load ended by itself");
            };
            let report = report?;
            ensure!(report.failures == 0, "the run is not valid: {report}");
            Ok(report)
        });
        reports.collect()
    }

    fn used(&self) -> Result<Used> {
        let of_relays = self.processes.iter().map(|&id| cpu::of_tree(id));
        let mut used = Used {
            relays: of_relays.sum(),
            database: Duration::ZERO,
            log: 0.0,
        };
        if let Some((cluster, process)) = self.database {
            used.database = cpu::of_tree(process);
            let position = cluster.sql("postgres", "SELECT pg_current_wal_lsn() - '0/0'");
            used.log = position.trim().parse()?;
        }
        Ok(used)
    }
}

/// What one run came to.
struct Figures {
    /// Messages accepted in a second.
    accepted: f64,
    /// From the first submission to the last delivery.
    delivered: f64,
    /// Milliseconds of processor time of a message, of the relays and of the database.
    cpu: [f64; 2],
    /// Octets that the database writes to its log for a message.
    log: f64,
    p50: Duration,
    p99: Duration,
}

fn measure(sink: &Sink, servers: &Servers<'_>, time: Duration) -> Result<Figures> {
    let warm = total(&servers.submit("warm-up", WARM_UP, time)?);
    sink.wait_for(warm, DRAIN_LIMIT);
    let (before, begun) = (servers.used()?, Instant::now());
    let reports = servers.submit("measured", u64::MAX, time)?;
    let elapsed = begun.elapsed();
    let accepted = total(&reports);
    sink.wait_for(warm + accepted, DRAIN_LIMIT);
    let drained = begun.elapsed();
    let after = servers.used()?;
    let messages = accepted as f64;
    let cpu = |of: fn(&Used) -> Duration| {
        let spent = of(&after).saturating_sub(of(&before));
        spent.as_secs_f64() * 1e3 / messages
    };
    Ok(Figures {
        accepted: messages / elapsed.as_secs_f64(),
        delivered: messages / drained.as_secs_f64(),
        cpu: [cpu(|used| used.relays), cpu(|used| used.database)],
        log: (after.log - before.log) / messages,
        p50: median(reports.iter().map(|report| report.p50).collect()),
        p99: reports
            .iter()
            .map(|report| report.p99)
            .max()
            .unwrap_or_default(),
    })
}

fn total(reports: &[Report]) -> usize {
    reports.iter().map(|report| report.accepted).sum()
}

fn main() -> Result<ExitCode> {
    let Arguments {
        rounds,
        seconds,
        set_ups,
    } = arguments()?;
    println!(
        "| set-up | accepted/s | delivered/s | CPU ms/message | of the database | its log, KiB/message | 250 p50 ms | p99 ms |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut rates = vec![Vec::new(); set_ups.len()];
    let mut costs = rates.clone();
    for _ in 0..rounds {
        for ((set_up, rates), costs) in set_ups.iter().zip(&mut rates).zip(&mut costs) {
            let figures = set_up.run(Duration::from_secs(seconds))?;
            println!("| {} | {figures}", set_up.name());
            rates.push(figures.accepted);
            costs.push(figures.cpu.iter().sum());
        }
    }
    let of = |values: &[Vec<f64>], wanted: SetUp| {
        let place = set_ups.iter().position(|&it| it == wanted);
        place.map_or(f64::NAN, |place| middle(values[place].clone()))
    };
    let rate = |wanted| of(&rates, wanted);
    let one = rate(SetUp::Nodes(1)) / rate(SetUp::Postfix);
    let two = rate(SetUp::Nodes(2)) / rate(SetUp::Nodes(1));
    let three = rate(SetUp::Nodes(3)) / rate(SetUp::Nodes(1));
    println!(
        "\none node: {one:.2} times Postfix's accepted/s; two nodes {two:.2} times one, three {three:.2} times (medians)"
    );
    let cost = of(&costs, SetUp::Nodes(2)) / of(&costs, SetUp::Nodes(1));
    println!("a message costs two nodes {cost:.2} times what it costs one");
    let is_missed = one < BAR || two < 1.0;
    if is_missed {
        eprintln!("error: a bar is missed: {BAR} times Postfix, and two nodes no less than one");
    }
    Ok(ExitCode::from(u8::from(is_missed)))
}

struct Arguments {
    rounds: usize,
    seconds: u64,
    set_ups: Vec<SetUp>,
}

fn arguments() -> Result<Arguments> {
    const USAGE: &str = "usage: bench-nodes [ROUNDS] [SECONDS] [sqlite|1|2|3|postfix]...";
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().map_or(Ok(3), |text| text.parse());
    let seconds = arguments.next().map_or(Ok(6), |text| text.parse());
    let named: Option<Vec<SetUp>> = arguments.map(|name| SetUp::of(&name)).collect();
    let mut set_ups = named.context(USAGE)?;
    if set_ups.is_empty() {
        set_ups.extend(SET_UPS);
    }
    Ok(Arguments {
        rounds: rounds.context(USAGE)?.max(1),
        seconds: seconds.context(USAGE)?,
        set_ups,
    })
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [relays, database] = self.cpu;
        write!(
            f,
            "{:.0} | {:.0} | {relays:.3} | {database:.3} | {:.1} | {:.2} | {:.2} |",
            self.accepted,
            self.delivered,
            self.log / 1024.0,
            self.p50.as_secs_f64() * 1e3,
            self.p99.as_secs_f64() * 1e3,
        )
    }
}
