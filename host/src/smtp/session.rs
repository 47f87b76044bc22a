//! The session as the shell sees it: octets in, steps and replies out.

use std::fmt;
use std::mem;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::auth::{Credentials, VerifierFound};
use super::config::SessionConfig;
use super::extensions::{BodyType, MailParameters, Recipient};
use super::line::{LineEvent, LineFramer, LineLimits};
use super::mailbox::Mailbox;
use super::reply::Reply;
use super::state::{Envelope, Login, Stage, State};
use super::transfer::Skip;
use crate::clock::Timestamp;

/// The first octet of a TLS handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// One client's dialogue. `U` is the identity that the shell attaches at login.
///
/// The shell calls [`next_step`](Self::next_step) and does what the step says, until it is
/// [`Step::Close`]. Replies gather in [`output`](Self::output); the shell writes them before it
/// waits for the peer ([`Step::NeedInput`], [`Step::StartTls`], [`Step::Close`]) and may write
/// them at any step, so that replies to pipelined commands leave together (RFC 2920).
///
/// The same octets give the same steps however they are cut, except that [`Step::Content`] is cut
/// as they are.
pub struct Session<U> {
    pub(super) config: Arc<SessionConfig>,
    pub(super) encrypted: bool,
    pub(super) state: State<U>,
    pub(super) counters: Counters,
    pub(super) input: BytesMut,
    pub(super) framer: LineFramer,
    /// When the session began: how far ahead a message may be held is counted from here.
    pub(super) began_at: Timestamp,
    pub(super) skipping: Option<Skip>,
    /// What a login can be bound to: the `tls-exporter` of RFC 9266.
    pub(super) channel_binding: Option<Vec<u8>>,
    output: Vec<u8>,
    closing: Option<Reply>,
}

/// What a session has had so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub bad_commands: u32,
    pub commands: usize,
    pub failed_logins: u32,
    pub transactions: u32,
    pub recipients: usize,
}

/// What the shell is to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the session waits until the step is done"]
pub enum Step {
    /// Write the output, read from the peer, and [`receive`](Session::receive) what came.
    NeedInput,
    /// Write the output, make the TLS handshake, then call
    /// [`tls_established`](Session::tls_established). What the client sent before is forgotten.
    StartTls,
    /// Write the output and close the connection.
    Close,
    /// Find what a proof of this user is judged by; answer with [`verifier_found`](Session::verifier_found).
    LookUpVerifier(String),
    /// Check them; answer with [`authenticated`](Session::authenticated).
    Authenticate(Credentials),
    /// Look at the reverse-path (none is `<>`); answer with [`sender_answered`](Session::sender_answered).
    CheckSender(Option<Mailbox>, MailParameters),
    /// Look at a forward-path; answer with [`recipient_answered`](Session::recipient_answered).
    CheckRecipient(Mailbox),
    /// Content follows: `Content` any number of times, then `EndOfContent` or `AbortContent`.
    BeginContent,
    /// Octets of the content: CRLF line ends, no dot-stuffing. A chunk keeps the whole buffer it
    /// was received in alive; copy what is to be kept for long.
    Content(Bytes),
    /// The content turned out to be refused. Drop it; the session answers the client itself.
    AbortContent,
    /// The content is complete; answer with [`content_answered`](Session::content_answered).
    EndOfContent(Transaction),
}

/// A complete transaction, but for its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// None is the null reverse-path `<>`.
    pub reverse_path: Option<Mailbox>,
    /// The accepted forward-paths in the order they came, without duplicates; never empty.
    pub recipients: Vec<Recipient>,
    /// What the client said with MAIL; `body` is eight-bit also when the content has such octets.
    pub parameters: MailParameters,
    /// Octets of content.
    pub size: u64,
}

impl<U> Session<U> {
    /// A session that begins `now`, whose first step writes the greeting. `encrypted` tells of implicit TLS.
    pub fn new(config: Arc<SessionConfig>, encrypted: bool, now: Timestamp) -> Self {
        Self {
            config,
            encrypted,
            state: State::Connected,
            counters: Counters::default(),
            input: BytesMut::new(),
            framer: LineFramer::default(),
            began_at: now,
            skipping: None,
            channel_binding: None,
            output: Vec::new(),
            closing: None,
        }
    }

