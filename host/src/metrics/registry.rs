//! The metrics by name.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::Depth;
use super::process::Process;

/// A label that the program's own words fill.
type Fixed = [(&'static str, &'static str); 1];
/// Labels that the configuration's words fill.
type Named<const N: usize> = [(&'static str, String); N];
/// A histogram for each policy.
type ByPolicy = Family<Named<1>, Histogram, fn() -> Histogram>;

const PRIORITIES: [&str; 5] = ["1", "2", "3", "4", "5"];
/// What an attempt can come to.
pub(super) const OUTCOMES: [&str; 3] = ["delivered", "deferred", "bounced"];
/// Kinds of alerts that are told apart. Default 64: the relay's own, and some that policies name.
const MAX_ALERT_KINDS: usize = 64;

/// Bounds in seconds: from what an urgent message takes to what a dead destination costs.
const QUEUE_TIME: [f64; 12] = [
    0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 3600.0, 14_400.0, 86_400.0,
];
/// Bounds in seconds: a compiled policy takes some 30 µs, an interpreted one milliseconds.
const POLICY_TIME: [f64; 10] = [
    0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0,
];
const COMMIT_JOBS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
const COMMIT_TIME: [f64; 10] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0,
];

pub(super) struct Metrics {
    pub(super) registry: Registry,
    pub(super) accepted: [Counter; 5],
    pub(super) accepted_octets: Counter,
    pub(super) refused: Family<Fixed, Counter>,
    /// In the order of [`OUTCOMES`].
    pub(super) attempted: [Counter; 3],
    pub(super) queue_time: [Histogram; 5],
    pub(super) policy_time: ByPolicy,
    pub(super) policy_fuel: Family<Named<1>, Counter>,
    pub(super) policy_decisions: Family<Named<2>, Counter>,
    pub(super) policy_failures: Family<Named<2>, Counter>,
    pub(super) commit_jobs: Histogram,
    pub(super) commit_time: Histogram,
    pub(super) store_failures: Counter,
    pub(super) connections: Counter,
    pub(super) connections_open: Gauge,
    pub(super) logins: Family<Fixed, Counter>,
    pub(super) reloads: Family<Fixed, Counter>,
    pub(super) process: Process,
    pub(super) sharing: Sharing,
    alerts: Family<Named<1>, Counter>,
    alert_kinds: parking_lot::Mutex<std::collections::HashSet<String>>,
    queue: Family<[(&'static str, &'static str); 2], Gauge>,
    store_accepting: Gauge,
}

/// What nodes of a shared store count.
pub(super) struct Sharing {
    pub(super) nodes: Gauge,
    pub(super) claimed: Counter,
    pub(super) taken_over: Counter,
    pub(super) disowned: Counter,
}

impl Sharing {
    fn new(registry: &mut Registry) -> Self {
        Self {
            nodes: gauge(
                registry,
                "nodes",
                "Nodes of the shared store that are alive; 0 without one",
            ),
            claimed: counter(
                registry,
                "messages_claimed",
                "Messages that this node has claimed from the shared store, those it took in aside",
            ),
            taken_over: counter(
                registry,
                "messages_taken_over",
                "Messages of nodes that have ended which this node has freed",
            ),
            disowned: counter(
                registry,
                "outcomes_disowned",
                "Outcomes that were not recorded, as their messages belonged to another node",
            ),
        }
    }
}

impl Metrics {
    pub(super) fn new() -> Self {
        let mut registry = Registry::with_prefix("gatepost");
        let registry_ref = &mut registry;
        let accepted = counters(
            registry_ref,
            ("messages_accepted", "Messages taken in"),
            "priority",
            PRIORITIES,
        );
        let attempted = counters(
            registry_ref,
            ("attempts", "What attempts came to, for each recipient"),
            "outcome",
            OUTCOMES,
        );
        Self {
            accepted,
            attempted,
            accepted_octets: counter(
                registry_ref,
                "accepted_octets",
                "Octets of messages taken in",
            ),
            refused: family(
                registry_ref,
                "messages_refused",
                "Messages and commands that a policy refused",
            ),
            queue_time: queue_times(registry_ref),
            policy_time: policy_times(registry_ref),
            policy_fuel: family(registry_ref, "policy_fuel", "Fuel that policies took"),
            policy_decisions: family(registry_ref, "policy_decisions", "What policies decided"),
            policy_failures: family(
                registry_ref,
                "policy_failures",
                "Evaluations without a usable verdict",
            ),
            commit_jobs: histogram(
                registry_ref,
                ("commit_jobs", "Jobs that were committed together"),
                None,
                COMMIT_JOBS,
            ),
            commit_time: histogram(
                registry_ref,
                ("commit_time", "How long a commit of the store took"),
                Some(Unit::Seconds),
                COMMIT_TIME,
            ),
            store_failures: counter(
                registry_ref,
                "store_failures",
                "Times the store could not be written",
            ),
            connections: counter(registry_ref, "connections", "Connections of clients"),
            connections_open: gauge(
                registry_ref,
                "connections_open",
                "Connections of clients that are open",
            ),
            logins: family(registry_ref, "logins", "Logins of clients"),
            reloads: family(registry_ref, "reloads", "Reloads of the configuration"),
            alerts: family(registry_ref, "alerts", "Alerts that were raised"),
            alert_kinds: parking_lot::Mutex::default(),
            queue: family(
                registry_ref,
                "queue_messages",
                "Messages in the queue; one that goes to several destinations counts for each",
            ),
            store_accepting: gauge(
                registry_ref,
                "store_accepting",
                "1 while the store takes messages",
            ),
            sharing: Sharing::new(registry_ref),
            process: Process::new(registry_ref),
            registry,
        }
    }

    pub(super) fn alert(&self, kind: &str) -> Counter {
        let mut kinds = self.alert_kinds.lock();
        let is_told_apart = kinds.contains(kind) || kinds.len() < MAX_ALERT_KINDS;
        let kind = if is_told_apart { kind } else { "other" };
        kinds.insert(kind.to_owned());
        let counter = self.alerts.get_or_create(&[("kind", kind.to_owned())]);
        counter.clone()
    }

    /// Sets what is looked up when somebody asks.
    pub(super) fn show(&self, depth: &Depth, is_accepting: bool) {
        self.store_accepting.set(i64::from(is_accepting));
        for (state, counts) in [
            ("ready", depth.ready),
            ("waiting", depth.waiting),
            ("running", depth.running),
        ] {
            for (priority, count) in PRIORITIES.into_iter().zip(counts) {
                let labels = [("state", state), ("priority", priority)];
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.queue.get_or_create(&labels).set(count);
            }
        }
    }
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(name, help, gauge.clone());
    gauge
}

fn family<L, M>(registry: &mut Registry, name: &str, help: &str) -> Family<L, M>
where
    Family<L, M>: Default + Clone + prometheus_client::registry::Metric,
{
    let family = Family::<L, M>::default();
    registry.register(name, help, family.clone());
    family
}

/// One for each value of a label, found without looking.
fn counters<const N: usize>(
    registry: &mut Registry,
    (name, help): (&str, &str),
    label: &'static str,
    values: [&'static str; N],
) -> [Counter; N] {
    let family: Family<Fixed, Counter> = family(registry, name, help);
    values.map(|value| family.get_or_create(&[(label, value)]).clone())
}

fn histogram<const N: usize>(
    registry: &mut Registry,
    (name, help): (&str, &str),
    unit: Option<Unit>,
    bounds: [f64; N],
) -> Histogram {
    let histogram = Histogram::new(bounds);
    match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, histogram.clone()),
        None => registry.register(name, help, histogram.clone()),
    }
    histogram
}

fn queue_times(registry: &mut Registry) -> [Histogram; 5] {
    let family: Family<Fixed, Histogram, fn() -> Histogram> =
        Family::new_with_constructor(|| Histogram::new(QUEUE_TIME));
    registry.register_with_unit(
        "queue_time",
        "How long recipients waited until they were served",
        Unit::Seconds,
        family.clone(),
    );
    PRIORITIES.map(|priority| family.get_or_create(&[("priority", priority)]).clone())
}

fn policy_times(registry: &mut Registry) -> ByPolicy {
    let family: ByPolicy = Family::new_with_constructor(|| Histogram::new(POLICY_TIME));
    registry.register_with_unit(
        "policy_time",
        "How long policies took",
        Unit::Seconds,
        family.clone(),
    );
    family
}
