//! The keys of a case, as they are written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::Expectation;
use crate::queue::Priority;

/// One `[[case]]`, with the defaults of its file filled in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CaseForm {
    pub name: String,
    #[serde(default)]
    pub stage: StageName,
    pub settings: Option<toml::Table>,
    #[serde(default)]
    pub user: UserForm,
    #[serde(default)]
    pub list: ListForm,
    #[serde(default)]
    pub session: SessionForm,
    pub mail_from: Option<String>,
    pub rcpt_to: Option<OneOrMany>,
    #[serde(default)]
    pub parameters: ParametersForm,
    pub message: Option<String>,
    pub message_base64: Option<String>,
    pub message_file: Option<PathBuf>,
    pub from: Option<String>,
    pub sender: Option<String>,
    pub subject: Option<String>,
    pub x_priority: Option<Scalar>,
    #[serde(default)]
    pub header: BTreeMap<String, Scalar>,
    pub body: Option<String>,
    pub request: Option<toml::Value>,
    pub request_file: Option<PathBuf>,
    pub effective_priority: Option<PriorityWord>,
    pub expect: Option<Expectation>,
    #[serde(default)]
    pub senders: BTreeMap<String, Expectation>,
}

/// Keys that say which message it is, of which a case uses one kind: the raw text, a file, a recorded
/// request, or the fields it is made of.
pub const CONTENT_KEYS: [&str; 11] = [
    "message",
    "message-base64",
    "message-file",
    "request",
    "request-file",
    "from",
    "sender",
    "subject",
    "x-priority",
    "header",
    "body",
];

/// The stage a case asks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    #[default]
    Message,
    Sender,
    Recipient,
}

/// The user that logged in, as an administrator enters it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct UserForm {
    pub name: String,
    pub id: i64,
    pub authorized_domains: String,
    pub authorized_senders: String,
    pub priority: PriorityWord,
    pub note: String,
    pub facts: BTreeMap<String, Scalar>,
}

impl Default for UserForm {
    fn default() -> Self {
        Self {
            name: "s1_1".to_owned(),
            id: 1,
            authorized_domains: String::new(),
            authorized_senders: String::new(),
            priority: PriorityWord(Priority::Normal),
            note: String::new(),
            facts: BTreeMap::new(),
        }
    }
}

/// The list of the user.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ListForm {
    pub name: String,
    pub id: i64,
    pub unauthorized: Option<UnauthorizedWord>,
    pub check: Option<String>,
}

impl Default for ListForm {
    fn default() -> Self {
        Self {
            name: "Newsletter".to_owned(),
            id: 1,
            unauthorized: None,
            check: None,
        }
    }
}

/// What happens to unauthorized senders of a list.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnauthorizedWord {
    Block,
    Alert,
}

/// The session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SessionForm {
    pub id: String,
    pub client_ip: std::net::IpAddr,
    pub client_port: u16,
    pub server_name: String,
    pub server_port: u16,
    pub helo: String,
    pub tls: bool,
    pub mechanism: Mechanism,
    pub messages: u32,
    pub received_at: Scalar,
    pub facts: BTreeMap<String, Scalar>,
}

impl Default for SessionForm {
    fn default() -> Self {
        Self {
            id: "case".to_owned(),
            client_ip: [192, 0, 2, 1].into(),
            client_port: 50_000,
            server_name: "relay.example.com".to_owned(),
            server_port: 587,
            helo: "client.example.com".to_owned(),
            tls: true,
            mechanism: Mechanism::Plain,
            messages: 0,
            received_at: Scalar("2026-01-05T12:00:00Z".to_owned()),
            facts: BTreeMap::new(),
        }
    }
}

/// The SASL mechanism of the login.
#[derive(Clone, Copy, Debug, Deserialize)]
pub enum Mechanism {
    #[serde(rename = "PLAIN")]
    Plain,
    #[serde(rename = "LOGIN")]
    Login,
    #[serde(rename = "SCRAM-SHA-256")]
    Scram,
    #[serde(rename = "SCRAM-SHA-256-PLUS")]
    ScramPlus,
}

impl Mechanism {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Scram => "SCRAM-SHA-256",
            Self::ScramPlus => "SCRAM-SHA-256-PLUS",
        }
    }
}

/// What the client said with MAIL besides the reverse-path.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ParametersForm {
    pub body: BodyWord,
    pub smtputf8: bool,
    pub require_tls: bool,
    pub mt_priority: Option<i8>,
}

/// The BODY parameter of MAIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum BodyWord {
    #[default]
    #[serde(rename = "7BIT")]
    SevenBit,
    #[serde(rename = "8BITMIME")]
    EightBitMime,
    #[serde(rename = "BINARYMIME")]
    BinaryMime,
}

/// One text, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(vec![text])),
            toml::Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    toml::Value::String(text) => Ok(text),
                    other => Err(D::Error::custom(format!("`{other}` is not a text"))),
                })
                .collect::<Result<_, _>>()
                .map(Self),
            other => Err(D::Error::custom(format!(
                "`{other}` is neither a text nor a list of texts"
            ))),
        }
    }
}

/// A text, or a number, flag or date as its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => Ok(Self(text)),
            other @ (toml::Value::Array(_) | toml::Value::Table(_)) => {
                Err(D::Error::custom(format!("`{other}` is not a text")))
            }
            other => Ok(Self(other.to_string())),
        }
    }
}

/// A priority: 1 to 5, or `highest` to `lowest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityWord(pub Priority);

/// The words of the interface, by number.
const PRIORITIES: [&str; 5] = ["highest", "high", "normal", "low", "lowest"];

impl<'de> Deserialize<'de> for PriorityWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PriorityVisitor)
    }
}

struct PriorityVisitor;

impl Visitor<'_> for PriorityVisitor {
    type Value = PriorityWord;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a priority: 1 to 5, or highest, high, normal, low, lowest")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<PriorityWord, E> {
        let priority = Priority::from_number(number).map(PriorityWord);
        priority.ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<PriorityWord, E> {
        let place = PRIORITIES.iter().position(|known| *known == word);
        let priority = place.map(|place| PriorityWord(Priority::ALL[place]));
        priority.ok_or_else(|| E::invalid_value(Unexpected::Str(word), &self))
    }
}
