//! Cuts content into lines, whatever pieces it comes in.

use memchr::memchr;

/// Octets of a line that are looked at in one piece: a text line has 998 at most (RFC 5322 §2.1.1), a
/// delimiter 70 and its hyphens (RFC 2046 §5.1.1).
pub(super) const MAX_SEGMENT: usize = 1000;

/// A line, or a piece of one that is too long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    /// Without the line end.
    pub octets: &'a [u8],
    /// A line begins with it.
    pub is_start: bool,
    /// CRLF follows it.
    pub is_end: bool,
}

impl Segment<'_> {
    /// True when it is a line that could be one of text by its length.
    pub const fn is_whole(&self) -> bool {
        self.is_start && self.is_end
    }
}

/// Keeps the line that is not complete yet. Only CRLF ends a line; a bare CR or LF is content.
#[derive(Debug)]
pub(super) struct Lines {
    line: Vec<u8>,
    is_start: bool,
}

impl Lines {
    pub const fn new() -> Self {
        Self {
            line: Vec::new(),
            is_start: true,
        }
    }

    /// Hands on what is complete of one more piece.
    pub fn feed<E>(
        &mut self,
        mut piece: &[u8],
        mut each: impl FnMut(Segment<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !piece.is_empty() {
            // One octet more than a segment, so that pieces of a long line do not depend on how it comes.
            let room = piece.len().min(MAX_SEGMENT + 1 - self.line.len());
            let taken = memchr(b'\n', &piece[..room]).map_or(room, |end| end + 1);
            self.line.extend_from_slice(&piece[..taken]);
            piece = &piece[taken..];
            if self.line.ends_with(b"\r\n") {
                self.hand_on(self.line.len() - 2, true, &mut each)?;
            } else if self.line.len() > MAX_SEGMENT {
                // The last octet may be half of a line end.
                self.hand_on(self.line.len() - 1, false, &mut each)?;
            }
        }
        Ok(())
    }

    /// Hands on the last line, which lacks its end.
    pub fn finish<E>(
        mut self,
        mut each: impl FnMut(Segment<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.line.is_empty() {
            return Ok(());
        }
        self.hand_on(self.line.len(), false, &mut each)
    }

    fn hand_on<E>(
        &mut self,
        length: usize,
        is_end: bool,
        each: &mut impl FnMut(Segment<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let handed = each(Segment {
            octets: &self.line[..length],
            is_start: self.is_start,
            is_end,
        });
        let kept = if is_end { self.line.len() } else { length };
        self.line.drain(..kept);
        self.is_start = is_end;
        handed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(content: &[u8], piece: usize) -> Vec<(Vec<u8>, bool, bool)> {
        let mut found = Vec::new();
        let mut lines = Lines::new();
        let mut each = |one: Segment<'_>| -> Result<(), ()> {
            found.push((one.octets.to_vec(), one.is_start, one.is_end));
            Ok(())
        };
        for part in content.chunks(piece) {
            lines.feed(part, &mut each).expect("never fails");
        }
        lines.finish(&mut each).expect("never fails");
        found
    }

    #[test]
    fn only_crlf_ends_a_line_wherever_pieces_are_cut() {
        for piece in 1..12 {
            let expected = [
                (b"a".to_vec(), true, true),
                (b"".to_vec(), true, true),
                (b"b\rc\nd".to_vec(), true, true),
                (b"e".to_vec(), true, false),
            ];
            assert_eq!(cut(b"a\r\n\r\nb\rc\nd\r\ne", piece), expected, "{piece}");
        }
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_nothing_is_lost() {
        for length in [999, 1000, 1001, 2500] {
            let content = [vec![b'x'; length], b"\r\ny".to_vec()].concat();
            for piece in [1, 100, 5000] {
                let segments = cut(&content, piece);
                let lengths = segments.iter().map(|one| one.0.len());
                assert_eq!(lengths.sum::<usize>(), length + 1, "{length} {piece}");
                assert!(segments.iter().all(|one| one.0.len() <= MAX_SEGMENT));
                assert_eq!(segments.iter().filter(|one| one.1).count(), 2);
                assert_eq!(segments.iter().filter(|one| one.2).count(), 1);
            }
        }
    }
}
