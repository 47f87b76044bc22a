//! One transaction over an open connection: MAIL, RCPT, DATA, content, and an outcome for each recipient.

use std::fmt::Write as _;

use super::connection::{Connection, Lost};
use super::reply::{Reply, deferred, failed};
use crate::delivery::content::ContentReader;
use crate::delivery::dots::DotStuffer;
use crate::queue::{MessageMeta, Outcome};
use crate::smtp::{BodyType, Mailbox};

/// Octets gathered before they are written.
const WRITE_SIZE: usize = 64 * 1024;

/// What is to be sent.
pub(crate) struct Transaction<'a> {
    /// Reverse-path and body type.
    pub meta: &'a MessageMeta,
    /// Forward-paths, at most 100.
    pub recipients: &'a [Mailbox],
    /// Octets in all.
    pub size: u64,
}

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
}

impl Connection {
    /// Sends one message to the recipients; each gets its own outcome, whatever happens.
    pub async fn transact(
        &mut self,
        transaction: &Transaction<'_>,
        content: ContentReader<'_>,
    ) -> Transacted {
        if let Some(outcome) = self.impossible(transaction) {
            return Transacted {
                outcomes: vec![outcome; transaction.recipients.len()],
                stale: false,
            };
        }
        self.transactions += 1;
        let replies = self.envelope(transaction).await;
        let final_outcome = self.after_envelope(&replies, content).await;
        Transacted {
            // Nothing was sent: the connection was over before the transaction began.
            stale: replies.mail.as_ref().is_none_or(Reply::is_closing),
            outcomes: replies.outcomes(transaction.recipients.len(), &final_outcome),
        }
    }

    /// Why this peer can never take the message.
    fn impossible(&self, transaction: &Transaction<'_>) -> Option<Outcome> {
        let (host, size) = (self.name(), transaction.size);
        // RFC 1870 §6.1: a client need not ask when the limit is known.
        let limit = self.extensions.size.unwrap_or(0);
        if limit > 0 && size > limit {
            return Some(failed(format!(
                "5.3.4 message of {size} octets exceeds the limit of {host}, {limit} octets"
            )));
        }
        if transaction.is_international() && !self.extensions.smtputf8 {
            return Some(failed(format!(
                "5.6.7 {host} does not accept addresses beyond ASCII (SMTPUTF8)"
            )));
        }
        None
    }

    async fn envelope(&mut self, transaction: &Transaction<'_>) -> Replies {
        let mut replies = Replies::default();
        let result = if self.extensions.pipelining {
            self.pipelined(transaction, &mut replies).await
        } else {
            self.stepwise(transaction, &mut replies).await
        };
        replies.lost = result.err();
        replies
    }

    /// RFC 2920: all commands in one write, then all replies.
    async fn pipelined(
        &mut self,
        transaction: &Transaction<'_>,
        replies: &mut Replies,
    ) -> Result<(), Lost> {
        let mut lines = if self.needs_rset {
            "RSET\r\n".to_owned()
        } else {
            String::new()
        };
        self.mail_line(transaction, &mut lines);
        for recipient in transaction.recipients {
            rcpt_line(recipient, &mut lines);
        }
        lines.push_str("DATA\r\n");
        self.write(lines.as_bytes(), self.timeouts.command).await?;
        if self.needs_rset {
            self.reply(self.timeouts.command, "RSET").await?;
            self.needs_rset = false;
        }
        replies.mail = Some(self.reply(self.timeouts.command, "MAIL").await?);
        for _recipient in transaction.recipients {
            replies
                .rcpt
                .push(self.reply(self.timeouts.command, "RCPT").await?);
        }
        replies.data = Some(self.reply(self.timeouts.command, "DATA").await?);
        Ok(())
    }

    /// A reply for each command, and no command that makes no sense after it.
    async fn stepwise(
        &mut self,
        transaction: &Transaction<'_>,
        replies: &mut Replies,
    ) -> Result<(), Lost> {
        if self.needs_rset {
            self.ask("RSET\r\n", "RSET").await?;
            self.needs_rset = false;
        }
        let mut line = String::new();
        self.mail_line(transaction, &mut line);
        let mail = self.ask(&line, "MAIL").await?;
        let refused = !mail.is_positive();
        replies.mail = Some(mail);
        if refused {
            return Ok(());
        }
        for recipient in transaction.recipients {
            line.clear();
            rcpt_line(recipient, &mut line);
            replies.rcpt.push(self.ask(&line, "RCPT").await?);
        }
        if replies.rcpt.iter().any(Reply::is_positive) {
            replies.data = Some(self.ask("DATA\r\n", "DATA").await?);
        }
        Ok(())
    }

