//! The PROXY protocol, versions 1 and 2: what a proxy in front of us says about its client.
//!
//! Only named upstreams are heard, and they must speak it: a header that anyone could send would let
//! anyone choose an address. Nothing behind the header is read.
//! (HAProxy, "The PROXY protocol, versions 1 & 2".)

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ppp::{v1, v2};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::{Door, Shared};

const V1_PREFIX: &[u8] = b"PROXY ";
/// `PROXY UNKNOWN` and CRLF: no header of version 1 is shorter.
const V1_MIN_OCTETS: usize = 15;
/// The longest header of version 1, CRLF included (§2.1).
const V1_MAX_OCTETS: usize = 107;
/// Signature, version and command, family and protocol, length (§2.2).
const V2_FIXED_OCTETS: usize = 16;
/// Addresses and further values of version 2. 536, what §2.2 lets a sender rely on; the length field
/// could say 65,535.
const V2_MAX_OCTETS: usize = 536;
/// Version 2 and the command LOCAL: the proxy speaks for itself, for example to see whether we live.
const V2_LOCAL: u8 = 0x20;

/// Why a connection of an upstream has no address we could believe.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The connection begins with something else.
    #[error("it does not begin with a PROXY protocol header")]
    NoHeader,
    /// The upstream closed before a first octet, as a check of an open port does.
    #[error("it was closed before a PROXY protocol header")]
    Closed,
    /// More octets than a header may have.
    #[error("its PROXY protocol header is longer than {limit} octets")]
    TooLong {
        /// The limit of this version.
        limit: usize,
    },
    /// A header that breaks the rules.
    #[error("its PROXY protocol header is malformed")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The header did not come, or did not end, in time.
    #[error("its PROXY protocol header did not come in time")]
    TimedOut,
    /// The connection failed within the header.
    #[error("it failed within its PROXY protocol header")]
    Read(#[source] io::Error),
}

impl ProxyError {
    fn malformed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Malformed(error.into())
    }
}

/// The client's address: what an upstream tells, and for everybody else the socket's. None when the
/// connection is to be closed. A header has `wait` to come.
pub async fn client(
    stream: &mut TcpStream,
    socket: SocketAddr,
    door: &Door,
    shared: &Shared,
    wait: Duration,
) -> Option<SocketAddr> {
    let is_upstream = |ip: IpAddr| door.upstreams.iter().any(|network| network.contains(ip));
    if !is_upstream(socket.ip()) {
        return Some(socket);
    }
    let told = tokio::select! {
        told = read_header(stream, wait) => told,
        () = shared.shutdown.announced() => return None,
    };
    match told {
        Ok(told) => Some(told.unwrap_or(socket)),
        Err(error @ ProxyError::Closed) => {
            debug!(upstream = %socket, %error, "a connection of an upstream is of no use");
            None
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            warn!(
                upstream = %socket, %error, cause,
                "a connection of an upstream is closed; see proxy-protocol of the listener"
            );
            None
        }
    }
}

/// Reads exactly the header; none when it tells no address of the internet.
async fn read_header(
    stream: &mut TcpStream,
    limit: Duration,
) -> Result<Option<SocketAddr>, ProxyError> {
    let read = async {
        let mut header = Vec::with_capacity(V1_MAX_OCTETS);
        loop {
            match next(&header)? {
                Next::Told(address) => return Ok(address),
                Next::Needs(octets) => fill(stream, &mut header, octets).await?,
            }
        }
    };
    timeout(limit, read)
        .await
        .unwrap_or(Err(ProxyError::TimedOut))
}

/// Appends exactly so many octets.
async fn fill(
    stream: &mut TcpStream,
    header: &mut Vec<u8>,
    octets: usize,
) -> Result<(), ProxyError> {
    let known = header.len();
    header.resize(known + octets, 0);
    match stream.read_exact(&mut header[known..]).await {
        Ok(_) => Ok(()),
        Err(error) if known == 0 && error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ProxyError::Closed)
        }
        Err(error) => Err(ProxyError::Read(error)),
    }
}

/// What follows from the octets of a header that are known.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// At least so many more octets belong to it.
    Needs(usize),
    /// It is complete.
    Told(Option<SocketAddr>),
}

