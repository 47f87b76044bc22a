//! Statistics: what happened to mail, by time and priority, and by user, sender and subject.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::access::Reader;
use super::page;
use super::problem::Problem;
use super::refusals::{BadRequest, NotThere, Refused};
use super::request::{Path, Query};
use crate::admin::service::{Statistics, Today};
use crate::clock::Timestamp;
use crate::queue::Priority;
use crate::statistics::{By, Dimension, KeyRow, Sums, WAIT_BOUNDS_S, Waits};

/// What time is divided by, and so how far back one looks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Division {
    /// The last 24 hours.
    Hour,
    /// The last 30 days.
    #[default]
    Day,
    /// The last 26 weeks, which begin on Monday.
    Week,
    /// The last 12 months.
    Month,
}

impl Division {
    const fn by(self) -> By {
        match self {
            Self::Hour => By::Hour,
            Self::Day => By::Day,
            Self::Week => By::Week,
            Self::Month => By::Month,
        }
    }

    const fn of(by: By) -> Self {
        match by {
            By::Hour => Self::Hour,
            By::Day => Self::Day,
            By::Week => Self::Week,
            By::Month => Self::Month,
        }
    }
}

/// Which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Time {
    /// `hour`: the last 24 hours. `day`, when it is left out: the last 30 days. `week`: the last 26 weeks, which begin on
    /// Monday. `month`: the last 12 months. All in UTC.
    #[param(inline)]
    by: Option<Division>,
}

/// Which time, and how many names.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct Names {
    /// `hour`, `day`, `week` or `month`, as of statistics by time.
    #[param(inline)]
    by: Option<Division>,
    /// Names at most, from 1 to 200; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// What names are of.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The user who submitted it.
    Users,
    /// The reverse-path.
    Senders,
    /// The subject; numbers in it are `#`.
    Subjects,
}

/// How much happened.
#[derive(Serialize, ToSchema)]
pub struct SumsDocument {
    /// Messages taken in.
    accepted: u64,
    /// Their recipients.
    recipients: u64,
    /// Their octets.
    octets: u64,
    /// Messages and commands that a policy refused for good.
    blocked: u64,
    /// Recipients whose next hop took the message.
    delivered: u64,
    /// Attempts after which another is made.
    deferred: u64,
    /// Recipients that were given up.
    bounced: u64,
}

/// What happened in one hour, day, week or month.
#[derive(Serialize, ToSchema)]
pub struct BucketDocument {
    /// When it begins.
    #[schema(format = DateTime)]
    from: String,
    /// How much happened in it.
    sums: SumsDocument,
}

/// Recipients that waited about as long.
#[derive(Serialize, ToSchema)]
pub struct WaitDocument {
    /// How long at most, in seconds; null: longer than all before.
    at_most_s: Option<u64>,
    /// How many.
    recipients: u64,
}

/// What happened to mail of one priority.
#[derive(Serialize, ToSchema)]
pub struct PriorityDocument {
    /// The priority, from 1 to 5.
    priority: u8,
    /// How much happened.
    sums: SumsDocument,
    /// How long recipients were in the queue until they were served.
    time_in_queue: Vec<WaitDocument>,
    /// All their waiting together, in milliseconds.
    waited_ms: u64,
}

/// What happened, by time and priority.
#[derive(Serialize, ToSchema)]
pub struct StatisticsDocument {
    /// What time is divided by.
    by: Division,
    /// When it begins.
    #[schema(format = DateTime)]
    from: String,
    /// When it ends.
    #[schema(format = DateTime)]
    until: String,
    /// All together.
    total: SumsDocument,
    /// Hour by hour, day by day, week by week or month by month, the oldest first, empty ones too.
    buckets: Vec<BucketDocument>,
    /// By priority, the most urgent first.
    priorities: Vec<PriorityDocument>,
}

/// What happened to mail of a user, a sender or a subject.
#[derive(Serialize, ToSchema)]
pub struct NameDocument {
    /// Its name; empty for all beyond those that are told apart.
    name: String,
    /// How much happened.
    sums: SumsDocument,
}

/// How a list is at this moment.
#[derive(Serialize, ToSchema)]
pub struct TodayDocument {
    /// What happened since midnight in UTC.
    sums: SumsDocument,
    /// Its messages in the queue.
    queued: u64,
    /// Whether there may be more of these.
    queued_is_at_least: bool,
}

const fn sums(sums: &Sums) -> SumsDocument {
    SumsDocument {
        accepted: sums.accepted,
        recipients: sums.recipients,
        octets: sums.octets,
        blocked: sums.blocked,
        delivered: sums.delivered,
        deferred: sums.deferred,
        bounced: sums.bounced,
    }
}

