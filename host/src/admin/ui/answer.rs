//! Responses, and the header fields that all of them have.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tracing::error;

/// Everything comes from here alone, nothing is written into a page, nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const FIELDS: [(&str, &str); 8] = [
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // Not `no-referrer`: with it browsers hide the origin of a form.
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
    ("x-robots-tag", "noindex"),
];
const HTML: &str = "text/html; charset=utf-8";

/// A page.
pub fn page(template: &impl Template) -> Response {
    page_with(StatusCode::OK, template)
}

/// A page with a status, for example of a form that cannot be taken.
pub fn page_with(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, [(CONTENT_TYPE, HTML)], html).into_response(),
        Err(error) => {
            error!(%error, "a page cannot be made");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (status, "this page cannot be made\n").into_response()
        }
    }
}

/// Sends the browser on by GET, after a form was taken.
pub fn see_other(path: &str) -> Response {
    let path = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response()
}

/// Sends the browser to another address of the same thing, for good (RFC 9110 §15.4.9).
pub fn moved(path: &str) -> Response {
    let path = HeaderValue::from_str(path).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::PERMANENT_REDIRECT, [(LOCATION, path)]).into_response()
}

/// Adds the fields that every response has. Nothing is kept anywhere unless the response says so.
pub async fn with_security_fields(mut response: Response) -> Response {
    let header = response.headers_mut();
    for (name, value) in FIELDS {
        let value = HeaderValue::from_static(value);
        header.insert(HeaderName::from_static(name), value);
    }
    let cache = header.entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static("no-store"));
    response
}
