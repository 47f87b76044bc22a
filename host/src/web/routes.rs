//! What is served at which path.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tokio::time::timeout;

use super::Site;
use super::answer::{Cache, document, download, refusal, with_security_fields};
use crate::autoconfig::{apple, outlook, page, read_outlook_request, thunderbird};
use crate::smtp::Mailbox;

const XML: &str = "application/xml; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
/// What RFC 8555 §8.3 asks for.
const KEY_AUTHORIZATION: &str = "application/octet-stream";
const PROFILE: &str = "application/x-apple-aspen-config";
/// Octets of a user name in a query; the store's are shorter.
const MAX_USERNAME_OCTETS: usize = 64;

/// Every path; all others are 404.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(front_page))
        .route("/mail/config-v1.1.xml", get(thunderbird_config))
        .route(
            "/.well-known/autoconfig/mail/config-v1.1.xml",
            get(thunderbird_config),
        )
        .route("/apple.mobileconfig", get(apple_profile))
        .route("/.well-known/acme-challenge/{token}", get(challenge))
        .fallback(any_case)
        .with_state(site)
        .layer(map_response(with_security_fields))
}

async fn front_page(State(site): State<Site>) -> Response {
    document(HTML, Cache::Hour, page(&site.relay))
}

#[derive(Deserialize)]
struct ThunderbirdQuery {
    emailaddress: Option<String>,
}

async fn thunderbird_config(
    State(site): State<Site>,
    Query(query): Query<ThunderbirdQuery>,
) -> Response {
    let mailbox = match query.emailaddress.as_deref().map(|text| site.mailbox(text)) {
        None => None,
        Some(Ok(mailbox)) => Some(mailbox),
        Some(Err(refusal)) => return *refusal,
    };
    let cache = mailbox.as_ref().map_or(Cache::Hour, |_| Cache::Private);
    document(XML, cache, thunderbird(&site.relay, mailbox.as_ref()))
}

#[derive(Deserialize)]
struct AppleQuery {
    email: Option<String>,
    username: Option<String>,
}

async fn apple_profile(State(site): State<Site>, Query(query): Query<AppleQuery>) -> Response {
    let mailbox = match query.email.as_deref().map(|text| site.mailbox(text)) {
        None => None,
        Some(Ok(mailbox)) => Some(mailbox),
        Some(Err(refusal)) => return *refusal,
    };
    let username = query.username.as_deref();
    if username.is_some_and(|name| name.len() > MAX_USERNAME_OCTETS) {
        return refusal(StatusCode::BAD_REQUEST, "the user name is too long");
    }
    match apple(&site.relay, mailbox.as_ref(), username) {
        Some(profile) => download(
            PROFILE,
            "attachment; filename=\"mail.mobileconfig\"",
            profile,
        ),
        None => refusal(
            StatusCode::NOT_FOUND,
            "An Apple profile must name the server that mail is read from, and this relay only sends. \
             Its administrator can name one: autoconfig.incoming-host in the configuration.",
        ),
    }
}

async fn challenge(State(site): State<Site>, Path(token): Path<String>) -> Response {
    match site.challenges.answer(&token) {
        Some(answer) => document(KEY_AUTHORIZATION, Cache::Never, answer),
        None => nothing_here(),
    }
}

/// Clients write the path of Autodiscover in every mixture of cases.
async fn any_case(State(site): State<Site>, request: Request) -> Response {
    let path = request.uri().path().to_ascii_lowercase();
    match (path.as_str(), request.method()) {
        ("/autodiscover/autodiscover.xml", &Method::POST) => {
            autodiscover(&site, request.into_body()).await
        }
        ("/autodiscover/autodiscover.xml", _) => refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "Autodiscover is asked by POST",
        ),
        ("/autodiscover/autodiscover.json", _) => refusal(
            StatusCode::NOT_FOUND,
            "Autodiscover's second version cannot tell SMTP settings; POST to /autodiscover/autodiscover.xml",
        ),
        _ => nothing_here(),
    }
}

async fn autodiscover(site: &Site, body: Body) -> Response {
    let whole = to_bytes(body, site.config.max_body_octets);
    let octets = match timeout(site.config.body_timeout(), whole).await {
        Ok(Ok(octets)) => octets,
        Ok(Err(_)) => {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
        }
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    };
    let Ok(text) = std::str::from_utf8(&octets) else {
        return refusal(StatusCode::BAD_REQUEST, "the request is not UTF-8");
    };
    match read_outlook_request(text) {
        Ok(mailbox) if site.relay.serves(&mailbox) => {
            document(XML, Cache::Private, outlook(&site.relay, &mailbox))
        }
        Ok(_) => not_served(),
        Err(error) => refusal(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

impl Site {
    /// The address of a query, when it is one and its domain is served.
    fn mailbox(&self, text: &str) -> Result<Mailbox, Box<Response>> {
        match Mailbox::parse_utf8(text) {
            Ok(mailbox) if self.relay.serves(&mailbox) => Ok(mailbox),
            Ok(_) => Err(Box::new(not_served())),
            Err(_) => Err(Box::new(refusal(
                StatusCode::BAD_REQUEST,
                "that is not an e-mail address",
            ))),
        }
    }
}

/// What was asked for is not repeated: whoever made the link chose it.
fn not_served() -> Response {
    refusal(
        StatusCode::NOT_FOUND,
        "addresses of that domain are not configured here",
    )
}

fn nothing_here() -> Response {
    refusal(StatusCode::NOT_FOUND, "there is nothing here; see /")
}
