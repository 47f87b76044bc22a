//! Verdicts that policies have given about one user's messages, so that they are not asked what they said.
//!
//! Only of policies that say what their verdicts depend on (`needs` of `wit/policy.wit`), and only verdicts that leave
//! nothing behind: no refusal, alert or fact. The memory belongs to a user as it is now: with the next change of an
//! account it begins anew, and with the next policies as well.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::PolicySet;
use super::chain::{Chain, Ruling};
use super::config::Mode;
use super::module::{Evaluation, Policy, Question};
use super::types::{Address, Decision, Envelope, Message, Priority, Verdict};

/// Verdicts that are remembered of a user. Default 8: a program sends as one or a few, and few policies can be remembered.
const MAX_VERDICTS: usize = 8;

/// The verdicts about messages of one user, by one set of policies.
#[derive(Debug, Default)]
pub struct KnownVerdicts(Mutex<Verdicts>);

#[derive(Debug, Default)]
struct Verdicts {
    /// The set that gave them.
    generation: u64,
    known: Vec<Known>,
}

/// A verdict without refusal, alerts and facts.
#[derive(Debug)]
struct Known {
    key: Key,
    is_accept: bool,
    priority: Option<Priority>,
    rule: Arc<str>,
}

/// The digest of a policy's name and of everything its verdict depends on beside the user and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u8; 32]);

impl Key {
    /// None when the verdict depends on more, or is about no message.
    pub fn of(policy: &Policy, question: &Question) -> Option<Self> {
        match question {
            Question::Message(request) => {
                let (envelope, message) = (&request.envelope, &request.message);
                Self::about(policy, envelope, message, request.effective_priority)
            }
            Question::Sender(..) | Question::Recipient(..) => None,
        }
    }

    /// None when the verdict depends on more.
    pub fn about(
        policy: &Policy,
        envelope: &Envelope,
        message: &Message,
        effective_priority: Priority,
    ) -> Option<Self> {
        if !policy.remembers_verdicts() {
            return None;
        }
        let requested = message.requested_priority;
        let mut digest = Digest::default();
        digest.text(&policy.info.name);
        digest.addresses(envelope.mail_from.as_slice());
        digest.addresses(&message.header_from);
        digest.addresses(&message.header_sender);
        digest.octets(&[
            message.originators as u8,
            requested.map_or(u8::MAX, |asked| asked as u8),
            effective_priority as u8,
        ]);
        Some(Self(digest.0.finalize().into()))
    }
}

/// Lengths are part of it, so that different lists are never the same octets.
#[derive(Default)]
struct Digest(blake3::Hasher);

impl Digest {
    fn octets(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    fn number(&mut self, number: usize) {
        self.octets(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.octets(text.as_bytes());
    }

    fn addresses(&mut self, addresses: &[Address]) {
        self.number(addresses.len());
        for address in addresses {
            self.text(&address.full);
            self.text(&address.local_part);
            self.text(&address.domain);
        }
    }
}

impl PolicySet {
    /// The ruling on a message when every policy has said its part before, and nobody else wants to know what is asked:
    /// then only the originators and the priority of `message` need to be there.
    pub fn recall(
        &self,
        envelope: &Envelope,
        message: &Message,
        memory: &KnownVerdicts,
    ) -> Option<Ruling> {
        let is_shadow = |policy: &Policy| policy.info.mode == Mode::Shadow;
        if self.config.record.enabled || self.chain.iter().any(is_shadow) {
            return None;
        }
        let mut chain = Chain::default();
        for policy in self.enforced() {
            let key = Key::about(policy, envelope, message, chain.priority().into())?;
            let evaluation = memory.recall(self.generation, key)?;
            // What is remembered refuses nothing.
            let _ = chain.add(&policy.info, policy.on_failure, evaluation);
        }
        Some(chain.decide(self.config.default))
    }
}

impl KnownVerdicts {
    /// What the policies of this generation have answered to the question with this key.
    pub(super) fn recall(&self, generation: u64, key: Key) -> Option<Evaluation> {
        let verdicts = self.0.lock();
        if verdicts.generation != generation {
            return None;
        }
        let known = verdicts.known.iter().find(|known| known.key == key)?;
        Some(known.evaluation())
    }

    /// Remembers what they have answered, if it can be said again; what was remembered first is forgotten where there
    /// is much.
    pub(super) fn note(&self, generation: u64, key: Key, evaluation: &Evaluation) {
        let Some(known) = Known::of(key, evaluation) else {
            return;
        };
        let mut verdicts = self.0.lock();
        if verdicts.generation != generation {
            verdicts.known.clear();
            verdicts.generation = generation;
        }
        if verdicts.known.len() >= MAX_VERDICTS {
            verdicts.known.remove(0);
        }
        verdicts.known.push(known);
    }
}

impl Known {
    fn of(key: Key, evaluation: &Evaluation) -> Option<Self> {
        let verdict = evaluation.result.as_ref().ok()?;
        let is_accept = match verdict.decision {
            Decision::Accept => true,
            Decision::Pass => false,
            Decision::Reject(_) | Decision::Defer(_) => return None,
        };
        let is_plain = verdict.alerts.is_empty() && verdict.facts.is_empty();
        is_plain.then(|| Self {
            key,
            is_accept,
            priority: verdict.priority,
            rule: verdict.rule.as_str().into(),
        })
    }

    /// It took neither fuel nor time, and leaves the message as it is.
    fn evaluation(&self) -> Evaluation {
        let decision = match self.is_accept {
            true => Decision::Accept,
            false => Decision::Pass,
        };
        Evaluation {
            result: Ok(Verdict {
                decision,
                priority: self.priority,
                alerts: Vec::new(),
                rule: self.rule.to_string(),
                facts: Vec::new(),
            }),
            fuel: 0,
            duration: Duration::ZERO,
            memory_bytes: 0,
            log: Vec::new(),
            draft: None,
        }
    }
}
