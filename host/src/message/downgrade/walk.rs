//! Walks through the parts of a message line by line, and does to each what the pass is for.

use std::sync::Arc;

use super::coding::Body;
use super::facts::{Facts, is_never_text};
use super::fields::{self, Change};
use super::lines::{Lines, Segment};
use super::part::{Encoding, Kind, Leaf};
use super::{Channel, MAX_DEPTH, MAX_HEADER_OCTETS, MAX_PARTS, Obstacle, Plan};
use crate::message::header::HeaderSection;

/// Which of the two passes it is.
#[derive(Debug)]
pub(super) enum Pass {
    /// Finds out.
    Survey(Plan),
    /// Writes.
    Write {
        plan: Arc<Plan>,
        /// The number of the next leaf.
        leaf: usize,
    },
}

/// A multipart around what is walked through.
#[derive(Debug)]
struct Level {
    boundary: Vec<u8>,
    is_sealed: bool,
    is_digest: bool,
}

/// Where the walk is.
#[derive(Debug)]
enum Place {
    /// In a header, of which this much has been read.
    Header { raw: Vec<u8>, is_in_digest: bool },
    /// Before the first part of a multipart, or behind its last.
    Between,
    /// In what must not be changed.
    Sealed,
    /// In the body of a leaf.
    Leaf(Walked),
}

#[derive(Debug)]
enum Walked {
    Surveyed { leaf: Leaf, facts: Facts },
    Written(Body),
}

/// The header of a part.
struct Head<'a> {
    /// As it stands there.
    raw: &'a [u8],
    section: HeaderSection<'a>,
    /// As it leaves, when it cannot stay as it is.
    cleaned: Option<Vec<u8>>,
    is_own: bool,
}

#[derive(Debug)]
pub(super) struct Walker {
    channel: Channel,
    pass: Pass,
    lines: Lines,
    levels: Vec<Level>,
    place: Place,
    /// A line end that was read, and belongs to the delimiter if one follows (RFC 2046 §5.1.1).
    line_end: bool,
    /// The message's own header is behind.
    is_inside: bool,
}

impl Walker {
    pub const fn new(channel: Channel, pass: Pass) -> Self {
        Self {
            channel,
            pass,
            lines: Lines::new(),
            levels: Vec::new(),
            place: Place::Header {
                raw: Vec::new(),
                is_in_digest: false,
            },
            line_end: false,
            is_inside: false,
        }
    }

