//! From a case to what the policy is asked: the relay's own reading of the envelope and the message.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;

use super::form::{BodyWord, CaseForm, ListForm, Scalar, SessionForm, StageName, UserForm};
use super::form::{ParametersForm, UnauthorizedWord};
use crate::accounts::{Account, Allowance, List, PolicySettings, Unauthorized, User};
use crate::clock::Timestamp;
use crate::intake::{Asking, Peer, Principal, Rejection};
use crate::message::HeaderSection;
use crate::policy::document::{self, Request, Stage};
use crate::policy::types;
use crate::secret::Secret;
use crate::smtp::{BodyType, MailParameters, Mailbox, MtPriority, RcptParameters, Recipient};
use crate::smtp::{SessionConfig, Transaction};

/// What a case asks.
#[derive(Debug)]
pub enum Asked {
    /// This.
    Question(Box<Request>),
    /// Nothing: the relay refuses the message before it asks any policy.
    Refused(Box<Rejection>),
}

/// Who gets the messages of cases that do not say it.
const RECIPIENT: &str = "customer@example.net";

impl CaseForm {
    /// What the policy with these settings is asked.
    ///
    /// # Errors
    /// When a value is not what it should be, or a file cannot be read.
    pub fn question(&self, settings: &Arc<str>) -> Result<Asked, String> {
        self.question_of(&principal(&self.user, &self.list), settings)
    }

    /// The same, with a user of the store instead of the case's.
    ///
    /// # Errors
    /// When a value is not what it should be, or a file cannot be read.
    pub fn question_of(&self, principal: &Principal, settings: &Arc<str>) -> Result<Asked, String> {
        if let Some(mut request) = self.recorded()? {
            if self.settings.is_some() {
                request.settings = Arc::clone(settings);
            }
            return Ok(Asked::Question(Box::new(self.at_its_priority(request)?)));
        }
        let at = self.session.received_at()?;
        let content = self.content()?;
        let transaction = self.transaction(&content)?;
        let peer = self.session.peer();
        let asking = Asking {
            hostname: &self.session.server_name,
            peer: &peer,
            principal,
            transaction: &transaction,
            settings,
            at,
        };
        let mut request = match self.ask(&asking, &content) {
            Ok(request) => request?,
            Err(rejection) => return Ok(Asked::Refused(Box::new(rejection))),
        };
        set(
            &mut Arc::make_mut(&mut request.session).facts,
            &self.session.facts,
        );
        Ok(Asked::Question(Box::new(self.at_its_priority(request)?)))
    }

    /// The question at its stage; at `recipient` about the last of the recipients.
    fn ask(
        &self,
        asking: &Asking<'_>,
        content: &[u8],
    ) -> Result<Result<Request, String>, Rejection> {
        Ok(Ok(match self.stage {
            StageName::Message => asking.about_message(content)?,
            StageName::Sender => asking.about_sender(),
            StageName::Recipient => {
                let mut before = asking.transaction.clone();
                let Some(last) = before.recipients.pop() else {
                    return Ok(Err("stage `recipient` needs `rcpt-to`".to_owned()));
                };
                let asking = Asking {
                    transaction: &before,
                    ..*asking
                };
                asking.about_recipient(&last.mailbox)
            }
        }))
    }

    fn recorded(&self) -> Result<Option<Request>, String> {
        if let Some(request) = &self.request {
            let read = document::read(request.clone());
            return read.map(Some).map_err(|error| format!("request: {error}"));
        }
        let Some(path) = &self.request_file else {
            return Ok(None);
        };
        let of_file = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| of_file(&error))?;
        document::from_json(&text)
            .map(Some)
            .map_err(|error| of_file(&error))
    }

    fn at_its_priority(&self, mut request: Request) -> Result<Request, String> {
        match (self.effective_priority, &mut request.stage) {
            (None, _) => {}
            (
                Some(word),
                Stage::Message {
                    effective_priority, ..
                },
            ) => {
                *effective_priority = types::Priority::from(word.0);
            }
            (Some(_), _) => return Err("`effective-priority` is of the message stage".to_owned()),
        }
        Ok(request)
    }

    fn transaction(&self, content: &[u8]) -> Result<Transaction, String> {
        let reverse_path = match self.mail_from.as_deref() {
            Some("" | "<>") => None,
            Some(address) => Some(mailbox("mail-from", address)?),
            None => first_originator(content),
        };
        let to = self.rcpt_to.as_ref();
        let to = to.map_or_else(|| vec![RECIPIENT.to_owned()], |one| one.0.clone());
        let recipients: Vec<Recipient> = to
            .iter()
            .map(|address| {
                Ok(Recipient {
                    mailbox: mailbox("rcpt-to", address)?,
                    parameters: RcptParameters::default(),
                })
            })
            .collect::<Result<_, String>>()?;
        let mut parameters = self.parameters.read(content)?;
        // A client can only send such an address after it said so.
        let paths = recipients
            .iter()
            .map(|one| &one.mailbox)
            .chain(&reverse_path);
        parameters.smtputf8 |= paths.into_iter().any(|path| !path.as_str().is_ascii());
        Ok(Transaction {
            reverse_path,
            recipients,
            parameters,
            size: content.len() as u64,
        })
    }

    /// The octets of the message, for a policy that reads them; none when a recorded request is asked.
    pub fn raw(&self) -> Option<bytes::Bytes> {
        let is_recorded = self.request.is_some() || self.request_file.is_some();
        let is_of_message = self.stage == StageName::Message && !is_recorded;
        let octets = is_of_message.then(|| self.content().ok()).flatten();
        octets.map(bytes::Bytes::from)
    }

    /// The octets of the message.
    fn content(&self) -> Result<Vec<u8>, String> {
        if let Some(text) = &self.message {
            return Ok(with_line_ends(text).into_bytes());
        }
        if let Some(text) = &self.message_base64 {
            let text: String = text.split_whitespace().collect();
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            return decoded.map_err(|error| format!("message-base64: {error}"));
        }
        if let Some(path) = &self.message_file {
            let read = std::fs::read(path);
            let octets = read.map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok(octets_with_line_ends(&octets));
        }
        Ok(with_line_ends(&self.written()).into_bytes())
    }

    /// The message made of its fields.
    fn written(&self) -> String {
        let subject = self.subject.as_deref().unwrap_or("Hello");
        let named = [
            ("From", self.from.as_deref()),
            ("Sender", self.sender.as_deref()),
            ("Subject", Some(subject)),
            (
                "X-Priority",
                self.x_priority.as_ref().map(|one| one.0.as_str()),
            ),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let more = self
            .header
            .iter()
            .map(|(name, value)| (name.as_str(), value.0.as_str()));
        let mut text: String = named
            .chain(more)
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        text.push('\n');
        text.push_str(self.body.as_deref().unwrap_or("Hello.\n"));
        text
    }
}

