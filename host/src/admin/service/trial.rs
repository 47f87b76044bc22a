//! "Who may send?": asks the real policies about a sender, and neither sends nor counts anything.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Service, ServiceError};
use crate::accounts::Account;
use crate::id;
use crate::intake::{Peer, Principal, Rejection, Trial, TrialStage};
use crate::message::HeaderSection;
use crate::operators::Actor;
use crate::policy::Ruling;
use crate::queue::Priority;
use crate::smtp::{MailParameters, Mailbox, RcptParameters, Recipient, Transaction};

/// The address that a message which is only tried goes to (RFC 2606).
const NOBODY: &str = "recipient@example.com";

/// What somebody wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The From field, as a client writes it.
    pub from: String,
    /// The Sender field; empty: there is none.
    pub sender: String,
    /// The reverse-path; empty: the first address of From.
    pub envelope: String,
    /// What the message says of its priority; none: nothing.
    pub priority: Option<Priority>,
}

/// What the relay would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the message would be taken.
    pub is_accepted: bool,
    /// True when it would be refused for now only.
    pub is_temporary: bool,
    /// Where it was decided, in words.
    pub decided_at: &'static str,
    /// What the client would be shown.
    pub reply: String,
    /// The priority it would have.
    pub priority: Priority,
    /// The alerts that would be raised.
    pub alerts: Vec<String>,
    /// What each policy said.
    pub steps: Vec<TriedStep>,
}

/// What one policy said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriedStep {
    /// The policy's name and the rule that decided.
    pub rule: String,
    /// What it decided: `pass`, `accept`, `reject`, `defer` or `failed`.
    pub decision: &'static str,
    /// Names and values that it wants known.
    pub facts: Vec<(String, String)>,
}

impl Service {
    /// What would come of a message of this user, as the policies in force say.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], and [`ServiceError::Invalid`] for a question that no client could ask.
    pub async fn who_may_send(
        &self,
        actor: &Actor,
        list_id: i64,
        username: &str,
        client: IpAddr,
        question: &Question,
    ) -> Result<Verdict, ServiceError> {
        let user = self.user(actor, list_id, username).await?;
        let list = self.list(actor, list_id).await?;
        let principal = Principal::new(Account { user, list });
        let content = content(question)?;
        let transaction = transaction(question, &content)?;
        let peer = peer(client);
        let tried = self
            .rooms
            .intake
            .try_message(&peer, &principal, &transaction, &content);
        Ok(match tried.await {
            Ok(trial) => of_trial(trial),
            Err(rejection) => of_rejection(&rejection),
        })
    }
}

/// The message as far as a policy would look at it.
fn content(question: &Question) -> Result<Vec<u8>, ServiceError> {
    let fields = [("from", &question.from), ("sender", &question.sender)];
    for (field, text) in fields {
        if text.chars().any(char::is_control) || text.len() > 900 {
            let message = "use one line without control characters";
            return Err(ServiceError::invalid(field, message));
        }
    }
    let mut text = String::new();
    if !question.from.is_empty() {
        text.push_str(&format!("From: {}\r\n", question.from));
    }
    if !question.sender.is_empty() {
        text.push_str(&format!("Sender: {}\r\n", question.sender));
    }
    if let Some(priority) = question.priority {
        text.push_str(&format!("X-Priority: {priority}\r\n"));
    }
    text.push_str(&format!(
        "To: {NOBODY}\r\nSubject: Who may send?\r\n\r\nOnly tried.\r\n"
    ));
    Ok(text.into_bytes())
}

fn transaction(question: &Question, content: &[u8]) -> Result<Transaction, ServiceError> {
    let mailbox = |text: &str| {
        Mailbox::parse_utf8(text).map_err(|_| {
            ServiceError::invalid("envelope", "this is not an address like info@example.com")
        })
    };
    let reverse_path = if question.envelope.is_empty() {
        first_of_from(content)
    } else {
        Some(mailbox(&question.envelope)?)
    };
    let is_international = !content.is_ascii();
    Ok(Transaction {
        reverse_path,
        recipients: vec![Recipient {
            mailbox: mailbox(NOBODY)?,
            parameters: RcptParameters::default(),
        }],
        parameters: MailParameters {
            smtputf8: is_international,
            ..MailParameters::default()
        },
        size: content.len() as u64,
    })
}

