//! Combines what the policies of a chain answered, one after the other, into one ruling.
//!
//! Pure: asking the policies is [`super::PolicySet`]'s part.

use std::fmt;
use std::ops::ControlFlow;
use std::time::Duration;

use super::config::{DefaultDecision, OnFailure};
use super::effects::Effects;
use super::failure::{Failure, FailureKind};
use super::limits::LogLine;
use super::module::{Evaluation, PolicyInfo};
use super::types;
use super::verdict::{Judgement, Opinion, PolicyAlert, Refusal, host_priority, summary};
use crate::alert::Severity;
use crate::queue::Priority;

/// What a chain of policies came to.
#[derive(Debug, Clone, Default)]
pub struct Ruling {
    /// What the client is told when it is refused; none when it may go on.
    pub refusal: Option<Refusal>,
    /// Effective priority after the last policy that was asked.
    pub priority: Priority,
    /// What the administrator should know, in the order it came up.
    pub alerts: Vec<PolicyAlert>,
    /// One for each policy that was asked, in order.
    pub steps: Vec<Step>,
    /// What is to be done to the message; nothing when it is refused.
    pub effects: Effects,
}

impl Ruling {
    /// Whether a policy failed on what it was asked, and would again. One that had no time for it did not.
    pub fn has_failure(&self) -> bool {
        self.steps.iter().any(|step| {
            step.decision == StepDecision::Failed && step.failure != Some(FailureKind::Saturated)
        })
    }
}

/// What one policy of a chain came to.
#[derive(Debug, Clone)]
pub struct Step {
    /// The policy by its name in the configuration.
    pub policy: String,
    /// The version the policy states of itself.
    pub version: String,
    /// What it decided.
    pub decision: StepDecision,
    /// The policy's name and the rule that decided, for example `sender-rules/authorized-domain`;
    /// after a failure `sender-rules/failure:deadline`.
    pub rule: String,
    /// Fuel it took; none when the verdict was remembered. Of an evaluation that ran out of time only what was counted
    /// until its last call of a function.
    pub fuel: u64,
    /// Effective priority after it.
    pub priority: Priority,
    /// How long it took, instantiation included, waiting for its turn excluded.
    pub duration: Duration,
    /// Why it gave no usable verdict, or no usable reply.
    pub failure: Option<FailureKind>,
    /// Names and values the policy wants logged.
    pub facts: Vec<(String, String)>,
    /// What it wrote to the log, where that is kept.
    pub log: Vec<LogLine>,
}

/// What one policy decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepDecision {
    /// No opinion.
    Pass,
    /// Allowed as far as this policy is concerned.
    Accept,
    /// Refused for good.
    Reject,
    /// Refused for now.
    Defer,
    /// Nothing: it failed.
    Failed,
}

impl StepDecision {
    /// The lower-case name logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Defer => "defer",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for StepDecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&Opinion> for StepDecision {
    fn from(opinion: &Opinion) -> Self {
        match opinion {
            Opinion::Pass => Self::Pass,
            Opinion::Accept => Self::Accept,
            Opinion::Refuse(refusal) if refusal.is_temporary() => Self::Defer,
            Opinion::Refuse(_) => Self::Reject,
        }
    }
}

/// The state between two policies of a chain.
#[derive(Debug, Default)]
pub(super) struct Chain {
    ruling: Ruling,
    accepted: bool,
}

impl Chain {
    /// A chain whose first policy finds this priority decided.
    pub fn beginning_with(priority: types::Priority) -> Self {
        let mut chain = Self::default();
        chain.ruling.priority = host_priority(priority);
        chain
    }

    /// Effective priority so far.
    pub fn priority(&self) -> Priority {
        self.ruling.priority
    }

