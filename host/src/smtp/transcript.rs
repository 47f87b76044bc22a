//! Replays the golden transcripts in `tests/transcripts`, each cut in every way that could matter.
//!
//! A line of a transcript is one of
//! - `C: text`, what the client sends, with CRLF added; `C> text`, the same without;
//!   `\r`, `\n`, `\t`, `\0`, `\\` and `\xNN` are escapes, `\{N*text}` repeats;
//! - `S: text`, a line of a reply;
//! - `= text`, a step: `login`, `begin-content`, `content`, `abort-content`, `message`,
//!   `start-tls`, `close`;
//! - `# session: word…`, the surroundings: `encrypted`, `tls-only`, `require-tls`, `no-starttls`,
//!   or a limit, `max-recipients=2`;
//! - `# login NAME: reply`, `# sender MAILBOX: reply`, `# recipient MAILBOX: reply`: a refusal;
//!   `# message: reply`: the answer to the content;
//! - any other `#` line, a comment.
//!
//! Lines of the client with nothing between them travel together.

use super::Reply;
use super::config::AuthPolicy;
use super::fake_shell::{Event, Script, replay};

/// A transcript, read.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pub script: Script,
    pub flights: Vec<Flight>,
    pub expected: Vec<String>,
}

/// What the client sends at once.
#[derive(Debug, Default)]
pub(super) struct Flight {
    pub octets: Vec<u8>,
    /// The handshake follows: the next flight cannot travel with this one.
    pub ends_with_handshake: bool,
}

impl Transcript {
    pub(super) fn parse(text: &str) -> Self {
        let mut transcript = Self::default();
        let mut in_flight = false;
        for line in text.lines() {
            let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
            let rest = rest.strip_prefix(' ').unwrap_or(rest);
            match mark {
                "C:" => transcript.client(&mut in_flight, rest, b"\r\n"),
                "C>" => transcript.client(&mut in_flight, rest, b""),
                "S:" | "= " => transcript.expect(&mut in_flight, line),
                "# " => transcript.direct(rest),
                "" => {}
                _ => panic!("`{line}` is no line of a transcript"),
            }
        }
        transcript
    }

    fn client(&mut self, in_flight: &mut bool, text: &str, end: &[u8]) {
        if !*in_flight {
            self.flights.push(Flight::default());
        }
        *in_flight = true;
        let flight = self.flights.last_mut().expect("one was pushed");
        flight.octets.extend(unescape(text));
        flight.octets.extend_from_slice(end);
    }

    fn expect(&mut self, in_flight: &mut bool, line: &str) {
        *in_flight = false;
        if line == "= start-tls" {
            let flight = self.flights.last_mut().expect("the client asked for TLS");
            flight.ends_with_handshake = true;
        }
        self.expected.push(line.to_owned());
    }

    fn direct(&mut self, directive: &str) {
        match directive.split_once(": ") {
            Some(("session", words)) => words.split(' ').for_each(|word| self.surround(word)),
            Some(("message", reply)) => self.script.final_reply = parse_reply(reply),
            Some((subject, reply)) if is_subject(subject) => {
                let reply = parse_reply(reply);
                self.script.refusals.insert(subject.to_owned(), reply);
            }
            _ => {}
        }
    }

    fn surround(&mut self, word: &str) {
        let config = &mut self.script.config;
        let (key, value) = word.split_once('=').unwrap_or((word, "0"));
        let value: u32 = value.parse().expect("a limit is a number");
        match key {
            "encrypted" => self.script.encrypted = true,
            "tls-only" => config.auth = AuthPolicy::TlsOnly,
            "require-tls" => config.require_tls = true,
            "no-starttls" => config.starttls = false,
            "max-message-octets" => config.max_message_octets = value.into(),
            "max-header-octets" => config.max_header_octets = value as usize,
            "max-text-line-octets" => config.max_text_line_octets = value as usize,
            "max-command-octets" => config.max_command_octets = value as usize,
            "max-recipients" => config.max_recipients = value as usize,
            "max-bad-commands" => config.max_bad_commands = value,
            "max-failed-logins" => config.max_failed_logins = value,
            "max-transactions" => config.max_transactions = value,
            "max-commands" => config.max_commands_between_messages = value as usize,
            _ => panic!("`{word}` is no surrounding of a session"),
        }
    }