/// What most clients use as reverse-path.
fn first_of_from(content: &[u8]) -> Option<Mailbox> {
    let header = HeaderSection::parse(content).ok()?;
    let originators = header.originators();
    let first = originators.from.first()?;
    Mailbox::parse_utf8(&first.full()).ok()
}

/// A client that came over the panel: logged in, on a protected connection.
pub(super) fn peer(client: IpAddr) -> Peer {
    Peer {
        session_id: id::session_id(),
        client: SocketAddr::new(client, 0),
        server_port: 0,
        helo: "panel".to_owned(),
        is_esmtp: true,
        tls: None,
        mechanism: "PANEL",
        messages: 0,
        max_hold: Duration::ZERO,
    }
}

fn of_trial(trial: Trial) -> Verdict {
    let Trial { stage, ruling } = trial;
    let Ruling {
        refusal,
        priority,
        alerts,
        steps,
        ..
    } = ruling;
    let decided_at = match stage {
        TrialStage::Sender => "at MAIL FROM, before the message is sent",
        TrialStage::Recipient => "at RCPT TO, before the message is sent",
        TrialStage::Message => "when the whole message is there",
    };
    let reply = refusal.as_ref().map_or_else(
        || "250 2.0.0 queued as …".to_owned(),
        |refusal| {
            let (class, subject, detail) = refusal.enhanced;
            format!(
                "{} {class}.{subject}.{detail} {}",
                refusal.code, refusal.text
            )
        },
    );
    Verdict {
        is_accepted: refusal.is_none(),
        is_temporary: refusal
            .as_ref()
            .is_some_and(crate::policy::Refusal::is_temporary),
        decided_at,
        reply,
        priority,
        alerts: alerts.into_iter().map(|alert| alert.summary).collect(),
        steps: steps
            .into_iter()
            .map(|step| TriedStep {
                rule: step.rule,
                decision: step.decision.as_str(),
                facts: step.facts,
            })
            .collect(),
    }
}

fn of_rejection(rejection: &Rejection) -> Verdict {
    let reply = rejection.reply.to_string();
    Verdict {
        is_accepted: false,
        is_temporary: reply.starts_with('4'),
        decided_at: "by the relay itself, before any policy",
        reply: reply.trim_end().to_owned(),
        priority: Priority::Normal,
        alerts: Vec::new(),
        steps: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_message_like_a_clients() {
        let question = Question {
            from: "Anna <anna@example.com>".to_owned(),
            priority: Some(Priority::Highest),
            ..Question::default()
        };
        let content = content(&question).expect("it can be asked");
        let text = String::from_utf8(content.clone()).expect("text");
        assert!(
            text.starts_with("From: Anna <anna@example.com>\r\nX-Priority: 1\r\n"),
            "{text}"
        );
        let transaction = transaction(&question, &content).expect("it can be asked");
        let sender = transaction.reverse_path.map(|path| path.to_string());
        assert_eq!(sender.as_deref(), Some("anna@example.com"));
    }

    #[test]
    fn a_header_field_cannot_be_smuggled_in() {
        let question = Question {
            from: "a@example.com\r\nSender: b@example.com".to_owned(),
            ..Question::default()
        };
        assert!(matches!(content(&question), Err(ServiceError::Invalid(_))));
    }

    #[test]
    fn an_envelope_that_is_no_address_is_told() {
        let question = Question {
            from: "a@example.com".to_owned(),
            envelope: "nobody".to_owned(),
            ..Question::default()
        };
        assert!(matches!(
            transaction(&question, b"\r\n"),
            Err(ServiceError::Invalid(_))
        ));
    }
}
