//! Requests and verdicts as documents: what is asked and answered, to be written, stored and replayed.
//!
//! The names are those of `wit/policy.wit`, in JSON as there: a record is an object, a variant its
//! name or an object of its name, `none` is null. The forms below are held against the generated
//! records by the compiler, so that no field can be forgotten.

use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bindings::{EnvelopeRequest, MessageRequest};
use super::module::Question;
use super::types;

/// One question to a policy with everything that it decides from.
///
/// As a document: `stage` is `message`, `sender` or `recipient`; `settings`, `session` and `envelope`
/// follow; then `message` and `effective-priority`, or `sender`, or `recipient`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Form", try_from = "Form")]
pub struct Request {
    /// The settings, a JSON document.
    pub settings: Arc<str>,
    /// The session and its user.
    pub session: Arc<types::Session>,
    /// The envelope so far.
    pub envelope: Arc<types::Envelope>,
    /// What it is about.
    pub stage: Stage,
}

/// The point of a transaction at which a policy is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Stage {
    /// `message-stage`: the whole message.
    Message {
        /// What the header section says.
        message: Arc<types::Message>,
        /// What the policies before decided.
        effective_priority: types::Priority,
    },
    /// `envelope-stage`, `on-sender`: the reverse-path of MAIL, none is the null reverse-path.
    Sender(Option<types::Address>),
    /// `envelope-stage`, `on-recipient`: the forward-path of RCPT.
    Recipient(types::Address),
}

/// Why a document is no request or no verdict.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A value is missing, unknown or of the wrong kind.
    #[error("{path}: {problem}")]
    At {
        /// Where, for example `session.identity.default-priority`.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// The text is not JSON, or the document as a whole is wrong.
    #[error("{0}")]
    Whole(String),
}

/// Reads a [`Request`] or a [`types::Verdict`] from JSON.
///
/// # Errors
/// When the text is not JSON, or something in it is missing, unknown or of the wrong kind.
pub fn from_json<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, DocumentError> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let value = read(&mut deserializer)?;
    deserializer
        .end()
        .map_err(|error| DocumentError::Whole(error.to_string()))?;
    Ok(value)
}

/// Reads a value of any format; the error says where it is wrong.
///
/// # Errors
/// When something is missing, unknown or of the wrong kind.
pub fn read<'a, T: Deserialize<'a>, D: Deserializer<'a>>(
    deserializer: D,
) -> Result<T, DocumentError> {
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string().trim().to_owned();
        if path == "." {
            DocumentError::Whole(problem)
        } else {
            DocumentError::At { path, problem }
        }
    })
}

impl Request {
    /// What the policies before this one decided; `normal` at the envelope stage.
    pub fn effective_priority(&self) -> types::Priority {
        match self.stage {
            Stage::Message {
                effective_priority, ..
            } => effective_priority,
            Stage::Sender(_) | Stage::Recipient(_) => types::Priority::Normal,
        }
    }

    /// The question as it is put to a policy.
    pub(super) fn question(&self) -> Question {
        match &self.stage {
            Stage::Message {
                message,
                effective_priority,
            } => Question::Message(MessageRequest {
                settings: Arc::clone(&self.settings),
                session: Arc::clone(&self.session),
                envelope: Arc::clone(&self.envelope),
                message: Arc::clone(message),
                effective_priority: *effective_priority,
            }),
            Stage::Sender(sender) => Question::Sender(self.envelope_request(), sender.clone()),
            Stage::Recipient(recipient) => {
                Question::Recipient(self.envelope_request(), recipient.clone())
            }
        }
    }

    fn envelope_request(&self) -> EnvelopeRequest {
        EnvelopeRequest {
            settings: Arc::clone(&self.settings),
            session: Arc::clone(&self.session),
            envelope: Arc::clone(&self.envelope),
        }
    }
}

/// A [`Request`] as it is written: one object, whatever the stage.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Form {
    stage: StageName,
    #[serde(default)]
    settings: Settings,
    session: types::Session,
    envelope: types::Envelope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<types::Message>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effective_priority: Option<types::Priority>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sender: Option<types::Address>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient: Option<types::Address>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StageName {
    Message,
    Sender,
    Recipient,
}

impl From<Request> for Form {
    fn from(request: Request) -> Self {
        let mut form = Self {
            stage: StageName::Message,
            settings: Settings(request.settings),
            session: Arc::unwrap_or_clone(request.session),
            envelope: Arc::unwrap_or_clone(request.envelope),
            message: None,
            effective_priority: None,
            sender: None,
            recipient: None,
        };
        match request.stage {
            Stage::Message {
                message,
                effective_priority,
            } => {
                form.message = Some(Arc::unwrap_or_clone(message));
                form.effective_priority = Some(effective_priority);
            }
            Stage::Sender(sender) => (form.stage, form.sender) = (StageName::Sender, sender),
            Stage::Recipient(recipient) => {
                (form.stage, form.recipient) = (StageName::Recipient, Some(recipient));
            }
        }
        form
    }
}

impl TryFrom<Form> for Request {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        form.only_its_stage()?;
        let stage = match form.stage {
            StageName::Message => Stage::Message {
                message: Arc::new(form.message.ok_or("stage `message` needs `message`")?),
                effective_priority: form.effective_priority.unwrap_or(types::Priority::Normal),
            },
            StageName::Sender => Stage::Sender(form.sender),
            StageName::Recipient => Stage::Recipient(
                form.recipient
                    .ok_or("stage `recipient` needs `recipient`")?,
            ),
        };
        Ok(Self {
            settings: form.settings.0,
            session: Arc::new(form.session),
            envelope: Arc::new(form.envelope),
            stage,
        })
    }
}

