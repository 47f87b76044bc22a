//! Pages of statistics, the same as files, and a list's home.

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::Site;
use super::answer::page;
use super::errors::UiError;
use super::frame::Frame;
use super::visit::Visitor;
use super::{csv, html, words};
use crate::accounts::List;
use crate::admin::service::{NAMES_IN_A_FILE, NAMES_ON_A_PAGE, Statistics, Today};
use crate::statistics::{By, Dimension, KeyRow, WAIT_BOUNDS_S};

/// Their paths.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/statistics", get(of_all))
        .route("/statistics.csv", get(file_of_all))
        .route("/lists/{id}", get(home))
        .route("/lists/{id}/statistics", get(of_list))
        .route("/lists/{id}/statistics.csv", get(file_of_list))
}

/// What a page or file is about.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    by: By,
    table: Table,
}

/// What a file has a line for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Table {
    #[default]
    Time,
    Priority,
    User,
    Sender,
    Subject,
}

#[derive(Template)]
#[template(path = "statistics.html")]
struct StatisticsPage {
    frame: Frame,
    path: String,
    list: Option<List>,
    statistics: Statistics,
    chart: html::Html,
    names: Vec<Names>,
}

/// A table of users, senders or subjects.
struct Names {
    heading: &'static str,
    column: &'static str,
    table: &'static str,
    hint: &'static str,
    rows: Vec<KeyRow>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    list: List,
    today: Today,
    chart: html::Html,
}

async fn of_all(
    State(site): State<Site>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, UiError> {
    let statistics = site
        .service
        .statistics(&visitor.actor, None, wanted.by)
        .await?;
    Ok(page(&StatisticsPage {
        frame: site.frame(&visitor, "Statistics", "statistics"),
        path: "/statistics".to_owned(),
        list: None,
        chart: html::bars(statistics.by, &statistics.buckets),
        statistics,
        names: Vec::new(),
    }))
}

async fn of_list(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let statistics = site.service.statistics(&visitor.actor, Some(id), wanted.by);
    let statistics = statistics.await?;
    let mut names = Vec::new();
    for (dimension, heading, column, table, hint) in NAMES {
        let about = (wanted.by, dimension);
        let rows = site
            .service
            .statistics_by(&visitor.actor, id, about, NAMES_ON_A_PAGE);
        names.push(Names {
            heading,
            column,
            table,
            hint,
            rows: rows.await?,
        });
    }
    Ok(page(&StatisticsPage {
        frame: site.list_frame(&visitor, &list, "Statistics", "statistics"),
        path: format!("/lists/{id}/statistics"),
        list: Some(list),
        chart: html::bars(statistics.by, &statistics.buckets),
        statistics,
        names,
    }))
}

/// A dimension, its heading, its column, its name in addresses, and what is to be known of it.
type NamesOf = (
    Dimension,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);
const NAMES: [NamesOf; 3] = [
    (Dimension::User, "By user", "User", "user", ""),
    (Dimension::Sender, "By sender", "Sender", "sender", ""),
    (
        Dimension::Subject,
        "By subject",
        "Subject",
        "subject",
        "Numbers in a subject are shown as #, so that “Order 1” and “Order 2” are one line.",
    ),
];

async fn home(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, UiError> {
    let list = site.service.list(&visitor.actor, id).await?;
    let today = site.service.today(&visitor.actor, id).await?;
    Ok(page(&HomePage {
        frame: site.list_frame(&visitor, &list, "Home", "home"),
        chart: html::bars(By::Hour, &today.hours),
        list,
        today,
    }))
}

async fn file_of_all(
    State(site): State<Site>,
    visitor: Visitor,
    Query(wanted): Query<Wanted>,
) -> Result<Response, UiError> {
    let statistics = site
        .service
        .statistics(&visitor.actor, None, wanted.by)
        .await?;
    let rows = match wanted.table {
        Table::Priority => csv::by_priority(&statistics),
        _ => csv::by_time(&statistics),
    };
    Ok(file(&format!("gatepost-{}", wanted.by.name()), rows))
}

async fn file_of_list(
    State(site): State<Site>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, UiError> {
    let statistics = site.service.statistics(&visitor.actor, Some(id), wanted.by);
    let statistics = statistics.await?;
    let (name, dimension) = match wanted.table {
        Table::Time => ("time", None),
        Table::Priority => ("priority", None),
        Table::User => ("user", Some(Dimension::User)),
        Table::Sender => ("sender", Some(Dimension::Sender)),
        Table::Subject => ("subject", Some(Dimension::Subject)),
    };
    let rows = match dimension {
        Some(dimension) => {
            let about = (wanted.by, dimension);
            let rows = site
                .service
                .statistics_by(&visitor.actor, id, about, NAMES_IN_A_FILE);
            csv::by_name(name, &rows.await?)
        }
        None if wanted.table == Table::Priority => csv::by_priority(&statistics),
        None => csv::by_time(&statistics),
    };
    Ok(file(
        &format!("list-{id}-{}-{name}", wanted.by.name()),
        rows,
    ))
}

fn file(name: &str, rows: String) -> Response {
    let disposition = format!("attachment; filename=\"{name}.csv\"");
    let fields = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, disposition),
    ];
    (fields, rows).into_response()
}
