//! One session of the sink: reads commands as they come, answers a whole group with one write.

use std::io;
use std::time::Instant;

use memchr::{memchr, memmem};
use tokio::net::TcpStream;

use super::wire::Wire;
use super::{Delivery, Point, Script, Shared, StartTls};
use crate::message::ID_FIELD;

const GREETING: &[u8] = b"220 sink.example.net ESMTP\r\n";
const HELLO: &[u8] = b"250-sink.example.net\r\n";
const KEYWORDS: [&str; 3] = ["PIPELINING", "SIZE 104857600", "8BITMIME"];
const LAST_KEYWORD: &[u8] = b"250 ENHANCEDSTATUSCODES\r\n";
const OK: &[u8] = b"250 2.0.0 Ok\r\n";
const NO_TRANSACTION: &[u8] = b"503 5.5.1 no valid recipients\r\n";
const END: &[u8] = b"\r\n.\r\n";

/// The longest command line the sink reads.
const MAX_LINE: usize = 4096;
/// The id is looked for in this many octets of a message.
const MAX_ID_SEARCH: usize = 16 * 1024;
/// Room for one read.
const READ_SIZE: usize = 64 * 1024;

/// Serves one connection until either side ends it.
pub(super) async fn run(stream: TcpStream, shared: &Shared, number: usize) -> io::Result<()> {
    let mut session = Session {
        number,
        wire: Wire::Plain(stream),
        shared,
        input: Vec::with_capacity(READ_SIZE),
        output: Vec::with_capacity(512),
        from: String::new(),
        to: Vec::new(),
    };
    if session.hangs_up(Point::Greeting) {
        return Ok(());
    }
    session.wire.write(GREETING).await?;
    while let Some(line) = session.line().await? {
        if !session.command(&line).await? {
            break;
        }
    }
    session.flush().await
}

struct Session<'a> {
    number: usize,
    wire: Wire,
    shared: &'a Shared,
    input: Vec<u8>,
    output: Vec<u8>,
    from: String,
    to: Vec<String>,
}

