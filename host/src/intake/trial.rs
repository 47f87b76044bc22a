//! What would come of a message: asks the policies in force, and keeps, counts and sends nothing.

use std::sync::Arc;

use bytes::Bytes;

use super::arrival::header;
use super::{Intake, Peer, Principal, Rejection, parameters, question, request, schedule};
use crate::clock::Timestamp;
use crate::policy::document::{Request, Stage};
use crate::policy::{AtHand, PolicySet, Ruling, types};
use crate::smtp::Transaction;

/// Where the policies had their say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialStage {
    /// They refused the reverse-path, before the message.
    Sender,
    /// They refused a forward-path, before the message.
    Recipient,
    /// They were asked about the whole message.
    Message,
}

/// What the policies say.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Where they had their say.
    pub stage: TrialStage,
    /// What they came to.
    pub ruling: Ruling,
}

impl Intake {
    /// Asks the policies in force what they would say of a message, stage by stage as a client would meet
    /// them. Nothing is kept, sent or counted, by the policies' own counters neither.
    ///
    /// # Errors
    /// What the relay itself refuses, before any policy is asked.
    pub async fn try_message(
        &self,
        peer: &Peer,
        principal: &Principal,
        transaction: &Transaction,
        content: &[u8],
    ) -> Result<Trial, Rejection> {
        let policies = self.shared.policies.current().for_trial();
        let early = self.try_envelope(&policies, peer, principal, transaction);
        if let Some(refused) = early.await {
            return Ok(refused);
        }
        let received = question::received(content);
        let header = header(&received)?;
        let (asked, now) = (&transaction.parameters, Timestamp::now());
        let hold = schedule::hold(asked, &header, peer.max_hold, now)?;
        let kept = parameters::kept(asked, hold, &header, now);
        let said = request::Said {
            body: asked.body,
            parameters: &kept,
            size: received.size,
        };
        let stage = Stage::Message {
            message: request::message(&header, said, request::Fields::Handed).into(),
            effective_priority: types::Priority::Normal,
        };
        let request = self.tried(peer, principal, transaction, stage).await;
        let at_hand = AtHand {
            content: Some(Arc::new(Bytes::copy_from_slice(content))),
            memory: None,
        };
        Ok(Trial {
            stage: TrialStage::Message,
            ruling: policies.answer_with(&request, at_hand).await,
        })
    }

    /// What refuses the message before it would be uploaded.
    async fn try_envelope(
        &self,
        policies: &PolicySet,
        peer: &Peer,
        principal: &Principal,
        transaction: &Transaction,
    ) -> Option<Trial> {
        let mut questions = Vec::new();
        if policies.checks_senders() {
            let sender = transaction.reverse_path.as_ref().map(request::address);
            questions.push((TrialStage::Sender, Stage::Sender(sender)));
        }
        if policies.checks_recipients() {
            let paths = transaction.recipients.iter();
            let paths = paths.map(|one| Stage::Recipient(request::address(&one.mailbox)));
            questions.extend(paths.map(|question| (TrialStage::Recipient, question)));
        }
        for (stage, question) in questions {
            let request = self.tried(peer, principal, transaction, question).await;
            let ruling = policies.answer(&request).await;
            if ruling.refusal.is_some() {
                return Some(Trial { stage, ruling });
            }
        }
        None
    }

    async fn tried(
        &self,
        peer: &Peer,
        principal: &Principal,
        transaction: &Transaction,
        stage: Stage,
    ) -> Request {
        let sender = transaction.reverse_path.as_ref();
        let envelope = request::envelope(sender, &transaction.recipients);
        self.asked(peer, principal, envelope, stage).await
    }
}