fn priority((priority, own, waits): &(Priority, Sums, Waits)) -> PriorityDocument {
    let bounds = WAIT_BOUNDS_S.into_iter().map(Some).chain([None]);
    let waited = bounds.zip(waits.buckets);
    PriorityDocument {
        priority: priority.number(),
        sums: sums(own),
        time_in_queue: waited
            .map(|(at_most_s, recipients)| WaitDocument {
                at_most_s,
                recipients,
            })
            .collect(),
        waited_ms: waits.total_ms,
    }
}

fn document(statistics: &Statistics) -> StatisticsDocument {
    let bucket = |(from, own): &(Timestamp, Sums)| BucketDocument {
        from: from.to_string(),
        sums: sums(own),
    };
    StatisticsDocument {
        by: Division::of(statistics.by),
        from: statistics.period.from.to_string(),
        until: statistics.period.until.to_string(),
        total: sums(&statistics.total),
        buckets: statistics.buckets.iter().map(bucket).collect(),
        priorities: statistics.priorities.iter().map(priority).collect(),
    }
}

async fn statistics(
    api: &Api,
    Reader(caller): Reader,
    list: Option<i64>,
    time: &Time,
) -> Result<Json<StatisticsDocument>, Problem> {
    let by = time.by.unwrap_or_default().by();
    let found = api.service.statistics(&caller.actor, list, by).await?;
    Ok(Json(document(&found)))
}

/// Tells what happened to all mail
///
/// Needs a token of an operator that is not narrowed to lists.
#[utoipa::path(
    get,
    path = "/statistics",
    operation_id = "show_statistics",
    tag = "Statistics",
    params(Time),
    responses(
        (status = 200, description = "By time and priority", body = StatisticsDocument),
        Refused,
        BadRequest,
    )
)]
pub async fn of_all(
    State(api): State<Api>,
    reader: Reader,
    Query(time): Query<Time>,
) -> Result<Json<StatisticsDocument>, Problem> {
    statistics(&api, reader, None, &time).await
}

/// Tells what happened to mail of a list
#[utoipa::path(
    get,
    path = "/lists/{list}/statistics",
    operation_id = "show_list_statistics",
    tag = "Statistics",
    params(("list" = i64, Path, description = "The number of the list"), Time),
    responses(
        (status = 200, description = "By time and priority", body = StatisticsDocument),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn of_list(
    State(api): State<Api>,
    reader: Reader,
    Path(list): Path<i64>,
    Query(time): Query<Time>,
) -> Result<Json<StatisticsDocument>, Problem> {
    statistics(&api, reader, Some(list), &time).await
}

/// Tells what happened to mail of a list by user, sender or subject
///
/// Those with the most first, on the whole days of the time that is asked for.
#[utoipa::path(
    get,
    path = "/lists/{list}/statistics/{of}",
    operation_id = "list_statistics_by",
    tag = "Statistics",
    params(
        ("list" = i64, Path, description = "The number of the list"),
        ("of" = inline(Of), Path, description = "What names are of: `users`, `senders` or `subjects`"),
        Names,
    ),
    responses(
        (status = 200, description = "Names with what happened", body = Vec<NameDocument>),
        Refused,
        NotThere,
        BadRequest,
    )
)]
pub async fn by_name(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path((list, of)): Path<(i64, Of)>,
    Query(names): Query<Names>,
) -> Result<Json<Vec<NameDocument>>, Problem> {
    let limit = page::limit(names.limit)?;
    let dimension = match of {
        Of::Users => Dimension::User,
        Of::Senders => Dimension::Sender,
        Of::Subjects => Dimension::Subject,
    };
    let about = (names.by.unwrap_or_default().by(), dimension);
    let service = &api.service;
    let rows = service.statistics_by(&caller.actor, list, about, limit);
    let name = |row: KeyRow| NameDocument {
        sums: sums(&row.sums),
        name: row.key,
    };
    Ok(Json(rows.await?.into_iter().map(name).collect()))
}

/// Tells how a list is at this moment
#[utoipa::path(
    get,
    path = "/lists/{list}/today",
    operation_id = "show_today",
    tag = "Statistics",
    params(("list" = i64, Path, description = "The number of the list")),
    responses(
        (status = 200, description = "Since midnight in UTC, and what waits", body = TodayDocument),
        Refused,
        NotThere,
    )
)]
pub async fn today(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(list): Path<i64>,
) -> Result<Json<TodayDocument>, Problem> {
    let today: Today = api.service.today(&caller.actor, list).await?;
    Ok(Json(TodayDocument {
        sums: sums(&today.sums),
        queued: today.queued.messages,
        queued_is_at_least: today.queued.is_cut,
    }))
}