    /// Takes in what a policy answered; [`ControlFlow::Break`] ends the chain.
    pub fn add(
        &mut self,
        policy: &PolicyInfo,
        on_failure: OnFailure,
        evaluation: Evaluation,
    ) -> ControlFlow<()> {
        let (fuel, duration) = (evaluation.fuel, evaluation.duration);
        let effects = evaluation.draft.map(|draft| draft.effects);
        let log = evaluation.log;
        let judgement = evaluation
            .result
            .map(|verdict| Judgement::from_verdict(&policy.name, verdict));
        let mut step = match judgement {
            Ok(judgement) => match judgement.bad_reply {
                // `on-failure = "accept"` may let a message pass that nobody judged, but not one that was refused.
                Some(problem) if on_failure != OnFailure::Accept => {
                    let failure = Failure::new(FailureKind::BadVerdict, problem);
                    self.failed(policy, on_failure, failure)
                }
                _ => {
                    self.ruling.effects.extend(effects.unwrap_or_default());
                    self.judged(policy, judgement)
                }
            },
            Err(failure) => self.failed(policy, on_failure, failure),
        };
        (step.fuel, step.duration) = (fuel, duration);
        step.priority = self.ruling.priority;
        step.log = log;
        self.ruling.steps.push(step);
        match self.ruling.refusal {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    }

    /// The end of a chain at the message stage, where silence has a meaning.
    pub fn decide(mut self, default: DefaultDecision) -> Ruling {
        let refused = !self.accepted && default == DefaultDecision::Reject;
        if refused && self.ruling.refusal.is_none() {
            self.ruling.refusal = Some(Refusal::rejected());
        }
        if self.ruling.refusal.is_some() {
            self.ruling.effects = Effects::default();
        }
        self.ruling
    }

    /// The end of a chain at the envelope stage: what is not refused goes on.
    pub fn go_on(self) -> Ruling {
        self.ruling
    }

    fn judged(&mut self, policy: &PolicyInfo, judgement: Judgement) -> Step {
        let mut step = Step::new(
            policy,
            StepDecision::from(&judgement.opinion),
            &judgement.rule,
        );
        step.facts = judgement.facts;
        self.ruling.alerts.extend(judgement.alerts);
        self.ruling.priority = judgement.priority.unwrap_or(self.ruling.priority);
        if let Some(problem) = judgement.bad_reply {
            // The decision is clear and stands; only its wording is the host's.
            step.failure = Some(FailureKind::BadVerdict);
            self.alert(
                policy,
                &Failure::new(FailureKind::BadVerdict, problem),
                Severity::Warning,
            );
        }
        match judgement.opinion {
            Opinion::Pass => {}
            Opinion::Accept => self.accepted = true,
            Opinion::Refuse(refusal) => self.ruling.refusal = Some(refusal),
        }
        step
    }

    fn failed(&mut self, policy: &PolicyInfo, on_failure: OnFailure, failure: Failure) -> Step {
        self.alert(policy, &failure, Severity::Critical);
        self.ruling.refusal = match (failure.kind, on_failure) {
            (FailureKind::Saturated, _) => Some(Refusal::saturated()),
            (_, OnFailure::Defer) => Some(Refusal::failed(true)),
            (_, OnFailure::Reject) => Some(Refusal::failed(false)),
            (_, OnFailure::Accept) => None,
        };
        self.accepted |= self.ruling.refusal.is_none();
        let rule = format!("failure:{}", failure.kind);
        let mut step = Step::new(policy, StepDecision::Failed, &rule);
        step.failure = Some(failure.kind);
        step
    }

    fn alert(&mut self, policy: &PolicyInfo, failure: &Failure, severity: Severity) {
        let text = format!(
            "policy {} failed ({}): {}",
            policy.name, failure.kind, failure.detail
        );
        let alert = PolicyAlert {
            policy: policy.name.clone(),
            severity,
            code: "policy-failure".to_owned(),
            summary: summary(&text),
        };
        self.ruling.alerts.push(alert);
    }
}

impl Step {
    /// Whether the verdict was remembered: an evaluation takes some fuel.
    pub fn is_remembered(&self) -> bool {
        self.fuel == 0 && self.failure.is_none()
    }

