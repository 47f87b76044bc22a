//! `config-v1.1.xml`, which Thunderbird, Evolution, KMail, FairEmail and others read.

use super::xml::{Element, element, leaf};
use super::{Encryption, Incoming, IncomingProtocol, Port, Relay, domain, fill};
use crate::smtp::Mailbox;

/// The document for an address, or for every address of the domains when none is given.
///
/// Clients that set up a whole account take it only when an incoming server is configured.
pub fn thunderbird(relay: &Relay, mailbox: Option<&Mailbox>) -> String {
    let domains = domains(relay, mailbox);
    let provider = element("emailProvider")
        .attribute("id", domains.first().unwrap_or(&relay.hostname))
        .children(domains.iter().map(|domain| leaf("domain", domain)))
        .child(leaf("displayName", &relay.display_name))
        .child(leaf("displayShortName", &relay.display_name))
        .children(
            relay
                .incoming
                .iter()
                .map(|server| incoming(server, mailbox)),
        )
        .children(
            relay
                .ports
                .iter()
                .map(|port| outgoing(relay, *port, mailbox)),
        );
    element("clientConfig")
        .attribute("version", "1.1")
        .child(provider)
        .to_xml(None)
}

/// Those of the config, else the address's own, else the relay's name: the format wants one at least.
fn domains(relay: &Relay, mailbox: Option<&Mailbox>) -> Vec<String> {
    if !relay.domains.is_empty() {
        return relay.domains.clone();
    }
    let own = mailbox.and_then(domain);
    vec![own.unwrap_or_else(|| relay.hostname.clone())]
}

fn incoming(server: &Incoming, mailbox: Option<&Mailbox>) -> Element {
    let kind = match server.protocol {
        IncomingProtocol::Imap => "imap",
        IncomingProtocol::Pop3 => "pop3",
    };
    let username = fill(&server.username, mailbox);
    self::server("incomingServer", kind, &server.host, server.port, &username)
}

fn outgoing(relay: &Relay, port: Port, mailbox: Option<&Mailbox>) -> Element {
    // The format demands a user name; a client whose address is none asks after the first refusal.
    let username = relay.username.as_deref().unwrap_or("%EMAILADDRESS%");
    let username = fill(username, mailbox);
    server("outgoingServer", "smtp", &relay.hostname, port, &username)
}

fn server(name: &'static str, kind: &str, host: &str, port: Port, username: &str) -> Element {
    let socket = match port.encryption {
        Encryption::StartTls => "STARTTLS",
        Encryption::Implicit => "SSL",
        Encryption::None => "plain",
    };
    element(name)
        .attribute("type", kind)
        .child(leaf("hostname", host))
        .child(leaf("port", port.number.to_string()))
        .child(leaf("socketType", socket))
        .child(leaf("username", username))
        // PLAIN or LOGIN; `password-encrypted` means CRAM-MD5, which is not offered.
        .child(leaf("authentication", "password-cleartext"))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{mailbox, relay, with_incoming};
    use super::*;

    #[test]
    fn both_ports_are_told_the_recommended_one_first() {
        let text = thunderbird(&relay(), None);
        let starttls = text.find("<port>587</port>").expect("587");
        let implicit = text.find("<port>465</port>").expect("465");
        assert!(starttls < implicit, "{text}");
        assert!(text.contains("<socketType>STARTTLS</socketType>"));
        assert!(text.contains("<socketType>SSL</socketType>"));
        assert!(text.contains("<username>%EMAILADDRESS%</username>"));
        assert!(text.contains("<domain>xn--bcher-kva.example</domain>"));
        assert!(text.contains("Mail &amp; &lt;More&gt;"), "{text}");
        assert!(!text.contains("incomingServer"));
    }

    #[test]
    fn an_address_is_escaped() {
        let text = thunderbird(&relay(), Some(&mailbox("\"<x>&\"@example.com")));
        assert!(
            text.contains("<username>&quot;&lt;x&gt;&amp;&quot;@example.com</username>"),
            "{text}"
        );
    }

    #[test]
    fn an_incoming_server_comes_before_the_outgoing_ones() {
        let text = thunderbird(&with_incoming(), Some(&mailbox("anna@example.com")));
        let incoming = text.find("<incomingServer type=\"imap\">").expect("IMAP");
        assert!(incoming < text.find("<outgoingServer").expect("SMTP"));
        assert!(text.contains("<port>993</port>"));
    }
}
