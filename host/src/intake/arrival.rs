//! A message that is all there, and what becomes of it: what the queue is given, once the policies let it pass.

use std::time::Duration;

use super::passed::Passed;
use super::spool::Received;
use super::{Peer, Principal, Rejection, parameters, request, schedule};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::message::{HeaderEnd, HeaderSection, Stamp, stamp};
use crate::queue::{Content, MessageMeta, MessageParameters, NewMessage, Origin, Priority, Way};
use crate::smtp::{BodyType, MailParameters, Mailbox, MtPriority, Transaction};

/// A complete message of one client, read as far as the relay has to.
pub(super) struct Arrival<'a> {
    pub peer: &'a Peer,
    pub principal: &'a Principal,
    pub received: &'a Received,
    pub id: QueueId,
    pub received_at: Timestamp,
    pub header: HeaderSection<'a>,
    /// What of the client's parameters is kept.
    pub kept: MessageParameters,
}

/// What the relay says of itself in a message.
pub(super) struct Relay<'a> {
    pub hostname: &'a str,
    pub lifetime: Duration,
    pub show_client_address: bool,
}

impl<'a> Arrival<'a> {
    /// Reads what was received just now.
    ///
    /// # Errors
    /// The header is malformed, or it and the parameters ask for what cannot be.
    pub fn read(
        (peer, principal): (&'a Peer, &'a Principal),
        transaction: &Transaction,
        (received, id): (&'a Received, QueueId),
    ) -> Result<Self, Rejection> {
        let received_at = Timestamp::now();
        let asked = &transaction.parameters;
        let header = header(&received.content)?;
        let hold = schedule::hold(asked, &header, peer.max_hold, received_at)?;
        Ok(Self {
            kept: parameters::kept(asked, hold, &header, received_at),
            peer,
            principal,
            received,
            id,
            received_at,
            header,
        })
    }

    /// What the client said about it apart from its header.
    pub fn said(&self, transaction: &Transaction) -> request::Said<'_> {
        request::Said {
            body: transaction.parameters.body,
            parameters: &self.kept,
            size: self.received.content.size,
        }
    }

    /// What is queued of it.
    pub fn queued(self, relay: &Relay<'_>, transaction: Transaction, passed: Passed) -> NewMessage {
        NewMessage {
            id: self.id,
            content: self.stamped(relay, &transaction, &passed),
            recipients: transaction.recipients,
            meta: self.meta(
                relay,
                (transaction.reverse_path, transaction.parameters.body),
                passed,
            ),
        }
    }

    fn meta(
        self,
        relay: &Relay<'_>,
        (reverse_path, body): (Option<Mailbox>, BodyType),
        passed: Passed,
    ) -> MessageMeta {
        let (account, header) = (&self.principal.account, &self.header);
        let effects = passed.effects;
        MessageMeta {
            list_id: Some(account.list.id),
            username: account.user.username.clone(),
            reverse_path: effects.reverse_path.or(reverse_path),
            priority: passed.priority,
            body: parameters::body(body, self.received.is_ascii),
            subject: effects.subject.unwrap_or_else(|| header.subject()),
            message_id: request::message_id(header)
                .unwrap_or_else(|| format!("<{}@{}>", self.id, relay.hostname)),
            session_id: self.peer.session_id.clone(),
            rule: passed.rule,
            received_at: self.received_at,
            expires_at: parameters::expiry(&self.kept, self.received_at, relay.lifetime),
            origin: self.origin(),
            way: Way {
                // What a policy chose for this message comes before what its list is set to.
                route: effects.route.or_else(|| account.list.route.clone()),
                hold: effects.hold,
                released_at: None,
            },
            parameters: self.kept,
        }
    }

    /// Where it comes from, as the queue tells it.
    fn origin(&self) -> Origin {
        let requested = request::requested(&self.header, &self.kept);
        let (client, helo) = (self.peer.client, &self.peer.helo);
        Origin {
            client: match client.port() {
                // In the panel it is the browser that has one.
                0 => format!("{} ({helo})", client.ip()),
                _ => format!("{client} ({helo})"),
            },
            requested_priority: requested.and_then(|number| Priority::from_number(number.into())),
            notice_of: None,
        }
    }

    /// The content as it leaves: trace and missing fields added, blind recipients removed, and what
    /// the policies want changed.
    fn stamped(&self, relay: &Relay<'_>, transaction: &Transaction, passed: &Passed) -> Content {
        let received = &self.received.content;
        let head = stamp(
            &self.header,
            &received.head,
            &Stamp {
                hostname: relay.hostname,
                helo: &self.peer.helo,
                client: relay.show_client_address.then_some(self.peer.client.ip()),
                protocol: protocol(self.peer, &transaction.parameters),
                priority: transaction.parameters.mt_priority.map(MtPriority::value),
                id: &self.id.to_string(),
                recipient: only_recipient(transaction),
                received_at: self.received_at,
                message_id_domain: relay.hostname,
                mark_important: passed.priority == Priority::Highest
                    && self.principal.account.list.display_importance,
                tls: self.peer.tls.as_ref().map(|(_, cipher)| cipher.as_str()),
                edits: &passed.effects.edits,
            },
        );
        let size = received.size - received.head.len() as u64 + head.len() as u64;
        Content {
            head: head.into(),
            staged_chunks: received.staged_chunks,
            size,
        }
    }
}

/// The recipient that may be named. A path beyond ASCII would make the header one that not every next hop can take.
fn only_recipient(transaction: &Transaction) -> Option<&str> {
    match transaction.recipients.as_slice() {
        [only] => Some(only.mailbox.as_str()).filter(|path| path.is_ascii()),
        _ => None,
    }
}

/// The header section, all of which must be at hand.
pub(super) fn header(received: &Content) -> Result<HeaderSection<'_>, Rejection> {
    let header = HeaderSection::parse(&received.head).map_err(|error| Rejection::header(&error))?;
    if received.staged_chunks > 0 && header.end() == HeaderEnd::EndOfInput {
        return Err(Rejection::header_too_large());
    }
    Ok(header)
}

/// The "with" protocol of the Received field (RFC 3848, RFC 6531 §4.3).
fn protocol(peer: &Peer, asked: &MailParameters) -> &'static str {
    match (peer.is_esmtp, peer.tls.is_some(), asked.smtputf8) {
        (true, true, false) => "ESMTPSA",
        (true, false, false) => "ESMTPA",
        (true, true, true) => "UTF8SMTPSA",
        (true, false, true) => "UTF8SMTPA",
        (false, ..) => "SMTP",
    }
}