    /// The flights, those that can travel together joined.
    fn joined_flights(&self) -> Vec<Vec<u8>> {
        let mut joined = vec![Vec::new()];
        for flight in &self.flights {
            let last = joined.last_mut().expect("never empty");
            last.extend_from_slice(&flight.octets);
            if flight.ends_with_handshake {
                joined.push(Vec::new());
            }
        }
        joined
    }
}

fn is_subject(text: &str) -> bool {
    ["login ", "look-up ", "sender ", "recipient "]
        .iter()
        .any(|kind| text.starts_with(kind))
}

/// Reads `550 5.7.1 text`.
fn parse_reply(text: &str) -> Reply {
    let mut words = text.splitn(3, ' ');
    let mut word = || words.next().expect("code, enhanced status code, text");
    let code = word().parse().expect("a reply code");
    let enhanced: Vec<u16> = word()
        .split('.')
        .map(|number| number.parse().expect("a number"))
        .collect();
    Reply::new(code, (0, enhanced[1], enhanced[2]), word().to_owned())
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        octets.extend_from_slice(before.as_bytes());
        let mut used = 1;
        match escape.as_bytes()[0] {
            b'r' => octets.push(b'\r'),
            b'n' => octets.push(b'\n'),
            b't' => octets.push(b'\t'),
            b'0' => octets.push(0),
            b'\\' => octets.push(b'\\'),
            b'x' => {
                used = 3;
                octets.push(u8::from_str_radix(&escape[1..3], 16).expect("two hex digits"));
            }
            b'{' => {
                used = escape.find('}').expect("a closing brace") + 1;
                let (count, text) = escape[1..used - 1].split_once('*').expect("N*text");
                let text = unescape(text);
                octets.extend(text.repeat(count.parse().expect("a number")));
            }
            other => panic!("\\{} is no escape", char::from(other)),
        }
        rest = &escape[used..];
    }
    octets.extend_from_slice(rest.as_bytes());
    octets
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::to_line).collect()
}

/// Every way to cut `octets` in two.
pub(super) fn cuts(octets: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    (0..=octets.len()).map(|at| {
        let (head, tail) = octets.split_at(at);
        vec![head, tail]
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn transcripts() -> Vec<(String, Transcript)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/transcripts");
        let mut found: Vec<(String, Transcript)> = fs::read_dir(folder)
            .expect("the transcripts are in the tree")
            .map(|entry| entry.expect("readable").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
            .map(|path| {
                let text = fs::read_to_string(&path).expect("readable");
                (path.display().to_string(), Transcript::parse(&text))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(!found.is_empty());
        found
    }

    #[test]
    fn transcripts_replay_flight_by_flight() {
        for (name, transcript) in transcripts() {
            let flights: Vec<Vec<&[u8]>> = transcript
                .flights
                .iter()
                .map(|flight| vec![flight.octets.as_slice()])
                .collect();
            let events = replay(&transcript.script, &flights);
            assert_eq!(lines(&events), transcript.expected, "{name}");
        }
    }

    #[test]
    fn transcripts_replay_octet_by_octet() {
        for (name, transcript) in transcripts() {
            let flights: Vec<Vec<&[u8]>> = transcript
                .flights
                .iter()
                .map(|flight| flight.octets.chunks(1).collect())
                .collect();
            let events = replay(&transcript.script, &flights);
            assert_eq!(lines(&events), transcript.expected, "{name}");
        }
    }

    #[test]
    fn transcripts_replay_cut_anywhere() {
        for (name, transcript) in transcripts() {
            let joined = transcript.joined_flights();
            let whole: Vec<Vec<&[u8]>> = joined
                .iter()
                .map(|octets| vec![octets.as_slice()])
                .collect();
            for (index, octets) in joined.iter().enumerate() {
                for pieces in cuts(octets) {
                    let at = pieces[0].len();
                    let mut flights = whole.clone();
                    flights[index] = pieces;
                    let events = replay(&transcript.script, &flights);
                    assert_eq!(
                        lines(&events),
                        transcript.expected,
                        "{name}, flight {index} cut at {at}"
                    );
                }
            }
        }
    }
}
