//! What a policy in mode `shadow` decided about real mail, beside what was done. Nothing is asked again, so no
//! request need be recorded.

use std::collections::BTreeMap;

use super::compare::{Answer, Change, Comparison, Subject};
use super::side::Described;
use crate::cli::Failure;
use crate::cli::decision_output::ListNames;
use crate::decision::{Decision, DecisionFilter, Outcome, Policy, Run, Stage};
use crate::store::Store;

/// Decisions read from the store at once; far more than there are about one message.
const PAGE: u32 = 512;
/// Versions of a policy that are named; they change while it is tried out.
const VERSIONS: usize = 5;

/// Which policy is compared, and with what.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The policy in shadow, by its name in the configuration.
    pub name: String,
    /// The policy whose place it would take; none: it would be asked beside the others.
    pub instead_of: Option<String>,
}

/// A comparison with what its sides are.
#[derive(Debug)]
pub struct Compared {
    /// What differs.
    pub comparison: Comparison,
    /// What was in force.
    pub old: Described,
    /// What was in shadow.
    pub new: Described,
}

/// Compares what the candidate decided about messages with what was done.
///
/// # Errors
/// When the store cannot be read.
pub async fn compare(
    store: &Store,
    filter: DecisionFilter,
    candidate: &Candidate,
) -> Result<Compared, Failure> {
    let lists = ListNames::read(store).await?;
    let filter = DecisionFilter {
        limit: PAGE,
        ..filter
    };
    let (mut comparison, mut sides) = (Comparison::default(), Sides::default());
    let mut after = None;
    loop {
        let page = store.decisions_beside_shadows(&filter, after).await?;
        let is_last = page.len() < PAGE as usize;
        let whole = whole_messages(&page, is_last);
        for about_one in whole.chunk_by(|one, other| one.about.id == other.about.id) {
            if let Some((counted, shadow)) = candidate.pair(about_one) {
                sides.note(counted, shadow);
                let (old, new) = candidate.answers(counted, shadow);
                comparison.add(Subject::of_decision(counted, &lists), &old, &new);
            }
        }
        after = whole.last().map(|last| last.about.id);
        if is_last {
            break;
        }
    }
    Ok(Compared {
        comparison,
        old: Described::of("in force", &each_once(&sides.old)),
        new: Described::of("in shadow", &each_once(&sides.new)),
    })
}

/// The page without the decisions about its last message, of which there may be more on the next one.
fn whole_messages(page: &[Decision], is_last: bool) -> &[Decision] {
    let id = |decision: &Decision| decision.about.id;
    let Some(last) = page.last().map(id).filter(|_| !is_last) else {
        return page;
    };
    let end = page.partition_point(|one| id(one) < last);
    if end == 0 { page } else { &page[..end] }
}

impl Candidate {
    /// What was done with a message and what the candidate says of it; none when it was not asked.
    fn pair<'a>(&self, about_one: &'a [Decision]) -> Option<(&'a Decision, &'a Decision)> {
        let of_messages = || {
            about_one
                .iter()
                .filter(|one| one.about.stage == Stage::Message)
        };
        let counted = of_messages().find(|one| one.run == Run::Enforced)?;
        let mut shadows = of_messages().filter(|one| one.run == Run::Shadow);
        let is_candidate =
            |one: &&Decision| one.steps.iter().any(|step| step.policy() == self.name);
        Some((counted, shadows.find(is_candidate)?))
    }

    /// What was done, and what would have been done.
    fn answers(&self, counted: &Decision, shadow: &Decision) -> (Answer, Answer) {
        let (old, said) = (Answer::from(counted), Answer::from(shadow));
        let new = match &self.instead_of {
            Some(name) => instead(name, counted, &old, said),
            None => beside(&old, said),
        };
        (old, new)
    }
}

/// The candidate as one more policy: it can refuse what was taken, and take nothing that was refused. Which priority
/// a message would have had in the end is not told by what is kept.
fn beside(old: &Answer, said: Answer) -> Answer {
    if old.outcome != Outcome::Accepted {
        return old.clone();
    }
    let mut new = Answer {
        priority: old.priority,
        effects: [old.effects.clone(), said.effects.clone()].concat(),
        ..said
    };
    // One rule more is what it is about, and no change by itself.
    let rules = std::mem::replace(&mut new.rules, old.rules.clone());
    if Change::between(old, &new).is_some() {
        new.rules.extend(rules);
    }
    new
}

/// The candidate in the place of the policy `name`.
fn instead(name: &str, counted: &Decision, old: &Answer, said: Answer) -> Answer {
    let steps = &counted.steps;
    let refused_by = steps.last().filter(|_| old.outcome != Outcome::Accepted);
    // Another policy refused it, and would again.
    if refused_by.is_some_and(|step| step.policy() != name) {
        return old.clone();
    }
    // Told under the name of the one it replaces, so that the same rule is no change.
    let renamed = said.rules.iter().map(|rule| match rule.split_once('/') {
        Some((_, rule)) => format!("{name}/{rule}"),
        None => rule.clone(),
    });
    let mut rules = Vec::new();
    for step in steps {
        match step.policy() == name {
            true => rules.extend(renamed.clone()),
            false => rules.push(step.rule.clone()),
        }
    }
    let is_alone = steps.len() == 1;
    Answer {
        // Whose effects they are is not kept; those of a policy that was alone are its own.
        effects: if is_alone {
            said.effects
        } else {
            old.effects.clone()
        },
        rules,
        ..said
    }
}

