//! Builds what a policy is asked with: plain records, normalised once, here.

use std::sync::Arc;

use super::parameters::priority;
use super::{Peer, Principal};
use crate::clock::Timestamp;
use crate::message::address::Address;
use crate::message::{HeaderSection, OriginatorState};
use crate::policy::types;
use crate::queue::MessageParameters;
use crate::smtp::{BodyType, Mailbox, Recipient};

/// Header fields handed to a policy. Default 200; more set `truncated`.
const MAX_HEADERS: usize = 200;
/// Octets of one header value handed to a policy.
const MAX_HEADER_VALUE_OCTETS: usize = 8 * 1024;
/// Octets of all header values handed to a policy.
const MAX_HEADERS_OCTETS: usize = 128 * 1024;

/// Octets of a Message-ID or Date that are kept: what fits on one line (RFC 5322 §2.1.1).
const MAX_FACT_OCTETS: usize = 998;

/// The session as a policy sees it now.
pub fn session(hostname: &str, peer: &Peer, principal: &Principal) -> Arc<types::Session> {
    let facts = vec![
        fact("server.name", hostname),
        fact("auth.mechanism", peer.mechanism),
        fact("client.port", peer.client.port()),
        fact("server.port", peer.server_port),
        fact("session.messages", peer.messages),
    ];
    Arc::new(types::Session {
        id: peer.session_id.clone(),
        identity: principal.identity.clone(),
        client_ip: peer.client.ip().to_canonical().to_string(),
        helo: peer.helo.clone(),
        tls: peer
            .tls
            .clone()
            .map(|(version, cipher)| types::TlsInfo { version, cipher }),
        received_at_ms: u64::try_from(Timestamp::now().as_millis()).unwrap_or(0),
        facts,
    })
}

/// The envelope so far.
pub fn envelope(sender: Option<&Mailbox>, recipients: &[Recipient]) -> types::Envelope {
    types::Envelope {
        mail_from: sender.map(address),
        recipients: recipients.iter().map(|one| address(&one.mailbox)).collect(),
    }
}

/// A mailbox in the normalised form that policies compare.
pub fn address(mailbox: &Mailbox) -> types::Address {
    match Address::from_mailbox(mailbox) {
        Some(normalised) => wit_address(&normalised),
        // A domain that no mapping covers is shown as it is: it equals no entry of a list.
        None => types::Address {
            full: mailbox.to_string(),
            local_part: mailbox.local_part().to_owned(),
            domain: mailbox.domain().to_lowercase(),
        },
    }
}

/// What the client said about a message apart from its header.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// The BODY parameter of MAIL.
    pub body: BodyType,
    /// The other parameters.
    pub parameters: &'a MessageParameters,
    /// Octets in all.
    pub size: u64,
}

/// Whether the header fields themselves are handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fields {
    /// Those within the limits.
    Handed,
    /// None: nobody looks at them.
    LeftOut,
}

/// Who the message is from and how urgent it is to be, which most verdicts depend on.
pub fn outline(header: &HeaderSection<'_>, said: Said<'_>) -> types::Message {
    let originators = header.originators();
    types::Message {
        size_bytes: said.size,
        header_from: originators.from.iter().map(wit_address).collect(),
        header_sender: originators.sender.iter().map(wit_address).collect(),
        originators: match originators.state {
            OriginatorState::Complete => types::Originators::Complete,
            OriginatorState::Missing => types::Originators::Missing,
            OriginatorState::Unreadable => types::Originators::Unreadable,
        },
        subject: String::new(),
        requested_priority: requested_priority(header, said.parameters),
        headers: Vec::new(),
        truncated: false,
        facts: Vec::new(),
    }
}

/// The message, as far as a policy may judge it.
pub fn message(header: &HeaderSection<'_>, said: Said<'_>, fields: Fields) -> types::Message {
    complete(outline(header, said), header, said, fields)
}

/// What its outline lacks.
pub fn complete(
    outline: types::Message,
    header: &HeaderSection<'_>,
    said: Said<'_>,
    fields: Fields,
) -> types::Message {
    let (headers, truncated) = match fields {
        Fields::Handed => headers(header),
        Fields::LeftOut => (Vec::new(), false),
    };
    types::Message {
        subject: header.subject(),
        headers,
        truncated,
        facts: facts(header, said),
        ..outline
    }
}

fn facts(header: &HeaderSection<'_>, said: Said<'_>) -> Vec<types::Fact> {
    let mut facts = parameter_facts(said);
    if let Some(message_id) = message_id(header) {
        facts.push(fact("message-id", message_id));
    }
    if let Some(date) = header
        .fields()
        .find(|field| field.name().eq_ignore_ascii_case("date"))
    {
        let date = date.decoded();
        facts.push(fact(
            "date",
            &date[..date.floor_char_boundary(MAX_FACT_OCTETS)],
        ));
    }
    facts
}