impl Form {
    /// What belongs to another stage would be overlooked, so it is refused.
    fn only_its_stage(&self) -> Result<(), String> {
        let of_message = self.stage == StageName::Message;
        let present = [
            ("message", self.message.is_some(), of_message),
            (
                "effective-priority",
                self.effective_priority.is_some(),
                of_message,
            ),
            (
                "sender",
                self.sender.is_some(),
                self.stage == StageName::Sender,
            ),
            (
                "recipient",
                self.recipient.is_some(),
                self.stage == StageName::Recipient,
            ),
        ];
        match present.iter().find(|(_, is, may)| *is && !may) {
            Some((name, ..)) => Err(format!("`{name}` does not belong to this stage")),
            None => Ok(()),
        }
    }
}

/// The settings: an object in the document; a text verbatim where that would change an octet of it.
#[derive(Clone)]
struct Settings(Arc<str>);

impl Default for Settings {
    fn default() -> Self {
        Self("{}".into())
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object: Option<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&self.0).ok();
        let is_kept = |written: &String| written.as_str() == &*self.0;
        match object.map(serde_json::Value::Object) {
            Some(object) if is_kept(&object.to_string()) => object.serialize(serializer),
            _ => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(text.into())),
            value @ serde_json::Value::Object(_) => Ok(Self(value.to_string().into())),
            _ => Err(D::Error::custom("settings are an object")),
        }
    }
}

/// Gives the records of the interface the forms of the same name.
macro_rules! forms {
    ($($record:ident as $form:ident),* $(,)?) => { $(
        impl Serialize for types::$record {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $form::serialize(self, serializer)
            }
        }

        impl<'de> Deserialize<'de> for types::$record {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $form::deserialize(deserializer)
            }
        }
    )* };
}

forms!(
    Address as AddressForm,
    Fact as FactForm,
    Header as HeaderForm,
    Priority as PriorityForm,
    Identity as IdentityForm,
    TlsInfo as TlsInfoForm,
    Session as SessionForm,
    Envelope as EnvelopeForm,
    Originators as OriginatorsForm,
    Message as MessageForm,
    EnhancedCode as EnhancedCodeForm,
    Reply as ReplyForm,
    Decision as DecisionForm,
    Severity as SeverityForm,
    Alert as AlertForm,
    Verdict as VerdictForm,
);

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Address",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct AddressForm {
    full: String,
    local_part: String,
    domain: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "types::Fact", rename_all = "kebab-case", deny_unknown_fields)]
struct FactForm {
    name: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Header",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct HeaderForm {
    name: String,
    value: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "types::Priority", rename_all = "kebab-case")]
enum PriorityForm {
    Highest,
    High,
    Normal,
    Low,
    Lowest,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Identity",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct IdentityForm {
    username: String,
    #[serde(default)]
    authorized_domains: Vec<String>,
    #[serde(default)]
    authorized_senders: Vec<String>,
    default_priority: types::Priority,
    #[serde(default)]
    facts: Vec<types::Fact>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::TlsInfo",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct TlsInfoForm {
    version: String,
    cipher: String,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Session",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct SessionForm {
    id: String,
    identity: types::Identity,
    client_ip: String,
    helo: String,
    #[serde(default)]
    tls: Option<types::TlsInfo>,
    received_at_ms: u64,
    #[serde(default)]
    facts: Vec<types::Fact>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Envelope",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct EnvelopeForm {
    #[serde(default)]
    mail_from: Option<types::Address>,
    #[serde(default)]
    recipients: Vec<types::Address>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "types::Originators", rename_all = "kebab-case")]
enum OriginatorsForm {
    Complete,
    Missing,
    Unreadable,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Message",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct MessageForm {
    size_bytes: u64,
    #[serde(default)]
    header_from: Vec<types::Address>,
    #[serde(default)]
    header_sender: Vec<types::Address>,
    originators: types::Originators,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    requested_priority: Option<types::Priority>,
    #[serde(default)]
    headers: Vec<types::Header>,
    #[serde(default)]
    truncated: bool,
    #[serde(default)]
    facts: Vec<types::Fact>,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::EnhancedCode",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct EnhancedCodeForm {
    class: u8,
    subject: u16,
    detail: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Reply",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct ReplyForm {
    code: u16,
    enhanced: types::EnhancedCode,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "types::Decision", rename_all = "kebab-case")]
enum DecisionForm {
    Pass,
    Accept,
    Reject(Option<types::Reply>),
    Defer(Option<types::Reply>),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "types::Severity", rename_all = "kebab-case")]
enum SeverityForm {
    Info,
    Warning,
    Critical,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Alert",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct AlertForm {
    severity: types::Severity,
    code: String,
    summary: String,
}

#[derive(Serialize, Deserialize)]
#[serde(
    remote = "types::Verdict",
    rename_all = "kebab-case",
    deny_unknown_fields
)]
struct VerdictForm {
    decision: types::Decision,
    #[serde(default)]
    priority: Option<types::Priority>,
    #[serde(default)]
    alerts: Vec<types::Alert>,
    rule: String,
    #[serde(default)]
    facts: Vec<types::Fact>,
}

#[cfg(test)]
mod tests;
