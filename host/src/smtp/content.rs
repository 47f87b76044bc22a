//! Finds the end of the content after DATA and undoes dot-stuffing (RFC 5321 §4.5.2).
//!
//! The content ends at `CRLF . CRLF` and nowhere else. Whatever another server might take for a
//! line end (a bare CR, a bare LF) refuses the whole message, so that no second one can hide in it.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr3;

use super::config::SessionConfig;
use super::reply::Reply;

/// Why a message is refused for its octets. Lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BareCr { line: u64 },
    BareLf { line: u64 },
    Nul { line: u64 },
    LineTooLong { line: u64, max_octets: u64 },
    HeaderTooLarge { max_octets: u64 },
    MessageTooLarge { max_octets: u64 },
}

impl Refusal {
    pub(super) fn reply(self) -> Reply {
        let (code, enhanced, text) = match self {
            // RFC 5321 §2.3.8
            Self::BareCr { line } => (
                550,
                (5, 6, 0),
                format!(
                    "Message refused: bare carriage return (line {line}); lines must end with CRLF"
                ),
            ),
            Self::BareLf { line } => (
                550,
                (5, 6, 0),
                format!("Message refused: bare line feed (line {line}); lines must end with CRLF"),
            ),
            Self::Nul { line } => (
                550,
                (5, 6, 0),
                format!("Message refused: NUL octet (line {line})"),
            ),
            // RFC 5321 §4.5.3.1.6
            Self::LineTooLong { line, max_octets } => (
                550,
                (5, 6, 0),
                format!("Message refused: line {line} is longer than {max_octets} octets"),
            ),
            Self::HeaderTooLarge { max_octets } => (
                552,
                (5, 3, 4),
                format!("Message refused: its header is larger than {max_octets} octets"),
            ),
            // RFC 1870 §6.3
            Self::MessageTooLarge { max_octets } => (
                552,
                (5, 3, 4),
                format!("Message refused: it is larger than {max_octets} octets"),
            ),
        };
        Reply::new(code, enhanced, text)
    }
}

/// What the scanner found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ContentEvent {
    /// The input is used up, but for an octet or two that may begin a line end.
    NeedInput,
    /// Content, without dot-stuffing.
    Chunk(Bytes),
    /// The message is refused; no chunk comes any more.
    Refused,
    /// The content has ended, refused or not.
    End,
    /// Refused content has not ended within the limit.
    Endless,
}

/// Where in the content the input stands.
#[derive(Debug)]
pub(super) struct ContentScanner {
    limits: Limits,
    size: u64,
    line: u64,
    line_octets: u64,
    at_line_start: bool,
    in_header: bool,
    eight_bit: bool,
    discarded: u64,
    after_bare_cr: bool,
    is_end_doubtful: bool,
    refusal: Option<Refusal>,
    framing: Framing,
}

/// How the end of the content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// By a line of a single dot (RFC 5321 §4.5.2).
    Dot,
    /// By the size of its chunks (RFC 3030): a dot is a dot.
    Counted,
    /// Likewise, and the body may hold any octets (`BODY=BINARYMIME`).
    CountedBinary,
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    message_octets: u64,
    header_octets: u64,
    line_octets: u64,
    discarded_octets: u64,
}

/// How far the input is read, and how far what is kept of it has been moved together.
#[derive(Default)]
struct Cursor {
    read: usize,
    kept: usize,
}

/// The next few octets of the content, by what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Text(usize),
    LineEnd,
    StuffedDot,
    Terminator,
    BareCr,
    BareLf,
    Nul,
    Incomplete,
}

enum Stop {
    NeedInput,
    End,
    Refused(Refusal),
}

impl ContentScanner {
    pub(super) fn new(config: &SessionConfig) -> Self {
        Self {
            limits: Limits {
                message_octets: config.max_message_octets,
                header_octets: config.max_header_octets as u64,
                line_octets: config.max_text_line_octets as u64,
                discarded_octets: config.max_discarded_content_octets(),
            },
            size: 0,
            line: 1,
            line_octets: 0,
            at_line_start: true,
            in_header: true,
            eight_bit: false,
            discarded: 0,
            after_bare_cr: false,
            is_end_doubtful: false,
            refusal: None,
            framing: Framing::Dot,
        }
    }

    /// For content whose chunks say how long they are. A binary body is taken as it is; the header is not.
    pub(super) fn counted(config: &SessionConfig, is_binary: bool) -> Self {
        Self {
            framing: if is_binary {
                Framing::CountedBinary
            } else {
                Framing::Counted
            },
            ..Self::new(config)
        }
    }

