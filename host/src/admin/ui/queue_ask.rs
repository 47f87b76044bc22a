//! What is done to messages of the queue: at once where it can be undone and is of one message, else after a page
//! that says how many it concerns.

use std::str::FromStr;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Site;
use super::answer::{page, page_with, see_other};
use super::errors::{UiError, obstacle};
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::queue::{OfList, PRIORITIES, Place, carried, place};
use super::visit::Visitor;
use crate::admin::service::{Changed, Invalid, QueueQuery, Selected, ServiceError, parse_moment};
use crate::clock::Timestamp;
use crate::id::QueueId;
use crate::queue::{Command, Concerned, OrderKind, Priority};
use crate::store::Counted;

/// Something that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// Its word in forms.
    pub word: &'static str,
    /// What its button says.
    pub name: &'static str,
    kind: OrderKind,
}

/// All that can be done.
pub const ACTS: [Act; 6] = [
    act("hold", "Hold", OrderKind::Hold),
    act("release", "Release", OrderKind::Release),
    act("retry", "Retry now", OrderKind::Retry),
    act("priority", "Change priority", OrderKind::Reprioritize),
    act("schedule", "Schedule", OrderKind::Schedule),
    act("delete", "Delete", OrderKind::Delete),
];

const fn act(word: &'static str, name: &'static str, kind: OrderKind) -> Act {
    Act { word, name, kind }
}

impl Act {
    fn of(word: &str) -> Option<Self> {
        ACTS.into_iter().find(|one| one.word == word)
    }

    /// What is asked of the store to count; details do not matter for it.
    fn to_count(self, fields: &Fields) -> Command {
        match self.kind {
            OrderKind::Hold => Command::Hold(String::new()),
            OrderKind::Release => Command::Release,
            OrderKind::Retry => Command::Retry,
            OrderKind::Delete => Command::Delete,
            OrderKind::Schedule => Command::Schedule(Timestamp::now()),
            OrderKind::Reprioritize => {
                Command::Reprioritize(read_priority(fields).unwrap_or(Priority::Normal))
            }
        }
    }

    /// What the form says in full.
    fn command(self, fields: &Fields) -> Result<Command, ServiceError> {
        Ok(match self.kind {
            OrderKind::Hold => Command::Hold(fields.text("reason").to_owned()),
            OrderKind::Release => Command::Release,
            OrderKind::Retry => Command::Retry,
            OrderKind::Delete => Command::Delete,
            OrderKind::Reprioritize => {
                let read = read_priority(fields);
                let wrong = || ServiceError::invalid("to", "choose a priority");
                Command::Reprioritize(read.ok_or_else(wrong)?)
            }
            OrderKind::Schedule => {
                let wrong = || {
                    let text =
                        "write a time in UTC like 2026-11-24 06:00, or leave it empty for now";
                    ServiceError::invalid("at", text)
                };
                let text = fields.text("at");
                let read = if text.is_empty() {
                    Some(Timestamp::now())
                } else {
                    parse_moment(text)
                };
                Command::Schedule(read.ok_or_else(wrong)?)
            }
        })
    }

    /// The question of the asking page.
    fn question(self, what: &str) -> String {
        match self.kind {
            OrderKind::Hold => format!("Hold {what}?"),
            OrderKind::Release => format!("Release {what}?"),
            OrderKind::Retry => format!("Try {what} again now?"),
            OrderKind::Delete => format!("Delete {what}?"),
            OrderKind::Reprioritize => format!("Change the priority of {what}?"),
            OrderKind::Schedule => format!("Schedule {what}?"),
        }
    }

    /// What comes of it.
    const fn consequence(self) -> &'static str {
        match self.kind {
            OrderKind::Hold => {
                "They wait until somebody releases them. Their time goes on: what nobody releases is given up \
                 in the end, and its sender told."
            }
            OrderKind::Release => "They leave now, the most urgent first.",
            OrderKind::Retry => {
                "What waits for another attempt is due now, whatever the next hop said before."
            }
            OrderKind::Delete => {
                "They are withdrawn from every recipient that was not served. Nobody is told, and it cannot be undone."
            }
            OrderKind::Reprioritize => "The more urgent goes first, from the next message on.",
            OrderKind::Schedule => {
                "They are not tried before that time. Without a deadline of its own a message has as much time from \
                 then on as it had."
            }
        }
    }

    /// What was done, for the next page.
    fn done(self, concerned: Concerned) -> String {
        let messages = messages(concerned.messages);
        match self.kind {
            OrderKind::Hold => format!("{messages} held."),
            OrderKind::Release => format!("{messages} released."),
            OrderKind::Retry => format!("{messages} made due now."),
            OrderKind::Delete => format!("{messages} deleted."),
            OrderKind::Reprioritize => format!("The priority of {messages} was changed."),
            OrderKind::Schedule => format!("{messages} scheduled."),
        }
    }

    fn is_delete(&self) -> bool {
        self.kind == OrderKind::Delete
    }
}

#[derive(Template)]
#[template(path = "queue_ask.html")]
struct AskPage {
    frame: Frame,
    act: Act,
    question: String,
    counted: Counted,
    action: String,
    cancel: String,
    /// Those that are named; none: all that are found.
    ids: Vec<QueueId>,
    query: QueueQuery,
    invalid: Invalid,
    reason: String,
    to: String,
    at: String,
}

