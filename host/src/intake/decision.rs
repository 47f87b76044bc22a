//! Makes of a ruling what is kept of it: who, what about, and what each policy said.

use std::sync::Arc;

use super::{Peer, Principal};
use crate::clock::Timestamp;
use crate::decision::{
    About, Chain, Decision, NewDecision, Outcome, RefusedHeader, Run, Stage, Step, addresses,
};
use crate::id::QueueId;
use crate::policy::document::{self, Request};
use crate::policy::{self, PolicySet, Ruling, Shadowed, types};

/// What was asked about: an envelope, and the stage with what it has.
pub type Matter<'a> = (&'a types::Envelope, &'a document::Stage);

/// The matter of a request.
pub fn matter(asked: &Request) -> Matter<'_> {
    (&asked.envelope, &asked.stage)
}

/// What the policies of `set` decided about `asked`, with the request where it is to be recorded.
pub fn decision(
    id: QueueId,
    who: (&Peer, &Principal),
    set: &PolicySet,
    asked: &Request,
    ruling: &Ruling,
) -> NewDecision {
    NewDecision {
        request: set.recording().document(id, asked),
        ..unrecorded(id, who, set, matter(asked), ruling)
    }
}

/// The same without the request. Where there are no policies it is kept too: the statistics count messages by their
/// decisions.
pub fn unrecorded(
    id: QueueId,
    (peer, principal): (&Peer, &Principal),
    set: &PolicySet,
    matter: Matter<'_>,
    ruling: &Ruling,
) -> NewDecision {
    let mut about = about(id, peer, principal, matter);
    if ruling.refusal.is_some() {
        about.header = refused_header(matter.1);
    }
    let by = (Run::Enforced, set.generation(), set.record());
    NewDecision {
        decision: made(about, by, ruling),
        request: None,
    }
}

/// None before there is a message.
fn refused_header(stage: &document::Stage) -> Option<RefusedHeader> {
    let document::Stage::Message { message, .. } = stage else {
        return None;
    };
    let mut facts = message.facts.iter();
    let message_id = facts.rfind(|fact| fact.name == "message-id");
    Some(RefusedHeader {
        subject: message.subject.clone(),
        message_id: message_id.map_or_else(String::new, |fact| fact.value.clone()),
    })
}

/// What a policy in mode `shadow` would have decided.
pub fn shadowed(about: About, generation: u64, shadowed: Shadowed) -> NewDecision {
    let by = (Run::Shadow, generation, shadowed.chain);
    NewDecision {
        decision: made(about, by, &shadowed.ruling),
        request: None,
    }
}

fn made(
    about: About,
    (run, generation, chain): (Run, u64, Arc<Chain>),
    ruling: &Ruling,
) -> Decision {
    let refusal = ruling.refusal.as_ref();
    let reply = refusal.map(|refusal| {
        let (class, subject, detail) = refusal.enhanced;
        let text = format!("{class}.{subject}.{detail} {}", refusal.text);
        (refusal.code, text)
    });
    Decision {
        about,
        run,
        generation,
        chain,
        outcome: Outcome::of_reply(refusal.map(|refusal| refusal.code)),
        priority: ruling.priority,
        reply,
        steps: ruling.steps.iter().map(step).collect(),
        effects: ruling.effects.lines(),
    }
}

/// Who asked about what.
pub fn about(
    id: QueueId,
    peer: &Peer,
    principal: &Principal,
    (envelope, stage): Matter<'_>,
) -> About {
    let account = &principal.account;
    let mut about = About {
        id,
        at: Timestamp::now(),
        stage: Stage::Message,
        list_id: Some(account.list.id),
        username: account.user.username.clone(),
        session_id: peer.session_id.clone(),
        sender: envelope.mail_from.as_ref().map(|path| path.full.clone()),
        from: String::new(),
        recipients: full(&envelope.recipients),
        recipient_count: u32::try_from(envelope.recipients.len()).unwrap_or(u32::MAX),
        header: None,
    };
    match stage {
        document::Stage::Message { message, .. } => about.from = full(&message.header_from),
        document::Stage::Sender(sender) => {
            about.stage = Stage::Sender;
            about.sender = sender.as_ref().map(|path| path.full.clone());
        }
        document::Stage::Recipient(recipient) => {
            about.stage = Stage::Recipient;
            about.recipients = full(std::slice::from_ref(recipient));
            about.recipient_count = 1;
        }
    }
    about
}

fn full(list: &[types::Address]) -> String {
    addresses(list.iter().map(|address| address.full.as_str()))
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
