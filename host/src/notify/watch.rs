//! The task that looks at the relay itself: whether mail leaves, how long its certificates are valid, and whether all nodes
//! are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, error, warn};

use super::{Config, Shared};
use crate::alert::{Kind, NewAlert, Severity};
use crate::causes::with_causes;
use crate::clock::Timestamp;
use crate::scheduler::{Health, Trouble};
use crate::shutdown::Shutdown;
use crate::store::{Node, Store};
use crate::tls::Facts;

/// Between two looks. Default 10 s, or sooner when trouble is to be told sooner.
const LOOK: Duration = Duration::from_secs(10);
/// An alert that goes on is raised again after so long. Default 1 h.
const RAISED_AGAIN: Duration = Duration::from_secs(3600);
/// The same for certificates. Default 12 h.
const CERTIFICATE_AGAIN: Duration = Duration::from_secs(12 * 3600);
/// Destinations that have an alert of their own; more are one alert. Default 20.
const MAX_TOLD_APART: usize = 20;
/// Destinations without an address at a time that are a resolver without answers. Default 3.
const MAX_UNKNOWN: usize = 3;
/// The same for nodes that are lost. Default 24 h: as long as they are remembered.
const NODE_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// Days before its end from which a certificate is critical. Default 3.
const CRITICAL_DAYS: u64 = 3;

/// Runs until the shutdown is announced.
pub(super) async fn run(shared: Arc<Shared>, shutdown: Shutdown) {
    let config = &shared.setup.config;
    let soonest = config.delivery_problem_after_s.min(config.stalled_after_s);
    let soonest = soonest.min(config.urgent_stalled_after_s).max(1);
    let interval = LOOK.min(Duration::from_secs(soonest));
    let mut raised = HashMap::new();
    loop {
        tokio::select! {
            () = shutdown.announced() => return,
            () = sleep(interval) => {}
        }
        let now = Timestamp::now();
        let health = shared.setup.scheduler.health();
        let certificates = shared.setup.certificates.as_ref();
        let facts = certificates.map(|shown| shown.facts()).unwrap_or_default();
        let mut alerts = problems(&health, config, now);
        alerts.extend(expiring(&facts, config, now));
        alerts.extend(lost(&nodes(&shared.setup.store).await, now));
        let fresh = fresh(&mut raised, alerts, now);
        for alert in &fresh {
            warn!(kind = %alert.kind, "{}", alert.summary);
        }
        if let Err(error) = shared.setup.store.raise(fresh).await {
            error!(error = %with_causes(&error), "an alert cannot be stored");
        }
    }
}

/// The nodes, where there are some and this one speaks for all.
async fn nodes(store: &Store) -> Vec<Node> {
    if !store.is_shared() || !store.is_elected() {
        return Vec::new();
    }
    let nodes = store.nodes().await;
    nodes.unwrap_or_else(|error| {
        debug!(error = %with_causes(&error), "whether nodes are lost is not known now");
        Vec::new()
    })
}

/// Nodes that have ended without taking their leave, and are not back.
fn lost(nodes: &[Node], now: Timestamp) -> Vec<NewAlert> {
    let missing = nodes.iter().filter(|node| node.is_missing(nodes));
    let alert = |node: &Node| {
        let name = node.facts.name.as_str();
        let silent = Duration::from_millis(node.silent_ms.unsigned_abs());
        let heard_at = (now - silent).to_whole_seconds();
        let summary = format!(
            "the node {name} is lost: it was last heard of at {heard_at}; the others send what it held"
        );
        NewAlert::new(Kind::NodeLost, Severity::Warning, summary, now).keyed(name)
    };
    missing.map(alert).collect()
}

/// Those that were not raised for a while.
fn fresh(
    raised: &mut HashMap<(String, String), Timestamp>,
    alerts: Vec<NewAlert>,
    now: Timestamp,
) -> Vec<NewAlert> {
    let subject = |alert: &NewAlert| (alert.kind.as_str().to_owned(), alert.key.clone());
    let present: Vec<_> = alerts.iter().map(subject).collect();
    raised.retain(|known, _| present.contains(known));
    let is_fresh = |alert: &NewAlert| -> bool {
        let again = match alert.kind {
            Kind::CertificateExpiring => CERTIFICATE_AGAIN,
            Kind::NodeLost => NODE_AGAIN,
            _ => RAISED_AGAIN,
        };
        let at = raised.entry(subject(alert)).or_insert(now - again);
        let is_fresh = *at + again <= now;
        if is_fresh {
            *at = now;
        }
        is_fresh
    };
    alerts.into_iter().filter(is_fresh).collect()
}