    fn new(policy: &PolicyInfo, decision: StepDecision, rule: &str) -> Self {
        Self {
            policy: policy.name.clone(),
            version: policy.version.clone(),
            decision,
            rule: format!("{}/{rule}", policy.name),
            fuel: 0,
            priority: Priority::default(),
            duration: Duration::ZERO,
            failure: None,
            facts: Vec::new(),
            log: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::types::{Decision, EnhancedCode, Reply, Verdict};

    fn policy(name: &str) -> PolicyInfo {
        PolicyInfo {
            name: name.to_owned(),
            ..PolicyInfo::default()
        }
    }

    fn says(decision: Decision, priority: Option<types::Priority>) -> Evaluation {
        Evaluation {
            result: Ok(Verdict {
                decision,
                priority,
                alerts: vec![],
                rule: "r".to_owned(),
                facts: vec![],
            }),
            fuel: 7,
            duration: Duration::from_micros(9),
            memory_bytes: 0,
            log: vec![],
            draft: None,
        }
    }

    fn fails(kind: FailureKind) -> Evaluation {
        Evaluation {
            result: Err(Failure::new(kind, "what\r\nhappened")),
            fuel: 0,
            duration: Duration::ZERO,
            memory_bytes: 0,
            log: vec![],
            draft: None,
        }
    }

    fn run(
        default: DefaultDecision,
        answers: impl IntoIterator<Item = (OnFailure, Evaluation)>,
    ) -> Ruling {
        let mut chain = Chain::default();
        for (on_failure, evaluation) in answers {
            if chain.add(&policy("p"), on_failure, evaluation).is_break() {
                break;
            }
        }
        chain.decide(default)
    }

    fn code(ruling: &Ruling) -> Option<(u16, (u8, u16, u16))> {
        ruling.refusal.as_ref().map(|r| (r.code, r.enhanced))
    }

    #[test]
    fn silence_means_the_default_and_one_accept_is_enough() {
        use DefaultDecision::{Accept, Reject};
        let rejected = Some((550, (5, 7, 1)));
        let pass = || says(Decision::Pass, None);
        let accept = || says(Decision::Accept, None);
        let cases = [
            (Accept, vec![], None),
            (Reject, vec![], rejected),
            (Accept, vec![pass(), pass()], None),
            (Reject, vec![pass(), pass()], rejected),
            (Reject, vec![pass(), accept(), pass()], None),
            (
                Accept,
                vec![accept(), says(Decision::Reject(None), None)],
                rejected,
            ),
        ];
        for (default, answers, expected) in cases {
            let answers = answers.into_iter().map(|a| (OnFailure::Defer, a));
            assert_eq!(code(&run(default, answers)), expected);
        }
    }

    #[test]
    fn the_first_refusal_ends_the_chain() {
        let ruling = run(
            DefaultDecision::Accept,
            [
                (OnFailure::Defer, says(Decision::Defer(None), None)),
                (OnFailure::Defer, says(Decision::Reject(None), None)),
            ],
        );
        assert_eq!(code(&ruling), Some((451, (4, 7, 1))));
        assert_eq!(ruling.steps.len(), 1);
        assert_eq!(ruling.steps[0].decision, StepDecision::Defer);
        assert_eq!(ruling.steps[0].fuel, 7);
    }

    #[test]
    fn priority_is_handed_on_until_a_policy_replaces_it() {
        let ruling = run(
            DefaultDecision::Accept,
            [
                Some(types::Priority::Low),
                None,
                Some(types::Priority::Highest),
                None,
            ]
            .map(|priority| (OnFailure::Defer, says(Decision::Pass, priority))),
        );
        assert_eq!(ruling.priority, Priority::Highest);
        assert_eq!(run(DefaultDecision::Accept, []).priority, Priority::Normal);
    }

    #[test]
    fn a_failure_is_what_on_failure_says_and_always_an_alert() {
        let cases = [
            (FailureKind::Trap, OnFailure::Defer, Some((451, (4, 7, 1)))),
            (FailureKind::Fuel, OnFailure::Reject, Some((550, (5, 7, 1)))),
            (FailureKind::Memory, OnFailure::Accept, None),
            (
                FailureKind::Saturated,
                OnFailure::Accept,
                Some((451, (4, 3, 2))),
            ),
        ];
        for (kind, on_failure, expected) in cases {
            let ruling = run(DefaultDecision::Reject, [(on_failure, fails(kind))]);
            assert_eq!(code(&ruling), expected, "{kind}");
            assert_eq!(ruling.steps[0].failure, Some(kind));
            assert_eq!(ruling.steps[0].rule, format!("p/failure:{kind}"));
            assert_eq!(ruling.alerts.len(), 1);
            assert_eq!(ruling.alerts[0].code, "policy-failure");
            assert!(!ruling.alerts[0].summary.contains(['\r', '\n']));
        }
    }

    #[test]
    fn a_bad_reply_is_a_failure_that_never_accepts() {
        let reply = Reply {
            code: 250,
            enhanced: EnhancedCode {
                class: 2,
                subject: 0,
                detail: 0,
            },
            text: "ok".to_owned(),
        };
        let cases = [
            (OnFailure::Defer, (451, (4, 7, 1))),
            (OnFailure::Reject, (550, (5, 7, 1))),
            (OnFailure::Accept, (550, (5, 7, 1))),
        ];
        for (on_failure, expected) in cases {
            let verdict = says(Decision::Reject(Some(reply.clone())), None);
            let ruling = run(DefaultDecision::Accept, [(on_failure, verdict)]);
            assert_eq!(code(&ruling), Some(expected));
            assert_eq!(ruling.steps[0].failure, Some(FailureKind::BadVerdict));
            assert_eq!(ruling.alerts.len(), 1);
        }
    }
}
