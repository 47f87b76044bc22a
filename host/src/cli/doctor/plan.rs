//! What is to be tried: from the arguments, and from the configuration when there is one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::Config;
use crate::listener::{self, TlsMode};

/// Ports that are tried, of a listener that may have thousands. Default 8.
const MAX_PORTS: usize = 8;
/// Addresses of a name that are tried. Default 4.
const MAX_ADDRESSES: usize = 4;
/// Ports that mail clients try by themselves; of a range, these are tried first.
pub const PREFERRED_PORTS: [u16; 4] = [587, 465, 25, 2525];
/// What clients of a relay we know nothing about would try.
const REMOTE_PORTS: [u16; 3] = [587, 465, 25];
/// RFC 8314 §7.3: TLS from the first octet.
const IMPLICIT_PORT: u16 = 465;

/// Who asked for a port to be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A person or the configuration: it has to work.
    Explicitly,
    /// Custom: it may be closed as long as another is open.
    Usually,
}

/// A port with the way it is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Door {
    /// The port.
    pub port: u16,
    /// How it is encrypted.
    pub tls: TlsMode,
    /// Who asked for it.
    pub wanted: Wanted,
}

/// One connection to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address and port.
    pub address: SocketAddr,
    /// The way it is encrypted, and who asked for it.
    pub door: Door,
    /// What findings call it: the port, with the address when there are several.
    pub label: String,
}

/// The doors of a relay of which only the name is known.
pub fn remote_doors(ports: &[u16], tls: Option<TlsMode>) -> Vec<Door> {
    let (ports, wanted) = match ports {
        [] => (&REMOTE_PORTS[..], Wanted::Usually),
        _ => (ports, Wanted::Explicitly),
    };
    let door = |&port: &u16| Door {
        port,
        tls: tls.unwrap_or(usual_tls(port)),
        wanted,
    };
    ports.iter().map(door).collect()
}

/// The endpoints of a name's addresses.
pub fn endpoints(addresses: &[IpAddr], doors: &[Door]) -> Vec<Endpoint> {
    let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let several = addresses.len() > 1;
    let of_door = |door: &Door| {
        let door = *door;
        addresses.iter().map(move |&ip| Endpoint {
            address: SocketAddr::new(ip, door.port),
            door,
            label: if several {
                format!("{} at {ip}", door.port)
            } else {
                door.port.to_string()
            },
        })
    };
    doors.iter().flat_map(of_door).collect()
}

/// The doors of the relay that this configuration describes, each with the address to reach it from here.
pub fn local_doors(config: &Config, ports: &[u16], tls: Option<TlsMode>) -> Vec<(IpAddr, Door)> {
    let mut doors: Vec<(IpAddr, Door)> = Vec::new();
    for listener in &config.listener {
        let from_here = from_here(listener.address);
        let chosen = match ports {
            [] => worth_trying(listener),
            _ => named(listener, ports),
        };
        let door = |port| Door {
            port,
            tls: tls.unwrap_or(listener.tls),
            wanted: Wanted::Explicitly,
        };
        doors.extend(chosen.into_iter().map(|port| (from_here, door(port))));
    }
    let unknown = |port: &&u16| !doors.iter().any(|(_, door)| door.port == **port);
    let unlisted: Vec<u16> = ports.iter().filter(unknown).copied().collect();
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    if !unlisted.is_empty() {
        let more = remote_doors(&unlisted, tls);
        doors.extend(more.into_iter().map(|door| (loopback, door)));
    }
    doors
}

/// The same as endpoints.
pub fn local_endpoints(doors: &[(IpAddr, Door)]) -> Vec<Endpoint> {
    let several = doors.iter().any(|(ip, _)| *ip != doors[0].0);
    let endpoint = |&(ip, door): &(IpAddr, Door)| Endpoint {
        label: if several {
            format!("{} at {ip}", door.port)
        } else {
            door.port.to_string()
        },
        address: SocketAddr::new(ip, door.port),
        door,
    };
    doors.iter().map(endpoint).collect()
}