    pub fn feed(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Obstacle> {
        let mut lines = std::mem::replace(&mut self.lines, Lines::new());
        let walked = lines.feed(piece, |segment| self.segment(segment, out));
        self.lines = lines;
        walked
    }

    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<Pass, Obstacle> {
        let lines = std::mem::replace(&mut self.lines, Lines::new());
        lines.finish(|segment| self.segment(segment, out))?;
        if let Place::Header { .. } = &self.place {
            self.end_header(false, out)?;
        }
        self.end_body(true, out)?;
        self.close(out);
        Ok(self.pass)
    }

    /// Ends multiparts that were cut off: some readers decode no part without the delimiter behind it.
    fn close(&self, out: &mut Vec<u8>) {
        let is_encoded = matches!(&self.pass, Pass::Write { plan, .. } if plan.has_encoded());
        if !is_encoded || self.levels.iter().any(|level| level.is_sealed) {
            return;
        }
        for level in self.levels.iter().rev() {
            out.extend_from_slice(b"--");
            out.extend_from_slice(&level.boundary);
            out.extend_from_slice(b"--\r\n");
        }
    }

    fn segment(&mut self, segment: Segment<'_>, out: &mut Vec<u8>) -> Result<(), Obstacle> {
        if segment.is_start
            && let Some((level, is_last)) = self.delimited(segment.octets)
        {
            return self.delimiter(level, is_last, segment, out);
        }
        match &mut self.place {
            Place::Header { raw, .. } => {
                if segment.is_whole() && segment.octets.is_empty() {
                    return self.end_header(true, out);
                }
                raw.extend_from_slice(segment.octets);
                if segment.is_end {
                    raw.extend_from_slice(b"\r\n");
                }
                if raw.len() > MAX_HEADER_OCTETS {
                    return Err(Obstacle::TooComplex);
                }
            }
            _ => {
                self.body_line_end(out);
                self.body(segment, out)?;
                self.line_end = segment.is_end;
            }
        }
        Ok(())
    }

    /// Which multipart the line is a delimiter of, and whether it is its last.
    fn delimited(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?;
        let of = |level: &Level| {
            let mut rest = rest.strip_prefix(level.boundary.as_slice())?;
            while let [before @ .., b' ' | b'\t'] = rest {
                rest = before;
            }
            match rest {
                b"" => Some(false),
                b"--" => Some(true),
                _ => None,
            }
        };
        let mut levels = self.levels.iter().enumerate().rev();
        levels.find_map(|(index, level)| of(level).map(|is_last| (index, is_last)))
    }

    fn delimiter(
        &mut self,
        level: usize,
        is_last: bool,
        segment: Segment<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Obstacle> {
        if let Place::Header { .. } = &self.place {
            self.end_header(false, out)?;
        }
        self.end_body(false, out)?;
        if self.line_end {
            self.put(b"\r\n", out);
        }
        self.put(segment.octets, out);
        self.line_end = segment.is_end;
        self.levels.truncate(level + 1);
        self.place = match self.levels.last() {
            Some(level) if !is_last && level.is_sealed => Place::Sealed,
            Some(level) if !is_last => {
                // The header begins on a line of its own.
                let is_in_digest = level.is_digest;
                if self.line_end {
                    self.put(b"\r\n", out);
                    self.line_end = false;
                }
                Place::Header {
                    raw: Vec::new(),
                    is_in_digest,
                }
            }
            _ => Place::Between,
        };
        if is_last {
            self.levels.pop();
        }
        Ok(())
    }

    /// The header at hand is complete, with the blank line behind it or without.
    fn end_header(&mut self, has_blank: bool, out: &mut Vec<u8>) -> Result<(), Obstacle> {
        let place = std::mem::replace(&mut self.place, Place::Between);
        let Place::Header { raw, is_in_digest } = place else {
            self.place = place;
            return Ok(());
        };
        let is_own = !std::mem::replace(&mut self.is_inside, true);
        let lines = fields::without_stray_lines(&raw);
        let head = Head::of(&raw, &lines, self.channel, is_own)?;
        let kind = if has_blank {
            head.kind(is_in_digest)?
        } else {
            Kind::Leaf(Leaf {
                encoding: Encoding::None,
                is_text: true,
                may_be_encoded: true,
                has_type: true,
            })
        };
        let next = match kind {
            Kind::Multipart {
                boundary,
                is_sealed,
                is_digest,
            } => {
                if self.levels.len() >= MAX_DEPTH {
                    return Err(Obstacle::TooComplex);
                }
                self.header(&head, None, out)?;
                self.levels.push(Level {
                    boundary,
                    is_sealed,
                    is_digest,
                });
                if is_sealed {
                    Place::Sealed
                } else {
                    Place::Between
                }
            }
            Kind::Message => {
                self.header(&head, None, out)?;
                Place::Header {
                    raw: Vec::new(),
                    is_in_digest: false,
                }
            }
            Kind::Leaf(leaf) => {
                let walked = self.begin_leaf(leaf)?;
                self.header(&head, Some(leaf), out)?;
                Place::Leaf(walked)
            }
        };
        if has_blank {
            self.put(b"\r\n", out);
        }
        self.place = next;
        Ok(())
    }

    fn begin_leaf(&mut self, leaf: Leaf) -> Result<Walked, Obstacle> {
        match &mut self.pass {
            Pass::Survey(plan) if plan.leaves.len() >= MAX_PARTS => Err(Obstacle::TooComplex),
            Pass::Survey(_) => Ok(Walked::Surveyed {
                leaf,
                facts: Facts::default(),
            }),
            Pass::Write { plan, leaf } => {
                let planned = plan.leaves.get(*leaf).ok_or(Obstacle::TooComplex)?;
                *leaf += 1;
                Ok(Walked::Written(Body::new(planned.coding)))
            }
        }
    }

    /// Writes a header; a survey only looks whether it must be rewritten.
    fn header(
        &mut self,
        head: &Head<'_>,
        leaf: Option<Leaf>,
        out: &mut Vec<u8>,
    ) -> Result<(), Obstacle> {
        match &mut self.pass {
            Pass::Survey(plan) => plan.has_text |= head.cleaned.is_some(),
            Pass::Write { plan, leaf: next } => {
                let mut change = Change::cleaning(self.channel, head.is_own);
                // Its own plan is that of the leaf which begins behind it.
                let planned = leaf.and_then(|_| plan.leaves.get(*next - 1));
                change.encoding = planned.and_then(|planned| planned.coding.label());
                if let (Some(leaf), Some(planned), Some(_)) = (leaf, planned, change.encoding)
                    && !leaf.has_type
                {
                    change.content_type = Some(plain(planned.is_utf8));
                }
                change.mime_version = head.is_own && plan.has_encoded();
                match fields::rewritten(&head.section, head.raw, &change)? {
                    Some(written) => out.extend_from_slice(&written),
                    None => out.extend_from_slice(head.raw),
                }
            }
        }
        Ok(())
    }

    fn body_line_end(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.line_end) {
            return;
        }
        match &mut self.place {
            Place::Leaf(Walked::Written(body)) => body.line_end(out),
            Place::Leaf(Walked::Surveyed { facts, .. }) => facts.octets += 2,
            _ => self.put(b"\r\n", out),
        }
    }

    fn body(&mut self, segment: Segment<'_>, out: &mut Vec<u8>) -> Result<(), Obstacle> {
        match &mut self.place {
            Place::Leaf(Walked::Written(body)) => body.octets(segment.octets, out),
            Place::Leaf(Walked::Surveyed { facts, .. }) => facts.take(segment),
            Place::Sealed if !fits(segment.octets, self.channel) => return Err(Obstacle::Sealed),
            Place::Between => self.between(segment.octets, out),
            Place::Sealed | Place::Header { .. } => self.put(segment.octets, out),
        }
        Ok(())
    }

    /// Text that no reader shows, with `?` for what the next hop does not take.
    fn between(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        match &mut self.pass {
            Pass::Survey(plan) => plan.has_text |= !fits(octets, self.channel),
            Pass::Write { .. } => out.extend(octets.iter().map(|&octet| match octet {
                0 | b'\r' | b'\n' => b'?',
                0x80.. if !self.channel.eight_bit => b'?',
                _ => octet,
            })),
        }
    }

    /// What was walked through ends: `is_last` with the content, else at a delimiter.
    fn end_body(&mut self, is_last: bool, out: &mut Vec<u8>) -> Result<(), Obstacle> {
        if is_last {
            self.body_line_end(out);
        }
        match std::mem::replace(&mut self.place, Place::Between) {
            Place::Leaf(Walked::Written(body)) => body.finish(is_last, out),
            Place::Leaf(Walked::Surveyed { leaf, facts }) => {
                let planned = facts.plan(leaf, self.channel)?;
                if let Pass::Survey(plan) = &mut self.pass {
                    plan.leaves.push(planned);
                }
            }
            Place::Header { .. } | Place::Between | Place::Sealed => {}
        }
        if is_last && !out.is_empty() && !out.ends_with(b"\r\n") {
            self.put(b"\r\n", out);
        }
        Ok(())
    }

    fn put(&self, octets: &[u8], out: &mut Vec<u8>) {
        if let Pass::Write { .. } = self.pass {
            out.extend_from_slice(octets);
        }
    }
}

impl<'a> Head<'a> {
    /// From what stands there, and its `lines` that are fields.
    fn of(
        raw: &'a [u8],
        lines: &'a [u8],
        channel: Channel,
        is_own: bool,
    ) -> Result<Self, Obstacle> {
        let section = HeaderSection::parse(lines).map_err(|_| Obstacle::TooComplex)?;
        let cleaned = fields::rewritten(&section, raw, &Change::cleaning(channel, is_own))?;
        Ok(Self {
            raw,
            section,
            cleaned,
            is_own,
        })
    }

    /// What the part is, by the header that leaves: of the original readers may think differently.
    fn kind(&self, is_in_digest: bool) -> Result<Kind, Obstacle> {
        let Some(cleaned) = &self.cleaned else {
            return Ok(Kind::of(&self.section, is_in_digest));
        };
        let section = HeaderSection::parse(cleaned).map_err(|_| Obstacle::TooComplex)?;
        Ok(Kind::of(&section, is_in_digest))
    }
}

/// What text is of which its author said nothing (RFC 1428 for what is not known).
const fn plain(is_utf8: bool) -> &'static str {
    if is_utf8 {
        "text/plain; charset=utf-8"
    } else {
        "text/plain; charset=unknown-8bit"
    }
}

fn fits(octets: &[u8], channel: Channel) -> bool {
    (channel.eight_bit || octets.is_ascii()) && !octets.iter().any(is_never_text)
}
