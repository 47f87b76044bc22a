//! A shell without a wire: answers a session's steps, and checks what must hold whatever the client says.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::smtp::scram::{SALT_OCTETS, ScramVerifier};
use crate::smtp::{
    AuthPolicy, BodyType, Evidence, Mailbox, Reply, Session, SessionConfig, Step, Transaction,
    VerifierFound,
};

/// Octets that a session may keep of what it was given: a pipelined group is taken apart at once.
const MAX_OUTPUT_OCTETS: usize = 4 * 1024 * 1024;

/// What peer and server would see, without the borders of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What was written.
    Output(Vec<u8>),
    /// Octets of content.
    Content(Vec<u8>),
    /// Anything else, printed.
    Step(String),
}

/// How a shell behaves: what it says to the session's questions is taken from these bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shell {
    /// Under TLS from the start.
    pub encrypted: bool,
    /// Credentials need TLS.
    pub tls_only: bool,
    /// Senders are refused.
    pub refuses_senders: bool,
    /// Every second recipient is refused.
    pub refuses_recipients: bool,
    /// Messages are refused.
    pub refuses_messages: bool,
    /// Logins are refused.
    pub refuses_logins: bool,
    /// Limits are as small as they can sensibly be.
    pub is_narrow: bool,
}

impl Shell {
    /// From one octet of the input.
    pub fn from_bits(bits: u8) -> Self {
        let is_set = |bit: u32| bits >> bit & 1 == 1;
        Self {
            encrypted: is_set(0),
            tls_only: is_set(1),
            refuses_senders: is_set(2) && is_set(7),
            refuses_recipients: is_set(3),
            refuses_messages: is_set(4),
            refuses_logins: is_set(5) && is_set(7),
            is_narrow: is_set(6),
        }
    }

    fn config(self) -> SessionConfig {
        let config = SessionConfig {
            hostname: "relay.example.com".to_owned(),
            starttls: true,
            auth: if self.tls_only {
                AuthPolicy::TlsOnly
            } else {
                AuthPolicy::Always
            },
            ..SessionConfig::default()
        };
        if self.is_narrow {
            SessionConfig {
                max_message_octets: 200,
                max_header_octets: 120,
                max_text_line_octets: 60,
                max_recipients: 2,
                max_command_octets: 100,
                ..config
            }
        } else {
            config
        }
    }
}

/// The octets that log a client in.
pub fn log_in() -> &'static [u8] {
    b"EHLO client.example.com\r\nAUTH PLAIN AHUAcA==\r\n"
}

