//! The queue: what waits, how it gets less, what is stopped, and what can be done to messages.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::Site;
use super::answer::{page_with, see_other};
use super::errors::{UiError, obstacle};
use super::fields::Fields;
use super::frame::{Flash, Frame};
use super::html;
use super::queue_ask::{self, ACTS};
use super::visit::{Visitor, as_query};
use crate::accounts::List;
use crate::admin::service::{
    Invalid, Progress, QueueCounts, QueueQuery, Running, ServiceError, StopRow,
};
use crate::clock::Timestamp;
use crate::queue::{MessageStatus, MessageSummary, StopScope};
use crate::store::QueuePage;

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/queue", get(queue))
        .route("/queue/change", post(queue_ask::change))
        .route("/queue/do", post(queue_ask::carry_out))
        .route("/queue/stop", post(stop))
        .route("/queue/start", post(start))
        .route("/lists/{id}/queue", get(queue))
        .route("/lists/{id}/queue/change", post(queue_ask::change))
        .route("/lists/{id}/queue/do", post(queue_ask::carry_out))
        .route("/lists/{id}/queue/stop", post(stop))
        .route("/lists/{id}/queue/start", post(start))
}

/// The list of the path; none on the page of all.
pub type OfList = Option<Path<i64>>;

/// A filter with a choice of its values.
const AGES: [(&str, &str); 7] = [
    ("", "Any age"),
    ("10m", "Older than 10 minutes"),
    ("1h", "Older than an hour"),
    ("6h", "Older than 6 hours"),
    ("1d", "Older than a day"),
    ("3d", "Older than 3 days"),
    ("7d", "Older than a week"),
];
const STATUSES: [(&str, &str); 5] = [
    ("", "Any status"),
    ("queued", "Queued"),
    ("deferred", "Deferred"),
    ("scheduled", "Scheduled"),
    ("held", "Held"),
];
/// Priorities as people call them, by number.
pub const PRIORITIES: [(&str, &str); 5] = [
    ("1", "1 - very high"),
    ("2", "2 - high"),
    ("3", "3 - normal"),
    ("4", "4 - low"),
    ("5", "5 - very low"),
];

#[derive(Template)]
#[template(path = "queue.html")]
struct QueueTemplate {
    frame: Frame,
    /// The path of the queue.
    base: String,
    is_all: bool,
    query: QueueQuery,
    /// The query without its page, as it stands behind a `?`.
    asked: String,
    found: QueuePage,
    counts: QueueCounts,
    progress: Option<Progress>,
    stops: Vec<StopRow>,
    running: Vec<Running>,
    invalid: Invalid,
    destination: String,
}

impl QueueTemplate {
    fn is_filtered(&self) -> bool {
        !self.query.pairs().is_empty()
    }

    /// The bar of a priority, in steps of a twentieth.
    fn share(&self, index: &usize) -> u64 {
        let all = self.by_priority();
        let most = all.iter().max().copied().unwrap_or(0).max(1);
        (all[*index] * 20).div_ceil(most)
    }

    fn by_priority(&self) -> [u64; 5] {
        match &self.counts.relay {
            Some(relay) => relay.by_priority,
            None => self.counts.census.by_priority,
        }
    }

    fn count_of(&self, index: &usize) -> u64 {
        self.by_priority()[*index]
    }

    /// When a message that waits for a time is due, also when it was tried before.
    fn due(&self, message: &MessageSummary) -> Option<Timestamp> {
        let until = message.meta.parameters.held_until;
        until.filter(|until| *until > Timestamp::now())
    }

    /// What is chosen to be stopped.
    fn chosen(&self) -> &'static str {
        if self.destination.is_empty() && self.invalid.of("destination").is_empty() {
            "all"
        } else {
            "destination"
        }
    }

    fn list_is_stopped(&self) -> bool {
        let is_list = |row: &StopRow| matches!(row.stop.scope, StopScope::List(_));
        !self.is_all && self.stops.iter().any(is_list)
    }

    fn all_is_stopped(&self) -> bool {
        self.stops
            .iter()
            .any(|row| row.stop.scope == StopScope::All)
    }
}

/// What a page of the queue is of.
pub struct Place {
    /// The list; none: all.
    pub list: Option<List>,
    /// The path of the page.
    pub base: String,
}

impl Place {
    /// The list by its number.
    pub fn id(&self) -> Option<i64> {
        self.list.as_ref().map(|list| list.id)
    }

    /// The frame of a page there.
    pub fn frame(&self, site: &Site, visitor: &Visitor, title: &str) -> Frame {
        match &self.list {
            Some(list) => site.list_frame(visitor, list, title, "queue"),
            None => site.frame(visitor, title, "queue"),
        }
    }