/// The usual ports of a listener, then the ends of its ranges; port 0 is not known from here.
fn worth_trying(listener: &listener::Config) -> Vec<u16> {
    let all = || listener.ports.iter().flat_map(|range| range.iter());
    let usual = PREFERRED_PORTS
        .into_iter()
        .filter(|&port| all().any(|own| own == port));
    let mut ports: Vec<u16> = usual.collect();
    for range in &listener.ports {
        for port in range.iter().next().into_iter().chain(range.iter().last()) {
            if port != 0 && !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    ports.truncate(MAX_PORTS);
    ports
}

fn named(listener: &listener::Config, ports: &[u16]) -> Vec<u16> {
    let own = |port: &&u16| {
        let mut all = listener.ports.iter().flat_map(|range| range.iter());
        all.any(|own| own == **port)
    };
    ports.iter().filter(own).copied().collect()
}

/// A listener on every address is reached over loopback.
fn from_here(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => address,
    }
}

const fn usual_tls(port: u16) -> TlsMode {
    if port == IMPLICIT_PORT {
        TlsMode::Implicit
    } else {
        TlsMode::StartTls
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn config(listeners: &str) -> Config {
        Config::parse(listeners, PathBuf::new()).expect("a valid configuration")
    }

    fn shown(doors: &[(IpAddr, Door)]) -> Vec<String> {
        let one = |(ip, door): &(IpAddr, Door)| format!("{ip} {} {:?}", door.port, door.tls);
        doors.iter().map(one).collect()
    }

    #[test]
    fn of_thousands_of_ports_the_usual_ones_and_the_ends_are_tried() {
        let doors = local_doors(&Config::default(), &[], None);
        let ports: Vec<u16> = doors.iter().map(|(_, door)| door.port).collect();
        assert_eq!(ports, [25, 2525, 1025, 5000]);
    }

    #[test]
    fn listeners_are_reached_where_they_listen_as_they_encrypt() {
        let text = "[[listener]]\naddress = \"0.0.0.0\"\nports = [\"587\"]\n\
                    [[listener]]\naddress = \"::\"\nports = [\"465\", \"0\"]\ntls = \"implicit\"\n\
                    [[listener]]\naddress = \"192.0.2.1\"\nports = [\"26\"]\ntls = \"none\"\n\
                    require-tls-for-auth = false";
        let doors = local_doors(&config(text), &[], None);
        let expected = [
            "127.0.0.1 587 StartTls",
            "::1 465 Implicit",
            "192.0.2.1 26 None",
        ];
        assert_eq!(shown(&doors), expected);
        let labels: Vec<_> = local_endpoints(&doors)
            .into_iter()
            .map(|it| it.label)
            .collect();
        assert_eq!(
            labels,
            ["587 at 127.0.0.1", "465 at ::1", "26 at 192.0.2.1"]
        );
    }

    #[test]
    fn a_named_port_is_tried_whether_it_is_configured_or_not() {
        let text =
            "[[listener]]\naddress = \"127.0.0.1\"\nports = [\"1000-2000\"]\ntls = \"implicit\"";
        let doors = local_doors(&config(text), &[1500, 3000], None);
        assert_eq!(
            shown(&doors),
            ["127.0.0.1 1500 Implicit", "127.0.0.1 3000 StartTls"]
        );
    }

    #[test]
    fn an_unknown_relay_is_tried_where_clients_try() {
        let doors = remote_doors(&[], None);
        let seen: Vec<_> = doors.iter().map(|door| (door.port, door.tls)).collect();
        let expected = [
            (587, TlsMode::StartTls),
            (465, TlsMode::Implicit),
            (25, TlsMode::StartTls),
        ];
        assert_eq!(seen, expected);
        assert!(doors.iter().all(|door| door.wanted == Wanted::Usually));
        let forced = remote_doors(&[4465], Some(TlsMode::Implicit));
        assert_eq!(forced[0].tls, TlsMode::Implicit);
        assert_eq!(forced[0].wanted, Wanted::Explicitly);
    }

    #[test]
    fn every_port_of_every_address_is_an_endpoint() {
        let addresses = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        let found = endpoints(&addresses, &remote_doors(&[587], None));
        let labels: Vec<_> = found.iter().map(|it| it.label.as_str()).collect();
        assert_eq!(labels, ["587 at 127.0.0.1", "587 at ::1"]);
        assert_eq!(
            endpoints(&addresses[..1], &remote_doors(&[587], None))[0].label,
            "587"
        );
    }
}
