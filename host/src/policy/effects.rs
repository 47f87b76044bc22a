//! What policies want done to a message and to its way, checked the moment they ask for it.
//!
//! Nothing of a guest's text gets past this file but as a header field that is one, an address the
//! user may send as, the name of a route there is, or a printable line.

use std::sync::Arc;

use super::bindings::gatepost::policy::effects;
use super::limits::State;
use super::types::{self, Address, Error, Identity, Originators};
use super::verdict::printable;
use crate::message::{self, ComposeError, Edit, MAX_DISPLAY_NAME_OCTETS, NewField, is_field_name};
use crate::smtp::Mailbox;

/// Effects of one evaluation.
const MAX_EFFECTS: u32 = 32;
/// Octets of names and values of one evaluation.
const MAX_OCTETS: usize = 16 * 1024;
/// Octets of the reason of a hold.
const MAX_REASON_OCTETS: usize = 200;
/// Octets of the reasons of all policies together.
const MAX_REASONS_OCTETS: usize = 1000;
/// Characters of a subject, as `wit/policy.wit` says.
const MAX_SUBJECT_CHARACTERS: usize = 998;
/// Fields that RFC 5322 §3.6 allows once.
const ONCE: [&str; 6] = [
    "Subject",
    "To",
    "Cc",
    "Reply-To",
    "In-Reply-To",
    "References",
];
/// Fields that others answer for: the client's login for the originators, this server for trace and
/// identification, the client for the structure of the body.
const FORBIDDEN: [&str; 9] = [
    "From",
    "Sender",
    "Date",
    "Message-ID",
    "Received",
    "Return-Path",
    "Bcc",
    "MIME-Version",
    "Delivered-To",
];
const FORBIDDEN_PREFIXES: [&str; 2] = ["Content-", "Resent-"];

/// What the policies of a chain want done, when the message is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// Changes to the header section, in order.
    pub edits: Vec<Edit>,
    /// The subject after the changes, decoded; none when it stays.
    pub subject: Option<String>,
    /// Takes the place of the reverse-path.
    pub reverse_path: Option<Mailbox>,
    /// The name of a route of the configuration.
    pub route: Option<String>,
    /// Why the message waits until somebody releases it: one printable line.
    pub hold: Option<String>,
}

impl Effects {
    /// True when nothing is to be done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// One line for each, for people. Example: `route to "archive"`.
    pub fn lines(&self) -> Vec<String> {
        let edit = |edit: &Edit| match edit {
            Edit::Remove(name) => format!("remove header {name}"),
            Edit::Add(field) => format!("add header {}: {}", field.name(), field.value()),
            Edit::AddMissing(field) => {
                format!(
                    "add header {}: {} (if missing)",
                    field.name(),
                    field.value()
                )
            }
        };
        let path = self.reverse_path.iter();
        let route = self.route.iter();
        let hold = self.hold.iter();
        self.edits
            .iter()
            .map(edit)
            .chain(path.map(|path| format!("replace reverse-path with <{path}>")))
            .chain(route.map(|name| format!("route to \"{name}\"")))
            .chain(hold.map(|reason| format!("hold: {reason}")))
            .collect()
    }

    /// Adds what a later policy wants.
    pub(super) fn extend(&mut self, later: Self) {
        self.edits.extend(later.edits);
        self.subject = later.subject.or(self.subject.take());
        self.reverse_path = later.reverse_path.or(self.reverse_path.take());
        self.route = later.route.or(self.route.take());
        if let Some(reason) = later.hold {
            self.hold(&reason);
        }
    }

    fn hold(&mut self, reason: &str) {
        let all = match &self.hold {
            Some(known) => format!("{known}; {reason}"),
            None => reason.to_owned(),
        };
        self.hold = Some(printable(&all, MAX_REASONS_OCTETS));
    }
}

/// What a policy is asked about, as far as it can be changed.
#[derive(Debug, Clone)]
pub(super) enum Matter {
    /// The message, with its envelope.
    Message(Arc<types::Message>),
    /// The argument of MAIL; there is no message yet.
    Sender(Option<Address>),
    /// A recipient; likewise.
    Recipient,
}

