//! The documented behaviour as tables, asked through the exported functions.

mod envelope;
mod malformed;
mod overrides;

use crate::SenderRules;
use crate::bindings::exports::gatepost::policy::envelope_stage::{self, Guest as _};
use crate::bindings::exports::gatepost::policy::message_stage::{self, Guest as _};
use crate::bindings::gatepost::policy::types::{
    Address, Decision, Envelope, Fact, Identity, Message, Originators, Priority, Session, Verdict,
};

/// Facts as name and value.
type Facts = &'static [(&'static str, &'static str)];
/// An unauthorized address and the label of its place.
type Unauthorized = Option<(&'static str, &'static str)>;

/// One message of one user, in the fewest words. Lists are separated by `;`.
#[derive(Clone, Copy)]
struct Case {
    settings: &'static str,
    facts: Facts,
    domains: &'static str,
    senders: &'static str,
    from: &'static str,
    sender: &'static str,
    /// Empty is the null reverse-path.
    mail_from: &'static str,
    originators: Originators,
}

const BLOCK: &str = r#"{"unauthorized":"block"}"#;
const ALERT: &str = r#"{"unauthorized":"alert"}"#;

/// A restricted user in block mode whose message is in order.
const GOOD: Case = Case {
    settings: BLOCK,
    facts: &[],
    domains: "example.com",
    senders: "boss@example.org",
    from: "info@example.com",
    sender: "",
    mail_from: "info@example.com",
    originators: Originators::Complete,
};

/// The same message of a user with both fields empty.
const FREE: Case = Case {
    domains: "",
    senders: "",
    ..GOOD
};

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').filter(|part| !part.is_empty())
}

fn address(full: &str) -> Address {
    let (local_part, domain) = full.rsplit_once('@').expect("a test address");
    Address {
        full: full.to_owned(),
        local_part: local_part.to_owned(),
        domain: domain.to_owned(),
    }
}

impl Case {
    fn session(&self) -> Session {
        let facts = self.facts.iter().map(|(name, value)| Fact {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        });
        Session {
            id: "session".to_owned(),
            identity: Identity {
                username: "s1_2".to_owned(),
                authorized_domains: parts(self.domains).map(str::to_owned).collect(),
                authorized_senders: parts(self.senders).map(str::to_owned).collect(),
                default_priority: Priority::Low,
                facts: facts.collect(),
            },
            client_ip: "192.0.2.1".to_owned(),
            helo: "client.example".to_owned(),
            tls: None,
            received_at_ms: 0,
            facts: Vec::new(),
        }
    }

    fn reverse_path(&self) -> Option<Address> {
        parts(self.mail_from).next().map(address)
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            mail_from: self.reverse_path(),
            recipients: vec![address("to@example.net")],
        }
    }

    fn message(&self) -> Message {
        Message {
            size_bytes: 1000,
            header_from: parts(self.from).map(address).collect(),
            header_sender: parts(self.sender).map(address).collect(),
            originators: self.originators,
            subject: String::new(),
            requested_priority: Some(Priority::High),
            headers: Vec::new(),
            truncated: false,
            facts: Vec::new(),
        }
    }

    fn evaluate(&self) -> Verdict {
        let request = message_stage::Request {
            settings: self.settings.to_owned(),
            session: self.session(),
            envelope: self.envelope(),
            message: self.message(),
            effective_priority: Priority::Normal,
        };
        SenderRules::evaluate(request).expect("a verdict")
    }

    fn on_sender(&self) -> Verdict {
        let request = envelope_stage::Request {
            settings: self.settings.to_owned(),
            session: self.session(),
            envelope: Envelope {
                mail_from: None,
                recipients: Vec::new(),
            },
        };
        SenderRules::on_sender(request, self.reverse_path()).expect("a verdict")
    }
}

/// The decision as a word: `accept`, `pass`, or the code and enhanced code of the refusal.
fn word(verdict: &Verdict) -> String {
    match &verdict.decision {
        Decision::Pass => "pass".to_owned(),
        Decision::Accept => "accept".to_owned(),
        Decision::Reject(Some(reply)) => {
            let enhanced = &reply.enhanced;
            let (class, subject, detail) = (enhanced.class, enhanced.subject, enhanced.detail);
            format!("{} {class}.{subject}.{detail}", reply.code)
        }
        other => format!("{other:?}"),
    }
}

fn text(verdict: &Verdict) -> &str {
    match &verdict.decision {
        Decision::Reject(Some(reply)) => &reply.text,
        _ => "",
    }
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.alerts.iter().map(|alert| &*alert.code).collect()
}

