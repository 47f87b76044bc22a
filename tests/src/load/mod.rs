//! Submits messages as fast as the relay takes them and measures its answers.
//!
//! It runs on one thread with prebuilt messages, because it shares the machine with the relay.

mod crowd;
mod loris;
mod report;
mod rowdy;
mod session;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio_rustls::TlsConnector;

pub use self::crowd::Crowd;
pub use self::loris::Lorises;
pub use self::report::{Report, median};
pub use self::rowdy::Rowdies;
use self::session::Session;
use crate::client::trust::trusting_config;
use crate::message::{self, Template};

/// Failures in a row after which a connection gives up.
const MAX_FAILURES: u32 = 20;
/// Time before a connection that failed is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// What is submitted, by whom, and how.
#[derive(Clone, Debug)]
pub struct Load {
    /// Where the relay listens.
    pub address: SocketAddr,
    /// Who logs in; nobody does when the name is empty.
    pub user: String,
    /// The password.
    pub password: String,
    /// Concurrent connections.
    pub connections: usize,
    /// Messages until a connection ends and the next one is made.
    pub per_session: u64,
    /// Octets of a message, at least those of its header.
    pub size: usize,
    /// Messages in all.
    pub count: u64,
    /// No message is begun after this time, whatever the count.
    pub time: Duration,
    /// STARTTLS before the login.
    pub tls: bool,
    /// MAIL, RCPT and DATA go out together when the relay offers PIPELINING.
    pub pipelining: bool,
    /// The reverse-path and From.
    pub from: String,
    /// The forward-path.
    pub to: String,
    /// The beginning of the ids of this run.
    pub run: String,
}

/// What the connections share.
struct Shared {
    load: Load,
    next: Cell<u64>,
    deadline: Instant,
    latencies_us: RefCell<Vec<u32>>,
    failures: RefCell<Failures>,
    tls: TlsConnector,
}

#[derive(Default)]
struct Failures {
    count: u64,
    first: Option<String>,
}

impl Shared {
    /// The number of the next message, while there is one.
    fn take(&self) -> Option<u64> {
        let number = self.next.get();
        if number >= self.load.count || Instant::now() >= self.deadline {
            return None;
        }
        self.next.set(number + 1);
        Some(number)
    }

    fn accepted(&self, took: Duration) {
        let took = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        self.latencies_us.borrow_mut().push(took);
    }

    fn failed(&self, error: &std::io::Error) {
        let mut failures = self.failures.borrow_mut();
        failures.count += 1;
        failures.first.get_or_insert_with(|| error.to_string());
    }
}

impl Load {
    /// Four connections without TLS to a port of loopback, as this user, for a minute at most.
    pub fn on(port: u16, user: &crate::relay::User) -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            user: user.username.clone(),
            password: user.password.clone(),
            connections: 4,
            per_session: 20,
            size: 4096,
            count: 1000,
            time: Duration::from_secs(60),
            tls: false,
            pipelining: true,
            from: "orders@example.com".into(),
            to: "customer@example.net".into(),
            run: "load".into(),
        }
    }

    /// Submits everything and reports.
    ///
    /// # Errors
    /// When no runtime can be made.
    pub fn run(self) -> std::io::Result<Report> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(tokio::task::LocalSet::new().block_on(&runtime, self.submit()))
    }

    /// Submits everything once under a name, which its ids begin with, and prints what it came to.
    ///
    /// # Errors
    /// When no runtime can be made, or messages were lost.
    pub fn run_as(&self, name: &str) -> anyhow::Result<Report> {
        let load = Self {
            run: name.chars().take(8).collect(),
            ..self.clone()
        };
        let report = load.run()?;
        println!("{name}: {report}");
        anyhow::ensure!(
            report.failures == 0 && report.accepted > 0,
            "messages were lost"
        );
        Ok(report)
    }

    async fn submit(self) -> Report {
        let begun = Instant::now();
        let capacity = usize::try_from(self.count).unwrap_or(0).min(1 << 20);
        let shared = Rc::new(Shared {
            next: Cell::new(0),
            deadline: begun + self.time,
            latencies_us: RefCell::new(Vec::with_capacity(capacity)),
            failures: RefCell::default(),
            tls: TlsConnector::from(trusting_config()),
            load: self,
        });
        let mut connections = tokio::task::JoinSet::new();
        for _ in 0..shared.load.connections {
            connections.spawn_local(connection(Rc::clone(&shared)));
        }
        connections.join_all().await;
        let failures = shared.failures.take();
        Report::new(
            shared.latencies_us.take(),
            begun.elapsed(),
            failures.count,
            failures.first,
        )
    }
}

/// One connection after the other until there is nothing left to submit.
async fn connection(shared: Rc<Shared>) {
    let load = &shared.load;
    let mut template = Template::new(&load.from, &load.to, load.size);
    let mut in_a_row = 0;
    while let Some(first) = shared.take() {
        match session(&shared, &mut template, first).await {
            Ok(()) => in_a_row = 0,
            Err(error) => {
                shared.failed(&error);
                in_a_row += 1;
                if in_a_row == MAX_FAILURES {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// One session: `first` and as many more as a session holds.
async fn session(shared: &Shared, template: &mut Template, first: u64) -> std::io::Result<()> {
    let load = &shared.load;
    let mut session = Session::open(load, &shared.tls).await?;
    let mut next = Some(first);
    let mut left = load.per_session;
    while let Some(number) = next {
        let content = template.stamped(&message::id(&load.run, number));
        shared.accepted(session.submit(content).await?);
        left -= 1;
        next = if left > 0 { shared.take() } else { None };
    }
    session.quit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::{Script, Sink};

    fn load(sink: &Sink) -> Load {
        Load {
            address: sink.address(),
            user: String::new(),
            password: String::new(),
            connections: 4,
            per_session: 3,
            size: 4096,
            count: 50,
            time: Duration::from_secs(60),
            tls: false,
            pipelining: true,
            from: "orders@example.com".into(),
            to: "customer@example.net".into(),
            run: "t".into(),
        }
    }

    #[test]
    fn every_message_is_submitted_once_with_and_without_pipelining() {
        for pipelining in [true, false] {
            let sink = Sink::start(Script::default()).expect("a port");
            let load = Load {
                pipelining,
                ..load(&sink)
            };
            let report = load.run().expect("a runtime");
            assert_eq!((report.accepted, report.failures), (50, 0), "{report}");
            assert_eq!(sink.log(|log| (log.unique(), log.duplicates())), (50, 0));
        }
    }

    #[test]
    fn it_gives_up_on_a_relay_that_refuses_everything() {
        let script = Script {
            content: Some("451 4.3.0 try later".into()),
            ..Script::default()
        };
        let sink = Sink::start(script).expect("a port");
        let load = Load {
            connections: 1,
            ..load(&sink)
        };
        let report = load.run().expect("a runtime");
        assert_eq!(report.accepted, 0);
        assert_eq!(report.failures, u64::from(MAX_FAILURES));
        assert!(report.to_string().contains("451 4.3.0"), "{report}");
    }
}
