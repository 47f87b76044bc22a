//! Responses, and the header fields that all of them have.

use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Nothing on a page may be loaded, run, framed or sent anywhere.
const POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Who may keep a document, and for how long.
#[derive(Clone, Copy)]
pub enum Cache {
    /// The same for everyone, for an hour.
    Hour,
    /// It holds an address.
    Private,
    /// It is right at this moment alone.
    Never,
}

impl Cache {
    const fn control(self) -> &'static str {
        match self {
            Self::Hour => "public, max-age=3600",
            Self::Private => "private, no-store",
            Self::Never => "no-store",
        }
    }
}

/// A document.
pub fn document(kind: &'static str, cache: Cache, body: String) -> Response {
    let fields = [(CONTENT_TYPE, kind), (CACHE_CONTROL, cache.control())];
    (fields, body).into_response()
}

/// A document that is to be saved under this name.
pub fn download(kind: &'static str, disposition: &'static str, body: String) -> Response {
    let mut response = document(kind, Cache::Private, body);
    let disposition = HeaderValue::from_static(disposition);
    response
        .headers_mut()
        .insert(CONTENT_DISPOSITION, disposition);
    response
}

/// A sentence for a person about what went wrong.
pub fn refusal(status: StatusCode, text: impl Into<String>) -> Response {
    let body = text.into() + "\n";
    let response = document("text/plain; charset=utf-8", Cache::Never, body);
    (status, response).into_response()
}

/// Adds the fields that every response has.
pub async fn with_security_fields(mut response: Response) -> Response {
    let fields: [(HeaderName, &'static str); 3] = [
        (HeaderName::from_static("content-security-policy"), POLICY),
        (HeaderName::from_static("x-content-type-options"), "nosniff"),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    for (name, value) in fields {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    // Refusals of the library say nothing about caches.
    let cache = response.headers_mut().entry(CACHE_CONTROL);
    cache.or_insert(HeaderValue::from_static(Cache::Never.control()));
    response
}
