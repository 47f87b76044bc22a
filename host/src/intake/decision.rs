//! Makes of a ruling what is kept of it: who, what about, and what each policy said.

use super::{Peer, Principal};
use crate::clock::Timestamp;
use crate::decision::{About, Decision, NewDecision, Outcome, Run, Stage, Step, addresses};
use crate::id::QueueId;
use crate::policy::{self, PolicySet, Ruling, types};

/// What a question to the policies is about.
pub fn about(
    (id, stage): (QueueId, Stage),
    peer: &Peer,
    principal: &Principal,
    envelope: &types::Envelope,
    from: &[types::Address],
) -> About {
    let account = &principal.account;
    About {
        id,
        at: Timestamp::now(),
        stage,
        list_id: Some(account.list.id),
        username: account.user.username.clone(),
        session_id: peer.session_id.clone(),
        sender: envelope.mail_from.as_ref().map(|path| path.full.clone()),
        from: addresses(from.iter().map(|one| one.full.as_str())),
        recipients: addresses(envelope.recipients.iter().map(|one| one.full.as_str())),
        recipient_count: u32::try_from(envelope.recipients.len()).unwrap_or(u32::MAX),
    }
}

/// What the policies of `set` decided; none when nobody was asked and nothing refused.
pub fn decision(about: About, set: &PolicySet, ruling: &Ruling) -> Option<NewDecision> {
    let refusal = ruling.refusal.as_ref();
    if ruling.steps.is_empty() && refusal.is_none() {
        return None;
    }
    let reply = refusal.map(|refusal| {
        let (class, subject, detail) = refusal.enhanced;
        let text = format!("{class}.{subject}.{detail} {}", refusal.text);
        (refusal.code, text)
    });
    let decision = Decision {
        about,
        run: Run::Enforced,
        generation: set.generation(),
        chain: set.record(),
        outcome: Outcome::of_reply(refusal.map(|refusal| refusal.code)),
        priority: ruling.priority,
        reply,
        steps: ruling.steps.iter().map(step).collect(),
    };
    Some(NewDecision {
        decision,
        request: None,
    })
}

fn step(step: &policy::Step) -> Step {
    Step {
        rule: step.rule.clone(),
        decision: step.decision.as_str().to_owned(),
        fuel: step.fuel,
        us: u64::try_from(step.duration.as_micros()).unwrap_or(u64::MAX),
        failure: step.failure.map(|failure| failure.as_str().to_owned()),
        facts: step.facts.clone(),
    }
}
