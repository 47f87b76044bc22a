//! How content comes in: behind DATA (RFC 5321 §4.1.1.4), or in chunks behind BDAT (RFC 3030 §2).

use bytes::Buf;

use super::chunk::{ChunkEvent, ChunkSize, Chunked};
use super::command;
use super::content::{ContentEvent, ContentScanner, Refusal};
use super::extensions::BodyType;
use super::reply::Reply;
use super::session::{Session, Step};
use super::state::{Envelope, Stage};

/// Chunks smaller than this count as commands: a message in crumbs is no message.
const MIN_UNCOUNTED_CHUNK_OCTETS: u64 = 512;

/// A chunk nobody wants: its octets must not be taken for commands.
#[derive(Debug)]
pub(super) struct Skip {
    left: u64,
    reply: Reply,
}

impl<U> Session<U> {
    pub(super) fn data(&mut self, argument: &str) -> Option<Step> {
        if let Err(reply) = command::no_argument("DATA", argument) {
            return self.refuse(&reply);
        }
        match self.take_stage() {
            // RFC 3030 §3: DATA cannot carry binary content.
            Stage::Open(envelope) if envelope.parameters.body == BodyType::BinaryMime => {
                self.set_stage(Stage::Open(envelope));
                self.out_of_sequence("BODY=BINARYMIME needs BDAT")
            }
            Stage::Open(envelope) if !envelope.recipients.is_empty() => {
                let content = ContentScanner::new(&self.config);
                self.set_stage(Stage::Receiving(envelope, content));
                self.reply(&Reply::bare(354, "End data with <CR><LF>.<CR><LF>"));
                Some(Step::BeginContent)
            }
            Stage::Open(envelope) => {
                self.set_stage(Stage::Open(envelope));
                // RFC 2920 §3.1: pipelined behind RCPT commands that were all refused.
                self.answer(&no_recipients())
            }
            other => {
                self.set_stage(other);
                self.out_of_sequence("Send MAIL and RCPT first")
            }
        }
    }

    pub(super) fn bdat(&mut self, argument: &str) -> Option<Step> {
        let size = match ChunkSize::parse(argument) {
            Ok(size) => size,
            Err(_) => return self.hang_up(&unreadable_size()),
        };
        if size.octets > self.config.max_discarded_content_octets() {
            let text = "The chunk is larger than any message may be";
            return self.hang_up(&Reply::new(421, (4, 3, 4), text));
        }
        match self.take_stage() {
            Stage::Open(envelope) if !envelope.recipients.is_empty() => {
                let chunked = Box::new(Chunked::new(envelope, &self.config));
                self.begin_chunk(chunked, size, Some(Step::BeginContent))
            }
            Stage::BetweenChunks(chunked) => self.begin_chunk(chunked, size, None),
            Stage::Open(envelope) => {
                self.set_stage(Stage::Open(envelope));
                self.skip(size.octets, no_recipients());
                None
            }
            other => {
                self.set_stage(other);
                self.misplaced_chunk(size)
            }
        }
    }

    /// A chunk outside a transaction: its octets go. A client that pipelines has sent it before it could know
    /// that an earlier one was refused, so it counts as a bad command from strangers alone.
    fn misplaced_chunk(&mut self, size: ChunkSize) -> Option<Step> {
        let is_stranger = self.user().is_none();
        if is_stranger && size.octets > self.config.max_discarded_command_octets() as u64 {
            return self.hang_up(&Reply::new(421, (4, 7, 0), "Authentication required"));
        }
        self.counters.bad_commands += u32::from(is_stranger);
        if self.counters.bad_commands > self.config.max_bad_commands {
            return self.hang_up(&Reply::new(421, (4, 7, 0), "Too many bad commands"));
        }
        let text = "Send MAIL and RCPT first";
        self.skip(size.octets, Reply::new(503, (5, 5, 1), text));
        None
    }

    fn begin_chunk(
        &mut self,
        mut chunked: Box<Chunked>,
        size: ChunkSize,
        begun: Option<Step>,
    ) -> Option<Step> {
        let max_octets = self.config.max_message_octets;
        if chunked.content.size().saturating_add(size.octets) > max_octets {
            self.counters.transactions += 1;
            self.skip(size.octets, Refusal::MessageTooLarge { max_octets }.reply());
            return begun.is_none().then_some(Step::AbortContent);
        }
        if size.octets >= MIN_UNCOUNTED_CHUNK_OCTETS {
            self.counters.commands -= 1;
        }
        chunked.begin(size);
        self.set_stage(Stage::ReceivingChunk(chunked));
        begun
    }

