//! What the newest decisions come to: by rule, by what they cost, and where a policy in shadow differs.

use std::collections::{BTreeMap, HashMap};

use super::{Outcome, Run, Step};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::Priority;

/// Differences that are shown one by one. Default 10.
const MAX_DIFFERENCES: usize = 10;

/// A decision as far as sums need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glimpse {
    /// What it is about.
    pub id: QueueId,
    /// When it was decided.
    pub at: Timestamp,
    /// Whether it counted.
    pub run: Run,
    /// The list of the user.
    pub list_id: Option<i64>,
    /// What became of it.
    pub outcome: Outcome,
    /// Effective priority in the end.
    pub priority: Priority,
    /// One for each policy that was asked.
    pub steps: Vec<Step>,
}

/// Sums over the newest decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lately {
    /// How many decisions were looked at.
    pub decisions: u64,
    /// The oldest of them.
    pub since: Option<Timestamp>,
    /// By rule, the most frequent first.
    pub rules: Vec<RuleCount>,
    /// By policy, by its name in the configuration.
    pub policies: BTreeMap<String, Price>,
    /// By policy in shadow.
    pub shadows: BTreeMap<String, ShadowCount>,
}

/// How often a rule of a policy decided something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// The policy's name and its rule.
    pub rule: String,
    /// `pass`, `accept`, `reject`, `defer` or `failed`.
    pub decision: String,
    /// True for what was asked in shadow.
    pub is_shadow: bool,
    /// How often.
    pub count: u64,
}

/// What a policy's evaluations cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Evaluations.
    pub evaluations: u64,
    /// Fuel of all of them.
    pub fuel: u64,
    /// Microseconds of all of them.
    pub us: u64,
    /// Microseconds of the longest.
    pub longest_us: u64,
    /// Those without a usable verdict.
    pub failures: u64,
}

/// How a policy in shadow would have decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowCount {
    /// Messages that both decided about.
    pub compared: u64,
    /// Those with another outcome or priority.
    pub different: u64,
    /// Some of these, the newest first.
    pub examples: Vec<Difference>,
}

/// A message that a policy in shadow would have treated otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The message.
    pub id: QueueId,
    /// Its list.
    pub list_id: Option<i64>,
    /// What became of it, and with which priority.
    pub was: (Outcome, Priority),
    /// What would have.
    pub would_be: (Outcome, Priority),
    /// The rule in shadow.
    pub rule: String,
}

impl Price {
    /// Fuel of one evaluation.
    pub fn mean_fuel(&self) -> u64 {
        self.fuel.checked_div(self.evaluations).unwrap_or(0)
    }

    /// Microseconds of one evaluation.
    pub fn mean_us(&self) -> u64 {
        self.us.checked_div(self.evaluations).unwrap_or(0)
    }

    fn add(&mut self, step: &Step) {
        if step.is_remembered() {
            return;
        }
        self.evaluations += 1;
        self.fuel = self.fuel.saturating_add(step.fuel);
        self.us = self.us.saturating_add(step.us);
        self.longest_us = self.longest_us.max(step.us);
        self.failures += u64::from(step.failure.is_some());
    }
}

impl Lately {
    /// Sums decisions up; they come newest first.
    pub fn of(glimpses: &[Glimpse]) -> Self {
        let mut lately = Self {
            decisions: glimpses.len() as u64,
            since: glimpses.last().map(|one| one.at),
            ..Self::default()
        };
        let mut rules: HashMap<(&str, &str, bool), u64> = HashMap::new();
        for glimpse in glimpses {
            let is_shadow = glimpse.run == Run::Shadow;
            for step in &glimpse.steps {
                let key = (step.rule.as_str(), step.decision.as_str(), is_shadow);
                *rules.entry(key).or_default() += 1;
                let price = lately.policies.entry(step.policy().to_owned()).or_default();
                price.add(step);
            }
        }
        lately.rules = sorted(rules);
        lately.shadows = shadows(glimpses);
        lately
    }
}

