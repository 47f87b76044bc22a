//! `.mobileconfig`: a configuration profile with a mail account, for iOS, iPadOS and macOS.

use sha2::{Digest, Sha256};

use super::xml::{Element, element, leaf};
use super::{Encryption, Incoming, IncomingProtocol, Port, Relay, fill};
use crate::smtp::Mailbox;

const DOCTYPE: &str = "plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"";

/// The profile for an address, with the user name if it is known; the device asks for what is missing.
/// None without an incoming server, which the payload must have.
///
/// The identifiers depend on the relay and the address alone, so that a new profile replaces the old one.
pub fn apple(relay: &Relay, mailbox: Option<&Mailbox>, username: Option<&str>) -> Option<String> {
    let incoming = relay.incoming.as_ref()?;
    let outgoing = relay.recommended()?;
    let address = mailbox.map_or("", Mailbox::as_str);
    let identifier = format!("{}.gatepost", reversed(&relay.hostname));
    let account = payload(
        "com.apple.mail.managed",
        &format!("{identifier}.mail"),
        &relay.display_name,
    )
    .text(
        "PayloadUUID",
        stable_uuid(&["account", &relay.hostname, address]),
    )
    .text("EmailAccountDescription", &relay.display_name)
    .optional("EmailAddress", mailbox.map(Mailbox::as_str))
    .incoming(incoming, mailbox)
    .outgoing(relay, outgoing, mailbox, username);
    let profile = payload("Configuration", &identifier, &relay.display_name)
        .text(
            "PayloadUUID",
            stable_uuid(&["profile", &relay.hostname, address]),
        )
        .text("PayloadDescription", "Sets up a mail account.")
        .text("PayloadOrganization", &relay.display_name)
        .value("PayloadContent", element("array").child(account.0));
    let plist = element("plist")
        .attribute("version", "1.0")
        .child(profile.0);
    Some(plist.to_xml(Some(DOCTYPE)))
}

/// A `<dict>` of keys and values.
struct Dictionary(Element);

fn payload(kind: &str, identifier: &str, name: &str) -> Dictionary {
    Dictionary(element("dict"))
        .text("PayloadType", kind)
        .value("PayloadVersion", leaf("integer", "1"))
        .text("PayloadIdentifier", identifier)
        .text("PayloadDisplayName", name)
}

impl Dictionary {
    fn value(self, key: &str, value: Element) -> Self {
        Self(self.0.child(leaf("key", key)).child(value))
    }

    fn text(self, key: &str, text: impl AsRef<str>) -> Self {
        self.value(key, leaf("string", text))
    }

    fn optional(self, key: &str, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(key, text),
            None => self,
        }
    }

    fn flag(self, key: &str, is_set: bool) -> Self {
        self.value(key, element(if is_set { "true" } else { "false" }))
    }

    fn incoming(self, server: &Incoming, mailbox: Option<&Mailbox>) -> Self {
        let kind = match server.protocol {
            IncomingProtocol::Imap => "EmailTypeIMAP",
            IncomingProtocol::Pop3 => "EmailTypePOP",
        };
        let username = mailbox.map(|mailbox| fill(&server.username, Some(mailbox)));
        self.text("EmailAccountType", kind)
            .text("IncomingMailServerAuthentication", "EmailAuthPassword")
            .text("IncomingMailServerHostName", &server.host)
            .value("IncomingMailServerPortNumber", number(server.port))
            .flag("IncomingMailServerUseSSL", is_encrypted(server.port))
            .optional("IncomingMailServerUsername", username.as_deref())
    }

    fn outgoing(
        self,
        relay: &Relay,
        port: Port,
        mailbox: Option<&Mailbox>,
        username: Option<&str>,
    ) -> Self {
        let filled = || Some(fill(relay.username.as_deref()?, Some(mailbox?)));
        let username = username.map(str::to_owned).or_else(filled);
        self.text("OutgoingMailServerAuthentication", "EmailAuthPassword")
            .text("OutgoingMailServerHostName", &relay.hostname)
            .value("OutgoingMailServerPortNumber", number(port))
            .flag("OutgoingMailServerUseSSL", is_encrypted(port))
            .optional("OutgoingMailServerUsername", username.as_deref())
            // The credential of a relay is never that of a mailbox.
            .flag("OutgoingPasswordSameAsIncomingPassword", false)
    }
}

fn number(port: Port) -> Element {
    leaf("integer", port.number.to_string())
}

/// The format does not tell STARTTLS from TLS: the device finds out which it is.
fn is_encrypted(port: Port) -> bool {
    port.encryption != Encryption::None
}

/// `relay.example.com` as `com.example.relay`.
fn reversed(hostname: &str) -> String {
    let labels: Vec<&str> = hostname.rsplit('.').collect();
    labels.join(".")
}

/// A UUID of version 8 (RFC 9562 §5.8): the beginning of a hash over the parts.
fn stable_uuid(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut octets: [u8; 16] = [0; 16];
    octets.copy_from_slice(&hash.finalize()[..16]);
    octets[6] = 0x80 | (octets[6] & 0x0f);
    octets[8] = 0x80 | (octets[8] & 0x3f);
    let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{mailbox, relay, with_incoming};
    use super::*;

    #[test]
    fn without_an_incoming_server_there_is_no_profile() {
        assert_eq!(
            apple(&relay(), Some(&mailbox("anna@example.com")), None),
            None
        );
    }

    #[test]
    fn a_profile_keeps_its_identifiers() {
        let made = |address: &str| apple(&with_incoming(), Some(&mailbox(address)), Some("s1_1"));
        let text = made("anna@example.com").expect("an incoming server");
        assert_eq!(made("anna@example.com").as_ref(), Some(&text));
        assert_ne!(made("bert@example.com").as_ref(), Some(&text));
        assert!(
            text.contains("<string>com.example.relay.gatepost</string>"),
            "{text}"
        );
        assert!(text.contains("<string>s1_1</string>"));
    }

    #[test]
    fn a_uuid_has_its_version_and_variant() {
        let uuid = stable_uuid(&["a", "b"]);
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'8');
        assert!(b"89AB".contains(&uuid.as_bytes()[19]), "{uuid}");
        assert_ne!(uuid, stable_uuid(&["ab", ""]), "parts do not run together");
    }
}
