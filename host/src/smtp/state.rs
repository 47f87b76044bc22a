//! The states of a session. Each owns what is known in it and nothing else, so a transaction
//! without an authenticated user cannot be written down.

use super::auth::{Exchange, LookedUp};
use super::chunk::Chunked;
use super::content::ContentScanner;
use super::extensions::{MailParameters, Recipient};
use super::mailbox::Mailbox;

/// Where a session stands.
#[derive(Debug, Default)]
pub(super) enum State<U> {
    /// The greeting has yet to be sent.
    Connected,
    /// Nobody has logged in; the client may have said EHLO.
    Anonymous(Option<Client>),
    /// AUTH has sent a challenge.
    Exchanging(Client, Exchange),
    /// The shell looks up what a proof is judged by.
    LookingUp(Client, LookedUp),
    /// The shell checks credentials.
    Authenticating(Client),
    /// A user has logged in.
    Submitting(Login<U>, Stage),
    /// The shell makes the TLS handshake; nothing is known of the client (RFC 3207 §4.2).
    Handshaking,
    /// The last reply is written.
    #[default]
    Closed,
}

/// What the client said of itself.
#[derive(Debug)]
pub(super) struct Client {
    pub helo: Box<str>,
    pub is_esmtp: bool,
}

/// Who submits.
#[derive(Debug)]
pub(super) struct Login<U> {
    pub client: Client,
    pub user: U,
}

/// Where a user's transaction stands.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// There is no transaction.
    #[default]
    Idle,
    /// The shell looks at the reverse-path.
    CheckingSender(Envelope),
    /// MAIL was accepted.
    Open(Envelope),
    /// The shell looks at a forward-path.
    CheckingRecipient(Envelope, Recipient),
    /// Content comes in.
    Receiving(Envelope, ContentScanner),
    /// A chunk of content comes in.
    ReceivingChunk(Box<Chunked>),
    /// The next chunk is awaited.
    BetweenChunks(Box<Chunked>),
    /// The content is refused; its end is awaited.
    Discarding(ContentScanner),
    /// The shell has the message and decides.
    Deciding,
}

/// The reverse-path, the accepted forward-paths and what was said about the message.
#[derive(Debug)]
pub(super) struct Envelope {
    pub reverse_path: Option<Mailbox>,
    pub parameters: MailParameters,
    pub recipients: Vec<Recipient>,
}

impl<U> State<U> {
    pub(super) fn client(&self) -> Option<&Client> {
        match self {
            Self::Anonymous(client) => client.as_ref(),
            Self::Exchanging(client, _)
            | Self::LookingUp(client, _)
            | Self::Authenticating(client) => Some(client),
            Self::Submitting(login, _) => Some(&login.client),
            Self::Connected | Self::Handshaking | Self::Closed => None,
        }
    }

    pub(super) fn login(&self) -> Option<&Login<U>> {
        match self {
            Self::Submitting(login, _) => Some(login),
            _ => None,
        }
    }

    pub(super) fn login_mut(&mut self) -> Option<&mut Login<U>> {
        match self {
            Self::Submitting(login, _) => Some(login),
            _ => None,
        }
    }

    /// The transaction, while the shell may still ask about it.
    pub(super) fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Submitting(
                _,
                Stage::CheckingSender(envelope)
                | Stage::Open(envelope)
                | Stage::CheckingRecipient(envelope, _)
                | Stage::Receiving(envelope, _),
            ) => Some(envelope),
            Self::Submitting(_, Stage::ReceivingChunk(chunked) | Stage::BetweenChunks(chunked)) => {
                Some(&chunked.envelope)
            }
            _ => None,
        }
    }

    pub(super) fn stage_mut(&mut self) -> Option<&mut Stage> {
        match self {
            Self::Submitting(_, stage) => Some(stage),
            _ => None,
        }
    }

    /// The content that is coming in, wanted or not.
    pub(super) fn content_mut(&mut self) -> Option<&mut ContentScanner> {
        match self.stage_mut()? {
            Stage::Receiving(_, content) | Stage::Discarding(content) => Some(content),
            _ => None,
        }
    }

    pub(super) fn is_receiving_content(&self) -> bool {
        matches!(
            self,
            Self::Submitting(
                _,
                Stage::Receiving(..) | Stage::Discarding(_) | Stage::ReceivingChunk(_)
            )
        )
    }

    /// Whether the shell owes an answer, so that no step can follow.
    pub(super) fn awaits_answer(&self) -> bool {
        match self {
            Self::LookingUp(..) | Self::Authenticating(_) | Self::Handshaking => true,
            Self::Submitting(_, stage) => matches!(
                stage,
                Stage::CheckingSender(_) | Stage::CheckingRecipient(..) | Stage::Deciding
            ),
            _ => false,
        }
    }

    /// The state after EHLO or HELO: a transaction ends, a login stays (RFC 5321 §4.1.4).
    pub(super) fn greeted(self, client: Client) -> Self {
        match self {
            Self::Submitting(login, _) => {
                let login = Login { client, ..login };
                Self::Submitting(login, Stage::Idle)
            }
            _ => Self::Anonymous(Some(client)),
        }
    }
}