/// What the client said with MAIL; a missing fact means that it did not.
fn parameter_facts(said: Said<'_>) -> Vec<types::Fact> {
    let asked = said.parameters;
    let is_true = |is: bool| is.then(|| "true".to_owned());
    let facts = [
        ("body-8bit", is_true(said.body == BodyType::EightBitMime)),
        ("body-binary", is_true(said.body == BodyType::BinaryMime)),
        ("smtputf8", is_true(asked.smtputf8.is_some())),
        ("require-tls", is_true(asked.require_tls)),
        (
            "mt-priority",
            asked.mt_priority.map(|one| one.value().to_string()),
        ),
        ("deliver-by", asked.deliver_by.map(|one| one.at.to_string())),
        ("held-until", asked.held_until.map(|at| at.to_string())),
    ];
    facts
        .into_iter()
        .filter_map(|(name, value)| Some(fact(name, value?)))
        .collect()
}

/// The most urgent of what the header and MT-PRIORITY say.
fn requested_priority(
    header: &HeaderSection<'_>,
    asked: &MessageParameters,
) -> Option<types::Priority> {
    requested(header, asked).and_then(wit_priority)
}

/// The same as a number, 1 to 5.
pub fn requested(header: &HeaderSection<'_>, asked: &MessageParameters) -> Option<u8> {
    let by_parameter = asked.mt_priority.map(|one| priority(one).number());
    let requested = header.requested_priority().into_iter().chain(by_parameter);
    requested.min()
}

/// The priority `number` of the X-Priority scale.
pub fn wit_priority(number: u8) -> Option<types::Priority> {
    match number {
        1 => Some(types::Priority::Highest),
        2 => Some(types::Priority::High),
        3 => Some(types::Priority::Normal),
        4 => Some(types::Priority::Low),
        5 => Some(types::Priority::Lowest),
        _ => None,
    }
}

/// A named value.
pub fn fact(name: &str, value: impl ToString) -> types::Fact {
    types::Fact {
        name: name.to_owned(),
        value: value.to_string(),
    }
}

fn wit_address(address: &Address) -> types::Address {
    types::Address {
        full: address.full(),
        local_part: address.local_part.clone(),
        domain: address.domain.clone(),
    }
}

/// The Message-ID, when it is one that can be kept and shown.
pub fn message_id(header: &HeaderSection<'_>) -> Option<String> {
    let message_id = header.message_id();
    message_id.filter(|message_id| message_id.len() <= MAX_FACT_OCTETS)
}

/// The header fields within the limits, and whether something had to be cut.
fn headers(header: &HeaderSection<'_>) -> (Vec<types::Header>, bool) {
    let mut left = MAX_HEADERS_OCTETS;
    let mut truncated = false;
    let mut headers = Vec::new();
    for field in header.fields() {
        if headers.len() == MAX_HEADERS {
            return (headers, true);
        }
        let mut value = field.decoded().into_owned();
        let limit = left.min(MAX_HEADER_VALUE_OCTETS);
        if value.len() > limit {
            value.truncate(value.floor_char_boundary(limit));
            truncated = true;
        }
        left -= value.len();
        headers.push(types::Header {
            name: field.name().to_owned(),
            value,
        });
    }
    (headers, truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::MtPriority;

    fn asked(value: Option<i8>) -> MessageParameters {
        MessageParameters {
            mt_priority: value.and_then(MtPriority::new),
            ..MessageParameters::default()
        }
    }

    #[test]
    fn the_most_urgent_of_header_and_parameter_is_requested() {
        let cases: [(&[u8], Option<i8>, Option<u8>); 6] = [
            (b"", None, None),
            (b"X-Priority: 4\r\n", None, Some(4)),
            (b"", Some(9), Some(1)),
            (b"", Some(-2), Some(4)),
            (b"X-Priority: 2\r\n", Some(-9), Some(2)),
            (b"X-Priority: 4\r\n", Some(0), Some(3)),
        ];
        for (octets, value, expected) in cases {
            let header = HeaderSection::parse(octets).expect("a header");
            let found = requested_priority(&header, &asked(value));
            assert_eq!(found, expected.and_then(wit_priority), "{value:?}");
        }
    }

    #[test]
    fn what_was_not_said_is_no_fact() {
        let quiet = MessageParameters::default();
        let said = |body, parameters| Said {
            body,
            parameters,
            size: 0,
        };
        assert!(parameter_facts(said(BodyType::SevenBit, &quiet)).is_empty());
        let loud = MessageParameters {
            require_tls: true,
            held_until: Some(Timestamp::from_millis(0)),
            ..asked(Some(-3))
        };
        let facts = parameter_facts(said(BodyType::BinaryMime, &loud));
        let told: Vec<_> = facts
            .iter()
            .map(|fact| (fact.name.as_str(), fact.value.as_str()))
            .collect();
        let expected = [
            ("body-binary", "true"),
            ("require-tls", "true"),
            ("mt-priority", "-3"),
            ("held-until", "1970-01-01T00:00:00.000Z"),
        ];
        assert_eq!(told, expected);
    }
}