    async fn ask(&mut self, line: &str, what: &str) -> Result<Reply, Lost> {
        self.write(line.as_bytes(), self.timeouts.command).await?;
        self.reply(self.timeouts.command, what).await
    }

    /// Sends the content if the peer waits for it; the outcome is that of all accepted recipients.
    async fn after_envelope(&mut self, replies: &Replies, content: ContentReader<'_>) -> Outcome {
        if let Some(lost) = &replies.lost {
            return deferred(&lost.0);
        }
        self.needs_rset = true;
        let Some(data) = &replies.data else {
            return deferred("no recipient was accepted");
        };
        if data.code != 354 {
            return negative(data);
        }
        let sent = if replies.is_accepted() {
            self.content(content).await
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
                reply.outcome()
            }
            Err(lost) => deferred(lost.0),
        }
    }

    /// Writes the content; on error the connection is broken, and the peer never sees a final dot.
    async fn content(&mut self, mut content: ContentReader<'_>) -> Result<(), Outcome> {
        let mut outbound = std::mem::take(&mut self.outbound);
        outbound.clear();
        let mut stuffer = DotStuffer::new();
        while let Some(piece) = content.next().await.map_err(|error| {
            self.broken = true;
            deferred(format!("content is not at hand: {error}"))
        })? {
            for part in piece.chunks(WRITE_SIZE) {
                stuffer.stuff(part, &mut outbound);
                if outbound.len() >= WRITE_SIZE {
                    self.block(&outbound).await?;
                    outbound.clear();
                }
            }
        }
        stuffer.finish(&mut outbound);
        self.block(&outbound).await?;
        self.outbound = outbound;
        Ok(())
    }

    async fn block(&mut self, octets: &[u8]) -> Result<(), Outcome> {
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

    fn mail_line(&self, transaction: &Transaction<'_>, line: &mut String) {
        let meta = transaction.meta;
        let path = meta.reverse_path.as_ref().map_or("", Mailbox::as_str);
        let offered = &self.extensions;
        let _ = write!(line, "MAIL FROM:<{path}>");
        if offered.size.is_some() {
            let _ = write!(line, " SIZE={}", transaction.size);
        }
        if offered.eight_bit_mime && meta.body == BodyType::EightBitMime {
            line.push_str(" BODY=8BITMIME");
        }
        if transaction.is_international() {
            line.push_str(" SMTPUTF8");
        }
        line.push_str("\r\n");
    }
}

impl Transaction<'_> {
    fn is_international(&self) -> bool {
        let mut paths = self.recipients.iter().chain(&self.meta.reverse_path);
        paths.any(|path| !path.as_str().is_ascii())
    }
}

impl Replies {
    fn is_mail_accepted(&self) -> bool {
        self.mail.as_ref().is_some_and(Reply::is_positive)
    }

    fn is_accepted(&self) -> bool {
        self.is_mail_accepted() && self.rcpt.iter().any(Reply::is_positive)
    }

    /// A refused MAIL decides for all, a refused RCPT for its recipient, the rest is for those accepted.
    fn outcomes(&self, recipients: usize, accepted: &Outcome) -> Vec<Outcome> {
        let refused_mail = self.mail.as_ref().filter(|mail| !mail.is_positive());
        (0..recipients)
            .map(|index| match (refused_mail, self.rcpt.get(index)) {
                (Some(mail), _) => negative(mail),
                (None, Some(rcpt)) if !rcpt.is_positive() => negative(rcpt),
                _ => accepted.clone(),
            })
            .collect()
    }
}

fn rcpt_line(recipient: &Mailbox, line: &mut String) {
    let _ = write!(line, "RCPT TO:<{recipient}>\r\n");
}

/// The outcome of a reply that is not positive; nothing but 2yz to the content delivers.
fn negative(reply: &Reply) -> Outcome {
    match reply.outcome() {
        Outcome::Delivered(reply) => Outcome::Deferred(reply),
        outcome => outcome,
    }
}