/// A message and its envelope as one policy leaves them. Copied when something changes, not before.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub session: Arc<types::Session>,
    pub envelope: Arc<types::Envelope>,
    pub matter: Matter,
    pub effects: Effects,
    /// True once From is what a policy wrote.
    is_from_written: bool,
    effects_used: u32,
    octets_used: usize,
}

impl Draft {
    /// As it is before the first policy.
    pub fn new(
        session: Arc<types::Session>,
        envelope: Arc<types::Envelope>,
        matter: Matter,
    ) -> Self {
        Self {
            session,
            envelope,
            matter,
            effects: Effects::default(),
            is_from_written: false,
            effects_used: 0,
            octets_used: 0,
        }
    }

    /// What the next policy begins with.
    pub fn next(&self) -> Self {
        let (session, envelope) = (self.session.clone(), self.envelope.clone());
        Self {
            is_from_written: self.is_from_written,
            ..Self::new(session, envelope, self.matter.clone())
        }
    }

    fn add_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.spend(name.len() + value.len())?;
        let field = NewField::text(name, value).map_err(composing)?;
        if is_forbidden(name) {
            return Err(forbidden(name));
        }
        let is_once = ONCE.iter().any(|once| once.eq_ignore_ascii_case(name));
        let message = self.message()?;
        if is_once && has(message, name) {
            let text = format!(
                "the message has the field {name}, which may be there once; remove it first"
            );
            return Err(error("exists", text));
        }
        show_added(message, &field);
        if name.eq_ignore_ascii_case("Subject") {
            self.effects.subject = Some(message.subject.clone());
        }
        // Where the policy was shown a part of the header, the field may be in the rest.
        let edit = if is_once {
            Edit::AddMissing(field)
        } else {
            Edit::Add(field)
        };
        self.effects.edits.push(edit);
        Ok(())
    }

    fn remove_header(&mut self, name: &str) -> Result<(), Error> {
        self.spend(name.len())?;
        if !is_field_name(name) {
            return Err(composing(ComposeError::Name));
        }
        let is_sender = name.eq_ignore_ascii_case("Sender");
        if is_forbidden(name) && !is_sender {
            return Err(forbidden(name));
        }
        let is_from_written = self.is_from_written;
        let message = self.message()?;
        message
            .headers
            .retain(|header| !header.name.eq_ignore_ascii_case(name));
        if is_sender {
            message.header_sender.clear();
            if is_from_written {
                message.originators = Originators::Complete;
            }
        }
        if name.eq_ignore_ascii_case("Subject") {
            message.subject.clear();
            self.effects.subject = Some(String::new());
        }
        self.effects.edits.push(Edit::Remove(name.to_owned()));
        Ok(())
    }

    fn replace_from(&mut self, sender: &str, display_name: Option<String>) -> Result<(), Error> {
        self.spend(sender.len() + display_name.as_ref().map_or(0, String::len))?;
        let address = self.own_address(sender)?;
        if let Some(name) = &display_name
            && (name.len() > MAX_DISPLAY_NAME_OCTETS || name.contains(char::is_control))
        {
            let text = format!(
                "a display name has at most {MAX_DISPLAY_NAME_OCTETS} octets and no control characters"
            );
            return Err(error("bad-value", text));
        }
        let message = self.message()?;
        let author = only_author(message);
        let name = display_name.or_else(|| author.clone());
        let from = NewField::mailboxes("From", [(name.as_deref(), address.full.as_str())]);
        let from = from.ok_or_else(|| not_an_address(sender))?;
        let reply_to = if has(message, "Reply-To") {
            None
        } else {
            let authors = message.header_from.iter();
            let authors = authors.map(|one| (author.as_deref(), one.full.as_str()));
            NewField::mailboxes("Reply-To", authors)
        };
        show_from(message, &from, address);
        self.is_from_written = true;
        self.effects
            .edits
            .extend([Edit::Remove("From".to_owned()), Edit::Add(from)]);
        if let Some(field) = reply_to {
            show_added(self.message()?, &field);
            self.effects.edits.push(Edit::AddMissing(field));
        }
        Ok(())
    }

    fn replace_reverse_path(&mut self, sender: &str) -> Result<(), Error> {
        self.spend(sender.len())?;
        let address = self.own_address(sender)?;
        let mailbox: Mailbox = address.full.parse().map_err(|_| not_an_address(sender))?;
        let place = match &mut self.matter {
            Matter::Sender(argument) => argument,
            _ => &mut Arc::make_mut(&mut self.envelope).mail_from,
        };
        if place.is_none() {
            let text = "there is no reverse-path to replace: it is the null reverse-path";
            return Err(error("null-reverse-path", text));
        }
        *place = Some(address);
        if matches!(self.matter, Matter::Message(_)) {
            self.effects.reverse_path = Some(mailbox);
        }
        Ok(())
    }

    fn set_route(&mut self, name: &str, routes: &[String]) -> Result<(), Error> {
        self.spend(name.len())?;
        self.message()?;
        if !routes.iter().any(|route| route == name) {
            let text = format!(
                "there is no [[delivery.route]] called \"{}\"",
                printable(name, 64)
            );
            return Err(error("unknown-route", text));
        }
        self.effects.route = Some(name.to_owned());
        Ok(())
    }

    fn hold(&mut self, policy: &str, reason: &str) -> Result<(), Error> {
        self.spend(reason.len().min(MAX_REASON_OCTETS))?;
        self.message()?;
        let text = printable(reason, MAX_REASON_OCTETS);
        if text.trim().is_empty() {
            return Err(error("bad-value", "the reason of a hold must not be empty"));
        }
        self.effects.hold(&format!("{policy}: {}", text.trim()));
        Ok(())
    }

    /// The message to be changed; there is none at the other stages.
    fn message(&mut self) -> Result<&mut types::Message, Error> {
        match &mut self.matter {
            Matter::Message(message) => Ok(Arc::make_mut(message)),
            _ => Err(wrong_stage()),
        }
    }

    fn spend(&mut self, octets: usize) -> Result<(), Error> {
        self.effects_used = self.effects_used.saturating_add(1);
        self.octets_used = self.octets_used.saturating_add(octets);
        if self.effects_used > MAX_EFFECTS || self.octets_used > MAX_OCTETS {
            let text = format!(
                "an evaluation has at most {MAX_EFFECTS} effects with {MAX_OCTETS} octets in all"
            );
            return Err(error("too-many", text));
        }
        Ok(())
    }

    /// An address that the user may send as. The host has this one rule so that a policy that may
    /// rewrite cannot make somebody else of a user.
    fn own_address(&self, text: &str) -> Result<Address, Error> {
        let session = &self.session;
        let parsed = message::Address::parse(text).filter(|_| text.is_ascii());
        let address = parsed
            .map(|address| Address {
                full: address.full(),
                local_part: address.local_part,
                domain: address.domain,
            })
            .filter(|address| address.full.parse::<Mailbox>().is_ok())
            .ok_or_else(|| not_an_address(text))?;
        if is_own(&session.identity, &address) {
            return Ok(address);
        }
        let text = format!(
            "{} is not among the authorized senders and domains of {}",
            address.full, session.identity.username
        );
        Err(error("not-authorized", text))
    }
}

