//! Signing in by name and password or by a one-time link, and signing out.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;

use super::Site;
use super::answer::{page, page_with, see_other};
use super::cookies::{SESSION, VISIT, set_cookie};
use super::errors::{UiError, sentence};
use super::fields::Fields;
use super::frame::Frame;
use super::html;
use super::visit::{Visit, Visitor};
use crate::admin::service::{Invalid, ServiceError, SignInError};
use crate::operators::Token;
use crate::secret::Secret;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    problem: Option<String>,
    name: String,
    next: String,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage {
    frame: Frame,
    name: String,
    invalid: Invalid,
}

/// Where to go after signing in.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Next {
    next: String,
}

/// The form.
pub async fn form(
    State(site): State<Site>,
    visit: Visit,
    Query(Next { next }): Query<Next>,
) -> Response {
    if visit.signed.is_some() {
        return see_other(own_path(&next));
    }
    page(&SignInPage {
        frame: site.bare_frame(&visit, "Sign in"),
        problem: None,
        name: String::new(),
        next,
    })
}

/// Takes it.
pub async fn sign_in(State(site): State<Site>, visit: Visit, fields: Fields) -> Response {
    let name = fields.text("name");
    let password = Secret::new(fields.raw("password").to_owned());
    let code = fields.text("code");
    let signed = site.service.sign_in(visit.client, name, &password, code);
    let error = match signed.await {
        Ok(token) => return signed_in(&visit, &token, own_path(fields.text("next"))),
        Err(error) => error,
    };
    let status = match &error {
        SignInError::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
        SignInError::Blocked(_) => StatusCode::TOO_MANY_REQUESTS,
        SignInError::Service(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let form = SignInPage {
        frame: site.bare_frame(&visit, "Sign in"),
        problem: Some(sentence(&error.to_string())),
        name: name.to_owned(),
        next: fields.text("next").to_owned(),
    };
    page_with(status, &form)
}

/// Where a one-time link leads: choosing a password. Only looks at the link, for whoever previews links.
pub async fn welcome(
    State(site): State<Site>,
    visit: Visit,
    Path(link): Path<String>,
) -> Result<Response, UiError> {
    let link = parse_link(&link)?;
    let operator = site.service.operator_of_link(&link).await.map_err(old)?;
    Ok(page(&WelcomePage {
        frame: site.bare_frame(&visit, "Choose a password"),
        name: operator.name,
        invalid: Invalid::default(),
    }))
}

/// Uses it up.
pub async fn use_link(
    State(site): State<Site>,
    visit: Visit,
    Path(link): Path<String>,
    fields: Fields,
) -> Result<Response, UiError> {
    let link = parse_link(&link)?;
    let operator = site.service.operator_of_link(&link).await.map_err(old)?;
    let password = Secret::new(fields.raw("password").to_owned());
    let used = if fields.raw("password") == fields.raw("again") {
        site.service.use_link(&link, &password).await
    } else {
        Err(ServiceError::invalid(
            "again",
            "this is not the same password",
        ))
    };
    match used {
        Ok(token) => Ok(signed_in(&visit, &token, "/")),
        Err(ServiceError::Invalid(invalid)) => {
            let form = WelcomePage {
                frame: site.bare_frame(&visit, "Choose a password"),
                name: operator.name,
                invalid,
            };
            Ok(page_with(StatusCode::UNPROCESSABLE_ENTITY, &form))
        }
        Err(error) => Err(old(error).into()),
    }
}

/// Ends the session.
pub async fn sign_out(State(site): State<Site>, visitor: Visitor) -> Result<Response, UiError> {
    let session = visitor.signed.session.digest;
    site.service.sign_out(session).await?;
    let mut response = see_other("/sign-in");
    let is_https = visitor.visit.is_https;
    set_cookie(&mut response, SESSION, "", Some(0), is_https);
    Ok(response)
}

/// Gives the browser its token; what it had before counts no more.
fn signed_in(visit: &Visit, token: &Token, path: &str) -> Response {
    let mut response = see_other(path);
    let is_https = visit.is_https;
    set_cookie(&mut response, SESSION, token.expose(), None, is_https);
    set_cookie(&mut response, VISIT, "", Some(0), is_https);
    response
}

fn parse_link(text: &str) -> Result<Token, UiError> {
    Token::parse(text).ok_or_else(|| old(ServiceError::not_found("link")).into())
}

/// Links that are used up look like those that never were.
fn old(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::NotFound(_) => ServiceError::Conflict(
            "this link was used or is too old; ask an operator for another, \
             or make one with `gatepost operator reset NAME`"
                .to_owned(),
        ),
        other => other,
    }
}

/// The path, when it is one of this site; else the front page.
fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/')
        && !path[1..].starts_with(['/', '\\'])
        && !path.contains(|c: char| c.is_control() || c == '\\');
    if is_own { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for path in ["/", "/lists/1", "/lists?q=a"] {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/x",
        ] {
            assert_eq!(own_path(path), "/", "{path}");
        }
    }
}
