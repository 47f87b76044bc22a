//! Makes a message of its parts, what a program or a person writes without a mail program, and sends it.

use std::net::IpAddr;

use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::raw::Raw;

use super::{Invalid, Outgoing, Person, Service, ServiceError, Submitted};
use crate::clock::Timestamp;
use crate::operators::{Actor, Token};
use crate::queue::Priority;
use crate::smtp::Mailbox;

/// Characters of a subject, a name of a person or of a file. Default 998, a line of RFC 5322 §2.1.1.
const MAX_LINE_CHARACTERS: usize = 998;
/// Octets of a media type. Default 127: twice what RFC 6838 §4.2 asks for is not needed by anything registered.
const MAX_MEDIA_TYPE_OCTETS: usize = 127;
/// Characters of what is no address that are repeated to who wrote it. Default 100.
const MAX_SHOWN_CHARACTERS: usize = 100;
/// Octets that a message is granted beside its files.
const MORE_THAN_FILES: u64 = 256 * 1024;
/// What a file is that says nothing of itself.
const OCTETS: &str = "application/octet-stream";

/// A file that goes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// Its media type; empty: octets.
    pub media_type: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// A message before it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The user in whose name it is sent.
    pub username: String,
    /// Who writes.
    pub from: Person,
    /// To whom.
    pub to: Vec<Person>,
    /// Who else may know.
    pub cc: Vec<Person>,
    /// Who else gets it, which nobody is told.
    pub bcc: Vec<Person>,
    /// Where answers go; none: to who writes.
    pub reply_to: Option<Person>,
    /// What it is about.
    pub subject: String,
    /// As text.
    pub text: Option<String>,
    /// As HTML.
    pub html: Option<String>,
    /// What goes along.
    pub attachments: Vec<Attachment>,
    /// How urgent it is; none: as the user's mail is.
    pub priority: Option<Priority>,
    /// When it is to be sent; none: now.
    pub send_at: Option<Timestamp>,
}

impl Service {
    /// Sends a message in the name of a user, through everything that its own mail meets.
    ///
    /// # Errors
    /// [`ServiceError::Invalid`], also when there is no such user; [`ServiceError::Conflict`] when it is not active.
    pub async fn send(
        &self,
        actor: &Actor,
        client: IpAddr,
        draft: Draft,
    ) -> Result<Submitted, ServiceError> {
        self.send_as(actor, None, client, draft).await
    }

    /// The same in the name of a user of this list alone.
    ///
    /// # Errors
    /// As [`Service::send`], and [`ServiceError::NotFound`].
    pub async fn send_in_list(
        &self,
        actor: &Actor,
        list_id: i64,
        client: IpAddr,
        draft: Draft,
    ) -> Result<Submitted, ServiceError> {
        self.list(actor, list_id).await?;
        self.send_as(actor, Some(list_id), client, draft).await
    }

    async fn send_as(
        &self,
        actor: &Actor,
        list: Option<i64>,
        client: IpAddr,
        draft: Draft,
    ) -> Result<Submitted, ServiceError> {
        let found = self.store().user_by_name(&draft.username).await?;
        let user = found.filter(|user| {
            actor.reaches(user.list_id) && list.is_none_or(|list| list == user.list_id)
        });
        let mut invalid = Invalid::default();
        if user.is_none() {
            invalid.add("user", "there is no such user");
        }
        let sending = self.outgoing(draft, invalid);
        let (outgoing, user) = (
            sending?,
            user.ok_or_else(|| ServiceError::not_found("user"))?,
        );
        self.submit(actor, user.list_id, &user.username, client, outgoing)
            .await
    }

    /// Octets of files that can go along with one message: base64 makes three of them four, in lines of 76.
    pub fn attachable(&self) -> u64 {
        let all = self.rooms.message.octets;
        (all / 100 * 72).saturating_sub(MORE_THAN_FILES)
    }

