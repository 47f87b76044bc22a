//! Write a message: in the name of a user of the list, by the way of every message.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::Site;
use super::answer::{page, page_with, see_other};
use super::errors::UiError;
use super::fields::{Fields, File, Files};
use super::frame::{Flash, Frame};
use super::queue::PRIORITIES;
use super::visit::Visitor;
use super::{html, setup, words};
use crate::accounts::{List, User};
use crate::admin::service::{
    Attachment, Draft, Invalid, Person, ServiceError, Submitted, parse_moment,
};
use crate::clock::Timestamp;
use crate::operators::{Digest, Token};
use crate::queue::Priority;

/// Octets of a form that are not its files: text, and what stands between its parts.
const MORE_THAN_FILES: u64 = 256 * 1024;

/// Its path.
pub fn routes() -> Router<Site> {
    Router::new().route("/lists/{id}/write", get(write).post(send))
}

#[derive(Template)]
#[template(path = "write.html")]
struct WritePage {
    frame: Frame,
    list: List,
    /// Those of the first users that may send.
    users: Vec<User>,
    /// True when there are more than are shown.
    has_more_users: bool,
    form: Form,
    /// What tells this form from another that says the same.
    once: String,
    /// Files that it sent before, which a browser forgets.
    kept: Vec<File>,
    /// True when there were files, and they have to be chosen again.
    has_lost_files: bool,
    invalid: Invalid,
    /// What the relay answered.
    refusal: Option<String>,
    /// Octets of files that can go along.
    attachable: u64,
}

/// What stands in the form.
#[derive(Clone, Debug, Default)]
struct Form {
    user: String,
    from: String,
    to: String,
    subject: String,
    text: String,
    priority: String,
    send_at: String,
}

/// What a link to the page may say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Given {
    user: String,
}

impl Form {
    fn sent(fields: &Fields) -> Self {
        let text = |name: &str| fields.text(name).to_owned();
        Self {
            user: text("user"),
            from: text("from"),
            to: fields.raw("to").to_owned(),
            subject: text("subject"),
            text: fields.raw("text").to_owned(),
            priority: text("priority"),
            send_at: text("send_at"),
        }
    }

    /// What is to be sent, with what only a form can have wrong.
    fn draft(&self, files: &Files) -> Result<Draft, ServiceError> {
        let mut invalid = Invalid::default();
        let mut writers = Person::typed(&self.from);
        if writers.len() > 1 {
            invalid.add("from", "write one address; a message has one who writes");
        }
        if self.subject.is_empty() {
            invalid.add("subject", "write what it is about");
        }
        let priority = self.priority.parse().ok();
        if priority.is_none() {
            invalid.add("priority", "choose one of the five");
        }
        let send_at = self.moment(&mut invalid);
        let draft = Draft {
            username: self.user.clone(),
            from: writers.pop().unwrap_or_default(),
            to: Person::typed(&self.to),
            subject: self.subject.clone(),
            text: Some(self.text.clone()),
            attachments: files.all().iter().map(attachment).collect(),
            priority,
            send_at,
            ..Draft::default()
        };
        invalid.into_result().map(|()| draft)
    }

    fn moment(&self, invalid: &mut Invalid) -> Option<Timestamp> {
        if self.send_at.is_empty() {
            return None;
        }
        let read = parse_moment(&self.send_at);
        match read {
            None => invalid.add("send_at", "write a time in UTC like 2026-11-24 06:00"),
            Some(at) if at < Timestamp::now() => {
                let text = "this time is over; choose a later one, or leave it empty for now";
                invalid.add("send_at", text);
            }
            Some(_) => {}
        }
        read
    }

    /// What tells it from other forms: the session, the page it stood on, and everything in it.
    fn digest(&self, session: Digest, once: &str, files: &Files) -> Digest {
        let mut all = session.octets().to_vec();
        let mut add = |octets: &[u8]| all.extend_from_slice(Digest::of(octets).octets());
        let texts = [
            once,
            &self.user,
            &self.from,
            &self.to,
            &self.subject,
            &self.text,
            &self.priority,
            &self.send_at,
        ];
        texts.iter().for_each(|text| add(text.as_bytes()));
        for file in files.all() {
            add(file.name.as_bytes());
            add(&file.octets);
        }
        Digest::of(&all)
    }
}

fn attachment(file: &File) -> Attachment {
    // Without parameters, which browsers do not know either.
    let media_type = file.media_type.split(';').next().unwrap_or_default();
    Attachment {
        name: file.name.clone(),
        media_type: media_type.trim().to_owned(),
        content: file.octets.to_vec(),
    }
}

async fn write(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(given): Query<Given>,
) -> Result<Response, UiError> {
    let form = Form {
        user: given.user,
        priority: Priority::Normal.to_string(),
        ..Form::default()
    };
    let mut made = write_page(&site, &visitor, id, form, Invalid::default(), None).await?;
    made.prefill();
    Ok(page(&made))
}

