//! Counts what the relay does, for a monitor to fetch.
//!
//! One set for the process; rooms tell it what happened and never ask it. No label tells a list, a user or an
//! address: what there can be any number of is in the statistics. Serves nothing; `monitor` does.

mod process;
mod registry;

use std::sync::LazyLock;
use std::time::Duration;

use prometheus_client::encoding::text::encode;

use self::registry::{Metrics, OUTCOMES};

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// What an attempt came to for a recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// The next hop took it.
    Delivered {
        /// How long it was in the queue.
        waited: Duration,
    },
    /// Another attempt is made.
    Deferred,
    /// It was given up.
    Bounced,
}

/// An evaluation of a policy.
#[derive(Clone, Copy, Debug)]
pub struct Evaluation<'a> {
    /// The policy by its name in the configuration.
    pub policy: &'a str,
    /// `pass`, `accept`, `reject`, `defer` or `failed`.
    pub decision: &'static str,
    /// How long it took, and its fuel; none when a verdict was remembered.
    pub took: Option<(Duration, u64)>,
    /// Why it gave no usable verdict.
    pub failure: Option<&'static str>,
}

/// The queue, by priority; the index is the priority's number less one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Due, and waiting for their turn.
    pub ready: [usize; 5],
    /// Not due yet.
    pub waiting: [usize; 5],
    /// Being sent.
    pub running: [usize; 5],
}

/// A client's connection; it has ended when this is dropped.
#[derive(Debug)]
pub struct Connection(());

/// A message was taken in, with this effective priority.
pub fn accepted(priority: u8, octets: u64) {
    METRICS.accepted[index(priority)].inc();
    METRICS.accepted_octets.inc_by(octets);
}

/// A policy refused a message or command: `rejected` or `deferred`.
pub fn refused(is_for_good: bool) {
    let outcome = if is_for_good { "rejected" } else { "deferred" };
    METRICS.refused.get_or_create(&[("outcome", outcome)]).inc();
}

/// A recipient of a message of this effective priority was tried.
pub fn attempted(priority: u8, attempted: Attempted) {
    let outcome = match attempted {
        Attempted::Delivered { waited } => {
            METRICS.queue_time[index(priority)].observe(waited.as_secs_f64());
            0
        }
        Attempted::Deferred => 1,
        Attempted::Bounced => 2,
    };
    METRICS.attempted[outcome].inc();
}

/// A policy was asked.
pub fn evaluated(evaluation: &Evaluation<'_>) {
    let policy = ("policy", evaluation.policy.to_owned());
    if let Some((took, fuel)) = evaluation.took {
        let by_policy = [policy.clone()];
        let times = METRICS.policy_time.get_or_create(&by_policy);
        times.observe(took.as_secs_f64());
        METRICS.policy_fuel.get_or_create(&by_policy).inc_by(fuel);
    }
    let decision = ("decision", evaluation.decision.to_owned());
    METRICS
        .policy_decisions
        .get_or_create(&[policy.clone(), decision])
        .inc();
    if let Some(failure) = evaluation.failure {
        let kind = ("failure", failure.to_owned());
        METRICS.policy_failures.get_or_create(&[policy, kind]).inc();
    }
}

/// So many jobs were committed together.
pub fn committed(jobs: usize, took: Duration) {
    METRICS.commit_jobs.observe(jobs as f64);
    METRICS.commit_time.observe(took.as_secs_f64());
}

/// The store could not be written.
pub fn store_failed() {
    METRICS.store_failures.inc();
}

/// Nodes of a shared store that are alive.
pub fn nodes(live: u32) {
    METRICS.sharing.nodes.set(i64::from(live));
}

/// So many messages were claimed by this node.
pub fn claimed(count: usize) {
    METRICS.sharing.claimed.inc_by(count as u64);
}

/// So many messages of nodes that have ended were freed by this one.
pub fn taken_over(count: u64) {
    METRICS.sharing.taken_over.inc_by(count);
}

/// An outcome was not recorded, as its message belongs to another node.
pub fn disowned() {
    METRICS.sharing.disowned.inc();
}

/// A client has connected.
pub fn connected() -> Connection {
    METRICS.connections.inc();
    METRICS.connections_open.inc();
    Connection(())
}

