//! One HTTP request over one connection, as octets: for what the relay serves beside mail.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::client::trust::trusting_config;

/// How long a connection, a write or a read may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The header section, names in lower case.
    pub header: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The first header field of this lower-case name; empty when there is none.
    pub fn field(&self, name: &str) -> &str {
        let found = self.header.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Connects to a port of loopback.
///
/// # Errors
/// When nobody listens.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

/// GET of a path over plain HTTP.
///
/// # Panics
/// When there is no response.
#[track_caller]
pub fn get(port: u16, path: &str) -> Answer {
    request(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: relay.example.com\r\n\r\n"),
    )
}

/// POST of a body over plain HTTP.
///
/// # Panics
/// When there is no response.
#[track_caller]
pub fn post(port: u16, path: &str, body: &str) -> Answer {
    let length = body.len();
    request(
        port,
        &format!(
            "POST {path} HTTP/1.1\r\nHost: relay.example.com\r\nContent-Type: text/xml\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

/// Sends a request as it stands and reads to the end of the connection.
///
/// # Panics
/// When there is no response.
#[track_caller]
pub fn request(port: u16, text: &str) -> Answer {
    let mut stream = connect(port).expect("the web is served");
    exchange(&mut stream, text)
}

/// GET of a path over HTTPS, whatever the certificate.
///
/// # Errors
/// When there is no connection.
///
/// # Panics
/// When there is no response.
pub fn get_tls(port: u16, path: &str) -> io::Result<Answer> {
    let mut stream = connect_tls(port, "localhost", &trusting_config())?;
    let text = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    Ok(exchange(&mut stream, &text))
}

/// The certificates that are shown to a client which trusts as `config` says, the server's own first.
///
/// # Errors
/// When there is no connection, or no trust.
pub fn shown(
    port: u16,
    name: &'static str,
    config: &Arc<ClientConfig>,
) -> io::Result<Vec<CertificateDer<'static>>> {
    let stream = connect_tls(port, name, config)?;
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    Ok(chain.iter().map(|one| one.clone().into_owned()).collect())
}

fn connect_tls(
    port: u16,
    name: &'static str,
    config: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, connect(port)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

#[track_caller]
fn exchange(stream: &mut (impl Read + Write), text: &str) -> Answer {
    // A server that has seen enough may close before it has read everything.
    let _ = stream.write_all(text.as_bytes());
    let mut octets = Vec::new();
    let _ = stream.read_to_end(&mut octets);
    let response = String::from_utf8_lossy(&octets);
    parse(&response).unwrap_or_else(|| panic!("no response to {text:?}: {response:?}"))
}

fn parse(response: &str) -> Option<Answer> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let fields = lines.filter_map(|line| line.split_once(": "));
    Some(Answer {
        status,
        header: fields
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    })
}
