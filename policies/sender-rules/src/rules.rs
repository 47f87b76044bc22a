//! The rules of sender authorization, for a whole message and for its MAIL command alone.

use policy_kit::allowed::Allowed;

use crate::alerts::{self, Outcome};
use crate::bindings::gatepost::policy::types::{
    Address, Alert, Decision, Fact, Identity, Message, Originators, Priority, Reply, Verdict,
};
use crate::reply;
use crate::settings::{Place, Settings, Unauthorized};

/// The rule that decided, as metrics and policy diffs know it. The names never change.
mod rule {
    pub const UNRESTRICTED: &str = "unrestricted";
    pub const AUTHORIZED: &str = "authorized";
    pub const UNAUTHORIZED_ALERT: &str = "unauthorized-alert";
    pub const UNAUTHORIZED_BLOCK: &str = "unauthorized-block";
    pub const ORIGINATOR_MISSING: &str = "originator-missing";
    pub const ORIGINATOR_UNREADABLE: &str = "originator-unreadable";
    pub const NULL_SENDER: &str = "null-sender";
    pub const ENVELOPE_UNCHECKED: &str = "envelope-unchecked";
    pub const RECIPIENT_UNCHECKED: &str = "recipient-unchecked";
}

/// Names the place of the first unauthorized address in the decision log.
const FACT_PLACE: &str = "x.place";
/// Names the first unauthorized address in the decision log.
const FACT_ADDRESS: &str = "x.address";

/// An address that a message claims as its sender's, and where.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Where it stands.
    pub place: Place,
    /// The address.
    pub address: &'a Address,
}

impl Claim<'_> {
    fn is_within(&self, allowed: &Allowed) -> bool {
        allowed.covers(&self.address.local_part, &self.address.domain)
    }
}

/// What a user may send as.
fn allowed_to(identity: &Identity) -> Allowed<'_> {
    Allowed::of(&identity.authorized_domains, &identity.authorized_senders)
}

/// Why the sender of a message cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// No From field, or none with a mailbox.
    Missing,
    /// A From or Sender field has a part that is not a mailbox.
    Unreadable,
}

impl Malformed {
    /// What is wrong with the fields that `settings` has checked.
    ///
    /// The host does not say which of the two fields is unreadable, so either one counts as soon as
    /// one of them is checked.
    fn of(settings: Settings, message: &Message) -> Option<Self> {
        let from = settings.check.includes(Place::From);
        let header = from || settings.check.includes(Place::Sender);
        match message.originators {
            Originators::Unreadable => header.then_some(Self::Unreadable),
            Originators::Missing => from.then_some(Self::Missing),
            Originators::Complete => {
                (from && message.header_from.is_empty()).then_some(Self::Missing)
            }
        }
    }

    const fn rule(self) -> &'static str {
        match self {
            Self::Missing => rule::ORIGINATOR_MISSING,
            Self::Unreadable => rule::ORIGINATOR_UNREADABLE,
        }
    }
}

/// Decides about a message: all its checked addresses must be authorized.
pub fn judge_message(
    settings: Settings,
    identity: &Identity,
    message: &Message,
    reverse_path: Option<&Address>,
) -> Verdict {
    let allowed = allowed_to(identity);
    let malformed = Malformed::of(settings, message);
    let claims = unauthorized(settings, &allowed, message, reverse_path);
    if let Some(malformed) = malformed {
        return judge_malformed(settings, identity, &allowed, malformed, &claims);
    }
    let Some(first) = claims.first() else {
        return accepted(&allowed);
    };
    let outcome = Outcome::of(settings.unauthorized);
    let alert = alerts::not_authorized(&claims, &identity.username, outcome);
    let facts = facts(first);
    match settings.unauthorized {
        Unauthorized::Alert => Verdict {
            facts,
            ..verdict(Decision::Accept, rule::UNAUTHORIZED_ALERT, vec![alert])
        },
        Unauthorized::Block => {
            let reply = reply::not_authorized(first, &identity.username, &allowed);
            Verdict {
                facts,
                ..refusal(reply, rule::UNAUTHORIZED_BLOCK, vec![alert])
            }
        }
    }
}

