//! Pages about what went wrong: what happened, and where to go from here.

use askama::Template;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::answer::{moved, page_with};
use super::assets::{CSS, ICON};
use super::frame::Flash;
use super::visit::Visit;
use crate::admin::service::ServiceError;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    css: &'static str,
    icon: &'static str,
    title: &'a str,
    text: &'a str,
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub struct UiError(ServiceError);

impl UiError {
    /// Something inside does not answer.
    pub fn unavailable() -> Self {
        Self(ServiceError::Unavailable(
            "the panel cannot answer now; try again in a moment".to_owned(),
        ))
    }
}

impl From<ServiceError> for UiError {
    fn from(error: ServiceError) -> Self {
        Self(error)
    }
}

impl IntoResponse for UiError {
    fn into_response(self) -> Response {
        plain(&self.0)
    }
}

/// The page about an error of an operation.
pub fn plain(error: &ServiceError) -> Response {
    let text = sentence(&error.to_string());
    let (status, title) = match error {
        ServiceError::NotFound(_) => (StatusCode::NOT_FOUND, "Not found"),
        ServiceError::Forbidden => (StatusCode::FORBIDDEN, "Not allowed"),
        ServiceError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "This cannot be"),
        ServiceError::Conflict(_) => (StatusCode::CONFLICT, "This cannot be done"),
        ServiceError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
    };
    error_page(status, title, &text)
}

/// The page about a request that was refused before anything was done.
pub fn refused(_: &Visit, status: StatusCode, text: &str) -> Response {
    error_page(status, "Nothing was done", text)
}

/// The page where there is none; with a slash at the end, the way to the path without it.
pub async fn nothing_here(uri: Uri) -> Response {
    if let Some(path) = without_slash(&uri) {
        return moved(&path);
    }
    let text = "There is no such page, or it belongs to a list that is not yours.";
    error_page(StatusCode::NOT_FOUND, "Not found", text)
}

/// None when it ends without one, or would lead to another site, as `//example.com` does.
fn without_slash(uri: &Uri) -> Option<String> {
    let path = uri.path().strip_suffix('/')?.trim_end_matches('/');
    let rest = path.strip_prefix('/')?;
    if rest.starts_with(['/', '\\']) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}"));
    Some(format!("{path}{}", query.unwrap_or_default()))
}

fn error_page(status: StatusCode, title: &str, text: &str) -> Response {
    let page = ErrorPage {
        css: &CSS.path,
        icon: &ICON.path,
        title,
        text,
    };
    page_with(status, &page)
}

/// What stands in the way, to be said on the next page.
///
/// # Errors
/// Whatever else went wrong, which has a page of its own.
pub fn obstacle(error: ServiceError) -> Result<Flash, UiError> {
    match error {
        ServiceError::Conflict(text) => Ok(Flash::not_done(sentence(&text))),
        other => Err(other.into()),
    }
}

/// An error's text as a sentence: with a capital, and an end.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first: String = characters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    let end = if text.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::{sentence, without_slash};

    #[test]
    fn a_slash_at_the_end_is_left_out_and_leads_to_no_other_site() {
        let path = |text: &str| without_slash(&text.parse().expect("an address"));
        for (with, without) in [
            ("/lists/1/", Some("/lists/1")),
            ("/lists/1//?q=a/", Some("/lists/1?q=a/")),
            ("/lists/1", None),
            ("/lists/1?q=/", None),
            ("/", None),
            ("//", None),
            ("//example.com/", None),
            ("/\\example.com/", None),
        ] {
            assert_eq!(path(with).as_deref(), without, "{with}");
        }
    }

    #[test]
    fn an_error_becomes_a_sentence() {
        assert_eq!(sentence("there is no such list"), "There is no such list.");
        assert_eq!(sentence("Why?"), "Why?");
        assert_eq!(sentence(""), ".");
    }
}