impl Session<'_> {
    /// Answers one command; false ends the session.
    async fn command(&mut self, line: &str) -> io::Result<bool> {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let point = match verb.as_str() {
            "MAIL" => Some(Point::Mail),
            "RCPT" => Some(Point::Recipient),
            "DATA" | "BDAT" => Some(Point::Data),
            _ => None,
        };
        if point.is_some_and(|point| self.hangs_up(point)) {
            return Ok(false);
        }
        match verb.as_str() {
            "EHLO" | "HELO" => self.hello(),
            "BDAT" => return self.chunk(line).await,
            "MAIL" => self.mail(line),
            "RCPT" => self.recipient(line),
            "DATA" => return self.data().await,
            "STAR" => return self.starttls().await,
            "RSET" | "NOOP" => self.reset(),
            "QUIT" => {
                self.reply(b"221 2.0.0 Bye\r\n");
                return Ok(false);
            }
            _ => self.reply(b"500 5.5.1 unknown command\r\n"),
        }
        Ok(true)
    }

    fn hello(&mut self) {
        self.reply(HELLO);
        let (offers, withholds) = {
            let script = self.shared.script.borrow();
            (script.offers.clone(), script.withholds.clone())
        };
        for keyword in KEYWORDS.into_iter().chain(offers) {
            if !withholds.contains(&keyword) {
                self.reply(format!("250-{keyword}\r\n").as_bytes());
            }
        }
        let script = self.shared.script.borrow().clone();
        if script.starttls.is_some() && !self.wire.is_encrypted() {
            self.reply(b"250-STARTTLS\r\n");
        }
        if self.wire.is_encrypted() {
            for keyword in script.offers_encrypted {
                self.reply(format!("250-{keyword}\r\n").as_bytes());
            }
        }
        self.reply(LAST_KEYWORD);
    }

    /// Answers STARTTLS and does what the script says; false ends the session.
    async fn starttls(&mut self) -> io::Result<bool> {
        let script = self.shared.script.borrow().clone();
        match script.starttls {
            Some(StartTls::With(acceptor)) => {
                self.reply(b"220 2.0.0 go ahead\r\n");
                self.flush().await?;
                self.wire.encrypt(&acceptor).await?;
                Ok(true)
            }
            Some(StartTls::Broken) => {
                self.reply(b"220 2.0.0 go ahead\r\n");
                self.flush().await?;
                // No TLS record begins like this.
                self.wire.write(b"what?\r\n").await?;
                Ok(false)
            }
            None => {
                self.reply(b"502 5.5.1 no TLS here\r\n");
                Ok(true)
            }
        }
    }

    fn reset(&mut self) {
        self.to.clear();
        self.reply(OK);
    }

    fn mail(&mut self, line: &str) {
        self.to.clear();
        self.from = path(line);
        self.reply(OK);
    }

    fn recipient(&mut self, line: &str) {
        let path = path(line);
        let scripted = (self.shared.script.borrow().recipients.iter())
            .find(|(pattern, _)| path.contains(pattern.as_str()))
            .map(|(_, reply)| format!("{reply}\r\n"));
        if let Some(reply) = scripted {
            self.reply(reply.as_bytes());
            return;
        }
        self.to.push(path);
        self.reply(OK);
    }

    async fn data(&mut self) -> io::Result<bool> {
        if self.to.is_empty() {
            self.reply(NO_TRANSACTION);
            return Ok(true);
        }
        self.reply(b"354 go ahead\r\n");
        self.flush().await?;
        let keep = self.shared.script.borrow().keep;
        let Some((size, head)) = self.content(keep).await? else {
            return Ok(false);
        };
        self.take(size, head, keep).await
    }

    /// The one chunk of a message, `BDAT <octets> LAST` (RFC 3030).
    async fn chunk(&mut self, line: &str) -> io::Result<bool> {
        let mut words = line.split(' ').skip(1);
        let size = words.next().and_then(|size| size.parse::<usize>().ok());
        let (Some(size), Some("LAST")) = (size, words.next()) else {
            self.reply(b"501 5.5.4 BDAT <octets> LAST\r\n");
            return Ok(false);
        };
        let keep = self.shared.script.borrow().keep;
        let mut head = Vec::new();
        let mut left = size;
        while left > 0 {
            if self.input.is_empty() && !self.fill().await? {
                return Ok(false);
            }
            let part = left.min(self.input.len());
            retain(&mut head, &self.input[..part], keep);
            self.input.drain(..part);
            left -= part;
        }
        if self.to.is_empty() {
            self.reply(NO_TRANSACTION);
            return Ok(true);
        }
        self.take(size, head, keep).await
    }

    /// Remembers a message and answers its content.
    async fn take(&mut self, size: usize, head: Vec<u8>, keep: usize) -> io::Result<bool> {
        let id = id(&head);
        // A copy: what is not kept goes at once, and its memory serves the next message.
        let content = head[..head.len().min(keep)].to_vec();
        drop(head);
        let script = self.patience().await;
        if script.content.is_none() {
            self.shared.log().delivered(Delivery {
                id,
                at: Instant::now(),
                from: std::mem::take(&mut self.from),
                to: std::mem::take(&mut self.to),
                content,
                size,
                is_encrypted: self.wire.is_encrypted(),
                peer: self.wire.peer(),
            });
        }
        if script.hang_up == Some(Point::Content) {
            return Ok(false);
        }
        match script.content {
            Some(reply) => self.reply(format!("{reply}\r\n").as_bytes()),
            None => self.reply(OK),
        }
        Ok(true)
    }

    /// Waits as the script says before the final dot is answered; the script as it is after that.
    async fn patience(&self) -> Script {
        let script = self.shared.script.borrow().clone();
        if script.delay.is_zero() && !script.paused {
            return script;
        }
        self.shared.log().wait();
        let _waiting = Waiting(self.shared);
        if !script.delay.is_zero() {
            tokio::time::sleep(script.delay).await;
        }
        let mut changes = self.shared.script.subscribe();
        let resumed = changes.wait_for(|script| !script.paused).await;
        resumed.map_or(script, |script| script.clone())
    }

    /// Reads to the final dot: octets in all, and the first of them; `None` at the end of the stream.
    async fn content(&mut self, keep: usize) -> io::Result<Option<(usize, Vec<u8>)>> {
        let mut head = Vec::new();
        let mut size = 0;
        loop {
            if let Some(at) = memmem::find(&self.input, END) {
                let end = at + 2;
                retain(&mut head, &self.input[..end], keep);
                size += end;
                self.shared.log().arrived(self.number);
                self.input.drain(..at + END.len());
                return Ok(Some((size, head)));
            }
            // The last octets may be the beginning of the end.
            let done = self.input.len().saturating_sub(END.len() - 1);
            retain(&mut head, &self.input[..done], keep);
            size += done;
            self.input.drain(..done);
            if size > 0 {
                self.shared.log().arrives(self.number, size);
            }
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// The next command line without its line end; replies are flushed before the session waits.
    async fn line(&mut self) -> io::Result<Option<String>> {
        loop {
            if let Some(end) = memchr(b'\n', &self.input) {
                let line = String::from_utf8_lossy(&self.input[..end])
                    .trim_end()
                    .to_owned();
                self.input.drain(..=end);
                return Ok(Some(line));
            }
            self.flush().await?;
            if self.input.len() > MAX_LINE || !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Reads once; false at the end of the stream.
    async fn fill(&mut self) -> io::Result<bool> {
        self.input.reserve(READ_SIZE);
        Ok(self.wire.read(&mut self.input).await? > 0)
    }

    fn reply(&mut self, reply: &[u8]) {
        self.output.extend_from_slice(reply);
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            self.wire.write(&self.output).await?;
            self.output.clear();
        }
        Ok(())
    }

    fn hangs_up(&self, point: Point) -> bool {
        self.shared.script.borrow().hang_up == Some(point)
    }
}

/// Counts a session as waiting for as long as it lives, also when it is cut off.
struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.log().waited();
    }
}

/// What stands after the colon of MAIL or RCPT.
fn path(line: &str) -> String {
    line.split_once(':')
        .map_or(line, |(_, path)| path)
        .trim()
        .to_owned()
}

/// Keeps the beginning of the content: enough to find the id, and what the script wants.
fn retain(head: &mut Vec<u8>, octets: &[u8], keep: usize) {
    let room = keep.max(MAX_ID_SEARCH).saturating_sub(head.len());
    head.extend_from_slice(&octets[..octets.len().min(room)]);
}

fn id(head: &[u8]) -> String {
    let Some(at) = memmem::find(head, ID_FIELD.as_bytes()) else {
        return String::new();
    };
    let value = &head[at + ID_FIELD.len()..];
    let end = memchr(b'\r', value).unwrap_or(value.len());
    String::from_utf8_lossy(&value[..end]).trim().to_owned()
}