    /// Ends content whose last chunk has come, with `rest` of it not taken: a CR without its LF.
    /// Returns the line end that is missing, or why the message is refused.
    pub(super) fn finish(&mut self, rest: &[u8]) -> Result<Option<Bytes>, Refusal> {
        if !rest.is_empty() {
            return Err(Refusal::BareCr { line: self.line });
        }
        if self.line_octets == 0 {
            return Ok(None);
        }
        let (room, refusal) = self.room_in_message();
        if room < 2 {
            return Err(refusal);
        }
        self.line_octets = 0;
        self.size += 2;
        Ok(Some(Bytes::from_static(b"\r\n")))
    }

    fn is_binary(&self) -> bool {
        self.framing == Framing::CountedBinary && !self.in_header
    }

    fn piece(&self, rest: &[u8]) -> Piece {
        match self.framing {
            Framing::Dot => piece(rest, self.at_line_start),
            Framing::CountedBinary if !self.in_header && !rest.is_empty() => {
                Piece::Text(rest.len())
            }
            Framing::Counted | Framing::CountedBinary => piece(rest, false),
        }
    }

    /// Octets of content so far, without dot-stuffing.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether an octet above 127 was seen.
    pub(super) fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }

    /// Why the message is refused, if it is.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether refused content ended with `CR CR LF . CR LF`: whoever takes `CR CR LF` for no line end, or for
    /// two, sees another end, and what follows may have been meant as content.
    pub(super) fn is_end_doubtful(&self) -> bool {
        self.is_end_doubtful
    }

    /// Takes the next event from the input. What stops a chunk stays in the input and is found
    /// again by the next call, so no event waits anywhere else.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> ContentEvent {
        if self.refusal.is_some() {
            return self.discard(input);
        }
        let mut cursor = Cursor::default();
        let stop = loop {
            self.accept_lines(input, &mut cursor);
            if let Some(stop) = self.accept(input, &mut cursor) {
                break stop;
            }
        };
        if cursor.kept > 0 {
            let mut chunk = input.split_to(cursor.read);
            chunk.truncate(cursor.kept);
            return ContentEvent::Chunk(chunk.freeze());
        }
        input.advance(cursor.read);
        match stop {
            Stop::NeedInput => ContentEvent::NeedInput,
            Stop::End => end(input),
            Stop::Refused(refusal) => {
                self.refusal = Some(refusal);
                ContentEvent::Refused
            }
        }
    }

    /// Accepts lines of the body in which there is nothing to be found, which are nearly all, at once.
    fn accept_lines(&mut self, input: &mut BytesMut, cursor: &mut Cursor) {
        if self.in_header || !self.at_line_start || self.is_binary() {
            return;
        }
        let (room, _) = self.room_in_message();
        let rest = &input[cursor.read..];
        let rest = &rest[..rest.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        let max_octets = usize::try_from(self.limits.line_octets).unwrap_or(usize::MAX);
        let (lines, octets) = plain_lines(rest, max_octets, self.framing == Framing::Dot);
        self.eight_bit |= !rest[..octets].is_ascii();
        self.keep(input, cursor, octets);
        self.line += lines;
    }

    fn accept(&mut self, input: &mut BytesMut, cursor: &mut Cursor) -> Option<Stop> {
        let line = self.line;
        match self.piece(&input[cursor.read..]) {
            Piece::Text(octets) => self.accept_text(input, cursor, octets),
            Piece::LineEnd => self.accept_line_end(input, cursor),
            // RFC 5321 §4.5.2: the first dot of a longer line is not content.
            Piece::StuffedDot => {
                cursor.read += 1;
                self.at_line_start = false;
                None
            }
            Piece::Terminator => Some(Stop::End),
            Piece::Incomplete => Some(Stop::NeedInput),
            Piece::BareCr => Some(Stop::Refused(Refusal::BareCr { line })),
            Piece::BareLf => Some(Stop::Refused(Refusal::BareLf { line })),
            Piece::Nul => Some(Stop::Refused(Refusal::Nul { line })),
        }
    }

    /// Accepts as much of the text as the limits leave room for: the octet that breaks a limit is
    /// the same one however the input was cut.
    fn accept_text(
        &mut self,
        input: &mut BytesMut,
        cursor: &mut Cursor,
        octets: usize,
    ) -> Option<Stop> {
        let (room, refusal) = self.room_in_line();
        let accepted = octets.min(usize::try_from(room).unwrap_or(usize::MAX));
        self.eight_bit |= !input[cursor.read..cursor.read + accepted].is_ascii();
        self.keep(input, cursor, accepted);
        if !self.is_binary() {
            self.line_octets += accepted as u64;
        }
        self.at_line_start &= accepted == 0;
        (accepted < octets).then_some(Stop::Refused(refusal))
    }

    fn accept_line_end(&mut self, input: &mut BytesMut, cursor: &mut Cursor) -> Option<Stop> {
        let (room, refusal) = self.room_in_message();
        if room < 2 {
            return Some(Stop::Refused(refusal));
        }
        self.keep(input, cursor, 2);
        // RFC 5322 §2.1: the header section ends at the first empty line.
        self.in_header &= self.line_octets > 0;
        self.line += 1;
        self.line_octets = 0;
        self.at_line_start = true;
        None
    }

    fn keep(&mut self, input: &mut BytesMut, cursor: &mut Cursor, octets: usize) {
        if cursor.read != cursor.kept {
            input.copy_within(cursor.read..cursor.read + octets, cursor.kept);
        }
        cursor.read += octets;
        cursor.kept += octets;
        self.size += octets as u64;
    }

    /// How many octets may still come, and why no more.
    fn room_in_message(&self) -> (u64, Refusal) {
        let Limits {
            message_octets,
            header_octets,
            ..
        } = self.limits;
        let in_message = message_octets.saturating_sub(self.size);
        let in_header = header_octets.saturating_sub(self.size);
        if self.in_header && in_header < in_message {
            return (
                in_header,
                Refusal::HeaderTooLarge {
                    max_octets: header_octets,
                },
            );
        }
        (
            in_message,
            Refusal::MessageTooLarge {
                max_octets: message_octets,
            },
        )
    }

    fn room_in_line(&self) -> (u64, Refusal) {
        if self.is_binary() {
            return self.room_in_message();
        }
        let max_octets = self.limits.line_octets;
        let in_line = max_octets
            .saturating_sub(2)
            .saturating_sub(self.line_octets);
        let (in_message, refusal) = self.room_in_message();
        if in_line < in_message {
            return (
                in_line,
                Refusal::LineTooLong {
                    line: self.line,
                    max_octets,
                },
            );
        }
        (in_message, refusal)
    }

    /// Looks for the end of refused content: the client has yet to be brought to it.
    fn discard(&mut self, input: &mut BytesMut) -> ContentEvent {
        let mut read = 0;
        loop {
            let piece = piece(&input[read..], self.at_line_start);
            let octets = match piece {
                Piece::Text(octets) => octets,
                Piece::LineEnd => 2,
                Piece::StuffedDot | Piece::BareCr | Piece::BareLf | Piece::Nul => 1,
                Piece::Terminator | Piece::Incomplete => 0,
            };
            read += octets;
            self.discarded += octets as u64;
            if self.discarded > self.limits.discarded_octets {
                return ContentEvent::Endless;
            }
            if octets == 0 {
                input.advance(read);
                return if piece == Piece::Terminator {
                    end(input)
                } else {
                    ContentEvent::NeedInput
                };
            }
            self.at_line_start = piece == Piece::LineEnd;
            self.is_end_doubtful = self.at_line_start && self.after_bare_cr;
            self.after_bare_cr = piece == Piece::BareCr;
        }
    }
}

