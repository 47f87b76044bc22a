//! A mail client for the demo: logs in under TLS and submits, over a real connection.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::secret::Secret;
use crate::tls::{self, Roots, Verification};

/// Longer than anything on loopback takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A logged-in connection.
pub struct Client {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Client {
    /// Connects, upgrades to TLS trusting the certificate in `certificate` alone, and logs in.
    pub async fn log_in(
        address: SocketAddr,
        certificate: &Path,
        username: &str,
        password: &Secret<String>,
    ) -> anyhow::Result<Self> {
        let mut plain = BufReader::new(
            TcpStream::connect(address)
                .await
                .context("cannot connect")?,
        );
        read_reply(&mut plain).await?;
        expect(&mut plain, "EHLO demo.example.com", "250").await?;
        expect(&mut plain, "STARTTLS", "220").await?;
        let connector = TlsConnector::from(tls::client_config(
            &Roots::File(certificate.to_owned()),
            Verification::Required,
        )?);
        let name = ServerName::try_from("localhost").expect("a valid name");
        let stream = timeout(PATIENCE, connector.connect(name, plain.into_inner())).await??;
        let mut client = Self {
            stream: BufReader::new(stream),
        };
        expect(&mut client.stream, "EHLO demo.example.com", "250").await?;
        let response = STANDARD.encode(format!("\0{username}\0{}", password.expose()));
        expect(&mut client.stream, &format!("AUTH PLAIN {response}"), "235").await?;
        Ok(client)
    }

    /// Submits one message and returns the reply that decided about it.
    pub async fn submit(
        &mut self,
        sender: &str,
        recipient: &str,
        content: &str,
    ) -> anyhow::Result<String> {
        for (command, expected) in [
            (format!("MAIL FROM:<{sender}>"), "250"),
            (format!("RCPT TO:<{recipient}>"), "250"),
            ("DATA".to_owned(), "354"),
        ] {
            let reply = ask(&mut self.stream, &command).await?;
            if !reply.starts_with(expected) {
                ask(&mut self.stream, "RSET").await?;
                return Ok(reply);
            }
        }
        ask(&mut self.stream, &format!("{content}\r\n.")).await
    }
}

async fn ask(
    stream: &mut (impl AsyncBufReadExt + AsyncWrite + Unpin),
    command: &str,
) -> anyhow::Result<String> {
    stream
        .write_all(format!("{command}\r\n").as_bytes())
        .await?;
    stream.flush().await?;
    read_reply(stream).await
}

async fn expect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    command: &str,
    expected: &str,
) -> anyhow::Result<()> {
    let reply = ask(stream, command).await?;
    if !reply.starts_with(expected) {
        let verb = command.split(' ').next().unwrap_or_default();
        bail!("the reply to {verb} was {reply}");
    }
    Ok(())
}

/// The last line of a reply.
async fn read_reply(stream: &mut (impl AsyncBufReadExt + Unpin)) -> anyhow::Result<String> {
    loop {
        let mut line = String::new();
        timeout(PATIENCE, stream.read_line(&mut line))
            .await
            .context("no reply")??;
        if line.is_empty() {
            bail!("the connection ended");
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(line.trim_end().to_owned());
        }
    }
}
