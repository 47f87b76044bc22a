use super::*;
use crate::policy::types::{
    Address, Alert, Decision, EnhancedCode, Envelope, Fact, Header, Identity, Message, Originators,
    Priority, Reply, Session, Severity, TlsInfo, Verdict,
};

/// Makes any record from a seed; the same seed makes the same one.
struct Source(u64);

impl Source {
    fn number(&mut self) -> u64 {
        // SplitMix64: enough for variety.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^ (mixed >> 27)
    }

    fn below(&mut self, limit: u64) -> u64 {
        (self.number() >> 8) % limit
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }

    fn text(&mut self) -> String {
        let characters = [
            'a', 'Z', '0', '@', '.', '"', '\\', '{', '\0', '\r', '\n', '\u{7f}', 'é', '\u{202E}',
            '\u{FFFD}', '😀',
        ];
        let length = self.below(12);
        (0..length).map(|_| self.one_of(&characters)).collect()
    }

    fn list<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Vec<T> {
        let length = self.below(4);
        (0..length).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl Fn(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    fn address(&mut self) -> Address {
        Address {
            full: self.text(),
            local_part: self.text(),
            domain: self.text(),
        }
    }

    fn fact(&mut self) -> Fact {
        Fact {
            name: self.text(),
            value: self.text(),
        }
    }

    fn priority(&mut self) -> Priority {
        use Priority::{High, Highest, Low, Lowest, Normal};
        self.one_of(&[Highest, High, Normal, Low, Lowest])
    }

    fn session(&mut self) -> Session {
        Session {
            id: self.text(),
            identity: Identity {
                username: self.text(),
                authorized_domains: self.list(Self::text),
                authorized_senders: self.list(Self::text),
                default_priority: self.priority(),
                facts: self.list(Self::fact),
            },
            client_ip: self.text(),
            helo: self.text(),
            tls: self.maybe(|source| TlsInfo {
                version: source.text(),
                cipher: source.text(),
            }),
            received_at_ms: self.number(),
            facts: self.list(Self::fact),
        }
    }

    fn message(&mut self) -> Message {
        use Originators::{Complete, Missing, Unreadable};
        Message {
            size_bytes: self.number(),
            header_from: self.list(Self::address),
            header_sender: self.list(Self::address),
            originators: self.one_of(&[Complete, Missing, Unreadable]),
            subject: self.text(),
            requested_priority: self.maybe(Self::priority),
            headers: self.list(|source| Header {
                name: source.text(),
                value: source.text(),
            }),
            truncated: self.below(2) == 0,
            facts: self.list(Self::fact),
        }
    }

    fn request(&mut self) -> Request {
        let settings = [
            "{}",
            r#"{"a":1,"b":[true,null]}"#,
            r#"{"b": 1, "a": 2}"#,
            "\"text\"",
            "no JSON",
            "null",
        ];
        Request {
            settings: self.one_of(&settings).into(),
            session: Arc::new(self.session()),
            envelope: Arc::new(Envelope {
                mail_from: self.maybe(Self::address),
                recipients: self.list(Self::address),
            }),
            stage: match self.below(3) {
                0 => Stage::Message {
                    message: Arc::new(self.message()),
                    effective_priority: self.priority(),
                },
                1 => Stage::Sender(self.maybe(Self::address)),
                _ => Stage::Recipient(self.address()),
            },
        }
    }

    fn reply(&mut self) -> Reply {
        Reply {
            code: self.number() as u16,
            enhanced: EnhancedCode {
                class: self.number() as u8,
                subject: self.number() as u16,
                detail: self.number() as u16,
            },
            text: self.text(),
        }
    }

    fn verdict(&mut self) -> Verdict {
        use Severity::{Critical, Info, Warning};
        Verdict {
            decision: match self.below(4) {
                0 => Decision::Pass,
                1 => Decision::Accept,
                2 => Decision::Reject(self.maybe(Self::reply)),
                _ => Decision::Defer(self.maybe(Self::reply)),
            },
            priority: self.maybe(Self::priority),
            alerts: self.list(|source| Alert {
                severity: source.one_of(&[Info, Warning, Critical]),
                code: source.text(),
                summary: source.text(),
            }),
            rule: self.text(),
            facts: self.list(Self::fact),
        }
    }
}

#[test]
fn what_is_written_is_read_back_to_the_octet() {
    for seed in 0..2000 {
        let mut source = Source(seed);
        let request = source.request();
        let json = serde_json::to_string(&request).expect("every request can be written");
        let read: Request = from_json(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(read, request, "{json}");
        let verdict = source.verdict();
        let json = serde_json::to_string_pretty(&verdict).expect("every verdict can be written");
        let read: Verdict = from_json(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(read, verdict, "{json}");
    }
}

const WRITTEN: &str = r#"{
  "stage": "message",
  "settings": { "unauthorized": "block" },
  "session": {
    "id": "1", "client-ip": "192.0.2.1", "helo": "shop", "received-at-ms": 1,
    "identity": { "username": "s1_2", "authorized-domains": ["example.com"], "default-priority": "normal" },
    "facts": [{ "name": "server.port", "value": "587" }]
  },
  "envelope": {
    "mail-from": { "full": "a@example.com", "local-part": "a", "domain": "example.com" },
    "recipients": []
  },
  "message": { "size-bytes": 100, "originators": "missing", "requested-priority": "highest" }
}"#;

#[test]
fn a_request_written_by_hand_needs_no_empty_lists() {
    let request: Request = from_json(WRITTEN).expect("complete");
    assert_eq!(&*request.settings, r#"{"unauthorized":"block"}"#);
    assert!(request.session.identity.authorized_senders.is_empty());
    let Stage::Message {
        message,
        effective_priority,
    } = &request.stage
    else {
        panic!("{request:?}");
    };
    assert_eq!(message.requested_priority, Some(Priority::Highest));
    assert_eq!(*effective_priority, Priority::Normal);
}

#[test]
fn an_error_says_what_is_wrong_where() {
    let cases = [
        (
            "\"missing\"",
            "\"gone\"",
            "message.originators: unknown variant `gone`",
        ),
        ("\"helo\": \"shop\", ", "", "session: missing field `helo`"),
        (
            "\"local-part\": \"a\"",
            "\"local_part\": \"a\"",
            "envelope.mail-from.local_part: unknown field",
        ),
        (
            "587\" }",
            "587\" }, 7",
            "session.facts[1]: invalid type: integer `7`",
        ),
        (
            "\"stage\": \"message\"",
            "\"stage\": \"sender\"",
            "`message` does not belong to this stage",
        ),
        (
            "\"stage\": \"message\"",
            "\"stage\": \"data\"",
            "stage: unknown variant `data`",
        ),
        (
            "\"message\": {",
            "\"recipient\": {",
            "recipient.size-bytes: unknown field",
        ),
    ];
    for (from, to, expected) in cases {
        let text = WRITTEN.replace(from, to);
        assert_ne!(text, WRITTEN, "{from}");
        let error = from_json::<Request>(&text).expect_err(expected);
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    for text in ["", "{", "[]", "{} {}"] {
        assert!(from_json::<Request>(text).is_err(), "{text}");
    }
}

#[test]
fn a_verdict_names_its_variants_as_the_interface_does() {
    let cases = [
        (Decision::Pass, r#""pass""#),
        (Decision::Reject(None), r#"{"reject":null}"#),
        (
            Decision::Defer(Some(Reply {
                code: 451,
                enhanced: EnhancedCode {
                    class: 4,
                    subject: 7,
                    detail: 1,
                },
                text: "later".to_owned(),
            })),
            r#"{"defer":{"code":451,"enhanced":{"class":4,"subject":7,"detail":1},"text":"later"}}"#,
        ),
    ];
    for (decision, expected) in cases {
        let json = serde_json::to_string(&decision).expect("a decision can be written");
        assert_eq!(json, expected);
    }
}