async fn send(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    fields: Fields,
    files: Files,
) -> Result<Response, UiError> {
    let form = Form::sent(&fields);
    let session = visitor.signed.session.digest;
    let (files, has_lost_files) = with_kept(&site, session, &fields, files);
    // They are sent by themselves; those of this form are kept if it is not accepted.
    let sent = files.all().to_vec();
    let submitted = match has_lost_files {
        true => Err(lost_files()),
        false => submit(&site, &visitor, id, &form, &fields, files).await,
    };
    let (invalid, refusal) = match submitted {
        Ok(Submitted::Queued(message)) => {
            let text = match form.send_at.is_empty() {
                true => "The message is in the queue. This page shows its way.",
                false => "The message is in the queue, and leaves at its time.",
            };
            let response = see_other(&format!("/messages/{message}"));
            return Ok(visitor.visit.say(response, &Flash::done(text)));
        }
        Ok(Submitted::Refused(reply)) => (Invalid::default(), Some(reply)),
        Err(ServiceError::Invalid(invalid)) => (invalid, None),
        Err(ServiceError::Conflict(text)) => {
            let mut invalid = Invalid::default();
            invalid.add("user", text);
            (invalid, None)
        }
        Err(error) => return Err(error.into()),
    };
    let mut made = write_page(&site, &visitor, id, form, invalid, refusal).await?;
    made.keep(&site, session, sent, has_lost_files);
    Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &made))
}

/// The files of the form, and those of an earlier one that are still ticked; true when some of these are gone.
fn with_kept(site: &Site, session: Digest, fields: &Fields, files: Files) -> (Files, bool) {
    let ticked = fields.all("kept");
    if ticked.is_empty() {
        return (files, false);
    }
    let waiting = site.kept.of(session, fields.text("once"));
    let places = ticked.iter().map(|place| place.parse::<usize>().ok());
    let earlier = places.map(|place| waiting.get(place?).cloned());
    match earlier.collect::<Option<Vec<File>>>() {
        Some(earlier) => (files.after(earlier), false),
        None => (files, true),
    }
}

/// Never is a message sent without files that stood in its form.
fn lost_files() -> ServiceError {
    let text = "the files of before are no longer here; choose them again";
    ServiceError::invalid("attachments", text)
}

async fn submit(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    form: &Form,
    fields: &Fields,
    files: Files,
) -> Result<Submitted, ServiceError> {
    // What is not theirs is not found, whatever stands in the form.
    site.service.list(&visitor.actor, id).await?;
    let draft = form.draft(&files)?;
    let session = visitor.signed.session.digest;
    let once = match fields.text("once") {
        // Without it every form is one of its own.
        "" => Token::generate().expose().to_owned(),
        once => once.to_owned(),
    };
    let digest = form.digest(session, &once, &files);
    let (service, actor, client) = (
        site.service.clone(),
        visitor.actor.clone(),
        visitor.visit.client,
    );
    let sending = async move {
        let sent = service.send_in_list(&actor, id, client, draft).await;
        // Their turn lasts until the message is made.
        drop(files);
        sent
    };
    site.twice.send(digest, sending).await
}

async fn write_page(
    site: &Site,
    visitor: &Visitor,
    id: i64,
    form: Form,
    invalid: Invalid,
    refusal: Option<String>,
) -> Result<WritePage, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let found = site.service.users(&visitor.actor, id, "", 1).await?;
    let mut users = found.users;
    users.retain(|user| user.active || *user.username == form.user);
    let max_upload = site.config.max_upload_octets as u64;
    let attachable = max_upload.saturating_sub(MORE_THAN_FILES);
    Ok(WritePage {
        frame: site.list_frame(visitor, &list, "Write a message", "write"),
        list,
        users,
        has_more_users: found.has_next,
        form,
        once: Token::generate().expose().to_owned(),
        kept: Vec::new(),
        has_lost_files: false,
        invalid,
        refusal,
        attachable: attachable.min(site.service.attachable()),
    })
}

impl WritePage {
    fn nobody_can_send(&self) -> bool {
        self.users.is_empty() && !self.has_more_users
    }

    /// Whose name it is sent in, when that is clear, and an address of theirs.
    fn prefill(&mut self) {
        if let [only] = self.users.as_slice()
            && !self.has_more_users
        {
            self.form.user.clone_from(&only.username);
        }
        let chosen = self
            .users
            .iter()
            .find(|user| user.username == self.form.user);
        self.form.from = chosen.and_then(setup::sender).unwrap_or_default();
    }

    /// Keeps the files that were sent for when this page's form is.
    fn keep(&mut self, site: &Site, session: Digest, sent: Vec<File>, has_lost_files: bool) {
        let octets: usize = sent.iter().map(|file| file.octets.len()).sum();
        // What is too much for a message would only be in the way of its mending.
        let fits = octets as u64 <= self.attachable;
        let is_kept = sent.is_empty() || (fits && site.kept.keep(session, &self.once, &sent));
        self.has_lost_files = has_lost_files || !is_kept;
        if is_kept {
            self.kept = sent;
        }
    }
}
