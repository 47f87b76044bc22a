//! Speaks SMTP line by line as a client: every wait ends, every reply is bounded, secrets are not shown.

use std::fmt;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::finding::harmless;
use crate::secret::Secret;

/// Octets of one reply, all its lines. Default 64 KiB, far beyond any real EHLO reply.
const MAX_REPLY_OCTETS: u64 = 64 * 1024;

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing came in time.
    Silent,
    /// The peer closed the connection.
    Closed,
    /// The reply does not end.
    TooLong,
    /// What came is no SMTP reply: its first line.
    NotSmtp(String),
    /// What came is a TLS record: the peer expects TLS from the first octet.
    Tls,
    /// The operating system's or the TLS library's words.
    Broken(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => f.write_str("the server is silent"),
            Self::Closed => f.write_str("the server hangs up"),
            Self::TooLong => f.write_str("the reply does not end"),
            Self::Tls => f.write_str("the server expects TLS from the first octet"),
            Self::NotSmtp(line) => write!(f, "`{line}` is no reply"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// A reply with the text of its lines, without codes and line ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The reply code.
    pub code: u16,
    /// At least one.
    pub lines: Vec<String>,
}

impl Reply {
    /// Code and text on one line.
    pub fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.join(" "))
    }

    /// Whether the command succeeded or goes on.
    pub const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// The first word, which is the server's name in a greeting and in the reply to EHLO.
    pub fn first_word(&self) -> &str {
        let first = self.lines.first().map_or("", String::as_str);
        first.split_whitespace().next().unwrap_or("")
    }

    /// The extensions of a reply to EHLO, upper case keyword first.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().skip(1).map(String::as_str)
    }

    /// The parameters of an extension; none when it is not offered.
    pub fn extension(&self, keyword: &str) -> Option<&str> {
        self.extensions().find_map(|line| {
            let (name, parameters) = line.split_once([' ', '=']).unwrap_or((line, ""));
            name.eq_ignore_ascii_case(keyword).then_some(parameters)
        })
    }
}

/// Shows a dialogue on stderr while it happens.
#[derive(Clone, Debug)]
pub struct Show {
    /// What stands before each line; none shows nothing.
    pub label: Option<String>,
}

impl Show {
    fn line(&self, direction: char, text: &str) {
        if let Some(label) = &self.label {
            eprintln!("{label} {direction}: {}", harmless(text));
        }
    }
}

/// One connection.
pub struct Dialogue<S> {
    stream: BufReader<S>,
    patience: Duration,
    show: Show,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    /// Over a connected stream; no wait is longer than `patience`.
    pub fn new(stream: S, patience: Duration, show: Show) -> Self {
        Self {
            stream: BufReader::new(stream),
            patience,
            show,
        }
    }

    /// Says a command and waits for its reply.
    pub async fn say(&mut self, command: &str) -> Result<Reply, Trouble> {
        self.show.line('C', command);
        self.write(format!("{command}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Says `words` and then what nobody is shown.
    pub async fn say_secret(
        &mut self,
        words: &str,
        secret: &Secret<String>,
    ) -> Result<Reply, Trouble> {
        self.show.line('C', &format!("{words}[secret]"));
        let line = format!("{words}{}\r\n", secret.expose());
        self.write(line.as_bytes()).await?;
        self.reply().await
    }

    /// Sends content, whose lines end in CRLF and do not begin with a dot, and ends it.
    pub async fn content(&mut self, content: &str) -> Result<Reply, Trouble> {
        self.show.line('C', "[the message]");
        self.write(format!("{content}.\r\n").as_bytes()).await?;
        self.reply().await
    }

    async fn write(&mut self, octets: &[u8]) -> Result<(), Trouble> {
        let written = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, written).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(Trouble::Silent),
        }
    }

    /// Waits for a reply with all its lines.
    pub async fn reply(&mut self) -> Result<Reply, Trouble> {
        match timeout(self.patience, self.read_reply()).await {
            Ok(reply) => reply,
            Err(_) => Err(Trouble::Silent),
        }
    }

    async fn read_reply(&mut self) -> Result<Reply, Trouble> {
        let mut budget = MAX_REPLY_OCTETS;
        let mut lines = Vec::new();
        loop {
            let line = self.read_line(&mut budget).await?;
            self.show.line('S', &line);
            let Some((code, last, text)) = parse(&line) else {
                return Err(Trouble::NotSmtp(line));
            };
            lines.push(text.to_owned());
            if last {
                return Ok(Reply { code, lines });
            }
        }
    }

    async fn read_line(&mut self, budget: &mut u64) -> Result<String, Trouble> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(*budget);
        let read = bounded.read_until(b'\n', &mut line).await?;
        *budget = budget.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        if is_tls_record(&line) {
            return Err(Trouble::Tls);
        }
        match line.last() {
            None if *budget == 0 => Err(Trouble::TooLong),
            None => Err(Trouble::Closed),
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Some(_) if *budget == 0 => Err(Trouble::TooLong),
            // The end of the connection inside a line: what came still tells who speaks.
            Some(_) => Err(Trouble::NotSmtp(
                String::from_utf8_lossy(&line).into_owned(),
            )),
        }
    }

