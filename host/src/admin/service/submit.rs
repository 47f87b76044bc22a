//! Takes a message of the panel in: the same way as one that came over SMTP, with the same policies and limits.

use std::net::IpAddr;

use super::trial::peer;
use super::{Service, ServiceError};
use crate::accounts::Account;
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::intake::{Panel, Peer, Principal, Rejection, SpoolError};
use crate::operators::Actor;
use crate::smtp::{Hold, MailParameters, Mailbox, RcptParameters, Recipient, Transaction};

/// What was submitted, as far as the envelope says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The reverse-path.
    pub sender: Mailbox,
    /// The forward-paths; never empty.
    pub recipients: Vec<Mailbox>,
    /// Header section and body, with CRLF.
    pub content: Vec<u8>,
    /// When it is to be sent; none: now.
    pub send_at: Option<Timestamp>,
}

/// What the relay answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It is in the queue.
    Queued(QueueId),
    /// It is not; the reply that a client would have been shown.
    Refused(String),
}

/// A message to see whether everything works.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestMessage {
    /// Whose name it is sent in.
    pub username: String,
    /// The sender's address.
    pub from: String,
    /// Where it goes.
    pub to: String,
}

impl Service {
    /// Sends a test message in the name of a user, through everything that its own mail meets.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Invalid`].
    pub async fn send_test(
        &self,
        actor: &Actor,
        list_id: i64,
        client: IpAddr,
        test: &TestMessage,
    ) -> Result<Submitted, ServiceError> {
        let (sender, recipient) = test.paths()?;
        let hostname = &self.relay().hostname;
        let content = format!(
            "From: {sender}\r\nTo: {recipient}\r\nSubject: Test message from {hostname}\r\nX-Priority: 3\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             This is a test message. It was sent in the name of user {} from the control panel of {hostname},\r\n\
             on request of {}. When you can read it, sending works.\r\n",
            test.username,
            actor.name.replace(char::is_control, " "),
        );
        let outgoing = Outgoing {
            sender,
            recipients: vec![recipient],
            content: content.into_bytes(),
            send_at: None,
        };
        self.submit(actor, list_id, &test.username, client, outgoing)
            .await
    }

    /// Takes a message in, in the name of a user.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Conflict`] when the user is not active.
    pub async fn submit(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
        client: IpAddr,
        outgoing: Outgoing,
    ) -> Result<Submitted, ServiceError> {
        let user = self.user(actor, list_id, username).await?;
        if !user.active {
            let text = format!("user {username} is not active, so nothing can be sent in its name");
            return Err(ServiceError::Conflict(text));
        }
        let list = self.list(actor, list_id).await?;
        let principal = Principal::new(Account { user, list });
        let peer = Peer {
            max_hold: self.rooms.message.hold,
            ..peer(client)
        };
        Ok(match self.taken(&peer, &principal, outgoing).await {
            Ok(id) => Submitted::Queued(id),
            Err(rejection) => Submitted::Refused(rejection.reply.to_string().trim_end().to_owned()),
        })
    }

    /// MAIL, RCPT and the content, as a session does it.
    async fn taken(
        &self,
        peer: &Peer,
        principal: &Principal,
        outgoing: Outgoing,
    ) -> Result<QueueId, Rejection> {
        let intake = &self.rooms.intake;
        let policies = intake.policies(None);
        let transaction = transaction(&outgoing);
        self.announced(&policies, peer, principal, &transaction)
            .await?;
        let mut spool = intake.spool();
        if let Err(error) = spool.push(&outgoing.content).await {
            spool.discard().await;
            return Err(unspooled(&error));
        }
        let taken = intake.message(&policies, peer, principal, transaction, spool);
        let accepted = taken.await?;
        let id = accepted.message.id;
        self.rooms.scheduler.submit(accepted.message);
        Ok(id)
    }

    async fn announced(
        &self,
        policies: &Panel,
        peer: &Peer,
        principal: &Principal,
        transaction: &Transaction,
    ) -> Result<(), Rejection> {
        let intake = &self.rooms.intake;
        let sender = transaction.reverse_path.as_ref();
        intake.sender(policies, peer, principal, sender).await?;
        for (place, recipient) in transaction.recipients.iter().enumerate() {
            let before = (sender, &transaction.recipients[..place]);
            let mailbox = &recipient.mailbox;
            intake
                .recipient(policies, peer, principal, before, mailbox)
                .await?;
        }
        Ok(())
    }
}

impl TestMessage {
    fn paths(&self) -> Result<(Mailbox, Mailbox), ServiceError> {
        let mut invalid = super::Invalid::default();
        let problem = "write one address like info@example.com";
        let from = Mailbox::parse_utf8(&self.from);
        let to = Mailbox::parse_utf8(&self.to);
        if from.is_err() {
            invalid.add("from", problem);
        }
        if to.is_err() {
            invalid.add("to", problem);
        }
        match (from, to) {
            (Ok(from), Ok(to)) => Ok((from, to)),
            _ => Err(ServiceError::Invalid(invalid)),
        }
    }
}

fn transaction(outgoing: &Outgoing) -> Transaction {
    let paths = std::iter::once(&outgoing.sender).chain(&outgoing.recipients);
    let end = memchr::memmem::find(&outgoing.content, b"\r\n\r\n");
    let header = &outgoing.content[..end.unwrap_or(outgoing.content.len())];
    let is_international =
        !header.is_ascii() || paths.into_iter().any(|path| !path.as_str().is_ascii());
    let recipient = |mailbox: &Mailbox| Recipient {
        mailbox: mailbox.clone(),
        parameters: RcptParameters::default(),
    };
    Transaction {
        reverse_path: Some(outgoing.sender.clone()),
        recipients: outgoing.recipients.iter().map(recipient).collect(),
        parameters: MailParameters {
            smtputf8: is_international,
            hold: outgoing.send_at.map(Hold::Until),
            ..MailParameters::default()
        },
        size: outgoing.content.len() as u64,
    }
}

fn unspooled(error: &SpoolError) -> Rejection {
    Rejection {
        reason: error.to_string(),
        ..Rejection::store_unavailable()
    }
}
