//! Encodes a message down for a next hop that takes less than it is: no 8-bit content (RFC 6152), no binary
//! content (RFC 3030), no header fields beyond ASCII (RFC 6532).
//!
//! Content passes twice, in pieces of any size: a [`Survey`] looks whether and what must be encoded, so that
//! a message is refused before a word of it is said; a [`Downgrade`] then writes it. What is kept between the
//! two is a few octets for each part, and of the content the line and the header at hand.
//!
//! Whoever decodes the result reads what the original said. Signed and encrypted parts (RFC 1847) stay as they
//! are or make it impossible, for their signatures are over their encoding.

mod coding;
mod facts;
mod fields;
mod lines;
mod part;
mod scan;
mod walk;

use std::sync::Arc;

use self::coding::Coding;
use self::walk::{Pass, Walker};

/// Parts of a message. Default 10,000: attachments of a large mail are dozens.
pub const MAX_PARTS: usize = 10_000;
/// Parts within parts. Default 100: forwards of forwards are a few.
pub const MAX_DEPTH: usize = 100;
/// Octets of the header of a part. Default 1 MiB, what a client may send as a header.
pub const MAX_HEADER_OCTETS: usize = 1024 * 1024;

/// What a next hop takes. Lines of 998 octets at most without NUL, bare CR or LF it takes always.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    /// Content beyond ASCII (8BITMIME).
    pub eight_bit: bool,
    /// Header fields beyond ASCII (SMTPUTF8).
    pub utf8_header: bool,
}

/// Why a message cannot be encoded down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The signature would break, or the encryption.
    #[error("a signed or encrypted part would have to be changed")]
    Sealed,
    /// RFC 6531 §3.2: a local-part beyond ASCII has no other form.
    #[error("the address {0} in its header has no form in ASCII")]
    Address(String),
    /// The type of the part allows no encoding, or it has one that is not known.
    #[error("a part of it may not be encoded")]
    Part,
    /// It exceeds [`MAX_PARTS`], [`MAX_DEPTH`], [`MAX_HEADER_OCTETS`] or the number of header fields.
    #[error("it has too many parts, too deep parts or too large headers")]
    TooComplex,
}

/// What a survey found that each part needs.
#[derive(Debug, Default)]
pub struct Plan {
    leaves: Vec<LeafPlan>,
    /// A header, or text between parts, has something that the next hop does not take.
    has_text: bool,
}

#[derive(Clone, Copy, Debug)]
struct LeafPlan {
    coding: Coding,
    is_utf8: bool,
}

impl Plan {
    /// True when the message can go as it is.
    pub fn is_nothing(&self) -> bool {
        !self.has_text && self.leaves.iter().all(|leaf| leaf.coding == Coding::Keep)
    }

    /// Some part gets another transfer encoding.
    fn has_encoded(&self) -> bool {
        self.leaves.iter().any(|leaf| leaf.coding.label().is_some())
    }
}

/// The first pass: finds out what must be encoded.
#[derive(Debug)]
pub struct Survey(Walker);

impl Survey {
    /// For a next hop that takes no more than this.
    pub fn new(channel: Channel) -> Self {
        Self(Walker::new(channel, Pass::Survey(Plan::default())))
    }

    /// Looks at the next piece of the content.
    ///
    /// # Errors
    /// [`Obstacle`], when the message cannot be encoded down; nothing may follow then.
    pub fn read(&mut self, piece: &[u8]) -> Result<(), Obstacle> {
        self.0.feed(piece, &mut Vec::new())
    }

    /// After the last piece: what is to be done.
    ///
    /// # Errors
    /// [`Obstacle`], as for [`Survey::read`].
    pub fn finish(self) -> Result<Plan, Obstacle> {
        match self.0.finish(&mut Vec::new())? {
            Pass::Survey(plan) => Ok(plan),
            Pass::Write { .. } => Ok(Plan::default()),
        }
    }
}

/// The second pass: writes what the next hop takes. Its line ends are all CRLF, the last one included.
#[derive(Debug)]
pub struct Downgrade(Walker);

impl Downgrade {
    /// By what a survey of the same content for the same next hop found.
    pub fn new(channel: Channel, plan: Arc<Plan>) -> Self {
        Self(Walker::new(channel, Pass::Write { plan, leaf: 0 }))
    }

    /// Appends to `out` what comes of the next piece.
    ///
    /// # Errors
    /// [`Obstacle`], when the content is not what was surveyed.
    pub fn write(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Obstacle> {
        self.0.feed(piece, out)
    }

    /// Appends the end.
    ///
    /// # Errors
    /// As for [`Downgrade::write`].
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Obstacle> {
        self.0.finish(out).map(drop)
    }
}

#[cfg(test)]
mod tests;
