//! Autodiscover in its XML form ("POX"), which Outlook and others ask for by POST.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use super::xml::{Element, element, leaf};
use super::{Encryption, IncomingProtocol, Port, Relay, fill};
use crate::smtp::Mailbox;

const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const SETTINGS: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
/// Octets of an address: more than a mailbox can have.
const MAX_ADDRESS_OCTETS: usize = 1024;

/// Why a request cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is not well-formed XML.
    #[error("the request is not well-formed XML")]
    Malformed,
    /// It declares a document type or uses an entity of its own, which no client needs.
    #[error("the request may not declare or use entities")]
    Entities,
    /// It names no address.
    #[error("the request has no EMailAddress that is a mailbox")]
    NoAddress,
    /// It asks for something else than mail settings.
    #[error("only the response schema {SETTINGS} is served")]
    OtherSchema,
}

/// The address that a request asks for.
///
/// # Errors
/// When it is malformed, uses entities, has no valid address or asks for another kind of answer.
pub fn read_outlook_request(text: &str) -> Result<Mailbox, RequestError> {
    let mut reader = Reader::from_str(text);
    let (mut address, mut schema) = (None, None);
    loop {
        match reader.read_event().map_err(|_| RequestError::Malformed)? {
            Event::Start(start) => match start.local_name().as_ref() {
                "EMailAddress" => address = Some(text_content(&mut reader)?),
                "AcceptableResponseSchema" => schema = Some(text_content(&mut reader)?),
                _ => {}
            },
            Event::DocType(_) | Event::GeneralRef(_) => return Err(RequestError::Entities),
            Event::Eof => break,
            _ => {}
        }
    }
    if schema.is_some_and(|schema| schema.trim() != SETTINGS) {
        return Err(RequestError::OtherSchema);
    }
    let address = address.ok_or(RequestError::NoAddress)?;
    Mailbox::parse_utf8(address.trim()).map_err(|_| RequestError::NoAddress)
}

/// The text up to the end of the element that was just opened; it may hold no element.
fn text_content(reader: &mut Reader<&[u8]>) -> Result<String, RequestError> {
    let mut content = String::new();
    loop {
        match reader.read_event().map_err(|_| RequestError::Malformed)? {
            Event::Text(text) => content.push_str(&text),
            Event::CData(text) => content.push_str(&text),
            Event::GeneralRef(reference) => content.push(character(&reference)?),
            Event::End(_) => return Ok(content),
            Event::Comment(_) => {}
            _ => return Err(RequestError::Malformed),
        }
        if content.len() > MAX_ADDRESS_OCTETS {
            return Err(RequestError::NoAddress);
        }
    }
}

/// The character of `&#64;` or `&amp;`; other entities stand for nothing here.
fn character(reference: &BytesRef<'_>) -> Result<char, RequestError> {
    let numbered = reference.resolve_char_ref();
    if let Some(character) = numbered.map_err(|_| RequestError::Malformed)? {
        return Ok(character);
    }
    let named = resolve_predefined_entity(reference);
    named
        .and_then(|text| text.chars().next())
        .ok_or(RequestError::Entities)
}

/// The answer for an address.
pub fn outlook(relay: &Relay, mailbox: &Mailbox) -> String {
    let incoming = relay.incoming.iter().map(|server| {
        let kind = match server.protocol {
            IncomingProtocol::Imap => "IMAP",
            IncomingProtocol::Pop3 => "POP3",
        };
        protocol(
            kind,
            &server.host,
            server.port,
            Some(&fill(&server.username, Some(mailbox))),
        )
    });
    let username = relay
        .username
        .as_ref()
        .map(|name| fill(name, Some(mailbox)));
    let outgoing = relay.recommended().map(|port| {
        protocol("SMTP", &relay.hostname, port, username.as_deref())
            .child(leaf("AuthRequired", "on"))
            .child(leaf("UsePOPAuth", "off"))
            .child(leaf("SMTPLast", "off"))
    });
    let account = element("Account")
        .child(leaf("AccountType", "email"))
        .child(leaf("Action", "settings"))
        .children(incoming)
        .children(outgoing);
    let user = element("User").child(leaf("DisplayName", &relay.display_name));
    let response = element("Response")
        .attribute("xmlns", SETTINGS)
        .child(user)
        .child(account);
    element("Autodiscover")
        .attribute("xmlns", RESPONSE)
        .child(response)
        .to_xml(None)
}

fn protocol(kind: &str, host: &str, port: Port, username: Option<&str>) -> Element {
    let (ssl, encryption) = match port.encryption {
        Encryption::StartTls => ("on", "TLS"),
        Encryption::Implicit => ("on", "SSL"),
        Encryption::None => ("off", "None"),
    };
    element("Protocol")
        .child(leaf("Type", kind))
        .child(leaf("Server", host))
        .child(leaf("Port", port.number.to_string()))
        .children(username.map(|name| leaf("LoginName", name)))
        .child(leaf("DomainRequired", "off"))
        .child(leaf("SPA", "off"))
        .child(leaf("SSL", ssl))
        // Where it is known it overrides SSL, which cannot tell STARTTLS from TLS.
        .child(leaf("Encryption", encryption))
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{mailbox, relay, with_incoming};
    use super::*;

    fn request(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/\
             outlook/requestschema/2006\"><Request>{inside}</Request></Autodiscover>"
        )
    }

    #[test]
    fn the_address_is_read_in_every_spelling() {
        for inside in [
            "<EMailAddress>anna@example.com</EMailAddress>",
            "<EMailAddress> anna&#64;example.com\n</EMailAddress>",
            "<EMailAddress><![CDATA[anna@example.com]]></EMailAddress>",
            "<x:EMailAddress xmlns:x=\"y\">anna<!-- here -->@example.com</x:EMailAddress>",
        ] {
            let read = read_outlook_request(&request(inside));
            assert_eq!(
                read.as_ref().map(Mailbox::as_str),
                Ok("anna@example.com"),
                "{inside}"
            );
        }
    }

    #[test]
    fn entities_and_nonsense_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><EMailAddress>&b;@example.com</EMailAddress>";
        let cases = [
            (bomb.to_owned(), RequestError::Entities),
            (
                request("<EMailAddress>&b;@example.com</EMailAddress>"),
                RequestError::Entities,
            ),
            (
                request("<EMailAddress>anna</EMailAddress>"),
                RequestError::NoAddress,
            ),
            (
                request("<EMailAddress><b/></EMailAddress>"),
                RequestError::Malformed,
            ),
            (request(""), RequestError::NoAddress),
            ("<a><b></a>".to_owned(), RequestError::Malformed),
            (
                request(
                    "<EMailAddress>a@example.com</EMailAddress><AcceptableResponseSchema>x</AcceptableResponseSchema>",
                ),
                RequestError::OtherSchema,
            ),
        ];
        for (text, error) in cases {
            assert_eq!(read_outlook_request(&text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_answer_has_the_recommended_port_alone() {
        let text = outlook(&relay(), &mailbox("anna@example.com"));
        for part in [
            "<Port>587</Port>",
            "<Encryption>TLS</Encryption>",
            "<Type>SMTP</Type>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            !text.contains("465") && !text.contains("LoginName"),
            "{text}"
        );
        let both = outlook(&with_incoming(), &mailbox("anna@example.com"));
        assert!(both.contains("<Type>IMAP</Type>"));
        assert!(both.contains("<LoginName>anna@example.com</LoginName>"));
    }
}