/// The policies that decided, as far as they were met.
#[derive(Default)]
struct Sides {
    old: BTreeMap<i64, Vec<Policy>>,
    new: BTreeMap<i64, Vec<Policy>>,
}

impl Sides {
    fn note(&mut self, counted: &Decision, shadow: &Decision) {
        for (side, decision) in [(&mut self.old, counted), (&mut self.new, shadow)] {
            let chain = &decision.chain;
            if side.len() < VERSIONS || side.contains_key(&chain.id()) {
                side.entry(chain.id())
                    .or_insert_with(|| chain.policies().to_vec());
            }
        }
    }
}

/// All policies of these chains.
fn each_once(chains: &BTreeMap<i64, Vec<Policy>>) -> Vec<Policy> {
    let mut policies: Vec<Policy> = Vec::new();
    for policy in chains.values().flatten() {
        if !policies.contains(policy) {
            policies.push(policy.clone());
        }
    }
    policies
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::decision::{About, Chain, Step};
    use crate::id::QueueId;
    use crate::queue::Priority;

    fn step(rule: &str, decision: &str) -> Step {
        Step {
            rule: rule.to_owned(),
            decision: decision.to_owned(),
            fuel: 1,
            us: 1,
            failure: None,
            facts: Vec::new(),
        }
    }

    fn decision(id: i64, run: Run, outcome: Outcome, steps: Vec<Step>) -> Decision {
        let refused = outcome != Outcome::Accepted;
        Decision {
            about: About {
                id: QueueId::from_i64(id),
                at: Timestamp::from_millis(id),
                stage: Stage::Message,
                list_id: None,
                username: "s1_1".to_owned(),
                session_id: String::new(),
                sender: None,
                from: String::new(),
                recipients: String::new(),
                recipient_count: 1,
                header: None,
            },
            run,
            generation: 1,
            chain: Arc::new(Chain::new(Vec::new())),
            outcome,
            priority: Priority::Normal,
            reply: refused.then(|| (550, format!("5.7.1 {outcome}"))),
            steps,
            effects: Vec::new(),
        }
    }

    /// How what was done differs from what would have been done.
    fn change(instead_of: Option<&str>, counted: &Decision, shadow: &Decision) -> Option<Change> {
        let candidate = Candidate {
            name: "new".to_owned(),
            instead_of: instead_of.map(str::to_owned),
        };
        let (old, new) = candidate.answers(counted, shadow);
        Change::between(&old, &new)
    }

    #[test]
    fn one_policy_more_can_refuse_and_nothing_else() {
        let taken = decision(
            1,
            Run::Enforced,
            Outcome::Accepted,
            vec![step("rules/ok", "accept")],
        );
        let refused = decision(
            1,
            Run::Enforced,
            Outcome::Rejected,
            vec![step("rules/no", "reject")],
        );
        let passes = decision(
            1,
            Run::Shadow,
            Outcome::Accepted,
            vec![step("new/pass", "pass")],
        );
        let refuses = decision(
            1,
            Run::Shadow,
            Outcome::Deferred,
            vec![step("new/late", "defer")],
        );
        let mut adds = passes.clone();
        adds.effects.push("add header X-A: b".to_owned());
        let cases = [
            (&taken, &passes, None),
            (&taken, &refuses, Some(Change::NewlyRefused)),
            (&taken, &adds, Some(Change::Effects)),
            (&refused, &passes, None),
            (&refused, &refuses, None),
        ];
        for (counted, shadow, expected) in cases {
            assert_eq!(
                change(None, counted, shadow),
                expected,
                "{counted:?} {shadow:?}"
            );
        }
    }

    #[test]
    fn in_the_place_of_another_it_takes_what_that_one_refused() {
        let by_old = vec![step("first/ok", "pass"), step("old/no", "reject")];
        let by_first = vec![step("first/no", "reject")];
        let taken = vec![step("first/ok", "pass"), step("old/ok", "accept")];
        let accepts = decision(
            1,
            Run::Shadow,
            Outcome::Accepted,
            vec![step("new/ok", "accept")],
        );
        let mut urgent = accepts.clone();
        urgent.priority = Priority::Highest;
        let enforced = |outcome, steps| decision(1, Run::Enforced, outcome, steps);
        let cases = [
            (
                enforced(Outcome::Rejected, by_old),
                &accepts,
                Some(Change::NewlyAccepted),
            ),
            (enforced(Outcome::Rejected, by_first), &accepts, None),
            (enforced(Outcome::Accepted, taken.clone()), &accepts, None),
            (
                enforced(Outcome::Accepted, taken),
                &urgent,
                Some(Change::Priority),
            ),
        ];
        for (counted, shadow, expected) in cases {
            assert_eq!(
                change(Some("old"), &counted, shadow),
                expected,
                "{counted:?}"
            );
        }
    }

    #[test]
    fn a_page_ends_with_a_whole_message() {
        let ids = [1, 1, 2, 2, 3];
        let page: Vec<Decision> = ids
            .into_iter()
            .map(|id| decision(id, Run::Shadow, Outcome::Accepted, Vec::new()))
            .collect();
        assert_eq!(whole_messages(&page, false).len(), 4);
        assert_eq!(whole_messages(&page, true).len(), 5);
        assert_eq!(whole_messages(&page[..2], false).len(), 2, "it goes on");
    }
}