fn next(header: &[u8]) -> Result<Next, ProxyError> {
    if header.is_empty() {
        Ok(Next::Needs(1))
    } else if agree(header, V1_PREFIX) {
        next_v1(header)
    } else if agree(header, v2::PROTOCOL_PREFIX) {
        next_v2(header)
    } else {
        Err(ProxyError::NoHeader)
    }
}

/// True when one begins with the other.
fn agree(header: &[u8], prefix: &[u8]) -> bool {
    let both = header.len().min(prefix.len());
    header[..both] == prefix[..both]
}

fn next_v1(header: &[u8]) -> Result<Next, ProxyError> {
    match header {
        _ if header.len() < V1_MIN_OCTETS => Ok(Next::Needs(V1_MIN_OCTETS - header.len())),
        [.., b'\n'] => parse_v1(header).map(Next::Told),
        _ if header.len() >= V1_MAX_OCTETS => Err(ProxyError::TooLong {
            limit: V1_MAX_OCTETS,
        }),
        _ => Ok(Next::Needs(1)),
    }
}

fn parse_v1(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    let line = header.strip_suffix(b"\r\n");
    let line = line.ok_or_else(|| ProxyError::malformed("it does not end in CRLF"))?;
    if !line.iter().all(|octet| matches!(octet, b' '..=b'~')) {
        return Err(ProxyError::malformed("it is not printable ASCII"));
    }
    let words = &line[V1_PREFIX.len()..];
    // §2.1: what follows UNKNOWN is ignored.
    if words == b"UNKNOWN" || words.starts_with(b"UNKNOWN ") {
        return Ok(None);
    }
    let parsed = v1::Header::try_from(header).map_err(ProxyError::malformed)?;
    Ok(match parsed.addresses {
        v1::Addresses::Tcp4(told) => Some(address(told.source_address, told.source_port)),
        v1::Addresses::Tcp6(told) => Some(address(told.source_address, told.source_port)),
        v1::Addresses::Unknown => None,
    })
}

fn next_v2(header: &[u8]) -> Result<Next, ProxyError> {
    if header.len() < V2_FIXED_OCTETS {
        return Ok(Next::Needs(V2_FIXED_OCTETS - header.len()));
    }
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if rest > V2_MAX_OCTETS {
        return Err(ProxyError::TooLong {
            limit: V2_FIXED_OCTETS + V2_MAX_OCTETS,
        });
    }
    match (V2_FIXED_OCTETS + rest).saturating_sub(header.len()) {
        0 => parse_v2(header).map(Next::Told),
        missing => Ok(Next::Needs(missing)),
    }
}

fn parse_v2(header: &[u8]) -> Result<Option<SocketAddr>, ProxyError> {
    // §2.2: of LOCAL, family and addresses are ignored.
    if header[12] == V2_LOCAL {
        return Ok(None);
    }
    let parsed = v2::Header::try_from(header).map_err(ProxyError::malformed)?;
    Ok(match (parsed.protocol, parsed.addresses) {
        (v2::Protocol::Stream, v2::Addresses::IPv4(told)) => {
            Some(address(told.source_address, told.source_port))
        }
        (v2::Protocol::Stream, v2::Addresses::IPv6(told)) => {
            Some(address(told.source_address, told.source_port))
        }
        _ => None,
    })
}

