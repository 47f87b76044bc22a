//! No second message hides in a first one, however its octets are cut, and whatever the next hop gets has
//! CRLF line ends alone.

use base64::prelude::{BASE64_STANDARD, Engine};
use gatepost_tests::client::Client;
use gatepost_tests::message;
use gatepost_tests::relay::{Relay, Setup, User};
use gatepost_tests::sink::{Delivery, Script, Sink};
use gatepost_tests::wait;

const FROM: &str = "orders@example.com";
const TO: &str = "customer@example.net";

/// What some server or other has taken for the end of content, and we never do.
const SEQUENCES: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\0",
    b"\n.\n",
    b"\n.\r\n",
    b"\n.\r",
    b"\r.\r",
    b"\r.\r\n",
    b"\r.\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\n.\0\r\n",
    b"\r\n\0.\r\n",
    b"\r\r\n.",
    b"\r\r\n.\r\r\n",
    b"\r\n\n.\n",
    b"\n\n.\n\n",
    b"\r\n.\n\r",
];

/// What is meant to become the second message.
const SMUGGLED: &[u8] = b"MAIL FROM:<eve@example.com>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\n\
      From: eve@example.com\r\n\r\nsmuggled\r\n";

fn open(offers: &[&'static str]) -> (Sink, Relay, User) {
    let sink = Sink::start(Script::reading().offering(offers)).expect("a port");
    let relay = Relay::start(&Setup::smarthost(sink.port()));
    let user = relay.add_shop_user(&[]);
    (sink, relay, user)
}

/// Content with this sequence in its body, and behind it what is to be smuggled: its octets, and
/// where the sequence stands.
fn content_with(sequence: &[u8]) -> (Vec<u8>, std::ops::Range<usize>) {
    let head = message::short(FROM, TO, &message::id("smuggle", 0)) + "first";
    let at = head.len();
    let octets = [head.as_bytes(), sequence, SMUGGLED].concat();
    (octets, at..at + sequence.len())
}

fn begin(client: &mut Client) {
    client.say(&format!("MAIL FROM:<{FROM}>"), "250");
    client.say(&format!("RCPT TO:<{TO}>"), "250");
}

/// No reply is left over: each command so far was one command.
#[track_caller]
fn nothing_else_was_said(client: &mut Client) {
    client.say("RSET", "250 2.0.0");
    client.say("HELP", "214");
}

#[track_caller]
fn has_crlf_line_ends_alone(delivery: &Delivery) {
    let content = &delivery.content;
    assert_eq!(content.len(), delivery.size, "the sink kept all of it");
    for (at, octet) in content.iter().enumerate() {
        let is_whole = match octet {
            b'\r' => content.get(at + 1) == Some(&b'\n'),
            b'\n' => at > 0 && content[at - 1] == b'\r',
            _ => true,
        };
        assert!(is_whole, "octet {at} in {:?}", delivery.text());
    }
}

#[test]
fn behind_data_every_sequence_is_refused_wherever_it_is_cut() {
    let (sink, relay, user) = open(&[]);
    for sequence in SEQUENCES {
        let mut client = relay.login(&user);
        let (content, at) = content_with(sequence);
        let content = [&content, &b".\r\n"[..]].concat();
        let cuts = (at.start - 1..=at.end + 1).map(|cut| vec![cut]);
        let apart = (at.start..=at.end).collect();
        for cuts in cuts.chain([vec![], apart]) {
            begin(&mut client);
            client.say("DATA", "354");
            send_cut(&mut client, &content, &cuts);
            client.expect("550 5.6.0");
            nothing_else_was_said(&mut client);
        }
        client.say("QUIT", "221");
    }
    only_this_arrives(&sink, &relay, &user);
}

/// Sends the octets in pieces that end at these cuts and are read one by one.
#[track_caller]
fn send_cut(client: &mut Client, octets: &[u8], cuts: &[usize]) {
    let mut pieces = Vec::new();
    let mut begin = 0;
    for &cut in cuts {
        pieces.push(&octets[begin..cut]);
        begin = cut;
    }
    pieces.push(&octets[begin..]);
    client.try_send_apart(&pieces).expect("the relay reads on");
}

/// A message that is sent now is the only one that the next hop has had.
#[track_caller]
fn only_this_arrives(sink: &Sink, relay: &Relay, user: &User) {
    let id = message::id("honest", 0);
    let content = message::short(FROM, TO, &id);
    relay.login(user).submit(FROM, &[TO], &content, "250");
    has_crlf_line_ends_alone(&sink.delivery(&id));
    assert_eq!(sink.count(), 1, "{:?}", sink.deliveries());
}

#[test]
fn behind_an_end_that_is_in_doubt_nothing_is_read() {
    let (sink, relay, user) = open(&[]);
    let sequence = b"\r\r\n.\r\n";
    let (content, at) = content_with(sequence);
    let content = [&content, &b".\r\n"[..]].concat();
    let cuts = (at.start..at.end).map(|cut| vec![cut]);
    for cuts in cuts.chain([vec![]]) {
        let mut client = relay.login(&user);
        begin(&mut client);
        client.say("DATA", "354");
        send_cut(&mut client, &content[..at.end], &cuts);
        // The relay may have hung up by now.
        let _ = client.try_send(&content[at.end..]);
        client.expect("550 5.6.0");
        client.expect("421 4.5.2");
        client.expect_end();
    }
    only_this_arrives(&sink, &relay, &user);
}

#[test]
fn in_a_chunk_every_sequence_is_refused_wherever_it_is_cut() {
    let (sink, relay, user) = open(&[]);
    for sequence in SEQUENCES {
        let mut client = relay.login(&user);
        let (content, at) = content_with(sequence);
        let command = format!("BDAT {} LAST\r\n", content.len());
        let octets = [command.as_bytes(), &content].concat();
        let cuts = (at.start..=at.end).map(|cut| vec![command.len() + cut]);
        for cuts in cuts.chain([vec![]]) {
            begin(&mut client);
            send_cut(&mut client, &octets, &cuts);
            client.expect("550 5.6.0");
            nothing_else_was_said(&mut client);
        }
    }
    only_this_arrives(&sink, &relay, &user);
}

#[test]
fn across_the_border_of_chunks_every_sequence_is_refused() {
    let (sink, relay, user) = open(&[]);
    for sequence in SEQUENCES {
        let mut client = relay.login(&user);
        let (content, at) = content_with(sequence);
        for cut in at.start..=at.end {
            begin(&mut client);
            let (first, last) = content.split_at(cut);
            let command = format!("BDAT {}\r\n", first.len());
            let told = send_chunk(&mut client, &command, first);
            let command = format!("BDAT {} LAST\r\n", last.len());
            let end = send_chunk(&mut client, &command, last);
            // A chunk behind a refused one has no transaction any more.
            let expected = if told == 250 { 550 } else { 503 };
            assert!(
                (told == 250 || told == 550) && end == expected,
                "{told}, {end}: {sequence:?} at {cut}"
            );
            nothing_else_was_said(&mut client);
        }
    }
    only_this_arrives(&sink, &relay, &user);
}

/// Sends one chunk: the code of the reply.
#[track_caller]
fn send_chunk(client: &mut Client, command: &str, octets: &[u8]) -> u16 {
    let chunk = [command.as_bytes(), octets].concat();
    let reply = client.try_send(&chunk).and_then(|()| client.try_reply());
    reply
        .unwrap_or_else(|error| panic!("{error}\n{}", client.dialogue()))
        .code
}

#[test]
fn a_final_dot_in_a_chunk_is_text_and_stays_one_message() {
    for offers in [&[][..], &["CHUNKING"]] {
        let (sink, relay, user) = open(offers);
        let mut client = relay.login(&user);
        let id = message::id("dot", 0);
        for end in ["\r\n.\r\n", "\r\n.", ".", "\r\n", ""] {
            begin(&mut client);
            let head = message::short(FROM, TO, &id);
            let content = format!(
                "{head}first\r\n.\r\n{}{end}",
                String::from_utf8_lossy(SMUGGLED)
            );
            let command = format!("BDAT {} LAST\r\n", content.len());
            assert_eq!(send_chunk(&mut client, &command, content.as_bytes()), 250);
        }
        sink.wait_for(5, wait::PATIENCE);
        for delivery in sink.deliveries() {
            has_crlf_line_ends_alone(&delivery);
            assert_eq!(delivery.to, [format!("<{TO}>")]);
            assert!(delivery.text().contains("\r\nsmuggled\r\n"));
        }
        assert_eq!(sink.count(), 5);
    }
}

#[test]
fn binary_content_reaches_a_next_hop_of_lines_as_base64_alone() {
    for offers in [&[][..], &["CHUNKING"], &["BINARYMIME"]] {
        let (sink, relay, user) = open(offers);
        let mut client = relay.login(&user);
        for (at, sequence) in SEQUENCES.iter().enumerate() {
            client.say(&format!("MAIL FROM:<{FROM}> BODY=BINARYMIME"), "250");
            client.say(&format!("RCPT TO:<{TO}>"), "250");
            let (content, _) = content_with(sequence);
            let command = format!("BDAT {} LAST\r\n", content.len());
            assert_eq!(send_chunk(&mut client, &command, &content), 250);
            sink.wait_for(at + 1, wait::PATIENCE);
            let delivery = sink.deliveries().pop().expect("it came");
            assert!(
                delivery.from.starts_with(&format!("<{FROM}>")),
                "{delivery:?}"
            );
            assert_eq!(delivery.to, [format!("<{TO}>")]);
            assert_eq!(delivery.fields("Content-Transfer-Encoding"), ["base64"]);
            has_crlf_line_ends_alone(&delivery);
            assert_eq!(
                decoded_body(&delivery),
                [b"Hello.\r\nfirst", *sequence, SMUGGLED].concat()
            );
        }
        assert_eq!(sink.count(), SEQUENCES.len());
    }
}

/// The octets that a reader of the message is shown.
fn decoded_body(delivery: &Delivery) -> Vec<u8> {
    let text = delivery.text();
    let (_, body) = text.split_once("\r\n\r\n").expect("a body");
    let lines: String = body.split("\r\n").collect();
    BASE64_STANDARD.decode(lines).expect("base64")
}

#[test]
fn in_the_header_of_binary_content_every_sequence_is_refused() {
    let (sink, relay, user) = open(&["CHUNKING", "BINARYMIME"]);
    let mut client = relay.login(&user);
    for sequence in SEQUENCES {
        client.say(&format!("MAIL FROM:<{FROM}> BODY=BINARYMIME"), "250");
        client.say(&format!("RCPT TO:<{TO}>"), "250");
        let subject = [b"Subject: a", *sequence, b"To: b@example.net\r\n\r\n"].concat();
        let content = [format!("From: {FROM}\r\n").as_bytes(), &subject].concat();
        let command = format!("BDAT {} LAST\r\n", content.len());
        assert_eq!(send_chunk(&mut client, &command, &content), 550);
        nothing_else_was_said(&mut client);
    }
    only_this_arrives(&sink, &relay, &user);
}

#[test]
fn a_command_line_is_one_command_whatever_stands_in_it() {
    let (sink, relay, user) = open(&[]);
    let mut client = relay.login(&user);
    for command in [
        "MAIL FROM:<orders@example.com>\rRCPT TO:<victim@example.net>",
        "MAIL FROM:<orders@example.com>\0RCPT TO:<victim@example.net>",
        "MAIL FROM:<orders@example.com> ENVID=a\rRSET",
        "MAIL FROM:<\"a\rb\"@example.com>",
        "NOOP\r\r",
    ] {
        client.say(command, "500 5.5.2");
        client.say("NOOP", "250");
    }
    // A bare LF ends a line, so that the client is not kept waiting; neither half is a command.
    client.send(b"MAIL FROM:<orders@example.com>\nNOOP\r\n", "500 5.5.2");
    client.expect("500 5.5.2");
    client.say("RCPT TO:<victim@example.net>", "503");
    // What comes with STARTTLS before the handshake is nobody's (RFC 3207 §5).
    let mut client = relay.connect();
    client.ehlo();
    let octets = b"STARTTLS\r\nMAIL FROM:<eve@example.com>\r\n";
    let told = client.try_send(octets).and_then(|()| client.try_reply());
    assert!(told.is_ok(), "{}", client.dialogue());
    assert!(!client.dialogue().contains("Sender ok"));
    only_this_arrives(&sink, &relay, &user);
}
