//! What the policies would be asked about a message, without taking it in: for tools that try policies.
//!
//! The records are built by the functions that build them for a client's message, so that a tool's
//! answer is the relay's.

use std::sync::Arc;

use super::arrival::header;
use super::{Config, Peer, Principal, Rejection, parameters, request, schedule};
use crate::clock::Timestamp;
use crate::policy::document::{Request, Stage};
use crate::policy::types;
use crate::queue::Content;
use crate::smtp::{Mailbox, Transaction};

/// Everything that is known when a policy is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The name of the relay.
    pub hostname: &'a str,
    /// Who talks, over what.
    pub peer: &'a Peer,
    /// Who logged in.
    pub principal: &'a Principal,
    /// What MAIL and RCPT said so far.
    pub transaction: &'a Transaction,
    /// The settings of the policy, a JSON document.
    pub settings: &'a Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl Asking<'_> {
    /// The question about the reverse-path.
    pub fn about_sender(&self) -> Request {
        let sender = self.transaction.reverse_path.as_ref();
        let stage = Stage::Sender(sender.map(request::address));
        self.request(request::envelope(sender, &[]), stage)
    }

    /// The question about a forward-path that follows those of the transaction.
    pub fn about_recipient(&self, recipient: &Mailbox) -> Request {
        self.request(
            self.envelope(),
            Stage::Recipient(request::address(recipient)),
        )
    }

    /// The question about the whole message.
    ///
    /// # Errors
    /// When the relay refuses the message itself, before any policy is asked.
    pub fn about_message(&self, content: &[u8]) -> Result<Request, Rejection> {
        let received = received(content);
        let header = header(&received)?;
        let asked = &self.transaction.parameters;
        let hold = schedule::hold(asked, &header, self.peer.max_hold, self.at)?;
        let kept = parameters::kept(asked, hold, &header, self.at);
        let said = request::Said {
            body: asked.body,
            parameters: &kept,
            size: received.size,
        };
        let stage = Stage::Message {
            message: Arc::new(request::message(&header, said, request::Fields::Handed)),
            effective_priority: types::Priority::Normal,
        };
        Ok(self.request(self.envelope(), stage))
    }

    fn envelope(&self) -> types::Envelope {
        let transaction = self.transaction;
        request::envelope(transaction.reverse_path.as_ref(), &transaction.recipients)
    }

    fn request(&self, envelope: types::Envelope, stage: Stage) -> Request {
        let mut session = request::session(self.hostname, self.peer, self.principal);
        Arc::make_mut(&mut session).received_at_ms =
            u64::try_from(self.at.as_millis()).unwrap_or(0);
        Request {
            settings: Arc::clone(self.settings),
            session,
            envelope: Arc::new(envelope),
            stage,
        }
    }
}

/// The content as it is at hand when it has come in: a large one is in the store but for its beginning.
pub(super) fn received(content: &[u8]) -> Content {
    let head = &content[..content.len().min(Config::default().memory_octets)];
    Content {
        head: head.to_vec().into(),
        staged_chunks: u32::from(head.len() < content.len()),
        size: content.len() as u64,
    }
}