/// Decides about the reverse-path alone, before the upload. Lets pass whatever the message stage
/// would not block.
pub fn judge_sender(
    settings: Settings,
    identity: &Identity,
    reverse_path: Option<&Address>,
) -> Verdict {
    let Some(address) = reverse_path else {
        return passed(rule::NULL_SENDER);
    };
    if !settings.check.includes(Place::Envelope) {
        return passed(rule::ENVELOPE_UNCHECKED);
    }
    let allowed = allowed_to(identity);
    if allowed.covers(&address.local_part, &address.domain) {
        return accepted(&allowed);
    }
    if settings.unauthorized == Unauthorized::Alert {
        return passed(rule::UNAUTHORIZED_ALERT);
    }
    let claim = Claim {
        place: Place::Envelope,
        address,
    };
    let alert = alerts::not_authorized(&[claim], &identity.username, Outcome::BlockedAtMail);
    let reply = reply::not_authorized(&claim, &identity.username, &allowed);
    Verdict {
        facts: facts(&claim),
        ..refusal(reply, rule::UNAUTHORIZED_BLOCK, vec![alert])
    }
}

/// Has no opinion about recipients.
pub fn judge_recipient() -> Verdict {
    passed(rule::RECIPIENT_UNCHECKED)
}

/// The verdict with a priority, unless it refuses the message.
pub fn prioritised(verdict: Verdict, priority: Priority) -> Verdict {
    match verdict.decision {
        Decision::Accept | Decision::Pass => Verdict {
            priority: Some(priority),
            ..verdict
        },
        Decision::Reject(_) | Decision::Defer(_) => verdict,
    }
}

/// The checked addresses that are not authorized, at most one more than an alert names.
fn unauthorized<'a>(
    settings: Settings,
    allowed: &Allowed,
    message: &'a Message,
    reverse_path: Option<&'a Address>,
) -> Vec<Claim<'a>> {
    let claim = |place| move |address| Claim { place, address };
    let from = message.header_from.iter().map(claim(Place::From));
    let sender = message.header_sender.iter().map(claim(Place::Sender));
    let envelope = reverse_path.into_iter().map(claim(Place::Envelope));
    from.chain(sender)
        .chain(envelope)
        .filter(|claim| settings.check.includes(claim.place) && !claim.is_within(allowed))
        .take(alerts::MAX_CLAIMS + 1)
        .collect()
}

/// Decides about a message whose sender cannot be told: in block mode nobody may send it.
fn judge_malformed(
    settings: Settings,
    identity: &Identity,
    allowed: &Allowed,
    malformed: Malformed,
    claims: &[Claim],
) -> Verdict {
    let outcome = Outcome::of(settings.unauthorized);
    let username = &identity.username;
    let mut alerts = vec![alerts::malformed(malformed, username, outcome)];
    if !claims.is_empty() {
        alerts.push(alerts::not_authorized(claims, username, outcome));
    } else if !allowed.is_everyone() {
        alerts.push(alerts::unknown_sender(malformed, username, outcome));
    }
    match settings.unauthorized {
        Unauthorized::Alert => verdict(Decision::Accept, malformed.rule(), alerts),
        Unauthorized::Block => refusal(reply::malformed(malformed), malformed.rule(), alerts),
    }
}

fn accepted(allowed: &Allowed) -> Verdict {
    let rule = if allowed.is_everyone() {
        rule::UNRESTRICTED
    } else {
        rule::AUTHORIZED
    };
    verdict(Decision::Accept, rule, Vec::new())
}

fn passed(rule: &str) -> Verdict {
    verdict(Decision::Pass, rule, Vec::new())
}

fn refusal(reply: Reply, rule: &str, alerts: Vec<Alert>) -> Verdict {
    verdict(Decision::Reject(Some(reply)), rule, alerts)
}

fn verdict(decision: Decision, rule: &str, alerts: Vec<Alert>) -> Verdict {
    Verdict {
        decision,
        priority: None,
        alerts,
        rule: rule.to_owned(),
        facts: Vec::new(),
    }
}

fn facts(claim: &Claim) -> Vec<Fact> {
    let fact = |name: &str, value: &str| Fact {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    vec![
        fact(FACT_PLACE, claim.place.word()),
        fact(FACT_ADDRESS, &claim.address.full),
    ]
}

#[cfg(test)]
mod tests;
