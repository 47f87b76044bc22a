//! Requests that may come again: what has an Idempotency-Key is done once, and answered as often as it comes.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::problem::Problem;
use super::send::answer;
use crate::admin::Service;
use crate::admin::service::RequestKey;

/// The field of the header.
const FIELD: &str = "idempotency-key";
/// Characters of a key at most. Default 255.
const MAX_CHARACTERS: usize = 255;

/// The key of a request; none when it has none.
///
/// # Errors
/// It has one that is none.
pub fn key(header: &HeaderMap, token: i64) -> Result<Option<RequestKey>, Problem> {
    let Some(field) = header.get(FIELD) else {
        return Ok(None);
    };
    let text = field.to_str().unwrap_or_default();
    if !(1..=MAX_CHARACTERS).contains(&text.len())
        || !text.bytes().all(|octet| octet.is_ascii_graphic())
    {
        let detail = "`Idempotency-Key` has 1 to 255 printable ASCII characters and no space";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let key = text.to_owned();
    Ok(Some(RequestKey { token, key }))
}

/// Begins a request; the answer when it was made before.
///
/// # Errors
/// It was made with another document, is under way, or nobody knows what came of it.
pub async fn begin(
    service: &Service,
    key: &RequestKey,
    octets: &[u8],
) -> Result<Option<Response>, Problem> {
    let Some(earlier) = service.begin_request(key, octets).await? else {
        return Ok(None);
    };
    if !earlier.is_same {
        let detail = "this `Idempotency-Key` was used for another document; choose another one";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    match earlier.answer {
        Some(kept) => Ok(Some(answer(kept))),
        None => {
            let detail = "the request of this `Idempotency-Key` is under way, or the relay ended before it was answered; \
                          look whether the message is there";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Keeps what a request was answered; what did nothing may be tried again.
pub async fn end(service: &Service, key: RequestKey, done: Result<(u16, String), &Problem>) {
    let kept = service.end_request(key, done.ok()).await;
    if let Err(error) = kept {
        tracing::warn!(%error, "what a request was answered cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(text: &'static str) -> Result<Option<RequestKey>, Problem> {
        let mut header = HeaderMap::new();
        header.insert(FIELD, HeaderValue::from_static(text));
        key(&header, 7)
    }

    #[test]
    fn a_key_is_short_and_printable() {
        let found = of("order-1").expect("a key").expect("it is there");
        assert_eq!((found.token, found.key.as_str()), (7, "order-1"));
        assert!(of("").is_err());
        assert!(of("a b").is_err());
        assert!(key(&HeaderMap::new(), 7).expect("none").is_none());
    }
}
