//! What a survey learns about the body of a part, and what is to be done to it then.

use super::coding::Coding;
use super::lines::Segment;
use super::part::{Encoding, Leaf};
use super::{Channel, LeafPlan, Obstacle};

/// Text in which less than one octet of so many is beyond ASCII stays readable as quoted-printable.
const QUOTED_ONE_IN: u64 = 4;

/// What a survey learns about the body of a leaf.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub octets: u64,
    beyond_ascii: u64,
    /// NUL, a bare CR or LF: no line of text has it.
    is_binary: bool,
    has_long_lines: bool,
    utf8: Utf8,
}

/// Whether octets that come in pieces are UTF-8.
#[derive(Debug, Default)]
struct Utf8 {
    /// A character that is not complete.
    rest: Vec<u8>,
    is_broken: bool,
}

impl Facts {
    pub fn take(&mut self, segment: Segment<'_>) {
        let octets = segment.octets;
        self.octets += octets.len() as u64;
        self.has_long_lines |= !segment.is_start || octets.len() > 998;
        self.is_binary |= octets.iter().any(is_never_text);
        if !octets.is_ascii() {
            self.beyond_ascii += octets.iter().filter(|octet| !octet.is_ascii()).count() as u64;
        }
        self.utf8.take(octets);
    }

    pub fn plan(mut self, leaf: Leaf, channel: Channel) -> Result<LeafPlan, Obstacle> {
        Ok(LeafPlan {
            coding: self.coding(leaf, channel)?,
            is_utf8: self.utf8.is_whole(),
        })
    }

    fn coding(&self, leaf: Leaf, channel: Channel) -> Result<Coding, Obstacle> {
        let is_beyond = self.beyond_ascii > 0 && !channel.eight_bit;
        let is_foreign = is_beyond || self.is_binary;
        match leaf.encoding {
            Encoding::Quoted if is_foreign => Ok(Coding::MendQuoted),
            Encoding::Base64 if is_foreign => Ok(Coding::MendBase64),
            Encoding::Other if is_foreign => Err(Obstacle::Part),
            Encoding::None if !is_foreign && !self.has_long_lines => Ok(Coding::Keep),
            Encoding::None if !leaf.may_be_encoded && is_foreign => Err(Obstacle::Part),
            Encoding::None if !leaf.may_be_encoded => Ok(Coding::Keep),
            Encoding::None if self.is_readable(leaf) => Ok(Coding::Quoted),
            Encoding::None => Ok(Coding::Base64),
            Encoding::Quoted | Encoding::Base64 | Encoding::Other => Ok(Coding::Keep),
        }
    }

    /// Text that people can still read when single characters of it are quoted.
    const fn is_readable(&self, leaf: Leaf) -> bool {
        let is_mostly_ascii = self.beyond_ascii * QUOTED_ONE_IN <= self.octets;
        leaf.is_text && !self.is_binary && is_mostly_ascii
    }
}

impl Utf8 {
    fn take(&mut self, octets: &[u8]) {
        if self.is_broken || (self.rest.is_empty() && octets.is_ascii()) {
            return;
        }
        self.rest.extend_from_slice(octets);
        match std::str::from_utf8(&self.rest) {
            Ok(_) => self.rest.clear(),
            Err(error) if error.error_len().is_none() => {
                self.rest.drain(..error.valid_up_to());
            }
            Err(_) => self.is_broken = true,
        }
    }

    fn is_whole(&mut self) -> bool {
        !self.is_broken && self.rest.is_empty()
    }
}

/// No line of text has it.
pub(super) fn is_never_text(octet: &u8) -> bool {
    matches!(octet, 0 | b'\r' | b'\n')
}