    /// The page with its filters, to come back to.
    pub fn back(&self, query: &QueueQuery) -> String {
        let asked = asked(query);
        let mark = if asked.is_empty() { "" } else { "?" };
        format!("{}{mark}{asked}", self.base)
    }
}

/// What the path is of, when it is theirs.
///
/// # Errors
/// It is not.
pub async fn place(site: &Site, visitor: &Visitor, list: OfList) -> Result<Place, UiError> {
    let Some(Path(id)) = list else {
        if !visitor.actor.is_operator() {
            return Err(ServiceError::Forbidden.into());
        }
        return Ok(Place {
            list: None,
            base: "/queue".to_owned(),
        });
    };
    let list = site.service.list(&visitor.actor, id).await?;
    Ok(Place {
        base: format!("/lists/{}/queue", list.id),
        list: Some(list),
    })
}

/// A query as it stands behind a `?`, without its page.
fn asked(query: &QueueQuery) -> String {
    let pairs = query.pairs().into_iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", as_query(value)))
        .collect();
    pairs.join("&")
}

async fn queue(
    State(site): State<Site>,
    visitor: Visitor,
    list: OfList,
    Query(query): Query<QueueQuery>,
) -> Result<Response, UiError> {
    let place = place(&site, &visitor, list).await?;
    show(
        &site,
        &visitor,
        &place,
        query,
        String::new(),
        Invalid::default(),
    )
    .await
}

async fn show(
    site: &Site,
    visitor: &Visitor,
    place: &Place,
    query: QueueQuery,
    destination: String,
    mut invalid: Invalid,
) -> Result<Response, UiError> {
    let (service, actor, list) = (&site.service, &visitor.actor, place.id());
    let found = match service.queue_page(actor, list, &query).await {
        Ok(found) => found,
        Err(ServiceError::Invalid(wrong)) => {
            invalid = wrong;
            QueuePage::default()
        }
        Err(error) => return Err(error.into()),
    };
    let counts = service.queue_counts(actor, list).await?;
    let status = if invalid.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    };
    let template = QueueTemplate {
        frame: place.frame(site, visitor, "Queue"),
        base: place.base.clone(),
        is_all: list.is_none(),
        asked: asked(&query),
        progress: service.queue_progress(list, &counts).await?,
        stops: service.stops(actor, list).await?,
        running: service.running_changes(actor, list),
        query,
        found,
        counts,
        invalid,
        destination,
    };
    Ok(page_with(status, &template))
}

async fn stop(
    State(site): State<Site>,
    visitor: Visitor,
    list: OfList,
    fields: Fields,
) -> Result<Response, UiError> {
    let place = place(&site, &visitor, list).await?;
    let name = fields.text("destination");
    let scope = match (place.id(), fields.text("what")) {
        (Some(id), _) => Some(StopScope::List(id)),
        (None, "destination") => StopScope::destination(name),
        (None, _) => Some(StopScope::All),
    };
    let Some(scope) = scope else {
        let mut invalid = Invalid::default();
        invalid.add(
            "destination",
            "write a domain like example.com, or smarthost, route:NAME or maildir",
        );
        let name = name.to_owned();
        return show(
            &site,
            &visitor,
            &place,
            QueueQuery::default(),
            name,
            invalid,
        )
        .await;
    };
    let reason = fields.text("reason");
    let is_new = site.service.stop(&visitor.actor, scope, reason).await?;
    let flash = if is_new {
        Flash::done(
            "Stopped. Transactions that run are finished, and no other begins until you start it again.",
        )
    } else {
        Flash::done("It was stopped already.")
    };
    Ok(visitor.visit.say(see_other(&place.base), &flash))
}

async fn start(
    State(site): State<Site>,
    visitor: Visitor,
    list: OfList,
    fields: Fields,
) -> Result<Response, UiError> {
    let place = place(&site, &visitor, list).await?;
    let Some(scope) = StopRow::scope(fields.text("scope")) else {
        return Err(ServiceError::not_found("stop").into());
    };
    let flash = match site.service.start(&visitor.actor, scope).await {
        Ok(()) => Flash::done("Started. What waited leaves now, the most urgent first."),
        Err(error) => obstacle(error)?,
    };
    Ok(visitor.visit.say(see_other(&place.base), &flash))
}

/// The query that a form carries along.
pub fn carried(fields: &Fields) -> QueueQuery {
    let text = |name: &str| fields.text(name).to_owned();
    QueueQuery {
        user: text("user"),
        sender: text("sender"),
        domain: text("domain"),
        priority: text("priority"),
        status: text("status"),
        age: text("age"),
        before: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_goes_along_in_links() {
        let query = QueueQuery {
            sender: "a&b@example.com".to_owned(),
            before: "abc".to_owned(),
            ..QueueQuery::default()
        };
        assert_eq!(asked(&query), "sender=a%26b%40example.com");
    }
}