/// Cuts the octets at places that `seed` decides.
pub fn split(octets: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = octets;
    let mut state = u32::from(seed) * 2 + 1;
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = 1 + (state >> 24) as usize % (1 + usize::from(seed));
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The same octets must read the same however they are cut.
pub fn replay_whole_and_cut(shell: Shell, octets: &[u8], seed: u8) {
    let whole = replay(shell, &[octets]);
    let cut = replay(shell, &split(octets, seed));
    assert_eq!(whole, cut, "cutting changed the meaning");
}

/// Feeds the pieces and returns what happened until the end, the close or the handshake.
pub fn replay(shell: Shell, pieces: &[&[u8]]) -> Vec<Event> {
    let session = Session::new(
        Arc::new(shell.config()),
        shell.encrypted,
        Timestamp::default(),
    );
    let mut run = Run {
        shell,
        session,
        events: Vec::new(),
        content: Vec::new(),
        recipients: 0,
    };
    let mut goes_on = run.run();
    for piece in pieces {
        if !goes_on {
            break;
        }
        run.session.receive(piece);
        goes_on = run.run();
    }
    run.events
}

struct Run {
    shell: Shell,
    session: Session<String>,
    events: Vec<Event>,
    content: Vec<u8>,
    recipients: usize,
}

impl Run {
    /// Answers steps until the session needs input; false when it is over.
    fn run(&mut self) -> bool {
        loop {
            let step = self.session.next_step();
            self.take_output();
            match step {
                Step::NeedInput => return true,
                Step::Close | Step::StartTls => return false,
                step => self.answer(step),
            }
            self.take_output();
        }
    }

    fn answer(&mut self, step: Step) {
        match step {
            Step::Content(octets) => self.content(&octets),
            Step::BeginContent => self.content.clear(),
            Step::Authenticate(credentials) => {
                assert!(!credentials.username.is_empty());
                let is_wrong = matches!(
                    credentials.evidence,
                    Evidence::Downgraded
                        | Evidence::Proof {
                            is_right: false,
                            ..
                        }
                );
                let username = credentials.username;
                let answer = refuse_if(self.shell.refuses_logins || is_wrong, (535, 5));
                self.session.authenticated(answer.map(|()| username));
            }
            Step::LookUpVerifier(_) => {
                let answer = refuse_if(self.shell.refuses_logins, (454, 4));
                self.session.verifier_found(answer.map(|()| VerifierFound {
                    verifier: ScramVerifier::nobody([7; SALT_OCTETS], 4096),
                    version: 0,
                    nonce: "nonce".to_owned(),
                }));
            }
            Step::CheckSender(sender, _) => {
                self.recipients = 0;
                sender.iter().for_each(check_mailbox);
                let answer = refuse_if(self.shell.refuses_senders, (550, 5));
                self.session.sender_answered(answer);
            }
            Step::CheckRecipient(recipient) => {
                check_mailbox(&recipient);
                self.recipients += 1;
                let is_refused = self.shell.refuses_recipients && self.recipients.is_multiple_of(2);
                self.session
                    .recipient_answered(refuse_if(is_refused, (550, 5)));
            }
            Step::EndOfContent(transaction) => self.message(&transaction),
            Step::AbortContent => self.note("abort".to_owned()),
            Step::NeedInput | Step::Close | Step::StartTls => unreachable!("handled by the caller"),
        }
    }

    fn content(&mut self, octets: &[u8]) {
        assert!(!octets.is_empty(), "an empty chunk");
        self.content.extend_from_slice(octets);
        if let Some(Event::Content(last)) = self.events.last_mut() {
            last.extend_from_slice(octets);
        } else {
            self.events.push(Event::Content(octets.to_vec()));
        }
    }

    fn message(&mut self, transaction: &Transaction) {
        assert_eq!(transaction.size, self.content.len() as u64);
        assert!(!transaction.recipients.is_empty());
        let config = self.shell.config();
        assert!(transaction.size <= config.max_message_octets);
        assert!(transaction.recipients.len() <= config.max_recipients);
        if transaction.parameters.body != BodyType::BinaryMime {
            check_lines(&self.content, config.max_text_line_octets);
        }
        if transaction.parameters.body == BodyType::SevenBit {
            assert!(
                self.content.is_ascii(),
                "eight-bit content passes as seven-bit"
            );
        }
        self.note(format!("{transaction:?}"));
        let answer = refuse_if(self.shell.refuses_messages, (550, 5));
        let reply = answer
            .err()
            .unwrap_or_else(|| Reply::new(250, (2, 0, 0), "queued"));
        self.session.content_answered(reply);
    }

    fn note(&mut self, step: String) {
        self.events.push(Event::Step(step));
    }

    fn take_output(&mut self) {
        let output = self.session.take_output();
        assert!(output.len() <= MAX_OUTPUT_OCTETS, "replies without end");
        if output.is_empty() {
            return;
        }
        check_replies(&output);
        if let Some(Event::Output(last)) = self.events.last_mut() {
            last.extend_from_slice(&output);
        } else {
            self.events.push(Event::Output(output));
        }
    }
}

fn refuse_if(is_refused: bool, (code, class): (u16, u8)) -> Result<(), Reply> {
    if is_refused {
        Err(Reply::new(code, (class, 7, 1), "refused"))
    } else {
        Ok(())
    }
}

/// A mailbox that passed is a mailbox when it is read again, and harmless on a line.
fn check_mailbox(mailbox: &Mailbox) {
    let text = mailbox.as_str();
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert_eq!(Mailbox::parse_utf8(text).as_ref(), Ok(mailbox));
}

/// CRLF line ends alone, no NUL, no line beyond the limit.
fn check_lines(content: &[u8], max_line_octets: usize) {
    let mut rest = content;
    while let Some(end) = rest
        .iter()
        .position(|octet| matches!(octet, b'\r' | b'\n' | 0))
    {
        assert!(
            rest[end..].starts_with(b"\r\n"),
            "a bare control at {:?}",
            rest[end..].first()
        );
        assert!(end + 2 <= max_line_octets, "a line of {} octets", end + 2);
        rest = &rest[end + 2..];
    }
    assert!(rest.is_empty(), "the last line does not end");
}

/// RFC 5321 §4.2: three digits, a space or hyphen, printable US-ASCII, CRLF, at most 512 octets.
fn check_replies(output: &[u8]) {
    let text = str::from_utf8(output).expect("replies are US-ASCII");
    for line in text
        .strip_suffix("\r\n")
        .expect("replies end with CRLF")
        .split("\r\n")
    {
        assert!(line.len() <= 510, "{line}");
        assert!(
            line.bytes().all(|octet| matches!(octet, b' '..=b'~')),
            "{line:?}"
        );
        let code: u16 = line[..3].parse().expect("a reply code");
        assert!((200..=559).contains(&code), "{line}");
        assert!(matches!(line.as_bytes()[3], b' ' | b'-'), "{line}");
    }
}