    /// With everything that is wrong beside what is known to be.
    fn outgoing(&self, draft: Draft, mut invalid: Invalid) -> Result<Outgoing, ServiceError> {
        let sender = path("from", &draft.from, &mut invalid);
        let recipients = self.recipients(&draft, &mut invalid);
        check(&draft, &mut invalid);
        self.check_time(&draft, &mut invalid);
        invalid.into_result()?;
        let send_at = draft.send_at;
        let content = content(draft, &self.relay().hostname)?;
        if content.len() as u64 > self.rooms.message.octets {
            let max = self.rooms.message.octets;
            let message = format!("the whole message may have {max} octets");
            return Err(ServiceError::invalid("attachments", message));
        }
        Ok(Outgoing {
            sender: sender.ok_or_else(|| ServiceError::not_found("sender"))?,
            recipients,
            content,
            send_at,
        })
    }

    /// Everybody once.
    fn recipients(&self, draft: &Draft, invalid: &mut Invalid) -> Vec<Mailbox> {
        let mut recipients: Vec<Mailbox> = Vec::new();
        let fields = [("to", &draft.to), ("cc", &draft.cc), ("bcc", &draft.bcc)];
        for (field, people) in fields {
            for person in people {
                let path = path(field, person, invalid);
                recipients.extend(path.filter(|path| !recipients.contains(path)));
            }
        }
        let max = self.rooms.message.recipients;
        if fields.iter().all(|(_, people)| people.is_empty()) {
            invalid.add("to", "name one recipient at least");
        } else if recipients.len() > max {
            invalid.add("to", format!("a message may have {max} recipients"));
        }
        recipients
    }

    fn check_time(&self, draft: &Draft, invalid: &mut Invalid) {
        let latest = Timestamp::now() + self.rooms.message.hold;
        if draft.send_at.is_some_and(|at| at > latest) {
            invalid.add("send_at", format!("the latest time is {latest}"));
        }
    }
}

/// The path of a person, when it is one.
fn path(field: &'static str, person: &Person, invalid: &mut Invalid) -> Option<Mailbox> {
    check_line(field, &person.name, invalid);
    let parsed = Mailbox::parse_utf8(&person.address);
    if parsed.is_err() {
        let message = match person.address.as_str() {
            "" => "write an address like info@example.com".to_owned(),
            other => format!("{} is not an address like info@example.com", shown(other)),
        };
        invalid.add(field, message);
    }
    parsed.ok()
}

/// What somebody has typed, as it can be shown.
fn shown(typed: &str) -> String {
    let few: String = typed.chars().take(MAX_SHOWN_CHARACTERS).collect();
    format!("`{}`", few.replace(char::is_control, " ").replace('`', "'"))
}

/// What would make another message of it than was meant.
fn check(draft: &Draft, invalid: &mut Invalid) {
    check_line("subject", &draft.subject, invalid);
    if let Some(person) = &draft.reply_to {
        path("reply_to", person, invalid);
    }
    if draft.text.is_none() && draft.html.is_none() {
        invalid.add("text", "write a text, or HTML, or both");
    }
    for file in &draft.attachments {
        check_line("attachments", &file.name, invalid);
        if file.name.is_empty() {
            invalid.add("attachments", "give every file a name");
        }
        if !file.media_type.is_empty() && !is_media_type(&file.media_type) {
            let message = "a media type looks like `application/pdf`";
            invalid.add("attachments", message);
        }
    }
}

fn check_line(field: &'static str, text: &str, invalid: &mut Invalid) {
    if text.chars().any(char::is_control) || text.chars().count() > MAX_LINE_CHARACTERS {
        let message = format!("use one line of {MAX_LINE_CHARACTERS} characters at most");
        invalid.add(field, message);
    }
}

/// RFC 6838 §4.2, without parameters.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_usable = |octet: u8| octet.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&octet);
        !name.is_empty() && name.bytes().all(is_usable)
    };
    let halves = text.split_once('/');
    text.len() <= MAX_MEDIA_TYPE_OCTETS
        && halves.is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
        && !text.starts_with("multipart/")
}