/// Whether the user's lists cover an address; both empty cover every one.
fn is_own(identity: &Identity, address: &Address) -> bool {
    let (domains, senders) = (&identity.authorized_domains, &identity.authorized_senders);
    let covers = |entry: &String| match entry.strip_prefix("*.") {
        Some(parent) => address
            .domain
            .strip_suffix(parent)
            .is_some_and(|below| below.ends_with('.')),
        None => *entry == address.domain,
    };
    domains.is_empty() && senders.is_empty()
        || domains.iter().any(covers)
        || senders
            .iter()
            .any(|entry| entry.to_lowercase() == address.full.to_lowercase())
}

fn is_forbidden(name: &str) -> bool {
    let begins = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    FORBIDDEN.iter().any(|one| one.eq_ignore_ascii_case(name))
        || FORBIDDEN_PREFIXES.into_iter().any(begins)
}

fn has(message: &types::Message, name: &str) -> bool {
    let mut headers = message.headers.iter();
    headers.any(|header| header.name.eq_ignore_ascii_case(name))
}

/// The display name of the only author, when there is one with a name.
fn only_author(message: &types::Message) -> Option<String> {
    let [_] = message.header_from.as_slice() else {
        return None;
    };
    let is_from = |header: &&types::Header| header.name.eq_ignore_ascii_case("From");
    let mut fields = message.headers.iter().filter(is_from);
    let (field, None) = (fields.next()?, fields.next()) else {
        return None;
    };
    let (name, _) = field.value.rsplit_once('<')?;
    let name = unquoted(name.trim());
    (!name.is_empty()).then_some(name)
}