/// What is wrong with how mail leaves.
fn problems(health: &Health, config: &Config, now: Timestamp) -> Vec<NewAlert> {
    if health.is_at_rest {
        return Vec::new();
    }
    let dead_after = Duration::from_secs(config.delivery_problem_after_s);
    let is_dead = |trouble: &&Trouble| trouble.since + dead_after <= now;
    let dead: Vec<&Trouble> = health.troubles.iter().filter(is_dead).collect();
    let mut alerts = destinations(&dead, now);
    let urgent_after = Duration::from_secs(config.urgent_stalled_after_s);
    let after = Duration::from_secs(config.stalled_after_s);
    if let Some(since) = stalled(health.urgent_due_since, health, urgent_after, now) {
        alerts.push(queue_stalled("urgent mail", "urgent", since, health, now));
    } else if let Some(since) = stalled(health.due_since, health, after, now) {
        alerts.push(queue_stalled("mail", "any", since, health, now));
    }
    alerts
}

/// Since when mail waits, if that is too long and nothing has left meanwhile.
fn stalled(
    due_since: Option<Timestamp>,
    health: &Health,
    after: Duration,
    now: Timestamp,
) -> Option<Timestamp> {
    let since = due_since?;
    (since + after <= now && health.served_at + after <= now).then_some(since)
}

fn queue_stalled(
    what: &str,
    key: &str,
    since: Timestamp,
    health: &Health,
    now: Timestamp,
) -> NewAlert {
    let summary = format!(
        "{what} has been due for {}, and nothing has left since {}",
        minutes(since, now),
        health.served_at.to_whole_seconds()
    );
    NewAlert::new(Kind::QueueStalled, Severity::Critical, summary, now).keyed(key)
}

/// One alert for each dead destination, or one for all when it is the resolver, or when they are many.
fn destinations(dead: &[&Trouble], now: Timestamp) -> Vec<NewAlert> {
    let is_unknown = |trouble: &&&Trouble| trouble.reason.text.starts_with("4.4.3");
    let (unknown, others): (Vec<_>, Vec<_>) = dead.iter().partition(|one| is_unknown(one));
    let mut alerts = Vec::new();
    if unknown.len() > MAX_UNKNOWN {
        alerts.push(many(
            &unknown,
            "cannot be looked up; does the DNS resolver answer?",
            "dns",
            now,
        ));
    } else {
        alerts.extend(unknown.iter().map(|one| single(one, now)));
    }
    if others.len() > MAX_TOLD_APART {
        alerts.push(many(&others, "cannot be reached.", "destinations", now));
    } else {
        alerts.extend(others.iter().map(|one| single(one, now)));
    }
    alerts
}

fn single(trouble: &Trouble, now: Timestamp) -> NewAlert {
    let to = trouble.destination.to_string();
    let summary = format!(
        "no mail reaches {to} for {}: {}",
        minutes(trouble.since, now),
        trouble.reason
    );
    NewAlert::new(Kind::DeliveryProblem, Severity::Critical, summary, now).keyed(to)
}

fn many(troubles: &[&Trouble], what: &str, key: &str, now: Timestamp) -> NewAlert {
    let named = troubles.iter().take(3);
    let named: Vec<String> = named.map(|one| one.destination.to_string()).collect();
    let reason = troubles.first().map(|one| one.reason.to_string());
    let summary = format!(
        "{} destinations {what} For example {}: {}",
        troubles.len(),
        named.join(", "),
        reason.unwrap_or_default()
    );
    NewAlert::new(Kind::DeliveryProblem, Severity::Critical, summary, now).keyed(key)
}