fn sorted(rules: HashMap<(&str, &str, bool), u64>) -> Vec<RuleCount> {
    let rules = rules.into_iter();
    let mut rules: Vec<RuleCount> = rules
        .map(|((rule, decision, is_shadow), count)| RuleCount {
            rule: rule.to_owned(),
            decision: decision.to_owned(),
            is_shadow,
            count,
        })
        .collect();
    rules.sort_by(|one, other| {
        let by_count = other.count.cmp(&one.count);
        by_count.then_with(|| one.rule.cmp(&other.rule))
    });
    rules
}

fn shadows(glimpses: &[Glimpse]) -> BTreeMap<String, ShadowCount> {
    let enforced = glimpses.iter().filter(|one| one.run == Run::Enforced);
    let enforced: HashMap<QueueId, &Glimpse> = enforced.map(|one| (one.id, one)).collect();
    let mut shadows: BTreeMap<String, ShadowCount> = BTreeMap::new();
    for shadow in glimpses.iter().filter(|one| one.run == Run::Shadow) {
        let (Some(counted), Some(step)) = (enforced.get(&shadow.id), shadow.steps.last()) else {
            continue;
        };
        let count = shadows.entry(step.policy().to_owned()).or_default();
        count.compared += 1;
        let was = (counted.outcome, counted.priority);
        let would_be = (shadow.outcome, shadow.priority);
        if was == would_be {
            continue;
        }
        count.different += 1;
        if count.examples.len() < MAX_DIFFERENCES {
            count.examples.push(Difference {
                id: shadow.id,
                list_id: shadow.list_id,
                was,
                would_be,
                rule: step.rule.clone(),
            });
        }
    }
    shadows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rule: &str, decision: &str, us: u64) -> Step {
        Step {
            rule: rule.to_owned(),
            decision: decision.to_owned(),
            fuel: us * 10,
            us,
            failure: (decision == "failed").then(|| "deadline".to_owned()),
            facts: Vec::new(),
        }
    }

    fn glimpse(id: i64, run: Run, outcome: Outcome, steps: Vec<Step>) -> Glimpse {
        Glimpse {
            id: QueueId::from_i64(id),
            at: Timestamp::from_millis(1000 - id),
            run,
            list_id: Some(1),
            outcome,
            priority: Priority::Normal,
            steps,
        }
    }

    #[test]
    fn decisions_are_summed_up_by_rule_and_by_policy() {
        let (enforced, accepted) = (Run::Enforced, Outcome::Accepted);
        let lately = Lately::of(&[
            glimpse(1, enforced, accepted, vec![step("a/x", "accept", 10)]),
            glimpse(2, enforced, accepted, vec![step("a/x", "accept", 30)]),
            glimpse(
                3,
                enforced,
                Outcome::Deferred,
                vec![step("a/y", "failed", 2)],
            ),
        ]);
        assert_eq!((lately.decisions, lately.rules.len()), (3, 2));
        assert_eq!(lately.since, Some(Timestamp::from_millis(997)));
        assert_eq!(
            (lately.rules[0].rule.as_str(), lately.rules[0].count),
            ("a/x", 2)
        );
        let price = lately.policies["a"];
        assert_eq!((price.evaluations, price.failures), (3, 1));
        assert_eq!(
            (price.mean_us(), price.longest_us, price.mean_fuel()),
            (14, 30, 140)
        );
        assert_eq!(Price::default().mean_us(), 0);
    }

    #[test]
    fn a_shadow_is_compared_with_what_counted() {
        let (enforced, shadow) = (Run::Enforced, Run::Shadow);
        let steps = |rule| vec![step(rule, "accept", 1)];
        let lately = Lately::of(&[
            glimpse(1, enforced, Outcome::Accepted, steps("a/x")),
            glimpse(1, shadow, Outcome::Rejected, steps("s/no")),
            glimpse(2, enforced, Outcome::Accepted, steps("a/x")),
            glimpse(2, shadow, Outcome::Accepted, steps("s/yes")),
            glimpse(3, shadow, Outcome::Accepted, steps("s/yes")),
        ]);
        let count = &lately.shadows["s"];
        assert_eq!((count.compared, count.different), (2, 1));
        assert_eq!(count.examples[0].rule, "s/no");
        assert_eq!(count.examples[0].would_be.0, Outcome::Rejected);
    }
}
