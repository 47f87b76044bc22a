//! Who asks, what they may do, and how often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::problem::Problem;
use crate::admin::ui::client;
use crate::operators::{Actor, ApiToken, Scope};

/// A window of the limit of requests.
const MINUTE: Duration = Duration::from_secs(60);

/// Who asks, and with what.
#[derive(Clone)]
pub struct Caller {
    /// For the operations.
    pub actor: Actor,
    /// The token it asks with.
    pub token: ApiToken,
    /// Where it asks from.
    pub client: IpAddr,
}

/// A caller that may look.
pub struct Reader(pub Caller);
/// A caller that may change.
pub struct Writer(pub Caller);
/// A caller that may submit messages.
pub struct Sender(pub Caller);
/// A caller that may make and change operators.
pub struct Manager(pub Caller);

/// Requests by token within the current minute.
pub struct Rates {
    per_minute: u32,
    counts: Mutex<(Option<Instant>, HashMap<i64, u32>)>,
}

impl Rates {
    /// At most so many a minute for each token; 0 is unlimited.
    pub fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            counts: Mutex::default(),
        }
    }

    /// Counts a request; the time to wait when it is one too many.
    fn take(&self, token: i64, now: Instant) -> Option<Duration> {
        let mut counts = self.counts.lock();
        let began = *counts.0.get_or_insert(now);
        let mut passed = now.saturating_duration_since(began);
        if passed >= MINUTE {
            *counts = (Some(now), HashMap::new());
            passed = Duration::ZERO;
        }
        let count = counts.1.entry(token).or_insert(0);
        *count = count.saturating_add(1);
        (self.per_minute != 0 && *count > self.per_minute).then(|| MINUTE - passed)
    }
}

/// Lets those in who show a token.
pub async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let header = request.headers().get(AUTHORIZATION);
    let shown = header
        .and_then(|field| field.to_str().ok())
        .and_then(bearer);
    let shown = shown.map(str::to_owned);
    let (client, _) = client(&request, &api.config);
    match caller(&api, shown.as_deref(), client).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn caller(api: &Api, shown: Option<&str>, client: IpAddr) -> Result<Caller, Problem> {
    let token = match shown {
        Some(shown) => api.service.token(shown).await?,
        None => None,
    };
    let token = token.ok_or_else(unknown)?;
    if let Some(wait) = api.rates.take(token.id, Instant::now()) {
        return Err(too_many(api.config.api_requests_per_minute, wait));
    }
    Ok(Caller {
        actor: token.actor(),
        token,
        client,
    })
}

/// RFC 6750 §2.1; the word is compared without regard to case.
fn bearer(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn unknown() -> Problem {
    let detail = "show a token as `Authorization: Bearer gp_…`; operators make them in the panel or by \
                  `gatepost token add`";
    let challenge = HeaderValue::from_static("Bearer realm=\"gatepost\"");
    Problem::new(StatusCode::UNAUTHORIZED, detail).with(WWW_AUTHENTICATE, challenge)
}

fn too_many(per_minute: u32, wait: Duration) -> Problem {
    let detail = format!("a token may make {per_minute} requests a minute");
    let seconds = wait.as_secs().max(1);
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).with(RETRY_AFTER, seconds.into())
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}

async fn allowed<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    scope: Scope,
) -> Result<Caller, Problem> {
    let caller = Caller::from_request_parts(parts, state).await?;
    if caller.token.allows(scope) {
        return Ok(caller);
    }
    let word = scope.word();
    let detail = format!("this token does not allow it: it needs the scope `{word}`");
    let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{word}\"");
    let problem = Problem::new(StatusCode::FORBIDDEN, detail);
    Err(match HeaderValue::from_str(&challenge) {
        Ok(challenge) => problem.with(WWW_AUTHENTICATE, challenge),
        Err(_) => problem,
    })
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        allowed(parts, state, Scope::Read).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Writer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        allowed(parts, state, Scope::Write).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        allowed(parts, state, Scope::Send).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        allowed(parts, state, Scope::Operators).await.map(Self)
    }
}

/// The token that a request was made with.
#[derive(Serialize, ToSchema)]
pub struct Me {
    /// What the token is for.
    name: String,
    /// The operator in whose name it acts.
    operator: String,
    /// What it allows.
    scopes: Vec<Scope>,
    /// The numbers of the lists it reaches; null when it reaches all.
    lists: Option<Vec<i64>>,
}

/// Tells what the token is
///
/// Any token may ask.
#[utoipa::path(
    get,
    path = "/me",
    operation_id = "me",
    tag = "Token",
    responses(
        (status = 200, description = "The token", body = Me),
        (status = 401, description = "No token, or none that holds", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many requests", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn me(caller: Caller) -> Json<Me> {
    let lists = caller.actor.only_lists().map(<[i64]>::to_vec);
    Json(Me {
        name: caller.token.name,
        operator: caller.token.owner.name,
        scopes: caller.token.scopes,
        lists,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_as_a_bearer() {
        assert_eq!(bearer("Bearer gp_x"), Some("gp_x"));
        assert_eq!(bearer("bearer  gp_x"), Some("gp_x"));
        assert_eq!(bearer("Basic gp_x"), None);
        assert_eq!(bearer("gp_x"), None);
    }

    #[test]
    fn each_token_has_its_own_minute() {
        let rates = Rates::new(2);
        let now = Instant::now();
        assert_eq!(rates.take(1, now), None);
        assert_eq!(rates.take(1, now), None);
        let later = now + Duration::from_secs(20);
        assert_eq!(rates.take(1, later), Some(Duration::from_secs(40)));
        assert_eq!(rates.take(2, later), None);
        assert_eq!(rates.take(1, now + MINUTE), None);
        assert_eq!(Rates::new(0).take(1, now), None);
    }
}
