//! Reads the form of a request that changes something: when it comes from a page of ours, and within its limits.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use subtle::ConstantTimeEq;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use tracing::info;

use super::Site;
use super::errors;
use super::fields::{Fields, Files, parts_of};
use super::visit::Visit;
use super::words;
use crate::admin::Config;

/// The field and the header field that carry the token of a form.
const TOKEN_FIELD: &str = "csrf";
const TOKEN_HEADER: &str = "x-csrf-token";
const FORM: &str = "application/x-www-form-urlencoded";
const FORM_WITH_FILES: &str = "multipart/form-data";

/// Forms with files that are in memory at the same time. Default 2: with the default limit of one, and the message that
/// is made of it, some 120 MiB.
pub const UPLOADS: usize = 2;

/// The turn of a form with files; none for others.
type Turn = Option<Arc<OwnedSemaphorePermit>>;

/// Reads the form, when it is one of ours; it is then among the request's extensions.
///
/// # Errors
/// The response: nothing was done.
pub async fn take(site: &Site, visit: &Visit, request: Request) -> Result<Request, Response> {
    if !is_own_origin(request.headers(), &site.config, visit.is_https) {
        info!(client = %visit.client, "a form of another site was refused");
        let text = "This form came from another site, so nothing was done.";
        return Err(errors::refused(visit, StatusCode::FORBIDDEN, text));
    }
    let (parts, body) = request.into_parts();
    // Who is not signed in has nothing to upload.
    let is_upload = visit.signed.is_some() && is_of(&parts, FORM_WITH_FILES);
    let turn = if is_upload {
        turn(site, visit).await?
    } else {
        None
    };
    let octets = whole(&site.config, visit, is_upload, body).await?;
    let (fields, files) = fields(&parts, octets, turn).await;
    let shown = parts.headers.get(TOKEN_HEADER);
    let shown = shown.map(|field| field.as_bytes());
    let shown = shown.unwrap_or_else(|| fields.raw(TOKEN_FIELD).as_bytes());
    if !bool::from(shown.ct_eq(visit.form_token().as_bytes())) {
        let text = "This form is no longer valid: you signed in or out since it was opened. Open the page again.";
        return Err(errors::refused(visit, StatusCode::FORBIDDEN, text));
    }
    // It is read; nobody reads the body once more.
    let mut request = Request::from_parts(parts, Body::empty());
    request.extensions_mut().insert(fields);
    request.extensions_mut().insert(files);
    Ok(request)
}

/// Forms with files take turns.
async fn turn(site: &Site, visit: &Visit) -> Result<Turn, Response> {
    let waiting = Arc::clone(&site.uploads).acquire_owned();
    match timeout(site.config.body_timeout(), waiting).await {
        Ok(Ok(turn)) => Ok(Some(Arc::new(turn))),
        _ => {
            let text =
                "Others are sending files at this moment, so nothing was done. Try again soon.";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            Err(errors::refused(visit, status, text))
        }
    }
}

async fn whole(
    config: &Config,
    visit: &Visit,
    is_upload: bool,
    body: Body,
) -> Result<Bytes, Response> {
    let max = match is_upload {
        true => config.max_upload_octets,
        false => config.max_body_octets,
    };
    let whole = timeout(config.body_timeout(), to_bytes(body, max));
    match whole.await {
        Ok(Ok(octets)) => Ok(octets),
        Ok(Err(_)) => {
            let max = words::octets(&(max as u64));
            let text = format!("This form is too large: with everything in it, it may have {max}.");
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            Err(errors::refused(visit, status, &text))
        }
        Err(_) => {
            let status = StatusCode::REQUEST_TIMEOUT;
            Err(errors::refused(visit, status, "This form took too long."))
        }
    }
}

fn is_of(parts: &Parts, media_type: &str) -> bool {
    let kind = parts.headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(media_type.as_bytes()))
}

