//! Cuts the input into command lines. A line ends at CRLF and nowhere else.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr3;

use super::reply::Reply;

/// Why a line is no command, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineDefect {
    BareLf,
    BareCr,
    Nul,
    TooLong,
}

impl LineDefect {
    pub(super) fn reply(self) -> Reply {
        // RFC 5321 §2.3.8: a bare CR or LF must not be recognised as a line end.
        Reply::new(
            500,
            (5, 5, 2),
            match self {
                Self::BareLf => "Lines must end with CRLF; this one ended with a bare LF",
                Self::BareCr => "Lines must end with CRLF; this one has a bare CR",
                Self::Nul => "The line has a NUL octet",
                Self::TooLong => "The line is too long",
            },
        )
    }
}

/// What the framer found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LineEvent {
    /// There is no whole line.
    NeedInput,
    /// A line without its CRLF; it has no CR, LF or NUL.
    Line(Bytes),
    /// A line that is no command, or another part of one that ended with a bare LF.
    Defective(LineDefect),
    /// The line has not ended within the limit.
    Endless,
}

/// The limits of a line, CRLF included.
#[derive(Clone, Copy, Debug)]
pub(super) struct LineLimits {
    /// Octets of a line that is read.
    pub max_octets: usize,
    /// Octets of a defective line until it counts as endless.
    pub max_discarded_octets: usize,
}

/// Where in a line the input stands.
#[derive(Debug, Default)]
pub(super) struct LineFramer {
    /// Octets of the input that are known to hold no line end.
    scanned: usize,
    /// Octets of the line that are no longer in the input, because it is defective.
    discarded: usize,
    defect: Option<LineDefect>,
}

impl LineFramer {
    /// Takes the next line, or as much of a defective one as there is, from the input.
    pub(super) fn next(&mut self, input: &mut BytesMut, limits: LineLimits) -> LineEvent {
        loop {
            let found = memchr3(b'\r', b'\n', 0, &input[self.scanned..]);
            self.scanned = found.map_or(input.len(), |index| self.scanned + index);
            if self.scanned.saturating_add(2) > limits.max_octets {
                self.defect.get_or_insert(LineDefect::TooLong);
            }
            if self.defect.is_some() {
                self.discard(input);
                if self.discarded > limits.max_discarded_octets {
                    return LineEvent::Endless;
                }
            }
            match input[self.scanned..] {
                [] | [b'\r'] => return LineEvent::NeedInput,
                [b'\r', b'\n', ..] => return self.end_line(input),
                [b'\n', ..] => return self.bare_lf(input),
                [b'\r', ..] => self.mark(LineDefect::BareCr),
                _ => self.mark(LineDefect::Nul),
            }
        }
    }

    /// Whether the input begins with a new line.
    pub(super) fn is_at_line_start(&self) -> bool {
        self.defect.is_none()
    }

    /// Forgets the line it is in.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    fn mark(&mut self, defect: LineDefect) {
        self.defect.get_or_insert(defect);
        self.scanned += 1;
    }

    fn discard(&mut self, input: &mut BytesMut) {
        input.advance(self.scanned);
        self.discarded += self.scanned;
        self.scanned = 0;
    }

    /// Whoever ends lines with LF is told so at once and does not wait for a reply in vain. What
    /// follows is still the same line: it is never read as a command.
    fn bare_lf(&mut self, input: &mut BytesMut) -> LineEvent {
        self.mark(LineDefect::BareLf);
        self.discard(input);
        LineEvent::Defective(LineDefect::BareLf)
    }

    fn end_line(&mut self, input: &mut BytesMut) -> LineEvent {
        let mut line = input.split_to(self.scanned + 2);
        line.truncate(self.scanned);
        let defect = self.defect;
        self.reset();
        match defect {
            Some(defect) => LineEvent::Defective(defect),
            None => LineEvent::Line(line.freeze()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LineLimits = LineLimits {
        max_octets: 12,
        max_discarded_octets: 30,
    };

    fn events(octets: &[u8], piece: usize) -> Vec<LineEvent> {
        let (mut framer, mut input, mut events) =
            (LineFramer::default(), BytesMut::new(), Vec::new());
        for piece in octets.chunks(piece) {
            input.extend_from_slice(piece);
            loop {
                match framer.next(&mut input, LIMITS) {
                    LineEvent::NeedInput => break,
                    LineEvent::Endless => {
                        events.push(LineEvent::Endless);
                        return events;
                    }
                    event => events.push(event),
                }
            }
        }
        events
    }

    fn line(text: &'static str) -> LineEvent {
        LineEvent::Line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_end_at_crlf_alone_however_they_arrive() {
        use LineDefect::{BareCr, BareLf, Nul, TooLong};
        let bad = LineEvent::Defective;
        let cases: [(&[u8], Vec<LineEvent>); 17] = [
            (b"", vec![]),
            (b"NOOP", vec![]),
            (b"NOOP\r", vec![]),
            (b"\r\n", vec![line("")]),
            (b"NOOP\r\nQUIT\r\n", vec![line("NOOP"), line("QUIT")]),
            (b"NOOP\n", vec![bad(BareLf)]),
            (
                b"NOOP\nQUIT\r\nRSET\r\n",
                vec![bad(BareLf), bad(BareLf), line("RSET")],
            ),
            (b"A\nB\nC\r\n", vec![bad(BareLf), bad(BareLf), bad(BareLf)]),
            (b"NOOP\rQUIT\r\nRSET\r\n", vec![bad(BareCr), line("RSET")]),
            (b"NOOP\r\r\nRSET\r\n", vec![bad(BareCr), line("RSET")]),
            (
                b"NOOP\n\r\nRSET\r\n",
                vec![bad(BareLf), bad(BareLf), line("RSET")],
            ),
            (b"NO\0OP\r\nRSET\r\n", vec![bad(Nul), line("RSET")]),
            (b"NO\0\rOP\r\nRSET\r\n", vec![bad(Nul), line("RSET")]),
            (b"0123456789\r\n", vec![line("0123456789")]),
            (b"0123456789a\r\nRSET\r\n", vec![bad(TooLong), line("RSET")]),
            (b"0123456789a\0\nb\r\n", vec![bad(BareLf), bad(TooLong)]),
            (
                b"0123456789abcdefghijklmnopqrstuvwxyz\r\n",
                vec![LineEvent::Endless],
            ),
        ];
        for (octets, expected) in cases {
            for piece in 1..=octets.len().max(1) {
                assert_eq!(events(octets, piece), expected, "{octets:?} by {piece}");
            }
        }
    }
}
