//! What the transcripts cannot say: random input, the shell's own calls, and what is told of the client.

use super::super::fake_shell::{Event, Script, replay};
use super::super::transcript::cuts;
use super::*;

/// What hostile and honest clients are made of.
const WORDS: [&[u8]; 38] = [
    b"BDAT 5\r\n",
    b"BDAT 2 LAST\r\n",
    b"BDAT 0 LAST\r\n",
    b"MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r",
    b"\n",
    b"\0",
    b".",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r\n.\n",
    b"\r.\r\n",
    b"..",
    b" ",
    b"x",
    b"\xff",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    b"EHLO a\r\n",
    b"HELO a\r\n",
    b"STARTTLS\r\n",
    b"AUTH PLAIN AHUAcA==\r\n",
    b"AUTH PLAIN AHUAcA==\r\n",
    b"AUTH LOGIN\r\n",
    b"dQ==\r\n",
    b"*\r\n",
    b"MAIL FROM:<a@b.example>\r\n",
    b"MAIL FROM:<a@b.example>\r\n",
    b"MAIL FROM:<> SIZE=10\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b"RCPT TO:<c@d.example>\r\n",
    b"RCPT TO:<no@d.example>\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b"RSET\r\n",
    b"\x16\x03\x01",
];

/// Marsaglia's xorshift: the same dialogues on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("less than sides")
    }

    /// Octets of a dialogue; most begin with a login, so that they get somewhere.
    fn dialogue(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        if self.roll(4) > 0 {
            octets
                .extend_from_slice(b"EHLO a\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<a@b.example>\r\n");
            octets.extend_from_slice(b"RCPT TO:<c@d.example>\r\nDATA\r\n");
        }
        for _ in 0..self.roll(30) {
            octets.extend_from_slice(WORDS[self.roll(WORDS.len())]);
        }
        octets
    }

    fn pieces<'a>(&mut self, mut octets: &'a [u8]) -> Vec<&'a [u8]> {
        let mut pieces = Vec::new();
        while !octets.is_empty() {
            let (piece, rest) = octets.split_at(1 + self.roll(octets.len().min(9)));
            pieces.push(piece);
            octets = rest;
        }
        pieces
    }
}

fn narrow_script() -> Script {
    let mut script = Script::default();
    script.config.max_message_octets = 90;
    script.config.max_header_octets = 70;
    script.config.max_text_line_octets = 50;
    script.config.max_command_octets = 64;
    script.config.max_bad_commands = 6;
    let refusal = Reply::new(550, (5, 1, 1), "No such user");
    script
        .refusals
        .insert("recipient no@d.example".to_owned(), refusal);
    script
}

#[test]
fn any_cut_of_the_same_octets_gives_the_same_steps() {
    let (script, mut dice) = (narrow_script(), Dice(0x9E37_79B9_7F4A_7C15));
    let mut messages = 0;
    for _ in 0..150 {
        let octets = dice.dialogue();
        let whole = replay(&script, &[vec![&octets]]);
        messages += count_messages(&whole);
        let shown = octets.escape_ascii();
        assert_eq!(
            replay(&script, &[octets.chunks(1).collect()]),
            whole,
            "{shown}"
        );
        assert_eq!(replay(&script, &[dice.pieces(&octets)]), whole, "{shown}");
        for pieces in cuts(&octets) {
            let at = pieces[0].len();
            assert_eq!(replay(&script, &[pieces]), whole, "{shown} cut at {at}");
        }
    }
    assert!(messages > 10, "the dialogues get somewhere: {messages}");
}

/// A message needs a `CRLF . CRLF` or a last chunk of its own, whatever else was sent.
#[test]
fn there_are_never_more_messages_than_ends_of_content() {
    let (script, mut dice) = (narrow_script(), Dice(42));
    for _ in 0..4000 {
        let octets = dice.dialogue();
        let count = |end: &[u8]| {
            octets
                .windows(end.len())
                .filter(|window| *window == end)
                .count()
        };
        let ends = count(b"\r\n.\r\n") + count(b" LAST\r\n");
        let events = replay(&script, &[vec![&octets]]);
        assert!(count_messages(&events) <= ends, "{}", octets.escape_ascii());
    }
}

fn count_messages(events: &[Event]) -> usize {
    let is_message = |event: &&Event| event.to_line().starts_with("= message");
    events.iter().filter(is_message).count()
}

fn session() -> Session<&'static str> {
    let mut session = Session::new(
        Arc::new(Script::default().config),
        false,
        Timestamp::default(),
    );
    assert_eq!(session.next_step(), Step::NeedInput);
    session.take_output();
    session
}

/// The replies to `octets` and the step that follows.
fn say<U>(session: &mut Session<U>, octets: &[u8]) -> (String, Step) {
    session.receive(octets);
    let step = session.next_step();
    let output = String::from_utf8(session.take_output()).expect("replies are US-ASCII");
    (output, step)
}