/// What a form sent; nothing when it cannot be read or is of another kind.
async fn fields(parts: &Parts, octets: Bytes, turn: Turn) -> (Fields, Files) {
    let mut request = Request::new(Body::from(octets));
    *request.method_mut() = axum::http::Method::POST;
    if let Some(kind) = parts.headers.get(CONTENT_TYPE) {
        request.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    if is_of(parts, FORM_WITH_FILES) {
        // The limit of the whole has been kept.
        DefaultBodyLimit::disable().apply(&mut request);
        return match Multipart::from_request(request, &()).await {
            Ok(sent) => parts_of(sent, turn).await.unwrap_or_default(),
            Err(_) => Default::default(),
        };
    }
    if !is_of(parts, FORM) {
        return Default::default();
    }
    let pairs = axum::Form::<Vec<(String, String)>>::from_request(request, &()).await;
    let pairs = pairs.map_or_else(|_| Vec::new(), |axum::Form(pairs)| pairs);
    (Fields::new(pairs).unwrap_or_default(), Files::default())
}

/// False when the browser says that a form comes from elsewhere. Programs say nothing; they have no
/// cookies that a stranger could use.
fn is_own_origin(header: &HeaderMap, config: &Config, is_https: bool) -> bool {
    let text = |name: &str| header.get(name).and_then(|field| field.to_str().ok());
    if let Some(site) = text("sec-fetch-site")
        && !matches!(site, "same-origin" | "none")
    {
        return false;
    }
    let Some(origin) = text(ORIGIN.as_str()) else {
        return true;
    };
    let scheme = if is_https { "https" } else { "http" };
    let host = text(HOST.as_str()).unwrap_or_default();
    origin == format!("{scheme}://{host}") || config.named_url() == Some(origin)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn header(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn a_form_of_another_site_is_not_ours() {
        let config = Config {
            url: Some("https://panel.example.com/".to_owned()),
            ..Config::default()
        };
        let host = ("host", "localhost:8080");
        for (own, pairs) in [
            (true, vec![host]),
            (true, vec![host, ("origin", "http://localhost:8080")]),
            (true, vec![host, ("origin", "https://panel.example.com")]),
            (false, vec![host, ("origin", "http://localhost:8081")]),
            (false, vec![host, ("origin", "https://localhost:8080")]),
            (false, vec![host, ("origin", "null")]),
            (false, vec![host, ("sec-fetch-site", "cross-site")]),
            (false, vec![host, ("sec-fetch-site", "same-site")]),
            (true, vec![host, ("sec-fetch-site", "same-origin")]),
        ] {
            assert_eq!(
                is_own_origin(&header(&pairs), &config, false),
                own,
                "{pairs:?}"
            );
        }
    }

    /// A form with files as browsers write it.
    async fn read(body: &str) -> (Fields, Files) {
        let mut request = Request::new(());
        let kind = HeaderValue::from_static("multipart/form-data; boundary=x");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let (parts, ()) = request.into_parts();
        let body = body.replace('\n', "\r\n");
        fields(&parts, Bytes::from(body), None).await
    }

    #[tokio::test]
    async fn a_form_with_files_has_fields_and_files() {
        let field = "--x\nContent-Disposition: form-data; name=\"to\"\n\na@example.com\n";
        let file = "--x\nContent-Disposition: form-data; name=\"f\"; filename=\"a.csv\"\nContent-Type: text/csv\n\n1;2\n";
        let none = "--x\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\nContent-Type: application/octet-stream\n\n\n";
        let (fields, files) = read(&format!("{field}{file}{none}--x--\n")).await;
        assert_eq!(fields.text("to"), "a@example.com");
        let files = files.all();
        assert_eq!(files.len(), 1, "a field without a file is none");
        assert_eq!(
            (files[0].name.as_str(), &*files[0].octets),
            ("a.csv", b"1;2".as_slice())
        );
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_has_nothing() {
        let (fields, files) = read(
            "--x\nContent-Disposition: form-data; name=\"to\"\n\na\n--x\nContent-Disposition: form-data; name=\"b\"\n\nhal",
        )
        .await;
        assert_eq!(fields.text("to"), "");
        assert!(files.all().is_empty());
    }
}
