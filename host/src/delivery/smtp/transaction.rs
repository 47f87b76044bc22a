//! One transaction over an open connection: the envelope, the content, and an outcome for each recipient.

use bytes::Bytes;

use super::connection::{Connection, Lost};
use super::envelope::{Envelope, Framing, Peer, Transaction, channel};
use super::reply::{Reply, deferred};
use crate::clock::Timestamp;
use crate::delivery::bandwidth::Transfer;
use crate::delivery::dots::DotStuffer;
use crate::delivery::outgoing::{Outgoing, Source};
use crate::queue::Outcome;

/// Octets gathered before they are written.
const WRITE_SIZE: usize = 64 * 1024;

/// What came of a transaction.
pub(crate) struct Transacted {
    /// One for each recipient, in their order.
    pub outcomes: Vec<Outcome>,
    /// The connection broke ahead of the first reply: the peer had closed it while it was idle.
    pub stale: bool,
}

/// The replies to the envelope.
#[derive(Default)]
struct Replies {
    mail: Option<Reply>,
    rcpt: Vec<Reply>,
    data: Option<Reply>,
    lost: Option<Lost>,
    /// True when there is none, for nothing was said.
    nothing_said: bool,
}

impl Connection {
    /// Sends one message to the recipients; each gets its own outcome, whatever happens.
    pub async fn transact(
        &mut self,
        transaction: &Transaction<'_>,
        source: Source<'_>,
    ) -> Transacted {
        if self.transactions > 0 && !self.wire.is_quiet() {
            self.broken = true;
            let outcome = deferred("the connection was over, or out of step");
            return Transacted {
                outcomes: vec![outcome; transaction.recipients.len()],
                stale: true,
            };
        }
        let (envelope, content) = match self.prepare(transaction, source).await {
            Ok(prepared) => prepared,
            Err(outcome) => {
                return Transacted::unsent(vec![outcome; transaction.recipients.len()]);
            }
        };
        if let Some(outcomes) = envelope.nobody() {
            return Transacted::unsent(outcomes);
        }
        self.transactions += 1;
        let mut transfer = self.bandwidth.transfer(transaction.priority);
        let (replies, final_outcome) = self.exchange(&envelope, content, &mut transfer).await;
        Transacted {
            stale: replies.is_stale(),
            outcomes: replies.outcomes(&envelope, &final_outcome),
        }
    }

    /// The replies to the envelope, and what becomes of the content for those whom they accept.
    async fn exchange(
        &mut self,
        envelope: &Envelope,
        content: Outgoing<'_>,
        transfer: &mut Transfer,
    ) -> (Replies, Outcome) {
        if envelope.framing == Framing::Eager {
            return self.eagerly(envelope, content, transfer).await;
        }
        let replies = self.envelope(envelope).await;
        let outcome = match envelope.framing {
            Framing::Data => self.after_envelope(&replies, content, transfer).await,
            Framing::Bdat | Framing::Eager => self.chunk(&replies, content, transfer).await,
        };
        (replies, outcome)
    }

