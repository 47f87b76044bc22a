//! Makes a TCP connection to one of a host's addresses, whichever answers first (RFC 8305).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

use super::connection::{Fault, Setback};
use crate::delivery::sources::{Source, Sources};

/// How addresses are tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// For one address.
    pub connect: Duration,
    /// Until the next address is tried beside one that is silent.
    pub next_address: Duration,
}

/// Both families in turn, IPv6 first (RFC 8305 §4), at most `limit`.
pub(crate) fn interleaved(addresses: &[IpAddr], limit: usize) -> Vec<IpAddr> {
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv6());
    let longest = v6.len().max(v4.len());
    let pairs = (0..longest).flat_map(|at| [v6.get(at), v4.get(at)]);
    pairs.flatten().copied().take(limit).collect()
}

/// Connects to the first of `addresses` that answers, and takes it from the list with those that did not.
///
/// # Errors
/// When none does; the list is empty then.
pub(crate) async fn dial(
    addresses: &mut Vec<SocketAddr>,
    host: &str,
    sources: &Sources,
    pace: Pace,
) -> Result<(TcpStream, SocketAddr), Setback> {
    let mut waiting = addresses.clone().into_iter();
    let mut running = FuturesUnordered::new();
    let mut last = None;
    loop {
        if let Some(address) = waiting.next() {
            running.push(one(address, host, sources, pace.connect));
        } else if running.is_empty() {
            return Err(last.unwrap_or_else(|| nowhere(host)));
        }
        let (address, result) = tokio::select! {
            Some(ended) = running.next() => ended,
            () = sleep(pace.next_address), if waiting.len() > 0 => continue,
        };
        addresses.retain(|other| *other != address);
        match result {
            Ok(stream) => return Ok((stream, address)),
            Err(setback) => last = Some(setback),
        }
    }
}

async fn one(
    address: SocketAddr,
    host: &str,
    sources: &Sources,
    limit: Duration,
) -> (SocketAddr, Result<TcpStream, Setback>) {
    let name = format!("{host}:{}", address.port());
    let result = match sources.next(address.ip()) {
        Source::Nowhere => Err(nowhere(host)),
        Source::Any => connect(address, None, &name, limit).await,
        Source::From(source) => connect(address, Some(source), &name, limit).await,
    };
    (address, result)
}

async fn connect(
    address: SocketAddr,
    source: Option<IpAddr>,
    name: &str,
    limit: Duration,
) -> Result<TcpStream, Setback> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let failed =
        |error: io::Error| Setback::ours(format!("connection to {name} {}", describe(&error)));
    let socket = socket.map_err(failed)?;
    if let Some(source) = source {
        let bound = socket.bind(SocketAddr::new(source, 0));
        bound.map_err(|error| unbound(source, name, &error))?;
    }
    match timeout(limit, socket.connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(Setback::ours(format!("connection to {name} timed out"))),
    }
}

fn unbound(source: IpAddr, name: &str, error: &io::Error) -> Setback {
    let text =
        format!("4.3.5 cannot connect to {name} from {source}, one of source-addresses: {error}");
    Setback {
        fault: Fault::Source,
        ..Setback::ours(text)
    }
}

fn nowhere(host: &str) -> Setback {
    Setback::ours(format!(
        "4.4.1 {host} has no address that one of source-addresses can reach"
    ))
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::TimedOut => "timed out".to_owned(),
        _ => format!("failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const PACE: Pace = Pace {
        connect: Duration::from_secs(5),
        next_address: Duration::from_millis(20),
    };

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        let parsed = texts.iter().map(|text| text.parse().expect("an address"));
        parsed.collect()
    }

    #[test]
    fn families_take_turns_beginning_with_the_newer() {
        let found = ips(&["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3"]);
        let order = ips(&["2001:db8::1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
        assert_eq!(interleaved(&found, 9), order);
        assert_eq!(interleaved(&found, 2), order[..2]);
    }

    #[tokio::test]
    async fn a_refused_address_is_followed_by_the_next_and_both_leave_the_list() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let open = listener.local_addr().expect("it is bound");
        // 127.0.0.2 is loopback too, but nobody listens there.
        let closed = SocketAddr::new(ips(&["127.0.0.2"])[0], open.port());
        let last = SocketAddr::new(ips(&["127.0.0.3"])[0], open.port());
        let mut left = vec![closed, open, last];
        let (_, met) = dial(&mut left, "mx", &Sources::default(), PACE)
            .await
            .expect("one is open");
        assert_eq!(met, open);
        assert!(!left.contains(&open) && !left.contains(&closed), "{left:?}");
    }

    #[tokio::test]
    async fn the_peer_sees_the_source_address() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut left = vec![listener.local_addr().expect("it is bound")];
        let sources = Sources::new(&ips(&["127.0.0.9"]));
        let (stream, _) = dial(&mut left, "mx", &sources, PACE)
            .await
            .expect("it is open");
        let (_, seen) = listener.accept().await.expect("a connection");
        assert_eq!(seen.ip(), ips(&["127.0.0.9"])[0]);
        drop(stream);
    }

    #[tokio::test]
    async fn a_source_address_of_another_machine_is_named() {
        let mut left = vec!["127.0.0.1:25".parse().expect("an address")];
        let sources = Sources::new(&ips(&["192.0.2.77"]));
        let setback = dial(&mut left, "mx", &sources, PACE)
            .await
            .expect_err("elsewhere");
        assert_eq!(setback.fault, Fault::Source);
        assert!(setback.reply.text.contains("192.0.2.77"), "{setback:?}");
    }
}