/// Header section and body, with CRLF.
fn content(draft: Draft, hostname: &str) -> Result<Vec<u8>, ServiceError> {
    let id = format!("{}@{hostname}", Token::generate().expose());
    let mut message = MessageBuilder::new()
        .message_id(id)
        .from(address(draft.from))
        .subject(draft.subject);
    for (name, people) in [("To", draft.to), ("Cc", draft.cc)] {
        if !people.is_empty() {
            let people = people.into_iter().map(address).collect();
            message = message.header(name, Address::new_list(people));
        }
    }
    if let Some(person) = draft.reply_to {
        message = message.reply_to(address(person));
    }
    if let Some(priority) = draft.priority {
        message = message.header("X-Priority", Raw::new(priority.number().to_string()));
    }
    if let Some(text) = draft.text {
        message = message.text_body(text);
    }
    if let Some(html) = draft.html {
        message = message.html_body(html);
    }
    for file in draft.attachments {
        // RFC 2046 §5.2.1: a message is never in base64, so as a file it is octets.
        let is_unsaid = file.media_type.is_empty() || file.media_type.starts_with("message/");
        let kind = match is_unsaid {
            true => OCTETS.to_owned(),
            false => file.media_type,
        };
        message = message.attachment(kind, file.name, file.content);
    }
    let written = message.write_to_vec();
    written.map_err(|error| ServiceError::Unavailable(format!("cannot write the message: {error}")))
}

fn address(person: Person) -> Address<'static> {
    let name = Some(person.name).filter(|name| !name.is_empty());
    Address::new_address(name, person.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(address: &str) -> Person {
        Person {
            name: String::new(),
            address: address.to_owned(),
        }
    }

    fn draft() -> Draft {
        Draft {
            username: "s1_1".to_owned(),
            from: Person {
                name: "Anna Müller".to_owned(),
                ..person("anna@example.com")
            },
            to: vec![person("b@example.net"), person("c@example.net")],
            bcc: vec![person("hidden@example.net")],
            subject: "Grüße".to_owned(),
            text: Some("Hello.\nAgain.\n".to_owned()),
            priority: Some(Priority::High),
            ..Draft::default()
        }
    }

    fn problems(draft: &Draft) -> Vec<&'static str> {
        let mut invalid = Invalid::default();
        check(draft, &mut invalid);
        path("from", &draft.from, &mut invalid);
        invalid.problems().iter().map(|one| one.field).collect()
    }

    #[test]
    fn a_message_has_what_was_written_and_nobody_hidden() {
        let written = content(draft(), "relay.example.com").expect("it can be written");
        let text = String::from_utf8(written).expect("text");
        assert!(text.contains("X-Priority: 2\r\n"), "{text}");
        assert!(text.contains("<anna@example.com>"), "{text}");
        assert!(text.contains("@relay.example.com>"), "{text}");
        assert!(text.contains("Hello.\r\nAgain.\r\n"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
        assert!(text.is_ascii(), "{text}");
        let bare = text.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "{text:?}");
    }

    #[test]
    fn no_header_field_can_be_smuggled_in() {
        let line = "x\r\nBcc: c@example.net";
        let mut smuggling = draft();
        smuggling.subject = line.to_owned();
        smuggling.from.name = line.to_owned();
        smuggling.attachments = vec![Attachment {
            name: line.to_owned(),
            media_type: format!("text/plain{line}"),
            content: Vec::new(),
        }];
        assert_eq!(
            problems(&smuggling),
            ["subject", "attachments", "attachments", "from"]
        );
        assert!(problems(&draft()).is_empty());
    }

    #[test]
    fn a_message_that_is_a_file_is_octets() {
        let mut forwarding = draft();
        forwarding.attachments = vec![Attachment {
            name: "old.eml".to_owned(),
            media_type: "message/rfc822".to_owned(),
            content: b"Subject: old\r\n\r\nOld.\r\n".to_vec(),
        }];
        let written = content(forwarding, "relay.example.com").expect("it can be written");
        let text = String::from_utf8(written).expect("text");
        assert!(
            text.contains("Content-Type: application/octet-stream"),
            "{text}"
        );
        assert!(!text.contains("message/rfc822"), "{text}");
    }

    #[test]
    fn a_media_type_has_two_names() {
        for good in ["text/plain", "application/vnd.ms-excel", "image/svg+xml"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "text/pl ain",
            "multipart/mixed",
            "text/a;b=c",
        ] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
