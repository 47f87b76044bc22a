//! Writes content the way DATA wants it: dots doubled at line starts, CRLF line ends only, a lone dot last.

use memchr::memchr2;

/// Turns pieces of content, cut anywhere, into the octets that follow `354` (RFC 5321 §4.5.2).
///
/// Content has no bare CR or LF by the time it is stored. Should one be there all the same, it
/// becomes a CRLF here: a peer that took it for a line end could be made to see a second message.
#[derive(Debug)]
pub(crate) struct DotStuffer {
    line_start: bool,
    pending_cr: bool,
}

impl DotStuffer {
    /// At the beginning of a message.
    pub const fn new() -> Self {
        Self {
            line_start: true,
            pending_cr: false,
        }
    }

    /// Appends the octets for one more piece of content to `out`.
    pub fn stuff(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + piece.len() / 64 + 8);
        while !piece.is_empty() {
            if self.pending_cr {
                self.end_line(out);
                piece = piece.strip_prefix(b"\n").unwrap_or(piece);
                continue;
            }
            if self.line_start {
                let (lines, rest) = piece.split_at(plain_lines(piece));
                out.extend_from_slice(lines);
                piece = rest;
            }
            let Some(first) = piece.first() else { break };
            if self.line_start && *first == b'.' {
                out.push(b'.');
            }
            let length = memchr2(b'\r', b'\n', piece).unwrap_or(piece.len());
            out.extend_from_slice(&piece[..length]);
            self.line_start &= length == 0;
            match piece.get(length) {
                Some(b'\r') => self.pending_cr = true,
                Some(_) => self.end_line(out),
                None => {}
            }
            piece = piece.get(length + 1..).unwrap_or_default();
        }
    }

    /// Appends the end of the content: what is missing of the last line's end, and the final dot.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.pending_cr || !self.line_start {
            self.end_line(out);
        }
        out.extend_from_slice(b".\r\n");
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n");
        self.line_start = true;
        self.pending_cr = false;
    }
}

/// Octets of the whole lines ahead of the first that begins with a dot or has another end than CRLF: nearly all, and
/// they stay as they are.
fn plain_lines(piece: &[u8]) -> usize {
    let mut octets = 0;
    loop {
        let line = &piece[octets..];
        match memchr2(b'\r', b'\n', line) {
            Some(end) if line[0] != b'.' && line[end..].starts_with(b"\r\n") => octets += end + 2,
            _ => return octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuffed(pieces: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut stuffer = DotStuffer::new();
        for piece in pieces {
            stuffer.stuff(piece, &mut out);
        }
        stuffer.finish(&mut out);
        out
    }

    const TABLE: &[(&[u8], &[u8])] = &[
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
        (b"a.b\r\n", b"a.b\r\n.\r\n"),
        (b"a\n.\nb\r.\r\n", b"a\r\n..\r\nb\r\n..\r\n.\r\n"),
        (b"a\r\n\r\n\r\n", b"a\r\n\r\n\r\n.\r\n"),
        (b"a\r\r\n", b"a\r\n\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
    ];

    #[test]
    fn whole_lines_come_out_as_their_octets_do() {
        let tokens: [&[u8]; 8] = [b"a", b".", b"\r\n", b"\r\n", b"\r", b"\n", b"bc", b".."];
        for number in 0..8_usize.pow(5) {
            let places = (0..5).map(|place| (number >> (3 * place)) & 7);
            let content: Vec<u8> = places.flat_map(|place| tokens[place]).copied().collect();
            let octets: Vec<&[u8]> = content.chunks(1).collect();
            assert_eq!(stuffed(&[&content]), stuffed(&octets), "{content:?}");
        }
    }

    #[test]
    fn dots_are_doubled_and_line_ends_are_crlf() {
        for (content, expected) in TABLE {
            assert_eq!(&stuffed(&[content]), expected, "{content:?}");
        }
    }

    #[test]
    fn it_does_not_matter_where_content_is_cut() {
        for (content, expected) in TABLE {
            for cut in 0..=content.len() {
                let (left, right) = content.split_at(cut);
                assert_eq!(&stuffed(&[left, right]), expected, "{content:?} at {cut}");
            }
        }
    }
}