/// Asks, or does at once what is of one message and can be undone.
pub async fn change(
    State(site): State<Site>,
    visitor: Visitor,
    list: OfList,
    fields: Fields,
) -> Result<Response, UiError> {
    let place = place(&site, &visitor, list).await?;
    if let Some((word, id)) = fields.text("one").split_once(':') {
        return one(&site, &visitor, &place, &fields, word, id).await;
    }
    let selected = selected(&fields);
    let Some(act) = Act::of(fields.text("do")) else {
        return Err(ServiceError::not_found("operation").into());
    };
    if selected == Selected::These(Vec::new()) {
        let flash = Flash::not_done("Tick messages first, or choose all that are found.");
        let response = see_other(&place.back(&carried(&fields)));
        return Ok(visitor.visit.say(response, &flash));
    }
    ask(
        &site,
        &visitor,
        &place,
        &fields,
        act,
        selected,
        Invalid::default(),
    )
    .await
}

/// Does what was asked.
pub async fn carry_out(
    State(site): State<Site>,
    visitor: Visitor,
    list: OfList,
    fields: Fields,
) -> Result<Response, UiError> {
    let place = place(&site, &visitor, list).await?;
    let Some(act) = Act::of(fields.text("do")) else {
        return Err(ServiceError::not_found("operation").into());
    };
    let selected = selected(&fields);
    run(&site, &visitor, &place, &fields, act, selected).await
}

/// The buttons of one row.
async fn one(
    site: &Site,
    visitor: &Visitor,
    place: &Place,
    fields: &Fields,
    word: &str,
    id: &str,
) -> Result<Response, UiError> {
    let (Some(act), Ok(id)) = (Act::of(word), QueueId::from_str(id)) else {
        return Err(ServiceError::not_found("message").into());
    };
    let selected = Selected::These(vec![id]);
    match act.kind {
        OrderKind::Hold | OrderKind::Release | OrderKind::Retry => {
            run(site, visitor, place, fields, act, selected).await
        }
        _ => {
            ask(
                site,
                visitor,
                place,
                fields,
                act,
                selected,
                Invalid::default(),
            )
            .await
        }
    }
}

async fn run(
    site: &Site,
    visitor: &Visitor,
    place: &Place,
    fields: &Fields,
    act: Act,
    selected: Selected,
) -> Result<Response, UiError> {
    let changed = match act.command(fields) {
        Ok(command) => {
            let (actor, list) = (&visitor.actor, place.id());
            site.service.change(actor, list, &selected, command).await
        }
        Err(error) => Err(error),
    };
    let flash = match changed {
        Ok(Changed::Done(concerned)) if concerned.messages == 0 => {
            Flash::not_done("Nothing was changed: what was meant stands elsewhere by now.")
        }
        Ok(Changed::Done(concerned)) => Flash::done(act.done(concerned)),
        Ok(Changed::GoesOn(concerned)) => Flash::done(format!(
            "{} and it goes on; this page shows how far it is.",
            act.done(concerned).trim_end_matches('.')
        )),
        Err(ServiceError::Invalid(invalid)) => {
            return ask(site, visitor, place, fields, act, selected, invalid).await;
        }
        Err(error) => obstacle(error)?,
    };
    let response = see_other(&place.back(&carried(fields)));
    Ok(visitor.visit.say(response, &flash))
}

async fn ask(
    site: &Site,
    visitor: &Visitor,
    place: &Place,
    fields: &Fields,
    act: Act,
    selected: Selected,
    invalid: Invalid,
) -> Result<Response, UiError> {
    let (actor, list) = (&visitor.actor, place.id());
    let command = act.to_count(fields);
    let counted = site.service.would_change(actor, list, &selected, &command);
    let counted = counted.await?;
    let query = carried(fields);
    let is_valid = invalid.is_empty();
    let template = AskPage {
        frame: place.frame(site, visitor, act.name),
        question: act.question(&counted_text(&counted, act)),
        act,
        counted,
        action: format!("{}/do", place.base),
        cancel: place.back(&query),
        ids: match selected {
            Selected::These(ids) => ids,
            Selected::Found(_) => Vec::new(),
        },
        query,
        invalid,
        reason: fields.text("reason").to_owned(),
        to: fields.text("to").to_owned(),
        at: fields.text("at").to_owned(),
    };
    Ok(if is_valid {
        page(&template)
    } else {
        page_with(axum::http::StatusCode::UNPROCESSABLE_ENTITY, &template)
    })
}

/// `3 messages`, `at least 20,000 messages`.
fn counted_text(counted: &Counted, act: Act) -> String {
    let count = counted.concerned.messages;
    // Which priority they have is not asked yet.
    let is_open = act.kind == OrderKind::Reprioritize;
    match (counted.is_cut, is_open) {
        (true, _) => format!("at least {}", messages(count)),
        (false, true) => "what is chosen".to_owned(),
        (false, false) => messages(count),
    }
}

fn selected(fields: &Fields) -> Selected {
    if fields.text("which") == "found" {
        return Selected::Found(carried(fields));
    }
    let ids = fields.all("id").iter();
    Selected::These(ids.filter_map(|text| text.parse().ok()).collect())
}

fn read_priority(fields: &Fields) -> Option<Priority> {
    fields.text("to").parse().ok()
}

/// `1 message`, `2 messages`.
fn messages(count: u64) -> String {
    match count {
        1 => "1 message".to_owned(),
        _ => format!("{count} messages"),
    }
}