/// RFC 5321 §2.3.8: lines end with CRLF on the wire, while a case is written with the line ends of its file.
fn with_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// The same for octets of any character set.
pub fn octets_with_line_ends(octets: &[u8]) -> Vec<u8> {
    let mut ended = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut before = 0;
    for &octet in octets {
        if octet == b'\n' && before != b'\r' {
            ended.push(b'\r');
        }
        ended.push(octet);
        before = octet;
    }
    ended
}

fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    let text = text.trim_start_matches('<').trim_end_matches('>');
    Mailbox::parse_utf8(text).map_err(|error| format!("{key}: `{text}` is not an address: {error}"))
}

/// The reverse-path most clients use: the first address of From.
fn first_originator(content: &[u8]) -> Option<Mailbox> {
    let header = HeaderSection::parse(content).ok()?;
    let originators = header.originators();
    let first = originators.from.first()?;
    Mailbox::parse_utf8(&first.full()).ok()
}

impl ParametersForm {
    fn read(&self, content: &[u8]) -> Result<MailParameters, String> {
        let mt_priority =
            match self.mt_priority {
                None => None,
                Some(value) => Some(MtPriority::new(value).ok_or_else(|| {
                    format!("parameters.mt-priority: {value} is not from -9 to 9")
                })?),
            };
        let body = match self.body {
            BodyWord::BinaryMime => BodyType::BinaryMime,
            BodyWord::SevenBit if content.is_ascii() => BodyType::SevenBit,
            BodyWord::SevenBit | BodyWord::EightBitMime => BodyType::EightBitMime,
        };
        Ok(MailParameters {
            body,
            smtputf8: self.smtputf8,
            require_tls: self.require_tls,
            mt_priority,
            ..MailParameters::default()
        })
    }
}

impl SessionForm {
    fn received_at(&self) -> Result<Timestamp, String> {
        let Scalar(text) = &self.received_at;
        Timestamp::parse_utc(text).ok_or_else(|| {
            format!("session.received-at: `{text}` is not a time like 2026-01-05T12:00:00Z")
        })
    }

    fn peer(&self) -> Peer {
        let tls = ("TLSv1.3", "TLS13_AES_256_GCM_SHA384");
        Peer {
            session_id: self.id.clone(),
            client: (self.client_ip, self.client_port).into(),
            server_port: self.server_port,
            helo: self.helo.clone(),
            is_esmtp: true,
            tls: self.tls.then(|| (tls.0.to_owned(), tls.1.to_owned())),
            mechanism: self.mechanism.as_str(),
            messages: self.messages,
            max_hold: Duration::from_secs(SessionConfig::default().max_hold_s),
        }
    }
}

/// The user as it would be in the store; it cannot log in.
pub fn principal(user: &UserForm, list: &ListForm) -> Principal {
    let never = Timestamp::from_millis(0);
    let account = Account {
        user: User {
            id: user.id,
            list_id: list.id,
            username: user.name.clone(),
            active: true,
            priority: user.priority.0,
            note: user.note.clone(),
            authorized_domains: user.authorized_domains.clone(),
            authorized_senders: user.authorized_senders.clone(),
            policy_settings: PolicySettings::default(),
            messages_per_hour: Allowance::Default,
            messages_per_day: Allowance::Default,
            urgent_per_hour: Allowance::Default,
            urgent_per_day: Allowance::Default,
            suspension: None,
            counting_since: None,
            credential_version: 0,
            password_hash: Secret::new(String::new()),
            scram_verifier: None,
            created_at: never,
        },
        list: List {
            id: list.id,
            name: list.name.clone(),
            unauthorized: list.unauthorized.map(|word| match word {
                UnauthorizedWord::Block => Unauthorized::Block,
                UnauthorizedWord::Alert => Unauthorized::Alert,
            }),
            check: list.check.clone(),
            display_importance: true,
            route: None,
            policy_settings: PolicySettings::default(),
            created_at: never,
        },
    };
    let mut principal = Principal::new(account);
    set(&mut principal.identity.facts, &user.facts);
    principal
}

/// Puts facts in the place of those of the same name.
fn set(facts: &mut Vec<types::Fact>, more: &BTreeMap<String, Scalar>) {
    facts.retain(|fact| !more.contains_key(&fact.name));
    facts.extend(more.iter().map(|(name, value)| types::Fact {
        name: name.clone(),
        value: value.0.clone(),
    }));
}