/// Senders of a message: From, Sender, envelope sender, and the first unauthorized one, if any.
const SENDERS: [(&str, &str, &str, Unauthorized); 27] = [
    ("info@example.com", "", "info@example.com", None),
    ("INFO@example.com", "", "bounce+1@example.com", None),
    ("boss@example.org", "", "boss@example.org", None),
    ("BOSS@example.org", "", "Boss@example.org", None),
    (
        "info@example.com",
        "boss@example.org",
        "x@example.com",
        None,
    ),
    ("a@example.com;b@example.com", "c@example.com", "", None),
    (
        "a@example.com;boss@example.org",
        "a@example.com",
        "a@example.com",
        None,
    ),
    ("info@example.com", "", "", None),
    (
        "bob@example.net",
        "",
        "bob@example.net",
        Some(("bob@example.net", "From")),
    ),
    (
        "bob@example.net",
        "",
        "info@example.com",
        Some(("bob@example.net", "From")),
    ),
    ("bob@example.net", "", "", Some(("bob@example.net", "From"))),
    (
        "info@example.com",
        "bob@example.net",
        "info@example.com",
        Some(("bob@example.net", "Sender")),
    ),
    (
        "info@example.com",
        "",
        "bob@example.net",
        Some(("bob@example.net", "envelope sender")),
    ),
    (
        "info@example.com;bob@example.net",
        "",
        "",
        Some(("bob@example.net", "From")),
    ),
    (
        "bob@example.net;info@example.com",
        "",
        "",
        Some(("bob@example.net", "From")),
    ),
    (
        "a@example.com;b@example.com;c@example.com;d@evil.net",
        "",
        "",
        Some(("d@evil.net", "From")),
    ),
    (
        "info@example.com",
        "a@example.com;bob@example.net",
        "",
        Some(("bob@example.net", "Sender")),
    ),
    (
        "a@evil.net",
        "b@evil.net",
        "c@evil.net",
        Some(("a@evil.net", "From")),
    ),
    (
        "info@example.com",
        "b@evil.net",
        "c@evil.net",
        Some(("b@evil.net", "Sender")),
    ),
    (
        "info@example.com.evil.net",
        "",
        "",
        Some(("info@example.com.evil.net", "From")),
    ),
    (
        "info@notexample.com",
        "",
        "",
        Some(("info@notexample.com", "From")),
    ),
    (
        "info@marketing.example.com",
        "",
        "",
        Some(("info@marketing.example.com", "From")),
    ),
    ("info@com", "", "", Some(("info@com", "From"))),
    (
        "sales@example.org",
        "",
        "",
        Some(("sales@example.org", "From")),
    ),
    (
        "boss@sub.example.org",
        "",
        "",
        Some(("boss@sub.example.org", "From")),
    ),
    (
        "boss+tag@example.org",
        "",
        "",
        Some(("boss+tag@example.org", "From")),
    ),
    (
        "\"info@example.com\"@evil.net",
        "",
        "",
        Some(("\"info@example.com\"@evil.net", "From")),
    ),
];

#[test]
fn block_refuses_an_unauthorized_sender_and_alerts() {
    for (from, sender, mail_from, unauthorized) in SENDERS {
        let case = Case {
            from,
            sender,
            mail_from,
            ..GOOD
        };
        let verdict = case.evaluate();
        let Some((address, label)) = unauthorized else {
            assert_eq!(
                (&*word(&verdict), &*verdict.rule),
                ("accept", "authorized"),
                "{from}"
            );
            assert_eq!(codes(&verdict), [""; 0], "{from}");
            continue;
        };
        assert_eq!(
            (&*word(&verdict), &*verdict.rule),
            ("550 5.7.1", "unauthorized-block"),
            "{from}"
        );
        assert_eq!(codes(&verdict), ["sender-not-authorized"], "{from}");
        let text = text(&verdict);
        let start = format!("the sender address {address} ({label}");
        assert!(text.starts_with(&start), "{text}");
        let allowed = "is not authorized for user s1_2; allowed: example.com, boss@example.org; ";
        assert!(text.contains(allowed), "{text}");
        assert!(
            verdict.alerts[0]
                .summary
                .contains(&format!("{address} ({label})"))
        );
        assert!(
            verdict.alerts[0]
                .summary
                .ends_with("s1_2; the message was blocked")
        );
        assert_eq!(verdict.facts[1].value, address);
    }
}

#[test]
fn alert_sends_from_an_unauthorized_sender_and_alerts() {
    for (from, sender, mail_from, unauthorized) in SENDERS {
        let case = Case {
            settings: ALERT,
            from,
            sender,
            mail_from,
            ..GOOD
        };
        let verdict = case.evaluate();
        assert_eq!(word(&verdict), "accept", "{from}");
        assert_eq!(verdict.priority, Some(Priority::High), "{from}");
        let Some((address, label)) = unauthorized else {
            assert_eq!(verdict.rule, "authorized", "{from}");
            assert_eq!(codes(&verdict), [""; 0], "{from}");
            continue;
        };
        assert_eq!(verdict.rule, "unauthorized-alert", "{from}");
        assert_eq!(codes(&verdict), ["sender-not-authorized"], "{from}");
        assert!(
            verdict.alerts[0]
                .summary
                .contains(&format!("{address} ({label})"))
        );
        assert!(
            verdict.alerts[0]
                .summary
                .ends_with("s1_2; the message was sent")
        );
    }
}

#[test]
fn empty_fields_authorize_every_sender_in_both_modes() {
    for settings in [BLOCK, ALERT, "{}"] {
        for (from, sender, mail_from, _) in SENDERS {
            let verdict = Case {
                settings,
                from,
                sender,
                mail_from,
                ..FREE
            }
            .evaluate();
            assert_eq!(
                (&*word(&verdict), &*verdict.rule),
                ("accept", "unrestricted"),
                "{from}"
            );
            assert_eq!(codes(&verdict), [""; 0], "{from}");
        }
    }
}

#[test]
fn useless_entries_authorize_nobody() {
    let fields = [
        ("*", ""),
        ("*.com", ""),
        ("@example.com", ""),
        ("info@example.com", ""),
        ("https://example.com/", ""),
        ("example.com,example.net", ""),
        ("", "*@example.com"),
        ("", "Info <info@example.com>"),
        ("", "<info@example.com>"),
        ("", "example.com"),
        ("", "info@example.com,sales@example.com"),
        ("*", "*"),
    ];
    for (domains, senders) in fields {
        let verdict = Case {
            domains,
            senders,
            ..GOOD
        }
        .evaluate();
        assert_eq!(word(&verdict), "550 5.7.1", "{domains:?} {senders:?}");
        assert!(
            text(&verdict).contains("is valid: ask the administrator"),
            "{}",
            text(&verdict)
        );
    }
}