fn log_in(session: &mut Session<&'static str>) {
    let (_, step) = say(
        session,
        b"EHLO client.example.com\r\nAUTH PLAIN AHUAcA==\r\n",
    );
    assert!(matches!(step, Step::Authenticate(_)));
    session.authenticated(Ok("ann"));
}

fn begin_content(session: &mut Session<&'static str>) {
    log_in(session);
    let (_, step) = say(
        session,
        b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n",
    );
    assert!(matches!(step, Step::CheckSender(..)));
    session.sender_answered(Ok(()));
    assert!(matches!(session.next_step(), Step::CheckRecipient(_)));
    session.recipient_answered(Ok(()));
    assert_eq!(session.next_step(), Step::BeginContent);
    assert_eq!(session.next_step(), Step::NeedInput);
    session.take_output();
}

fn shutting_down() -> Reply {
    Reply::new(421, (4, 3, 2), "Shutting down")
}

const SHUTTING_DOWN: &str = "421 4.3.2 Shutting down\r\n";

#[test]
fn the_shell_learns_who_the_client_is() {
    let mut session = session();
    assert_eq!(
        (session.helo(), session.is_esmtp(), session.user()),
        ("", false, None)
    );
    log_in(&mut session);
    assert_eq!(session.helo(), "client.example.com");
    assert!(session.is_esmtp() && !session.encrypted());
    assert_eq!(session.user(), Some(&"ann"));
    *session.user_mut().expect("logged in") = "bob";
    assert_eq!(session.user(), Some(&"bob"));
    let _ = say(&mut session, b"HELO other\r\n");
    assert_eq!((session.helo(), session.is_esmtp()), ("other", false));
    assert_eq!(session.user(), Some(&"bob"));
    assert_eq!(say(&mut session, b"STARTTLS\r\n").1, Step::StartTls);
    session.tls_established();
    assert!(session.encrypted());
    assert_eq!((session.helo(), session.user()), ("", None));
}

#[test]
fn mail_parameters_reach_the_shell() {
    let mut session = session();
    log_in(&mut session);
    let (_, step) = say(&mut session, b"MAIL FROM:<> SIZE=77 BODY=8BITMIME\r\n");
    let parameters = MailParameters {
        size: Some(77),
        body: BodyType::EightBitMime,
        ..MailParameters::default()
    };
    assert_eq!(step, Step::CheckSender(None, parameters));
}

#[test]
fn a_shutdown_waits_for_the_end_of_a_message() {
    let mut session = session();
    begin_content(&mut session);
    assert!(session.is_receiving_content());
    session.shut_down(shutting_down());
    assert_eq!(say(&mut session, b"a\r\n").1, Step::Content("a\r\n".into()));
    assert_eq!(session.next_step(), Step::NeedInput);
    assert!(matches!(
        say(&mut session, b".\r\nNOOP\r\n").1,
        Step::EndOfContent(_)
    ));
    assert!(!session.is_receiving_content());
    session.content_answered(Reply::new(250, (2, 0, 0), "queued"));
    let (output, step) = say(&mut session, b"NOOP\r\n");
    assert_eq!(output, format!("250 2.0.0 queued\r\n{SHUTTING_DOWN}"));
    assert_eq!(step, Step::Close);
}

#[test]
fn a_shutdown_between_commands_is_at_once() {
    for pending in [&b""[..], b"NOO", b"EHLO a\r\nAUTH LOGIN\r\n"] {
        let mut session = session();
        assert_eq!(say(&mut session, pending).1, Step::NeedInput);
        session.shut_down(shutting_down());
        assert_eq!(
            say(&mut session, b""),
            (SHUTTING_DOWN.to_owned(), Step::Close)
        );
        assert_eq!(say(&mut session, b"NOOP\r\n"), (String::new(), Step::Close));
    }
}

#[test]
fn a_timeout_ends_the_session_even_within_a_message() {
    let mut session = session();
    begin_content(&mut session);
    session.time_out(shutting_down());
    assert_eq!(
        say(&mut session, b".\r\n"),
        (SHUTTING_DOWN.to_owned(), Step::Close)
    );
    session.time_out(shutting_down());
    assert_eq!(say(&mut session, b""), (String::new(), Step::Close));
}

#[test]
fn a_session_does_not_print_what_the_client_sent() {
    let mut session = session();
    log_in(&mut session);
    session.receive(b"AHUAc2VzYW1l");
    assert!(!format!("{session:?}").contains("AHUA"));
}

#[test]
fn limits_are_read_from_the_configuration_and_surroundings_are_not() {
    let config: SessionConfig =
        serde_json::from_str(r#"{"max-recipients": 5}"#).expect("a known key");
    assert_eq!(
        (config.max_recipients, config.max_header_octets),
        (5, 262_144)
    );
    for unknown in [r#"{"hostname": "a"}"#, r#"{"max_recipients": 5}"#] {
        assert!(
            serde_json::from_str::<SessionConfig>(unknown).is_err(),
            "{unknown}"
        );
    }
}