/// A client has logged in, or was refused.
pub fn logged_in(succeeded: bool) {
    let result = if succeeded { "succeeded" } else { "failed" };
    METRICS.logins.get_or_create(&[("result", result)]).inc();
}

/// An alert of this kind was raised. Kinds may be a policy's own words; beyond 64 they are `other`.
pub fn alerted(kind: &str) {
    METRICS.alert(kind).inc();
}

/// What a reload came to.
pub fn reloaded(succeeded: bool) {
    let result = if succeeded { "succeeded" } else { "failed" };
    METRICS.reloads.get_or_create(&[("result", result)]).inc();
}

/// Everything in the text form of Prometheus, with the queue as it is and whether the store takes messages.
pub fn text(depth: &Depth, is_accepting: bool) -> String {
    METRICS.show(depth, is_accepting);
    METRICS.process.read();
    let mut text = String::with_capacity(16 * 1024);
    match encode(&mut text, &METRICS.registry) {
        Ok(()) => text,
        // A `String` takes everything.
        Err(std::fmt::Error) => String::new(),
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        METRICS.connections_open.dec();
    }
}

/// What is no priority counts as the nearest one.
fn index(priority: u8) -> usize {
    usize::from(priority.clamp(1, 5) - 1)
}

const _: () = assert!(OUTCOMES.len() == 3);

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> f64 {
        let text = text(&Depth::default(), true);
        let found = text.lines().find_map(|one| one.strip_prefix(line));
        found
            .and_then(|rest| rest.trim().parse().ok())
            .unwrap_or_default()
    }

    #[test]
    fn what_is_told_is_shown() {
        let line = "gatepost_messages_accepted_total{priority=\"2\"}";
        let before = value(line);
        accepted(2, 100);
        assert!(value(line) >= before + 1.0);
        attempted(
            1,
            Attempted::Delivered {
                waited: Duration::from_millis(20),
            },
        );
        assert!(value("gatepost_queue_time_seconds_count{priority=\"1\"}") >= 1.0);
        let depth = Depth {
            waiting: [0, 0, 7, 0, 0],
            ..Depth::default()
        };
        let text = text(&depth, false);
        assert!(text.contains("gatepost_queue_messages{state=\"waiting\",priority=\"3\"} 7"));
        assert!(text.contains("gatepost_store_accepting 0"));
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn kinds_of_alerts_are_bounded() {
        for number in 0..200 {
            alerted(&format!("made-up-{number}"));
        }
        let text = text(&Depth::default(), true);
        let kinds = text.matches("gatepost_alerts_total{").count();
        assert!(kinds <= 66, "{kinds}");
        assert!(text.contains("gatepost_alerts_total{kind=\"other\"}"));
    }

    #[test]
    fn a_connection_counts_until_it_ends() {
        let before = value("gatepost_connections_total");
        let connection = connected();
        assert!(value("gatepost_connections_open") >= 1.0);
        drop(connection);
        assert!(value("gatepost_connections_total") >= before + 1.0);
    }

    /// Names that begin like ours, in a text.
    fn names(text: &str) -> std::collections::BTreeSet<&str> {
        let starts = text.match_indices("gatepost_").map(|(at, _)| at);
        let word = |at: usize| {
            let rest = &text[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        };
        starts.map(word).collect()
    }

    #[test]
    fn every_name_of_the_dashboard_is_one_of_ours() {
        // A family shows nothing before its first member.
        refused(true);
        evaluated(&Evaluation {
            policy: "sender-rules",
            decision: "failed",
            took: Some((Duration::from_micros(30), 20_000)),
            failure: Some("deadline"),
        });
        alerted("unauthorized-sender");
        logged_in(true);
        reloaded(true);
        let text = text(&Depth::default(), true);
        let ours = names(&text);
        let dashboard = include_str!("../../../examples/grafana/gatepost.json");
        let asked = names(dashboard);
        assert!(asked.len() > 15, "{asked:?}");
        let unknown: Vec<_> = asked.difference(&ours).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
        let readme = include_str!("../../../examples/grafana/README.md");
        let unknown: Vec<_> = names(readme)
            .into_iter()
            .filter(|name| !ours.contains(name))
            .collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn no_label_tells_who() {
        let text = text(&Depth::default(), true);
        for label in ["list=", "user=", "sender=", "recipient=", "address="] {
            assert!(!text.contains(label), "{label}");
        }
    }
}
