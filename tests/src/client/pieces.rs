//! Sends octets so that they arrive apart: each piece is read by the other side before the next one leaves.

use std::io;
use std::net::SocketAddr;

use super::{Client, Stream};
use crate::wait;

/// The sockets of IPv4, with their queues; see proc(5).
const SOCKETS: &str = "/proc/net/tcp";

impl Client {
    /// Sends these pieces one by one over a connection without TLS; none is read together with another.
    ///
    /// # Errors
    /// When the connection fails or is encrypted.
    ///
    /// # Panics
    /// When a piece is not read within [`wait::PATIENCE`].
    pub fn try_send_apart(&mut self, pieces: &[&[u8]]) -> io::Result<()> {
        let Stream::Plain(stream) = &self.stream else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let (own, peer) = (stream.local_addr()?, stream.peer_addr()?);
        for piece in pieces {
            self.try_send(piece)?;
            wait::until("the piece is read", wait::PATIENCE, || is_read(own, peer));
        }
        Ok(())
    }
}

/// True when nothing waits on its way from `own` to `peer`, or when there is no such connection any more.
fn is_read(own: SocketAddr, peer: SocketAddr) -> bool {
    let sockets = std::fs::read_to_string(SOCKETS).unwrap_or_default();
    let queues: Vec<_> = sockets.lines().skip(1).filter_map(parse).collect();
    let queue = |local: u16, remote: u16| {
        let found = queues
            .iter()
            .find(|it| (it.local, it.remote) == (local, remote));
        found.map_or((0, 0), |it| (it.unsent, it.unread))
    };
    queue(own.port(), peer.port()).0 == 0 && queue(peer.port(), own.port()).1 == 0
}

/// A connection by its ports, and the octets that wait in it.
struct Queues {
    local: u16,
    remote: u16,
    unsent: u32,
    unread: u32,
}

fn parse(line: &str) -> Option<Queues> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, remote, _state, queues) = (
        columns.next()?,
        columns.next()?,
        columns.next()?,
        columns.next()?,
    );
    let (unsent, unread) = queues.split_once(':')?;
    let number = |text| u32::from_str_radix(text, 16).ok();
    Some(Queues {
        local: port(local)?,
        remote: port(remote)?,
        unsent: number(unsent)?,
        unread: number(unread)?,
    })
}

fn port(address: &str) -> Option<u16> {
    u16::from_str_radix(address.rsplit(':').next()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn pieces_are_read_one_by_one() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let reads = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut reads = Vec::new();
            let mut buffer = [0; 64];
            while let Ok(octets @ 1..) = stream.read(&mut buffer) {
                reads.push(buffer[..octets].to_vec());
            }
            reads
        });
        let mut client = Client::open(port).expect("a connection");
        client
            .try_send_apart(&[b"a\r", b"\n", b"."])
            .expect("they are sent");
        drop(client);
        let reads = reads.join().expect("no panic");
        assert_eq!(reads, [&b"a\r"[..], b"\n", b"."]);
    }
}