    /// Throws so many octets away, then replies.
    fn skip(&mut self, octets: u64, reply: Reply) {
        self.skipping = Some(Skip {
            left: octets,
            reply,
        });
    }

    /// Goes on with what is thrown away.
    pub(super) fn skip_step(&mut self) -> Option<Step> {
        let skip = self.skipping.as_mut()?;
        let octets = self
            .input
            .len()
            .min(usize::try_from(skip.left).unwrap_or(usize::MAX));
        self.input.advance(octets);
        skip.left -= octets as u64;
        if skip.left > 0 {
            return Some(Step::NeedInput);
        }
        if let Some(skip) = self.skipping.take() {
            self.reply(&skip.reply);
        }
        None
    }

    /// Ends a message in chunks that the client gives up; its content is to be dropped.
    pub(super) fn abandon_chunks(&mut self) -> Option<Step> {
        match self.take_stage() {
            Stage::BetweenChunks(_) => Some(Step::AbortContent),
            other => {
                self.set_stage(other);
                None
            }
        }
    }

    pub(super) fn content_step(&mut self) -> Option<Step> {
        match self.take_stage() {
            Stage::ReceivingChunk(chunked) => self.chunk_step(chunked),
            other => {
                self.set_stage(other);
                self.data_step()
            }
        }
    }

    fn chunk_step(&mut self, mut chunked: Box<Chunked>) -> Option<Step> {
        let event = chunked.next(&mut self.input);
        match event {
            ChunkEvent::NeedInput => {
                self.set_stage(Stage::ReceivingChunk(chunked));
                Some(Step::NeedInput)
            }
            ChunkEvent::Content(octets) => {
                self.set_stage(Stage::ReceivingChunk(chunked));
                Some(Step::Content(octets))
            }
            ChunkEvent::Refused(refusal, left) => {
                self.counters.transactions += 1;
                self.skip(left, refusal.reply());
                Some(Step::AbortContent)
            }
            ChunkEvent::End => {
                let text = format!("{} octets received", chunked.chunk_octets());
                self.set_stage(Stage::BetweenChunks(chunked));
                self.answer(&Reply::new(250, (2, 0, 0), text))
            }
            ChunkEvent::LastEnd => {
                let Chunked {
                    envelope, content, ..
                } = *chunked;
                self.complete(envelope, &content)
            }
        }
    }

    fn data_step(&mut self) -> Option<Step> {
        let content = self.state.content_mut()?;
        match content.next(&mut self.input) {
            ContentEvent::NeedInput => Some(Step::NeedInput),
            ContentEvent::Chunk(octets) => Some(Step::Content(octets)),
            ContentEvent::Refused => {
                if let Stage::Receiving(_, content) = self.take_stage() {
                    self.set_stage(Stage::Discarding(content));
                }
                Some(Step::AbortContent)
            }
            ContentEvent::End => self.end_content(),
            ContentEvent::Endless => {
                let text = "The refused message does not end";
                self.hang_up(&Reply::new(421, (4, 3, 4), text))
            }
        }
    }

    fn end_content(&mut self) -> Option<Step> {
        match self.take_stage() {
            Stage::Receiving(envelope, content) => self.complete(envelope, &content),
            Stage::Discarding(content) => {
                self.counters.transactions += 1;
                if let Some(refusal) = content.refusal() {
                    self.reply(&refusal.reply());
                }
                content
                    .is_end_doubtful()
                    .then(|| self.hang_up(&doubtful_end()))?
            }
            other => {
                self.set_stage(other);
                None
            }
        }
    }

    fn complete(&mut self, envelope: Envelope, content: &ContentScanner) -> Option<Step> {
        self.set_stage(Stage::Deciding);
        let transaction = envelope.into_transaction(content.size(), content.is_eight_bit());
        Some(Step::EndOfContent(transaction))
    }
}

fn no_recipients() -> Reply {
    Reply::new(554, (5, 5, 1), "No valid recipients")
}

/// What comes next may have been meant as content.
fn doubtful_end() -> Reply {
    let text = "It is in doubt where the message ended; goodbye";
    Reply::new(421, (4, 5, 2), text)
}

/// Nobody knows where the next command begins.
fn unreadable_size() -> Reply {
    Reply::new(421, (4, 5, 4), "Syntax: BDAT size [LAST]; goodbye")
}