    /// The stream, to go on encrypted.
    ///
    /// # Errors
    /// When the peer sent something ahead of the handshake (RFC 3207 §6).
    pub fn into_stream(self) -> Result<S, Trouble> {
        if self.stream.buffer().is_empty() {
            Ok(self.stream.into_inner())
        } else {
            let text = "the server sent plaintext behind its reply to STARTTLS";
            Err(Trouble::Broken(text.to_owned()))
        }
    }
}

/// RFC 8446 §5.1: an alert or a handshake, and the major version of every TLS.
fn is_tls_record(octets: &[u8]) -> bool {
    matches!(octets, [0x15 | 0x16, 0x03, ..])
}

/// Code, whether it is the last line, and text (RFC 5321 §4.2).
fn parse(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3)?;
    if !code.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    match line.get(3..)?.chars().next() {
        None => Some((code, true, "")),
        Some(' ') => Some((code, true, &line[4..])),
        Some('-') => Some((code, false, &line[4..])),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const QUIET: Show = Show { label: None };

    async fn read(octets: &[u8]) -> Result<Reply, Trouble> {
        let (mut server, client) = tokio::io::duplex(2 * MAX_REPLY_OCTETS as usize);
        server.write_all(octets).await.expect("it fits");
        drop(server);
        Dialogue::new(client, PATIENCE, QUIET).reply().await
    }

    #[tokio::test]
    async fn a_reply_is_read_with_all_its_lines() {
        let reply = read(
            b"250-mx.example.com hi\r\n250-SIZE 10\r\n250-auth PLAIN LOGIN\r\n250 8BITMIME\r\n",
        )
        .await
        .expect("a reply");
        assert_eq!(reply.code, 250);
        assert_eq!(reply.first_word(), "mx.example.com");
        assert_eq!(reply.extension("SIZE"), Some("10"));
        assert_eq!(reply.extension("AUTH"), Some("PLAIN LOGIN"));
        assert_eq!(reply.extension("8bitmime"), Some(""));
        assert_eq!(reply.extension("STARTTLS"), None);
    }

    #[tokio::test]
    async fn what_is_no_reply_is_told_apart() {
        let cases: [(&[u8], Trouble); 7] = [
            (b"\x15\x03\x03\0\x02\x02\x46", Trouble::Tls),
            (b"", Trouble::Closed),
            (
                b"HTTP/1.1 400 Bad Request\r\n",
                Trouble::NotSmtp("HTTP/1.1 400 Bad Request".into()),
            ),
            (b"SSH-2.0", Trouble::NotSmtp("SSH-2.0".into())),
            (b"999 x\r\n", Trouble::NotSmtp("999 x".into())),
            (b"250x\r\n", Trouble::NotSmtp("250x".into())),
            (b"250-a\r\n", Trouble::Closed),
        ];
        for (octets, expected) in cases {
            assert_eq!(read(octets).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn a_reply_without_end_is_cut() {
        let one_line = vec![b'2'; MAX_REPLY_OCTETS as usize + 1];
        assert_eq!(read(&one_line).await, Err(Trouble::TooLong));
        let many = b"250-x\r\n".repeat(MAX_REPLY_OCTETS as usize / 7 + 1);
        assert_eq!(read(&many).await, Err(Trouble::TooLong));
    }

    #[tokio::test]
    async fn a_silent_peer_is_not_waited_for_without_end() {
        let (_server, client) = tokio::io::duplex(64);
        let mut dialogue = Dialogue::new(client, Duration::from_millis(1), QUIET);
        assert_eq!(dialogue.reply().await, Err(Trouble::Silent));
    }

    #[tokio::test]
    async fn octets_ahead_of_a_handshake_are_seen() {
        let (mut server, client) = tokio::io::duplex(64);
        server
            .write_all(b"220 go\r\n250 x\r\n")
            .await
            .expect("fits");
        let mut dialogue = Dialogue::new(client, PATIENCE, QUIET);
        assert_eq!(dialogue.reply().await.map(|reply| reply.code), Ok(220));
        assert!(dialogue.into_stream().is_err());
    }
}