    /// What is to be said and sent.
    async fn prepare<'a>(
        &self,
        transaction: &Transaction<'_>,
        source: Source<'a>,
    ) -> Result<(Envelope, Outgoing<'a>), Outcome> {
        let peer = self.peer();
        Envelope::may_go(transaction.meta, peer, Timestamp::now())?;
        let channel = channel(transaction.meta, peer);
        let content = source.prepare(channel).await;
        let content = content.map_err(|unfit| unfit.outcome(peer.name))?;
        let transaction = Transaction {
            size: content.size(),
            channel,
            ..*transaction
        };
        let envelope = Envelope::new(&transaction, peer, Timestamp::now())?;
        Ok((envelope, content))
    }

    fn peer(&self) -> Peer<'_> {
        Peer {
            name: self.name(),
            extensions: &self.extensions,
            is_verified: self.protection.is_verified(),
            chunking: self.chunking,
        }
    }

    async fn envelope(&mut self, envelope: &Envelope) -> Replies {
        let mut replies = Replies::default();
        let result = if self.extensions.pipelining {
            self.pipelined(envelope, &mut replies).await
        } else {
            self.stepwise(envelope, &mut replies).await
        };
        replies.lost = result.err();
        replies
    }

    /// RFC 2920: all commands in one write, then all replies.
    async fn pipelined(&mut self, envelope: &Envelope, replies: &mut Replies) -> Result<(), Lost> {
        let mut lines = self.opening(envelope);
        if envelope.framing == Framing::Data {
            lines.push_str("DATA\r\n");
        }
        self.command(&lines).await?;
        self.opened(envelope, replies).await?;
        if envelope.framing == Framing::Data {
            replies.data = Some(self.reply(self.timeouts.command, "DATA").await?);
        }
        Ok(())
    }

    /// The commands ahead of the content.
    fn opening(&self, envelope: &Envelope) -> String {
        let mut lines = if self.needs_rset {
            "RSET\r\n".to_owned()
        } else {
            String::new()
        };
        lines.push_str(&envelope.mail);
        lines.extend(envelope.rcpt_lines());
        lines
    }

    /// The replies to them.
    async fn opened(&mut self, envelope: &Envelope, replies: &mut Replies) -> Result<(), Lost> {
        if self.needs_rset {
            self.reply(self.timeouts.command, "RSET").await?;
            self.needs_rset = false;
        }
        replies.mail = Some(self.reply(self.timeouts.command, "MAIL").await?);
        for _recipient in envelope.rcpt_lines() {
            replies
                .rcpt
                .push(self.reply(self.timeouts.command, "RCPT").await?);
        }
        Ok(())
    }

    /// A reply for each command, and no command that makes no sense after it.
    async fn stepwise(&mut self, envelope: &Envelope, replies: &mut Replies) -> Result<(), Lost> {
        if self.needs_rset {
            self.ask("RSET\r\n", "RSET").await?;
            self.needs_rset = false;
        }
        let mail = self.ask(&envelope.mail, "MAIL").await?;
        let refused = !mail.is_positive();
        replies.mail = Some(mail);
        if refused {
            return Ok(());
        }
        for line in envelope.rcpt_lines() {
            replies.rcpt.push(self.ask(line, "RCPT").await?);
        }
        if envelope.framing == Framing::Data && replies.is_accepted() {
            replies.data = Some(self.ask("DATA\r\n", "DATA").await?);
        }
        Ok(())
    }

    async fn ask(&mut self, line: &str, what: &str) -> Result<Reply, Lost> {
        self.command(line).await?;
        self.reply(self.timeouts.command, what).await
    }

    async fn command(&mut self, lines: &str) -> Result<(), Lost> {
        self.bandwidth.spend(lines.len());
        self.write(lines.as_bytes(), self.timeouts.command).await
    }

    /// Sends the content if the peer waits for it; the outcome is that of all accepted recipients.
    async fn after_envelope(
        &mut self,
        replies: &Replies,
        content: Outgoing<'_>,
        transfer: &mut Transfer,
    ) -> Outcome {
        if let Some(lost) = &replies.lost {
            return deferred(&lost.0);
        }
        self.needs_rset = true;
        let Some(data) = &replies.data else {
            return deferred("no recipient was accepted");
        };
        if data.code != 354 {
            // 2yz and 3yz make no sense here: who knows to what the next ones are replies.
            self.broken |= data.code < 400;
            return negative(data);
        }
        let sent = if replies.is_accepted() {
            self.content(content, transfer).await
        } else {
            // RFC 2920 §3.1: DATA was granted although nobody was accepted; an empty message ends it.
            self.write(b".\r\n", self.timeouts.command)
                .await
                .map_err(|lost| deferred(lost.0))
        };
        let reply = match sent {
            Ok(()) => self.reply(self.timeouts.data_end, "the content").await,
            Err(outcome) => return outcome,
        };
        match reply {
            Ok(reply) => {
                self.needs_rset = false;
                self.broken |= reply.code / 100 == 3;
                reply.outcome()
            }
            Err(lost) => deferred(lost.0),
        }
    }

    /// RFC 3030 §2: one chunk of known size, as soon as somebody is accepted.
    async fn chunk(
        &mut self,
        replies: &Replies,
        mut content: Outgoing<'_>,
        transfer: &mut Transfer,
    ) -> Outcome {
        if let Some(lost) = &replies.lost {
            return deferred(&lost.0);
        }
        self.needs_rset = true;
        if !replies.is_accepted() {
            return deferred("no recipient was accepted");
        }
        let size = content.size();
        let command = format!("BDAT {size} LAST\r\n");
        if let Err(outcome) = self.block(command.as_bytes(), transfer).await {
            return outcome;
        }
        if let Err(outcome) = self.octets(&mut content, size, transfer).await {
            return outcome;
        }
        self.chunk_answered().await
    }

    async fn chunk_answered(&mut self) -> Outcome {
        match self.reply(self.timeouts.data_end, "the content").await {
            Ok(reply) => {
                self.needs_rset = !reply.is_positive();
                self.broken |= reply.code / 100 == 3;
                reply.outcome()
            }
            Err(lost) => deferred(lost.0),
        }
    }

    /// All of a small message in one write, then all replies: whoever is refused has been sent it for nothing, all
    /// others have it a round trip earlier.
    async fn eagerly(
        &mut self,
        envelope: &Envelope,
        content: Outgoing<'_>,
        transfer: &mut Transfer,
    ) -> (Replies, Outcome) {
        let mut replies = Replies::default();
        let whole = match self.whole(envelope, content).await {
            Ok(whole) => whole,
            Err(outcome) => {
                replies.nothing_said = true;
                return (replies, outcome);
            }
        };
        let written = self.block(&whole, transfer).await;
        transfer.rest();
        self.outbound = whole;
        if let Err(outcome) = written {
            return (replies, outcome);
        }
        if let Err(lost) = self.opened(envelope, &mut replies).await {
            return (replies, deferred(lost.0));
        }
        let outcome = self.chunk_answered().await;
        if !replies.is_accepted() {
            // Nobody is there to whom it could have been delivered.
            self.broken |= matches!(outcome, Outcome::Delivered(_));
            return (replies, deferred("no recipient was accepted"));
        }
        (replies, outcome)
    }

    /// The commands and the content behind them.
    async fn whole(
        &mut self,
        envelope: &Envelope,
        mut content: Outgoing<'_>,
    ) -> Result<Vec<u8>, Outcome> {
        let size = content.size();
        let mut whole = std::mem::take(&mut self.outbound);
        whole.clear();
        whole.extend_from_slice(self.opening(envelope).as_bytes());
        whole.extend_from_slice(format!("BDAT {size} LAST\r\n").as_bytes());
        let begins = whole.len() as u64;
        while let Some(piece) = self.piece(&mut content).await? {
            whole.extend_from_slice(&piece);
        }
        if whole.len() as u64 != begins + size {
            self.broken = true;
            return Err(deferred("the content is not of the size it was"));
        }
        self.may_end(&content)?;
        Ok(whole)
    }

    /// The next piece of the content; without it the transaction cannot end.
    async fn piece(&mut self, content: &mut Outgoing<'_>) -> Result<Option<Bytes>, Outcome> {
        content.next().await.map_err(|error| {
            self.broken = true;
            deferred(error.to_string())
        })
    }

    /// Writes the content as it is; on error the connection is broken, and the chunk never complete.
    async fn octets(
        &mut self,
        content: &mut Outgoing<'_>,
        size: u64,
        transfer: &mut Transfer,
    ) -> Result<(), Outcome> {
        let mut left = size;
        while let Some(piece) = self.piece(content).await? {
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
                self.broken = true;
                deferred("the content is larger than it was")
            })?;
            if left == 0 {
                self.may_end(content)?;
            }
            for part in piece.chunks(WRITE_SIZE) {
                self.block(part, transfer).await?;
            }
        }
        transfer.rest();
        if left > 0 {
            self.broken = true;
            return Err(deferred("the content is smaller than it was"));
        }
        Ok(())
    }

    /// Writes the content; on error the connection is broken, and the peer never sees a final dot.
    async fn content(
        &mut self,
        mut content: Outgoing<'_>,
        transfer: &mut Transfer,
    ) -> Result<(), Outcome> {
        let mut outbound = std::mem::take(&mut self.outbound);
        outbound.clear();
        let mut stuffer = DotStuffer::new();
        while let Some(piece) = self.piece(&mut content).await? {
            for part in piece.chunks(WRITE_SIZE) {
                stuffer.stuff(part, &mut outbound);
                if outbound.len() >= WRITE_SIZE {
                    self.block(&outbound, transfer).await?;
                    outbound.clear();
                }
            }
        }
        self.may_end(&content)?;
        stuffer.finish(&mut outbound);
        self.block(&outbound, transfer).await?;
        transfer.rest();
        self.outbound = outbound;
        Ok(())
    }

    /// Breaks the connection when the end of the content must not be sent.
    fn may_end(&mut self, content: &Outgoing<'_>) -> Result<(), Outcome> {
        content.may_end().map_err(|error| {
            self.broken = true;
            deferred(error.to_string())
        })
    }

    /// Writes octets of the content, as many at a time as it is this transfer's turn to.
    async fn block(&mut self, mut octets: &[u8], transfer: &mut Transfer) -> Result<(), Outcome> {
        while !octets.is_empty() {
            let granted = transfer.turn(octets.len()).await;
            let (now, later) = octets.split_at(granted.min(octets.len()));
            self.part(now).await?;
            octets = later;
        }
        Ok(())
    }

    async fn part(&mut self, octets: &[u8]) -> Result<(), Outcome> {
        let Err(lost) = self.write(octets, self.timeouts.data_block).await else {
            return Ok(());
        };
        // The peer may have said why before it closed, for example that the message is too large.
        let limit = std::time::Duration::from_secs(1);
        match self.reply(limit, "the content").await {
            Ok(reply) if !reply.is_positive() => Err(reply.outcome()),
            _ => Err(deferred(lost.0)),
        }
    }
}

