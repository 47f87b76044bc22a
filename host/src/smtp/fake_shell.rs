//! A shell without a wire for the tests: feeds a session pieces of octets, answers its steps from
//! a script and writes down what happened.

use std::collections::HashMap;
use std::sync::Arc;

use super::scram::ScramVerifier;
use super::{
    AuthPolicy, BodyType, Evidence, Reply, Session, SessionConfig, Step, Transaction, VerifierFound,
};
use crate::clock::Timestamp;
use crate::secret::Secret;

/// The surroundings of a session and the answers the shell gives.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub config: SessionConfig,
    pub encrypted: bool,
    /// Refusals by `login NAME`, `sender MAILBOX` and `recipient MAILBOX`; all else is accepted.
    pub refusals: HashMap<String, Reply>,
    pub final_reply: Reply,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            config: SessionConfig {
                hostname: "relay.example.com".to_owned(),
                starttls: true,
                auth: AuthPolicy::Always,
                ..SessionConfig::default()
            },
            encrypted: false,
            refusals: HashMap::new(),
            final_reply: Reply::new(250, (2, 0, 0), "queued as 1"),
        }
    }
}

/// What the peer and the server would see. Printed as a transcript prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Reply(String),
    Step(String),
    Content(Vec<u8>),
}

impl Event {
    pub(super) fn to_line(&self) -> String {
        match self {
            Self::Reply(line) => format!("S: {line}"),
            Self::Step(step) => format!("= {step}"),
            Self::Content(octets) => format!("= content {}", octets.escape_ascii()),
        }
    }
}

/// Replays the pieces of each flight. What is left of a flight after STARTTLS is lost, as it would
/// be in a handshake.
pub(super) fn replay(script: &Script, flights: &[Vec<&[u8]>]) -> Vec<Event> {
    let mut shell = Shell {
        script,
        session: Session::new(
            Arc::new(script.config.clone()),
            script.encrypted,
            Timestamp::default(),
        ),
        events: Vec::new(),
    };
    let mut outcome = shell.run();
    for flight in flights {
        for piece in flight {
            if outcome == Pause::Closed {
                return shell.events;
            }
            shell.session.receive(piece);
            outcome = shell.run();
            if outcome == Pause::Handshake {
                outcome = shell.run();
                break;
            }
        }
    }
    shell.events
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pause {
    Input,
    Handshake,
    Closed,
}

struct Shell<'a> {
    script: &'a Script,
    session: Session<String>,
    events: Vec<Event>,
}

impl Shell<'_> {
    /// Answers steps until the session needs the peer.
    fn run(&mut self) -> Pause {
        loop {
            let step = self.session.next_step();
            self.note_replies();
            match step {
                Step::NeedInput => return Pause::Input,
                Step::Close => {
                    self.note("close".to_owned());
                    return Pause::Closed;
                }
                Step::StartTls => {
                    self.note("start-tls".to_owned());
                    self.session.tls_established();
                    return Pause::Handshake;
                }
                step => self.answer(step),
            }
            self.note_replies();
        }
    }

    fn answer(&mut self, step: Step) {
        match step {
            Step::Authenticate(credentials) => {
                let name = credentials.username;
                let password = match &credentials.evidence {
                    Evidence::Password(password) => password.expose().as_str(),
                    Evidence::Proof { is_right: true, .. } => "(proved)",
                    Evidence::Proof { .. } => "(not proved)",
                    Evidence::Downgraded => "(downgraded)",
                };
                self.note(format!("login {} {name} {password}", credentials.mechanism));
                let result = self.decide(&format!("login {name}")).map(|()| name);
                self.session.authenticated(match password {
                    "(not proved)" | "(downgraded)" => {
                        Err(Reply::new(535, (5, 7, 8), "Authentication failed"))
                    }
                    _ => result,
                });
            }
            Step::LookUpVerifier(username) => {
                self.note(format!("look-up {username}"));
                let found = self.decide(&format!("look-up {username}"));
                self.session.verifier_found(found.map(|()| pencil()));
            }
            Step::CheckSender(mailbox, _) => {
                let mailbox = mailbox.map_or("<>".to_owned(), |mailbox| mailbox.to_string());
                let result = self.decide(&format!("sender {mailbox}"));
                self.session.sender_answered(result);
            }
            Step::CheckRecipient(mailbox) => {
                let result = self.decide(&format!("recipient {mailbox}"));
                self.session.recipient_answered(result);
            }
            Step::BeginContent => self.note("begin-content".to_owned()),
            Step::Content(octets) => self.note_content(&octets),
            Step::AbortContent => self.note("abort-content".to_owned()),
            Step::EndOfContent(transaction) => {
                self.note(describe(&transaction));
                self.session
                    .content_answered(self.script.final_reply.clone());
            }
            Step::NeedInput | Step::StartTls | Step::Close => unreachable!("answered by run"),
        }
    }

    fn decide(&self, subject: &str) -> Result<(), Reply> {
        self.script
            .refusals
            .get(subject)
            .cloned()
            .map_or(Ok(()), Err)
    }

    fn note(&mut self, step: String) {
        self.events.push(Event::Step(step));
    }

    fn note_content(&mut self, octets: &[u8]) {
        match self.events.last_mut() {
            Some(Event::Content(content)) => content.extend_from_slice(octets),
            _ => self.events.push(Event::Content(octets.to_vec())),
        }
    }

    fn note_replies(&mut self) {
        let output = self.session.take_output();
        if output.is_empty() {
            return;
        }
        let output = String::from_utf8(output).expect("replies are US-ASCII");
        let replies = output.strip_suffix("\r\n").expect("replies end with CRLF");
        for line in replies.split("\r\n") {
            assert!(
                line.len() <= 510 && line.bytes().all(|octet| matches!(octet, 32..=126)),
                "{line:?}"
            );
            self.events.push(Event::Reply(line.to_owned()));
        }
    }
}

/// What RFC 7677 §3 has for its example: the password is `pencil`.
fn pencil() -> VerifierFound {
    let salt = *b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
    VerifierFound {
        verifier: ScramVerifier::derive(&Secret::new("pencil".to_owned()), salt, 4096),
        version: 1,
        nonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned(),
    }
}

fn describe(transaction: &Transaction) -> String {
    let reverse_path = match &transaction.reverse_path {
        Some(mailbox) => mailbox.as_str(),
        None => "<>",
    };
    let recipients: Vec<&str> = transaction
        .recipients
        .iter()
        .map(|one| one.mailbox.as_str())
        .collect();
    let body = match transaction.parameters.body {
        BodyType::SevenBit => "7bit",
        BodyType::EightBitMime => "8bitmime",
        BodyType::BinaryMime => "binarymime",
    };
    format!(
        "message {reverse_path} -> {}, {body}, {} octets",
        recipients.join(" "),
        transaction.size
    )
}
