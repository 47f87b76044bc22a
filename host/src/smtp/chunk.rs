//! Content that comes in chunks of announced size (RFC 3030 §2).

use bytes::{Bytes, BytesMut};

use super::config::SessionConfig;
use super::content::{ContentEvent, ContentScanner, Refusal};
use super::extensions::BodyType;
use super::reply::Reply;
use super::state::Envelope;

/// The argument of BDAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkSize {
    pub octets: u64,
    pub is_last: bool,
}

impl ChunkSize {
    /// RFC 3030 §2: `chunk-size [ SP "LAST" ]`
    ///
    /// # Errors
    /// `501 5.5.4`. The octets that follow cannot be told from commands then, so the session must end.
    pub(super) fn parse(argument: &str) -> Result<Self, Reply> {
        let (digits, last) = argument.split_once(' ').unwrap_or((argument, ""));
        let is_number =
            (1..=20).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit());
        let is_last = last.trim_start_matches(' ').eq_ignore_ascii_case("LAST");
        match digits.parse() {
            Ok(octets) if is_number && (is_last || last.is_empty()) => Ok(Self { octets, is_last }),
            _ => Err(Reply::new(501, (5, 5, 4), "Syntax: BDAT size [LAST]")),
        }
    }
}

/// A message that comes in chunks.
#[derive(Debug)]
pub(super) struct Chunked {
    pub envelope: Envelope,
    pub content: ContentScanner,
    /// Octets of this chunk that were received and not yet scanned: at a border, half of a line end.
    buffer: BytesMut,
    /// Octets of this chunk that have yet to come.
    left: u64,
    size: ChunkSize,
}

/// What a chunk came to.
pub(super) enum ChunkEvent {
    NeedInput,
    Content(Bytes),
    /// The whole message is refused; so many octets of the chunk have yet to come.
    Refused(Refusal, u64),
    /// The chunk is complete.
    End,
    /// The message is complete.
    LastEnd,
}

impl Chunked {
    pub(super) fn new(envelope: Envelope, config: &SessionConfig) -> Self {
        let is_binary = envelope.parameters.body == BodyType::BinaryMime;
        Self {
            envelope,
            content: ContentScanner::counted(config, is_binary),
            buffer: BytesMut::new(),
            left: 0,
            size: ChunkSize {
                octets: 0,
                is_last: false,
            },
        }
    }

    /// Begins the next chunk.
    pub(super) fn begin(&mut self, size: ChunkSize) {
        self.left = size.octets;
        self.size = size;
    }

    /// Octets of this chunk, as announced.
    pub(super) fn chunk_octets(&self) -> u64 {
        self.size.octets
    }

    /// Takes the next event from the input, and no octet that is not the chunk's.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> ChunkEvent {
        let octets = input
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let received = input.split_to(octets);
        self.left -= octets as u64;
        if self.buffer.is_empty() {
            self.buffer = received;
        } else {
            self.buffer.extend_from_slice(&received);
        }
        match self.content.next(&mut self.buffer) {
            ContentEvent::Chunk(octets) => ChunkEvent::Content(octets),
            ContentEvent::Refused => self.refused(),
            _ if self.left > 0 => ChunkEvent::NeedInput,
            _ if self.size.is_last => self.end(),
            _ => ChunkEvent::End,
        }
    }

    fn refused(&self) -> ChunkEvent {
        let max_octets = 0;
        let refusal = self.content.refusal();
        ChunkEvent::Refused(
            refusal.unwrap_or(Refusal::MessageTooLarge { max_octets }),
            self.left,
        )
    }

    /// The content ends with a line end, as it will have to on its way over DATA.
    fn end(&mut self) -> ChunkEvent {
        let rest = std::mem::take(&mut self.buffer);
        match self.content.finish(&rest) {
            Ok(None) => ChunkEvent::LastEnd,
            Ok(Some(line_end)) => ChunkEvent::Content(line_end),
            Err(refusal) => ChunkEvent::Refused(refusal, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers() {
        let read = |text| ChunkSize::parse(text).map(|size| (size.octets, size.is_last));
        assert_eq!(read("0"), Ok((0, false)));
        assert_eq!(read("86 LAST"), Ok((86, true)));
        assert_eq!(read("86  last"), Ok((86, true)));
        for text in [
            "",
            "LAST",
            "-1",
            "+1",
            "1e3",
            "0x10",
            "1 2",
            "1 LAST LAST",
            "99999999999999999999",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