impl Transacted {
    /// True when a recipient was served.
    pub fn is_any_delivered(&self) -> bool {
        let mut outcomes = self.outcomes.iter();
        outcomes.any(|outcome| matches!(outcome, Outcome::Delivered(_)))
    }

    /// The places of those for whom there was no room in the transaction.
    pub fn surplus(&self) -> Vec<usize> {
        let outcomes = self.outcomes.iter().enumerate();
        let refused = outcomes.filter(|(_, outcome)| match outcome {
            Outcome::Deferred(reply) => reply.asks_for_fewer_recipients(),
            Outcome::Delivered(_) | Outcome::Failed(_) => false,
        });
        refused.map(|(place, _)| place).collect()
    }

    /// Nothing was said, because nothing could come of it.
    const fn unsent(outcomes: Vec<Outcome>) -> Self {
        Self {
            outcomes,
            stale: false,
        }
    }
}

impl Replies {
    /// The connection was over before the transaction began.
    fn is_stale(&self) -> bool {
        !self.nothing_said && self.mail.as_ref().is_none_or(Reply::is_closing)
    }

    fn is_mail_accepted(&self) -> bool {
        self.mail.as_ref().is_some_and(Reply::is_positive)
    }

    fn is_accepted(&self) -> bool {
        self.is_mail_accepted() && self.rcpt.iter().any(Reply::is_positive)
    }

    /// A refused MAIL decides for all, a refused RCPT for its recipient, the rest is for those accepted.
    fn outcomes(&self, envelope: &Envelope, accepted: &Outcome) -> Vec<Outcome> {
        let refused_mail = self.mail.as_ref().filter(|mail| !mail.is_positive());
        let mut replies = self.rcpt.iter();
        let outcome = |line: &Result<String, Outcome>| match (line, refused_mail) {
            (Err(outcome), _) => outcome.clone(),
            (Ok(_), Some(mail)) => negative(mail),
            (Ok(_), None) => match replies.next() {
                Some(rcpt) if !rcpt.is_positive() => negative(rcpt),
                _ => accepted.clone(),
            },
        };
        envelope.rcpt.iter().map(outcome).collect()
    }
}

/// The outcome of a reply that is not positive; nothing but 2yz to the content delivers.
fn negative(reply: &Reply) -> Outcome {
    match reply.outcome() {
        Outcome::Delivered(reply) => Outcome::Deferred(reply),
        outcome => outcome,
    }
}