/// An IPv4 address mapped into IPv6 is the IPv4 address, also for the limits of an address.
fn address(ip: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(ip.into().to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Drives the header as a socket would: exactly what is asked for, until there is an answer.
    /// Returns it with the octets that were taken.
    fn drive(octets: &[u8]) -> Result<(Option<SocketAddr>, usize), String> {
        let mut known = 0;
        loop {
            match next(&octets[..known]).map_err(|error| error.to_string())? {
                Next::Told(address) => return Ok((address, known)),
                Next::Needs(more) if known + more <= octets.len() => known += more,
                Next::Needs(_) => return Err("it needs more".to_owned()),
            }
        }
    }

    /// A header is told as `expected`, and of what follows nothing is taken.
    #[track_caller]
    fn told(header: &[u8], expected: Option<&str>) {
        let expected = expected.map(|text| text.parse().expect("an address"));
        let followed = [header, b"EHLO client.example.com\r\n"].concat();
        assert_eq!(drive(&followed), Ok((expected, header.len())));
    }

    #[track_caller]
    fn refused(octets: &[u8], reason: &str) {
        let error = drive(octets).expect_err("no header");
        assert!(error.contains(reason), "{error}");
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("short").to_be_bytes();
        [
            v2::PROTOCOL_PREFIX,
            &[command, family],
            length.as_slice(),
            rest,
        ]
        .concat()
    }

    const IPV4: [u8; 12] = [203, 0, 113, 9, 127, 0, 0, 1, 0x30, 0x39, 0, 25];

    #[test]
    fn version_1_tells_the_source() {
        let v4 = b"PROXY TCP4 203.0.113.9 127.0.0.1 12345 25\r\n";
        told(v4, Some("203.0.113.9:12345"));
        let v6 = b"PROXY TCP6 2001:db8::9 ::1 12345 25\r\n";
        told(v6, Some("[2001:db8::9]:12345"));
        let mapped = b"PROXY TCP6 ::ffff:203.0.113.9 ::1 12345 25\r\n";
        told(mapped, Some("203.0.113.9:12345"));
    }

    #[test]
    fn unknown_tells_nothing_whatever_follows() {
        told(b"PROXY UNKNOWN\r\n", None);
        told(b"PROXY UNKNOWN a b c d e f g h\r\n", None);
        let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(V1_MAX_OCTETS - 16));
        told(longest.as_bytes(), None);
    }

    #[test]
    fn version_1_that_breaks_the_rules_is_refused() {
        refused(b"EHLO client.example.com\r\n", "does not begin with");
        refused(b"PROXX TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "does not begin with");
        refused(b"PROXY UNKNOWNS\r\n", "malformed");
        refused(b"PROXY TCP4 203.0.113.9 127.0.0.1 1 25\n", "malformed");
        refused(b"PROXY TCP4 203.0.113.9 127.0.0.1 1 70000\r\n", "malformed");
        refused(b"PROXY TCP4 2001:db8::9 ::1 12345 25\r\n", "malformed");
        refused(b"PROXY TCP4 203.0.113.9\r127.0.0.1 1 25\r\n", "malformed");
        refused("PROXY TCP4 203.0.113.9\r\u{fc}\r\n".as_bytes(), "malformed");
        refused("PROXY TCP4 \u{10348}\r\n".as_bytes(), "malformed");
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(V1_MAX_OCTETS - 15));
        refused(long.as_bytes(), "longer than 107");
    }

    #[test]
    fn version_2_tells_the_source() {
        told(&v2(0x21, 0x11, &IPV4), Some("203.0.113.9:12345"));
        let with_values = [&IPV4[..], &[0x04, 0, 2, 7, 7]].concat();
        told(&v2(0x21, 0x11, &with_values), Some("203.0.113.9:12345"));
        let source: std::net::Ipv6Addr = "2001:db8::9".parse().expect("an address");
        let ipv6 = [&source.octets()[..], &[0; 16], &[0x30, 0x39, 0, 25]].concat();
        told(&v2(0x21, 0x21, &ipv6), Some("[2001:db8::9]:12345"));
    }

    #[test]
    fn version_2_without_an_address_of_the_internet_tells_nothing() {
        told(&v2(0x20, 0x00, &[]), None);
        told(&v2(0x20, 0x11, &IPV4), None);
        told(&v2(0x20, 0x11, &[]), None);
        told(&v2(0x21, 0x00, &[1, 2, 3]), None);
        told(&v2(0x21, 0x31, &[b'/'; 216]), None);
        told(&v2(0x21, 0x12, &IPV4), None);
    }

    #[test]
    fn version_2_that_breaks_the_rules_is_refused() {
        refused(&v2(0x11, 0x11, &IPV4), "malformed");
        refused(&v2(0x22, 0x11, &IPV4), "malformed");
        refused(&v2(0x21, 0x41, &IPV4), "malformed");
        refused(&v2(0x21, 0x11, &IPV4[..11]), "malformed");
        refused(&v2(0x21, 0x21, &IPV4), "malformed");
        told(&v2(0x21, 0x00, &[0; V2_MAX_OCTETS]), None);
        refused(&v2(0x21, 0x00, &[0; V2_MAX_OCTETS + 1]), "longer than 552");
        refused(b"\r\n\r\n\0\r\nQUIX\n\x21\x11\0\x0c", "does not begin with");
    }
}