    /// Takes octets from the peer. To be called only after [`Step::NeedInput`], with at most as
    /// many octets as the shell wants to buffer: none are refused here.
    pub fn receive(&mut self, octets: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.input.extend_from_slice(octets);
        }
    }

    /// Room for `octets` of content or more, into which the shell may read instead of calling
    /// [`Session::receive`]: what is appended is received, and not copied once more.
    pub fn room(&mut self, octets: usize) -> &mut BytesMut {
        self.input.reserve(octets);
        &mut self.input
    }

    /// What was received and is not taken yet.
    pub fn untaken(&self) -> &[u8] {
        &self.input
    }

    /// Goes on to the next thing that the shell must do.
    #[must_use = "the session waits until the step is done"]
    pub fn next_step(&mut self) -> Step {
        loop {
            let step = match &self.state {
                State::Closed => Some(Step::Close),
                State::Connected => self.greet(),
                _ if self.skipping.is_some() => self.skip_step(),
                state if state.is_receiving_content() => self.content_step(),
                state if state.awaits_answer() => self.misused(),
                _ => self.line_step(),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Replies that have yet to be written; the shell removes what it wrote.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Takes all replies that have yet to be written.
    pub fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.output)
    }

    /// Who has logged in.
    pub fn user(&self) -> Option<&U> {
        self.state.login().map(|login| &login.user)
    }

    /// Who has logged in, to be changed in place.
    pub fn user_mut(&mut self) -> Option<&mut U> {
        self.state.login_mut().map(|login| &mut login.user)
    }

    /// The name the client gave itself; empty before EHLO. It is harmless in a header.
    pub fn helo(&self) -> &str {
        self.state.client().map_or("", |client| &client.helo)
    }

    /// Whether the client said EHLO, not HELO.
    pub fn is_esmtp(&self) -> bool {
        self.state.client().is_some_and(|client| client.is_esmtp)
    }

    /// Whether the connection is under TLS.
    pub fn encrypted(&self) -> bool {
        self.encrypted
    }

    /// The reverse-path and the accepted forward-paths of the transaction so far; empty without one.
    pub fn envelope(&self) -> (Option<&Mailbox>, &[Recipient]) {
        match self.state.envelope() {
            Some(envelope) => (envelope.reverse_path.as_ref(), &envelope.recipients),
            None => (None, &[]),
        }
    }

    /// Whether a transaction is under way and may still lead to a message.
    pub fn is_in_transaction(&self) -> bool {
        self.state.envelope().is_some()
    }

    /// Whether content is coming in, wanted or not: another timeout applies (RFC 5321 §4.5.3.2.5).
    pub fn is_receiving_content(&self) -> bool {
        self.state.is_receiving_content() || self.skipping.is_some()
    }

    /// Offers logins that are bound to this channel; `octets` are its `tls-exporter` (RFC 9266 §2). To be
    /// called when the handshake is made, before the next step.
    pub fn bind_channel(&mut self, octets: Vec<u8>) {
        self.channel_binding = Some(octets);
    }

    /// Answers [`Step::LookUpVerifier`]; also a user there is not has a verifier, so that nobody learns that.
    /// A refusal is the reply to AUTH.
    pub fn verifier_found(&mut self, result: Result<VerifierFound, Reply>) {
        match mem::take(&mut self.state) {
            State::LookingUp(client, looked_up) => match result {
                Ok(found) => {
                    // A challenge is a reply and no step.
                    let _ = self.progress(client, looked_up.found(found));
                }
                Err(reply) => {
                    self.state = State::Anonymous(Some(client));
                    self.login_failed(&reply);
                }
            },
            other => {
                self.state = other;
                self.misplaced("verifier_found");
            }
        }
    }

    /// Answers [`Step::StartTls`]: what the client said before is forgotten (RFC 3207 §4.2).
    pub fn tls_established(&mut self) {
        if matches!(self.state, State::Handshaking) {
            self.encrypted = true;
            self.state = State::Anonymous(None);
        } else {
            self.misplaced("tls_established");
        }
    }

    /// Answers [`Step::Authenticate`] with who it is (`235 2.7.0`) or a refusal.
    pub fn authenticated(&mut self, result: Result<U, Reply>) {
        match mem::take(&mut self.state) {
            State::Authenticating(client) => match result {
                Ok(user) => {
                    self.state = State::Submitting(Login { client, user }, Stage::Idle);
                    self.reply(&Reply::new(235, (2, 7, 0), "Authentication succeeded"));
                }
                Err(reply) => {
                    self.state = State::Anonymous(Some(client));
                    self.login_failed(&reply);
                }
            },
            other => {
                self.state = other;
                self.misplaced("authenticated");
            }
        }
    }

    /// Answers [`Step::CheckSender`] with `250 2.1.0` or a refusal.
    pub fn sender_answered(&mut self, result: Result<(), Reply>) {
        match self.take_stage() {
            Stage::CheckingSender(envelope) => match result {
                Ok(()) => {
                    self.set_stage(Stage::Open(envelope));
                    self.reply(&Reply::new(250, (2, 1, 0), "Sender ok"));
                }
                Err(reply) => self.reply(&reply),
            },
            other => {
                self.set_stage(other);
                self.misplaced("sender_answered");
            }
        }
    }

    /// Answers [`Step::CheckRecipient`] with `250 2.1.5` or a refusal.
    pub fn recipient_answered(&mut self, result: Result<(), Reply>) {
        match self.take_stage() {
            Stage::CheckingRecipient(mut envelope, recipient) => {
                if result.is_ok() {
                    self.counters.recipients += 1;
                    envelope.recipients.push(recipient);
                }
                self.set_stage(Stage::Open(envelope));
                self.reply(&match result {
                    Ok(()) => Self::recipient_ok(),
                    Err(reply) => reply,
                });
            }
            other => {
                self.set_stage(other);
                self.misplaced("recipient_answered");
            }
        }
    }

    /// Answers [`Step::EndOfContent`] with the final reply, for example `250 2.0.0 queued as …`.
    pub fn content_answered(&mut self, reply: Reply) {
        match self.take_stage() {
            Stage::Deciding => {
                self.counters.transactions += 1;
                if reply.is_positive() {
                    self.counters.bad_commands = 0;
                    self.counters.commands = 0;
                }
                self.reply(&reply);
            }
            other => {
                self.set_stage(other);
                self.misplaced("content_answered");
            }
        }
    }

    /// Ends the session with `reply` (a 421) before the next command; content that is coming in is
    /// first brought to its end and answered. The next step tells whether that is now.
    pub fn shut_down(&mut self, reply: Reply) {
        self.closing.get_or_insert(reply);
    }

    /// Ends the session with `reply` (a 421) now, whatever it was doing: for a peer that is silent
    /// for too long. The next step is [`Step::Close`]; content that was coming in is to be dropped.
    pub fn time_out(&mut self, reply: Reply) {
        if !matches!(self.state, State::Closed) {
            self.close(&reply);
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        reply.encode(&mut self.output);
    }

    pub(super) fn close(&mut self, reply: &Reply) {
        self.reply(reply);
        self.state = State::Closed;
        self.skipping = None;
        self.input = BytesMut::new();
    }

    /// Takes the transaction's stage and leaves none.
    pub(super) fn take_stage(&mut self) -> Stage {
        self.state.stage_mut().map(mem::take).unwrap_or_default()
    }

    pub(super) fn set_stage(&mut self, stage: Stage) {
        if let Some(current) = self.state.stage_mut() {
            *current = stage;
        }
    }

    pub(super) fn recipient_ok() -> Reply {
        Reply::new(250, (2, 1, 5), "Recipient ok")
    }

    fn greet(&mut self) -> Option<Step> {
        let SessionConfig {
            hostname, banner, ..
        } = &*self.config;
        // RFC 5321 §4.3.1: the server's name is the first word after the code.
        let greeting = format!("{hostname} ESMTP {banner}");
        let greeting = Reply::bare(220, greeting.trim_end().to_owned());
        self.reply(&greeting);
        self.state = State::Anonymous(None);
        None
    }

    fn line_step(&mut self) -> Option<Step> {
        if let Some(reply) = self.closing.take() {
            self.close(&reply);
            return None;
        }
        if self.is_tls_handshake() {
            let text = "This port speaks SMTP first; use STARTTLS or another port";
            self.close(&Reply::new(421, (4, 7, 0), text));
            return None;
        }
        let limits = LineLimits {
            max_octets: self.config.max_command_octets,
            max_discarded_octets: self.config.max_discarded_command_octets(),
        };
        match self.framer.next(&mut self.input, limits) {
            LineEvent::NeedInput => {
                if self.input.is_empty() {
                    // A client that thinks should not hold the buffer its last content came in.
                    self.input = BytesMut::new();
                }
                Some(Step::NeedInput)
            }
            LineEvent::Line(line) => self.line(&line),
            LineEvent::Defective(defect) => self.defective_line(&defect.reply()),
            LineEvent::Endless => {
                self.close(&Reply::new(421, (4, 5, 2), "The line does not end"));
                None
            }
        }
    }

    /// A client that means implicit TLS would otherwise wait for a reply to its binary "line".
    fn is_tls_handshake(&self) -> bool {
        !self.encrypted
            && matches!(self.state, State::Anonymous(None))
            && self.framer.is_at_line_start()
            && self.input.first() == Some(&TLS_HANDSHAKE)
    }

    fn misused(&mut self) -> Option<Step> {
        self.misplaced("next_step");
        Some(Step::Close)
    }

    fn misplaced(&self, call: &str) {
        debug_assert!(false, "{call} does not answer the last step");
    }
}

/// Without the buffers: a password may be in them.
impl<U> fmt::Debug for Session<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("helo", &self.helo())
            .field("encrypted", &self.encrypted)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Envelope {
    pub(super) fn into_transaction(mut self, size: u64, has_eight_bit: bool) -> Transaction {
        // Many clients send eight-bit content without saying so; the next hop must be told.
        if has_eight_bit && self.parameters.body == BodyType::SevenBit {
            self.parameters.body = BodyType::EightBitMime;
        }
        Transaction {
            reverse_path: self.reverse_path,
            recipients: self.recipients,
            parameters: self.parameters,
            size,
        }
    }
}

#[cfg(test)]
mod tests;
