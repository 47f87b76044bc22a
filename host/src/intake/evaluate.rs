//! What a ruling leaves behind: alerts for the administrators, one log line, the names of its rules.

use tracing::{debug, info};

use super::{Peer, Principal};
use crate::alert::{About, Kind, NewAlert};
use crate::clock::Timestamp;
use crate::decision::NewDecision;
use crate::metrics::{self, Evaluation};
use crate::policy::{Ruling, Step};

/// The alerts of a ruling, as the store keeps them, with the message that was decided about.
pub fn alerts(
    ruling: &Ruling,
    principal: &Principal,
    decided: Option<&NewDecision>,
    at: Timestamp,
) -> Vec<NewAlert> {
    let account = &principal.account;
    let alert = |raised: &crate::policy::PolicyAlert| {
        let (kind, summary) = (Kind::of_policy(&raised.code), raised.summary.clone());
        let rule = rule(&ruling.steps, &raised.policy);
        let alert = NewAlert::new(kind, raised.severity, summary, at);
        alert
            .of(Some(account.list.id), &account.user.username)
            .about(about(decided, rule.clone()))
            // Not the summary: a client that varies its address would make a row for each.
            .keyed(rule)
    };
    ruling.alerts.iter().map(alert).collect()
}

fn about(decided: Option<&NewDecision>, rule: String) -> About {
    let Some(about) = decided.map(|decided| &decided.decision.about) else {
        return About {
            rule,
            ..About::default()
        };
    };
    let sender = match about.from.as_str() {
        "" => about.sender.clone().unwrap_or_default(),
        from => from.to_owned(),
    };
    About {
        message: Some(about.id),
        sender,
        rule,
    }
}

/// The rules that were applied, in the order of the chain.
pub fn rules(steps: &[Step]) -> String {
    let names: Vec<&str> = steps.iter().map(|step| step.rule.as_str()).collect();
    names.join(" ")
}

/// The rule that a policy decided by, for example `sender-rules/unauthorized-block`.
fn rule(steps: &[Step], policy: &str) -> String {
    let step = steps.iter().find(|step| step.policy == policy);
    step.map_or_else(|| policy.to_owned(), |step| step.rule.clone())
}

/// Tells the metrics what the policies decided and what it took.
pub fn count(ruling: &Ruling) {
    for step in &ruling.steps {
        metrics::evaluated(&Evaluation {
            policy: &step.policy,
            decision: step.decision.as_str(),
            took: (!step.is_remembered()).then_some((step.duration, step.fuel)),
            failure: step.failure.map(|failure| failure.as_str()),
        });
    }
    if let Some(refusal) = &ruling.refusal {
        metrics::refused(refusal.code >= 500);
    }
}

/// One line per refusal at `info`; what passed is told with the message that was accepted.
pub fn log(ruling: &Ruling, peer: &Peer, principal: &Principal) {
    let Some(refusal) = &ruling.refusal else {
        return;
    };
    info!(
        session.id = peer.session_id,
        user = principal.account.user.username,
        code = refusal.code,
        rule = rules(&ruling.steps),
        reply = refusal.text,
        "refused by policy"
    );
}

/// One line at `debug` for what a policy in mode `shadow` would have decided; the decision is kept.
pub fn log_shadow(shadow: &NewDecision) {
    let decision = &shadow.decision;
    for step in &decision.steps {
        debug!(
            queue.id = %decision.about.id,
            session.id = decision.about.session_id,
            user = decision.about.username,
            rule = step.rule,
            decision = step.decision,
            fuel = step.fuel,
            duration_us = step.us,
            failure = step.failure.as_deref().unwrap_or_default(),
            priority = decision.priority.number(),
            "a policy in shadow would have decided"
        );
    }
}
