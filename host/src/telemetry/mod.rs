//! Sends traces of messages to an OpenTelemetry collector, by OTLP over HTTP in its JSON form. Off unless it is told where.
//!
//! It never holds mail back: what a collector does not take in time waits within a bound, and beyond it is lost. Neighbours:
//! `store` tells what was committed, as spans of `trace`; `fetch` connects.

mod config;
mod document;
mod sender;

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

pub use self::config::Config;
use self::sender::{Failure, Sender};
use crate::shutdown::Shutdown;
use crate::store::Store;
use crate::tls::TlsError;
use crate::trace::{Followed, Follower, Span};

/// How long spans are gathered before they are sent. Default a second.
const GATHER: Duration = Duration::from_secs(1);
/// Reports that are sent in one request at most. Default 256, some 300 KB.
const BATCH: usize = 256;
/// Until a collector that does not answer is asked again: at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Begins to trace, when the configuration says where to.
///
/// # Errors
/// There is no certificate authority to verify a collector by.
pub fn start(
    config: &Config,
    hostname: &str,
    store: &Store,
    (tasks, shutdown): (&mut JoinSet<()>, &Shutdown),
) -> Result<(), TlsError> {
    let Some(sender) = Sender::new(config, hostname)? else {
        return Ok(());
    };
    let (follower, followed) =
        Follower::new(&config.service_name, config.sample, config.max_waiting);
    store.follow(follower);
    tasks.spawn(run(sender, followed, shutdown.clone()));
    Ok(())
}

async fn run(sender: Sender, mut followed: Followed, shutdown: Shutdown) {
    let mut way = Way {
        sender,
        link: None,
        failing: None,
        lost_before: 0,
    };
    let mut reports = Vec::new();
    loop {
        tokio::select! {
            () = gather(&mut followed, &mut reports) => {}
            () = shutdown.announced() => break,
        }
        let batch = reports.concat();
        tokio::select! {
            () = way.bring(&batch, &followed) => reports.clear(),
            () = shutdown.announced() => break,
        }
    }
    way.bring_the_rest(&mut followed, reports).await;
}

/// What happened within a second, or as much as fits into a request.
///
/// # Cancel safety
/// What was gathered stays gathered.
async fn gather(followed: &mut Followed, reports: &mut Vec<Vec<Span>>) {
    if followed.spans.recv_many(reports, BATCH).await == 0 {
        // Nobody tells anything any more.
        std::future::pending::<()>().await;
    }
    let until = Instant::now() + GATHER;
    while reports.len() < BATCH {
        let room = BATCH - reports.len();
        match timeout_at(until, followed.spans.recv_many(reports, room)).await {
            Ok(count) if count > 0 => {}
            _ => break,
        }
    }
}

/// The way to the collector, and whether it is open.
struct Way {
    sender: Sender,
    link: Option<crate::fetch::Link>,
    /// Since when it is not, and how long to wait before the next try.
    failing: Option<Duration>,
    lost_before: u64,
}

impl Way {
    /// Brings spans to the collector, however long it takes; spans that it does not want are given up.
    async fn bring(&mut self, spans: &[Span], followed: &Followed) {
        loop {
            match self.try_once(spans).await {
                Ok(()) => return self.is_open(followed),
                Err(Failure::Refused(reason)) => {
                    warn!(%reason, "the collector of traces refuses what it is sent; it is given up");
                    return;
                }
                Err(Failure::Later(reason)) => {
                    let pause = self.is_closed(&reason);
                    sleep(pause).await;
                }
            }
        }
    }

    async fn try_once(&mut self, spans: &[Span]) -> Result<(), Failure> {
        self.sender.send(spans, &mut self.link).await
    }

    /// At the end, in one request; a collector that cannot be reached holds nobody up.
    async fn bring_the_rest(&mut self, followed: &mut Followed, mut reports: Vec<Vec<Span>>) {
        while reports.len() < BATCH
            && let Ok(spans) = followed.spans.try_recv()
        {
            reports.push(spans);
        }
        if !reports.is_empty() && self.failing.is_none() {
            // It was said when it cannot be reached.
            let _ = self.try_once(&reports.concat()).await;
        }
    }

    fn is_open(&mut self, followed: &Followed) {
        let lost = followed.lost.load(Ordering::Relaxed);
        if self.failing.take().is_some() {
            let spans = lost - self.lost_before;
            info!(
                lost_spans = spans,
                "the collector of traces takes them again"
            );
        } else if lost > self.lost_before {
            let spans = lost - self.lost_before;
            warn!(
                lost_spans = spans,
                "the collector of traces is too slow for all of them; set telemetry.sample to a part of them"
            );
        }
        self.lost_before = lost;
    }

    /// How long to wait; said once.
    fn is_closed(&mut self, reason: &str) -> Duration {
        let (first, most) = PAUSE;
        let pause = match self.failing {
            None => {
                warn!(
                    reason,
                    "the collector of traces cannot be reached; mail goes on, and traces wait or are lost"
                );
                first
            }
            Some(before) => (before * 2).min(most),
        };
        self.failing = Some(pause);
        pause
    }
}