/// What a quoted string quotes; other text is itself.
fn unquoted(text: &str) -> String {
    let inner = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return text.to_owned();
    };
    let mut content = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => content.extend(characters.next()),
            other => content.push(other),
        }
    }
    content
}

/// Shows later policies a field that was added.
fn show_added(message: &mut types::Message, field: &NewField) {
    let value = field.value();
    if field.name().eq_ignore_ascii_case("Subject") {
        message.subject = value.chars().take(MAX_SUBJECT_CHARACTERS).collect();
    }
    message.headers.push(types::Header {
        name: field.name().to_owned(),
        value,
    });
}

/// Shows later policies that a message is from somebody else. What could not be read of the Sender
/// field still cannot.
fn show_from(message: &mut types::Message, from: &NewField, address: Address) {
    let has_sender =
        has(message, "Sender") || !message.header_sender.is_empty() || message.truncated;
    message
        .headers
        .retain(|header| !header.name.eq_ignore_ascii_case("From"));
    show_added(message, from);
    message.header_from = vec![address];
    if message.originators == Originators::Missing || !has_sender {
        message.originators = Originators::Complete;
    }
}

pub(super) fn error(code: &str, message: impl Into<String>) -> Error {
    Error {
        code: code.to_owned(),
        message: message.into(),
    }
}

pub(super) fn wrong_stage() -> Error {
    error(
        "wrong-stage",
        "this can be done with a message alone, at the message stage",
    )
}

fn composing(problem: ComposeError) -> Error {
    let code = if problem.is_name() {
        "bad-name"
    } else {
        "bad-value"
    };
    error(code, problem.to_string())
}

fn forbidden(name: &str) -> Error {
    error(
        "forbidden",
        format!("the field {name} is not for policies to change"),
    )
}

fn not_an_address(text: &str) -> Error {
    let text = printable(text, 64);
    error(
        "bad-value",
        format!("\"{text}\" is not an address of US-ASCII characters"),
    )
}

impl State {
    /// What the policy is asked about; while it is loaded there is nothing.
    fn draft(&mut self) -> Result<&mut Draft, Error> {
        self.draft.as_mut().ok_or_else(wrong_stage)
    }
}

impl effects::Host for State {
    fn add_header(&mut self, name: String, value: String) -> Result<(), Error> {
        self.draft()?.add_header(&name, &value)
    }

    fn remove_header(&mut self, name: String) -> Result<(), Error> {
        self.draft()?.remove_header(&name)
    }

    fn replace_from(&mut self, sender: String, display_name: Option<String>) -> Result<(), Error> {
        self.draft()?.replace_from(&sender, display_name)
    }

    fn replace_reverse_path(&mut self, sender: String) -> Result<(), Error> {
        self.draft()?.replace_reverse_path(&sender)
    }

    fn set_route(&mut self, name: String) -> Result<(), Error> {
        let routes = Arc::clone(&self.resources.routes);
        self.draft()?.set_route(&name, &routes)
    }

    fn hold(&mut self, reason: String) -> Result<(), Error> {
        let policy = Arc::clone(&self.policy);
        self.draft()?.hold(&policy, &reason)
    }
}

#[cfg(test)]
mod tests;
