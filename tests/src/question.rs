//! A question as `intake` puts it to a policy: a user restricted to a few domains and senders, and a message
//! with 20 header fields of an allowed sender.

use std::sync::Arc;

use gatepost::policy::types::{
    Address, Envelope, Header, Identity, Message, Originators, Priority, Session,
};

/// Header fields of the message.
const HEADERS: usize = 20;

fn address(local_part: &str, domain: &str) -> Address {
    Address {
        full: format!("{local_part}@{domain}"),
        local_part: local_part.to_owned(),
        domain: domain.to_owned(),
    }
}

/// The session, the envelope and the message, as `PolicySet::evaluate` takes them.
pub type Question = (Arc<Session>, Envelope, Message);

/// A question that the sender rules accept.
pub fn allowed() -> Question {
    let sender = address("newsletter", "marketing.example.com");
    let session = Session {
        id: "0123456789abcdef".to_owned(),
        identity: Identity {
            username: "s1_2".to_owned(),
            authorized_domains: vec!["example.com".to_owned(), "marketing.example.com".to_owned()],
            authorized_senders: vec!["ceo@example.org".to_owned()],
            default_priority: Priority::Normal,
            facts: Vec::new(),
        },
        client_ip: "192.0.2.1".to_owned(),
        helo: "client.example.com".to_owned(),
        tls: None,
        received_at_ms: 1_795_449_599_999,
        facts: Vec::new(),
    };
    let envelope = Envelope {
        mail_from: Some(sender.clone()),
        recipients: vec![address("someone", "example.net")],
    };
    (Arc::new(session), envelope, message(sender))
}

fn message(sender: Address) -> Message {
    let header = |number: usize| Header {
        name: format!("X-Header-{number}"),
        value: format!("value {number}, of the usual length of a header field's value"),
    };
    Message {
        size_bytes: 4096,
        header_from: vec![sender],
        header_sender: Vec::new(),
        originators: Originators::Complete,
        subject: "The weekly newsletter, number 42".to_owned(),
        requested_priority: Some(Priority::High),
        headers: (0..HEADERS).map(header).collect(),
        truncated: false,
        facts: Vec::new(),
    }
}