/// Consumes the final dot and its CRLF.
fn end(input: &mut BytesMut) -> ContentEvent {
    input.advance(3);
    ContentEvent::End
}

/// How many whole lines there are ahead of the first that is too long, is not plain text with a CRLF at its end, or
/// begins with a dot that means something; and how many octets they have.
fn plain_lines(rest: &[u8], max_octets: usize, stops_at_dot: bool) -> (u64, usize) {
    let (mut lines, mut octets) = (0, 0);
    loop {
        let line = &rest[octets..];
        if stops_at_dot && line.first() == Some(&b'.') {
            break;
        }
        match memchr3(b'\r', b'\n', 0, line) {
            Some(end) if line[end..].starts_with(b"\r\n") && end + 2 <= max_octets => {
                lines += 1;
                octets += end + 2;
            }
            _ => break,
        }
    }
    (lines, octets)
}

fn piece(rest: &[u8], at_line_start: bool) -> Piece {
    if at_line_start && rest.first() == Some(&b'.') {
        return match rest {
            [_] | [_, b'\r'] => Piece::Incomplete,
            [_, b'\r', b'\n', ..] => Piece::Terminator,
            _ => Piece::StuffedDot,
        };
    }
    match (memchr3(b'\r', b'\n', 0, rest), rest) {
        (_, [] | [b'\r']) => Piece::Incomplete,
        (None, _) => Piece::Text(rest.len()),
        (Some(0), [b'\r', b'\n', ..]) => Piece::LineEnd,
        (Some(0), [b'\r', ..]) => Piece::BareCr,
        (Some(0), [b'\n', ..]) => Piece::BareLf,
        (Some(0), _) => Piece::Nul,
        (Some(octets), _) => Piece::Text(octets),
    }
}

#[cfg(test)]
mod tests;