fn minutes(since: Timestamp, now: Timestamp) -> String {
    match now.since(since).as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

fn expiring(facts: &[Facts], config: &Config, now: Timestamp) -> Vec<NewAlert> {
    let alert = |facts: &Facts| {
        let days = facts.days_left(now);
        if days >= config.certificate_days {
            return None;
        }
        let names = facts.names.join(" ");
        let state = if facts.not_after <= now {
            format!(
                "the certificate of {names} has expired on {}",
                facts.not_after
            )
        } else {
            format!(
                "the certificate of {names} is valid for {days} more days, until {}",
                facts.not_after
            )
        };
        let severity = match days {
            0..CRITICAL_DAYS => Severity::Critical,
            _ => Severity::Warning,
        };
        let alert = NewAlert::new(Kind::CertificateExpiring, severity, state, now);
        Some(alert.keyed(names))
    };
    facts.iter().filter_map(alert).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Destination, RemoteReply};
    use crate::store::{Ending, NodeFacts};

    const NOW: Timestamp = Timestamp::from_millis(1_763_964_000_000);

    fn ago(seconds: u64) -> Timestamp {
        NOW - Duration::from_secs(seconds)
    }

    fn trouble(domain: &str, seconds: u64, text: &str) -> Trouble {
        Trouble {
            destination: Destination::Domain(domain.to_owned()),
            since: ago(seconds),
            reason: RemoteReply {
                code: 0,
                text: text.to_owned(),
            },
        }
    }

    fn told(health: &Health) -> Vec<(String, String)> {
        let alerts = problems(health, &Config::default(), NOW);
        let subject = |alert: NewAlert| (alert.kind.as_str().to_owned(), alert.key);
        alerts.into_iter().map(subject).collect()
    }

    #[test]
    fn a_destination_is_a_problem_when_it_is_dead_for_long() {
        let health = Health {
            served_at: NOW,
            troubles: vec![
                trouble("a.example", 901, "4.4.1 it does not answer"),
                trouble("b.example", 899, "4.4.1 it does not answer"),
            ],
            ..Health::default()
        };
        let expected = ("delivery-problem".to_owned(), "a.example".to_owned());
        assert_eq!(told(&health), [expected]);
    }

    #[test]
    fn a_resolver_without_answers_is_one_alert_as_are_many_dead_destinations() {
        let unknown =
            (0..5).map(|n| trouble(&format!("u{n}.example"), 1000, "4.4.3 cannot look up"));
        let dead = (0..30).map(|n| trouble(&format!("d{n}.example"), 1000, "4.4.1 no answer"));
        let health = Health {
            served_at: NOW,
            troubles: unknown.chain(dead).collect(),
            ..Health::default()
        };
        let keys: Vec<String> = told(&health).into_iter().map(|(_, key)| key).collect();
        assert_eq!(keys, ["dns", "destinations"]);
    }

    #[test]
    fn a_node_is_lost_until_one_of_its_name_is_back() {
        let node = |id: i64, name: &str, ending: Option<Ending>| Node {
            id,
            facts: NodeFacts {
                name: name.to_owned(),
                ..NodeFacts::default()
            },
            started_at: ago(900),
            silent_ms: 60_000,
            rate: 0,
            claims: 0,
            ended: ending.map(|ending| (ago(45), ending)),
        };
        let mut nodes = vec![
            node(1, "here", None),
            node(2, "left", Some(Ending::Left)),
            node(3, "lost", Some(Ending::Lost)),
            node(4, "lost", Some(Ending::Lost)),
        ];
        let told = lost(&nodes, NOW);
        assert!(told.iter().all(|alert| alert.key == "lost"));
        let heard_at = ago(60).to_whole_seconds();
        assert!(told[0].summary.contains(&heard_at), "{}", told[0].summary);
        assert_eq!(fresh(&mut HashMap::new(), told, NOW).len(), 1);
        nodes.push(node(5, "lost", None));
        assert_eq!(lost(&nodes, NOW), []);
    }

    #[test]
    fn a_queue_is_stalled_when_mail_is_due_for_long_and_nothing_leaves() {
        let stalled = |urgent: Option<u64>, any: Option<u64>, served: u64| {
            let health = Health {
                urgent_due_since: urgent.map(ago),
                due_since: any.map(ago),
                served_at: ago(served),
                ..Health::default()
            };
            let told = told(&health);
            told.into_iter()
                .map(|(_, key)| key)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(stalled(Some(301), Some(301), 301), "urgent");
        assert_eq!(stalled(Some(301), Some(301), 299), "");
        assert_eq!(stalled(None, Some(1801), 1801), "any");
        assert_eq!(stalled(None, Some(1801), 10), "");
        assert_eq!(stalled(None, Some(1799), 9000), "");
        let at_rest = Health {
            due_since: Some(ago(9000)),
            is_at_rest: true,
            ..Health::default()
        };
        assert!(told(&at_rest).is_empty());
    }

    #[test]
    fn what_goes_on_is_raised_by_the_hour_and_what_comes_back_at_once() {
        let alert = || {
            vec![NewAlert::new(
                Kind::QueueStalled,
                Severity::Critical,
                String::new(),
                NOW,
            )]
        };
        let mut raised = HashMap::new();
        assert_eq!(fresh(&mut raised, alert(), NOW).len(), 1);
        let soon = NOW + Duration::from_secs(3599);
        assert_eq!(fresh(&mut raised, alert(), soon).len(), 0);
        assert_eq!(
            fresh(&mut raised, alert(), soon + Duration::from_secs(1)).len(),
            1
        );
        assert_eq!(fresh(&mut raised, Vec::new(), soon).len(), 0);
        assert_eq!(fresh(&mut raised, alert(), soon).len(), 1);
    }

    #[test]
    fn a_certificate_is_told_two_weeks_ahead_and_critical_at_its_end() {
        let facts = |days: u64| Facts {
            names: vec!["relay.example.com".to_owned()],
            serial: String::new(),
            not_before: ago(1),
            not_after: NOW + Duration::from_secs(days * 86_400 + 60),
        };
        let told = |days| expiring(&[facts(days)], &Config::default(), NOW).pop();
        assert_eq!(told(14), None);
        assert_eq!(told(13).expect("an alert").severity, Severity::Warning);
        assert_eq!(told(2).expect("an alert").severity, Severity::Critical);
    }
}
