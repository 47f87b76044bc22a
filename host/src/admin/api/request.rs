//! Reads what is asked: documents, queries and paths, with problems that programs can read.

mod object;

use axum::body::{Bytes, HttpBody as _, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::SemaphorePermit;
use tokio::time::timeout;

use self::object::Object;
pub use self::object::{object, objects};
use super::Api;
use super::problem::Problem;

/// Octets of a body that waits for no turn.
const SMALL_BODY: u64 = 64 * 1024;

/// A JSON document.
pub struct Document<T>(pub T);

/// A JSON document with the octets it was written in.
pub struct Octets(pub Bytes);

/// The parameters behind `?`.
pub struct Query<T>(pub T);

/// The variable parts of the path.
pub struct Path<T>(pub T);

impl FromRequest<Api> for Octets {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        only_json(&request)?;
        let _turn = turn(request.body().size_hint().upper(), api).await?;
        let limit = api.config.max_api_body_octets;
        let whole = timeout(
            api.config.body_timeout(),
            to_bytes(request.into_body(), limit),
        );
        match whole.await {
            Ok(Ok(octets)) => Ok(Self(octets)),
            Ok(Err(_)) => {
                let detail = format!("a body may have {limit} octets");
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
            }
            Err(_) => {
                let detail = "the body did not come in time";
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
            }
        }
    }
}

/// Reads a document.
///
/// # Errors
/// It is no JSON, or not what is expected there.
pub fn read<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Problem> {
    let read: Result<Object<T>, _> = serde_json::from_slice(octets);
    read.map(|Object(document)| document).map_err(|error| {
        let status = match error.classify() {
            serde_json::error::Category::Data => StatusCode::UNPROCESSABLE_ENTITY,
            _ => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, format!("the document cannot be read: {error}"))
    })
}

impl<T: DeserializeOwned> FromRequest<Api> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let Octets(octets) = Octets::from_request(request, api).await?;
        read(&octets).map(Self)
    }
}

fn only_json(request: &Request) -> Result<(), Problem> {
    let field = request.headers().get(CONTENT_TYPE);
    let kind = field.and_then(|field| field.to_str().ok()).unwrap_or("");
    let kind = kind.split(';').next().unwrap_or("").trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "send the document as `Content-Type: application/json`";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail))
}

/// Large bodies, and those that do not say how large they are, take turns.
async fn turn(octets: Option<u64>, api: &Api) -> Result<Option<SemaphorePermit<'_>>, Problem> {
    if octets.is_some_and(|octets| octets <= SMALL_BODY) {
        return Ok(None);
    }
    let turn = timeout(api.config.body_timeout(), api.bodies.acquire()).await;
    match turn {
        Ok(Ok(turn)) => Ok(Some(turn)),
        _ => {
            let detail = "too many large documents come at the same time; try again in a moment";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        let read = read.map_err(|error: QueryRejection| {
            let text = error.body_text();
            Problem::new(StatusCode::BAD_REQUEST, text)
        });
        read.map(|axum::extract::Query(query)| Self(query))
    }
}

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        let read = read.map_err(|_: PathRejection| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "the path names nothing there could be",
            )
        });
        read.map(|axum::extract::Path(path)| Self(path))
    }
}
